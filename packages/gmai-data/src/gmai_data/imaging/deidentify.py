"""What of a DICOM header may leave, and which images are set aside or held back before their pixels are used."""

import re
from typing import Any

import pydicom
from gmai_formats.installing import pip_install
from gmai_formats.pictures.picture import Pixels

from gmai_data.imaging.rules import Deidentification
from gmai_data.ledger import SetAside, SourceError
from gmai_data.vocabulary import Modality

ALLOWED_FIELDS = (
    "Modality", "BodyPartExamined", "ViewPosition", "ImageLaterality", "SliceThickness", "SpacingBetweenSlices",
    "KVP", "ConvolutionKernel", "MagneticFieldStrength", "RepetitionTime", "EchoTime", "NumberOfFrames",
)  # fmt: skip
"""The header fields that stand in records: how the picture was made, never of whom, when or where. Free text (series
and study descriptions, comments) is not among them, because people write names into it."""

_SECONDARY_CAPTURES = frozenset(f"1.2.840.10008.5.1.4.1.1.7{part}" for part in ("", ".1", ".2", ".3", ".4"))
"""The classes of PS3.3 A.8, and no other: those of visible light (A.32), fundus and OCT begin with ….1.1.77."""
_NO_PICTURES = {
    "1.2.840.10008.5.1.4.1.1.481.2": "dose grid",
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "segmentation",
    "1.2.840.10008.5.1.4.1.1.30": "parametric map",
}
"""SOP class ▶ what such an object is: it has pixels, but they are no picture of the patient (PS3.4 B.5)."""
_DOSE_TYPES = re.compile(r"DOSE(_INFO)?|.+ PROT")
"""Values of Image Type by which scanners mark a page of the dose (`DOSE_INFO`; `CT_SOM5 PROT` and later ones); what a
person wrote into a description says nothing."""
_SCREEN = "SCREEN SAVE"
"""The same for a screen capture that is stored under the class of its modality."""
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
    kinds = {str(kind).upper() for kind in ([image_type] if isinstance(image_type, str) else image_type)}
    sop_class = str(dataset.get("SOPClassUID", ""))
    if "LOCALIZER" in kinds:
        raise SetAside("localizer", file)
    if any(_DOSE_TYPES.fullmatch(kind) for kind in kinds):
        raise SetAside("dose page", file)
    if sop_class in _NO_PICTURES:
        raise SetAside(_NO_PICTURES[sop_class], file)
    if rule.burned_in == "hold_back" and str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        raise SetAside("held back: burned-in annotation", file)
    is_capture = sop_class in _SECONDARY_CAPTURES or _SCREEN in kinds
    if rule.secondary_captures == "hold_back" and is_capture:
        raise SetAside("held back: secondary capture", file)


_CODES: dict[str, frozenset[Modality]] = {
    "CT": frozenset({Modality.CT}),
    "MR": frozenset({Modality.MR}),
    "PT": frozenset({Modality.PET}),
    "NM": frozenset({Modality.PET}),
    "US": frozenset({Modality.ULTRASOUND}),
    "IVUS": frozenset({Modality.ULTRASOUND}),
    **dict.fromkeys(("CR", "DX", "MG", "RG", "RF", "XA", "IO", "PX"), frozenset({Modality.X_RAY})),
    **dict.fromkeys(("SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG"), frozenset[Modality]()),
}
"""Modality of a header (PS3.3 C.7.3.1.1.1) ▶ what a card may call it. Those of visible light (DMS, ES, GM, OP, OPT,
XC, …) are not listed: cameras and converters write one for another."""


def require_modality(code: str | None, modality: Modality | None, file: str) -> None:
    """Set aside what was made by another kind of device than the card is of.

    Raises:
        SetAside: The header's code is known, and of another modality.
    """
    if code in _CODES and modality is not None and modality not in _CODES[code]:
        raise SetAside(f"of modality {code}, which is not the card's {modality}", file)


def words_in_picture(pixels: Pixels, file: str) -> bool:
    """Return whether an OCR finds at least one word of three letters or digits.

    Raises:
        SourceError: The OCR is not installed; without it nothing could be held back.
    """
    try:
        import pytesseract  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        remedy = f"{pip_install('gmai-data[ocr]')} and the tesseract program, or set deidentification.ocr to false"
        raise SourceError("OCR not installed", remedy, file) from error
    engine: Any = pytesseract
    try:
        found: str = engine.image_to_string(pixels)
    except engine.TesseractNotFoundError as error:
        remedy = "install the tesseract program, or set deidentification.ocr to false"
        raise SourceError("OCR not installed", remedy, file) from error
    return any(len(word) >= 3 for word in re.findall(r"\w+", found))
