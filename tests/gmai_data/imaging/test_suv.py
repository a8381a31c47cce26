"""SUV by body weight: the factor where the header says enough, and nothing where it does not."""

import math

import numpy as np
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


def test_a_dose_in_megabecquerels_or_a_weight_in_grams_gives_no_factor():
    assert suv_factor(pet({"RadionuclideTotalDose": 370})) is None
    assert suv_factor(pet(PatientWeight=70_000)) is None
    assert suv_factor(pet({"RadionuclideTotalDose": 1e6}, PatientWeight=0.025)) is not None, "a mouse"


@pytest.mark.parametrize(
    ("scanned", "injected", "waited_s"),
    [
        ("003000", "233000", 3600),
        ("000001", "235959", 2),
        ("000000", "000000", 0),
        ("100000.75", "095959.5", 1.25),
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
        {"Units": "GML", "SUVType": "LBM"},
        {"Units": "PROPCPS"},
        {"AcquisitionTime": "095900"},
        {"AcquisitionTime": "nonsense"},
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


def test_a_series_that_was_saved_again_is_counted_back_from_its_frame():
    """A frame of 180 s from 09:40 on, whose mean count rate is that of 600 s after the scan began."""
    frame = {"AcquisitionDate": "20200101", "AcquisitionTime": "094000", "FrameReferenceTime": 600_000}
    short = pet(**frame, ActualFrameDuration=2)
    # A short frame has its mean rate in its middle: the scan began at 09:40 less 600 s.
    assert suv_factor(short) == pytest.approx(70_000 / (DOSE_BQ * 2 ** (-1800 / HALF_LIFE_S)), rel=1e-6)
    long = suv_factor(pet(**frame, ActualFrameDuration=3600_000 * 2))
    rate = math.log(2) / HALF_LIFE_S
    seconds = np.linspace(0, 7200, 100_001)
    mean_s = -math.log(float(np.exp(-rate * seconds).mean())) / rate
    assert long == pytest.approx(70_000 / (DOSE_BQ * 2 ** (-(1800 + mean_s) / HALF_LIFE_S)), rel=1e-5)
    assert mean_s < 3600, "decay puts it before the middle"
    late = pet(**frame, ActualFrameDuration=2, SeriesDate="20250607")
    assert suv_factor(late) == pytest.approx(suv_factor(short)), "whenever it was saved"


def test_a_series_at_or_before_its_acquisition_says_when_the_scan_began():
    for acquired in ("100000", "101500.5", "235900"):
        assert suv_factor(pet(AcquisitionDate="20200101", AcquisitionTime=acquired)) == after(3600)


def test_the_private_time_of_ge_goes_before_the_frame():
    header = pet(AcquisitionTime="094000", FrameReferenceTime=600_000, ActualFrameDuration=2000)
    header.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200101093000.00")
    assert suv_factor(header) == after(1800)


def test_counts_by_the_factors_of_philips_and_grams_as_they_are():
    header = pet(Units="CNTS")
    assert suv_factor(header) is None
    block = header.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x09, "DS", "2.5")
    assert suv_factor(header) == pytest.approx(2.5 * suv_factor(pet()))
    block.add_new(0x00, "DS", "0.000551")
    assert suv_factor(header) == 0.000551
    assert suv_factor(pet(Units="GML")) == suv_factor(pet(Units="GML", SUVType="BW")) == 1
