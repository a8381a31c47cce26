"""Pictures to ask about: the display convention of DICOM and NIfTI, held to values worked out by hand."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from gmai_formats.errors import UserError
from gmai_model.pictures import open_picture
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def write_dicom(path: Path, stored: np.ndarray, **header: Any) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    frames = stored if stored.ndim == 3 else stored[None]
    dataset.Rows, dataset.Columns = frames.shape[1:]
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = frames.astype("<u2").tobytes()
    for key, value in header.items():
        setattr(dataset, key, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def grey(path: Path, **options: Any) -> list[list[int]]:
    image = open_picture(path, **options).image
    assert image.mode == "RGB"
    return np.asarray(image)[..., 0].tolist()


STORED = np.array([[0, 824, 1064, 1304], [1024, 1064, 1064, 4000]])  # −1024 −200 40 280 / 0 40 40 2976 HU
CT = {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}


def test_ct_in_a_window(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "ct.dcm", STORED, **CT)
    assert grey(path, window="40/480") == [[0, 0, 128, 255], [106, 128, 128, 255]]
    assert grey(path, window="soft_tissue") == [[0, 0, 128, 255], [102, 128, 128, 255]]
    assert grey(path) == grey(path, window="soft_tissue")
    assert open_picture(path).words == "no window in the header: soft tissue 40/400"


def test_window_of_the_header_and_monochrome1(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "ct.dcm", STORED, **CT, WindowCenter=[40, 500], WindowWidth=[481, 2000])
    # LINEAR (PS3.3 C.11.2.1.2.1): (40 − 39.5) / 480 + 0.5
    assert grey(path)[0] == [0, 0, round(255 * (0.5 / 480 + 0.5)), 255]
    assert open_picture(path).words == "the header's window 40/481"
    inverse = write_dicom(
        tmp_path / "cr.dcm", STORED, **CT, WindowCenter=40, WindowWidth=481, PhotometricInterpretation="MONOCHROME1"
    )
    assert grey(inverse) == [[255 - value for value in row] for row in grey(path)]


def test_frames_padding_and_percentiles(tmp_path: Path) -> None:
    frames = np.stack([np.array([[0, 1], [2, 3]]) + 100 * n for n in range(1, 4)])
    path = write_dicom(tmp_path / "us.dcm", frames, Modality="US")
    assert open_picture(path).words.startswith("frame 1 of 3, no window in the header")
    assert grey(path, number=2) == [[1, 85], [170, 255]]  # black is left to the background
    with pytest.raises(UserError, match="no frame 3; it has 3"):
        open_picture(path, number=3)
    padded = write_dicom(tmp_path / "pad.dcm", STORED, **CT, PixelPaddingValue=4000)
    assert grey(padded, window="40/480")[1][3] == 0


def test_colour_and_file_without_image(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "rgb.dcm", STORED, **CT)
    dataset = pydicom.dcmread(path)
    dataset.Rows = dataset.Columns = 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelData = 7, bytes([200, 100, 50, 0])
    dataset.save_as(path)
    assert np.asarray(open_picture(path).image)[0, 0].tolist() == [200, 100, 50]
    with pytest.raises(UserError, match="a colour image, to which no --window applies"):
        open_picture(path, window="lung")
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(UserError, match="a DICOM file without an image"):
        open_picture(path)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASL", "IRP"])
def test_nifti_of_any_orientation_is_shown_as_radiology_does(tmp_path: Path, codes: str) -> None:
    """One voxel is bright: towards the patient's left, the front, in the second slice from the feet."""
    lps = np.full((4, 6, 3), 10, dtype=np.int16)  # x to the left, y to the back, z upwards
    lps[3, 1, 1] = 1000
    image = nibabel.Nifti1Image(lps, np.diag([-1.0, -1.0, 1.0, 1.0]))  # NIfTI counts to the right and the front
    start = nibabel.orientations.io_orientation(image.affine)
    turned = image.as_reoriented(nibabel.orientations.ornt_transform(start, nibabel.orientations.axcodes2ornt(codes)))
    nibabel.save(turned, tmp_path / "scan.nii.gz")
    shown = np.array(grey(tmp_path / "scan.nii.gz", number=1, window="500/1000"))
    assert shown.shape == (6, 4)
    assert np.argwhere(shown == 255).tolist() == [[1, 3]]  # top: front; right of the picture: the patient's left
    assert not (np.array(grey(tmp_path / "scan.nii.gz", number=0, window="500/1000")) == 255).any()
    assert open_picture(tmp_path / "scan.nii.gz").words.startswith("axial slice 1 of 3")


def test_nifti_with_oblong_voxels_has_square_pixels(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).integers(0, 900, (10, 8, 2)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([1.0, 3.0, 5.0, 1.0])), tmp_path / "scan.nii")
    assert open_picture(tmp_path / "scan.nii").image.size == (10, 24)
    with pytest.raises(UserError, match=r"no slice 2; it has 2\. --slice counts from 0 to 1"):
        open_picture(tmp_path / "scan.nii", number=2)


def test_raster_images(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 3), (10, 20, 30, 255)).save(tmp_path / "a.png")
    assert np.asarray(open_picture(tmp_path / "a.png").image)[0, 0].tolist() == [10, 20, 30]
    deep = np.linspace(1000, 60000, 400).reshape(20, 20).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    shown = np.array(grey(tmp_path / "deep.png"))
    assert shown[0, 0] == 1
    assert shown[-1, -1] == 255
    assert 120 < shown[10, 0] < 136
    turned = Image.new("RGB", (6, 2))
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90°
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert open_picture(tmp_path / "turned.jpg").image.size == (2, 6)
    with pytest.raises(UserError, match="are for DICOM and NIfTI"):
        open_picture(tmp_path / "a.png", number=1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.png", b"\x89PNG\r\n\x1a\n123", "not readable"),
        ("cut.dcm", b"\0" * 128 + b"DICM" + b"\1" * 9, "not readable|without an image"),
        ("cut.nii.gz", b"\x1f\x8b123", "not readable"),
        ("text.txt", b"hello", "not readable"),
    ],
)
def test_damaged_files_end_in_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        open_picture(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_file_and_unknown_window(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        open_picture(tmp_path / "none.png")
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"--window lungs: give LEVEL/WIDTH"):
        open_picture(tmp_path / "a.png", window="lungs")
