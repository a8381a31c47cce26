"""Intensities ▶ 8-bit grey: named CT windows, and percentile clipping for modalities without a fixed unit."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
ToGrey = Callable[[npt.NDArray[Any]], Grey]
"""Values ▶ grey, with the bounds of one window."""

PRESETS: dict[str, tuple[float, float]] = {
    "soft_tissue": (40, 400),
    "lung": (-600, 1500),
    "brain": (40, 80),
    "stroke": (40, 40),
    "bone": (480, 2500),
    "liver": (90, 150),
    "mediastinum": (50, 350),
    "pancreas": (50, 300),
}
"""CT window ▶ (level, width) in HU. Soft tissue, lung and brain as in MedSAM and OHIF; bone and liver as in OHIF."""

HEADER = "header"
"""The first window that the DICOM header asks for (PS3.3 C.11.2)."""
HEADER_ALL = "header_all"
"""Every window that the DICOM header offers: one picture each."""
PERCENTILE = "percentile"
"""The 0.5th to 99.5th percentile of the positive voxels of the whole volume."""
SUV = "suv"
"""Standardised uptake by body weight, shown from 0 to `SUV_MAX` g/ml."""
SUV_MAX = 10.0

NEGATIVE_SHARE = 0.05
"""Fewer negative voxels than this share of those other than 0 are artefacts, and black."""
MAX_PERCENTILE_VOXELS = 4_000_000
"""Percentiles of larger volumes are taken of every n-th voxel: sorting a volume of 2 GB would need 8 GB."""


class FlatIntensitiesError(ValueError):
    """The volume or image holds one value only (or nothing above zero): there is nothing to see."""


def parse_window(words: str) -> tuple[float, float] | None:
    """Return (level, width) of a preset or of `LEVEL/WIDTH`, or None for a window that the data or header decide."""
    if words in PRESETS:
        return PRESETS[words]
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)", words)
    return (float(found[1]), float(found[2])) if found and float(found[2]) > 0 else None


@dataclass(frozen=True)
class ValueWindow:
    """A window on values that stand in another scale than its unit."""

    name: str
    level: float
    width: float
    offset: float = 0.0
    scale: float = 1.0
    """A stored value times `scale` plus `offset` is in the window's unit."""

    @property
    def words(self) -> str:
        """Return the window in words."""
        unit = "" if (self.scale, self.offset) == (1.0, 0.0) else f" of values × {self.scale:g} + {self.offset:g}"
        return f"{self.name} {self.level:g}/{self.width:g}{unit}"

    def grey(self, values: npt.NDArray[Any]) -> Grey:
        """Apply it; what is no number becomes black."""
        low = self.level - self.width / 2
        numbers = values.astype(np.float64) * self.scale + self.offset
        return apply_window(
            np.nan_to_num(numbers, nan=low, posinf=low + self.width, neginf=low), self.level, self.width
        )


ChooseWindow = Callable[[npt.NDArray[Any]], ValueWindow]
"""Stored values ▶ the window to show them in."""


def apply_window(values: npt.NDArray[Any], level: float, width: float) -> Grey:
    """Map `level ± width/2` to 0–255, linearly, and clip.

    The scale is that of the window and never that of the data, so neighbouring slices stay comparable.

    Args:
        values: Any shape, in HU.
        level: Centre in HU.
        width: Width in HU, above 0.
    """
    return window_function(level, width)(values)


def window_function(level: float, width: float) -> ToGrey:
    """Return `apply_window` of one window, with a table for 16-bit values, which is 20 times as fast."""
    low, high = level - width / 2, level + width / 2
    # Seen as unsigned numbers, as which the table is indexed, the negative values come last.
    table = np.roll(_scale(np.arange(-(2**15), 2**15), low, high), 2**15)

    def grey(values: npt.NDArray[Any]) -> Grey:
        if values.dtype != np.int16:
            return _scale(values, low, high)
        return np.take(table, values.view(np.uint16))

    return grey


def bounds_function(low: float, high: float) -> ToGrey:
    """Return `apply_bounds` with fixed bounds."""

    def grey(values: npt.NDArray[Any]) -> Grey:
        return apply_bounds(values, low, high)

    return grey


def percentile_bounds(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the grey bounds (low, high) of a volume: 0.5th and 99.5th percentile of its finite positive voxels.

    Where more than a twentieth of the voxels other than 0 are negative and not all of one value (normalised to mean 0,
    say), they are neither artefacts nor padding, and the percentiles are those of all voxels but 0 and the lowest.

    Raises:
        FlatIntensitiesError: No such voxel, or all of them (nearly) equal.
    """
    step = -(-values.size // MAX_PERCENTILE_VOXELS)
    if step > 1 and values.ndim == 3:
        values = values[::step]
    some = values[np.isfinite(values) & (values != 0)]
    lowest = min(float(some.min(initial=0)), 0.0)
    has_negative_tissue = np.count_nonzero((some < 0) & (some > lowest)) > NEGATIVE_SHARE * some.size
    some = some[some > (lowest if has_negative_tissue else 0)]
    if some.size == 0:
        raise FlatIntensitiesError("no voxel is above zero")
    low, high = (float(bound) for bound in np.percentile(some, (0.5, 99.5)))
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        raise FlatIntensitiesError(f"all voxels other than 0 are about {high:g}")
    return low, high


def apply_bounds(values: npt.NDArray[Any], low: float, high: float) -> Grey:
    """Map `low`–`high` to 1–255 and everything at or below zero (background, not a number) to 0.

    With a negative `low` all of the range is tissue: then it is mapped to 0–255, and what is no number to 0.
    """
    if low < 0:
        return _scale(np.nan_to_num(values.astype(np.float32), nan=low, posinf=high, neginf=low), low, high)
    finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=high, neginf=0.0)
    return np.where(finite > 0, np.maximum(_scale(finite, low, high), 1), 0).astype(np.uint8)


def _scale(values: npt.NDArray[Any], low: float, high: float) -> Grey:
    scaled = (values.astype(np.float32) - low) * (255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
