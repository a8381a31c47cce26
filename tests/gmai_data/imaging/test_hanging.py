"""Radiographs that are not stored as they are hung."""

import pydicom
import pytest
from gmai_data.imaging.hanging import flags_of

TURNS = {
    ("L", "F"): "",
    ("A", "F"): "",
    ("P", "F"): "",
    ("LF", "FR"): "",
    ("R", "F"): "mirrored",
    ("RH", "FL"): "mirrored",
    ("L", "H"): "upside down",
    ("R", "H"): "mirrored and upside down",
    ("F", "R"): "turned by a quarter",
    ("H", "L"): "turned by a quarter",
    (): "",
    ("L",): "",
    ("", ""): "",
}


def header(orientation, modality="DX", **fields):
    dataset = pydicom.Dataset()
    dataset.Modality, dataset.PatientOrientation = modality, list(orientation)
    for name, value in fields.items():
        setattr(dataset, name, value)
    return dataset


@pytest.mark.parametrize(("orientation", "words"), TURNS.items())
def test_how_a_radiograph_is_stored(orientation, words):
    stated = "\\".join(orientation)
    expected = [f"stored {words} by its header (PatientOrientation {stated})"] if words else []
    assert flags_of(header(orientation)) == expected


@pytest.mark.parametrize("modality", ["MG", "CT", "US", ""])
def test_other_pictures_are_hung_by_other_rules(modality):
    assert flags_of(header(("R", "F"), modality)) == []


def test_a_header_without_the_field():
    assert flags_of(pydicom.Dataset()) == []


@pytest.mark.parametrize(
    ("intent", "is_told"),
    [("FOR PROCESSING", True), ("FOR PRESENTATION", False), ("", False)],
)
@pytest.mark.parametrize("modality", ["DX", "MG"])
def test_what_the_detector_gave(modality, intent, is_told):
    found = flags_of(header(("L", "F"), modality, PresentationIntentType=intent))
    assert found == (["made for processing, not for presentation"] if is_told else [])
