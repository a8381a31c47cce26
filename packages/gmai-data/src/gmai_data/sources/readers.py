"""Layout ▶ its reader: the closed table of what a recipe's `layout.kind` can be."""

from gmai_data.sources.arrays import ArraysReader
from gmai_data.sources.coco import CocoReader
from gmai_data.sources.dicom_files import DicomFilesReader
from gmai_data.sources.hub import HubReader
from gmai_data.sources.images import CsvLabelsReader, FolderPerClassReader
from gmai_data.sources.items import Reader
from gmai_data.sources.masks import ImageMaskReader
from gmai_data.sources.qa_text import QaTextReader
from gmai_data.sources.video import VideoReader
from gmai_data.sources.voc import VocReader
from gmai_data.sources.volumes import DicomSeriesReader, NnUnetReader, VolumeReader
from gmai_data.sources.yolo import YoloReader

READERS: dict[str, Reader] = {
    "folder_per_class": FolderPerClassReader(),
    "csv_labels": CsvLabelsReader(),
    "voc": VocReader(),
    "coco": CocoReader(),
    "yolo": YoloReader(),
    "image_mask": ImageMaskReader(),
    "volume": VolumeReader(),
    "nnunet": NnUnetReader(),
    "dicom": DicomFilesReader(),
    "dicom_series": DicomSeriesReader(),
    "video": VideoReader(),
    "arrays": ArraysReader(),
    "hf_dataset": HubReader(),
    "qa_text": QaTextReader(),
}
