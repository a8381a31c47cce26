"""What is set aside, by class and image type: never by words that a person wrote."""

import pydicom
import pytest
from gmai_data.imaging.deidentify import ALLOWED_FIELDS, header_facts, require_modality, set_aside
from gmai_data.imaging.rules import Deidentification
from gmai_data.ledger import SetAside
from gmai_data.vocabulary import Modality

EXPORT = Deidentification(secondary_captures="export", burned_in="export")
PREFIX = "1.2.840.10008.5.1.4.1.1"


def header(**fields: object) -> pydicom.Dataset:
    made = pydicom.Dataset()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO"]}, "dose page"),
        ({"ImageType": ["DERIVED", "SECONDARY", "OTHER", "CT_SOM5 PROT"]}, "dose page"),
        ({"SOPClassUID": f"{PREFIX}.481.2"}, "dose grid"),
        ({"SOPClassUID": f"{PREFIX}.66.4"}, "segmentation"),
        ({"BurnedInAnnotation": "YES"}, "held back: burned-in annotation"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "held back: secondary capture"),
        *[({"SOPClassUID": PREFIX + end}, "held back: secondary capture") for end in (".7", ".7.1", ".7.2", ".7.4")],
    ],
)  # fmt: skip
def test_pages_and_objects_are_set_aside(fields, reason):
    with pytest.raises(SetAside, match=f"^{reason}$"):
        set_aside(header(**fields), Deidentification(), "f")
    if reason.startswith("held back"):
        set_aside(header(**fields), EXPORT, "f")
    else:
        with pytest.raises(SetAside, match=reason):
            set_aside(header(**fields), EXPORT, "f")


@pytest.mark.parametrize(
    "sop_class",
    [".77.1.1", ".77.1.4", ".77.1.5.1", ".77.1.5.4", ".77.1.6", ".77.1.7", ".2", ".2.1", ".4", ".1.1", ".6.1", ".128"],
)
@pytest.mark.parametrize("words", ["LOW DOSE LUNG SCREENING", "BRAIN 1MM, iDose (3)", "Patient Protocol", "Localizer"])
def test_pictures_of_every_modality_go_through_whatever_is_written_about_them(sop_class, words):
    fields = {"SOPClassUID": PREFIX + sop_class, "SeriesDescription": words, "ProtocolName": words}
    set_aside(
        header(ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], BurnedInAnnotation="NO", **fields), Deidentification(), "f"
    )
    set_aside(header(**fields), Deidentification(), "f")
    set_aside(header(ImageType="ORIGINAL", **fields), Deidentification(), "f")


def test_only_allowed_header_fields_leave():
    header = pydicom.Dataset()
    header.PatientName, header.InstitutionName, header.Modality = "Doe^Jane", "General Hospital", "CT"
    header.BodyPartExamined = "CHEST of Jane Doe, born 1950-01-01, seen here"
    assert header_facts(header) == {"Modality": "CT"}


def test_the_fields_that_may_leave_say_how_and_never_of_whom():
    assert ALLOWED_FIELDS == (
        "Modality", "BodyPartExamined", "ViewPosition", "ImageLaterality", "SliceThickness", "SpacingBetweenSlices",
        "KVP", "ConvolutionKernel", "MagneticFieldStrength", "RepetitionTime", "EchoTime", "NumberOfFrames",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "leaves"),
    [("CHEST", True), ("HEAD-NECK_1.5+/x", True), ("A" * 16, True), ("", False), ("M\u00fcller", False), ("a^b", False),
     ("a\\b", False)],
)  # fmt: skip
def test_only_short_codes_leave(value, leaves):
    assert header_facts(header(BodyPartExamined=value)) == ({"BodyPartExamined": value} if leaves else {})


@pytest.mark.parametrize(
    ("code", "modality", "is_other"),
    [
        ("CT", Modality.CT, False), ("CT", Modality.MR, True), ("MR", Modality.CT, True), ("DX", Modality.X_RAY, False),
        ("MG", Modality.X_RAY, False), ("CR", Modality.CT, True), ("PT", Modality.PET, False),
        ("SEG", Modality.CT, True),
        ("OT", Modality.CT, False), ("XC", Modality.DERMOSCOPY, False),
        ("OPT", Modality.DERMOSCOPY, False), (None, Modality.CT, False), ("CT", None, False),
    ],
)  # fmt: skip
def test_what_another_device_made_is_set_aside(code, modality, is_other):
    if not is_other:
        require_modality(code, modality, "f")
        return
    with pytest.raises(SetAside, match=f"of modality {code}, which is not the card's {modality}"):
        require_modality(code, modality, "f")
