"""SUV by body weight: the factor where the header says enough, and nothing where it does not."""

import pydicom
import pytest
from gmai_data.imaging.suv import suv_factor

HALF_LIFE_S = 6586.2
DOSE_BQ = 370e6


def pet(dose=None, **changes):
    """Return a PET header of 70 kg, injected an hour before the scan; None takes a field away."""
    header, injection = pydicom.Dataset(), pydicom.Dataset()
    header.Modality, header.Units, header.DecayCorrection = "PT", "BQML", "START"
    header.CorrectedImage, header.PatientWeight = ["ATTN", "DECY"], 70
    header.SeriesDate, header.SeriesTime = "20200101", "100000"
    injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = DOSE_BQ, HALF_LIFE_S
    injection.RadiopharmaceuticalStartTime = "090000"
    header.RadiopharmaceuticalInformationSequence = [injection]
    for dataset, fields in ((header, changes), (injection, dose or {})):
        for name, value in fields.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)
    return header


def after(seconds, weight_kg=70.0):
    """Return the factor of a scan so long after the injection."""
    return pytest.approx(weight_kg * 1000 / (DOSE_BQ * 2 ** (-seconds / HALF_LIFE_S)))


def test_weight_over_the_dose_that_is_left():
    assert suv_factor(pet()) == after(3600)
    assert suv_factor(pet(PatientWeight=35)) == after(3600, weight_kg=35)
    assert suv_factor(pet(SeriesTime="090000")) == pytest.approx(70_000 / DOSE_BQ), "scanned at once: nothing decayed"


@pytest.mark.parametrize(
    ("scanned", "injected", "waited_s"),
    [
        ("003000", "233000", 3600),
        ("000001", "235959", 2),
        ("000000", "000000", 0),
        ("100000.75", "095959.5", 1),
        ("1000", "0900", 3600),
    ],
)
def test_an_injection_before_midnight_is_of_the_day_before(scanned, injected, waited_s):
    assert suv_factor(pet({"RadiopharmaceuticalStartTime": injected}, SeriesTime=scanned)) == after(waited_s)


@pytest.mark.parametrize(
    ("moment", "waited_s"), [("20200101090000", 3600), ("20191231220000.00", 12 * 3600), ("20200101095930", 30)]
)
def test_a_full_date_of_the_injection_is_taken_before_its_time(moment, waited_s):
    dose = {"RadiopharmaceuticalStartDateTime": moment, "RadiopharmaceuticalStartTime": "010101"}
    assert suv_factor(pet(dose)) == after(waited_s)


def test_an_injection_on_a_later_date_gives_no_factor():
    assert suv_factor(pet({"RadiopharmaceuticalStartDateTime": "20200101100001"})) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"Modality": "CT"},
        {"Units": "CNTS"},
        {"Units": "GML"},
        {"DecayCorrection": "ADMIN"},
        {"DecayCorrection": "NONE"},
        {"CorrectedImage": ["ATTN"]},
        {"CorrectedImage": ["DECY"]},
        {"CorrectedImage": None},
        {"PatientWeight": None},
        {"PatientWeight": 0},
        {"SeriesDate": None},
        {"SeriesDate": ""},
        {"SeriesTime": None},
        {"SeriesTime": ""},
        {"RadiopharmaceuticalInformationSequence": []},
        {"RadiopharmaceuticalInformationSequence": None},
    ],
    ids=str,
)
def test_a_header_that_lacks_something_gives_no_factor(changes):
    assert suv_factor(pet(**changes)) is None


@pytest.mark.parametrize(
    "dose",
    [
        {"RadionuclideTotalDose": 0},
        {"RadionuclideTotalDose": None},
        {"RadionuclideHalfLife": 0},
        {"RadionuclideHalfLife": None},
        {"RadiopharmaceuticalStartTime": None},
        {"RadiopharmaceuticalStartTime": ""},
        {"RadiopharmaceuticalStartDateTime": "20200101"},
        {"RadiopharmaceuticalStartDateTime": "2020"},
    ],
    ids=str,
)
def test_an_injection_that_lacks_something_gives_no_factor(dose):
    assert suv_factor(pet(dose)) is None
