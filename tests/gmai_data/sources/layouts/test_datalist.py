"""Data lists: sections, folds, channels and labels as MONAI's tutorials write them, and other lists in JSON."""

import json

import numpy as np
import pytest
import yaml
from gmai_data.imaging.raster import encode_png
from gmai_data.sources.cards.drafts import draft
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts import datalist
from gmai_data.sources.layouts.datalist import Datalist
from gmai_data.vocabulary import Split
from gmai_formats.errors import UserError

BASE = {"kind": "datalist", "file": "list.json"}
TUMOUR = np.zeros((16, 16, 6), np.uint8)
TUMOUR[2:8, 4:12, 2:4] = 1


def volume(seed):
    return np.random.default_rng(seed).integers(1, 200, (16, 16, 6)).astype(np.int16)


def listed(root, card):
    return {item.key: item for item in card.layout.list_items(card, root)}


@pytest.fixture
def cases(nifti, tmp_path):
    """Write four volumes with masks, and return their entries."""
    entries = []
    for number in range(4):
        nifti(f"c{number}/vol.nii.gz", volume(number))
        nifti(f"c{number}/annotation.nii.gz", TUMOUR)
        entries.append({"image": f"./c{number}/vol.nii.gz", "label": f"./c{number}/annotation.nii.gz"})
    return entries


def write(root, document, name="list.json"):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(document if isinstance(document, str) else json.dumps(document))


def test_sections_are_the_split_and_what_has_no_label_is_left_out(tmp_path, cases, toy, read):
    write(tmp_path, {"training": cases[:2], "validation": cases[2:3], "test": [cases[3]["image"]], "numTest": 1})
    card = toy(layout=BASE, labels={"1": "alpha"}, task="3d_segmentation", modality="MR")
    items = listed(tmp_path, card)
    assert [item.split for item in items.values()] == [Split.TRAIN, Split.TRAIN, Split.VALIDATION, Split.HELD_OUT]
    pictures, reasons = read(card)
    assert reasons == {"c3/vol.nii.gz": "published without a label"}
    for number in range(3):
        found = pictures[f"c{number}/vol.nii.gz"]
        assert [picture.geometry["slice"] for picture in found] == [2, 3]
        # RAS by the affine of the fixture: x and y are turned, so that rows are y from the front, columns x from right
        assert {picture.boxes[0].xyxy for picture in found} == {(2, 4, 8, 12)}


@pytest.mark.parametrize(
    ("sections", "splits"),
    [
        ({"training": 4}, [None] * 4),
        ({"train": 2, "val": 2}, ["train", "train", "validation", "validation"]),
        ({"training": 1, "testing": 3}, ["train"] + ["held_out"] * 3),
        ({"Training": 3, "Valid": 1}, ["train"] * 3 + ["validation"]),
    ],
)
def test_names_of_sections(tmp_path, cases, toy, sections, splits):
    rest, document = list(cases), {}
    for name, count in sections.items():
        document[name], rest = rest[:count], rest[count:]
    write(tmp_path, document)
    items = listed(tmp_path, toy(layout=BASE, labels={"1": "alpha"}, task="3d_segmentation"))
    assert [item.split for item in items.values()] == splits


def test_an_unknown_section_beside_another_is_no_split(tmp_path, cases, toy):
    write(tmp_path, {"training": cases[:2], "centre_b": cases[2:]})
    card = toy(layout=BASE, labels={"1": "alpha"}, task="3d_segmentation")
    problems = [item.problem for item in listed(tmp_path, card).values()]
    assert problems[:2] == [None, None]
    assert problems[2][0] == "not in the official split"
    named = toy(layout=BASE, labels={"1": "a"}, task="3d_segmentation", split={"names": {"centre_b": "held_out"}})
    assert [item.split for item in listed(tmp_path, named).values()][2:] == ["held_out", "held_out"]


@pytest.mark.parametrize("fold", [0, 1, 3])
def test_folds(tmp_path, cases, toy, fold):
    write(tmp_path, {"training": [{**entry, "fold": number % 2} for number, entry in enumerate(cases)]})
    card = toy(layout={**BASE, "fold": fold}, labels={"1": "alpha"}, task="3d_segmentation")
    splits = [item.split for item in listed(tmp_path, card).values()]
    assert splits == [Split.VALIDATION if number % 2 == fold else Split.TRAIN for number in range(4)]
    write(tmp_path, {"training": [*cases[:1], {**cases[1], "fold": 0}]})
    first, second = listed(tmp_path, card).values()
    assert first.problem[0] == "not in the official split"
    assert second.problem is None


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_the_channel_of_an_entry_with_several_images(tmp_path, cases, nifti, toy, read, channel):
    nifti("c0/t2.nii.gz", volume(20))
    write(tmp_path, {"training": [{**cases[0], "image": ["c0/vol.nii.gz", "c0/t2.nii.gz"]}]})
    pictures, reasons = read(toy(layout={**BASE, "channel": channel}, labels={"1": "alpha"}, task="3d_segmentation",
                                 modality="MR"))  # fmt: skip
    if channel == 2:
        assert "no such channel: list.json/training 1 has 2 images" in reasons["list.json/training 1"]
    else:
        (key,) = pictures
        assert key == ("c0/vol.nii.gz", "c0/t2.nii.gz")[channel]


