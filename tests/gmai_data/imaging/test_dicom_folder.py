"""What a PACS exports, sorted by header: series, patients, and what is neither."""

import numpy as np
import pydicom
import pytest
from gmai_data.imaging.dicom_folder import files_of, series_of_folder
from gmai_data.imaging.dicom_series import load_series
from gmai_data.imaging.rules import Deidentification
from gmai_data.imaging.source_files import patient_group
from gmai_data.ledger import SetAside, SourceError
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT, SEG, DOSE, REPORT = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "66.4", "481.2", "88.22"))


def write(path, *, sop_class=CT, pixels=True, **fields):
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    made = pydicom.Dataset()
    made.file_meta, made.SOPClassUID, made.SOPInstanceUID = meta, sop_class, meta.MediaStorageSOPInstanceUID
    made.Modality = "CT"
    if pixels:
        made.Rows = made.Columns = 8
        made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
        made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
        made.RescaleSlope, made.RescaleIntercept = 1, -1024
        random = np.random.default_rng(len(str(path)))
        made.PixelData = random.integers(0, 2000, (8, 8)).astype("<u2").tobytes()
    for name, value in fields.items():
        setattr(made, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)


def series(folder, uid, count=4, **fields):
    for number in range(count):
        place = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [0, 0, 3 * number]}
        known = {"SeriesInstanceUID": f"1.2.{uid}", "StudyInstanceUID": "1.9", "PixelSpacing": [1, 1], **place}
        write(folder / f"{uid}-{number}", **{**known, **fields})


def sort(root):
    return series_of_folder(root, root / "s", Deidentification())


def test_one_series_is_its_folder_whatever_lies_beside_it(tmp_path):
    series(tmp_path / "s", 5, PatientID="jane")
    series(tmp_path / "s", 4, 1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write(tmp_path / "s" / "0-seg", sop_class=SEG, SeriesInstanceUID="1.2.8")
    write(tmp_path / "s" / "0-report", sop_class=REPORT, pixels=False, PatientID="other")
    (tmp_path / "s" / "00-INDEX.txt").write_text("a list")
    (found,) = sort(tmp_path)
    assert (found.name, found.files, found.group) == ("", ("s",), patient_group("jane"))
    (volume,) = load_series(tmp_path, found.files)
    assert volume.array.shape == (4, 8, 8)
    assert set(volume.flags) == {
        "1 set aside: no DICOM file", "1 set aside: DICOM file without an image", "1 set aside: localizer",
        "1 set aside: segmentation",
    }  # fmt: skip


@pytest.mark.parametrize("first", ["00-INDEX.txt", "DICOMDIR", "LICENSE", "5-0"])
def test_the_patient_is_that_of_any_file_of_the_series(tmp_path, first):
    series(tmp_path / "s", 5)
    write(tmp_path / "s" / "5-2", SeriesInstanceUID="1.2.5", PatientID="jane")
    if first != "5-0":
        (tmp_path / "s" / first).write_bytes(b"words" * 99)
    assert [each.group for each in sort(tmp_path)] == [patient_group("jane")]


def test_without_a_patient_the_study_is_the_group_and_at_last_nothing(tmp_path):
    series(tmp_path / "s", 5)
    assert sort(tmp_path)[0].group == patient_group("1.9")
    series(tmp_path / "s", 5, StudyInstanceUID="")
    assert sort(tmp_path)[0].group == ""
    write(tmp_path / "s" / "report", sop_class=REPORT, pixels=False, PatientID="jane")
    assert sort(tmp_path)[0].group == patient_group("jane"), "any file of the folder that names a patient"


def test_an_export_of_three_patients_is_sorted(tmp_path):
    for patient in "abc":
        for number in (1, 2):
            uid = ord(patient) * 10 + number
            series(tmp_path / "s", uid, PatientID=patient, StudyInstanceUID=f"1.9.{patient == 'a':d}")
    series(tmp_path / "s", 1, 1, PatientID="a", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write(tmp_path / "s" / "dose", sop_class=DOSE, SeriesInstanceUID="1.2.77", PatientID="b")
    write(tmp_path / "s" / "x-ray", SeriesInstanceUID="1.2.78", PatientID="c")
    found = sort(tmp_path)
    assert len(found) == 7
    assert len({each.name for each in found}) == 7
    assert {each.group for each in found} == {patient_group(patient) for patient in "abc"}
    volumes = [load_series(tmp_path, each.files) for each in found if len(each.files) > 1]
    assert [[volume.array.shape for volume in each] for each in volumes] == [[(4, 8, 8)]] * 6
    assert volumes[0][0].flags == ("1 set aside: dose grid", "1 set aside: localizer")
    (x_ray,) = (each for each in found if len(each.files) == 1)
    with pytest.raises(SetAside, match="images without a place in space"):
        load_series(tmp_path, x_ray.files)


def test_a_disagreement_within_a_series_is_a_reason(tmp_path):
    series(tmp_path / "s", 5, PatientID="a")
    write(tmp_path / "s" / "5-2", SeriesInstanceUID="1.2.5", PatientID="b")
    with pytest.raises(SourceError, match="several patients: 2 of them among the slices"):
        load_series(tmp_path, ["s"])
    series(tmp_path / "t", 5, PatientID="a")
    series(tmp_path / "t", 6, PatientID="a")
    with pytest.raises(SourceError, match="several series in one folder: 2 of them"):
        load_series(tmp_path, ["t"])


def test_no_slices_never_hide_the_reason(tmp_path):
    series(tmp_path / "s", 5, 3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(SetAside, match=r"^localizer$"):
        load_series(tmp_path, ["s"])
    write(tmp_path / "s" / "seg", sop_class=SEG, SeriesInstanceUID="1.2.8")
    with pytest.raises(SetAside, match=r"^localizer, segmentation$"):
        load_series(tmp_path, ["s"])
    series(tmp_path / "s", 6, 1)
    with pytest.raises(SourceError, match=r"1 slice\(s\); a volume needs at least 2; 3 set aside: localizer; 1 set"):
        load_series(tmp_path, ["s"])
    with pytest.raises(SetAside, match="single image, no volume"):
        load_series(tmp_path, ["s/6-0"])


def test_phases_of_one_series_are_volumes_of_their_own(tmp_path):
    for phase in (1, 2, 3):
        series(tmp_path / "s" / f"p{phase}", 5, TemporalPositionIdentifier=phase, PatientID="a")
    files = [f"s/p{phase}/5-{number}" for phase in (1, 2, 3) for number in range(4)]
    volumes = load_series(tmp_path, files)
    assert [volume.array.shape for volume in volumes] == [(4, 8, 8)] * 3
    assert volumes[1].flags == ("one of 3 volumes of its series: TemporalPositionIdentifier 2",)


def test_files_of_folders(tmp_path):
    for name in ("s/b", "s/a", "s/.DS_Store", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(files_of(tmp_path, ("s", "c"))) == ["s/a", "s/b", "c"]
