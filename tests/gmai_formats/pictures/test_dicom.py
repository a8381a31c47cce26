"""Files and frames: the header that holds for a frame, and damaged files that end in a reason."""

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
from gmai_formats.pictures.dicom import (
    frame_count,
    frame_header,
    patient_of,
    read_dicom,
    read_header,
    spacing_mm,
    stored_values,
)
from gmai_formats.pictures.display import frame_picture
from gmai_formats.pictures.problems import PictureError
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGExtended12Bit, RLELossless

FILES = Path(pydicom.data.__file__).parent / "test_files"


def group(**fields: Any) -> pydicom.Sequence:
    item = pydicom.Dataset()
    for name, value in fields.items():
        setattr(item, name, value)
    return pydicom.Sequence([item])


def outcome(read: Callable[[], np.ndarray]) -> str | tuple[int, ...]:
    """Return the shape of what was read, or the rule under which it was refused."""
    try:
        return read().shape
    except PictureError as problem:
        return problem.rule


def test_the_frames_own_group_goes_before_the_shared_one_and_that_before_the_top() -> None:
    dataset = pydicom.Dataset()
    dataset.RescaleIntercept, dataset.WindowCenter, dataset.PixelSpacing, dataset.Modality = 1, 1, [1, 1], "MR"
    dataset.SharedFunctionalGroupsSequence = group(
        PixelMeasuresSequence=group(PixelSpacing=[2, 2]),
        PixelValueTransformationSequence=group(RescaleSlope=2, RescaleIntercept=2),
    )
    own = group(
        PixelValueTransformationSequence=group(RescaleSlope=3, RescaleIntercept=3),
        FrameVOILUTSequence=group(WindowCenter=[40, 50], WindowWidth=[400, 500]),
    )[0]
    dataset.PerFrameFunctionalGroupsSequence = pydicom.Sequence([pydicom.Dataset(), own])
    first, second = frame_header(dataset, 0), frame_header(dataset, 1)
    assert (first.RescaleIntercept, first.WindowCenter, spacing_mm(first)) == (2, 1, (2.0, 2.0))
    assert (second.RescaleSlope, second.RescaleIntercept, list(second.WindowCenter)) == (3, 3, [40, 50])
    assert second.Modality == "MR"
    assert "PixelData" not in second
    assert (dataset.RescaleIntercept, dataset.WindowCenter) == (1, 1)  # the file's header is left alone


def test_frames_are_decoded_one_by_one() -> None:
    dataset = read_dicom(FILES / "examples_ybr_color.dcm")
    assert frame_count(dataset) == 30
    assert np.array_equal(stored_values(dataset, 3), stored_values(dataset)[3])
    assert frame_count(read_header(FILES / "CT_small.dcm")) == 1


@pytest.mark.parametrize(
    ("name", "rule"),
    [("README.txt", "not a DICOM file"), ("rtplan.dcm", "DICOM without pixels"), ("MR_truncated.dcm", None)],
)
def test_files_without_pixels_are_refused(name: str, rule: str | None) -> None:
    if rule is None:
        with pytest.raises(PictureError, match="DICOM pixels unreadable"):
            stored_values(read_dicom(FILES / name), 0)
    else:
        with pytest.raises(PictureError, match=rule):
            read_dicom(FILES / name)


@pytest.mark.parametrize("runs", [0, 10, 41, 300])
def test_a_damaged_rle_segment_costs_the_file_and_not_the_process(runs: int, tmp_path: Path) -> None:
    """A run too many made the decoder in Rust panic, which is no Exception."""
    dataset = pydicom.dcmread(FILES / "CT_small.dcm")
    dataset.Rows, dataset.Columns = 64, 80
    dataset.PixelData = np.zeros((64, 80), "<u2").tobytes()
    dataset.compress(RLELossless)
    segment = b"\x81\x05" * runs  # runs of 128 bytes (PS3.5 annex G): 64 × 80 pixels are 40
    dataset.PixelData = encapsulate([struct.pack("<16I", 2, 64, 64 + len(segment), *[0] * 13) + segment * 2])
    dataset.save_as(tmp_path / "a.dcm")
    read = read_dicom((tmp_path / "a.dcm").read_bytes())
    assert outcome(lambda: stored_values(read, 0)) in ("DICOM pixels unreadable", (64, 80))


