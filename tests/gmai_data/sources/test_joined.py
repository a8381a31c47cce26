"""Facts of an item that stand in other files: its group in a second table, its split in lists, a table or its path."""

import os

import pydicom
import pytest
from gmai_data.imaging.source_files import patient_group
from gmai_data.sources.cards.catalogue import Source, bundled_names, find_recipe
from gmai_data.sources.items import Item
from gmai_data.sources.joined import with_joined_facts
from gmai_data.sources.listing import list_sources
from gmai_data.sources.splits import group_of, split_of
from gmai_data.vocabulary import Split
from gmai_formats.errors import UserError

from ..dicom_objects import noise, write


def joined(recipe, root, *paths):
    return list(with_joined_facts([Item(path, (path,)) for path in paths], recipe, root))


def test_a_second_table_names_the_group(toy, tmp_path):
    (tmp_path / "meta.csv").write_text("image;lesion\na;L1\nb;L1\nc;\n")
    recipe = toy(split={"group_table": {"table": "meta.csv", "key": "image", "value": "lesion"}})
    items = joined(recipe, tmp_path, "pictures/a.jpg", "pictures/b.JPG", "pictures/c.jpg", "pictures/d.jpg")
    assert [group_of(item, recipe) for item in items[:3]] == ["L1", "L1", "pictures/c.jpg"]
    assert items[3].problem == ("no group", "meta.csv has no row of it; without a group it may leak")


def test_a_table_with_a_date_in_its_name(toy, tmp_path):
    (tmp_path / "sheet.2024-05-01.tsv").write_text("file\tcase\na.svs\tc1\n")
    recipe = toy(split={"group_table": {"table": "sheet.*.tsv", "key": "file", "value": "case"}})
    assert [group_of(item, recipe) for item in joined(recipe, tmp_path, "x/a.svs")] == ["c1"]
    (tmp_path / "sheet.2025-01-01.tsv").write_text("file\tcase\na.svs\tc2\n")
    with pytest.raises(UserError, match=r"reads one table sheet\.\*\.tsv\. Keep one of them"):
        joined(recipe, tmp_path, "x/a.svs")


def test_a_row_may_name_both_eyes_of_a_person(toy, tmp_path):
    (tmp_path / "pairs.csv").write_text("left;right\na.jpg;b.JPG\nc.png;\n;d.png\n")
    table = {"table": "pairs.csv", "key": ["left", "right"], "value": "left"}
    recipe = toy(split={"group_table": table})
    items = joined(recipe, tmp_path, "IMAGES/a.JPG", "IMAGES/b.jpg", "IMAGES/c.png", "IMAGES/d.png")
    assert [group_of(item, recipe) for item in items] == ["a.jpg", "a.jpg", "c.png", "IMAGES/d.png"]
    (tmp_path / "pairs.csv").write_text("left,right\na,b\nc,b\n")
    with pytest.raises(UserError, match=r'data row 2: b has "a" and "c" in left'):
        joined(recipe, tmp_path, "b.png")


@pytest.mark.parametrize(("listed", "split"), [("7.0", Split.HELD_OUT), ("7", Split.HELD_OUT), ("7.5", None)])
def test_numbers_that_pandas_wrote_as_floats_name_pictures(toy, tmp_path, listed, split):
    (tmp_path / "test.csv").write_text(f"id,patient\n{listed},p\n")
    recipe = toy(split={"official": {"held_out": "test.csv:id"},
                        "group_table": {"table": "test.csv", "key": "id", "value": "patient"}})  # fmt: skip
    (item,) = joined(recipe, tmp_path, "pictures/7.png")
    assert (item.split, item.group, item.problem is None) == (split, "p" if split else "", split is not None)


@pytest.mark.parametrize("listed", ["x/a.nii.gz", "a.nii.gz", "a", "a 1"])
def test_a_list_may_name_path_file_or_stem(toy, tmp_path, listed):
    (tmp_path / "train.txt").write_text("b\n")
    (tmp_path / "test.txt").write_text(listed + "\n")
    recipe = toy(split={"official": {"train": "train.txt", "held_out": "test.txt"}})
    held, train, neither = joined(recipe, tmp_path, "x/a.nii.gz", "x/b.nii.gz", "x/aa.nii.gz")
    assert (held.split, train.split, neither.split) == (Split.HELD_OUT, Split.TRAIN, None)


