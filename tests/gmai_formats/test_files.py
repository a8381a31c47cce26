import hashlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from gmai_formats import files
from gmai_formats.errors import UserError
from gmai_formats.files import (
    installed_versions,
    is_file,
    is_folder,
    may_be_read,
    replace_atomically,
    require_folder,
    sha256_file,
    write_all,
    write_json,
    write_text,
)


def test_a_file_appears_whole_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "骨折 ▶ fracture\n")
    assert path.read_text("utf-8") == "骨折 ▶ fracture\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replace_atomically(path) as file:
            file.write(b"new, but not al")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_half()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_what_can_be_made_again_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    with replace_atomically(tmp_path / "sealed", durable=False) as file:
        file.write(b"new")
    assert (tmp_path / "sealed").read_bytes() == b"new"
    assert not waited
    with replace_atomically(tmp_path / "sealed") as file:
        file.write(b"newer")
    assert len(waited) == 2


def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from gmai_formats.files import replace_atomically\n"
        "with replace_atomically(Path(sys.argv[1])) as file:\n"
        "    file.write(b'new' * 1000)\n"
        "    file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert result.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_others_can_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_content_is_written_whole_where_the_system_takes_it_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, at: real(descriptor, content[:7], at))
    with (tmp_path / "a").open("wb") as file:
        write_all(file.fileno(), bytes(range(50)))
        write_all(file.fileno(), b"new")
    assert (tmp_path / "a").read_bytes() == b"new" + bytes(range(3, 50))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"a\n" + b"b" * 50 + b"\nc\n", [b"a\n", None, b"c\n"]),
        (b"b" * 10 + b"\n" + b"b" * 11, [b"b" * 10 + b"\n", b"b" * 11]),
        (b"b" * 10_000, [None]),
        (b"\n" + b"b" * 12 + b"\n\n", [b"\n", None, b"\n"]),
        (b"", []),
    ],
    ids=["between", "the longest", "without an end", "before an empty one", "nothing"],
)
def test_a_line_that_is_too_long_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, found: list[bytes | None]
) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE_BYTES", 11)
    monkeypatch.setattr(files, "_PIECE_BYTES", 7)
    (tmp_path / "lines").write_bytes(content)
    with (tmp_path / "lines").open("rb") as file:
        assert list(files.bounded_lines(file)) == found


def test_json_keeps_order_and_letters(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"z": "肺", "a": Path("x")})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "z": "肺",\n  "a": "x"\n}\n'


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_versions_name_the_gmai_packages() -> None:
    assert installed_versions()["gmai-cli"]


def test_a_name_longer_than_any_files_is_no_file(tmp_path: Path) -> None:
    assert not is_file(tmp_path / ("x" * 300))
    assert not is_folder(tmp_path / ("x" * 300))
    (tmp_path / "a").write_bytes(b"")
    assert is_file(tmp_path / "a")


def test_pipes_and_folders_are_not_read_and_lost_files_are_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "lost").symlink_to("nowhere")
    found = {path: may_be_read(path) for path in (*tmp_path.iterdir(), tmp_path)}
    assert {path.name for path, is_read in found.items() if is_read} == {"file", "lost"}


def test_what_is_no_folder_is_named_as_what_it_is(tmp_path: Path) -> None:
    require_folder(tmp_path, "Give another one.")
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(UserError, match=r"a\.txt: a file\. Give another one\."):
        require_folder(tmp_path / "a.txt", "Give another one.")
    for archive in ("data.zip", "data.TAR", "data.tar.gz"):
        (tmp_path / archive).touch()
        with pytest.raises(UserError, match=rf"{archive}: a file\. Unpack it first: archives are not read\. Give "):
            require_folder(tmp_path / archive, "Give another one.")
    for absent in ("gone", "a" * 300, "a.txt/below"):
        with pytest.raises(UserError, match=r": no such folder\. Give another one\."):
            require_folder(tmp_path / absent, "Give another one.")


def test_a_device_or_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/null"), Path("/dev/gmai-none")):
        with (
            pytest.raises(UserError, match=r": a device or pipe, whose place a file would take\. Give"),
            files.replace_atomically(path) as file,
        ):
            file.write(b"x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert not Path("/dev/gmai-none").exists()
