"""The optional check for words in pictures, on the real tesseract where it is installed."""

import importlib.util
import json
import shutil
import sys

import cv2
import numpy as np
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.imaging.raster import encode_png
from gmai_data.sources.cards.catalogue import Source


def source(root, toy):
    """Return two pictures of which one has a name in it, and a card that asks for the check."""
    (root / "a").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, words in (("clean", ""), ("named", "DOE JANE 1950")):
        pixels = rng.normal(60, 6, (160, 480)).clip(0, 255).astype(np.uint8)
        cv2.putText(pixels, words, (20, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255, 3)
        cv2.circle(pixels, (400, 130), 20, 160, -1)
        (root / "a" / f"{name}.png").write_bytes(encode_png(pixels))
    return Source(toy(deidentification={"ocr": True}), root)


def account(out):
    return json.loads((out / "manifest.json").read_text())["recipes"]["toy"]


@pytest.mark.skipif(
    importlib.util.find_spec("pytesseract") is None or shutil.which("tesseract") is None,
    reason="pip install 'gmai-data[ocr]' and the program tesseract",
)
def test_pictures_with_words_are_held_back(tmp_path, toy):
    assert build([source(tmp_path / "data", toy)], tmp_path / "out", BuildSettings()) == 0
    images = account(tmp_path / "out")["images"]
    assert images["kept"] == 1
    assert images["dropped"] == {"held back: words in the picture": 1}


def test_without_an_ocr_nothing_is_let_through(tmp_path, toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytesseract", None)
    assert build([source(tmp_path / "data", toy)], tmp_path / "out", BuildSettings()) == 3
    assert account(tmp_path / "out")["items"]["quarantined"] == 2
    reasons = (tmp_path / "out" / "quarantine.jsonl").read_text()
    assert "gmai-data[ocr]' and the tesseract program" in reasons