def test_a_name_on_two_lists_is_refused(toy, tmp_path):
    for name in ("train", "test"):
        (tmp_path / f"{name}.txt").write_text("a.png\n")
    recipe = toy(split={"official": {"train": "train.txt", "held_out": "test.txt"}})
    with pytest.raises(UserError, match=r"test\.txt: a\.png is in the list of train, too\. Correct the lists\."):
        joined(recipe, tmp_path, "a.png")


def test_a_table_names_the_split_of_a_folder(toy, tmp_path):
    (tmp_path / "meta.csv").write_text("id;split\ns1;train\ns2;test\ns3;unheard of\n")
    table = {"table": "meta.csv", "key": "id", "value": "split", "of": r"^(s\d+)/"}
    found = joined(toy(split={"table": table}), tmp_path, "s1/ct.nii.gz", "s2/ct.nii.gz", "s3/ct.nii.gz")
    assert [item.split for item in found] == [Split.TRAIN, Split.HELD_OUT, None]
    with pytest.raises(UserError, match=r'no column "spilt".* Did you mean "split"'):
        joined(toy(split={"table": {**table, "value": "spilt"}}), tmp_path, "s1/ct.nii.gz")


def test_a_path_names_the_split_and_what_it_does_not_name_is_refused(toy, tmp_path):
    recipe = toy(split={"pattern": "(training|testing)/", "names": {"training": "train", "testing": "held_out"}})
    train, held, stray = joined(recipe, tmp_path, "db/training/1.png", "testing/1.png", "other/1.png")
    assert (train.split, held.split) == (Split.TRAIN, Split.HELD_OUT)
    with pytest.raises(Exception, match="not in the official split"):
        split_of(stray, recipe)


def test_a_copy_without_the_lists_is_split_by_the_fractions_where_the_card_says_so(toy, tmp_path, capsys):
    rule = {"official": {"held_out": "test.txt"}, "fractions": {"held_out": 1}}
    with pytest.raises(UserError, match=r"test\.txt: no such split list"):
        joined(toy(split=rule), tmp_path, "a.png")
    (found,) = joined(toy(split={**rule, "without": "fractions"}), tmp_path, "a.png")
    assert found.split == Split.HELD_OUT
    assert "the publisher's split (./test.txt) is not there; split by the card's fractions" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("val.csv", "image,label\na.png,1\nd/b.png,0\n"),
        ("val.csv", "a.png\nd/b\n"),
        ("val.csv", "a\nb.png\n"),
        ("val.csv:image", "label,image\n1,a.png\n0,b\n"),
        ("val.tsv", "image\tlabel\na.png\t1\nb\t0\n"),
        ("val.txt", "./a.png\nd/b.png\n"),
        ("val.txt", "a 1\nb -1\n"),
    ],
)
def test_lists_in_texts_and_tables(toy, tmp_path, name, text):
    (tmp_path / name.split(":")[0]).write_text(text)
    (tmp_path / "rest.csv").write_text("image,label\nc.png,a\n")
    recipe = toy(split={"official": {"validation": name, "train": "rest.csv"}})
    found = joined(recipe, tmp_path, "a.png", "d/b.png", "c.png", "e.png")
    assert [item.split for item in found] == ["validation", "validation", "train", None]


def test_the_parts_of_one_list(toy, tmp_path):
    (tmp_path / "split.txt").write_text("train set:\na.png\nb 1\n\ntest:\nc.png\n")
    rule = {"official": {"train": "split.txt:train set", "held_out": "split.txt:test"}}
    found = joined(toy(split=rule), tmp_path, "a.png", "d/b.png", "c.png", "e.png")
    assert [item.split for item in found] == ["train", "train", "held_out", None]
    rule = {"official": {"train": "split.txt:tess"}}
    with pytest.raises(
        UserError, match=r'split\.txt: no line "tess:", below which recipe toy reads\. Did you mean "test"'
    ):
        joined(toy(split=rule), tmp_path, "a.png")


