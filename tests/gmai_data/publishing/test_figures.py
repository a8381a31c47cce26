"""Pictures on a page: names of boxes, masks, texts; and words of data stay words."""

import base64
import itertools
import re

import cv2
import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.publishing.figures import COLOURS, THUMBNAIL_PX, Text, figure, text_figure, thumbnail

PIXELS = np.random.default_rng(0).integers(0, 255, (30, 40), dtype=np.uint8)


def row(*boxes, **changes):
    named = [{"label": label, "xyxy": list(xyxy)} for label, xyxy in boxes]
    return {
        "id": "i#1", "image": {"bytes": encode_png(PIXELS)}, "width": 40, "height": 30, "modality": "CT", "source": "s",
        "split": "train", "labels": [label for label, _ in boxes], "boxes": named, "provenance": "{}",
    } | changes  # fmt: skip


def test_every_box_has_its_name_and_the_colour_of_its_label():
    shown = figure(row(("cyst", (2, 3, 12, 9)), ("stone", (30, 20, 38, 28)), ("cyst", (1, 20, 9, 29))), {})
    names = re.findall(
        r'<text class="c(\d)" text-anchor="(\w+)" transform="translate\((\d+) ([\d.]+)\)[^>]*>(\w+)</text>', shown
    )
    assert [(anchor, x, label) for _, anchor, x, _, label in names] == [
        ("start", "2", "cyst"), ("end", "38", "stone"), ("start", "1", "cyst"),
    ]  # fmt: skip
    (cyst, stone, again) = [int(number) for number, *_ in names]
    assert cyst == again != stone
    assert all(0 < float(y) < 30 for *_, y, _ in names), "names lie inside the picture"
    assert shown.count(f'stroke="{COLOURS[cyst]}"') == 2


def test_a_label_has_one_colour_in_all_pictures_and_two_of_a_picture_have_two():
    def colours(*labels):
        shown = figure(row(*((label, (2, 3, 12, 9)) for label in labels)), {})
        return dict(re.findall(r'stroke="(#\w+)"><title>(\w+)</title>', shown)[::-1])

    names = [f"label{number}" for number in range(40)]
    alone = {name: next(iter(colours(name))) for name in names}
    assert set(alone.values()) == set(COLOURS), "all colours are used"
    for first, second in itertools.pairwise(names):
        both = colours(first, second)
        assert len(both) == 2, "no two labels of a picture share a colour"
        assert both == colours(second, first), "whichever box comes first"
        if alone[first] != alone[second]:
            assert {label: colour for colour, label in both.items()} == {first: alone[first], second: alone[second]}
    assert len(colours(*names)) == len(COLOURS)


def test_a_mask_lies_over_the_picture():
    first, second = np.zeros((30, 40), np.uint8), np.zeros((30, 40), np.uint16)
    first[3:9, 2:12] = 1
    second[20:28, 30:38] = 300
    shown = figure(row(), {}, masks=[first, second])
    data = re.search(r'<img class="mask" alt="" src="data:image/png;base64,([^"]+)"', shown).group(1)
    overlay = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(overlay[..., 3] > 0, (first != 0) | (second != 0))
    assert "mask" not in figure(row(), {})


def test_texts_are_folded_and_say_why_they_were_dropped():
    texts = [
        Text("dialogue", "zh", (("问", "答"), ("再问", "再答"))),
        Text("image_caption", "en", (("Q", "A"),), "too long: 9"),
    ]
    for shown in (figure(row(), {}, texts), text_figure("t#1", row(), texts)):
        assert "<summary>2 texts, 1 of them dropped</summary>" in shown
        assert '<dl lang="zh"><dt>问</dt><dd>答</dd><dt>再问</dt><dd>再答</dd></dl>' in shown
        assert 'image_caption, en <span class="left-out">dropped: too long: 9</span>' in shown
    assert "<details>" not in figure(row(), {})


def test_words_of_data_stay_words():
    words = "<b>x</b>"
    texts = [Text(words, words, ((words, words),), words)]
    shown = figure(row((words, (1, 1, 5, 5)), source=words, id=words), {"label": [words]}, texts)
    assert words not in shown + text_figure(words, row(source=words), texts)


def test_thumbnails():
    large = np.zeros((1000, 500), np.uint8)
    decoded = cv2.imdecode(
        np.frombuffer(base64.b64decode(thumbnail(encode_png(large))), np.uint8), cv2.IMREAD_UNCHANGED
    )
    assert decoded.shape[:2] == (THUMBNAIL_PX, THUMBNAIL_PX // 2)
    with pytest.raises(RuntimeError, match="does not decode"):
        thumbnail(b"nothing")
