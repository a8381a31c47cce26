"""YOLO: shares of the image ▶ pixels; a line that cannot be used goes alone."""

import pytest
from gmai_data.ledger import Ledger
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.yolo import Yolo
from gmai_formats.errors import UserError

LAYOUT = {"kind": "yolo", "images": "images/*.png"}
LABELS = {"0": "alpha", "1": "beta"}


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("0 0.5 0.5 0.25 0.5", (12, 6, 20, 18)),
        ("0 0.5 0.5 1 1", (0, 0, 32, 24)),
        ("0 0.1 0.1 0.3 0.1 0.3 0.4", (3, 2, 10, 10)),
        ("0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75", (8, 6, 24, 18)),
    ],
)
def test_a_box_or_polygon(put, read, toy, line, box):
    put("images/1.png")
    put("labels/1.txt", f"\n{line}\n\n")
    ((picture,),) = read(toy(layout=LAYOUT, labels=LABELS))[0].values()
    assert [(each.label, each.xyxy) for each in picture.boxes] == [("alpha", box)]
    assert picture.geometry["box_origin"] == "yolo"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_class(put, read, toy, encoding):
    put("images/1.png")
    put("labels/1.txt", "0 0.5 0.5 0.25 0.5\r\n1 0.5 0.5 1 1\r\n".encode(encoding))
    ((picture,),) = read(toy(layout=LAYOUT, labels=LABELS))[0].values()
    assert [each.label for each in picture.boxes] == ["alpha", "beta"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 0.5", "box unreadable: line 2 has 1 numbers; 4, or 6 and more in pairs"),
        ("1 0.1 0.2 0.3 0.4 0.5 0.6 0.7", "box unreadable: line 2 has 7 numbers; 4, or 6 and more in pairs"),
        ("1 0.5 0.5 x 0.5", "box unreadable: line 2: could not convert string to float: 'x'"),
        ("1 0.9 0.5 0 0.5", "degenerate box: line 2 spans x 28.8–28.8"),
        ("1 1.5 0.5 0.5 0.5", "box outside the image: line 2 spans x 40–56"),
        ("1 nan 0.5 0.5 0.5", "degenerate box: line 2 spans x nan–nan"),
    ],
)
def test_a_line_that_cannot_be_used_leaves_the_image(put, read, toy, line, reason):
    put("images/1.png")
    put("labels/1.txt", f"0 0.5 0.5 0.25 0.5\n{line}\n")
    ledger = Ledger()
    ((picture,),) = read(toy(layout=LAYOUT, labels=LABELS), ledger)[0].values()
    assert (picture.labels, picture.incomplete, len(picture.boxes)) == (("alpha", "beta"), ("beta",), 1)
    (entry,) = ledger.quarantine
    assert entry["file"] == "labels/1.txt"
    assert entry["reason"].startswith(reason)


def test_no_file_or_an_empty_one_marks_nothing_and_an_unknown_class_is_an_error(put, read, toy):
    for name in "123":
        put(f"images/{name}.png")
    put("labels/2.txt", "")
    put("labels/3.txt", "7 0.5 0.5 0.25 0.5\n")
    pictures, reasons = read(toy(layout=LAYOUT, labels=LABELS))
    assert {key: found[0].labels for key, found in pictures.items()} == {"images/1.png": (), "images/2.png": ()}
    assert reasons["images/3.png"].startswith('label not in the map: "7"')


def test_splits_and_label_files_by_the_folders(put, tmp_path, toy):
    put("images/train/1.png")
    put("labels/train/1.txt")
    put("val/images/2.png")
    put("val/labels/2.txt")
    layout = {**LAYOUT, "images": "images/*/*.png", "labels": "labels/{parent}/{stem}.txt"}
    card = toy(layout=layout, labels=LABELS)
    (item,) = card.layout.list_items(card, tmp_path)
    assert (item.files, item.split) == (("images/train/1.png", "labels/train/1.txt"), "train")
    card = toy(layout={**LAYOUT, "images": "*/images/*.png", "labels": "{above}/labels/{stem}.txt"}, labels=LABELS)
    (item,) = card.layout.list_items(card, tmp_path)
    assert (item.files, item.split) == (("val/images/2.png", "val/labels/2.txt"), "validation")


