"""How a dataset lies on disk: the settings of each layout, one reader each (see `readers.py`).

All paths and patterns are relative to the recipe's root; patterns are those of `pathlib.Path.glob`. In a setting,
`{stem}`, `{parent}` and `{label}` stand for the image's name without ending, its folder, and each raw label.
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gmai_data.vocabulary import Split

IMAGE_ENDINGS = (
    ".png", ".jpg", ".jpeg", ".jfif", ".jp2", ".webp", ".gif", ".bmp", ".pgm", ".ppm", ".tif", ".tiff", ".dcm",
    ".dicom",
)  # fmt: skip


class _Layout(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FolderPerClass(_Layout):
    """`<images>/<class>/**/<file>`: the folder's name is the raw label."""

    kind: Literal["folder_per_class"]
    images: str = "."
    """Folder that holds one folder per class."""
    extensions: tuple[str, ...] = IMAGE_ENDINGS
    split_folder: bool = False
    """`<images>/<split>/<class>/<file>`: the first folder names the publisher's split, mapped by `split.names`."""


class CsvLabels(_Layout):
    """A CSV or TSV file with one row per image, or several: the labels of an image's rows are put together."""

    kind: Literal["csv_labels"]
    table: str
    """The CSV (`,`) or TSV (`.tsv`: tab) file, with a header line."""
    images: str = "."
    """Folder that the image column is relative to."""
    image_column: str
    image_suffix: str = ""
    """Put behind every value of the image column, such as `.jpg`."""
    label_column: str | None = None
    """Column of the label, or of several with `separator`."""
    label_columns: tuple[str, ...] = ()
    """One-hot tables: these columns are the raw labels, and their cells say whether the label holds."""
    positive: tuple[str, ...] = ("1", "true", "yes")
    """Cells of a one-hot table that mean yes. Words are compared in any case, numbers by value (`1.0` is `1`)."""
    negative: tuple[str, ...] = ("0", "false", "no")
    """Cells that mean that the label was looked for and is absent; add `""` where an empty cell says so."""
    uncertain: tuple[str, ...] = ("-1", "nan", "")
    """Cells that leave it open, as CheXpert's: the label is neither present nor absent. A cell that is in none of the
    three puts the row into the quarantine."""
    group_column: str | None = None
    """Column of the patient or study; without it every image is a group of its own, or `split.group_pattern` rules."""
    split_column: str | None = None
    """Column with the official split; its values are mapped by `split.names`."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """What separates the columns; None: the comma, tab or semicolon that gives the header an image column."""
    separator: str | None = None
    """Separates several labels in one cell, such as `|`; without it a cell is one label."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.label_column is None) == (not self.label_columns):
            raise ValueError("give either label_column (one cell holds the labels) or label_columns (one-hot)")
        return self


class Voc(_Layout):
    """Pascal VOC: one XML file per image with `<object>` boxes (1-based, inclusive)."""

    kind: Literal["voc"]
    annotations: str = "Annotations"
    images: str = "JPEGImages"
    lists: str = "ImageSets/Main"
    """Folder of the split lists named in `split.official`."""


class Coco(_Layout):
    """COCO JSON: `images`, `annotations` (box, polygons or RLE) and `categories`; raw labels are category names."""

    kind: Literal["coco"]
    annotations: str
    """Pattern of the JSON files."""
    images: str = "."
    """Folder that `file_name` is relative to; `{stem}` is the JSON file's name without ending."""
    use: Literal["bbox", "segmentation"] = "bbox"
    """Boxes from `bbox`, or from the regions of `segmentation` (polygons, RLE, compressed RLE)."""
    group_field: str | None = None
    """Field of an image's entry that names the patient or study."""


class Yolo(_Layout):
    """YOLO text files: `class x y width height` (or a polygon) in shares of the image; raw labels are class numbers."""

    kind: Literal["yolo"]
    images: str
    """Pattern of the images, such as `images/*/*.jpg`."""
    labels: str = "labels/{stem}.txt"
    """Path of the label file; `{parent}` is the name of the image's own folder, `{above}` the path of the folder above
    that one, as in `{above}/labels/{stem}.txt`. No file: nothing is marked."""


class ImageMask(_Layout):
    """Raster images with masks."""

    kind: Literal["image_mask"]
    images: str
    """Pattern of the images, such as `images/*.png`."""
    masks: str
    """Path of the mask; with `{label}` one file per structure."""
    missing: Literal["uncertain", "absent"] = "uncertain"
    """What a structure is whose file is missing: nobody may have drawn it, or it is known not to be there."""
    encoding: Literal["index", "binary", "colour"] = "index"
    """index: values (or palette entries) are raw labels; binary: values of half the range and above are raw label `1`;
    colour: colours are raw labels, written `#rrggbb`. Structure files are always binary."""
    inverted: bool = False
    """Binary masks in which the structure is dark."""


