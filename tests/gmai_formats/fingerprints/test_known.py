import numpy as np
from gmai_formats.fingerprints.known import KnownPictures
from gmai_formats.fingerprints.perceptual import perceptual_hash, thumbnail
from PIL import Image, ImageFilter, ImageOps


def hashed(picture: Image.Image):
    small = thumbnail(np.asarray(picture))
    value = perceptual_hash(small)
    assert value is not None
    return value, small


def picture(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, size=(160, 200), dtype=np.uint8)
    return ImageOps.autocontrast(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(6)))


def test_copies_are_found_by_name_and_others_are_not() -> None:
    known = KnownPictures()
    for seed in range(5):
        known.add(*hashed(picture(seed)), str(seed))
    known.add(*hashed(ImageOps.crop(picture(3), 1)), "3 again")
    assert set(known.copies(*hashed(picture(3).resize((100, 80))))) == {"3", "3 again"}
    assert known.copies(*hashed(picture(9))) == []
    assert KnownPictures().copies(*hashed(picture(0))) == []
