"""Layout ▶ its reader: the closed table of what a recipe's `layout.kind` can be."""

from gmai_data.sources.dicom_files import DicomFilesReader
from gmai_data.sources.images import CsvLabelsReader, FolderPerClassReader
from gmai_data.sources.items import Reader
from gmai_data.sources.masks import ImageMaskReader
from gmai_data.sources.qa_text import QaTextReader
from gmai_data.sources.voc import VocReader
from gmai_data.sources.volumes import DicomSeriesReader, NiftiVolumeReader

READERS: dict[str, Reader] = {
    "folder_per_class": FolderPerClassReader(),
    "csv_labels": CsvLabelsReader(),
    "voc": VocReader(),
    "image_mask": ImageMaskReader(),
    "nifti_volume": NiftiVolumeReader(),
    "dicom": DicomFilesReader(),
    "dicom_series": DicomSeriesReader(),
    "qa_text": QaTextReader(),
}