def test_of_several_places_of_labels_the_first_that_is_there_counts(put, tmp_path, toy):
    put("train/set1/1.png")
    put("train/set1/1.txt")
    put("test/2.png")
    put("test_labels/2.txt")
    put("test/3.png")
    places = ["{above}/{parent}/{stem}.txt", "{parent}_labels/{stem}.txt"]
    card = toy(layout={**LAYOUT, "images": "**/*.png", "labels": places}, labels=LABELS)
    assert [(item.files, item.split) for item in card.layout.list_items(card, tmp_path)] == [
        (("test/2.png", "test_labels/2.txt"), "held_out"),
        (("test/3.png", "./test/3.txt"), "held_out"),
        (("train/set1/1.png", "train/set1/1.txt"), "train"),
    ]
    card = toy(layout={**LAYOUT, "images": "**/*.png", "labels": ["a/{stem}.txt", "b/{stem}.txt"]}, labels=LABELS)
    with pytest.raises(UserError, match=r"finds no label file at all; it looks for `a/\{stem\}.txt`, `b/\{stem\}.txt`"):
        list(card.layout.list_items(card, tmp_path))


def test_what_looks_like_it(put, tmp_path):
    put("images/train/1.jpg")
    put("labels/train/1.txt", "10 0.5 0.5 0.2 0.2\n2 0.5 0.5 2e-1 0.2\n")
    guess = Yolo.recognise(Folder(tmp_path))
    assert guess.layout == {
        "kind": "yolo", "images": "images/*/*.jpg", "labels": "labels/{parent}/{stem}.txt",
    }  # fmt: skip
    assert (guess.task, guess.labels) == ("2d_detection", ["2", "10"])
    put("labels/train/1.txt", "a report\n")
    assert Yolo.recognise(Folder(tmp_path)) is None


@pytest.mark.parametrize("odd", ["oops", "1 0.5", "# 2 cells"])
def test_a_damaged_line_among_many_is_told_and_half_of_them_are_something_else(put, tmp_path, odd):
    put("images/1.jpg")
    put("labels/1.txt", "1 0.5 0.5 0.2 0.2\n" * 6 + f"{odd}\n")
    guess = Yolo.recognise(Folder(tmp_path))
    assert guess.labels == ["1"]
    assert any("1 of 7 lines are no boxes" in note for note in guess.notes)
    put("labels/1.txt", f"1 0.5 0.5 0.2 0.2\n{odd}\n")
    assert Yolo.recognise(Folder(tmp_path)) is None


def test_label_files_that_are_nowhere_do_not_say_that_nothing_is_there(put, toy, tmp_path):
    put("images/1.png")
    put("labels/1.txt", "0 0.5 0.5 0.25 0.5\n")
    card = toy(layout={**LAYOUT, "labels": "label/{stem}.txt"}, labels=LABELS)
    with pytest.raises(UserError, match=r"finds no label file at all; it looks for `label/\{stem\}.txt`"):
        list(card.layout.list_items(card, tmp_path))


@pytest.mark.parametrize("shape", [[2, 2], [1, 4]])
def test_keypoints_are_no_polygon(put, read, toy, tmp_path, shape):
    put("images/1.png")
    put("labels/1.txt", "0 0.5 0.5 0.25 0.5 0.1 0.1 0.9 0.9\n1 0.5 0.5 0.25 0.5\n")
    put("data.yaml", f"names: [alpha, beta]\nkpt_shape: {shape}\n")
    layout = dict(Yolo.recognise(Folder(tmp_path)).layout)
    assert layout["keypoint_numbers"] == 4
    ledger = Ledger()
    ((picture,),) = read(toy(layout=layout, labels=LABELS), ledger)[0].values()
    assert [(box.label, box.xyxy) for box in picture.boxes] == [("alpha", (12, 6, 20, 18))]
    assert [entry["reason"] for entry in ledger.quarantine] == [
        "box unreadable: line 2 has 4 numbers; a box and 4 of keypoints are 8"
    ]


