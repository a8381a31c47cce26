"""DICOM objects as scanners and planning systems write them, small: images, SEG (by highdicom), RTSTRUCT, LIDC XML."""

import warnings
import xml.etree.ElementTree as ElementTree
import zlib

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CLASSES = {
    name: f"1.2.840.10008.5.1.4.1.1.{end}"
    for name, end in {
        "CT": "2", "MR": "4", "PT": "128", "DX": "1.1", "SC": "7", "SEG": "66.4", "RTSTRUCT": "481.3",
        "RTDOSE": "481.2", "RTPLAN": "481.5", "SR": "88.22", "KO": "88.59", "PR": "11.1",
    }.items()
}  # fmt: skip
AXIAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1)


def uid(*names):
    """Return the same UID for the same names."""
    return generate_uid(entropy_srcs=[str(name) for name in names])


def write(path, kind="CT", pixels=None, series="s", patient="p", **fields):
    """Write one object; `pixels` are whole numbers, or 8×8 noise for an image."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CLASSES[kind]
    meta.MediaStorageSOPInstanceUID = uid("object", path)
    made = pydicom.Dataset()
    made.file_meta, made.SOPClassUID, made.SOPInstanceUID = meta, CLASSES[kind], meta.MediaStorageSOPInstanceUID
    made.Modality, made.PatientID, made.PatientName = kind, patient, f"{patient}^"
    made.StudyInstanceUID, made.SeriesInstanceUID = uid("study", patient), uid("series", patient, series)
    made.PatientBirthDate = made.PatientSex = made.StudyDate = made.StudyTime = made.AccessionNumber = ""
    made.ReferringPhysicianName = made.StudyID = made.PositionReferenceIndicator = ""
    if pixels is not None:
        made.Rows, made.Columns = pixels.shape
        made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
        made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
        made.PixelData = pixels.astype("<u2").tobytes()
    for name, value in fields.items():
        setattr(made, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return made


def noise(shape=(8, 8), seed=0):
    """Return stored values of a CT, air among them."""
    return np.random.default_rng(seed).integers(0, 2000, shape)


def write_series(
    folder, count=4, kind="CT", series="s", patient="p", *, shape=(8, 8), step_mm=3.0, spacing_mm=(1.0, 1.0),
    orientation=AXIAL, origin_mm=(0.0, 0.0, 0.0), only=None, **fields,
):  # fmt: skip
    """Write slices along their normal and return their headers; `only` leaves slices out."""
    normal = np.cross(orientation[:3], orientation[3:])
    known = {"RescaleSlope": 1, "RescaleIntercept": -1024} if kind == "CT" else {}
    return [
        write(
            folder / f"{series}-{number:02d}", kind, noise(shape, zlib.crc32(f"{patient} {series} {number}".encode())),
            series, patient,
            **{
                "PixelSpacing": list(spacing_mm), "ImageOrientationPatient": list(orientation),
                "InstanceNumber": number + 1,
                "ImagePositionPatient": [float(value) for value in np.add(origin_mm, normal * step_mm * number)],
                "SliceThickness": step_mm,
                "FrameOfReferenceUID": uid("space", patient), **known, **fields,
            },
        )
        for number in (range(count) if only is None else only)
    ]  # fmt: skip


def write_seg(path, headers, masks, labels, kind="BINARY", **fields):
    """Write masks `[image, row, column, segment]` (label numbers `[image, row, column]` for LABELMAP) by highdicom."""
    import highdicom as hd

    code = hd.sr.CodedConcept("49755003", "SCT", "Morphologically abnormal structure")
    described = [
        hd.seg.SegmentDescription(number, label, code, code, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
        for number, label in enumerate(labels, start=1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made = hd.seg.Segmentation(
            headers, masks, hd.seg.SegmentationTypeValues[kind], described, uid("series", path), 1, uid("object", path),
            1, "maker", "model", "1", "1",
        )  # fmt: skip
    for name, value in fields.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    made.save_as(path)
    return made


def write_structures(path, headers, structures, *, space=None, names_series=True, patient="p"):
    """Write an RTSTRUCT; `structures` is name ▶ list of (points `[n, 3]` in mm, geometric type)."""
    described, drawn = [], []
    for number, (name, contours) in enumerate(structures.items(), start=1):
        roi, roi_contours = pydicom.Dataset(), pydicom.Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = space or headers[0].FrameOfReferenceUID
        roi_contours.ReferencedROINumber = number
        found = []
        for points, kind in contours:
            contour = pydicom.Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
            contour.ContourData = [f"{value:.4f}" for value in np.asarray(points).ravel()]
            found.append(contour)
        roi_contours.ContourSequence = found
        described.append(roi)
        drawn.append(roi_contours)
    reference, study, series = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    series.SeriesInstanceUID = headers[0].SeriesInstanceUID
    images = [pydicom.Dataset() for _ in headers]
    for image, header in zip(images, headers, strict=True):
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    series.ContourImageSequence = images
    study.RTReferencedSeriesSequence = [series]
    reference.FrameOfReferenceUID = space or headers[0].FrameOfReferenceUID
    if names_series:
        reference.RTReferencedStudySequence = [study]
    return write(
        path, "RTSTRUCT", None, "structures", patient, StructureSetROISequence=described, ROIContourSequence=drawn,
        ReferencedFrameOfReferenceSequence=[reference],
    )  # fmt: skip


def write_lidc(path, headers, readers):
    """Write LIDC XML; `readers` holds for each a list of nodules, and these (image, points, inclusion)."""
    tree = ElementTree.Element("LidcReadMessage", xmlns="http://www.nih.gov")
    response = ElementTree.SubElement(tree, "ResponseHeader")
    ElementTree.SubElement(response, "SeriesInstanceUid").text = headers[0].SeriesInstanceUID
    for nodules in readers:
        session = ElementTree.SubElement(tree, "readingSession")
        for outlines in nodules:
            nodule = ElementTree.SubElement(session, "unblindedReadNodule")
            for number, points, is_included in outlines:
                roi = ElementTree.SubElement(nodule, "roi")
                place = headers[number].ImagePositionPatient[2]
                ElementTree.SubElement(roi, "imageZposition").text = str(place)
                ElementTree.SubElement(roi, "imageSOP_UID").text = headers[number].SOPInstanceUID
                ElementTree.SubElement(roi, "inclusion").text = str(is_included).upper()
                for x, y in points:
                    edge = ElementTree.SubElement(roi, "edgeMap")
                    ElementTree.SubElement(edge, "xCoord").text = str(x)
                    ElementTree.SubElement(edge, "yCoord").text = str(y)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ElementTree.tostring(tree))
