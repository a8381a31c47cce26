"""Disks of any size in memory, where a process may mount them: for `make faults`."""

import contextlib
import functools
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

_INSIDE = ("unshare", "--mount", "--map-root-user")
_IS_INSIDE = "GMAI_FAULTS_MAY_MOUNT"
_LARGE = "size=2g,nr_inodes=1000000"
_BLOCK = 4096


@functools.cache
def prefix() -> list[str]:
    """Return what starts a command where it may mount disks that nobody else sees; nothing where that is forbidden."""
    probe = [*_INSIDE, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    if shutil.which("unshare") and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return [*_INSIDE, "env", f"{_IS_INSIDE}=1"]
    return []


def may_mount() -> bool:
    """Return whether this process was started behind `prefix`."""
    return os.environ.get(_IS_INSIDE) == "1"


class Disk:
    """A file system in memory whose size can be changed while it holds files."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def grow(self) -> None:
        """Give it more room than anything here needs."""
        _mount(f"remount,{_LARGE}", self._place)

    def leave(self, share: float, whole: Path, start: Path, *, inodes: bool) -> None:
        """Leave free a share of what a command adds to its folder.

        Args:
            share: Of what it adds; 0 leaves nothing.
            whole: The folder at the end.
            start: The folder at the beginning.
            inodes: Of files and folders, not of bytes.
        """
        found = os.statvfs(self._place)
        (blocks, files), (blocks_before, files_before) = _sizes(whole), _sizes(start)
        if inodes:
            free = int(share * (files - files_before))
            _mount(f"remount,nr_inodes={found.f_files - found.f_ffree + free}", self._place)
        else:
            free = int(share * (blocks - blocks_before))
            _mount(f"remount,size={max(1, found.f_blocks - found.f_bfree + free) * _BLOCK}", self._place)


@contextlib.contextmanager
def mounted(place: Path) -> Generator[Disk]:
    """Put a disk where a folder is, while the block runs."""
    _mount(_LARGE, place)
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _mount(options: str, place: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)


def _sizes(folder: Path) -> tuple[int, int]:
    """Return the blocks and the inodes that a folder takes."""
    paths = list(folder.rglob("*"))
    return sum(-(-path.lstat().st_size // _BLOCK) for path in paths if path.is_file()), len(paths)
