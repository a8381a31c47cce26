"""State that a later run reads: written aside with a digest, verified when read, never used where it is damaged.

A reader gets what was written, or learns that the file is absent or damaged, and then does one of three things and says
which: it makes the file again, falls back to the newest whole one, or refuses with the command that mends it.
"""

import hashlib
import json
import os
import stat
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.files import LONGEST_LINE_BYTES, as_json, bounded_lines, replace_atomically, sha256_file, write_json

DIGEST = "sha256"
"""The last key of a state file: the digest of everything before it."""


CHECK = "crc"
"""The last key of a line that is appended: the CRC-32 of the line without it."""


class DamagedError(UserError):
    """A state file does not hold what was written; the message names the file and says how that is known.

    Who can make the file again, or do without it, catches this; otherwise the command ends with the message.
    """


def write_state(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as JSON with its digest, durably: after a power cut the old or the new one is there."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(values), default=str))
    write_json(path, {**plain, DIGEST: _digest(plain)})


def read_state(path: Path) -> dict[str, Any]:
    """Return what `write_state` wrote.

    Raises:
        FileNotFoundError: There is none.
        DamagedError: It is cut short, zeroed or altered.
    """
    if path.stat().st_size > 4 * LONGEST_LINE_BYTES:
        raise DamagedError(f"{path} is damaged: it has {path.stat().st_size:,} bytes, and no state has so many")
    try:
        content = path.read_bytes()
        found: Any = json.loads(content)
    except ValueError as error:  # a UnicodeDecodeError is one
        raise DamagedError(f"{path} is damaged: it is not JSON") from error
    except RecursionError as error:
        raise DamagedError(f"{path} is damaged: its JSON is nested too deeply") from error
    if not isinstance(found, dict) or DIGEST not in found:
        raise DamagedError(f"{path} is damaged: it has no digest")
    values: dict[str, Any] = dict(found)  # pyright: ignore[reportUnknownArgumentType]
    # The digest is of the values. The text is compared too: a file is whole or it is not.
    if values.pop(DIGEST) != _digest(values) or content != as_json(found).encode():
        raise DamagedError(f"{path} is damaged: its content differs from its digest")
    return values


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def seal(path: Path, digest: str = "") -> dict[str, Any]:
    """Return the size and digest of a file, to be kept in the state that stands for it.

    Args:
        path: The file.
        digest: Its SHA-256 where that was computed while it was written.
    """
    return {"bytes": path.stat().st_size, DIGEST: digest or sha256_file(path)}


def damage(path: Path, sealed: Mapping[str, Any], digest: str = "") -> str:
    """Return how a file differs from its seal; nothing where it is whole.

    Args:
        path: The file.
        sealed: As `seal` returned it.
        digest: The file's SHA-256 where that was computed just now.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return f"{path.name} is no file"  # reading a device or a pipe may never end
        if (size := found.st_size) != sealed["bytes"]:
            return f"{path.name} has {size:,} bytes instead of {sealed['bytes']:,}"
        return (
            ""
            if (digest or sha256_file(path)) == sealed[DIGEST]
            else f"the content of {path.name} differs from its digest"
        )
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror or error}"


def framed(line: bytes) -> bytes:
    """Return a JSON object, written on one line, with its check as the last key and a line feed.

    Args:
        line: The object, with at least one key.
    """
    return b'%b, "%b": "%08x"}\n' % (line[:-1], CHECK.encode(), zlib.crc32(line))


def unframed(line: bytes) -> bytes | None:
    """Return the object that `framed` was given, or None where the line is damaged.

    A line without a check is returned as it is: earlier versions wrote none.
    """
    line = line.rstrip(b"\r\n")
    head, frame = line[:-_FRAME_BYTES], line[-_FRAME_BYTES:]
    if not frame.startswith(_FRAME):
        return line
    given = head + b"}"
    return given if frame == framed(given)[-_FRAME_BYTES - 1 : -1] else None


_FRAME = b', "%b": "' % CHECK.encode()
_FRAME_BYTES = len(_FRAME) + len('00000000"}')


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Append one JSON line with its check, durably; it never continues a line that a power cut tore."""
    line = framed(json.dumps(dict(values), ensure_ascii=False).encode())
    with path.open("a+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - 1, 0))
        file.write(b"\n" + line if end and file.read(1) != b"\n" else line)
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path, *, needs: Iterable[str] = ()) -> tuple[list[dict[str, Any]], int]:
    """Return the objects of a JSON Lines file that is appended to, and how many lines are damaged.

    Args:
        path: The file; an absent one has no lines.
        needs: Keys without which a line is damaged.
    """
    if not path.is_file():
        return [], 0
    needed = set(needs)
    good: list[dict[str, Any]] = []
    damaged = 0
    with path.open("rb") as file:
        for line in bounded_lines(file):
            if line is not None and not line.strip():
                continue
            try:
                values: Any = json.loads(unframed(line or b"") or b"")
            except (ValueError, RecursionError):
                values = None
            if isinstance(values, dict) and needed <= values.keys():
                good.append(values)  # pyright: ignore[reportUnknownArgumentType]
            else:
                damaged += 1
    return good, damaged


def rewrite_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Replace a JSON Lines file by these objects, each with its check, durably."""
    with replace_atomically(path) as file:
        for values in lines:
            file.write(framed(json.dumps(dict(values), ensure_ascii=False).encode()))
