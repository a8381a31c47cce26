"""Windows in a unit are applied where the unit is known, and refused by name where it is not."""

import numpy as np
import pydicom
import pytest
from gmai_data.imaging.grids import Volume
from gmai_data.imaging.rules import ValueRule
from gmai_data.imaging.units import (
    calibrate_header,
    calibrated,
    is_in_hounsfield,
    raster_window,
    require_hounsfield,
    require_hounsfield_frame,
)
from gmai_data.ledger import SourceError
from gmai_data.vocabulary import Modality
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.windows import ValueWindow

RANDOM = np.random.default_rng(0)
HU = RANDOM.normal(-300, 400, (20, 40, 40)).astype(np.int16)
PLAIN, TRUSTED = ValueRule(), ValueRule(hounsfield="trusted")


def volume(array, slope=1.0, intercept=0.0, **more):
    return Volume(array, np.eye(4), (1.0, 1.0, 1.0), slope, intercept, **more)


def header(**fields):
    made = pydicom.Dataset()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "array",
    [
        np.clip(HU // 8 + 128, 0, 255).astype(np.uint8),  # scaled to 8 bits
        (HU - HU.min()).astype(np.int16),  # its offset was lost
        (HU / 1000 + 1).astype(np.float32),  # normalised
        np.where(np.arange(HU.size).reshape(HU.shape) == 77, -3000, np.abs(HU)),  # one stray value
    ],
)
def test_a_ct_without_air_is_refused_unless_the_card_says_what_it_is(array):
    with pytest.raises(SourceError, match=r"CT values are no HU: no air .*values\.hounsfield: trusted"):
        require_hounsfield(volume(array), PLAIN, "f")
    require_hounsfield(volume(array), TRUSTED, "f")
    require_hounsfield(volume(array), ValueRule(offset=-1024), "f")
    require_hounsfield(volume(array, in_hounsfield=True), PLAIN, "f")


def test_a_ct_with_air_goes_through_whatever_its_slope():
    require_hounsfield(volume(HU), PLAIN, "f")
    require_hounsfield(volume((HU + 1024).astype(np.int16), 1.0, -1024.0), PLAIN, "f")
    require_hounsfield(volume((-HU).astype(np.int16), -1.0, 0.0), PLAIN, "f")
    with pytest.raises(SourceError, match="lowest value"):
        require_hounsfield(volume((-HU).astype(np.int16), 0.1, 0.0), PLAIN, "f")


def test_a_frame_is_judged_by_its_header_first():
    stored = np.full((9, 9), 1064)
    with pytest.raises(SourceError, match="CT values are no HU"):
        require_hounsfield_frame(header(Modality="CT"), stored, "lung", PLAIN, "f")
    for kind, window, rule in (
        (header(Modality="CT", RescaleSlope=1, RescaleIntercept=-1024), "lung", PLAIN),
        (header(Modality="CT"), "header", PLAIN),
        (header(Modality="CT"), "percentile", PLAIN),
        (header(Modality="MR"), "40/400", PLAIN),
        (header(Modality="CT"), "lung", TRUSTED),
    ):
        require_hounsfield_frame(kind, stored, window, rule, "f")
    require_hounsfield_frame(header(Modality="CT"), stored - 2000, "lung", PLAIN, "f")
    unspecified = header(Modality="CT", RescaleSlope=1, RescaleIntercept=-2000, RescaleType="US")
    require_hounsfield_frame(unspecified, stored, "lung", PLAIN, "f")  # its own scale gives air
    unspecified.RescaleIntercept = 0
    with pytest.raises(SourceError, match="CT values are no HU"):
        require_hounsfield_frame(unspecified, stored, "lung", PLAIN, "f")


def test_the_cards_scale_comes_behind_that_of_the_file():
    rule = ValueRule(scale=2, offset=-1000)
    once = calibrated(volume(HU, 3.0, 5.0), rule)
    assert (once.slope, once.intercept) == (6.0, 5.0 * 2 - 1000)
    assert calibrated(once, PLAIN) is once
    frame = header(RescaleSlope=3, RescaleIntercept=5)
    calibrate_header(frame, rule, "f")
    assert (frame.RescaleSlope, frame.RescaleIntercept) == (6.0, -990.0)
    bare = header()
    calibrate_header(bare, PLAIN, "f")
    assert "RescaleSlope" not in bare
    with pytest.raises(SourceError, match="two scales: the header has a modality LUT"):
        calibrate_header(header(ModalityLUTSequence=pydicom.Sequence([header()])), rule, "f")


def test_a_raster_takes_the_cards_scale():
    choose = raster_window(("lung",), Modality.CT, ValueRule(offset=-32768), "f")
    assert choose(HU) == ValueWindow("lung", -600, 1500, -32768, 1)
    by_default = raster_window((), Modality.CT, ValueRule(scale=0.5), "f")
    assert by_default(HU) == ValueWindow("soft_tissue", 40, 400, 0, 0.5)
    plain = [((), Modality.CT, PLAIN), (("percentile",), Modality.CT, PLAIN), ((), Modality.MR, ValueRule(scale=2))]
    assert [raster_window(*each, "f") for each in plain] == [None, None, None]
    with pytest.raises(SourceError, match="several windows"):
        raster_window(("lung", "bone"), Modality.CT, ValueRule(scale=1), "f")


def test_without_a_scale_hounsfield_units_are_recognised_by_their_air():
    choose = raster_window(("soft_tissue",), Modality.CT, PLAIN, "f")
    assert choose(HU).offset == 0
    assert choose((HU.astype(np.int32) + 32768).astype(np.uint16)).offset == -32768
    assert choose(HU.astype(np.float32)).offset == 0
    for values in (
        (HU.astype(np.int32) + 1024).clip(0).astype(np.uint16),
        HU.clip(0, 255).astype(np.uint8),
        np.full((9, 9), 32800, np.uint16),
        RANDOM.integers(0, 65536, (99, 99)).astype(np.uint16),
    ):
        with pytest.raises(PictureError, match=r"CT values are no HU: no air .*values\.offset"):
            choose(values)
        trusted = raster_window(("soft_tissue",), Modality.CT, TRUSTED, "f")
        assert trusted(values).offset == 0
    assert raster_window(("90/100",), Modality.MR, PLAIN, "f")(HU + 9000) == ValueWindow("90/100", 90, 100)


def test_windows_in_hounsfield_units():
    assert [is_in_hounsfield(window, "CT") for window in ("lung", "40/400", "percentile", "header", "suv")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert not is_in_hounsfield("40/400", Modality.PET)
