"""Images of samples ▶ files named by their content."""

import hashlib
import io

import pytest
from gmai_data.publishing import image_files
from gmai_data.publishing.image_files import OPENED, SUFFIXES, ImageFolder, encoded_image
from PIL import Image


def encoded(form="PNG", value=0, size=(8, 6)):
    buffer = io.BytesIO()
    Image.new("L", size, value).save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "suffix"), [("PNG", "png"), ("JPEG", "jpg"), ("TIFF", "tif"), ("WEBP", "webp"), ("BMP", "bmp")]
)
def test_a_name_is_made_of_the_content(form, suffix):
    data = encoded(form)
    digest = hashlib.sha256(data).hexdigest()[:32]
    picture = encoded_image(data)
    assert picture is not None
    assert (picture.name, picture.size_px) == (f"{digest[:2]}/{digest}.{suffix}", (8, 6))
    assert SUFFIXES[form] == suffix


@pytest.mark.parametrize(
    "data", [b"", b"no picture", encoded("GIF"), encoded("PPM"), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_what_is_no_picture_of_these_formats_has_no_name(data, tmp_path):
    assert encoded_image(data) is None
    assert ImageFolder(tmp_path).add(data) is None
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_would_fill_the_memory_is_none(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert encoded_image(encoded()) is None


def test_mpo_is_opened_as_jpeg():
    assert OPENED == ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
    assert SUFFIXES["MPO"] == "jpg"
    first, second = Image.new("L", (8, 6)), Image.new("L", (8, 6), 9)
    buffer = io.BytesIO()
    first.save(buffer, "MPO", save_all=True, append_images=[second])
    picture = encoded_image(buffer.getvalue())
    assert picture is not None
    assert picture.name.endswith(".jpg")


def test_the_same_picture_is_written_once(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "_REMEMBERED", 1)
    folder, first, second = ImageFolder(tmp_path), encoded(value=1), encoded(value=2)
    picture = folder.add(first)
    assert picture is not None
    path = tmp_path / picture.name
    assert path.read_bytes() == first
    path.write_bytes(b"marked")
    folder.add(first)
    folder.add(second)
    assert folder.add(first) == picture, "forgotten, and found on disk"
    assert path.read_bytes() == b"marked"
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == 2