def test_a_column_of_a_list_that_is_not_there(toy, tmp_path):
    (tmp_path / "val.csv").write_text("image,label\na.png,1\n")
    with pytest.raises(UserError, match=r'val\.csv:1: no column "imag", which recipe toy reads\. Did you mean "image"'):
        joined(toy(split={"official": {"validation": "val.csv:imag"}}), tmp_path, "a.png")


def test_a_row_that_contradicts_another_is_named(toy, tmp_path):
    (tmp_path / "meta.csv").write_text("image,lesion\na,L1\na,L2\n")
    recipe = toy(split={"group_table": {"table": "meta.csv", "key": "image", "value": "lesion"}})
    with pytest.raises(UserError, match=r'meta\.csv: data row 2: a has "L1" and "L2" in lesion\. Correct the table'):
        joined(recipe, tmp_path, "a.png")


@pytest.mark.parametrize("name", [name for name in bundled_names() if not name.startswith(("phantom-", "pydicom-"))])
def test_every_card_names_its_group_or_why_there_is_none(name):
    recipe = find_recipe(name)
    rule = recipe.split
    named = any(getattr(recipe.layout, field, None) for field in ("group_column", "group_field", "group_of_header"))
    of_names = "{patient" in str(recipe.layout) or recipe.layout.kind == "dicom_series"
    assert rule.group_pattern or rule.group_table or named or of_names or rule.no_group, "a group, or a reason"


def test_copies_of_one_picture_that_no_name_tells_apart_are_never_held_out(tmp_path):
    for name in ("lc25000-lung", "lc25000-colon", "cvc-clinicdb"):
        recipe = find_recipe(name)
        assert {split_of(Item(f"{number}.jpeg", ("f",)), recipe) for number in range(300)} == {Split.TRAIN}


def test_kvasir_capsule_keeps_videos_together(tmp_path):
    for name in ("Erosion/bca26705313a4644_20403.jpg", "Erosion/bca26705313a4644_20404.jpg", "Polyp/0a_1.jpg"):
        path = tmp_path / "labelled_images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (listing,) = list_sources([Source(find_recipe("kvasir-capsule"), tmp_path)], None)
    assert len({item.group_number for item in listing.items} - {0}) == 2


def test_several_lists_may_name_the_patients_of_a_split(toy, tmp_path):
    for name, text in (("covid", "patient1\n"), ("healthy", "patient2\n"), ("test", "patient12\n")):
        (tmp_path / f"{name}.txt").write_text(text)
    official = {"train": ["covid.txt", "healthy.txt"], "held_out": "test.txt"}
    recipe = toy(split={"official": official, "group_pattern": r"(patient\d+)", "without": "fractions"})
    found = joined(recipe, tmp_path, "patient1/a.png", "x_patient2.png", "patient12/a.png", "patient3/a.png")
    assert [item.split for item in found] == [Split.TRAIN, Split.TRAIN, Split.HELD_OUT, None]


def test_a_column_of_a_list_is_no_missing_list(toy, tmp_path):
    (tmp_path / "val.csv").write_text("image_id,size\na.png,3\n")
    recipe = toy(split={"official": {"validation": "val.csv:image_id"}, "without": "fractions"})
    a, b = joined(recipe, tmp_path, "a.png", "b.png")
    assert (a.split, b.split) == (Split.VALIDATION, None)


