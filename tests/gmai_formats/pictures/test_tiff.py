"""Kinds of TIFF that Pillow does not read or reads wrong, written by tifffile."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.raster import decode_raster, verify_raster
from gmai_formats.pictures.tiff import needs_tifffile, read_deep_tiff
from PIL import Image

COLOUR = np.random.default_rng(0).integers(1, 256, (5, 8, 3)).astype(np.uint8)
GREY = COLOUR[..., 0]


def tiff(values: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def chained(pages: int) -> bytes:
    """Return a TIFF of so many pages of the same pixels, each a directory of its own."""
    tags = [(256, 3, 8), (257, 3, 8), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 8), (279, 4, 64)]
    parts = [b"II*\0" + struct.pack("<I", 72) + bytes(range(64))]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    for page in range(1, pages + 1):
        after = 0 if page == pages else 72 + page * (len(entries) + 6)
        parts.append(struct.pack("<H", len(tags)) + entries + struct.pack("<I", after))
    return b"".join(parts)


@pytest.mark.parametrize(
    ("data", "due"),
    [
        (tiff(COLOUR, photometric="rgb"), False),
        (tiff(COLOUR.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"), True),
        (tiff(COLOUR.astype(np.uint16), photometric="rgb"), True),
        (tiff(GREY.astype(np.uint16)), False),
        (tiff(np.zeros((5, 8, 4), np.uint8), photometric="separated"), False),
    ],
)
def test_deep_colours_and_planes_are_left_to_tifffile(data: bytes, due: bool) -> None:
    with Image.open(io.BytesIO(data)) as image:
        assert needs_tifffile(image) == due


def test_planes_are_put_together() -> None:
    planes = tiff(COLOUR.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate")
    assert np.array_equal(decode_raster(planes).pixels, COLOUR)


def test_white_may_be_zero_at_any_depth() -> None:
    for values, full in ((GREY, 255), (GREY.astype(np.uint16) * 99, 65535)):
        plain = decode_raster(tiff(values))
        negative = decode_raster(tiff((full - values).astype(values.dtype), photometric="miniswhite"))
        assert np.abs(plain.pixels.astype(int) - negative.pixels).max() <= (0 if full == 255 else 255)
        if full == 65535:
            assert negative.changes[0] == "white is zero"
            assert np.corrcoef(plain.pixels.ravel(), negative.pixels.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_orientation_is_followed(orientation: int) -> None:
    deep = COLOUR.astype(np.uint16) * 200
    found = read_deep_tiff(tiff(deep, photometric="rgb", extratags=[(274, 3, 1, orientation, True)]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(COLOUR).save(buffer, "PNG", exif=exif)
    assert np.array_equal(found.values // 200, decode_raster(buffer.getvalue()).pixels)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("full", [255, 65535])
def test_alpha_lies_on_white(kind: str, full: int) -> None:
    share = np.where(GREY > 120, 1.0, 0.25)
    colour = (COLOUR / 255) * (share[..., None] if kind == "assocalpha" else 1)
    values = np.rint(np.dstack([colour, share]) * full).astype(np.uint8 if full == 255 else np.uint16)
    data = tiff(values.transpose(2, 0, 1).copy(), photometric="rgb", extrasamples=[kind], planarconfig="separate")
    found = read_deep_tiff(data)
    assert found.opacity is not None
    assert np.abs(found.opacity - share).max() < 0.01
    assert np.abs(found.values / full - COLOUR / 255).max() < 0.02
    picture = decode_raster(data)
    assert picture.changes[-1] == "transparency laid on white"
    if full == 255:
        assert np.abs(picture.pixels - (COLOUR * share[..., None] + 255 * (1 - share[..., None]))).max() <= 3


def test_what_tifffile_reads_but_nobody_shows_is_refused() -> None:
    for data, rule in (
        (tiff(COLOUR, photometric="cielab"), "image unreadable: colours in CIELAB"),
        (tiff(np.stack([GREY, GREY]).astype(np.uint16)), "several pages in one file: 2 pages"),
        (b"II*\0" + b"\xff" * 40, "image unreadable"),
        (chained(20_000), "several pages in one file: more than 64 pages"),
    ):
        with pytest.raises(PictureError, match=rule):
            read_deep_tiff(data)


def test_pages_are_not_counted_without_end() -> None:
    assert decode_raster(chained(1)).image.size == (8, 8)
    for count, words in ((2, "2 pages"), (64, "64 pages"), (65, "more than 64 pages"), (20_000, "more than 64 pages")):
        for look in (decode_raster, verify_raster):
            with pytest.raises(PictureError, match=f"several pages in one file: {words}"):
                look(chained(count))
