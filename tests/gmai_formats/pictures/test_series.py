"""A folder of DICOM files: one series, sorted by where its slices lie, whatever the files are called."""

from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.series import series_picture

CT = Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm"


def write_series(folder: Path, places_mm: list[float], *, uid: str = "1.2.3", placed: bool = True) -> None:
    """Write a slice for each place, each of one grey of its own, under names in another order."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, place in enumerate(places_mm):
        slice_ = pydicom.dcmread(CT)
        slice_.SeriesInstanceUID, slice_.InstanceNumber = uid, int(place) + 100
        slice_.ImageOrientationPatient, slice_.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, place]
        if not placed:
            del slice_.ImagePositionPatient
        slice_.PixelData = np.full((slice_.Rows, slice_.Columns), 1024 + int(place), np.int16).tobytes()
        slice_.save_as(folder / f"{uid}-{number}")


@pytest.mark.parametrize("placed", [True, False])
def test_slices_are_sorted_by_their_place_and_notes_are_passed_over(tmp_path: Path, placed: bool) -> None:
    write_series(tmp_path / "export", [30, -60, 120, 0, 60], placed=placed)
    (tmp_path / "export/README.txt").write_text("of the export")
    greys = [
        series_picture(tmp_path, number=number, window="60/400").pixels[0, 0] for number in range(5)
    ]  # -60, 0, 30, 60, 120 HU
    assert greys == sorted(greys)
    assert len(set(greys)) == 5
    middle = series_picture(tmp_path)
    assert middle.description.startswith("128×128 px, slice 2 of 5, soft_tissue 40/400")
    assert middle.slices == 5
    assert middle.pixel_mm == pytest.approx(0.661468)


def test_one_slice_without_a_position_is_sorted_with_the_others_by_their_numbers(tmp_path: Path) -> None:
    write_series(tmp_path, [-60, 0, 30])
    odd = next(tmp_path.glob("*-1"))
    slice_ = pydicom.dcmread(odd)
    del slice_.ImagePositionPatient
    slice_.save_as(odd)
    greys = [series_picture(tmp_path, number=number, window="60/400").pixels[0, 0] for number in range(3)]
    assert greys == sorted(greys)


def test_what_is_no_one_series_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(PictureError, match="0 DICOM series in the folder: no file is DICOM"):
        series_picture(tmp_path)
    write_series(tmp_path, [0, 5])
    with pytest.raises(PictureError, match="no slice 2: it has 2, counted from 0 to 1"):
        series_picture(tmp_path, number=2)
    write_series(tmp_path, [0], uid="4.5.6")
    with pytest.raises(PictureError, match=r"2 DICOM series in the folder: 1\.2\.3 \(2 files\), 4\.5\.6 \(1 files\)"):
        series_picture(tmp_path)
    (tmp_path / "cut.dcm").write_bytes(CT.read_bytes()[:300])
    with pytest.raises(PictureError):
        series_picture(tmp_path)
