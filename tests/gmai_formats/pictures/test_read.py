"""A file is what its first bytes say, whatever its name."""

import gzip
import importlib.util
import io
from pathlib import Path

import nibabel
import numpy as np
import pydicom.data
import pytest
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import kind_of, read_picture, verify_picture
from PIL import Image

DICOM = Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm"


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(200, dtype=np.uint8).reshape(10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def nifti(kind: type = nibabel.Nifti1Image) -> bytes:
    return kind(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4)).to_bytes()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (png(), "raster"),
        (DICOM.read_bytes(), "dicom"),
        (nifti(), "nifti"),
        (nifti(nibabel.Nifti2Image), "nifti"),
        (gzip.compress(nifti()), "nifti"),
        (b"", "raster"),
    ],
)
def test_kinds_by_content(data: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(data)
    assert kind_of(data) == kind
    assert kind_of(tmp_path / "IM0001") == kind
    if data:
        verify_picture(data)
        from_file, from_bytes = read_picture(tmp_path / "IM0001"), read_picture(data)
        assert np.array_equal(from_file.pixels, from_bytes.pixels)
        assert from_file.changes == from_bytes.changes


def test_windows_and_numbers_are_for_values_with_a_unit() -> None:
    with pytest.raises(PictureError, match=r"a raster image: --slice and --window are for DICOM and NIfTI"):
        read_picture(png(), window="lung")
    with pytest.raises(PictureError, match=r"unknown window lungs: give LEVEL/WIDTH"):
        read_picture(DICOM, window="lungs")
    with pytest.raises(PictureError, match="no frame 1: it has 1"):
        read_picture(DICOM, number=1)
    assert read_picture(DICOM).changes == ("soft_tissue 40/400",)
    assert read_picture(DICOM, window="40/80").window == "40/80 40/80"


def test_colour_takes_no_window() -> None:
    for name in ("examples_palette.dcm", "examples_rgb_color.dcm"):
        with pytest.raises(PictureError, match="no window for a colour image"):
            read_picture(DICOM.with_name(name), window="lung")


def test_without_the_libraries_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for look in (read_picture, verify_picture):
        with pytest.raises(PictureError, match=r"it needs nibabel: .*pip install .*gmai-cli\[dicom\]'"):
            look(nifti())
    assert read_picture(png()).is_as_stored
