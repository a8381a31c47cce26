"""From stored values to grey, beside pydicom's own methods."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
from gmai_formats.pictures.dicom import frame_header, read_dicom, stored_values
from gmai_formats.pictures.display import (
    HeaderDisplay,
    frame_picture,
    header_display,
    made_square,
    modality_values,
    output_range,
    states_hounsfield,
    window_names,
)
from gmai_formats.pictures.problems import PictureError
from pydicom.pixels import apply_voi_lut, apply_windowing

FILES = Path(pydicom.data.__file__).parent / "test_files"
STORED = np.random.default_rng(0).integers(0, 4096, (24, 24)).astype(np.uint16)


def header(**fields: Any) -> pydicom.Dataset:
    made = pydicom.Dataset()
    defaults = {"PhotometricInterpretation": "MONOCHROME2", "BitsStored": 12, "PixelRepresentation": 0}
    for name, value in {**defaults, **fields}.items():
        setattr(made, name, value)
    return made


def shown(name: str, window: str = "header", **changes: Any) -> tuple[np.ndarray, str]:
    dataset = read_dicom(FILES / name)
    for field, value in changes.items():
        setattr(dataset, field, value)
    return frame_picture(frame_header(dataset), stored_values(dataset, 0), window)


def test_ct_without_a_window_is_shown_in_soft_tissue() -> None:
    picture, words = shown("CT_small.dcm")
    assert words == "soft_tissue 40/400"
    dataset = pydicom.dcmread(FILES / "CT_small.dcm")
    hu = dataset.pixel_array * dataset.RescaleSlope + dataset.RescaleIntercept
    assert np.array_equal(picture, np.clip(np.rint((hu + 160) * 255 / 400), 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("fields", "stated"),
    [
        ({}, False),
        ({"RescaleSlope": 1, "RescaleIntercept": -1024}, True),
        ({"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}, True),
        ({"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": ""}, True),
        ({"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "US"}, False),
        ({"RescaleSlope": 0.01, "RescaleIntercept": 0, "RescaleType": "Z_EFF"}, False),
        ({"RescaleSlope": 0.01, "RescaleIntercept": 0, "RescaleType": "ED"}, False),
        ({"RescaleIntercept": -1024}, False),  # without a slope nothing is rescaled
        ({"RescaleSlope": 1}, False),
        ({"ModalityLUTSequence": [{"ModalityLUTType": "HU"}]}, True),
        ({"ModalityLUTSequence": [{"ModalityLUTType": "OD"}]}, False),
    ],
)
def test_a_ct_is_in_hounsfield_units_where_its_header_says_so(fields: dict[str, Any], stated: bool) -> None:
    made = header(**{name: value for name, value in fields.items() if name != "ModalityLUTSequence"})
    for item in fields.get("ModalityLUTSequence", ()):
        made.ModalityLUTSequence = [pydicom.Dataset()]
        made.ModalityLUTSequence[0].ModalityLUTType = item["ModalityLUTType"]
    assert states_hounsfield(made) is stated


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (0.5, 0), (-2, 300)])
def test_windows_of_the_header_are_those_of_pydicom(function: str | None, slope: float, intercept: float) -> None:
    dataset = header(WindowCenter=[400, 90], WindowWidth=[900, 301], RescaleSlope=slope, RescaleIntercept=intercept)
    if function:
        dataset.VOILUTFunction = function
    low, high = output_range(dataset)
    for number in (0, 1):
        picture, words = frame_picture(dataset, STORED, "header", number)
        due = apply_windowing(modality_values(dataset, STORED), dataset, index=number)
        due = np.abs((due - min(low, high)) / (high - low) * 255)
        if slope > 0:
            assert np.abs(picture - due).max() <= 0.51
        assert words == f"header {(400, 90)[number]}/{(900, 301)[number]}"


def test_narrow_windows() -> None:
    exact = header(
        WindowCenter=0.5, WindowWidth=0.25, VOILUTFunction="LINEAR_EXACT", RescaleSlope=1 / 4096, RescaleIntercept=0
    )
    assert header_display(exact).windows == ((0.5, 0.25),)
    ramp = np.arange(0, 4096, 64).astype(np.uint16)[None]
    due = np.clip((ramp / 4096 - 0.5) / 0.25 + 0.5, 0, 1) * 255
    assert np.abs(frame_picture(exact, ramp)[0] - due).max() <= 0.51
    threshold = header(WindowCenter=100, WindowWidth=1)
    assert frame_picture(threshold, np.array([[98, 99, 100, 101]], np.uint16))[0].tolist() == [[0, 0, 255, 255]]
    assert header_display(header(WindowCenter=100, WindowWidth=0.5)).count == 0  # LINEAR takes 1 and more
    with pytest.raises(PictureError, match='unknown VOI LUT function "CUBIC"'):
        frame_picture(header(WindowCenter=1, WindowWidth=9, VOILUTFunction="CUBIC"), STORED)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_voi_lut_of_any_depth(bits: int) -> None:
    item = pydicom.Dataset()
    item.LUTDescriptor = [4096, 0, bits]
    entries = np.linspace(0, 2**bits - 1, 4096).astype("<u2")
    item.add_new(0x00283006, "US", entries.tolist())
    dataset = header(VOILUTSequence=pydicom.Sequence([item]), WindowCenter=9, WindowWidth=9)
    picture, words = frame_picture(dataset, STORED)
    assert words == "VOI LUT 0"
    assert np.abs(picture - STORED / 4095 * 255).max() <= 1
    if bits > 8:
        due = apply_voi_lut(STORED, dataset, index=0, prefer_lut=True)
        assert np.abs(picture - due / (2**bits - 1) * 255).max() <= 0.51


def test_voi_lut_behind_a_rescale_is_indexed_by_hounsfield_units() -> None:
    item = pydicom.Dataset()
    item.LUTDescriptor = [2000, 65536 - 1000, 16]  # from -1000 HU
    item.add_new(0x00283006, "OW", np.linspace(0, 65535, 2000).astype("<u2").tobytes())
    dataset = header(VOILUTSequence=pydicom.Sequence([item]), RescaleSlope=1, RescaleIntercept=-1024)
    stored = np.array([[24, 1024, 2023]], np.uint16)
    assert frame_picture(dataset, stored)[0].tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("fields", [{}, {"RescaleSlope": 2, "RescaleIntercept": -100}, {"PixelPaddingValue": 0}])
def test_monochrome1_without_a_window_is_its_monochrome2_twin(fields: dict[str, Any]) -> None:
    body = np.where(STORED % 3 == 0, 0, STORED)
    twin = dict(fields)
    if "PixelPaddingValue" in fields:
        twin["PixelPaddingValue"] = 4095
    first, _ = frame_picture(header(**fields), body)
    second, _ = frame_picture(header(PhotometricInterpretation="MONOCHROME1", **twin), 4095 - body)
    assert np.array_equal(first, second)
    assert first.std() > 20


def test_monochrome1_is_inverted_after_a_window() -> None:
    for window in ("header", "40/400", "lung"):
        fields = {"WindowCenter": 2000, "WindowWidth": 3000}
        plain, _ = frame_picture(header(**fields), STORED, window)
        inverted, _ = frame_picture(header(PhotometricInterpretation="MONOCHROME1", **fields), STORED, window)
        assert np.array_equal(inverted, 255 - plain)


def test_padding_takes_the_darkest_value_that_is_none() -> None:
    stored = np.array([[2000, 100, 101, 900]], np.uint16)
    assert modality_values(header(PixelPaddingValue=2000), stored).tolist() == [[100, 100, 101, 900]]
    limited = header(PixelPaddingValue=100, PixelPaddingRangeLimit=101)
    assert modality_values(limited, stored).tolist() == [[2000, 900, 900, 900]]
    inverted = header(PixelPaddingValue=100, PhotometricInterpretation="MONOCHROME1")
    assert modality_values(inverted, stored).tolist() == [[2000, 2000, 101, 900]]
    alone = np.full((1, 2), 7, np.uint16)
    assert modality_values(header(PixelPaddingValue=7), alone).tolist() == [[7, 7]]


@pytest.mark.parametrize(
    ("is_signed", "written", "limit", "padded"),
    [
        (1, 63536, None, [-2000]), (1, -2000, None, [-2000]), (1, 63536, 63636, [-2000, -1900]),
        (1, 63536, -1900, [-2000, -1900]), (1, -1900, 63536, [-2000, -1900]),
        (0, -2000, None, [63536]), (0, 63536, None, [63536]),
    ],
)  # fmt: skip
def test_padding_may_be_written_with_the_other_sign(is_signed: int, written: int, limit: int | None, padded) -> None:
    kept = [-900, 40, 3000] if is_signed else [60, 40, 3000]
    stored = np.array([[*padded, *kept]], np.int16 if is_signed else np.uint16)
    fields = {"PixelPaddingValue": written} | ({} if limit is None else {"PixelPaddingRangeLimit": limit})
    shown = modality_values(header(PixelRepresentation=is_signed, **fields), stored)
    assert shown.tolist() == [[min(kept)] * len(padded) + kept]


def test_palette_and_colour() -> None:
    palette, words = shown("examples_palette.dcm")
    assert (palette.ndim, words) == (3, "palette")
    dataset = pydicom.dcmread(FILES / "examples_palette.dcm")
    due = pydicom.pixels.apply_color_lut(dataset.pixel_array, dataset)
    assert np.abs(palette - due / 257).max() <= 0.51
    colour, words = shown("examples_ybr_color.dcm")
    assert (colour.shape[-1], words) == (3, "colour")
    assert shown("SC_rgb_small_odd.dcm")[0][0, 0].tolist() == [166, 141, 52]


def test_names_of_windows_and_what_is_none() -> None:
    two = header(WindowCenter=[1, 2], WindowWidth=[10, 20])
    assert window_names(two, ("header_all", "lung")) == [("header", 0), ("header", 1), ("lung", 0)]
    assert window_names(header(), ("header_all",)) == [("header", 0)]
    assert frame_picture(two, STORED, "percentile")[1] == "percentile of the frame"
    with pytest.raises(PictureError, match="no such window: suv is for volumes"):
        frame_picture(two, STORED, "suv")
    with pytest.raises(PictureError, match="nothing to see in the image"):
        frame_picture(header(), np.full((4, 4), 9, np.uint16))


def test_square_pixels_by_the_header() -> None:
    picture = np.zeros((4, 6), np.uint8)
    for fields, shape in (
        ({}, (4, 6)),
        ({"PixelSpacing": [2, 1]}, (8, 6)),
        ({"ImagerPixelSpacing": [1, 3]}, (4, 18)),
        ({"NominalScannedPixelSpacing": [0.3, 0.1]}, (12, 6)),
        ({"PixelAspectRatio": [1, 2]}, (4, 12)),
        ({"PixelSpacing": [1, 1], "ImagerPixelSpacing": [1, 3]}, (4, 6)),
        ({"PixelSpacing": [0, 0], "PixelAspectRatio": [2, 1]}, (8, 6)),
    ):
        found, words = made_square(picture, header(**fields))
        assert found.shape == shape, fields
        assert words == (() if shape == (4, 6) else ("pixels made square",))


def test_headers_that_ask_for_the_same_are_equal() -> None:
    def asked(centre: float = 40, first: int = 0, **fields: Any) -> HeaderDisplay:
        table = pydicom.Dataset()
        table.LUTDescriptor, table.LUTData = [4, first, 8], [0, 10, 20, 30]
        return header_display(header(WindowCenter=centre, WindowWidth=400, VOILUTSequence=[table], **fields))

    assert len({asked(), asked()}) == 1
    assert len({asked(), asked(41), asked(first=1), asked(VOILUTFunction="SIGMOID")}) == 4
    assert asked().words() == "VOI LUT 0"
    assert asked() != "VOI LUT 0"
