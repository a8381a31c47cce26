"""Folders of DICOM files are those of patients where the headers say so, and of classes where patients share them."""

import pytest
from gmai_data.sources.drafting.patient_folders import are_patients
from gmai_data.sources.files.folder import Folder

from ...dicom_objects import noise, write


@pytest.mark.parametrize(
    ("patients", "expected"),
    [
        ({"a": ["1", "1"], "b": ["2", "2"]}, True),
        ({"a": ["1", "2"], "b": ["3", "4"]}, False),
        ({"a": ["1", "1"], "b": ["1", "1"]}, False),
        ({"a": ["anonymous"], "b": ["anonymous"]}, True),  # the studies differ then, as they do here
        ({"a": ["1"]}, False),
    ],
)
def test_a_folder_of_each_patient_is_no_class(tmp_path, patients, expected):
    for name, every in patients.items():
        for number, patient in enumerate(every):
            study = {"StudyInstanceUID": f"1.2.{ord(name)}"}
            write(tmp_path / "DICOM" / name / f"{number}.dcm", "DX", noise(), patient=patient, **study)
    folder = Folder(tmp_path)
    assert are_patients(folder, list(patients), folder.files) is expected


def test_pictures_name_no_patient(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"\x89PNG")
    folder = Folder(tmp_path)
    assert not are_patients(folder, ["a", "b"], folder.files)
