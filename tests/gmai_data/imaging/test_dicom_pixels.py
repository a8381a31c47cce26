"""Modality LUT ▶ VOI ▶ MONOCHROME1, colour, and every test file of pydicom: exported or refused with a reason."""

from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.imaging.dicom_pixels import decode_pixels, frame_picture, read_dicom
from gmai_data.ledger import SourceError
from gmai_data.sources.catalogue import Source, resolve

FILES = Path(pydicom.data.__file__).parent / "test_files"


def shown(name, window="header", **changes):
    dataset = read_dicom(FILES, name)
    stored = decode_pixels(dataset, name)
    for field, value in changes.items():
        setattr(dataset, field, value)
    frame = stored[0] if stored.ndim == 4 else stored
    return frame_picture(dataset, frame, window)


def test_ct_without_a_window_is_shown_in_soft_tissue():
    picture, words = shown("CT_small.dcm")
    assert words == "soft_tissue 40/400"
    dataset = pydicom.dcmread(FILES / "CT_small.dcm")
    hu = dataset.pixel_array * dataset.RescaleSlope + dataset.RescaleIntercept
    assert np.array_equal(picture, np.clip(np.rint((hu + 160) * 255 / 400), 0, 255).astype(np.uint8))


def test_monochrome1_is_inverted_after_the_window():
    normal, _ = shown("CT_small.dcm", "lung")
    inverted, _ = shown("CT_small.dcm", "lung", PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(inverted, 255 - normal)


def test_header_window_is_linear_of_ps3_3_c_11_2_1_2():
    picture, words = shown("CT_small.dcm", WindowCenter=[40, 300], WindowWidth=[400, 1500])
    assert words == "header 40/400"
    dataset = pydicom.dcmread(FILES / "CT_small.dcm")
    hu = dataset.pixel_array * dataset.RescaleSlope + dataset.RescaleIntercept
    expected = np.clip(((hu - 39.5) / 399 + 0.5) * 255, 0, 255)
    assert np.abs(picture - expected).max() <= 1.0


def test_palette_and_ybr_become_rgb():
    palette, words = shown("examples_palette.dcm")
    assert (palette.ndim, words) == (3, "palette")
    colour, words = shown("examples_ybr_color.dcm")
    assert (colour.shape[-1], words) == (3, "colour")
    red, _ = shown("SC_rgb_small_odd.dcm")
    assert red[0, 0].tolist() == [166, 141, 52]


def test_truncated_pixels_are_refused():
    with pytest.raises(SourceError, match="DICOM pixels unreadable"):
        shown("MR_truncated.dcm")


def test_pydicom_recipe_goes_through(tmp_path):
    out = tmp_path / "out"
    assert build(resolve(["pydicom-ct-small"], FILES), out, BuildSettings()) == 0
    assert (out / "quarantine.jsonl").read_text() == ""


def test_every_file_is_exported_or_quarantined(tmp_path, toy):
    recipe = toy(
        layout={"kind": "dicom", "files": "*"},
        labels={},
        exhaustive=False,
        deidentification={"secondary_captures": "export"},
    )
    out = tmp_path / "out"
    assert build([Source(recipe, FILES)], out, BuildSettings()) == 3
    import json

    items = json.loads((out / "manifest.json").read_text())["recipes"]["toy"]["items"]
    assert items["read"] == sum(path.is_file() for path in FILES.iterdir())
    assert items["read"] == items["kept"] + sum(items["dropped"].values()) + items["quarantined"]
    assert items["kept"] >= 46
    reasons = {entry["file"]: entry["reason"] for entry in map(json.loads, (out / "quarantine.jsonl").open())}
    assert reasons["rtplan.dcm"].startswith("DICOM without pixels")
    assert reasons["README.txt"].startswith("not a DICOM file")
