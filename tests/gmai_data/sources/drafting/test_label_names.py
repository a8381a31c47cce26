"""Names of the values of masks, as tools write them beside their masks."""

import json

import pytest
from gmai_data.sources.drafting.label_names import keys_of_list, label_names, names_of_dataset, segment_names
from gmai_data.sources.files.folder import Folder

ITK_SNAP = """################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "left kidney"
   12     0  255    0     0.50  1  1    "tumour, solid"
"""
SLICER = (
    "# Color table file a.ctbl\n# 2 values\n0 background 0 0 0 0\n"
    "1 left kidney 255 0 0 255\n12 tumour, solid 0 9 0 255\n"
)
NAMES = {"1": "left kidney", "12": "tumour, solid"}


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("labels.txt", ITK_SNAP, NAMES),
        ("organs.label", ITK_SNAP.replace("\n", "\r\n"), NAMES),
        ("a.ctbl", SLICER, NAMES),
        ("colours.txt", SLICER, NAMES),
        ("_classes.csv", "Pixel Value, Class\n0, background\n1, left kidney\n12, tumour, solid\n", NAMES),
        ("dataset.json", json.dumps({"labels": {"background": 0, "left kidney": 1, "tumour, solid": 12}}), NAMES),
        (
            "Dataset001/dataset.json",
            json.dumps({"labels": {"0": "background", "1": "left kidney"}}),
            {"1": "left kidney"},
        ),
    ],
)
def test_files_that_name_labels(tmp_path, name, text, names):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / "README.txt").write_text("1 255 0 0 1 1 1\n")
    (tmp_path / name).write_bytes(text.encode())
    assert label_names(Folder(tmp_path)) == (names, name)


@pytest.mark.parametrize("text", ["", "1 2 3\n", "image,label\na,1\n", "Pixel Value\n1\n", '1 2 3 4 5 6 7 "a"\n'])
def test_other_texts_name_nothing(tmp_path, text):
    (tmp_path / "t.txt").write_text(text)
    (tmp_path / "t.csv").write_text(text)
    assert label_names(Folder(tmp_path)) == ({}, "")


@pytest.mark.parametrize("document", [[], {"labels": []}, {"labels": {"whole": [1, 2]}}, {}])
def test_a_dataset_without_values_names_nothing(tmp_path, document):
    (tmp_path / "dataset.json").write_text(json.dumps(document))
    assert names_of_dataset(tmp_path / "dataset.json") == {}


def test_segments_of_several_cases(tmp_path):
    for case, names in (("a", ("liver", "left kidney")), ("b", ("left kidney", "Läsion"))):
        fields = "".join(
            f"Segment{at}_Name:={name}\nSegment{at}_LabelValue:={at + 1}\n" for at, name in enumerate(names)
        )
        (tmp_path / f"{case}.seg.nrrd").write_bytes(f"NRRD0005\ntype: uchar\n{fields}\n".encode() + b"\0" * 9)
    (tmp_path / "c.nrrd").write_bytes(b"NRRD0005\nSegment0_Name:=no segmentation\n\n")
    assert segment_names(Folder(tmp_path)) == ["liver", "left kidney", "Läsion"]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('[{"name": "a.jpg", "label": 0}, {"name": "b.jpg", "fold": 1}]', ["name", "label", "fold"]),
        ('[{"name": "a.jpg", "boxes": [[1, 2]]}]', []),
        ('{"images": []}', []),
        ("[1, 2]", []),
        ("[]", []),
        ("no json", []),
    ],
)
def test_keys_of_a_list_that_a_table_could_hold(tmp_path, text, keys):
    (tmp_path / "list.json").write_text(text)
    assert keys_of_list(tmp_path / "list.json") == keys
