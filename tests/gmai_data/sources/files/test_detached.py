"""Headers that name other files: those of the source are read, and nothing else is."""

import os

import numpy as np
import pytest
import SimpleITK
from gmai_data.ledger import SourceError
from gmai_data.sources.files import detached
from gmai_data.sources.files.volume_files import load_volumes

ARRAY = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
NRRD = (
    "NRRD0004\ntype: int16\ndimension: 3\nsizes: 6 5 4\nspace: left-posterior-superior\nendian: little\nencoding: raw\n"
    "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n{}\n\n"
)
META = (
    "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_SHORT\nElementSpacing = 1 1 1\n"
    "BinaryData = True\nBinaryDataByteOrderMSB = False\n{}\n"
)


def load(root, name):
    ((_, volume),) = load_volumes(root, name, key="", frames="none")
    return np.asarray(volume.array)


def source(tmp_path, name, header):
    root = tmp_path / "source"
    (root / "case" / "raw").mkdir(parents=True)
    (root / "case" / name).write_text(header)
    ARRAY.tofile(root / "case/raw/all.raw")
    for number, plane in enumerate(ARRAY):
        plane.tofile(root / f"case/raw/{number}.raw")
    ARRAY.tofile(tmp_path / "secret.raw")
    return root


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.nhdr", NRRD.format("data file: raw/all.raw")),
        ("a.nhdr", NRRD.format("datafile: raw/%d.raw 0 3 1")),
        ("a.nhdr", NRRD[:-2].format("data file: LIST\n" + "".join(f"raw/{number}.raw\n" for number in range(4)))),
        ("a.mhd", META.format("ElementDataFile = raw/all.raw")),
        ("a.mhd", META.format("ElementDataFile = LIST\n" + "".join(f"raw/{number}.raw\n" for number in range(4)))),
        ("a.mhd", META.format("ElementDataFile = raw/%d.raw 0 3 1")),
    ],
)
def test_files_of_the_source_are_read(tmp_path, name, header):
    root = source(tmp_path, name, header)
    expected = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(root / "case" / name)))
    assert sorted(load(root, f"case/{name}").ravel()) == sorted(expected.ravel()) == sorted(ARRAY.ravel())


OUTSIDE = ["{secret}", "../../secret.raw", "raw/../../../secret.raw", "out/secret.raw", "link.raw", "/dev/zero"]


@pytest.mark.parametrize("place", OUTSIDE)
@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.nrrd", NRRD.replace("{}", "data file: {}")),
        ("a.nhdr", NRRD.replace("{}", "Data File:\t{}")),
        ("a.nhdr", NRRD.replace("{}\n\n", "datafile: LIST\nraw/0.raw\nraw/1.raw\nraw/2.raw\n{}\n")),
        ("a.mha", META.replace("{}", "ElementDataFile = {}")),
        ("a.mhd", META.replace("{}", "  ElementDataFile: {}")),
        ("a.mhd", META.replace("{}", "Comment =\nElementDataFile = LOCAL\nElementDataFile = {}")),
        ("a.mhd", META.replace("{}", "ElementDataFile = LIST\nraw/0.raw\nraw/1.raw\nraw/2.raw\n{}")),
    ],
)
def test_no_header_leads_out_of_the_source(tmp_path, name, header, place):
    root = source(tmp_path, name, header.replace("{}", place.format(secret=tmp_path / "secret.raw")))
    (root / "case/out").symlink_to(tmp_path)
    (root / "case/link.raw").symlink_to(tmp_path / "secret.raw")
    with pytest.raises(SourceError, match=r"path outside the root: its header names .*below --root"):
        load(root, f"case/{name}")


@pytest.mark.parametrize("place", ["pipe", "absent.raw", "raw", "raw/%d.raw 2 9 1", "-"])
def test_what_is_no_file_is_not_waited_for(tmp_path, place):
    root = source(tmp_path, "a.mhd", META.format(f"ElementDataFile = {place}"))
    os.mkfifo(root / "case/pipe")
    with pytest.raises(SourceError, match="file missing: its header names"):
        load(root, "case/a.mhd")


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd"])
def test_a_header_without_end_is_not_read_on(tmp_path, name, monkeypatch):
    monkeypatch.setattr(detached, "_MOST_HEADER", 4000)
    root = source(tmp_path, name, (META if name == "a.mha" else NRRD).partition("{}")[0] + "# note\n" * 1000)
    with pytest.raises(SourceError, match="no end of its header in 4,000 bytes"):
        load(root, f"case/{name}")


@pytest.mark.parametrize("line", ["data file: raw/%d.raw 0 99999999 1", "data file: LIST\n" + "raw/0.raw\n" * 30])
def test_files_without_end_are_not_looked_for(tmp_path, line, monkeypatch):
    monkeypatch.setattr(detached, "_MOST_FILES", 4)
    root = source(tmp_path, "a.nhdr", NRRD.format(line))
    with pytest.raises(SourceError, match="more than 4 files"):
        load(root, "case/a.nhdr")


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd"])
def test_a_file_is_read_as_what_its_name_says(tmp_path, name):
    """ITK would take what the first bytes say: formats of which some lead elsewhere, too."""
    root = source(tmp_path, name, "")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(ARRAY), str(tmp_path / "other.vtk"))
    (root / "case" / name).write_bytes((tmp_path / "other.vtk").read_bytes())
    with pytest.raises(SourceError, match="volume unreadable"):
        load(root, f"case/{name}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.mhd", "LIST 2D"),
        ("a.mhd", "LISTED"),
        ("a.nhdr", "LIST 2a"),
        ("a.mhd", "raw/%x.raw 1 1 1"),
        ("a.mhd", "raw/%d.raw 0 " + "9" * 5000 + " 1"),
    ],
)
def test_no_file_of_that_name_hides_a_list_or_pattern(tmp_path, name, words):
    """MetaIO takes whatever begins with LIST for a list, and reads the lines behind it."""
    field = "data file: " if name == "a.nhdr" else "ElementDataFile = "
    root = source(tmp_path, name, (META if name == "a.mhd" else NRRD[:-2]).format(f"{field}{words}\n../../secret.raw"))
    if len(words) < 100:
        (root / "case" / words).write_bytes(ARRAY.tobytes())
    with pytest.raises(SourceError, match="a list or pattern that is not known"):
        load(root, f"case/{name}")


def test_a_list_is_looked_at_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(detached, "_MOST_HEADER", 4000)
    listed = "ElementDataFile = LIST\n" + "./" * 2000 + "raw/0.raw\n../../secret.raw"
    root = source(tmp_path, "a.mhd", META.format(listed))
    with pytest.raises(SourceError, match="no end of its header in 4,000 bytes"):
        load(root, "case/a.mhd")
