"""Which bytes a record was made from."""

import hashlib
import os

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
