"""An enhanced multi-frame DICOM file is a volume, as the same slices in single files are."""

import copy
import shutil

import numpy as np
import pydicom
import pytest
from gmai_data.imaging.dicom_series import load_series
from gmai_data.ledger import SourceError
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage


def enhanced(folder, to, order):
    """Write the slices of a series as one multi-frame file, in another order (PS3.3 C.7.6.16)."""
    slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    whole = copy.deepcopy(slices[0])
    whole.file_meta.MediaStorageSOPClassUID = whole.SOPClassUID = EnhancedCTImageStorage
    whole.NumberOfFrames = len(order)
    frames = []
    for number in order:
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = slices[number].ImagePositionPatient
        frame.PlanePositionSequence = Sequence([position])
        transformation = Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept = 1, slices[number].RescaleIntercept
        frame.PixelValueTransformationSequence = Sequence([transformation])
        frames.append(frame)
    orientation, measures, shared = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = slices[0].ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = slices[0].PixelSpacing, slices[0].SliceThickness
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([orientation]), Sequence([measures])
    whole.PerFrameFunctionalGroupsSequence, whole.SharedFunctionalGroupsSequence = Sequence(frames), Sequence([shared])
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        delattr(whole, name)
    whole.PixelData = b"".join(slices[number].PixelData for number in order)
    to.mkdir(parents=True)
    whole.save_as(to / "all.dcm", enforce_file_format=True)


def test_frames_are_sorted_and_scaled_as_single_files_are(phantoms, tmp_path):
    source = sorted((phantoms / "phantom-ct").glob("*/dicom"))[0]
    shutil.copytree(source, tmp_path / "single")
    order = [3, 0, 1, 2, *range(4, 12)]
    enhanced(source, tmp_path / "enhanced", order)
    single, frames = load_series(tmp_path, ["single"])[0], load_series(tmp_path, ["enhanced"])[0]
    assert np.array_equal(frames.array, single.array)
    assert np.allclose(frames.affine, single.affine)
    assert frames.array.min() < -900, "in HU"


def test_a_frame_that_is_missing_is_a_gap(phantoms, tmp_path):
    source = sorted((phantoms / "phantom-ct").glob("*/dicom"))[0]
    enhanced(source, tmp_path / "enhanced", [0, 1, 2, 4, 5, 6])
    with pytest.raises(SourceError, match="uneven slice spacing"):
        load_series(tmp_path, ["enhanced"])


@pytest.mark.parametrize("count", [3, 5, 1])
def test_a_number_of_frames_that_is_not_theirs_is_refused(phantoms, tmp_path, count):
    source = sorted((phantoms / "phantom-ct").glob("*/dicom"))[0]
    enhanced(source, tmp_path / "enhanced", [0, 1, 2, 3])
    path = tmp_path / "enhanced" / "all.dcm"
    whole = pydicom.dcmread(path)
    whole.NumberOfFrames = count
    whole.save_as(path)
    with pytest.raises(SourceError, match=rf"NumberOfFrames says {count}, and 4 frames are described"):
        load_series(tmp_path, ["enhanced"])
