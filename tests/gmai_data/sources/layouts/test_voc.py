"""Pascal VOC: stated sizes, difficult objects, boxes that cannot be used."""

import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.reading import read_pictures

SIZE = "<size><width>{}</width><height>{}</height></size>"


def thing(x1, y1, x2, y2, name="a", more=""):
    box = "".join(f"<{s}>{v}</{s}>" for s, v in zip(("xmin", "ymin", "xmax", "ymax"), (x1, y1, x2, y2), strict=True))
    return f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"


@pytest.fixture
def voc(tmp_path, toy):
    """Return a function of what stands in the XML: (picture, ledger)."""

    def make(*parts):
        for folder in ("Annotations", "JPEGImages"):
            (tmp_path / folder).mkdir(exist_ok=True)
        pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
        (tmp_path / "JPEGImages" / "1.png").write_bytes(encode_png(pixels))
        text = f"<annotation><filename>1.png</filename>{''.join(parts)}</annotation>"
        (tmp_path / "Annotations" / "1.xml").write_text(text)
        card = toy(layout={"kind": "voc"}, task="2d_detection")
        (item,), ledger = card.layout.list_items(card, tmp_path), Ledger()
        (picture,) = read_pictures(item, card, tmp_path, ledger)
        return picture, ledger

    return make


@pytest.mark.parametrize("size", ["", SIZE.format(32, 24), SIZE.format(0, 0), SIZE.format("", "")])
def test_boxes_count_from_one_and_include_their_end(voc, size):
    picture, _ = voc(size, thing(11, 5, 18, 10))
    assert [box.xyxy for box in picture.boxes] == [(10, 4, 18, 10)]


def test_a_picture_that_was_made_smaller_or_cut(voc):
    picture, _ = voc(SIZE.format(128, 96), thing(41, 17, 72, 40))
    assert [box.xyxy for box in picture.boxes] == [(10, 4, 18, 10)]
    assert picture.geometry["boxes_scaled"] == 0.25
    with pytest.raises(SourceError, match="annotated at 33×48, but the picture is 32×24"):
        voc(SIZE.format(33, 48), thing(11, 5, 18, 10))


def test_difficult_objects_are_present_but_not_counted(voc):
    hard = "<difficult>1</difficult>"
    picture, ledger = voc(thing(11, 5, 18, 10, more="<difficult>0</difficult>"), thing(1, 1, 9, 9, "b", hard))
    assert [box.label for box in picture.boxes] == ["alpha"]
    assert (picture.labels, picture.incomplete) == (("alpha", "beta"), ("beta",))
    assert ledger.boxes.dropped == {"marked as difficult": 1}


def test_boxes_that_cannot_be_used(voc):
    picture, ledger = voc(thing(11, 5, 18, 10), thing(18, 5, 11, 10), thing(1, 1, 40, 9), thing("x", 1, 2, 3))
    assert len(picture.boxes) == 1
    rules = [entry["reason"].split(":")[0] for entry in ledger.quarantine]
    assert rules == ["degenerate box", "box outside the image", "box unreadable"]
