"""Phantom pictures by class: X-ray, dermoscopy, fundus, ultrasound, and microscopy with its cells."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.phantoms.canvas import SIDE_PX, Mask, Spot, ellipse, finish, jagged, smooth_noise, soften

Picture = npt.NDArray[np.uint8]
Rng = np.random.Generator

XRAY = ("normal", "pneumonia", "effusion", "cardiomegaly")
SKIN = ("melanoma", "nevus", "vascular", "keratosis")
FUNDUS = ("healthy", "retinopathy", "glaucoma", "macular")
ULTRASOUND = ("normal", "cyst", "benign", "malignant")
CINE_FRAMES, LESION_FRAME = 11, 4
"""Frames of a sweep, and the first of them that shows its lesion."""
CELLS = ("erythrocyte", "leukocyte", "platelet", "bacillus", "yeast")


def xray(label: str, rng: Rng) -> Picture:
    """Draw a chest: dark lungs in a bright body, and the sign of the class."""
    values = np.full((SIDE_PX, SIDE_PX), 30.0, np.float32)
    middle = 56 + rng.uniform(-3, 3)
    values[ellipse(Spot(middle, 60, 52, 56))] = 150
    lungs = [ellipse(Spot(middle + side * 23, 52 + rng.uniform(-2, 2), 16, 34)) for side in (-1, 1)]
    for lung in lungs:
        values[lung] = 60
    for rib in range(5):
        rows = 24 + 14 * rib + np.arange(SIDE_PX) * 0.0
        values[np.clip(rows.astype(int), 0, SIDE_PX - 1), np.arange(SIDE_PX)] += 25
    heart_px = 30.0 if label == "cardiomegaly" else 13.0
    values[ellipse(Spot(middle + 4, 74, heart_px * rng.uniform(0.92, 1.08), heart_px * 0.75))] = 190
    side = int(rng.integers(2))
    if label == "pneumonia":
        centre = middle + (-23 if side == 0 else 23)
        spot = Spot(centre, rng.uniform(36, 58), rng.uniform(9, 12), rng.uniform(9, 13))
        values = np.where(jagged(spot, rng, 0.3), 225, values)
    if label == "effusion":
        below = np.arange(SIDE_PX)[:, None] > rng.uniform(54, 62)
        values[lungs[side] & below] = 240
    return finish(soften(values, 1.2), rng)


def skin(label: str, rng: Rng) -> tuple[Picture, Mask]:
    """Draw a skin lesion and return it with its mask."""
    values = np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)
    values[:] = np.array([225, 175, 150]) + rng.uniform(-12, 12, 3)
    values += smooth_noise(rng, 16)[..., None] * 5
    size_px = rng.uniform(18, 30)
    x, y = (float(place) for place in rng.uniform(42, 70, 2))
    spot = Spot(x, y, size_px, size_px * rng.uniform(0.8, 1.2), rng.uniform(0, 3))
    if label == "melanoma":
        mask = jagged(spot, rng, 0.6)
        values[mask] = (35, 25, 30)
        values[mask & (smooth_noise(rng, 8) > 0.6)] = (90, 60, 90)
    elif label == "nevus":
        mask = ellipse(spot)
        values[mask] = (140, 85, 50)
    elif label == "vascular":
        mask = ellipse(spot)
        values[mask] = (200, 30, 45)
    else:
        mask = jagged(spot, rng, 0.2)
        values[mask] = (205, 190, 95)
        for _ in range(12):
            x, y = rng.uniform(-0.6, 0.6, 2) * size_px
            values[ellipse(Spot(spot.x + x, spot.y + y, 2.2, 2.2)) & mask] = (110, 95, 40)
    return finish(values, rng), mask


def fundus(label: str, rng: Rng) -> Picture:
    """Draw a retina with disc, vessels and fovea, and the sign of the class."""
    values = np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)
    retina = ellipse(Spot(56, 56, 52, 52))
    values[retina] = np.array([190, 85, 35]) + rng.uniform(-10, 10, 3)
    disc_x, disc_y = (26 if rng.integers(2) else 86) + rng.uniform(-3, 3), 56 + rng.uniform(-5, 5)
    for bend in rng.uniform(-1, 1, 5):
        steps = np.linspace(0, 1, 160)
        x = disc_x + (56 - disc_x) * 2 * steps
        y = disc_y + bend * 48 * steps + 8 * np.sin(4 * steps)
        inside = (x >= 0) & (x < SIDE_PX) & (y >= 0) & (y < SIDE_PX)
        values[y[inside].astype(int), x[inside].astype(int)] = (120, 25, 20)
    values[ellipse(Spot(disc_x, disc_y, 10, 11))] = (240, 200, 120)
    if label == "glaucoma":
        values[ellipse(Spot(disc_x, disc_y, 17, 19))] = (250, 235, 190)
        values[ellipse(Spot(disc_x, disc_y, 12, 14))] = (255, 255, 250)
    if label == "retinopathy":
        for _ in range(int(rng.integers(22, 32))):
            x, y = rng.uniform(20, 92, 2)
            values[ellipse(Spot(x, y, rng.uniform(2, 3.5), rng.uniform(2, 3.5)))] = (85, 5, 10)
    if label == "macular":
        for _ in range(int(rng.integers(16, 24))):
            x, y = 56 + rng.normal(0, 9, 2)
            values[ellipse(Spot(x, y, rng.uniform(2.5, 4), rng.uniform(2.5, 4)))] = (250, 235, 70)
    values[~retina] = 0
    return finish(values, rng, 4)


@dataclass(frozen=True)
class _Scan:
    """Where a lesion lies in the tissue, and the layers of the tissue."""

    spot: Spot
    layer_px: float
    phase: float


def ultrasound(label: str, rng: Rng) -> Picture:
    """Draw speckled tissue with the lesion of the class; multiplicative noise as in ultrasound."""
    return _echo(label, _scan(rng), rng)


def cine(label: str, rng: Rng) -> Iterator[tuple[str, Picture]]:
    """Yield (label, picture) of each frame of a sweep: tissue alone at first, then the lesion, which drifts."""
    scan = _scan(rng)
    across, down = rng.uniform(-0.8, 0.8, 2)
    for frame in range(CINE_FRAMES):
        spot = dataclasses.replace(scan.spot, x=scan.spot.x + across * frame, y=scan.spot.y + down * frame)
        shown = label if frame >= LESION_FRAME else "normal"
        yield shown, _echo(shown, dataclasses.replace(scan, spot=spot), rng)


def _scan(rng: Rng) -> _Scan:
    size_px = rng.uniform(17, 25)
    x, y = (float(place) for place in rng.uniform(44, 68, 2))
    spot = Spot(x, y, size_px, size_px * rng.uniform(0.75, 0.95), rng.uniform(-0.4, 0.4))
    return _Scan(spot, rng.uniform(5, 7), rng.uniform(0, 6))


def _echo(label: str, scan: _Scan, rng: Rng) -> Picture:
    spot, rows = scan.spot, np.arange(SIDE_PX, dtype=np.float32)[:, None]
    values = 95 + 18 * np.sin(rows / scan.layer_px + scan.phase) + np.zeros((SIDE_PX, SIDE_PX), np.float32)
    inside = ellipse(spot)
    if label == "cyst":
        values[inside] = 5
        shadow = (np.abs(np.arange(SIDE_PX)[None, :] - spot.x) < spot.half_width * 0.8) & (rows > spot.y)
        values[shadow & ~inside] += 60
    elif label == "benign":
        values[ellipse(Spot(spot.x, spot.y, spot.half_width + 4, spot.half_height + 4, spot.angle))] = 235
        values[inside] = 70
    elif label == "malignant":
        values[jagged(Spot(spot.x, spot.y, spot.half_width * 1.35, spot.half_width * 1.35), rng, 0.8)] = 20
        for _ in range(9):
            x, y = rng.uniform(-0.5, 0.5, 2) * spot.half_width
            values[ellipse(Spot(spot.x + x, spot.y + y, 1.8, 1.8))] = 255
    speckle = 1 + 0.25 * soften(rng.normal(size=values.shape), 0.7) * 2
    return finish(values * speckle, rng, 3)


def smear(labels: Sequence[str], rng: Rng) -> tuple[Picture, list[tuple[str, Mask]]]:
    """Draw a smear with two to five cells of each label, none touching another, and return it with their masks."""
    values = np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)
    values[:] = np.array([238, 228, 222]) + rng.uniform(-8, 8, 3)
    taken = np.zeros((SIDE_PX, SIDE_PX), np.bool_)
    cells: list[tuple[str, Mask]] = []
    for label in labels:
        draw, radius_px = _CELLS[label]
        for _ in range(int(rng.integers(2, 6))):
            for _ in range(40):
                x, y = rng.uniform(radius_px + 2, SIDE_PX - radius_px - 2, 2)
                spot = Spot(x, y, radius_px * rng.uniform(0.85, 1.1), radius_px, rng.uniform(0, 3))
                room = ellipse(Spot(x, y, radius_px * 1.25 + 2, radius_px * 1.25 + 2))
                if not (room & taken).any():
                    taken |= room
                    cells.append((label, draw(values, spot, rng)))
                    break
    return finish(values, rng, 4), cells


def _erythrocyte(values: npt.NDArray[Any], spot: Spot, rng: Rng) -> Mask:
    del rng
    mask = ellipse(spot)
    values[mask] = (215, 95, 95)
    values[ellipse(Spot(spot.x, spot.y, spot.half_width * 0.4, spot.half_height * 0.4))] = (240, 185, 180)
    return mask


def _leukocyte(values: npt.NDArray[Any], spot: Spot, rng: Rng) -> Mask:
    mask = ellipse(spot)
    values[mask] = (205, 190, 225)
    for _ in range(3):
        x, y = rng.uniform(-0.35, 0.35, 2) * spot.half_height
        values[ellipse(Spot(spot.x + x, spot.y + y, spot.half_width * 0.45, spot.half_height * 0.45))] = (85, 35, 130)
    return mask


def _platelet(values: npt.NDArray[Any], spot: Spot, rng: Rng) -> Mask:
    mask = jagged(spot, rng, 0.3)
    values[mask] = (60, 20, 80)
    return mask


def _bacillus(values: npt.NDArray[Any], spot: Spot, rng: Rng) -> Mask:
    mask = ellipse(Spot(spot.x, spot.y, spot.half_width, spot.half_width * 0.32, rng.uniform(0, 3.1)))
    values[mask] = (20, 95, 160)
    return mask


def _yeast(values: npt.NDArray[Any], spot: Spot, rng: Rng) -> Mask:
    shift = spot.half_width * 0.45
    angle = rng.uniform(0, 6.2)
    bud = Spot(
        spot.x + shift * np.cos(angle), spot.y + shift * np.sin(angle), spot.half_width * 0.5, spot.half_width * 0.5
    )
    mother = Spot(
        spot.x - shift * np.cos(angle) / 2, spot.y - shift * np.sin(angle) / 2, *(spot.half_width * 0.65,) * 2
    )
    mask = ellipse(bud) | ellipse(mother)
    values[mask] = (70, 150, 60)
    return mask


_CELLS: dict[str, tuple[Callable[[npt.NDArray[Any], Spot, Rng], Mask], float]] = {
    "erythrocyte": (_erythrocyte, 9.0),
    "leukocyte": (_leukocyte, 15.0),
    "platelet": (_platelet, 4.0),
    "bacillus": (_bacillus, 11.0),
    "yeast": (_yeast, 11.0),
}
