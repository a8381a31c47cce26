"""A folder of unknown files: what a layout can ask of it."""

from collections import Counter

import pytest
from gmai_data.sources.files import folder as module
from gmai_data.sources.files import probed_table
from gmai_data.sources.files.folder import (
    Folder,
    column_of_names,
    values_of,
)


@pytest.fixture
def made(tmp_path):
    """Return a function of names (and contents) that makes a folder of them."""

    def make(*names, **contents):
        for name in (*names, *contents):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents.get(name, b""))
        return Folder(tmp_path)

    return make


def names(folder, paths):
    return [folder.below(path) for path in paths]


def test_files_by_what_they_are(made):
    folder = made("b/2.PNG", "a/1.jpg", "x.nii.gz", "y.NRRD", ".hidden.png", "z.txt", "n.nii")
    assert names(folder, folder.files) == ["a/1.jpg", "b/2.PNG", "n.nii", "x.nii.gz", "y.NRRD", "z.txt"]
    assert names(folder, folder.images) == ["a/1.jpg", "b/2.PNG"]
    assert names(folder, folder.volumes) == ["n.nii", "x.nii.gz", "y.NRRD"]
    assert folder.endings() == Counter({".jpg": 1, ".png": 1, ".nii": 1, ".nii.gz": 1, ".nrrd": 1, ".txt": 1})


def test_no_more_files_are_looked_at_than_the_limit(made, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILES", 2)
    assert len(made("1", "2", "3").files) == 2


@pytest.mark.parametrize("text", [b"\xef\xbb\xbfa,b\n1,2\n3\n", b"a;b\n1;2\n3\n", b"a\tb\n1\t2\n3\n"])
def test_tables_with_rows(made, text):
    folder = made("e.csv", **{"t.csv": text})
    (only,) = folder.tables
    assert folder.below(only[0]) == "t.csv"
    assert only[1] == [{"a": "1", "b": "2"}, {"a": "3", "b": ""}]


def test_no_more_rows_are_looked_at_than_the_limit(made, monkeypatch):
    monkeypatch.setattr(probed_table, "_ROWS", 2)
    ((_, rows),) = made(**{"t.tsv": b"a\tb\n1\t2\n3\t4\n5\t6\n"}).tables
    assert len(rows) == 2


def test_columns():
    rows = [{"n": "1", "file": "img/x1.png", "dx": "b"}, {"n": "2", "file": "x2", "dx": "a"}, {"n": "", "file": "x3"}]
    assert column_of_names(rows, {"x1", "x2"}) == "file"
    assert column_of_names(rows, {"y"}) is None
    assert values_of(rows, "dx") == ["a", "b"]


def test_dicom_by_ending_or_by_preamble(made):
    head = bytes(128) + b"DICM"
    folder = made(
        "a.dcm", "b.IMA", "c.txt", "short", **{"scan": head, "DICOMDIR": head, "CT.1.2.3": head, "e.png": head}
    )
    assert names(folder, folder.dicom) == ["CT.1.2.3", "a.dcm", "b.IMA", "scan"], "the end of a UID is no ending"


@pytest.mark.parametrize(("names", "found"), [
    (["a.hdr", "a.img"], ["a.hdr"]), (["a.HDR", "a.IMG"], ["a.HDR"]), (["a.hdr.gz", "a.img.gz"], ["a.hdr.gz"]),
    (["a.hdr"], []), (["a.hdr", "b.img"], []), (["a.hdr", "a.nii"], ["a.nii"]),
])  # fmt: skip
def test_a_header_is_a_volume_where_its_voxels_lie_beside_it(tmp_path, names, found):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in Folder(tmp_path).volumes] == found
