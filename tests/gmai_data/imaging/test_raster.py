"""Rasters that cannot be used are refused with the reason; what is published carries no words of the source."""

import io

import cv2
import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png, load_index_mask, load_numbered_mask, load_raster, nothing_to_see
from gmai_data.ledger import SourceError
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


def test_pictures_that_show_nothing():
    noise = np.random.default_rng(0).integers(100, 103, (50, 50)).astype(np.uint8)
    assert nothing_to_see(noise) == "near-constant image"
    noise[:5] = 200
    assert nothing_to_see(noise) is None
    assert nothing_to_see(np.where(noise == 200, 255, 0).astype(np.uint8)) == "binary image"


def test_a_look_at_some_rows_judges_as_a_look_at_all():
    rng = np.random.default_rng(5)
    judged = set()
    for _ in range(2000):
        few = rng.integers(0, 256, rng.integers(1, 6)) if rng.random() < 0.5 else rng.integers(90, 99, 6)
        chance = rng.dirichlet(np.full(len(few), rng.choice([0.02, 0.1, 1])))
        pixels = rng.choice(few, rng.integers(1, 60, 2), p=chance).astype(np.uint8)
        counts = np.bincount(pixels.ravel(), minlength=256)
        low, high = (int(np.searchsorted(np.cumsum(counts), share * pixels.size)) for share in (0.005, 0.995))
        right = "near-constant image" if high - low <= 4 else "binary image" if np.count_nonzero(counts) <= 2 else None
        assert nothing_to_see(pixels) == right
        judged.add(right)
    assert len(judged) == 3


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (64, 65), (5, 4, 3), (300, 301, 3)])
def test_png_is_lossless_for_other_decoders(shape):
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    encoded = encode_png(np.asfortranarray(pixels))
    with Image.open(io.BytesIO(encoded)) as image:
        image.verify()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoded))), pixels)
    decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded if pixels.ndim == 2 else decoded[..., ::-1], pixels)


@pytest.mark.parametrize("black", [True, False])
def test_colours_that_number_objects_become_numbers(tmp_path, black):
    pixels = np.zeros((6, 6, 3), np.uint8)
    pixels[:2], pixels[2:4] = (200, 0, 0), (0, 0, 200)
    if not black:
        pixels[4:] = (250, 200, 200)
    save(tmp_path / "a.png", Image.fromarray(pixels))
    numbers = load_numbered_mask(tmp_path, "a.png")
    assert [int(numbers[row, 0]) for row in (0, 2, 4)] == ([2, 1, 0] if black else [2, 1, 3])
    save(tmp_path / "a.jpg", Image.fromarray(pixels))
    with pytest.raises(SourceError, match="JPEG, which blurs them"):
        load_numbered_mask(tmp_path, "a.jpg")
    save(tmp_path / "b.png", Image.fromarray(np.arange(36, dtype=np.uint8).reshape(6, 6)))
    assert np.array_equal(load_numbered_mask(tmp_path, "b.png"), np.arange(36).reshape(6, 6))
