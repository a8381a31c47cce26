"""Single DICOM files: one picture each, or those of their frames, in every window."""

import numpy as np
import pydicom
import pytest
from gmai_data.phantoms.files import write_dicom_series
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.dicom_files import DicomFiles
from gmai_data.sources.listing import listed_items

from ...dicom_objects import write

LAYOUT = {"kind": "dicom", "files": "*.dcm"}
CARD = {"modality": "CT", "labels_of_every_image": ["b"]}


@pytest.fixture
def ct(tmp_path):
    """Write a CT slice as `1.dcm`, with some fields changed, and return its values in HU."""

    def write(**fields):
        hu = np.random.default_rng(0).integers(-900, 900, (1, 24, 32)).astype(np.float32)
        write_dicom_series(tmp_path / "s", hu, "p1")
        path = tmp_path / "s" / "000.dcm"
        header = pydicom.dcmread(path)
        for name, value in fields.items():
            setattr(header, name, value)
        header.save_as(tmp_path / "1.dcm")
        return hu[0]

    return write


def grey(hu, level, width):
    return np.clip((hu - (level - width / 2)) / width * 255, 0, 255)


def test_the_header_window_is_the_default_and_the_group_names_no_patient(ct, read, tmp_path, toy):
    hu = ct()
    card = toy(layout=LAYOUT, **CARD)
    (item,) = listed_items(Source(card, tmp_path))
    assert item.group
    assert "p1" not in item.group
    ((picture,),) = read(card)[0].values()
    assert (picture.name, picture.labels) == ("1.dcm", ("beta",))
    assert np.abs(picture.pixels - grey(hu, 40, 400)).max() <= 1.5
    assert picture.geometry["frame"] == 0
    assert picture.geometry["header"]["Modality"] == "CT"
    assert "p1" not in str(picture.geometry)


def test_every_window_of_the_card_is_a_picture(ct, read, toy):
    hu = ct()
    first, second = read(toy(layout=LAYOUT, **CARD, windows=["lung", "50/350"]))[0]["1.dcm"]
    assert [first.name, second.name] == ["1.dcm_lung", "1.dcm_50-350"]
    assert np.abs(first.pixels - grey(hu, -600, 1500)).max() <= 1.5
    assert np.abs(second.pixels - grey(hu, 50, 350)).max() <= 1.5


@pytest.mark.parametrize(("frames", "shown"), [("centre", [1]), ("all", [0, 1, 2])])
def test_frames(ct, read, tmp_path, toy, frames, shown):
    ct()
    header = pydicom.dcmread(tmp_path / "1.dcm")
    stored = header.pixel_array
    header.NumberOfFrames = 3
    header.PixelData = b"".join((stored + np.uint16(50 * number)).tobytes() for number in range(3))
    header.save_as(tmp_path / "1.dcm")
    found = read(toy(layout={**LAYOUT, "frames": frames}, **CARD))[0]["1.dcm"]
    assert [picture.geometry["frame"] for picture in found] == shown
    assert [picture.name for picture in found] == [f"1.dcm_frame{number:04d}" for number in shown]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"BurnedInAnnotation": "YES"}, "held back: burned-in annotation"),
    ],
)
def test_what_is_held_back(ct, read, toy, fields, reason):
    ct(**fields)
    assert read(toy(layout=LAYOUT, **CARD)) == ({}, {"1.dcm": reason})


def test_a_file_that_is_none(put, read, toy):
    put("1.dcm", b"no header")
    (reason,) = read(toy(layout=LAYOUT, **CARD))[1].values()
    assert "DICOM" in reason


def test_what_looks_like_it(put, tmp_path):
    assert DicomFiles.recognise(Folder(tmp_path)) is None
    put("a/1.dcm", b"x")
    guess = DicomFiles.recognise(Folder(tmp_path))
    assert (guess.task, guess.layout) == ("2d_classification", {"kind": "dicom", "files": "**/*.dcm"})


@pytest.mark.parametrize("start", [132, 0])
def test_a_file_without_a_preamble_is_read_as_the_whole_one(ct, read, tmp_path, toy, start):
    ct()
    card = toy(layout={**LAYOUT, "files": "*"}, **CARD)
    ((whole,),) = read(card)[0].values()
    (tmp_path / "IM1").write_bytes((tmp_path / "1.dcm").read_bytes()[start:])
    (tmp_path / "1.dcm").unlink()
    (item,) = card.layout.list_items(card, tmp_path)
    ((picture,),) = read(card)[0].values()
    assert np.array_equal(picture.pixels, whole.pixels)
    assert item.group != item.key
    assert [path.name for path in Folder(tmp_path).dicom] == ["IM1", "000.dcm"]


@pytest.mark.parametrize("kind", ["PR", "SR", "KO", "RTPLAN", "RTSTRUCT"])
def test_objects_that_are_no_images_are_set_aside(ct, read, tmp_path, toy, kind):
    ct()
    write(tmp_path / "0.dcm", kind)
    pictures, reasons = read(toy(layout=LAYOUT, **CARD))
    assert (list(pictures), reasons) == (["1.dcm"], {"0.dcm": f"no image: {kind}"})


def test_an_image_without_its_pixels_is_damaged(ct, read, toy, tmp_path):
    ct()
    header = pydicom.dcmread(tmp_path / "1.dcm")
    del header.PixelData
    header.save_as(tmp_path / "1.dcm")
    assert read(toy(layout=LAYOUT, **CARD))[1]["1.dcm"].startswith("DICOM without pixels: SOP class CT Image Storage")
    header.SOPClassUID, header.FloatPixelData = "1.2.840.10008.5.1.4.1.1.30", b"\0" * 4
    header.save_as(tmp_path / "1.dcm")
    assert read(toy(layout=LAYOUT, **CARD))[1]["1.dcm"].startswith("parametric map")


def test_a_radiograph_for_processing_is_a_flag(ct, read, toy):
    ct(PresentationIntentType="FOR PROCESSING")
    ((picture,),) = read(toy(layout=LAYOUT, **CARD))[0].values()
    assert picture.geometry["flags"] == "made for processing, not for presentation"
