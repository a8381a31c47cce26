"""A folder that appears whole or not at all: written under a hidden name beside its place, then renamed."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.files import fsync_directory

from gmai_cli.run_lock import RunLock


def check_new(target: Path) -> None:
    """Raise `UserError` unless `target` is absent or an empty folder."""
    if target.is_file():
        raise UserError(f"{target}: a file, and what is written is a new folder. Give another one.")
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target}: not empty. It is written as a whole, into a new folder. Give another one.")


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
