"""A folder of DICOM files: one series, sorted by where its slices lie, whatever the files are called."""

from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.series import by_series, series_picture

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


def test_files_of_a_series_are_put_together_if_they_lie_somewhere(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", [0, 5])
    write_series(tmp_path / "views", [0, 5], uid="4.5.6", placed=False)
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "cut.dcm").write_bytes(CT.read_bytes()[:300])
    files = [tmp_path / "ct/1.2.3-1", tmp_path / "a.png", *sorted((tmp_path / "views").iterdir()),
             tmp_path / "ct/1.2.3-0", tmp_path / "cut.dcm"]  # fmt: skip
    groups = by_series(files)
    assert groups[0] == [files[0], files[4]]
    assert groups[1:] == [[file] for file in (files[1], files[2], files[3], files[5])]
    assert series_picture(groups[0]).description.startswith("128×128 px, slice 1 of 2")


def test_a_series_of_two_patients_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, [0, 5])
    other = pydicom.dcmread(tmp_path / "1.2.3-1")
    other.PatientID = "another"
    other.save_as(tmp_path / "1.2.3-1")
    with pytest.raises(PictureError, match="2 patients in one series"):
        series_picture(tmp_path)
