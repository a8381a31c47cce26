"""DICOM files without a preamble are told by their first elements, beside files of every other kind."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from gmai_formats.pictures.dicom import parse_dicom, read_dicom, read_header, stored_values
from gmai_formats.pictures.dicom_start import has_preamble, is_dicom
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import kind_of, read_picture
from PIL import Image
from pydicom.errors import InvalidDicomError

FILES = Path(pydicom.data.__file__).parent / "test_files"
NAMES = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "examples_ybr_color.dcm", "MR_small_RLE.dcm")


def without_meta(name: str, *, is_implicit: bool) -> bytes:
    dataset = pydicom.dcmread(FILES / name)
    bare = pydicom.Dataset({element.tag: element for element in dataset})
    file = io.BytesIO()
    pydicom.dcmwrite(file, bare, implicit_vr=is_implicit, little_endian=True, enforce_file_format=False)
    return file.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_meta_information_without_a_preamble(name: str, tmp_path: Path) -> None:
    data = (FILES / name).read_bytes()
    path = tmp_path / "IM000001"
    path.write_bytes(data[132:])
    assert (has_preamble(data), has_preamble(data[132:]), is_dicom(data[132:]), kind_of(path)) == (
        True, False, True, "dicom"
    )  # fmt: skip
    assert np.array_equal(stored_values(read_dicom(path), 0), stored_values(read_dicom(FILES / name), 0))


@pytest.mark.parametrize("is_implicit", [True, False])
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "SC_rgb_small_odd.dcm", "rtdose.dcm"])
def test_a_bare_data_set(name: str, is_implicit: bool) -> None:
    data = without_meta(name, is_implicit=is_implicit)
    assert is_dicom(data)
    whole = pydicom.dcmread(FILES / name)
    read = read_dicom(data)
    assert read.PatientID == whole.PatientID
    assert np.array_equal(stored_values(read, 0), stored_values(whole, 0))
    assert parse_dicom(data, specific_tags=["Modality"]).Modality == whole.Modality


def test_the_picture_is_that_of_the_whole_file() -> None:
    bare = read_picture(without_meta("CT_small.dcm", is_implicit=True))
    assert bare.image.tobytes() == read_picture(FILES / "CT_small.dcm").image.tobytes()


@pytest.mark.parametrize("name", ["JPEG2000.dcm", "MR_small_RLE.dcm"])
def test_compressed_pixels_whose_syntax_is_lost_are_refused(name: str) -> None:
    with pytest.raises(PictureError, match="compressed, but the file does not say how"):
        read_dicom(without_meta(name, is_implicit=False))


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x08\x00", b"\x08\x00\x05\x00CS", _png(), b"DICM" + bytes(200), bytes(1000),
        b"\x08\x00\x05\x00" + b"\xff" * 200, b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + bytes(200),
        b"\x08\x00\x18\x00UI\x02\x001\0\x08\x00\x05\x00CS\x02\x00A ", b"\x02\x00\x00\x00\x04\x00\x00\x00" + bytes(200),
        b"patient,label\n" * 40, b"\x08\x00\x05\x00CS\x03\x00abc\x08\x00\x16\x00UI\x02\x001\0",
    ],
)  # fmt: skip
def test_other_files_are_none(data: bytes, tmp_path: Path) -> None:
    assert not is_dicom(data)
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(InvalidDicomError):
        parse_dicom(tmp_path / "x")
    with pytest.raises(PictureError, match="the DICM prefix is missing"):
        read_header(tmp_path / "x")
