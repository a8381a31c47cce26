"""Miniatures: a folder drawn from a listing, with tiny pictures in the right formats."""

import fnmatch
import gzip
import math
import zlib
from pathlib import Path, PurePosixPath

import cv2
import nibabel as nib
import numpy as np
import pytest
from PIL import Image

SIDE = 10
"""Pixels of one marked square and the gap beside it."""
VOLUMES = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd", ".nhdr")


def draw_listing(root, listing):
    """Write every file of a listing below a folder.

    `files` maps names to text, `arrays` names to arrays (values, a shape that is filled with noise, or squares).
    `names` and `items` name the others, which are drawn by their ending and by the first pattern of `masks` that fits:
    a list of ids, `binary`, `inverted`, or a list of colours. An id is one square. `headers` maps
    patterns to attributes of DICOM files. What fits one of `slides` is drawn as a slide of tissue, of 2048×2048 pixels
    of 0.25 µm.
    """
    for name, text in listing.get("files", {}).items():
        data = text.encode()
        _place(root, name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    for name, arrays in listing.get("arrays", {}).items():
        noise = np.random.default_rng(zlib.crc32(name.encode()))
        drawn = {key: _array(value, noise, _cells(listing) * SIDE) for key, value in arrays.items()}
        _save_arrays(_place(root, name), drawn)
    drawn = dict.fromkeys((*listing.get("items", {}), *listing.get("names", "").splitlines()))
    folders = {str(above) for name in drawn for above in PurePosixPath(name).parents}
    for name in drawn:
        if name.strip() and name not in folders and name not in listing.get("files", {}) and "|" not in name:
            marks = next(
                (marks for pattern, marks in listing.get("masks", {}).items() if fnmatch.fnmatchcase(name, pattern)),
                None,
            )
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in listing.get("slides", [])):
                _slide(_place(root, name))
            else:
                _draw(_place(root, name), marks, _cells(listing), _header(listing, name))


def _array(value, noise, side):
    """Return the array that is given by its values, by `shape` (noise), or by `squares` (a map of ids, or one a
    channel, `count` times).
    """
    if not isinstance(value, dict):
        return np.array(value, np.uint8)
    if "shape" in value:
        return noise.integers(0, 255, value["shape"], np.uint8)
    marks = value["squares"]
    drawn = (
        np.stack([_squares(ids, side) for ids in marks], -1) if isinstance(marks[0], list) else _squares(marks, side)
    )
    return np.stack([drawn] * value["count"]) if "count" in value else drawn


def _save_arrays(path, arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".npy":
        np.save(path, *arrays.values())
    elif path.suffix == ".mat":
        from scipy.io import savemat

        savemat(path, arrays)
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values


def _cells(listing):
    """Return how many squares stand in a row: room for every id of every mask."""
    counts = [len(marks) for marks in listing.get("masks", {}).values() if isinstance(marks, list)]
    return max(2, math.ceil(math.sqrt(max(counts, default=1))))


def _place(root, name):
    path = root / PurePosixPath(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _header(listing, name):
    """Return the DICOM attributes that the first pattern of `headers` gives a file."""
    headers = listing.get("headers", {})
    return next((facts for pattern, facts in headers.items() if fnmatch.fnmatchcase(name, pattern)), {})


def _draw(path, marks, cells, facts):
    side, name = cells * SIDE, path.name.lower()
    noise = np.random.default_rng(zlib.crc32(path.as_posix().split("/", 3)[-1].encode()))
    if name.endswith(VOLUMES):
        _volume(path, noise.integers(-1000, 400, (side, side, 3), dtype=np.int16) if marks is None else marks, side)
    elif name.endswith((".dcm", ".dicom")):
        _dicom(path, noise.integers(0, 1400, (side, side), dtype=np.uint16), facts)
    elif name.endswith((".mp4", ".avi", ".mpg")):
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5.0, (64, 64))
        for _ in range(10):
            writer.write(noise.integers(0, 255, (64, 64, 3), dtype=np.uint8))
        writer.release()
    elif name.endswith((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".ppm")):
        _picture(path, noise, marks, side)
    else:
        path.write_bytes(b"\n")


def _squares(marks, side, dtype=np.int16):
    """Return a map with a square of each value."""
    drawn, cells = np.zeros((side, side), dtype), side // SIDE
    for number, value in enumerate(marks):
        row, column = divmod(number, cells)
        drawn[row * SIDE + 1 : row * SIDE + SIDE - 1, column * SIDE + 1 : column * SIDE + SIDE - 1] = value
    return drawn


def _picture(path, noise, marks, side):
    if marks is None:
        pixels = noise.integers(0, 255, (side, side, 3), dtype=np.uint8)
        if path.suffix.lower() in (".pgm", ".gif"):
            pixels = pixels[..., 0]
        Image.fromarray(pixels).save(path, quality=90) if path.suffix.lower() in (".jpg", ".jpeg") else Image.fromarray(
            pixels
        ).save(path)
    elif marks in ("binary", "inverted"):
        mask = _squares([255], side, np.uint8)
        Image.fromarray(mask if marks == "binary" else 255 - mask).save(path)
    elif isinstance(marks[0], str):
        ids, colours = _squares(range(1, len(marks) + 1), side), [(0, 0, 0)]
        colours += [tuple(bytes.fromhex(colour.removeprefix("#"))) for colour in marks]
        Image.fromarray(np.array(colours, np.uint8)[ids]).save(path)
    else:
        Image.fromarray(_squares(marks, side, np.uint16 if max(marks) > 255 else np.uint8)).save(path)


def _volume(path, marks, side):
    if isinstance(marks, np.ndarray):
        array = marks
    else:
        array = np.zeros((side, side, 3), np.int16)
        array[..., 1] = _squares([1] if marks == "binary" else marks, side).T
    if path.name.endswith((".nii", ".nii.gz")):
        packed = nib.Nifti1Image(array, np.diag([-1.0, -1.0, 2.0, 1.0])).to_bytes()
        path.write_bytes(gzip.compress(packed, 1, mtime=0) if path.name.endswith(".gz") else packed)
    else:
        import SimpleITK

        image = SimpleITK.GetImageFromArray(array.transpose(2, 1, 0))
        image.SetSpacing((1.0, 1.0, 2.0))
        SimpleITK.WriteImage(image, str(path))


def _slide(path):
    pytest.importorskip("openslide", reason="pip install 'gmai-data[pathology]'")
    tifffile = pytest.importorskip("tifffile")
    pixels = np.full((2048, 2048, 3), 245, np.uint8)
    # No two parts of a tissue look alike, which would be left out as duplicates.
    cells = np.random.default_rng(zlib.crc32(path.name.encode())).integers(-40, 40, (63, 63, 1))
    pixels[32:, 32:] = np.array([190, 110, 180]) + cells.repeat(32, 0).repeat(32, 1)
    tifffile.imwrite(
        path,
        pixels,
        tile=(512, 512),
        compression="zlib",
        photometric="rgb",
        resolution=(4e4, 4e4),
        resolutionunit="CENTIMETER",
    )


def _dicom(path, pixels, facts):
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.as_posix()])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", meta.MediaStorageSOPInstanceUID
    header.Rows, header.Columns = pixels.shape
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
    header.PixelData = pixels.tobytes()
    for name, value in facts.items():
        setattr(header, name, value)
    header.save_as(path, enforce_file_format=True)


@pytest.fixture
def draw(tmp_path):
    """Return a function of a listing that draws its folder and returns it."""

    def make(listing) -> Path:
        draw_listing(tmp_path, listing)
        return tmp_path

    return make
