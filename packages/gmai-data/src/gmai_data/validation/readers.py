"""Files of any of the formats ▶ rows with their numbers; a file is read once, in portions of bounded size."""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

from gmai_data.publishing.image_files import SUFFIXES
from gmai_data.untyped import pa, pq
from gmai_data.validation.json_stream import first_of, json_lines, json_list, parse_json
from gmai_data.validation.mixture import is_mixture
from gmai_data.validation.row import KNOWN
from gmai_data.validation.rules import Problem

Format = Literal["parquet", "webdataset", "json", "jsonl"]

_CHATS = ("messages", "conversations")
_ROWS_AT_ONCE = 64
_END_BYTES = 1024
"""Zeros that end a tar file."""
_PICTURES = frozenset(SUFFIXES.values()) | {"jpeg", "tiff"}


def format_of(path: Path) -> Format | Literal["mixture"] | None:
    """Return what a file holds by its name and first entry; None where it holds no samples."""
    if path.suffix == ".parquet":
        try:
            names = pq.read_schema(path).names
        except (pa.ArrowException, OSError):
            return "parquet"  # reading it says what is wrong
        return "parquet" if any(name in names for name in _CHATS) else None
    if path.suffix == ".tar":
        return "webdataset"
    if path.suffix in (".json", ".jsonl"):
        return _json_format(path)
    return None


def _json_format(path: Path) -> Format | Literal["mixture"] | None:
    if path.suffix == ".json" and _is_chat(next((value for _, value in json_lines(path)), None)):
        return "jsonl"  # JSON Lines under another name
    first = first_of(path)
    if path.suffix == ".json" and is_mixture(first):
        return "mixture"
    if isinstance(first, Problem) or _is_chat(first):
        return "json" if path.suffix == ".json" else "jsonl"
    return None


def _is_chat(value: Any) -> bool:
    return isinstance(value, dict) and any(name in value for name in _CHATS)


def read_rows(path: Path, form: Format) -> Iterator[tuple[int, Any | Problem]]:
    """Yield (number, value) of each row: from 0, in JSON Lines the line, from 1. A `Problem` stands for a bad one."""
    readers = {"parquet": _parquet, "webdataset": _webdataset, "json": json_list, "jsonl": json_lines}
    number = -1
    try:
        for number, value in readers[form](path):
            yield number, value
    except (OSError, pa.ArrowException, tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        yield number + 1, Problem("file", f"cannot be read on ({str(error).splitlines()[0]:.120})")


def _parquet(path: Path) -> Iterator[tuple[int, Any | Problem]]:
    number = 0
    with pq.ParquetFile(path) as file:
        names: list[str] = file.schema_arrow.names
        unknown = dict.fromkeys(set(names) - KNOWN)  # named, but not read
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=[name for name in names if name in KNOWN]):
            for row in batch.to_pylist():
                yield number, row | unknown
                number += 1


def _webdataset(path: Path) -> Iterator[tuple[int, Any | Problem]]:
    number, key = 0, None
    members: dict[str, bytes] = {}
    with tarfile.open(path, "r|") as tar:
        for member in tar:
            cast(Any, tar).members.clear()  # else the list of them grows with the file
            if not member.isfile():
                continue
            found = re.fullmatch(r"((?:.*/)?[^./][^.]*)\.(.+)", member.name, re.DOTALL)
            if found is None or PurePosixPath(member.name).is_absolute() or ".." in PurePosixPath(member.name).parts:
                yield number, Problem("file", f"the member {member.name!r:.100} is not KEY.SUFFIX")
                number += 1
                continue
            if found[1] != key and key is not None:
                yield number, _sample(members)
                number, members = number + 1, {}
            key = found[1]
            opened = tar.extractfile(member)
            members[found[2].lower()] = opened.read() if opened else b""
    if key is not None:
        yield number, _sample(members)
    with path.open("rb") as file:  # tarfile takes a header that was cut for the end
        file.seek(max(path.stat().st_size - _END_BYTES, 0))
        if file.read() != bytes(_END_BYTES):
            yield number + 1, Problem("file", "the archive has no end mark: it was cut")


def _sample(members: dict[str, bytes]) -> Any | Problem:
    if "json" not in members:
        return Problem("columns", f"the sample has {', '.join(sorted(members))[:100]}, but no json")
    value = parse_json(members["json"])
    pictures = [name for name in members if name.rpartition(".")[2] in _PICTURES]
    if isinstance(value, dict):
        value["images"] = [members[name] for name in sorted(pictures, key=_order)]
        value.pop("image", None)
        others = members.keys() - {"json"} - set(pictures)
        value.update({f".{name}": None for name in others})
    return value


def _order(name: str) -> tuple[int, str]:
    number = name.partition(".")[0]
    return (int(number) if number.isdigit() else 0, name)
