"""Copies of a picture are found, and neighbouring slices and other findings are not, on drawn and on real files."""

import io
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from gmai_formats.fingerprints import copies
from gmai_formats.fingerprints.copies import CANDIDATE_BITS, MOST, find_copy, remainder
from gmai_formats.fingerprints.perceptual import perceptual_hash, thumbnail
from PIL import Image, ImageDraw

REAL_DATA = Path(os.environ.get("GMAI_REAL_DATA", Path(__file__).parents[3].parent / "shared" / "data"))


def chest(seed, size=(400, 420)):
    """A drawn radiograph: two lungs, ribs, a heart, and noise."""
    random = np.random.default_rng(seed)
    canvas = Image.new("L", size, 40)
    draw = ImageDraw.Draw(canvas)
    width, height = size
    for left, right in ((0.1, 0.45), (0.55, 0.92)):
        draw.ellipse((left * width, 0.12 * height, right * width, 0.9 * height), fill=15)
        for rib in range(9):
            top = (0.1 + 0.085 * rib + random.uniform(0, 0.02)) * height
            draw.arc((left * width - 9, top, right * width + 9, top + 70), 200, 340, fill=90, width=7)
    x, y = random.uniform(0.4, 0.5), random.uniform(0.5, 0.6)
    draw.ellipse((x * width, y * height, (x + 0.3) * width, (y + 0.3) * height), fill=140)
    return np.clip(np.asarray(canvas) + random.normal(0, 6, (height, width)), 0, 255).astype(np.uint8)


def jpeg(pixels, quality):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def gamma(pixels, exponent):
    return (255 * (pixels / 255.0) ** exponent).round().astype(np.uint8)


COPIES = {
    "four rows less, quality 60": lambda pixels: jpeg(pixels[4:], 60),
    "three columns less": lambda pixels: pixels[:, 3:],
    "1 % less on all sides": lambda pixels: pixels[4:-4, 4:-4],
    "half the size": lambda pixels: np.asarray(Image.fromarray(pixels).resize((200, 210))),
    "quality 30": lambda pixels: jpeg(pixels, 30),
    "brighter": lambda pixels: gamma(pixels, 0.8),
    "darker, cropped, compressed": lambda pixels: jpeg(gamma(pixels[:-4], 1.1), 70),
    "less contrast": lambda pixels: (pixels * 0.7 + 30).astype(np.uint8),
    "turned by a degree": lambda pixels: np.asarray(Image.fromarray(pixels).rotate(1, Image.Resampling.BICUBIC)),
    "a border": lambda pixels: np.pad(pixels, 4),
}  # fmt: skip


def small(pixels):
    return thumbnail(pixels).round().astype(np.uint8)


def is_copy(one, other):
    """Whether the hash finds the pair and the comparison confirms it."""
    first, second = perceptual_hash(thumbnail(one)), perceptual_hash(thumbnail(other))
    if first is None or second is None or (first ^ second).bit_count() > CANDIDATE_BITS:
        return False
    return find_copy(small(one), [small(other)]) == 0


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_found(change):
    for seed in range(3):
        assert is_copy(COPIES[change](chest(seed)), chest(seed))


def test_other_patients_are_no_copies():
    pictures = [chest(seed) for seed in range(6)]
    assert not [(i, j) for i in range(6) for j in range(i) if is_copy(pictures[i], pictures[j])]


@pytest.mark.parametrize("radius", [6, 10])
def test_a_lesion_more_is_another_picture(radius):
    plain = chest(0)
    marked = Image.fromarray(plain.copy())
    ImageDraw.Draw(marked).ellipse((120 - radius, 200 - radius, 120 + radius, 200 + radius), fill=110)
    assert not is_copy(np.asarray(marked), plain)
    assert not is_copy(jpeg(np.asarray(marked)[3:], 80), plain)


def test_the_most_similar_copy_is_named():
    plain = chest(0)
    others = [small(chest(1)), small(gamma(plain[5:], 1.2)), small(plain), small(chest(2))]
    assert find_copy(small(plain), others) == 2
    assert find_copy(small(plain), others[:1]) is None
    assert find_copy(small(plain), []) is None


def test_giving_up_early_changes_no_verdict(monkeypatch):
    pictures = [chest(seed) for seed in range(4)]
    pairs = [(small(change(one)), small(one)) for change in COPIES.values() for one in pictures]
    pairs += [(small(one), small(other)) for one, other in itertools.permutations(pictures, 2)]
    early = [remainder(*pair) <= MOST for pair in pairs]
    monkeypatch.setattr(copies, "_HOPELESS", np.inf)
    assert early == [remainder(*pair) <= MOST for pair in pairs]
    assert any(early)
    assert not all(early)


def test_pictures_without_detail_do_not_break_it():
    flat, slope = np.full((64, 64), 9, np.uint8), np.arange(64, dtype=np.uint8)[None].repeat(64, 0)
    assert find_copy(flat, [slope]) is None
    assert remainder(slope, slope) == pytest.approx(0, abs=1e-6)


def volumes():
    """Real volumes as axial slices of 8 bits: neighbours of 1.5 to 3 mm."""
    import nibabel
    import pydicom

    folder = REAL_DATA / "totalsegmentator"
    if not folder.is_dir():
        pytest.skip(f"no real files in {REAL_DATA}; set GMAI_REAL_DATA to a folder with totalsegmentator/ and bccd/")
    ct = np.asarray(nibabel.load(folder / "example_ct.nii.gz").dataobj)
    mr = np.asarray(nibabel.load(folder / "example_mr_sm.nii.gz").dataobj)
    files = [pydicom.dcmread(path) for path in sorted((folder / "example_ct_dicom").iterdir())]
    series = [file.pixel_array + float(file.RescaleIntercept) for file in sorted(files, key=lambda f: f.InstanceNumber)]
    yield "CT, soft tissue", np.moveaxis(ct, 2, 0)[::8], (-160, 240)
    yield "CT, neighbours", np.moveaxis(ct, 2, 0)[30:42], (-160, 240)
    yield "CT, lung", np.moveaxis(ct, 2, 0)[::9], (-1000, 400)
    yield "CT, overlapping", np.array(series), (-160, 240)
    yield "MR", np.moveaxis(mr, 2, 0), np.percentile(mr, (0.5, 99.5))


def test_neighbouring_slices_of_real_volumes_are_no_copies_and_their_copies_are():
    """Neighbours as far apart as a source has them, 1.5 to 9 mm, in the windows of the cards."""
    found = lost = 0
    for name, values, (low, high) in volumes():
        slices = [np.clip((one - low) / (high - low) * 255, 0, 255).astype(np.uint8) for one in values]
        slices = [one for one in slices if one.std() > 8]
        called = [number for number, pair in enumerate(itertools.pairwise(slices)) if is_copy(*pair)]
        assert not called, f"{name}: slices {called} of {len(slices)} are taken for their neighbours"
        for one in slices[::7]:
            rows = max(1, round(0.006 * len(one)))
            for copy in (jpeg(one[rows:], 60), gamma(one, 0.9), one[:-rows, rows:]):
                found, lost = found + is_copy(copy, one), lost + (not is_copy(copy, one))
    assert lost <= 0.05 * found, f"{lost} of {found + lost} copies are not found"


def test_the_threshold_lies_between_copies_and_overlapping_slices():
    """What the docstring of `MOST` says, in short: it moves when somebody moves it."""
    assert remainder(small(jpeg(chest(0)[4:], 60)), small(chest(0))) < MOST / 1.05
    assert remainder(small(chest(1)), small(chest(0))) > MOST * 1.1
