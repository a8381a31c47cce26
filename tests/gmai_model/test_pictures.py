"""Pictures to ask about: what the shared reader shows, and mistakes that end in one line about the file."""

from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from gmai_formats.errors import UserError
from gmai_formats.pictures.read import read_picture
from gmai_model.pictures import open_picture
from PIL import Image

DICOM = Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm"


def test_the_shared_reader_is_asked() -> None:
    for window in (None, "lung"):
        picture = open_picture(DICOM, window=window)
        assert np.array_equal(picture.pixels, read_picture(DICOM, window=window).pixels)
    assert open_picture(DICOM).description == "128×128 px, soft_tissue 40/400"
    with pytest.raises(UserError, match=r"CT_small\.dcm: no frame 1: it has 1"):
        open_picture(DICOM, number=1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.png", b"\x89PNG\r\n\x1a\n123", "unreadable"),
        ("cut.dcm", b"\0" * 128 + b"DICM" + b"\1" * 9, "unreadable|without pixels"),
        ("cut.nii.gz", b"\x1f\x8b123", "unreadable"),
        ("text.txt", b"hello", "unreadable"),
    ],
)
def test_damaged_files_end_in_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        open_picture(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_file_and_a_window_on_a_raster(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        open_picture(tmp_path / "none.png")
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="a raster image: --slice and --window are for DICOM"):
        open_picture(tmp_path / "a.png", window="lung")
