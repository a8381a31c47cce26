"""The list of a benchmark's questions and images that `gmai bench fingerprints` writes and a data build keeps clear of.

JSON Lines: `{"hash", "protocol", "id", "question", "images": [{"sha256", "phash", "thumbnail"}]}`. `hash` names the
perceptual hash of the line, `question` is normalised, `phash` has 16 hex digits, or is null for an image without one.
`thumbnail` may be missing: 64 × 64 grey levels, a byte each, by zlib and base64, once for each image. With it pictures
are compared themselves, without it by their hashes alone.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.files import replace_atomically
from gmai_formats.fingerprints.perceptual import EDGE_PX, HASH
from gmai_formats.json_text import parse_json

_REMEDY = "Write the list again with `gmai bench fingerprints` of the installed version."


@dataclass(frozen=True, slots=True)
class ListedQuestion:
    """One question of a benchmark."""

    protocol: str
    id: str
    question: str
    """Its normalised words."""
    images: Mapping[str, int | None]
    """SHA-256 ▶ perceptual hash."""
    thumbnails: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """SHA-256 ▶ thumbnail, row by row, of the images that have one here."""


def write_list(path: Path, questions: Iterable[ListedQuestion]) -> int:
    """Write the list and return how many lines there are."""
    count = 0
    shown: set[str] = set()
    with replace_atomically(path) as file:
        for one in questions:
            images = [
                {"sha256": digest, "phash": None if value is None else f"{value:016x}"}
                | ({} if digest in shown else _packed(one.thumbnails.get(digest)))
                for digest, value in one.images.items()
            ]
            shown.update(one.thumbnails)
            line = {"hash": HASH, "protocol": one.protocol, "id": one.id, "question": one.question, "images": images}
            file.write((json.dumps(line, ensure_ascii=False) + "\n").encode())
            count += 1
    return count


def read_list(path: Path) -> Iterator[ListedQuestion]:
    """Yield the questions of a list.

    Raises:
        UserError: The file is missing, a line is not of this form, or its hashes are not those of this version.
    """
    for number, line in enumerate(_lines(path), start=1):
        try:
            entry = parse_json(line)
            name = entry.get("hash")
            images = {
                str(image["sha256"]): None if image["phash"] is None else _hash(image["phash"])
                for image in entry["images"]
            }
            thumbnails = {
                str(image["sha256"]): _unpacked(image["thumbnail"]) for image in entry["images"] if "thumbnail" in image
            }
            one = ListedQuestion(str(entry["protocol"]), str(entry["id"]), str(entry["question"]), images, thumbnails)
        except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
            raise UserError(
                f"{path}:{number}: {type(error).__name__} {error}. A line has hash, protocol, id, question and images "
                f"with sha256 and phash. {_REMEDY}"
            ) from error
        if name != HASH:
            found = "names no perceptual hash" if name is None else f'has hashes of the kind "{name}"'
            raise UserError(
                f"{path}:{number}: {found}, and pictures are compared by {HASH}. "
                f"Hashes of two kinds cannot be compared. {_REMEDY}"
            )
        yield one


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable ({error}). Write the list with `gmai bench fingerprints`.") from error


def _packed(thumbnail: bytes | None) -> dict[str, str]:
    return {} if thumbnail is None else {"thumbnail": base64.b64encode(zlib.compress(thumbnail, 9)).decode("ascii")}


def _unpacked(text: str) -> bytes:
    size = EDGE_PX * EDGE_PX
    pixels = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    if len(pixels) != size:
        raise ValueError(f"a thumbnail has {len(pixels)} pixels and not {size}")
    return pixels


def _hash(text: str) -> int:
    value = int(text, 16)
    if not 0 <= value < 1 << 64:
        raise ValueError(f'"{text}" is no hash of 16 hex digits')
    return value
