"""A picture whose boxes an annotation file gives: each is kept, refused or left out, and its label holds."""

import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.annotations.marked_picture import CROWD, DIFFICULT, MarkedPicture


@pytest.fixture
def made(tmp_path, toy):
    """Return a function that begins a picture of 32×24 px: (picture, ledger)."""
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / "1.png").write_bytes(encode_png(pixels))

    def make(stated=None):
        ledger = Ledger()
        return MarkedPicture(toy(), ledger, tmp_path, "i/1.png", "1.xml", stated), ledger

    return make


def test_a_box_that_fits_is_kept(made):
    marked, ledger = made()
    marked.add_box("a", (1.2, 2, 5.5, 6), "object 1")
    picture = marked.picture("voc", more_files=("1.xml",))
    assert [(box.label, box.xyxy) for box in picture.boxes] == [("alpha", (1, 2, 6, 6))]
    assert (picture.name, picture.labels, picture.incomplete) == ("1.png", ("alpha",), ())
    assert picture.geometry["box_origin"] == "voc"
    assert picture.more_files == ("1.xml",)
    assert (ledger.boxes.read, ledger.boxes.kept) == (1, 1)


def test_a_box_that_cannot_be_used_is_quarantined_and_its_label_holds(made):
    marked, ledger = made()
    marked.add_box("a", (5, 5, 5, 9), "object 1")
    marked.refuse_box("b", SourceError("box unreadable", "no numbers", "1.xml"))
    picture = marked.picture("voc")
    assert (picture.boxes, picture.labels, picture.incomplete) == ((), ("alpha", "beta"), ("alpha", "beta"))
    assert (ledger.boxes.read, ledger.boxes.quarantined) == (2, 2)
    assert [entry["reason"].split(":")[0] for entry in ledger.quarantine] == ["degenerate box", "box unreadable"]
    assert {entry["file"] for entry in ledger.quarantine} == {"1.xml"}


@pytest.mark.parametrize(("reason", "words"), [(CROWD, "region of many objects"), (DIFFICULT, "marked as difficult")])
def test_a_box_that_is_left_out_counts_as_dropped(made, reason, words):
    marked, ledger = made()
    marked.leave_out_box("a", reason)
    assert marked.picture("coco").incomplete == ("alpha",)
    assert ledger.boxes.dropped == {words: 1}
    assert (ledger.boxes.read, ledger.boxes.kept, ledger.boxes.quarantined) == (1, 0, 0)


def test_a_box_that_is_there_twice_is_one_object(made):
    """Each export of some tools repeats it; another label, or another place, is another object."""
    marked, ledger = made()
    for raw, box in (("a", (2, 2, 8, 8)), ("a", (2.0, 2.0, 8.0, 8.0)), ("b", (2, 2, 8, 8)), ("a", (2, 2, 8, 9))):
        marked.add_box(raw, box, "object")
    picture = marked.picture("yolo")
    assert [(box.label, box.xyxy) for box in picture.boxes] == [
        ("alpha", (2, 2, 8, 8)), ("beta", (2, 2, 8, 8)), ("alpha", (2, 2, 8, 9)),
    ]  # fmt: skip
    assert picture.incomplete == ()
    assert ledger.boxes.dropped == {"the same box a second time": 1}
    assert (ledger.boxes.read, ledger.boxes.kept) == (4, 3)


def test_a_mask_that_is_there_twice_is_one_object(made):
    marked, ledger = made()
    mask, part = np.zeros((24, 32), np.uint8), np.zeros((24, 32), np.uint8)
    mask[2:8, 2:8] = part[2:8, 2:8] = 1
    part[3:5, 3:5] = 0
    for each in (mask, mask.copy(), part):
        marked.add_mask("a", each, is_one_object=True)
    assert len(marked.picture("coco").boxes) == 2
    assert ledger.boxes.dropped == {"the same box a second time": 1}


def test_boxes_of_another_size_are_scaled(made):
    marked, _ = made(stated=(64, 48))
    marked.add_box("a", (8, 8, 16, 20), "object 1")
    picture = marked.picture("voc")
    assert picture.boxes[0].xyxy == (4, 4, 8, 10)
    assert picture.geometry["boxes_scaled"] == 0.5
    with pytest.raises(SourceError, match="annotated at another size"):
        made(stated=(64, 64))


def test_masks_give_boxes_by_the_cards_rule(made):
    marked, ledger = made()
    mask = np.zeros((24, 32), np.uint8)
    mask[2:8, 2:8] = mask[10:12, 10:12] = 1
    marked.add_mask("a", mask)
    picture = marked.picture("coco")
    assert [box.xyxy for box in picture.boxes] == [(2, 2, 8, 8)]
    assert picture.incomplete == ("alpha",)
    assert ledger.boxes.dropped == {"smaller than 16 px": 1}


def test_labels_that_are_open(made):
    marked, _ = made()
    assert marked.add_label("a") == "alpha"
    assert marked.picture("voc", uncertain=["a", "b"]).uncertain == ("beta",)
    with pytest.raises(SourceError, match="label not in the map") as caught:
        marked.add_label("x")
    assert caught.value.file == "1.xml"