def radiographs(root, ending=".dcm"):
    """Write two radiographs of each of three patients into folders of two classes, and a table of them."""
    lines = ["image,dx"]
    for number in range(6):
        (root / "ab"[number % 2]).mkdir(exist_ok=True)
        write(root / "ab"[number % 2] / f"{number}{ending}", "DX", patient=f"P{number // 2}")
        lines.append(f"{'ab'[number % 2]}/{number}{ending},{'ab'[number % 2]}")
    (root / "t.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("ending", [".dcm", ".DCM", ".dicom", ".ima"])
@pytest.mark.parametrize(
    "layout",
    [
        {"kind": "folder_per_class", "extensions": [".dcm", ".dicom", ".ima"]},
        {"kind": "named_files", "files": "{class}/*"},
        {"kind": "csv_labels", "table": "t.csv", "image_column": "image", "label_column": "dx"},
    ],
)
def test_the_header_of_a_dicom_file_names_the_patient_in_every_layout(toy, tmp_path, layout, ending):
    radiographs(tmp_path, ending)
    (listing,) = list_sources([Source(toy(layout=layout), tmp_path)], None)
    groups = {item.files[0].split("/")[1].split(".")[0]: item.group_number for item in listing.items}
    assert len(groups) == 6
    assert len(set(groups.values())) == 3
    assert all(groups[f"{number}"] == groups[f"{number + 1}"] for number in (0, 2, 4))


@pytest.mark.parametrize("split", [{"group_pattern": r"(\d)"}, {"no_group": "One picture a patient."}])
def test_a_card_that_says_what_the_groups_are_is_not_asked_twice(toy, tmp_path, split):
    radiographs(tmp_path)
    (listing,) = list_sources([Source(toy(split=split), tmp_path)], None)
    assert len({item.group_number for item in listing.items}) == 6


@pytest.mark.parametrize("name", ["1.2.840.113.{}", "E1S1I{}.MR", "IM-0001-{}.dcm.1", "{}.acr", "i{}.MRDC.12", "IMG{}"])
@pytest.mark.parametrize(
    "layout",
    [{"kind": "dicom", "files": "**/*"}, {"kind": "named_files", "files": "{class}/*"}],
    ids=["dicom", "named"],
)
def test_a_dicom_file_names_its_patient_whatever_it_is_called(toy, tmp_path, layout, name):
    (tmp_path / "a").mkdir()
    for number in range(4):
        write(tmp_path / "a" / name.format(number), "DX", patient=f"P{number // 2}")
    (listing,) = list_sources([Source(toy(layout=layout), tmp_path)], None)
    assert [item.group_number for item in listing.items] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    "layout",
    [
        {"kind": "dicom", "files": "a/*"},
        {"kind": "named_files", "files": "{class}/*"},
        {"kind": "csv_labels", "table": "t.csv", "image_column": "f", "label_column": "dx", "group_of_header": True},
    ],
    ids=["dicom", "named", "table"],
)
def test_no_header_is_asked_where_the_card_says_that_there_are_no_groups(toy, tmp_path, layout):
    (tmp_path / "a").mkdir()
    for number in range(4):
        write(tmp_path / "a" / f"{number}.dcm", "DX", patient="P")
    (tmp_path / "t.csv").write_text("f,dx\n" + "".join(f"a/{number}.dcm,a\n" for number in range(4)))
    (listing,) = list_sources([Source(toy(layout=layout, split={"no_group": "One a patient."}), tmp_path)], None)
    assert [item.group_number for item in listing.items] == [1, 2, 3, 4]
    (asked,) = list_sources([Source(toy(layout=layout), tmp_path)], None)
    assert [item.group_number for item in asked.items] == [1, 1, 1, 1]


def test_a_series_that_a_table_names_is_its_patients(toy, tmp_path):
    for number in range(4):
        (tmp_path / f"s{number}").mkdir()
        (tmp_path / f"s{number}" / "LICENSE").write_text("x")
        for slice_ in range(2):
            write(tmp_path / f"s{number}" / f"z{slice_}.dcm", "CT", patient=f"P{number // 2}", series=f"s{number}")
    (tmp_path / "t.csv").write_text("series,dx\ns0,a\ns1,b\ns2,a\ns3,b\n")
    layout = {"kind": "csv_labels", "table": "t.csv", "image_column": "series", "label_column": "dx"}
    (listing,) = list_sources([Source(toy(layout=layout, task="3d_classification"), tmp_path)], None)
    assert [item.group_number for item in listing.items] == [1, 1, 2, 2]


