"""Where the images of rows are: inside a file, in a file of their own below the image folders, or in the row itself."""

import base64
import binascii
import errno
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, runtime_checkable

from gmai_formats.rows.rules import Problem, shortened

SUFFIXES = frozenset({"png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"})
"""Suffixes of the members of a WebDataset that are images."""
_MAY_BE_ODD = re.compile(r"\.\.|:|\0|^[\[{]")
_BASE64_PICTURE = re.compile(r"(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|Qk[0-3]|SUkq|TU0A)[A-Za-z0-9+/\s]+={0,2}\s*")
"""Base64 that begins as PNG, JPEG, GIF, WebP, BMP and TIFF do."""
_SHORTEST_BASE64 = 64
PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
"""How PNG, JPEG, GIF, WebP, BMP and TIFF begin."""
LEAST_BYTE, GREATEST_BYTE = -128, 255
"""Bytes as numbers are signed in Java, and are not in other languages."""
_PART_OF_IMAGE = re.compile(
    r"(?:frame|page|slice)(?:_?(?:index|idx|number|no|id))?|crop|b(?:ounding_?)?box|roi|region|rotat(?:e|ion)|flip",
    re.IGNORECASE,
)
HELD = ("bytes", "base64", "data", "path", "url", "image_url", "image", "source")
"""Keys of an object that stands for an image, its content first: of `datasets`, and of what is sent to chat servers."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")


LARGEST_IMAGE = 1 << 30
"""Bytes of one encoded image. Whole slides are no samples."""


@runtime_checkable
class ImageBytes(Protocol):
    """One encoded image (PNG, JPEG, …)."""

    def read(self) -> bytes:
        """Return the file's content.

        Raises:
            OSError: It cannot be read.
        """
        ...


@dataclass(frozen=True)
class FilePart:
    """An image that is a file, or a part of one (a member of a tar)."""

    file: Path
    offset: int = 0
    size: int = -1
    """Length in bytes; −1 reads to the end."""

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            OSError: They cannot be read, or are more than `LARGEST_IMAGE`.
        """
        with self.file.open("rb") as handle:
            size = self.size if self.size >= 0 else os.fstat(handle.fileno()).st_size - self.offset
            if size > LARGEST_IMAGE:
                raise OSError(
                    errno.EFBIG, f"an image of {size:,} bytes; more than {LARGEST_IMAGE:,} is none", self.file
                )
            handle.seek(self.offset)
            return handle.read(self.size)


@dataclass(frozen=True)
class InTable:
    """An image of a Parquet file that is not read with its row: the file's `number`-th one."""

    number: int


