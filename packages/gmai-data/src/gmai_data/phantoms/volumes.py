"""Phantom volumes with label masks: an abdominal CT in HU and a brain MR, `[z, y, x]` in the display convention."""

import numpy as np
import numpy.typing as npt

from gmai_data.phantoms.canvas import SIDE_PX, Mask, Spot, ellipse, jagged, smooth_noise, soften

CT_SLICES = 12
MR_SLICES = 10
CT_LABELS = {1: "liver", 2: "spleen", 3: "kidneys", 4: "bladder", 5: "lesion", 6: "aorta"}
MR_LESIONS = {1: "glioma", 2: "abscess", 3: "cyst", 4: "meningioma"}
VENTRICLES = 5

Volume = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
Rng = np.random.Generator


def ct(rng: Rng) -> tuple[Volume, Labels]:
    """Return an abdomen in HU with organs over random ranges of slices, and a lesion in some livers."""
    hu = np.full((CT_SLICES, SIDE_PX, SIDE_PX), -1000, np.float32)
    labels = np.zeros(hu.shape, np.uint8)
    shift_x, shift_y = rng.uniform(-4, 4, 2)
    has_lesion = rng.random() < 0.7
    ranges = {name: _range(rng, CT_SLICES) for name in ("liver", "spleen", "kidneys", "bladder", "aorta")}
    lesion_px = Spot(30 + rng.uniform(-4, 4), 48 + rng.uniform(-8, 8), 6.5, 6.5)
    liver_px = rng.uniform(0.9, 1.1)
    for z in range(CT_SLICES):
        hu[z][ellipse(Spot(56 + shift_x, 56 + shift_y, 51, 42))] = -30
        hu[z][ellipse(Spot(56 + shift_x, 88 + shift_y, 7, 7))] = 700
        parts: list[tuple[int, float, Mask]] = []
        if z in ranges["liver"]:
            parts.append((1, 130, ellipse(Spot(32 + shift_x, 48 + shift_y, 21 * liver_px, 24 * liver_px))))
        if z in ranges["spleen"]:
            striped = ellipse(Spot(87 + shift_x, 56 + shift_y, 11, 20, 0.3))
            parts.append((2, 60, striped))
        if z in ranges["kidneys"]:
            pair = [ellipse(Spot(56 + shift_x + side * 22, 84 + shift_y, 8, 10, side * 0.4)) for side in (-1, 1)]
            parts.append((3, 225, pair[0] | pair[1]))
        if z in ranges["bladder"]:
            parts.append((4, -130, ellipse(Spot(63 + shift_x, 34 + shift_y, 12, 12))))
        if z in ranges["aorta"]:
            parts.append((6, 235, ellipse(Spot(58 + shift_x, 66 + shift_y, 5.5, 5.5))))
        if has_lesion and z in ranges["liver"]:
            parts.append((5, -60, ellipse(Spot(lesion_px.x + shift_x, lesion_px.y + shift_y, 6.5, 6.5))))
        for label, value, mask in parts:
            hu[z][mask] = value
            labels[z][mask] = label
        stripes = (labels[z] == 2) & (np.arange(SIDE_PX)[:, None] // 3 % 2 == 0)
        hu[z][stripes] = 170
        hu[z] = soften(hu[z]) + rng.normal(0, 12, hu[z].shape) + 8 * smooth_noise(rng, 14)
    return hu, labels


def mr(lesion: int, rng: Rng) -> tuple[Volume, Labels]:
    """Return a brain in arbitrary units (background 0) with one lesion kind, and ventricles in some slices."""
    values = np.zeros((MR_SLICES, SIDE_PX, SIDE_PX), np.float32)
    labels = np.zeros(values.shape, np.uint8)
    side = -1 if rng.integers(2) else 1
    place = Spot(56 + side * rng.uniform(16, 22), rng.uniform(38, 70), rng.uniform(11, 14), rng.uniform(11, 14))
    lesion_range, ventricle_range = _range(rng, MR_SLICES), _range(rng, MR_SLICES)
    gain = rng.uniform(0.8, 1.3)
    for z in range(MR_SLICES):
        head, brain = ellipse(Spot(56, 56, 46, 53)), ellipse(Spot(56, 56, 41, 48))
        values[z][head] = 380
        values[z][brain] = 200 + 14 * smooth_noise(rng, 9)[brain]
        if z in ventricle_range:
            pair = ellipse(Spot(50, 54, 4.5, 14, 0.15)) | ellipse(Spot(62, 54, 4.5, 14, -0.15))
            values[z][pair] = 40
            labels[z][pair] = VENTRICLES
        if z in lesion_range:
            mask = _lesion(values[z], lesion, place, side, rng)
            labels[z][mask] = lesion
        noise = rng.normal(0, 9, (SIDE_PX, SIDE_PX))
        values[z] = np.maximum(soften(values[z]) + noise, 0) * gain * head
    return values, labels


def _lesion(values: npt.NDArray[np.float32], lesion: int, place: Spot, side: int, rng: Rng) -> Mask:
    if lesion == 1:
        mask = jagged(Spot(place.x, place.y, place.half_width * 1.4, place.half_height * 1.4), rng, 0.6)
        values[mask] = 420
    elif lesion == 2:
        mask = ellipse(place)
        values[mask] = 470
        values[ellipse(Spot(place.x, place.y, place.half_width * 0.6, place.half_height * 0.6))] = 60
    elif lesion == 3:
        mask = ellipse(place)
        values[mask] = 25
    else:
        # At the skull, half outside the brain's edge, and evenly bright.
        mask = ellipse(Spot(56 + side * 37, place.y, 9, 17))
        values[mask] = 330
        values[mask & (np.arange(SIDE_PX)[None, :] // 2 % 2 == 0)] = 480
    return mask


def _range(rng: Rng, slices: int) -> range:
    length = int(rng.integers(slices // 2 - 1, slices // 2 + 2))
    start = int(rng.integers(0, slices - length + 1))
    return range(start, start + length)
