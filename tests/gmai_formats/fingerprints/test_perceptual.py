"""One hash for every package: what leaves it alone, and that rounding decides none of its bits."""

import io

import numpy as np
import pytest
from gmai_formats.fingerprints.perceptual import EDGE_PX, NEAR_BITS, perceptual_hash, thumbnail
from PIL import Image, ImageDraw, ImageFilter


def drawn(seed, size=256):
    """A picture of ellipses and noise."""
    random = np.random.default_rng(seed)
    canvas = Image.new("L", (size, size), 0)
    for _ in range(12):
        x, y = random.uniform(0.1, 0.9, 2) * size
        a, b = random.uniform(0.02, 0.3, 2) * size
        ImageDraw.Draw(canvas).ellipse((x - a, y - b, x + a, y + b), fill=int(random.integers(30, 256)))
    return np.clip(np.asarray(canvas) + random.normal(0, 12, (size, size)), 0, 255).astype(np.uint8)


def saved(pixels, **options):
    """The pixels after a JPEG."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", **options)
    return np.asarray(Image.open(content))


def resized(pixels, factor, method=Image.Resampling.BICUBIC):
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((round(width * factor), round(height * factor)), method))


def bits(one, other):
    first, second = perceptual_hash(thumbnail(one)), perceptual_hash(thumbnail(other))
    assert first is not None
    assert second is not None
    return (first ^ second).bit_count()


def test_a_thumbnail_holds_the_exact_means_of_its_areas():
    pixels = np.random.default_rng(0).integers(0, 256, (EDGE_PX * 3, EDGE_PX * 2), dtype=np.uint8)
    expected = pixels.reshape(EDGE_PX, 3, EDGE_PX, 2).mean((1, 3))
    assert thumbnail(pixels) == pytest.approx(expected, abs=1e-3)
    small = np.array([[0, 200]], np.uint8)
    assert np.unique(thumbnail(small)).tolist() == [0, 200], "a small picture is spread without ringing"
    uneven = np.arange(EDGE_PX + 32, dtype=np.uint8)[None].repeat(3, 0)
    assert thumbnail(uneven)[0, :2] == pytest.approx([1 / 3, 5 / 3]), "1.5 pixels each, the second one shared"


def test_colour_counts_by_its_luminance():
    colours = np.random.default_rng(1).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    assert thumbnail(colours) == pytest.approx(thumbnail(np.asarray(Image.fromarray(colours).convert("L"))))


def test_the_hash_survives_format_and_size_and_tells_pictures_apart():
    pictures = [drawn(seed) for seed in range(20)]
    for picture in pictures[:6]:
        assert bits(picture, saved(resized(picture, 0.5), quality=70)) <= NEAR_BITS
        assert bits(picture, resized(picture, 1.7)) <= 2
    hashes = [perceptual_hash(thumbnail(picture)) for picture in pictures]
    assert min((hashes[i] ^ hashes[j]).bit_count() for i in range(20) for j in range(i)) > NEAR_BITS


SYMMETRIES = {
    "left and right": lambda half: np.hstack([half, half[:, ::-1]]),
    "up and down": lambda half: np.vstack([half, half[::-1]]),
    "half a turn": lambda half: np.hstack([half, half[::-1, ::-1]]),
    "four ways": lambda half: np.vstack([two := np.hstack([half, half[:, ::-1]]), two[::-1]]),
    "along the diagonal": lambda half: np.maximum(half[:128, :128], half[:128, :128].T),
    "odd width": lambda half: np.hstack([half, half[:, -2::-1]]),
}


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_no_bit_of_a_symmetric_picture_is_decided_by_rounding(symmetry):
    for seed in range(5):
        picture = SYMMETRIES[symmetry](drawn(seed)[:, :128])
        assert bits(picture, saved(picture, quality=60)) <= 4
        assert bits(picture, resized(picture, 2)) <= 2
        assert bits(picture, np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(0.6)))) <= 3


@pytest.mark.parametrize("edge_px", [20, 28, 33, 48])
def test_a_small_picture_keeps_its_hash(edge_px):
    for seed in range(5):
        picture = np.asarray(Image.fromarray(drawn(seed)).resize((edge_px, edge_px), Image.Resampling.LANCZOS))
        assert bits(picture, resized(picture, 2, Image.Resampling.NEAREST)) == 0
        assert bits(picture, resized(picture, 3)) <= 4
        assert bits(picture, saved(picture, quality=85)) <= NEAR_BITS


def test_a_bit_stands_for_more_than_the_median_and_a_margin():
    """The 63 coefficients are fixed by hand: a wave of one frequency sets the bit of this frequency alone."""
    place = np.arange(32)
    for row, column in ((0, 1), (2, 0), (3, 5)):
        wave = np.cos(np.pi * (2 * place[:, None] + 1) * row / 64) * np.cos(np.pi * (2 * place + 1) * column / 64)
        small = (128 + 100 * wave).repeat(2, 0).repeat(2, 1).astype(np.float32)
        assert perceptual_hash(small) == 1 << (63 - (8 * row + column))


@pytest.mark.parametrize("pixels", [np.full((9, 9), 30, np.uint8), np.zeros((200, 100, 3), np.uint8)])
def test_a_picture_of_one_shade_has_no_hash(pixels):
    assert perceptual_hash(thumbnail(pixels)) is None


def test_noise_of_one_level_is_no_picture():
    noise = np.random.default_rng(2).integers(40, 42, (300, 300), dtype=np.uint8)
    assert perceptual_hash(thumbnail(noise)) is None


def test_the_hash_is_the_bits_of_the_lowest_coefficients_above_their_median():
    from scipy.fft import dctn

    for seed in range(8):
        small = thumbnail(drawn(seed))
        halved = small.astype(np.float64).reshape(32, 2, 32, 2).mean((1, 3))
        low = dctn(halved, norm="ortho")[:8, :8].ravel()[1:]
        right = low > np.median(low) + 0.05 * np.sqrt(np.mean(low**2))
        assert perceptual_hash(small) == int("".join("01"[bit] for bit in right.astype(int)), 2)
