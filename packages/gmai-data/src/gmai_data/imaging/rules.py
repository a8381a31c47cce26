"""The rules of a card that decide what a source gives: its slices, the boxes of its masks, what is held back."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SliceRule(_Rule):
    """Which slices of a volume are exported. Without a mask every slice counts as labelled."""

    rule: Literal["all_positive", "every_n", "max_area", "centre", "top_k"] = "all_positive"
    """all_positive: every slice with a labelled pixel; every_n: of those, every n-th; max_area: for each label the
    slice where it is largest; centre: the middle positive slice; top_k: the k slices with the largest labelled area."""
    n: int = Field(default=3, ge=1)
    """Step of `every_n`, in slices."""
    k: int = Field(default=8, ge=1)
    """Number of slices of `top_k`."""
    every_mm: float | None = Field(default=None, gt=0)
    """Step of `every_n` in millimetres instead of slices."""
    min_gap_mm: float = Field(default=0.0, ge=0)
    """Exported slices of one axis lie at least so far apart; of two that are closer the one with more labels stays."""
    negatives: float = Field(default=0.0, ge=0, le=1)
    """Slices without any label, as a share of those with one; spread evenly."""
    axes: Annotated[tuple[Literal["axial", "coronal", "sagittal", "acquired"], ...], Field(min_length=1)] = ("axial",)
    """The planes that are exported. acquired: the one across which slices lie farthest apart, volume by volume, so that
    a sagittal series of thick slices is not cut across; of equal distances (within 2 %) axial."""
    gaps: Literal["refuse", "flag", "split"] = "refuse"
    """What is done with a DICOM volume that has missing slices or uneven spacing: refuse it, export it with a flag in
    its provenance, or divide it into even volumes. With a mask it is always refused, which would be shifted."""


class BoxRule(_Rule):
    """How a mask becomes boxes. A region below any of the limits gets no box, but its label still counts as present."""

    per: Literal["component", "class", "component_3d"] = "component"
    """component: one box per 8-connected region of a label in the picture; class: one box around all of a label;
    component_3d: one box per region that is connected in the volume (26 neighbours), wherever it shows."""
    turned: Literal["unknown", "shown", "stored"] = "unknown"
    """Of pictures that their EXIF orientation turns: whether boxes and masks were made for the picture as it is shown,
    or as its pixels are stored. unknown: the stated size tells; where it cannot (turned by 180°, mirrored, square, no
    size stated) the boxes go to the quarantine. YOLO and labelling tools are `shown`."""
    min_px: int = Field(default=16, ge=1)
    """Smallest area in pixels of the picture."""
    min_mm2: float = Field(default=0.0, ge=0)
    """Smallest area in mm², where the pixel spacing is known."""
    min_share: float = Field(default=0.0, ge=0, le=1)
    """Smallest area as a share of the picture."""
    min_mm3: float = Field(default=0.0, ge=0)
    """Smallest volume of a region of `component_3d`, in mm³."""


class ValueRule(_Rule):
    """What the numbers of an image mean, where its file does not say."""

    scale: float | None = None
    """A stored value times `scale` plus `offset` is in the unit of `windows` (HU for CT). With either of the two given,
    windows are applied to rasters without a look at their values."""
    offset: float | None = None
    """See `scale`."""
    hounsfield: Literal["checked", "trusted"] = "checked"
    """checked: a CT whose header states no HU is refused for a window in HU when it holds no air (nothing below -200),
    as its values may be of another scale; trusted: they are HU, as in crops without air."""

    @property
    def is_given(self) -> bool:
        """Whether the card states the scale of the values."""
        return self.scale is not None or self.offset is not None

    @property
    def linear(self) -> tuple[float, float]:
        """Return (scale, offset)."""
        return (1.0 if self.scale is None else self.scale), (self.offset or 0.0)


class Deidentification(_Rule):
    """What is held back because pixels may name a patient. Of the headers only an allow-list ever leaves."""

    secondary_captures: Literal["hold_back", "export"] = "hold_back"
    """Screen captures and scanned documents (PS3.3 A.8). `export` is for sources whose publisher cleaned them."""
    burned_in: Literal["hold_back", "export"] = "hold_back"
    """Images whose header says that patient data are burned in (PS3.3 C.7.6.1.1.1)."""
    ocr: bool = False
    """Hold back pictures in which an OCR finds words; needs `pip install 'gmai-data[ocr]'` and tesseract."""