class VolumeMask(_Layout):
    """Volumes (NIfTI, NRRD, MHA, MHD, npz, npy), with a label mask each; one case or many."""

    kind: Literal["volume"]
    image: str
    """Pattern of the image volumes, such as `*/ct.nii.gz`."""
    mask: str | None = None
    """Path of the mask; `{stem}` is the image's name without ending, `{parent}` the path of its folder, `{folder}` the
    folder's name; with `{label}` one file per structure. None: the labels are the card's `labels_of_every_image`."""
    missing: Literal["uncertain", "absent"] = "uncertain"
    """What a structure is whose file is missing: nobody may have drawn it, or it is known not to be there."""
    frames: Literal["none", "first", "centre", "all"] = "none"
    """What to do with a fourth axis (cine, channels): refuse it, or export the volumes of these frames."""
    image_key: str = "imgs"
    """Array of an `.npz` that holds the image, `[z, y, x]`."""
    mask_key: str = "gts"
    """Array of an `.npz` that holds the mask."""


class NnUnet(_Layout):
    """nnU-Net and Medical Segmentation Decathlon: `imagesTr`, `labelsTr`, `dataset.json`."""

    kind: Literal["nnunet"]
    channel: int = Field(default=0, ge=0)
    """Which channel is shown: the `_000N` of nnU-Net's file names, or the fourth axis of the Decathlon's volumes."""
    images: str = "imagesTr"
    labels: str = "labelsTr"


class DicomFiles(_Layout):
    """Single DICOM files; the labels come from the card (`labels_of_every_image`), the split group from the header."""

    kind: Literal["dicom"]
    files: str = "**/*"
    """Pattern of the files."""
    frames: Literal["centre", "all"] = "centre"
    """Which frames of a multi-frame file are exported."""


class DicomSeries(_Layout):
    """Folders of DICOM slices of one series each, with a mask (NIfTI in any orientation, or DICOM SEG)."""

    kind: Literal["dicom_series"]
    series: str
    """Pattern of the folders that hold one series each, such as `*/dicom`."""
    mask: str | None = None
    """Path of the mask; `{name}` is the folder's name, `{parent}` the folder above it; a file that ends in `.dcm` is a
    DICOM SEG, whose raw labels are its segment labels. May be a pattern with one match. None: labels of the card."""


class Video(_Layout):
    """Video files; labels of their frames, or of the whole video."""

    kind: Literal["video"]
    files: str
    """Pattern of the videos."""
    every_s: float = Field(default=1.0, gt=0)
    """Distance of the exported frames in seconds."""
    max_frames: int = Field(default=2000, ge=1)
    """At most so many frames of one video; a longer one is sampled more thinly, evenly."""
    table: str | None = None
    """Table of the labels; with `{stem}` one per video. None: the card's `labels_of_every_image`, or `label_folder`."""
    label_folder: bool = False
    """The name of the folder that holds the video is its raw label."""
    video_column: str | None = None
    """Column with the video's name, of a table for all videos."""
    frame_column: str | None = None
    """Column with the frame's number, from 0; a label holds until the next row. None: a row holds for its video."""
    label_column: str = "label"


class Arrays(_Layout):
    """Many images in one `.npz` (MedMNIST) or `.npy` file, with their labels beside them."""

    kind: Literal["arrays"]
    files: str
    """Pattern of the files."""
    images: str = "{split}_images"
    """Name of the array of images; `{split}` stands for each name of `split.names`. Unused for `.npy`."""
    labels: str = "{split}_labels"
    """Name of the array of labels (numbers, or one-hot rows); for `.npy` the path of a second file (`{stem}`)."""


class HubDataset(_Layout):
    """A Hugging Face dataset: a local folder, or an id of the Hub (needs `pip install 'gmai-data[hub]'`)."""

    kind: Literal["hf_dataset"]
    path: str = "."
    """Folder below the root: written by `save_to_disk`, or with Parquet files. Unused when `id` is given."""
    id: str | None = None
    """Id on the Hub; the root is then the folder that the download is kept in."""
    revision: str | None = None
    """Commit or tag; needed with `id`, so that a rerun reads the same data."""
    config: str | None = None
    image_column: str = "image"
    label_column: str | None = "label"
    group_column: str | None = None

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.id is not None and self.revision is None:
            raise ValueError("an id needs a revision: without it two runs may read different data")
        return self


class QaText(_Layout):
    """Patient question–answer text, JSON Lines: `{"id"?, "language"?, "turns": [{"question", "answer"}, …]}`."""

    kind: Literal["qa_text"]
    files: str = "*.jsonl"


Layout = Annotated[
    FolderPerClass
    | CsvLabels
    | Voc
    | Coco
    | Yolo
    | ImageMask
    | VolumeMask
    | NnUnet
    | DicomFiles
    | DicomSeries
    | Video
    | Arrays
    | HubDataset
    | QaText,
    Field(discriminator="kind"),
]

LAYOUTS: dict[str, type[BaseModel]] = {
    kind: model for model in get_args(get_args(Layout)[0]) for kind in get_args(model.model_fields["kind"].annotation)
}
"""Name of a layout ▶ the model of its settings."""

SPLIT_NAMES = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.HELD_OUT,
}
"""What publishers call their splits, for layouts whose files name them where the card's `split.names` is empty."""
