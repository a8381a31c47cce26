"""Writes phantoms as the files that real datasets come in."""

import csv
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from gmai_data.imaging.raster import encode_png
from gmai_data.phantoms.canvas import Mask
from gmai_data.untyped import nifti, orientations

SPACING_MM = (5.0, 3.0, 3.0)
"""Distance of voxels along z, y and x."""


def write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels))


def write_video(path: Path, frames: Sequence[npt.NDArray[np.uint8]], frames_per_second: int) -> None:
    """Write grey frames as an AVI, without loss (FFV1)."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    library = cast(Any, av)
    with library.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("ffv1", rate=frames_per_second)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt, stream.thread_count = "gray", 1
        for pixels in frames:
            container.mux(stream.encode(library.VideoFrame.from_ndarray(pixels, format="gray")))
        container.mux(stream.encode(None))


def write_nifti(path: Path, volume: npt.NDArray[Any], orientation: str) -> None:
    """Write a display volume `[z, y, x]` (LPS) as NIfTI, stored in another orientation such as `LAS`."""
    array = volume.transpose(2, 1, 0)
    affine = np.diag([-SPACING_MM[2], -SPACING_MM[1], SPACING_MM[0], 1.0])
    transform = orientations.ornt_transform(orientations.axcodes2ornt("LPS"), orientations.axcodes2ornt(orientation))
    stored = orientations.apply_orientation(array, transform)
    stored_affine = affine @ orientations.inv_ornt_aff(transform, array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    nifti.Nifti1Image(np.ascontiguousarray(stored), stored_affine).to_filename(path)


def write_dicom_series(folder: Path, hu: npt.NDArray[np.float32], patient: str) -> None:
    """Write a display volume in HU as a CT series, one file a slice (PS3.3 A.3)."""
    folder.mkdir(parents=True, exist_ok=True)
    # Identifiers from the patient's name: the same phantom is the same file, byte by byte.
    study, series, frame = (generate_uid(entropy_srcs=[patient, part]) for part in ("study", "series", "frame"))
    stored = np.clip(np.rint(hu) + 1024, 0, 4095).astype(np.uint16)
    for index, pixels in enumerate(stored):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[patient, f"slice {index}"])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset: Any = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, frame
        dataset.PatientID = dataset.PatientName = patient
        dataset.Modality, dataset.ImageType = "CT", ["DERIVED", "SECONDARY", "AXIAL"]
        dataset.SeriesNumber, dataset.InstanceNumber = 1, index + 1
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"
        dataset.WindowCenter, dataset.WindowWidth = 40, 400
        dataset.PixelSpacing = [SPACING_MM[1], SPACING_MM[2]]
        dataset.SliceThickness = SPACING_MM[0]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [0, 0, index * SPACING_MM[0]]
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(folder / f"{index:03d}.dcm", enforce_file_format=True)


def write_voc(root: Path, stem: str, pixels: npt.NDArray[np.uint8], cells: Sequence[tuple[str, Mask]]) -> None:
    """Write an image with its Pascal VOC file: boxes from 1, maximum included."""
    write_png(root / "JPEGImages" / f"{stem}.png", pixels)
    tree = ElementTree.Element("annotation")
    ElementTree.SubElement(tree, "filename").text = f"{stem}.png"
    size = ElementTree.SubElement(tree, "size")
    for name, value in zip(("width", "height", "depth"), (*pixels.shape[1::-1], 3), strict=True):
        ElementTree.SubElement(size, name).text = str(value)
    for label, mask in cells:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        element = ElementTree.SubElement(tree, "object")
        ElementTree.SubElement(element, "name").text = label
        box = ElementTree.SubElement(element, "bndbox")
        bounds = (columns[0], rows[0], columns[-1], rows[-1])
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
            ElementTree.SubElement(box, name).text = str(int(value) + 1)
    path = root / "Annotations" / f"{stem}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ElementTree.tostring(tree))


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table with a header line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_json_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write one JSON document a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