@pytest.mark.parametrize("word", ["Anonymous", "ANON^^", "", "n/a", "de-identified", " removed "])
def test_a_word_in_the_place_of_a_patient_is_none_and_the_study_counts(toy, tmp_path, word):
    (tmp_path / "a").mkdir()
    for number in range(4):
        path = tmp_path / "a" / f"{number}.dcm"
        write(path, "DX", patient=f"P{number // 2}")  # of which the study comes
        dataset = pydicom.dcmread(path)
        dataset.PatientID = word
        dataset.save_as(path)
    (listing,) = list_sources([Source(toy(), tmp_path)], None)
    assert [item.group_number for item in listing.items] == [1, 1, 2, 2]


def test_a_table_labels_patients_by_their_path_or_their_header(toy, tmp_path):
    (tmp_path / "people.tsv").write_text("id\tfinding\nsub-1\talpha\nsub-2\tbeta\nsub-4\t\n")
    table = {"table": "people.tsv", "key": "id", "value": "finding", "of": "^(sub-[^/]+)/"}
    items = joined(toy(label_table=table), tmp_path, *(f"sub-{number}/a.nii" for number in range(1, 5)))
    assert [item.raw_labels for item in items] == [("alpha",), ("beta",), (), ()]
    assert items[2].problem == ("no label", "people.tsv has no row of it")
    assert items[3].problem == ("no label", "people.tsv has an empty cell for it")
    by_patient = toy(label_table={name: table[name] for name in ("table", "key", "value")})
    named = [Item("x/1", ("x/1",), group=patient_group("sub-2")), Item("x/2", ("x/2",), group="sub-1")]
    assert [item.raw_labels for item in with_joined_facts(named, by_patient, tmp_path)] == [("beta",), ("alpha",)]


def test_what_stands_behind_a_key_is_taken_off(toy, tmp_path):
    (tmp_path / "studies.csv").write_text("id,finding\na1_study,alpha\nb2_study,beta\n_study,gamma\n")
    table = {"table": "studies.csv", "key": "id", "value": "finding", "of": "^([^/]+)/", "key_suffix": "_study"}
    items = joined(toy(label_table=table), tmp_path, "a1/x.nii", "b2/x.nii", "a1_study/x.nii")
    assert [item.raw_labels for item in items] == [("alpha",), ("beta",), ()]


@pytest.mark.parametrize("ending", [".png", ".tif", ".JPG", ".bmp"])
@pytest.mark.parametrize(
    "layout",
    [{"kind": "folder_per_class"}, {"kind": "csv_labels", "table": "t.csv", "image_column": "f", "label_column": "dx"}],
    ids=lambda layout: layout["kind"],
)
def test_a_dicom_file_that_is_called_as_a_picture_is_asked_for_its_patient(toy, tmp_path, layout, ending):
    for number in range(6):
        write(tmp_path / "a" / f"{number}{ending}", "DX", noise(), patient=f"P{number // 3}")
    (tmp_path / "t.csv").write_text("f,dx\n" + "".join(f"a/{number}{ending},a\n" for number in range(6)))
    card = toy(layout=layout, labels={"a": "alpha"})
    items = list(with_joined_facts(card.layout.list_items(card, tmp_path), card, tmp_path))
    groups = {item.files[0]: item.group for item in items}
    assert len(set(groups.values())) == 2
    assert groups[f"a/0{ending}"] == groups[f"a/2{ending}"] != groups[f"a/3{ending}"]


def test_pictures_that_are_dicom_are_asked_in_folders_of_any_name(toy, tmp_path):
    for number in range(2):
        write(tmp_path / f"plain/{number}.png", "DX", noise(), patient="P")
    (tmp_path / "plain").rename(tmp_path / os.fsdecode(b"Andr\xe9"))
    card = toy(layout={"kind": "folder_per_class", "images": "."})
    found = joined(card, tmp_path, *(f"Andr\\xe9/{number}.png" for number in range(2)))
    assert {item.group for item in found} == {patient_group("P")}
