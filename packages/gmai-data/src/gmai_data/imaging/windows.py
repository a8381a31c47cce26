"""Intensities ▶ 8-bit grey: named CT windows, and percentile clipping for modalities without a fixed unit."""

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

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
"""The window that the DICOM header asks for (PS3.3 C.11.2)."""
PERCENTILE = "percentile"
"""The 0.5th to 99.5th percentile of the positive voxels of the whole volume."""


class FlatIntensitiesError(ValueError):
    """The volume or image holds one value only (or nothing above zero): there is nothing to see."""


def apply_window(values: npt.NDArray[np.number], level: float, width: float) -> Grey:
    """Map `level ± width/2` to 0–255, linearly, and clip.

    The scale is that of the window and never that of the data, so neighbouring slices stay comparable.

    Args:
        values: Any shape, in HU.
        level: Centre in HU.
        width: Width in HU, above 0.
    """
    return _scale(values, level - width / 2, level + width / 2)


def percentile_bounds(values: npt.NDArray[np.number]) -> tuple[float, float]:
    """Return the grey bounds (low, high) of a volume: 0.5th and 99.5th percentile of its finite positive voxels.

    Raises:
        FlatIntensitiesError: No positive voxel, or all of them (nearly) equal.
    """
    positive = values[np.isfinite(values) & (values > 0)]
    if positive.size == 0:
        raise FlatIntensitiesError("no voxel is above zero")
    low, high = (float(bound) for bound in np.percentile(positive, (0.5, 99.5)))
    if high - low <= 1e-6 * max(abs(high), 1.0):
        raise FlatIntensitiesError(f"all positive voxels are about {high:g}")
    return low, high


def apply_bounds(values: npt.NDArray[np.number], low: float, high: float) -> Grey:
    """Map `low`–`high` to 1–255 and everything at or below zero (background, not a number) to 0."""
    finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=high, neginf=0.0)
    return np.where(finite > 0, np.maximum(_scale(finite, low, high), 1), 0).astype(np.uint8)


def _scale(values: npt.NDArray[np.number], low: float, high: float) -> Grey:
    scaled = (values.astype(np.float32) - low) * (255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
