"""Pictures of DICOM with oblong pixels: boxes and masks of the source follow their picture when it is made square."""

import json

import numpy as np
import pydicom
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.files.pictures import load_picture
from gmai_data.sources.reading import read_pictures
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from ...dicom_objects import noise, write


@pytest.fixture
def oblong(tmp_path):
    """A bright square of 8 × 8 stored pixels at (8, 4), whose rows lie three times as far apart as its columns."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["oblong"])
    made = pydicom.Dataset()
    made.file_meta, made.SOPClassUID = meta, meta.MediaStorageSOPClassUID
    made.SOPInstanceUID, made.Modality = meta.MediaStorageSOPInstanceUID, "DX"
    made.Rows, made.Columns = 20, 40
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.WindowCenter, made.WindowWidth, made.ImagerPixelSpacing = 500, 1000, [0.3, 0.1]
    stored = np.random.default_rng(0).integers(0, 300, (20, 40))
    stored[4:12, 8:16] = 1000
    made.PixelData = stored.astype("<u2").tobytes()
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    return tmp_path


def test_the_picture_says_what_its_annotations_are_made_for(oblong, toy):
    raster = load_picture(oblong, "a.dcm", toy(layout={"kind": "dicom"}))
    assert raster.pixels.shape == (60, 40)
    assert (raster.annotated_px, raster.spacing) == ((40, 20), (0.3, 0.1))
    assert raster.geometry == {"window": "header 500/1000", "changes": ["pixels made square"]}
    (oblong / "b.png").write_bytes(encode_png(raster.pixels))
    plain = load_picture(oblong, "b.png", toy(layout={"kind": "dicom"}))
    assert (plain.annotated_px, plain.spacing) == ((40, 60), (1.0, 1.0))


@pytest.mark.parametrize("kind", ["coco", "yolo", "voc", "image_mask"])
def test_boxes_and_masks_are_stretched_with_it(oblong, toy, kind):
    labels = {"1": "alpha"}
    if kind == "coco":
        entry = {"id": 1, "file_name": "a.dcm", "width": 40, "height": 20}
        mark = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 4, 8, 8]}
        document = {"images": [entry], "annotations": [mark], "categories": [{"id": 1, "name": "1"}]}
        (oblong / "c.json").write_text(json.dumps(document))
        layout = {"kind": "coco", "annotations": "c.json"}
    elif kind == "yolo":
        (oblong / "labels").mkdir()
        (oblong / "labels" / "a.txt").write_text("1 0.3 0.4 0.2 0.4\n")
        layout = {"kind": "yolo", "images": "*.dcm"}
    elif kind == "voc":
        box = "<xmin>9</xmin><ymin>5</ymin><xmax>16</xmax><ymax>12</ymax>"
        size = "<size><width>40</width><height>20</height></size>"
        marked = f"<object><name>1</name><bndbox>{box}</bndbox></object>"
        (oblong / "a.xml").write_text(f"<annotation><filename>a.dcm</filename>{size}{marked}</annotation>")
        layout = {"kind": "voc", "annotations": ".", "images": "."}
    else:
        mask = np.zeros((20, 40), np.uint8)
        mask[4:12, 8:16] = 1
        (oblong / "mask.png").write_bytes(encode_png(mask))
        layout = {"kind": "image_mask", "images": "*.dcm", "masks": "mask.png"}
    card = toy(layout=layout, labels=labels)
    (item,) = card.layout.list_items(card, oblong)
    (picture,) = read_pictures(item, card, oblong, Ledger())
    assert picture.pixels.shape == (60, 40)
    assert [box.xyxy for box in picture.boxes] == [(8, 12, 16, 36)]
    assert picture.pixels[14:34, 9:15].min() > 200


@pytest.mark.parametrize(("split", "reads"), [({}, False), ({"no_group": "One picture a patient."}, True)])
def test_a_dicom_file_among_pictures_that_was_not_asked_for_its_patient_is_refused(tmp_path, toy, split, reads):
    for number in range(12):
        (tmp_path / f"{number:02}.png").write_bytes(encode_png(noise((8, 8)).astype(np.uint8)))
    stray = next(path for path in reversed(list(tmp_path.iterdir())))  # not among the first of its folder
    write(stray, "DX", noise(), patient="P")
    card = toy(layout={"kind": "folder_per_class"}, split=split)
    if reads:
        assert load_picture(tmp_path, stray.name, card).pixels.shape == (8, 8)
        return
    with pytest.raises(SourceError, match=r"DICOM file under another name: .*call it \.dcm"):
        load_picture(tmp_path, stray.name, card)


def test_a_mirrored_radiograph_is_a_flag(oblong, toy):
    header = pydicom.dcmread(oblong / "a.dcm")
    header.PatientOrientation = ["R", "F"]
    header.save_as(oblong / "a.dcm")
    raster = load_picture(oblong, "a.dcm", toy(layout={"kind": "dicom"}))
    assert raster.geometry["flags"] == ["stored mirrored by its header (PatientOrientation R\\F)"]
