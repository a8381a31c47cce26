"""DICOM files ▶ frames of stored values, each with the header that holds for it (PS3.3 C.7.6.16)."""

import contextlib
import hashlib
import io
import logging
import warnings
import zlib
from collections.abc import Generator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pydicom
import pydicom.filereader
import pydicom.pixels
from pydicom.encaps import get_frame
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGExtended12Bit

from gmai_formats import limits
from gmai_formats.installing import pip_install
from gmai_formats.pictures.dicom_start import has_preamble, is_dicom
from gmai_formats.pictures.picture import Values, require_size
from gmai_formats.pictures.problems import PictureError, decoding

MOST_UNPACKED = 2**29
"""Bytes of a file that is packed as a whole (PS3.5 A.5): pydicom unpacks all of it for the first word of a header."""


def _unpack(packed: bytes, wbits: int) -> bytes:
    """Do what `zlib.decompress` does, up to `MOST_UNPACKED`.

    Raises:
        PictureError: There is more.
        zlib.error: It is damaged or cut off.
    """
    stream = zlib.decompressobj(wbits)
    unpacked = stream.decompress(packed, MOST_UNPACKED)
    if stream.unconsumed_tail:
        raise PictureError("DICOM too large", f"it unpacks to more than {MOST_UNPACKED // 10**6} MB; leave it out")
    if not stream.eof:
        raise zlib.error("incomplete or truncated stream")
    return unpacked


cast(Any, pydicom.filereader).zlib = SimpleNamespace(decompress=_unpack, MAX_WBITS=zlib.MAX_WBITS)

NO_DICOM = "not a DICOM file"
NO_PIXELS = "DICOM without pixels"
_FLOATS = {"FloatPixelData", "DoubleFloatPixelData"}
_HEAD_BYTES = 4096
_LIBRARY: Any = cast(Any, pydicom)
_PIXELS: Any = cast(Any, pydicom.pixels)

_MACROS = (
    "PixelValueTransformationSequence", "FrameVOILUTSequence", "PixelMeasuresSequence", "PlanePositionSequence",
    "PlaneOrientationSequence", "FrameContentSequence", "MREchoSequence", "CTImageFrameTypeSequence",
    "MRImageFrameTypeSequence", "PETFrameTypeSequence", "MRDiffusionSequence", "CardiacSynchronizationSequence",
)  # fmt: skip
"""Modules that stand in the functional groups of a multi-frame object, each one item (PS3.3 C.7.6.16.2)."""
_OF_A_FRAME = (
    "Modality", "PhotometricInterpretation", "SamplesPerPixel", "Rows", "Columns", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope",
    "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "VOILUTSequence", "VOILUTFunction", "WindowCenter",
    "WindowWidth", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio",
    "ImageOrientationPatient", "ImagePositionPatient", "ImageType", "SeriesInstanceUID", "AcquisitionNumber",
    "EchoNumbers", "EchoTime", "TemporalPositionIdentifier", "TriggerTime", "InstanceNumber", "DiffusionBValue",
    "ConvolutionKernel", "AcquisitionTime", "ContentTime",
    "RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData",
)  # fmt: skip
"""What of the top of a header holds for each frame unless its functional groups say otherwise."""


_TABLES = ("LUTData", "ColorLookupTableData")
DISTANCES = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
"""Distances of pixels in mm: in the body, at the detector, on film."""


def read_dicom(content: bytes | Path) -> pydicom.Dataset:
    """Parse a file with its pixels, or the bytes of one.

    Raises:
        PictureError: No DICOM file, damaged, without pixels, or too large.
    """
    dataset = _parse(content, pixels=True)
    with header_errors():
        if "PixelData" not in dataset:
            kind = getattr(dataset.get("SOPClassUID"), "name", "unknown")
            floats = "; floating-point pixels are not read" if _FLOATS & set(dir(dataset)) else ""
            raise PictureError(NO_PIXELS, f"SOP class {kind}{floats}")
        if not _syntax(dataset).is_encapsulated and dataset["PixelData"].is_undefined_length:
            detail = "compressed, but the file does not say how: its meta information is missing; export it again"
            raise PictureError("DICOM pixels unreadable", detail)
        require_size(int(dataset.Columns), int(dataset.Rows))
    return dataset


def read_header(path: Path) -> pydicom.Dataset:
    """Parse a file up to its pixels.

    Raises:
        PictureError: No DICOM file, damaged, or with a header that takes too long.
    """
    detail = f"its header takes more than {limits.HEADER_CPU_S:g} s of a processor; leave it out"
    with limits.raising_after(limits.HEADER_CPU_S, PictureError(limits.TOO_LONG, detail)):
        return _parse(path, pixels=False)


def patient_of(header: pydicom.Dataset) -> str:
    """Return a digest of the patient's identifier and of who gave it (PS3.3 C.7.1.1), nothing where there is none."""
    with header_errors():
        name, issuer = (str(header.get(key) or "").strip() for key in ("PatientID", "IssuerOfPatientID"))
        return hashlib.sha256(f"{issuer}\0{name}".encode(errors="replace")).hexdigest() if name else ""


def _parse(content: bytes | Path, *, pixels: bool) -> pydicom.Dataset:
    with quiet_pydicom(), decoding("DICOM unreadable"):
        try:
            dataset = parse_dicom(content, stop_before_pixels=not pixels)
        except InvalidDicomError as error:
            raise PictureError(NO_DICOM, "the DICM prefix is missing") from error
        if dataset.original_encoding[1] is False:
            _turn_tables(dataset)
        return dataset


