"""Phantoms as the files that real datasets come in, read back by other libraries."""

import csv
import json
from xml.etree import ElementTree

import av
import nibabel as nib
import numpy as np
import pydicom
import pytest
from gmai_data.phantoms.files import (
    SPACING_MM,
    write_csv,
    write_dicom_series,
    write_json_lines,
    write_nifti,
    write_png,
    write_video,
    write_voc,
)
from PIL import Image


def noise(*shape):
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def test_png(tmp_path):
    write_png(tmp_path / "a" / "1.png", noise(6, 8, 3))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a" / "1.png")), noise(6, 8, 3))


def test_a_video_without_loss_that_is_the_same_in_every_run(tmp_path):
    frames = list(noise(4, 24, 32))
    for name in ("1.avi", "2.avi"):
        write_video(tmp_path / name, frames, 5)
    with av.open(str(tmp_path / "1.avi")) as video:
        assert video.streams.video[0].average_rate == 5
        assert np.array_equal([frame.to_ndarray(format="gray") for frame in video.decode(video=0)], frames)
    assert (tmp_path / "1.avi").read_bytes() == (tmp_path / "2.avi").read_bytes()


@pytest.mark.parametrize("orientation", ["LPS", "LAS", "RAS", "SPL"])
def test_nifti_in_any_orientation_leads_back_to_the_same_places(tmp_path, orientation):
    volume = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    write_nifti(tmp_path / "x.nii.gz", volume, orientation)
    image = nib.load(tmp_path / "x.nii.gz")
    assert "".join(nib.aff2axcodes(image.affine)) == orientation
    lps = nib.as_closest_canonical(image).get_fdata()[::-1, ::-1].transpose(2, 1, 0)
    assert np.array_equal(lps, volume)
    assert SPACING_MM == (5.0, 3.0, 3.0)
    assert sorted(image.header.get_zooms()) == [3.0, 3.0, 5.0]


def test_a_ct_series(tmp_path):
    hu = np.array([-1000, 0, 3071, 5000, -2000, 40.4], np.float32).reshape(1, 2, 3).repeat(2, axis=0)
    write_dicom_series(tmp_path / "s", hu, "p1")
    headers = [pydicom.dcmread(path) for path in sorted((tmp_path / "s").iterdir())]
    assert [path.name for path in sorted((tmp_path / "s").iterdir())] == ["000.dcm", "001.dcm"]
    for number, header in enumerate(headers):
        values = header.pixel_array * header.RescaleSlope + header.RescaleIntercept
        assert values.ravel().tolist() == [-1000, 0, 3071, 3071, -1024, 40]
        assert header.ImagePositionPatient == [0, 0, 5 * number]
        assert header.PixelSpacing == [3, 3]
        assert (header.PatientID, header.InstanceNumber, header.Modality) == ("p1", number + 1, "CT")
    assert headers[0].SeriesInstanceUID == headers[1].SeriesInstanceUID
    assert headers[0].SOPInstanceUID != headers[1].SOPInstanceUID
    write_dicom_series(tmp_path / "again", hu, "p1")
    assert (tmp_path / "again" / "000.dcm").read_bytes() == (tmp_path / "s" / "000.dcm").read_bytes()
    write_dicom_series(tmp_path / "other", hu, "p2")
    assert pydicom.dcmread(tmp_path / "other" / "000.dcm").SeriesInstanceUID != headers[0].SeriesInstanceUID


def test_voc_boxes_count_from_1_with_the_maximum_included(tmp_path):
    mask = np.zeros((24, 32), bool)
    mask[3:9, 5:20] = True
    write_voc(tmp_path, "1", noise(24, 32, 3), [("cell", mask)])
    tree = ElementTree.parse(tmp_path / "Annotations" / "1.xml")  # noqa: S314 - its own file
    assert [tree.findtext(f"size/{name}") for name in ("width", "height", "depth")] == ["32", "24", "3"]
    assert tree.findtext("filename") == "1.png"
    assert tree.findtext("object/name") == "cell"
    box = [tree.findtext(f"object/bndbox/{name}") for name in ("xmin", "ymin", "xmax", "ymax")]
    assert box == ["6", "4", "20", "9"]
    assert (tmp_path / "JPEGImages" / "1.png").is_file()


def test_tables_and_json_lines(tmp_path):
    write_csv(tmp_path / "t" / "a.csv", ("x", "y"), [("1", "a, b"), ("2", "肝")])
    with (tmp_path / "t" / "a.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["x", "y"], ["1", "a, b"], ["2", "肝"]]
    write_json_lines(tmp_path / "t" / "a.jsonl", [{"x": "肝"}, {"y": 1}])
    lines = (tmp_path / "t" / "a.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"x": "肝"}, {"y": 1}]
    assert "肝" in lines[0]
