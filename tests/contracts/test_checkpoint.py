"""What gmai-model writes and shows is what gmai-bench digests and gmai-data shows."""

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from gmai_bench.backends import local
from gmai_data.imaging import windows
from gmai_data.imaging.dicom_pixels import decode_pixels, frame_picture
from gmai_data.imaging.grids import take_slice
from gmai_data.imaging.nifti import load_nifti
from gmai_model import pictures
from gmai_model.publishing.push import model_digest
from pydicom.data import get_testdata_file


def test_digest_of_a_report_is_the_one_that_a_card_asks_for(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "gmai.json", ".gmai-pull.json", "chat_template.jinja"):
        (tmp_path / name).write_text(name)
    assert model_digest(tmp_path) == local._digest_of(tmp_path)
    before = model_digest(tmp_path)
    (tmp_path / ".gmai-pull.json").write_text("another commit")
    (tmp_path / "gmai.json").write_text("another history")
    assert model_digest(tmp_path) == before
    (tmp_path / "config.json").write_text("another model")
    assert model_digest(tmp_path) != before


def test_windows_are_the_same() -> None:
    assert pictures.WINDOWS == windows.PRESETS


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "examples_rgb_color.dcm", "examples_palette.dcm"])
@pytest.mark.parametrize("window", ["header", "lung"])
def test_dicom_is_shown_as_samples_are(name: str, window: str) -> None:
    path = Path(str(get_testdata_file(name)))
    dataset = pydicom.dcmread(path)
    colour = dataset.SamplesPerPixel == 3 or dataset.PhotometricInterpretation == "PALETTE COLOR"
    due, _ = frame_picture(dataset, decode_pixels(dataset, name), window)
    shown = pictures.open_picture(path, window=None if window == "header" or colour else window).image
    due = due if due.ndim == 3 else np.repeat(due[..., None], 3, axis=2)
    assert np.abs(np.asarray(shown).astype(int) - due).max() <= 1


def test_nifti_is_shown_as_samples_are(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(-900, 900, (9, 8, 7)).astype(np.int16)
    affine = np.array([[0.0, 2, 0, 5], [-2, 0, 0, 6], [0, 0, -3, 7], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / "scan.nii.gz")
    volume = load_nifti(tmp_path, "scan.nii.gz")
    for index in (0, 3, 6):
        due = windows.apply_window(take_slice(volume, "axial", index), 40, 400)
        shown = pictures.open_picture(tmp_path / "scan.nii.gz", number=index, window="soft_tissue").image
        assert np.abs(np.asarray(shown)[..., 0].astype(int) - due).max() <= 1
    bounds = windows.percentile_bounds(volume.array)
    due = windows.apply_bounds(take_slice(volume, "axial", 3), *bounds)
    shown = pictures.open_picture(tmp_path / "scan.nii.gz").image
    assert np.abs(np.asarray(shown)[..., 0].astype(int) - due).max() <= 1