def parse_dicom(content: bytes | Path, **options: Any) -> pydicom.Dataset:
    """Return what pydicom reads of a file, also of one without a preamble (see `is_dicom`).

    Args:
        content: The file, or its bytes.
        options: Those of `pydicom.dcmread`.

    Raises:
        InvalidDicomError: It does not begin as a DICOM file.
    """
    if isinstance(content, bytes):
        head, source = content[:_HEAD_BYTES], io.BytesIO(content)
    else:
        source = content
        with content.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    bare = not has_preamble(head) and is_dicom(head)
    dataset: pydicom.Dataset = _LIBRARY.dcmread(source, force=bare, **options)
    if bare and "TransferSyntaxUID" not in dataset.file_meta:
        is_implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian
    return dataset


def _turn_tables(dataset: pydicom.Dataset) -> None:
    """Turn the bytes of look-up tables that a big-endian file holds as words: pydicom leaves them as they stand."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _turn_tables(item)
        elif element.keyword.endswith(_TABLES) and isinstance(element.value, bytes) and len(element.value) % 2 == 0:
            element.value = np.frombuffer(element.value, ">u2").astype("<u2").tobytes()


@contextlib.contextmanager
def header_errors() -> Generator[None]:
    """Turn whatever a damaged header makes pydicom raise into a `PictureError`: values are parsed on first use."""
    with quiet_pydicom(), decoding("DICOM header unusable"):
        yield


@contextlib.contextmanager
def quiet_pydicom() -> Generator[None]:
    """Keep pydicom's own log and warnings off the terminal: what fails is raised, and stands in the quarantine."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.setLevel(level)


def frame_count(dataset: pydicom.Dataset) -> int:
    """Return the number of frames of a file."""
    return int(dataset.get("NumberOfFrames") or 1)


def stored_values(dataset: pydicom.Dataset, frame: int | None = None) -> Values:
    """Return the stored values of one frame, `[rows, columns]`, samples behind; YBR is turned into RGB.

    Args:
        dataset: The header and the encoded pixels.
        frame: Number from 0; None decodes all frames of the file, frames in front where there are several.

    Raises:
        PictureError: No decoder for the transfer syntax, or the pixel data are truncated or damaged.
    """
    with quiet_pydicom(), decoding("DICOM pixels unreadable"):
        high, stored = dataset.get("HighBit"), dataset.get("BitsStored")
        if None not in (high, stored) and int(high) != int(stored) - 1 and not _syntax(dataset).is_encapsulated:
            detail = f"{stored} bits that end at bit {high}; PS3.5 8.1.1 wants them to end at {int(stored) - 1}"
            raise PictureError("DICOM pixels unreadable", detail)
        if _syntax(dataset) == JPEGExtended12Bit and int(dataset.get("BitsStored") or 0) > _BITS_OF_BASELINE:
            return _jpeg_12_bit(dataset, frame)
        return np.asarray(_PIXELS.pixel_array(dataset, raw=False, index=frame))


_BITS_OF_BASELINE = 8


def _jpeg_12_bit(dataset: pydicom.Dataset, frame: int | None) -> Values:
    """Return stored values of JPEG in 12 bits (PS3.5 A.4.1), which none of the readers that pydicom calls unpacks."""
    try:
        import imagecodecs  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        detail = f"JPEG of 12 bits, which needs imagecodecs: run `{pip_install('imagecodecs')}`, or unpack the file"
        raise PictureError("DICOM pixels unreadable", detail) from error
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise PictureError("DICOM pixels unreadable", "JPEG of 12 bits in colour; unpack the file")
    count, unpack = frame_count(dataset), cast(Any, imagecodecs).jpeg_decode
    chosen = range(count) if frame is None else (frame,)
    packed = (get_frame(dataset.PixelData, number, number_of_frames=count) for number in chosen)
    frames = [np.asarray(unpack(each)) for each in packed]
    expected = (int(dataset.Rows), int(dataset.Columns))
    wrong = next((each.shape for each in frames if each.shape != expected), None)
    if wrong is not None:
        raise PictureError("DICOM pixels unreadable", f"the JPEG is {wrong}, the header says {expected}")
    return np.stack(frames) if frame is None and count > 1 else frames[0]


def _syntax(dataset: pydicom.Dataset) -> Any:
    return dataset.file_meta.TransferSyntaxUID


def frame_header(dataset: pydicom.Dataset, frame: int = 0) -> pydicom.Dataset:
    """Return the part of a header that pixels and geometry depend on, as it holds for one frame.

    What the frame's own functional groups say goes before the shared ones, and these before the top of the header.
    """
    header = pydicom.Dataset()
    for name in _OF_A_FRAME:
        if name in dataset:
            header[name] = dataset[name]
    shared: Any = dataset.get("SharedFunctionalGroupsSequence") or ()
    own: Any = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    for groups in (*shared[:1], *own[frame : frame + 1]):
        for macro in _MACROS:
            for item in (groups.get(macro) or ())[:1]:
                header.update({element.tag: element for element in item})
    return header


def spacing_mm(header: pydicom.Dataset) -> tuple[float, float]:
    """Return (row, column) distance of a frame; an aspect ratio stands in where no distance is given.

    In the body (Pixel Spacing), else at the detector or on film, else Pixel Aspect Ratio (PS3.3 C.7.6.3.1.7).
    """
    for name in (*DISTANCES, "PixelAspectRatio"):
        value: Any = header.get(name)
        try:
            row, column = float(value[0]), float(value[1])
        except (TypeError, ValueError, IndexError):
            continue
        if row > 0 and column > 0:
            return row, column
    return 1.0, 1.0


def numbers(value: Any) -> list[float]:
    """Return the numbers of an element of any multiplicity."""
    if value is None or value == "":
        return []
    return [float(each) for each in (value if isinstance(value, Sequence) and not isinstance(value, str) else [value])]