@dataclass(frozen=True)
class NamedImage:
    """An image that a row names by its path, or holds as a `data:` URI."""

    name: str
    folders: tuple[Path, ...]

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            OSError: There is no such file below the folders, or it cannot be read.
        """
        content = read_named(self.name, self.folders)
        if isinstance(content, Problem):
            raise FileNotFoundError(content.found)
        return content


Image = str | bytes | FilePart | InTable
"""A path or a `data:` URI, the encoded picture, or where it lies."""


def images_of(value: Any) -> list[Image] | Problem:
    """Return the images of a column; none for null or "".

    Args:
        value: A path, a `data:` URI, base64, bytes, also as a list of numbers, an object that holds one of them
            (`{"bytes", "path"}`, `{"url"}`, …), or a list of these, also as JSON text.
    """
    if type(value) is str and value.isascii() and len(value) < _SHORTEST_BASE64 and not _MAY_BE_ODD.search(value):
        return [value] if value else []
    if isinstance(value, str) and value[:1] in ("[", "{") and value.rstrip()[-1:] in ("]", "}"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return Problem("images", f"{shortened(value)} looks like a list and is no JSON")
    if value is None or value == "":
        return []
    images: list[Image] = []
    for number, entry in enumerate(value if isinstance(value, list) and not _is_bytes(value) else [value], start=1):
        image = held_in(entry)
        if isinstance(entry, dict) and (name := _of_part(entry)):
            return Problem("fields", f"`{name}` of image {number} is not read")
        if not isinstance(image, str | bytes | FilePart | InTable) or image in ("", b""):
            return Problem("images", f"image {number} is neither a picture nor a path")
        if isinstance(image, str) and (found := _unusable(image)):
            return Problem("path", found)
        images.append(image)
    return images


def _of_part(image: dict[str, Any]) -> str:
    """Return the key of an object that makes the image another one than its file: a frame of it, or a part."""
    return next((key for key, value in image.items() if value is not None and _PART_OF_IMAGE.fullmatch(str(key))), "")


def held_in(value: Any) -> Any:
    """Return the picture, path or `data:` URI that an object of `HELD` stands for; None where it holds none."""
    if isinstance(value, dict):
        if value.get("type") == "base64" and isinstance(value.get("data"), str):
            return f"data:{value.get('media_type')};base64,{value['data']}"
        held = next((value[key] for key in HELD if value.get(key) is not None), None)
        if isinstance(value.get("bytes"), str) and not is_base64_picture(value["bytes"]):
            return None
        return held_in(held)
    if isinstance(value, str):
        if is_base64_picture(value):
            return f"data:;base64,{''.join(value.split())}"
        return value.removeprefix("file://")
    if _is_bytes(value):
        content = bytes(number & 0xFF for number in value)
        return f"data:;base64,{base64.b64encode(content).decode()}"
    return value


def _is_bytes(value: Any) -> bool:
    """Return whether a list of numbers is the content of a picture, byte by byte, signed or not."""
    if not isinstance(value, list) or not value or type(value[0]) is not int:
        return False
    if not all(type(number) is int and LEAST_BYTE <= number <= GREATEST_BYTE for number in value):
        return False
    return bytes(number & 0xFF for number in value[:8]).startswith(PICTURE_STARTS)


def is_base64_picture(text: str) -> bool:
    """Return whether a text is a picture in base64, by how its format begins."""
    return len(text) >= _SHORTEST_BASE64 and _BASE64_PICTURE.fullmatch(text) is not None


def _unusable(name: str) -> str | None:
    """Return what is wrong with a path whatever folder it is in."""
    if not name.isascii() and _SURROGATE.search(name):
        return "an image path holds half of a surrogate pair, which is no text"
    if name.startswith("data:"):
        return None if ";base64," in name[:100] else f"{shortened(name)} is a data: URI without base64"
    if "://" in name:
        return f"{shortened(name)} is an address, and nothing is fetched from the network"
    if "\0" in name or (".." in name and ".." in PurePosixPath(name.replace("\\", "/")).parts):
        return f"{shortened(name)} leads out of the image folder"
    return None


def read_named(name: str, folders: Sequence[Path]) -> bytes | Problem:
    """Return the content of an image that a row names.

    Args:
        name: Relative to one of the folders, or absolute and inside one of them, or a `data:` URI.
        folders: Tried one after the other.
    """
    if name.startswith("data:"):
        try:
            return base64.b64decode(name.partition(",")[2], validate=True)
        except (binascii.Error, ValueError):
            return Problem("decode", f"{shortened(name, 40)} is not base64")
    path = find_image(name, folders)
    if isinstance(path, Problem):
        return path
    try:
        return path.read_bytes()
    except OSError as error:
        return Problem("path", f"{shortened(str(path))}: {error.strerror or error}")


def find_image(name: str, folders: Sequence[Path]) -> Path | Problem:
    """Return the file that a path means in the first of the folders that has it."""
    if (found := _unusable(name)) is not None:
        return Problem("path", found)
    if not folders:
        return Problem("path", f"{shortened(name)}: the image is not in the file, and there is no folder to look in")
    spellings = (name, name.replace("\\", "/")) if "\\" in name else (name,)  # the second of a file written on Windows
    inside = [path for own in spellings for folder in folders if (path := folder / own).is_relative_to(folder)]
    if not inside:
        return Problem("path", f"{shortened(name)} leads out of the image folder {folders[0]}")
    try:
        for path in inside:
            if path.is_file():
                return path
        if any(path.exists() for path in inside):
            return Problem("path", f"{shortened(name)} is no file")
    except (OSError, ValueError) as error:  # too long, not allowed, or no name that a file could have
        return Problem("path", f"{shortened(name)}: {error!s:.60}")
    return Problem("path", f"{shortened(name)} is missing: it is not in {' or '.join(map(str, folders))}")
