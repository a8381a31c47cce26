"""Rows as exports get them."""

import io

import pytest
from PIL import Image


@pytest.fixture
def picture():
    """Return a function of a number (and a format) that encodes a picture of `40 + number` by 30 px."""

    def encode(number=0, form="PNG"):
        buffer = io.BytesIO()
        Image.new("L", (40 + number, 30), number % 256).save(buffer, form)
        return buffer.getvalue()

    return encode


@pytest.fixture
def sample(picture):
    """Return a function of a number that makes a row with one picture, with some fields changed."""

    def make(number=0, *, images=None, **changes):
        shown = [picture(number)] if images is None else images
        return {
            "id": f"s#{number}", "parent_id": None,
            "images": [{"bytes": each, "path": f"{number}_{position}.png"} for position, each in enumerate(shown)],
            "messages": [
                {"role": "user", "content": "<image>\n" * len(shown) + "What?"},
                {"role": "assistant", "content": "That."},
            ],
            "kind": "image_caption", "language": "en", "modality": "CT", "department": "Urology", "labels": ["a"],
            "boxes": [], "source": "s", "license": "MIT", "split": "train",
            "provenance": '{"writer": "template"}',
        } | changes  # fmt: skip

    return make
