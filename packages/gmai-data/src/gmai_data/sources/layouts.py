"""How a dataset lies on disk: the settings of each layout, one reader each (see `readers.py`).

All paths and patterns are relative to the recipe's root; patterns are those of `pathlib.Path.glob`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Layout(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FolderPerClass(_Layout):
    """`<images>/<class>/**/<file>`: the folder's name is the raw label."""

    kind: Literal["folder_per_class"]
    images: str = "."
    """Folder that holds one folder per class."""
    extensions: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


class CsvLabels(_Layout):
    """A CSV or TSV file with one row per image."""

    kind: Literal["csv_labels"]
    table: str
    """The CSV (`,`) or TSV (`.tsv`: tab) file, with a header line."""
    images: str = "."
    """Folder that the image column is relative to."""
    image_column: str
    label_column: str
    group_column: str | None = None
    """Column of the patient or study; without it every image is a group of its own, or `split.group_pattern` rules."""
    split_column: str | None = None
    """Column with the official split; its values are mapped by `split.names`."""
    separator: str | None = None
    """Separates several labels in one cell, such as `|`; without it a cell is one label."""


class Voc(_Layout):
    """Pascal VOC: one XML file per image with `<object>` boxes (1-based, inclusive)."""

    kind: Literal["voc"]
    annotations: str = "Annotations"
    images: str = "JPEGImages"
    lists: str = "ImageSets/Main"
    """Folder of the split lists named in `split.official`."""


class ImageMask(_Layout):
    """Raster images with index masks of the same stem."""

    kind: Literal["image_mask"]
    images: str
    """Pattern of the images, such as `images/*.png`."""
    masks: str
    """Path of the mask; `{stem}` stands for the image's name without suffix."""


class NiftiVolume(_Layout):
    """NIfTI volumes with a label mask each; one case or many."""

    kind: Literal["nifti_volume"]
    image: str
    """Pattern of the image volumes, such as `*/ct.nii.gz`."""
    mask: str
    """Path of the mask; `{stem}` is the image's name without `.nii(.gz)`, `{parent}` its folder."""


class DicomFiles(_Layout):
    """Single DICOM files; the labels come from the card (`labels_of_every_image`), the split group from the header."""

    kind: Literal["dicom"]
    files: str = "**/*"
    """Pattern of the files."""
    frames: Literal["centre", "all"] = "centre"
    """Which frames of a multi-frame file are exported."""


class DicomSeries(_Layout):
    """Folders of DICOM slices of one series each, with a NIfTI label mask on the same grid in any orientation."""

    kind: Literal["dicom_series"]
    series: str
    """Pattern of the folders that hold one series each, such as `*/dicom`."""
    mask: str
    """Path of the mask; `{name}` is the folder's name, `{parent}` the folder above it."""


class QaText(_Layout):
    """Patient question–answer text, JSON Lines: `{"id"?, "language"?, "turns": [{"question", "answer"}, …]}`."""

    kind: Literal["qa_text"]
    files: str = "*.jsonl"


Layout = Annotated[
    FolderPerClass | CsvLabels | Voc | ImageMask | NiftiVolume | DicomFiles | DicomSeries | QaText,
    Field(discriminator="kind"),
]
