"""Rasters as viewers show them, held to pictures that were known before they were encoded."""

import io
from typing import Any

import numpy as np
import pytest
from gmai_formats.pictures.picture import MAX_PIXELS
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.raster import decode_raster, needs_white_or_turn, verify_raster
from gmai_formats.pictures.windows import ValueWindow
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

UPRIGHT = np.random.default_rng(0).integers(0, 256, (5, 8, 3)).astype(np.uint8)
STORED = {
    1: UPRIGHT, 2: UPRIGHT[:, ::-1], 3: UPRIGHT[::-1, ::-1], 4: UPRIGHT[::-1], 5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT, 1), 7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(UPRIGHT, -1),
}  # fmt: skip
"""EXIF orientation ▶ how a camera stores the upright picture (CIPA DC-008, 4.6.4)."""


def encode(image: Any, format_: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(np.ascontiguousarray(image)) if isinstance(image, np.ndarray) else image).save(
        buffer, format_, **options
    )
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
def test_every_exif_orientation_is_turned_upright(orientation: int, format_: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if format_ == "WEBP" else {}
    data = encode(STORED[orientation], format_, exif=exif, **lossless)
    picture = decode_raster(data)
    assert np.array_equal(picture.pixels, UPRIGHT)
    assert picture.changes == (() if orientation == 1 else (f"turned by EXIF orientation {orientation}",))
    assert needs_white_or_turn(data) == (orientation != 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 255), st.integers(0, 255), st.sampled_from(["RGBA", "LA"]))
def test_transparency_lies_on_white(value: int, alpha: int, mode: str) -> None:
    colour = (value, alpha) if mode == "LA" else (value, value, 255 - value, alpha)
    picture = decode_raster(encode(Image.new(mode, (3, 2), colour)))
    share = alpha / 255
    assert abs(int(picture.pixels[0, 0, 0]) - (value * share + 255 * (1 - share))) <= 1
    assert picture.changes == (("opaque alpha left out",) if alpha == 255 else ("transparency laid on white",))


@pytest.mark.parametrize(
    ("image", "clear", "hidden"),
    [
        (Image.new("L", (4, 4), 9), 9, 255),
        (Image.new("L", (4, 4), 9), 8, 9),
        (Image.new("RGB", (4, 4), (9, 9, 9)), (9, 9, 9), 255),
        (Image.new("P", (4, 4), 0), 0, 255),
    ],
)
def test_a_transparent_value_or_entry_lies_on_white(image: Image.Image, clear: Any, hidden: int) -> None:
    data = encode(image, transparency=clear)
    assert decode_raster(data).pixels[0, 0, 0] == hidden
    assert needs_white_or_turn(data)


def test_grey_and_colour_of_8_bits_are_as_stored() -> None:
    for picture in (UPRIGHT, UPRIGHT[..., 0]):
        shown = decode_raster(encode(picture))
        assert np.array_equal(shown.pixels, picture)
        assert (shown.changes, shown.window, shown.is_as_stored) == ((), "", True)
        assert shown.rgb.mode == "RGB"
        assert not needs_white_or_turn(encode(picture))
    assert not decode_raster(encode(UPRIGHT, "BMP")).is_as_stored  # not every endpoint reads it
    one_bit = decode_raster(encode(Image.fromarray(UPRIGHT[..., 0] > 99)))
    assert (one_bit.image.mode, one_bit.changes, one_bit.is_as_stored) == ("L", ("1 bit in 8 bits",), False)
    palette = decode_raster(encode(Image.fromarray(UPRIGHT).quantize(4)))
    assert (palette.image.mode, palette.changes) == ("RGB", ("palette in 8 bits",))


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_one_hot_pixel_does_not_decide_the_contrast(kind: Any) -> None:
    values = np.linspace(500, 1500, 64 * 64).reshape(64, 64).astype(kind)
    values[3, 3] = 65535
    format_ = "PNG" if kind == np.uint16 else "TIFF"
    shown = decode_raster(encode(values, format_))
    assert shown.pixels[3, 3] == 255
    assert np.abs(shown.pixels[32, :] - (values[32, :] - 505.0) / 990 * 255).max() < 3
    assert shown.window.startswith("percentiles 50")
    assert shown.changes == (shown.window,)