def test_random_damage_ends_in_a_picture_or_a_reason() -> None:
    data = bytearray((FILES / "CT_small.dcm").read_bytes())
    random = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(data)
        for place in random.integers(132, 2000, 3):
            damaged[place] = int(random.integers(256))
        found = outcome(lambda data=bytes(damaged): stored_values(read_dicom(data), 0))
        assert isinstance(found, tuple) or found.startswith(("DICOM", "image too large", "not a DICOM"))


def test_a_file_that_unpacks_without_end_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = pydicom.dcmread(pydicom.data.get_testdata_file("image_dfl.dcm"))  # pyright: ignore[reportUnknownMemberType]
    path = tmp_path / "a.dcm"
    dataset.save_as(path)
    whole = read_dicom(path).PixelData
    assert whole == dataset.PixelData
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(PictureError, match="DICOM unreadable"):
        read_dicom(path)
    dataset.save_as(path)
    monkeypatch.setattr("gmai_formats.pictures.dicom.MOST_UNPACKED", len(whole))
    for read in (read_dicom, read_header):
        with pytest.raises(PictureError, match="DICOM too large: it unpacks to more than 0 MB"):
            read(path)


def test_a_header_that_takes_for_ever_costs_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.dcm"
    content = Path(str(pydicom.data.get_testdata_file("CT_small.dcm"))).read_bytes()  # pyright: ignore[reportUnknownMemberType]
    at = content.find(b"\x08\x00\x16\x00UI")
    items = b"\xfe\xff\x00\xe0" + bytes(4)
    header = b"\x08\x00\x10\x11SQ\0\0" + b"\xff" * 4 + items * 400_000 + b"\xfe\xff\xdd\xe0" + bytes(4)
    path.write_bytes(content[:at] + header + content[at:])
    monkeypatch.setattr("gmai_formats.limits.HEADER_CPU_S", 0.05)
    with pytest.raises(PictureError, match=r"reading took too long: its header takes more than 0\.05 s"):
        read_header(path)


@pytest.mark.parametrize("part", ["modality", "voi", "palette"])
@pytest.mark.parametrize("bits", [8, 16])
def test_tables_of_a_big_endian_file_are_those_of_its_little_endian_twin(part: str, bits: int, tmp_path: Path) -> None:
    """Explicit VR Big Endian holds tables as words, which pydicom leaves as bytes."""
    entries = (np.arange(256) * (257 if bits == 16 else 1)).astype("<u2")
    packed = entries.astype(np.uint8).tobytes() if bits == 8 else entries.tobytes()
    pictures = []
    for order in "<>":
        made = pydicom.Dataset()
        made.file_meta = pydicom.dataset.FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if order == "<" else ExplicitVRBigEndian
        made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = "1.2", "1.3"
        made.SOPClassUID, made.SOPInstanceUID = "1.2", "1.3"
        made.Rows = made.Columns = 16
        made.SamplesPerPixel, made.PixelRepresentation = 1, 0
        made.PhotometricInterpretation = "PALETTE COLOR" if part == "palette" else "MONOCHROME2"
        made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
        made.PixelData = np.arange(256).astype(f"{order}u2").tobytes()
        table = np.frombuffer(packed, "<u2").astype(f"{order}u2").tobytes()
        if part == "palette":
            for colour in ("Red", "Green", "Blue"):
                setattr(made, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, bits])
                made[f"{colour}PaletteColorLookupTableDescriptor"].VR = "US"
                setattr(made, f"{colour}PaletteColorLookupTableData", table)
        else:
            item = pydicom.Dataset()
            item.LUTDescriptor = [256, 0, bits]
            item["LUTDescriptor"].VR = "US"
            item.add_new("LUTData", "OW", table)
            setattr(made, "ModalityLUTSequence" if part == "modality" else "VOILUTSequence", [item])
        path = tmp_path / f"{'little' if order == '<' else 'big'}.dcm"
        made.save_as(path, enforce_file_format=True)
        dataset = read_dicom(path)
        pictures.append(frame_picture(frame_header(dataset), stored_values(dataset))[0])
    assert np.array_equal(*pictures)
    if part == "voi":
        assert np.array_equal(pictures[0].ravel(), np.arange(256)), "a ramp is a ramp"