def test_a_class_written_as_a_float_is_its_number(put, read, toy):
    put("images/1.png")
    put("labels/1.txt", "1.0 0.5 0.5 0.25 0.5\n0.000000 0.5 0.5 0.25 0.5\n")
    ((picture,),) = read(toy(layout=LAYOUT, labels=LABELS))[0].values()
    assert [box.label for box in picture.boxes] == ["beta", "alpha"]


def test_pictures_of_several_endings_are_all_listed(put, toy, tmp_path):
    for name in ("1.jpg", "2.PNG", "3.jpeg"):
        put(f"images/{name}")
        put(f"labels/{name[0]}.txt", "0 0.5 0.5 0.25 0.5\n")
    layout = dict(Yolo.recognise(Folder(tmp_path)).layout)
    assert layout["images"] == "images/*.{jpeg,jpg,png}"
    card = toy(layout=layout, labels=LABELS)
    assert [item.key for item in card.layout.list_items(card, tmp_path)] == [
        "images/1.jpg",
        "images/2.PNG",
        "images/3.jpeg",
    ]


def test_darknets_names_of_classes(put, tmp_path):
    put("obj_train_data/1.jpg")
    put("obj_train_data/1.txt", "0 0.5 0.5 0.25 0.5\n")
    put("obj.names", "cell\n")
    assert Yolo.recognise(Folder(tmp_path)).names == {"0": "cell"}


@pytest.mark.parametrize("confidence", ["0.5", "1.0", "9.8e-1"])
def test_a_confidence_makes_a_line_a_guess_whose_label_is_left_open(put, read, toy, confidence):
    put("images/1.png")
    put("labels/1.txt", f"0 0.5 0.5 0.25 0.5\n1 0.5 0.5 0.25 0.5 {confidence}\n")
    ledger = Ledger()
    ((picture,),) = read(toy(layout=LAYOUT, labels=LABELS), ledger)[0].values()
    assert (picture.labels, picture.uncertain, len(picture.boxes)) == (("alpha",), ("beta",), 1)
    assert "a model's guess: line 2 has 5 numbers" in ledger.quarantine[0]["reason"]


@pytest.mark.parametrize(
    ("lines", "numbers"),
    [
        (["0 0.5 0.5 0.2 0.2 0.45 0.45 0.55 0.55"], 4),
        (["0 0.5 0.5 0.2 0.2 0.45 0.45 0.55 0.55 0.5 0.5", "0 0.3 0.3 0.2 0.2 0.3 0.3 0.35 0.35 0.25 0.3"], 6),
        (["0 0.5 0.5 0.2 0.2 0.45 0.45 2 0.55 0.55 1"], 6),
        (["0 0.5 0.5 0.2 0.2 0.45 0.45 2 0 0 0"], 6),
        # A box alone, a turned box, polygons of several lengths, points outside the box, a box outside the picture.
        (["0 0.5 0.5 0.2 0.2"], None),
        (["0 0.3 0.3 0.5 0.4 0.4 0.6 0.2 0.5"], None),
        (["0 0.5 0.5 0.2 0.2 0.45 0.45 0.55 0.55", "0 0.5 0.5 0.2 0.2 0.45 0.45"], None),
        (["0 0.1 0.1 0.2 0.1 0.2 0.2 0.3 0.4 0.1 0.4"], None),
        (["0 0.8 0.8 0.85 0.8 0.85 0.85 0.82 0.9 0.8 0.85"], None),
    ],
)
def test_a_draft_asks_whether_lines_are_keypoints_or_polygons(put, tmp_path, lines, numbers):
    put("images/1.png")
    put("labels/1.txt", "\n".join(lines))
    guess = Yolo.recognise(Folder(tmp_path))
    assert guess.layout.get("keypoint_numbers") == ("TODO" if numbers else None)
    assert any(f"a box with {numbers} numbers of keypoints" in note for note in guess.notes) == bool(numbers)


@pytest.mark.parametrize("line", ["0.0 0.5 0.5 0.2 0.2", "0. 0.5 0.5 0.2 0.2", "0\t0.5\t0.5\t0.2\t0.2"])
def test_a_draft_knows_classes_written_as_floats(put, tmp_path, line):
    put("images/1.png")
    put("labels/1.txt", f"\ufeff{line}\r\n")
    assert Yolo.recognise(Folder(tmp_path)).labels == ["0"]
