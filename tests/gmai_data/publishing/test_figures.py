"""Pictures on a page: names of boxes, masks, texts; and words of data stay words."""

import base64
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
    assert [(number, anchor, x, label) for number, anchor, x, _, label in names] == [
        ("0", "start", "2", "cyst"), ("1", "end", "38", "stone"), ("0", "start", "1", "cyst"),
    ]  # fmt: skip
    assert all(0 < float(y) < 30 for *_, y, _ in names), "names lie inside the picture"
    assert shown.count(f'stroke="{COLOURS[0]}"') == 2


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
