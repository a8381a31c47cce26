"""What is set aside, by class and image type: never by words that a person wrote."""

import pydicom
import pytest
from gmai_data.imaging.deidentify import set_aside
from gmai_data.imaging.rules import Deidentification
from gmai_data.ledger import SetAside

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