def test_a_window_is_applied_with_offset_and_scale() -> None:
    hu = np.array([[-1000, -160, 40], [140, 240, 3000]], np.int32)
    due = [[0, 0, 128], [191, 255, 255]]
    deeplesion = decode_raster(
        encode((hu + 32768).astype(np.uint16)), window=lambda _: ValueWindow("w", 40, 400, -32768)
    )
    assert deeplesion.pixels.tolist() == due
    assert deeplesion.window == "w 40/400 of values × 1 + -32768"
    halves = ((hu + 1024) // 2).astype(np.uint16)
    scaled = decode_raster(encode(halves), window=lambda _: ValueWindow("w", 40, 400, -1024, 2))
    assert scaled.pixels.tolist() == due
    shallow = decode_raster(encode(np.array([[0, 60, 120]], np.uint8)), window=lambda _: ValueWindow("w", 60, 120))
    assert shallow.pixels.tolist() == [[0, 128, 255]]
    with pytest.raises(PictureError, match="no window for a colour image"):
        decode_raster(encode(UPRIGHT), window=lambda _: ValueWindow("w", 40, 400))


def test_colour_of_16_bits_in_a_png_says_so() -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + (UPRIGHT.astype(np.uint16) * 257)[row].astype(">u2").tobytes() for row in range(5))
    header = struct.pack(">IIBBBBB", 8, 5, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    picture = decode_raster(data)
    assert np.array_equal(picture.pixels, UPRIGHT)
    assert picture.changes == ("16 bits a channel: the upper 8",)
    assert not picture.is_as_stored


def test_what_cannot_be_shown_is_refused_by_rule() -> None:
    frames = [Image.fromarray(UPRIGHT), Image.fromarray(UPRIGHT[::-1].copy())]
    animated = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    side = int(MAX_PIXELS**0.5) + 1
    for data, rule in (
        (animated, "several pages in one file: 2 frames"),
        (encode(Image.new("1", (side, side))), "image too large"),
        (b"GIF89a", "image unreadable"),
        (b"", "image unreadable"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image unreadable: no image of a known format"),
    ):
        for look in (decode_raster, verify_raster):
            with pytest.raises(PictureError, match=rule):
                look(data)
    whole = encode(np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8), "JPEG")
    verify_raster(whole[: len(whole) // 2])  # the header is sound
    with pytest.raises(PictureError, match="image unreadable: OSError: image file is truncated"):
        decode_raster(whole[: len(whole) // 2])


def test_metadata_of_a_jpeg_are_named() -> None:
    assert decode_raster(encode(UPRIGHT, "JPEG")).metadata == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert "comment" in decode_raster(encode(UPRIGHT, "JPEG", comment=b"Jane Doe")).metadata


def _jpeg(**options: Any) -> bytes:
    small = np.random.default_rng(1).integers(0, 256, (12, 16, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "optimize": True}, {"subsampling": 0}])
@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 0.95])
@pytest.mark.parametrize("more", [0, 65536])
def test_a_jpeg_whose_end_was_lost_to_zeros_is_refused(options: dict[str, Any], share: float, more: int) -> None:
    """File systems give a file back at its full size, zeros where nothing was written; decoders show grey for them."""
    data = _jpeg(**options)
    cut = int(len(data) * share)
    with pytest.raises(PictureError, match="image unreadable"):
        decode_raster(data[:cut] + bytes(len(data) - cut + more))


@pytest.mark.parametrize(
    "behind",
    [b"", bytes(4096), b"\xff\xff" + bytes(9), b"\0\0\0\x18ftypmp42" + bytes(600), _jpeg(quality=20) + bytes(512)],
    ids=["nothing", "padding", "fill", "a film", "another picture"],
)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + b"MM\0*\0\0\0\x08" + bytes(8)}])
def test_what_lies_behind_the_end_of_a_jpeg_is_not_looked_at(behind: bytes, options: dict[str, Any]) -> None:
    data = _jpeg(**options)
    assert np.array_equal(decode_raster(data + behind).rgb, decode_raster(data).rgb)


def test_a_jpeg_of_several_pictures_may_end_in_zeros() -> None:
    file = io.BytesIO()
    first, second = (Image.fromarray(UPRIGHT).resize((64, 48)) for _ in range(2))
    first.save(file, "MPO", save_all=True, append_images=[second])
    assert decode_raster(file.getvalue() + bytes(64)).rgb.size == (64, 48)