def test_a_volume_of_the_fourth_axis(tmp_path, cases, nifti, toy, read):
    four = np.stack([volume(1), volume(2)], axis=-1)
    nifti("c0/vol.nii.gz", four)
    write(tmp_path, {"training": cases[:2]})
    nifti("c1/vol.nii.gz", volume(2))
    card = toy(layout={**BASE, "channel": 1}, labels={"1": "alpha"}, task="3d_segmentation", modality="MR")
    (first, _) = read(card)[0]["c0/vol.nii.gz"]
    card = toy(layout=BASE, labels={"1": "alpha"}, task="3d_segmentation", modality="MR")
    assert np.array_equal(first.pixels, read(card)[0]["c1/vol.nii.gz"][0].pixels)


@pytest.mark.parametrize(
    ("labels", "settings", "expected"),
    [
        ([0, 1, 2.0], {}, [("0",), ("1",), ("2",)]),
        (["a", " b", "a"], {}, [("a",), ("b",), ("a",)]),
        ([[0, 2], [1], [2, 2]], {}, [("0", "2"), ("1",), ("2",)]),
        ([[0, 1, 1], [0, 0, 0], [1, 0, 0]], {"flags": True}, [("1", "2"), (), ("0",)]),
        ([True, False, True], {}, [("1",), ("0",), ("1",)]),
    ],
)
def test_labels_of_whole_pictures(tmp_path, put, toy, read, labels, settings, expected):
    for number in range(3):
        put(f"i/{number}.png")
    write(tmp_path, {"training": [{"image": f"i/{n}.png", "label": label} for n, label in enumerate(labels)]})
    names = {"0": "alpha", "1": "beta", "2": "gamma", "a": "delta", "b": "epsilon"}
    card = toy(layout={**BASE, **settings}, labels=names)
    pictures, reasons = read(card)
    assert reasons == {}
    for number, raw in enumerate(expected):
        assert pictures[f"i/{number}.png"][0].labels == tuple(names[each] for each in raw)


@pytest.mark.parametrize(
    ("entry", "settings", "reason"),
    [
        ({"image": "i/0.png", "label": {"a": 1}}, {}, "label unreadable"),
        ({"image": "i/0.png", "label": [0, 2]}, {"flags": True}, "label unreadable"),
        ({"image": "i/0.png", "label": 1}, {"flags": True}, "label unreadable"),
        ({"image": "i/0.png", "label": ["m/0.png", "m/1.png"]}, {}, "label unreadable"),
        ({"image": "i/0.png", "label": "m/gone.png"}, {}, "file missing"),
        ({"image": "i/gone.png", "label": 0}, {}, "file missing"),
        ({"image": "i/0.png", "label": 7}, {}, "label not in the map"),
        ({"image": "i/0.png", "label": [0], "box": [[1, 2, 3, 4, 5, 6]]}, {}, "boxes in space"),
        ({"label": 1}, {}, "entry without an image"),
        ({"image": [], "label": 1}, {}, "entry without an image"),
    ],
)
def test_an_entry_that_cannot_be_read_goes_to_the_quarantine_alone(tmp_path, put, toy, read, entry, settings, reason):
    put("i/0.png")
    put("i/1.png")
    sound = {"image": "i/1.png", "label": [1] if settings else 1}
    write(tmp_path, [entry, sound])
    pictures, reasons = read(toy(layout={**BASE, **settings}, labels={"0": "alpha", "1": "beta"}))
    assert list(pictures) == ["i/1.png"]
    assert [each.startswith(reason) for each in reasons.values()] == [True]


@pytest.mark.parametrize("name", ["/workspace/data/i/0.png", "C:\\data\\i\\0.png", "../i/0.png", "i/0.PNG"])
def test_paths_of_another_disk_are_found_by_their_end(tmp_path, put, toy, read, name):
    put("i/0.png")
    write(tmp_path, [{"image": name, "label": 0}])
    assert list(read(toy(layout=BASE, labels={"0": "alpha"}))[0]) == ["i/0.png"]


