"""Errors of the system become one line with place and remedy; what is unknown stays a bug."""

import errno
import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_cli.system_errors import explain
from gmai_formats.files import replace_atomically


def caught(act):
    """The error that an action raises, with its traceback."""
    try:
        act()
    except BaseException as error:
        return error
    raise AssertionError("no error was raised")


@pytest.mark.parametrize(
    ("number", "found"),
    [
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "not permitted"),
        (errno.EISDIR, "this is a folder"),
        (errno.ENOTDIR, "a part of the path is no folder"),
        (errno.ENAMETOOLONG, "the name is too long"),
        (errno.EFBIG, "the file would be larger than allowed"),
        (errno.ESTALE, "the network file system"),
    ],
)
def test_path_fault_and_remedy_stand_in_one_line(number, found):
    line = explain(OSError(number, os.strerror(number), "/data/out/x.parquet"))
    assert line.startswith(f"/data/out/x.parquet: {found}")
    assert line.endswith(".")
    assert "\n" not in line


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_how_much_is_free(tmp_path, number):
    line = explain(OSError(number, os.strerror(number), str(tmp_path / "no" / "such" / "file")))
    assert "MB are free). Make room or choose another folder, then run the same command again." in line


def test_writing_names_the_open_file_though_the_error_does_not(tmp_path):
    def write():
        with (tmp_path / "table.bin").open("wb") as file:
            file.write(b"x")
            raise OSError(errno.ENOSPC, "No space left on device")

    assert explain(caught(write)).startswith(f"{tmp_path / 'table.bin'}: no space is left on the device (")


@pytest.mark.parametrize("words", [["--out", "/data/out"], ["--out=/data/out"], ["build", "--release", "/data/out"]])
def test_without_any_path_the_output_folder_is_named(monkeypatch, words):
    monkeypatch.setattr("sys.argv", ["gmai", *words])
    assert explain(OSError(errno.ENOSPC, "No space left on device")).startswith("/data/out: no space is left")


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (errno.ENOSPC, {"f_bavail": 3}),
        (errno.ENOSPC, {"f_files": 10, "f_favail": 0}),
        (errno.EROFS, {"f_flag": os.ST_RDONLY}),
    ],
)
def test_the_disk_that_is_full_is_named_and_not_a_folder_that_was_read(tmp_path, monkeypatch, number, state):
    (tmp_path / "full").mkdir()
    (tmp_path / "data").mkdir()
    good = {
        "f_blocks": 10**9,
        "f_bfree": 10**9,
        "f_bavail": 10**9,
        "f_frsize": 4096,
        "f_files": 0,
        "f_favail": 0,
        "f_flag": 0,
    }
    monkeypatch.setattr("os.statvfs", lambda path: SimpleNamespace(**good | (state if path.name == "full" else {})))
    monkeypatch.setattr("sys.argv", ["gmai", "data", "phantoms", "full/new/p", "--root", str(tmp_path / "data")])
    monkeypatch.chdir(tmp_path)

    def write():
        data = tmp_path / "data"
        raise OSError(number, f"{os.strerror(number)} beside {data.name}")

    assert explain(caught(write)).startswith("full/new/p: ")
    monkeypatch.setattr("sys.argv", ["gmai"])  # nothing shows what is full: what the frame knows
    assert explain(caught(write)).startswith(f"{tmp_path / 'data'}: ")


def test_a_real_write_to_a_full_device():
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    assert explain(caught(lambda: Path("/dev/full").write_text("x"))).startswith("/dev/full: no space is left")


def test_a_missing_program_is_no_missing_file(tmp_path):
    line = explain(caught(lambda: subprocess.run(["no-such-program-of-gmai"], check=False)))
    assert line.startswith("no-such-program-of-gmai: not installed, or not on the PATH")
    missing = explain(caught(lambda: (tmp_path / "none.txt").read_text()))
    assert missing == f"{tmp_path / 'none.txt'}: no such file or folder. Correct the path."


def test_two_paths_of_a_rename_are_both_named(tmp_path):
    line = explain(caught(lambda: (tmp_path / "a").rename(tmp_path / "b")))
    assert line.startswith(f"{tmp_path / 'a'} ▶ {tmp_path / 'b'}: no such file")


def test_a_taken_port_names_its_address():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with socket.socket() as other:
            taken = caught(lambda: other.bind(("127.0.0.1", port)))
    assert explain(taken) == "the server: the port is taken. Choose another port, or end the program that has it."
    message = f"error while attempting to bind on address ('127.0.0.1', {port}): address already in use"
    assert explain(OSError(errno.EADDRINUSE, message)).startswith(f"127.0.0.1:{port}: the port is taken")


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "nothing listens there"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "the network cannot be reached"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "no answer in time"),
        (socket.gaierror(-2, "Name or service not known"), "the host's name is unknown"),
    ],
)
def test_the_network_is_the_users_world(error, found):
    assert explain(error).startswith(found)


def test_a_group_of_such_errors_is_one_of_them():
    full = OSError(errno.ENOSPC, "No space left on device", "/data/a")
    assert explain(ExceptionGroup("two", [full, ExceptionGroup("in", [full])])).startswith("/data/a: no space")
    assert explain(ExceptionGroup("two", [full, ValueError("bug")])) is None


def test_memory_that_ran_out_is_the_machines(tmp_path):
    path = tmp_path / "large.json"

    def read(path):
        raise MemoryError(path.name)

    assert explain(caught(lambda: read(path))).startswith(
        f"{path}: no memory is left while this was in work. Use fewer"
    )
    assert explain(MemoryError()).startswith("no memory is left. ")


@pytest.mark.parametrize(
    "error", [ValueError("x"), OSError("cannot identify image"), KeyError("a"), OSError(9999, "new")]
)
def test_what_is_unknown_stays_a_bug(error):
    assert explain(error) is None


def test_the_hidden_name_under_which_a_file_is_written_is_not_shown(tmp_path):
    def write(path):
        with replace_atomically(path) as file:
            file.write(b"x")

    (tmp_path / "page.html").mkdir()
    line = explain(caught(lambda: write(tmp_path / "page.html")))
    assert line.startswith(f"{tmp_path / 'page.html'}: this is a folder, and a file is needed.")
    denied = OSError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / ".build.partial" / ".a.b.x_1y.tmp"))
    assert explain(denied).startswith(f"{tmp_path / 'build/a.b'}: permission denied.")


@pytest.mark.parametrize(
    "error",
    [
        OSError(f"With tag (7FE0,0010) got exception: [Errno {errno.ENOSPC}] No space left on device"),
        RuntimeError(f"Error while serializing: I/O error: No space left on device (os error {errno.ENOSPC})"),
    ],
)
def test_a_full_disk_in_the_words_of_a_library_is_a_full_disk(tmp_path: Path, error: Exception) -> None:
    def write(path: Path) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        write(tmp_path / "case" / "1.dcm")
    line = explain(caught.value)
    assert line is not None
    assert line.startswith(f"{tmp_path}/case/1.dcm: no space is left on the device (")


@pytest.mark.parametrize("text", ["[Errno 2] No such file", "(os error 13)", "[Errno x]", "an error 28"])
def test_other_words_of_a_library_stay_a_bug(text: str) -> None:
    assert explain(RuntimeError(text)) is None


@pytest.mark.parametrize("below", ["out", "out/.build/listing.json"])
def test_a_file_on_the_way_to_a_path_is_named(tmp_path, below):
    (tmp_path / "file").touch()
    line = explain(caught(lambda: (tmp_path / "file" / below).read_text()))
    assert line == f"{tmp_path / 'file'}: a file, where a folder is due. Correct the path."
