"""Patterns of names: what they find, what they capture, what they refuse, and what masks make of it."""

import pytest
from gmai_data.sources.names import (
    Named,
    NamePattern,
    find_named,
    name_pattern,
    patterns_of,
    placeholders,
    require_known,
)
from gmai_formats.errors import UserError


@pytest.mark.parametrize(
    ("pattern", "file", "parts"),
    [
        ("img/img{id}.nii.gz", "img/img0001.nii.gz", {"id": "0001"}),
        ("**/volume-{id:\\d+}.nii", "Training Batch 1/volume-12.nii", {"id": "12"}),
        ("**/volume-{id:\\d+}.nii", "volume-12.nii", {"id": "12"}),
        ("**/volume-{id:\\d+}.nii", "volume-12b.nii", None),
        ("{split}/{class}/{patient}_{id}.png", "train/NO/amd_1_2.png",
         {"split": "train", "class": "NO", "patient": "amd", "id": "1_2"}),
        ("{class:MASS|CALC}_*.PNG", "MASS_1.png", {"class": "MASS"}),
        ("{class:MASS|CALC}_*.png", "mass_1.png", None),
        ("{case}/{case}_flair.nii", "a/a_flair.nii", {"case": "a"}),
        ("{case}/{case}_flair.nii", "a/b_flair.nii", None),
        ("{id:[0-9]{4}}?.png", "0001x.png", {"id": "0001"}),
        ("[!a]*.png", "b.png", {}),
        ("[!a]*.png", "a.png", None),
        ("a (1).png", "a (1).png", {}),
    ],
)  # fmt: skip
def test_a_pattern_captures_parts_of_names(pattern, file, parts):
    assert NamePattern(pattern).read(file) == parts


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("{stem}.png", "part of every path"), ("{Id}.png", "a brace"), ("{id.png", "a brace"), ("{id:(}.png", "regular")],
)
def test_what_is_no_pattern_is_refused(pattern, message):
    with pytest.raises(ValueError, match=message):
        name_pattern(pattern)


def test_the_glob_has_no_two_stars_in_one_component():
    assert NamePattern("{class}/**/IM{patient:\\d{3}}*.jpg").glob == "*/**/IM*.jpg"


def test_the_first_pattern_that_finds_a_file_names_it(tmp_path, put):
    for name in ("a_1.png", "b_2.png"):
        put(name)
    found = find_named(tmp_path, ("a_{id}.png", "{case}.png", "no/*.png"), recipe="toy", what="images")
    assert [(pattern, named.file, dict(named.parts)) for pattern, named in found] == [
        ("a_{id}.png", "a_1.png", {"id": "1"}),
        ("{case}.png", "b_2.png", {"case": "b_2"}),
    ]
    assert patterns_of("a") == ("a",)


def test_files_that_only_the_glob_takes_are_named_in_the_error(tmp_path, put):
    put("x.png")
    with pytest.raises(UserError, match=r"1 files, such as x\.png"):
        list(find_named(tmp_path, ("{id:\\d+}.png",), recipe="toy", what="images"))


def test_an_item_has_the_patient_class_and_split_of_its_name(tmp_path, put, toy):
    for name in ("Train/NO/p1_1.png", "val/NO/p1_2.png", "extra/NO/p2_1.png"):
        put(name)
    card = toy(labels={"NO": "normal"})
    items = [named.item(card) for _, named in find_named(
        tmp_path, ("{split}/{class}/{patient}_*.png",), recipe="toy", what="images")]  # fmt: skip
    assert [(item.split, item.raw_labels, item.group) for item in items] == [
        ("train", ("NO",), "p1"),
        (None, ("NO",), "p2"),
        ("validation", ("NO",), "p1"),
    ]
    assert items[1].problem is not None
    assert items[1].problem[0] == "not in the official split"


def test_placeholders_of_a_mask(tmp_path, put):
    put("images/p/q/a_1.png")
    ((pattern, named),) = find_named(tmp_path, ("images/**/{case}_*.png",), recipe="toy", what="images")
    assert placeholders(named, pattern) == {
        "case": "a", "stem": "a_1", "parent": "images/p/q", "folder": "q", "tree": "p/q", "match": "1",
    }  # fmt: skip


def test_a_placeholder_that_one_pattern_lacks_is_refused():
    require_known("{case}_{stem}.png", "{case}.png", "{case}/*.png")
    with pytest.raises(ValueError, match="does not capture"):
        require_known("{case}.png", "{case}.png", "*.png")


def test_either_ending(tmp_path, put):
    for name in ("a1.jpg", "a2.PNG", "a3.gif"):
        put(name)
    named = find_named(tmp_path, ("a{id}.{jpg,png}",), recipe="toy", what="images")
    found = [(each.file, dict(each.parts)) for _, each in named]
    assert found == [("a1.jpg", {"id": "1"}), ("a2.PNG", {"id": "2"})]
    assert placeholders(Named("a2.PNG", {"id": "2"}), "a{id}.{jpg,png}")["stem"] == "a2"
    require_known("m/{id}.{png,tif}", "a{id}.{jpg,png}")
