"""Which bytes a record was made from."""

import hashlib
import os

import pytest
from gmai_data.sources.digests import MANY, source_digests, state_of


def sha(data):
    return hashlib.sha256(data).hexdigest()


def test_files_by_their_path_and_what_is_missing_is_left_out(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    assert source_digests(tmp_path, ("b", "a", "gone")) == {"b": sha(b"2"), "a": sha(b"1")}


def test_a_folder_is_its_files_names_and_digests(tmp_path):
    folder = tmp_path / "s"
    (folder / "below").mkdir(parents=True)
    (folder / "2.dcm").write_bytes(b"2")
    (folder / "1.dcm").write_bytes(b"1")
    expected = sha(f"{sha(b'1')}  1.dcm\n{sha(b'2')}  2.dcm".encode())
    assert source_digests(tmp_path, ("s",)) == {"s": expected}
    (folder / "2.dcm").rename(folder / "3.dcm")
    assert source_digests(tmp_path, ("s",)) != {"s": expected}


def test_many_files_are_one_entry(tmp_path):
    names = [f"m/{number}" for number in range(MANY + 1)]
    (tmp_path / "m").mkdir()
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    assert MANY == 4
    assert list(source_digests(tmp_path, tuple(names[:4]))) == names[:4]
    found = source_digests(tmp_path, tuple(names))
    rest = "\n".join(f"{sha(name.encode())}  {name}" for name in names[1:])
    assert found == {"m/0": sha(b"m/0"), "m/*": sha(rest.encode())}


def test_a_file_that_changed_under_its_name_has_another_digest(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    os.utime(path, ns=(10**18, 10**18))
    first = source_digests(tmp_path, ("a",))
    path.write_bytes(b"2")
    os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    assert first == {"a": sha(b"1")}
    assert source_digests(tmp_path, ("a",)) == {"a": sha(b"2")}


def test_the_state_of_files_and_folders_changes_with_size_and_time(tmp_path):
    (tmp_path / "s").mkdir()
    for name in ("a", "s/1", "s/2"):
        (tmp_path / name).write_bytes(b"1")
        os.utime(tmp_path / name, ns=(10, 10))
    before = [state_of(tmp_path, name) for name in ("a", "s", "gone")]
    assert before[0] == "1 10"
    assert before[2] == ""
    os.utime(tmp_path / "a", ns=(10, 11))
    (tmp_path / "s/2").write_bytes(b"22")
    assert [state_of(tmp_path, name) == old for name, old in zip(("a", "s", "gone"), before, strict=True)] == [
        False, False, True,
    ]  # fmt: skip
    os.utime(tmp_path / "a", ns=(99, 10))
    assert state_of(tmp_path, "a") == before[0], "when it was read last does not matter"


@pytest.mark.parametrize(
    ("header", "text", "others"),
    [
        ("case.mhd", "NDims = 3\nElementDataFile = case.raw\n", ["case.raw"]),
        ("case.nhdr", "NRRD0004\ndata file: ./case.zraw\n\n", ["case.zraw"]),
        ("case.nhdr", "NRRD0004\ndata file: case.%d.raw 0 1 1\n\n", ["case.0.raw", "case.1.raw"]),
        ("case.mhd", "ElementDataFile = LIST\na.raw\nb.raw\n", ["a.raw", "b.raw"]),
        ("case.hdr", "any", ["case.img"]),
        ("case.img", "any", ["case.hdr"]),
        ("case.HDR", "any", ["case.IMG"]),
        ("case.img.gz", "any", ["case.hdr.gz"]),
    ],
)
def test_the_numbers_beside_a_header_are_part_of_what_was_read(tmp_path, header, text, others):
    (tmp_path / "s").mkdir()
    for name, content in ((header, text), *((other, "1") for other in others)):
        (tmp_path / "s" / name).write_text(content)
        os.utime(tmp_path / "s" / name, ns=(10, 10))
    state, digests = state_of(tmp_path, f"s/{header}"), source_digests(tmp_path, (f"s/{header}",))
    assert list(digests) == [f"s/{header}", *(f"s/{other}" for other in others)]
    for other in others:
        (tmp_path / "s" / other).write_text("2")
        assert state_of(tmp_path, f"s/{header}") != state
        assert source_digests(tmp_path, (f"s/{header}",)) != digests
        state = state_of(tmp_path, f"s/{header}")


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("case.mha", "ElementDataFile = LOCAL\n"),
        ("case.mhd", "ElementDataFile = ../secret.raw\n"),
        ("case.nhdr", "NRRD0004\ndata file: gone.raw\n\n"),
        ("case.nhdr", "NRRD0004\ndata file: LIST 3 of\n\n"),
        ("case.hdr", "of an image of another kind"),
        ("case.nii.gz", ""),
    ],
)
def test_a_header_alone_and_one_that_leads_elsewhere_stand_for_themselves(tmp_path, header, text):
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.raw").write_text("1")
    (tmp_path / "root" / header).write_text(text)
    assert list(source_digests(tmp_path / "root", (header,))) == [header]
    assert state_of(tmp_path / "root", header).count(",") == 0
