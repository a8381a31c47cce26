"""A folder that appears whole or not at all: written under a hidden name beside its place, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.files import fsync_directory

from gmai_cli.run_lock import NAME, RunLock

_BLOCK_BYTES = 4096


def check_new(target: Path) -> None:
    """Return where `target` can be written as a new folder.

    Raises:
        UserError: It holds something.
        OSError: As of `check_writable`.
    """
    if target.is_file():
        raise UserError(f"{target}: a file, and what is written is a new folder. Give another one.")
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target}: not empty. It is written as a whole, into a new folder. Give another one.")
    check_writable(target)


def check_writable(target: Path) -> None:
    """Write a block where a file or folder will be, and remove it: a full disk is told before the work, not after it.

    Raises:
        OSError: It cannot be written; the error names `target`.
    """
    place = next(folder for folder in target.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(_BLOCK_BYTES))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


_LOGS = (".log", ".out", ".err")


def require_own(out: Path, *, command: str, begun: Collection[str]) -> None:
    """Refuse an output folder that holds something else, before anything is written there.

    Hidden files, locks and logs do not count: `gmai train --out RUN >RUN/today.log` is a new run.

    Args:
        out: Folder to write to; it may be absent.
        command: What would write, for the message.
        begun: Names of which each shows that the command has been at work there.

    Raises:
        UserError: It holds something, and none of these names.
    """
    if not out.is_dir() or any((out / name).exists() for name in begun):
        return
    held = sorted(path.name for path in out.iterdir() if not path.name.startswith((".", NAME)))
    if held := [name for name in held if not name.endswith(_LOGS)]:
        more = f" and {len(held) - 1} more" if len(held) > 1 else ""
        raise UserError(
            f"{out}: holds {held[0]}{more}, and no `{command}` began it. The output folder is new, or that of a run to "
            "go on with. Give another --out."
        )


@contextmanager
def new_folder(target: Path) -> Generator[Path]:
    """Yield an empty folder that takes the place of `target` when the block ends without an error.

    A kill leaves `.NAME.partial` beside `target`, which the next run with the same target removes.

    Raises:
        UserError: `target` holds something, or another process is writing it.
    """
    check_new(target)
    parent, name = target.absolute().parent, target.absolute().name
    lock = RunLock(parent, f".{name}.lock", works_on=target)
    lock.acquire()
    try:
        check_new(target)  # what another process did meanwhile
        partial = parent / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            yield partial
            os.sync()  # one flush for all files: they may be a million small images
            if target.is_dir():
                target.rmdir()
            partial.replace(target)
            fsync_directory(parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    finally:
        lock.release()