@pytest.mark.parametrize(
    ("file", "text", "settings"),
    [
        ("labels.json", {"0.png": "a", "1.png": "b"}, {"images": "i"}),
        ("labels.json", [{"file_name": "0.png", "dx": "a"}, {"file_name": "1.png", "dx": "b"}],
         {"images": "i", "image_key": "file_name", "label_key": "dx"}),
        ("i/labels.jsonl", '{"image": "0.png", "label": "a"}\n\n{"image": "1.png", "label": ["b"]}\n', {}),
        ("sub/l.json", {"data": [{"image": "0.png", "label": "a"}, {"image": "1.png", "label": "b"}]}, {"images": "i"}),
    ],
)  # fmt: skip
def test_other_lists(tmp_path, put, toy, read, file, text, settings):
    put("i/0.png")
    put("i/1.png")
    write(tmp_path, text, file)
    pictures, reasons = read(toy(layout={"kind": "datalist", "file": file, **settings}))
    assert (reasons, {key: found[0].labels for key, found in pictures.items()}) == (
        {}, {"i/0.png": ("alpha",), "i/1.png": ("beta",)}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("document", "words"),
    [("{", "not JSON"), ("{}", "no lists of entries"), ("3", "no lists of entries"),
     ('[{"img": "i/0.png"}]', 'no entry has the key "image"')],
)  # fmt: skip
def test_a_file_that_is_no_list(tmp_path, toy, document, words):
    write(tmp_path, document)
    with pytest.raises(UserError, match=words):
        listed(tmp_path, toy(layout=BASE))


def test_masks_of_pictures_and_patients(tmp_path, put, toy, read):
    mask = np.zeros((24, 32), np.uint8)
    mask[2:8, 4:12] = 1
    put("i/0.png")
    put("m/q0.png", encode_png(mask))
    write(tmp_path, {"training": [{"image": "i/0.png", "label": "m/q0.png", "subject": "P7"}]})
    card = toy(layout={**BASE, "group_key": "subject"}, labels={"1": "alpha"}, task="2d_segmentation")
    ((picture,),) = read(card)[0].values()
    assert [(box.label, box.xyxy) for box in picture.boxes] == [("alpha", (4, 2, 12, 8))]
    assert listed(tmp_path, card)["i/0.png"].group == "P7"


def test_drafts(tmp_path, cases, put):
    folds = [{**entry, "fold": number % 2} for number, entry in enumerate(cases)]
    write(tmp_path, {"labels": {"0": "background", "1": "tumour"}, "training": folds, "test": []})
    words, text = draft(tmp_path)
    card = yaml.safe_load(text)
    assert (words, card["task"], card["layout"]) == ("a list of images in JSON", "3d_segmentation", BASE)
    assert card["labels"]["1"]["en"] == "tumour"
    assert "folds 0, 1; `fold: 0` makes that one validation" in text


@pytest.mark.parametrize(
    ("document", "layout", "labels"),
    [
        ({"training": [{"image": "i/0.png", "label": [1, 0, 1]}, {"image": "i/1.png", "label": [0, 0, 1]}]},
         {"flags": True}, ["0", "1", "2"]),
        ({"0.png": "mel", "1.png": "nv"}, {"images": "i"}, ["mel", "nv"]),
        ([{"filename": "1.png", "diagnosis": "nv"}], {"images": "i", "image_key": "filename", "label_key": "diagnosis"},
         ["nv"]),
        ({"val": [{"image": "i/1.png", "label": 3}]}, {}, ["3"]),
    ],
)  # fmt: skip
def test_drafts_of_labels(tmp_path, put, document, layout, labels):
    put("i/0.png")
    put("i/1.png")
    write(tmp_path, document)
    guess = Datalist.recognise(Folder(tmp_path))
    assert (guess.layout, list(guess.labels)) == ({**BASE, **layout}, labels)


@pytest.mark.parametrize(
    "document",
    [[{"image": "i/9.png", "label": "a"}], {"a": 1}, [1, 2], [{"image": "i/0.png", "conversations": []}],
     [{"image": "i/0.png", "label": f"A text about picture {number}."} for number in range(80)]],
)  # fmt: skip
def test_other_json_is_no_list(tmp_path, put, document):
    put("i/0.png")
    write(tmp_path, document)
    assert Datalist.recognise(Folder(tmp_path)) is None


def test_a_file_is_parsed_once_for_all_keys_that_a_draft_tries(tmp_path, put, monkeypatch):
    put("data.json", json.dumps([{"picture": "1.png", "name": "cyst"}]))
    parsed = []
    monkeypatch.setattr(datalist, "parse_json", lambda text: parsed.append(text) or json.loads(text))
    assert Datalist.recognise(Folder(tmp_path)) is None
    assert len(parsed) == 1
