"""Shapes that the phantoms are made of. A picture is 112×112 px; classes differ by shape, brightness and colour."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE_PX = 112
Grid = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Spot:
    """A place and a size: centre (x, y) and half axes in pixels, rotation in radians."""

    x: float
    y: float
    half_width: float
    half_height: float
    angle: float = 0.0


def distance(spot: Spot) -> Grid:
    """Return the elliptic distance of every pixel from a spot: 0 in the centre, 1 on the edge."""
    rows, columns = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
    dx, dy = columns - spot.x, rows - spot.y
    cosine, sine = np.cos(spot.angle), np.sin(spot.angle)
    across = (dx * cosine + dy * sine) / spot.half_width
    along = (-dx * sine + dy * cosine) / spot.half_height
    return np.sqrt(across**2 + along**2).astype(np.float32)


def ellipse(spot: Spot) -> Mask:
    """Return the pixels inside a spot."""
    return distance(spot) <= 1


def jagged(spot: Spot, rng: np.random.Generator, depth: float = 0.45) -> Mask:
    """Return a spot with an irregular, spiky edge; `depth` is the largest indentation as a share of the radius."""
    rows, columns = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
    angle = np.arctan2(rows - spot.y, columns - spot.x)
    edge = np.ones_like(angle)
    for waves in (5, 7, 11):
        edge -= depth / 3 * (1 + np.cos(waves * angle + rng.uniform(0, 2 * np.pi))) / 2
    return distance(spot) <= edge


def smooth_noise(rng: np.random.Generator, scale_px: int) -> Grid:
    """Return noise of mean 0 and about unit range whose blobs are `scale_px` wide."""
    small = rng.normal(size=(SIDE_PX // scale_px + 2,) * 2).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))


def soften(values: npt.NDArray[Any], radius_px: float = 0.8) -> Grid:
    """Blur a picture, grey or RGB, as an imaging system would: by a Gaussian of this standard deviation."""
    reach = round(4 * radius_px)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / radius_px) ** 2)
    blurred = values.astype(np.float32)
    for axis in (0, 1):
        around = [(reach, reach) if each == axis else (0, 0) for each in range(blurred.ndim)]
        padded = np.pad(blurred, around, mode="reflect")
        taps = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis)
        blurred = (taps @ (weights / weights.sum())).astype(np.float32)
    return blurred


def finish(values: npt.NDArray[Any], rng: np.random.Generator, noise: float = 6.0) -> npt.NDArray[np.uint8]:
    """Add contrast variation and noise, and clip to 8 bits."""
    varied = values.astype(np.float32) * rng.uniform(0.92, 1.08) + rng.uniform(-6, 6)
    noisy = soften(varied) + rng.normal(0, noise, values.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)
