"""What of a DICOM header may leave, and which images are set aside or held back before their pixels are used."""

import re
from typing import Any

import pydicom

from gmai_data.imaging.raster import Pixels
from gmai_data.imaging.rules import Deidentification
from gmai_data.ledger import SetAside, SourceError

ALLOWED_FIELDS = (
    "Modality", "BodyPartExamined", "ViewPosition", "ImageLaterality", "SliceThickness", "SpacingBetweenSlices",
    "KVP", "ConvolutionKernel", "MagneticFieldStrength", "RepetitionTime", "EchoTime", "NumberOfFrames",
)  # fmt: skip
"""The header fields that stand in records: how the picture was made, never of whom, when or where. Free text (series
and study descriptions, comments) is not among them, because people write names into it."""

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DOSE = re.compile(r"dose|protocol page|patient protocol", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z0-9 ._+/-]{1,32}")


def header_facts(dataset: pydicom.Dataset) -> dict[str, str]:
    """Return the allowed fields that the header has, as short codes and numbers; anything else in them is left out."""
    facts: dict[str, str] = {}
    for name in ALLOWED_FIELDS:
        text = str(dataset.get(name, "") or "")
        if _CODE.fullmatch(text):
            facts[name] = text
    return facts


def set_aside(dataset: pydicom.Dataset, rule: Deidentification, file: str) -> None:
    """Refuse what is no picture of the patient, and what may show a name.

    Raises:
        SetAside: A localizer, a dose page, a secondary capture, or burned-in annotation (PS3.3 C.7.6.1.1).
    """
    image_type: Any = dataset.get("ImageType") or ()
    if "LOCALIZER" in image_type:
        raise SetAside("localizer", file)
    if _DOSE.search(str(dataset.get("SeriesDescription", ""))) or "DOSE_INFO" in image_type:
        raise SetAside("dose page", file)
    if rule.burned_in == "hold_back" and str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        raise SetAside("held back: burned-in annotation", file)
    is_capture = str(dataset.get("SOPClassUID", "")).startswith(_SECONDARY_CAPTURE)
    if rule.secondary_captures == "hold_back" and is_capture:
        raise SetAside("held back: secondary capture", file)


def words_in_picture(pixels: Pixels, file: str) -> bool:
    """Say whether an OCR finds at least one word of three letters or digits.

    Raises:
        SourceError: The OCR is not installed; without it nothing could be held back.
    """
    try:
        import pytesseract  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        remedy = "pip install 'gmai-data[ocr]' and the tesseract program, or set deidentification.ocr to false"
        raise SourceError("OCR not installed", remedy, file) from error
    engine: Any = pytesseract
    try:
        found: str = engine.image_to_string(pixels)
    except engine.TesseractNotFoundError as error:
        remedy = "install the tesseract program, or set deidentification.ocr to false"
        raise SourceError("OCR not installed", remedy, file) from error
    return any(len(word) >= 3 for word in re.findall(r"\w+", found))