def test_stored_bits_that_end_elsewhere_are_refused() -> None:
    dataset = pydicom.dcmread(FILES / "CT_small.dcm")
    dataset.BitsStored, dataset.HighBit = 12, 15
    with pytest.raises(PictureError, match=r"12 bits that end at bit 15; PS3\.5 8\.1\.1 wants them to end at 11"):
        stored_values(dataset, 0)
    dataset.HighBit = 11
    assert stored_values(dataset, 0).shape == (128, 128)


def test_a_patient_is_known_by_a_digest_alone() -> None:
    header = pydicom.Dataset()
    assert patient_of(header) == ""
    header.PatientID = "  "
    assert patient_of(header) == ""
    header.PatientID = "A 17"
    one = patient_of(header)
    assert len(one) == 64
    header.IssuerOfPatientID = "other hospital"
    assert patient_of(header) != one


def twelve_bits(seed: int, rows: int = 40, columns: int = 56) -> np.ndarray:
    steps = np.add.outer(np.arange(rows) * 31, np.arange(columns) * 29)
    return (steps + np.random.default_rng(seed).integers(0, 60, (rows, columns))).astype(np.uint16)


def packed(tmp_path: Path, *frames: np.ndarray, **fields: Any) -> Path:
    """Write frames as JPEG of 12 bits (PS3.5 A.4.1, process 4)."""
    imagecodecs = pytest.importorskip("imagecodecs")
    dataset = pydicom.dcmread(pydicom.data.get_testdata_file("MR_small.dcm"))
    dataset.Rows, dataset.Columns = frames[0].shape
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    streams = [imagecodecs.jpeg_encode(each, level=98, bitspersample=12, colorspace=0) for each in frames]
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    for name, value in fields.items():
        setattr(dataset, name, value)
    dataset.save_as(tmp_path / "packed.dcm")
    return tmp_path / "packed.dcm"


@pytest.mark.parametrize("name", ["JPEG-lossy.dcm", "JPGExtended.dcm"])
def test_jpeg_of_12_bits_is_what_itk_reads(name: str) -> None:
    pytest.importorskip("imagecodecs")
    itk: Any = pytest.importorskip("SimpleITK")
    path = Path(str(pydicom.data.get_testdata_file(name)))
    assert np.array_equal(stored_values(read_dicom(path)), itk.GetArrayFromImage(itk.ReadImage(str(path)))[0])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_frames_of_12_bits(count: int, tmp_path: Path) -> None:
    frames = [twelve_bits(seed) for seed in range(count)]
    dataset = read_dicom(packed(tmp_path, *frames))
    found = stored_values(dataset)
    assert found.shape == ((count, 40, 56) if count > 1 else (40, 56))
    assert np.abs(found.astype(int) - np.stack(frames)).max() <= 12  # lossy
    assert found.max() > 255
    assert np.array_equal(stored_values(dataset, count - 1), found[-1] if count > 1 else found)


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"Rows": 41}, "the header says"), ({"SamplesPerPixel": 3}, "in colour"), ({"Columns": 8}, "says")],
)
def test_12_bits_that_do_not_fit_the_header_are_refused(fields: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=words):
        stored_values(read_dicom(packed(tmp_path, twelve_bits(0), **fields)))


def test_without_the_library_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path, twelve_bits(0))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(PictureError, match=r"JPEG of 12 bits, which needs imagecodecs: run `.*install.*imagecodecs`"):
        stored_values(read_dicom(path))
