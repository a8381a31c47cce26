"""Rasters that cannot be used are refused with the reason; what is published carries no words of the source."""

import io

import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png, is_near_constant, load_index_mask, load_raster
from gmai_data.sources.problems import SourceError
from PIL import Image


def save(path, image, **options):
    image.save(path, **options)
    return path.name


def picture(mode="RGB"):
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).convert(mode)


def test_lfs_pointer(tmp_path):
    (tmp_path / "a.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(SourceError, match="Git LFS pointer instead of data: run `git lfs pull`"):
        load_raster(tmp_path, "a.png")


def test_missing_empty_and_outside(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(SourceError, match="file missing"):
        load_raster(tmp_path, "no.png")
    with pytest.raises(SourceError, match="file empty: 0 bytes"):
        load_raster(tmp_path, "empty.png")
    with pytest.raises(SourceError, match="path outside the root"):
        load_raster(tmp_path, "../secret.png")


def test_truncated(tmp_path):
    name = save(tmp_path / "a.png", picture())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:500])
    with pytest.raises(SourceError, match="image unreadable"):
        load_raster(tmp_path, name)


def test_hundred_megapixels_are_refused_before_decoding(tmp_path):
    limit = Image.MAX_IMAGE_PIXELS
    name = save(tmp_path / "a.png", Image.new("1", (10_000, 10_000)))
    with pytest.raises(SourceError, match="image too large: 10000×10000 is above 50 megapixels"):
        load_raster(tmp_path, name)
    name = save(tmp_path / "b.png", Image.new("1", (20_000, 10_000)))
    with pytest.raises(SourceError, match="image too large"):
        load_raster(tmp_path, name)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_plain_jpeg_is_kept_and_one_with_words_is_not(tmp_path):
    plain = save(tmp_path / "a.jpg", picture())
    assert load_raster(tmp_path, plain).encoded == (tmp_path / plain).read_bytes()
    exif = Image.Exif()
    exif[0x010E] = "Patient Jane Doe"
    assert load_raster(tmp_path, save(tmp_path / "b.jpg", picture(), exif=exif)).encoded is None
    assert load_raster(tmp_path, save(tmp_path / "c.jpg", picture(), comment=b"Jane Doe")).encoded is None


def test_png_round_trip_and_modes(tmp_path):
    pixels = load_raster(tmp_path, save(tmp_path / "a.png", picture())).pixels
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), np.asarray(picture()))
    grey = load_raster(tmp_path, save(tmp_path / "b.png", picture("L"))).pixels
    assert grey.ndim == 2
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (load_raster(tmp_path, save(tmp_path / "c.png", clear)).pixels == 255).all()


def test_colour_mask_is_refused(tmp_path):
    with pytest.raises(SourceError, match="mask has colour channels"):
        load_index_mask(tmp_path, save(tmp_path / "a.png", picture()))


def test_near_constant():
    noise = np.random.default_rng(0).integers(100, 103, (50, 50)).astype(np.uint8)
    assert is_near_constant(noise)
    noise[:5] = 200
    assert not is_near_constant(noise)
