"""Read tables of questions (Parquet, JSON Lines, JSON, CSV, TSV) with errors that name file, row, rule and remedy."""

import base64
import binascii
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gmai_formats import separated
from gmai_formats.errors import UserError, did_you_mean, told
from gmai_formats.json_text import parse_json

from gmai_bench.parquet import parquet_rows

_ROWS_AT_ONCE = 64
_RECORDS_LOOKED_AT = 1000
"""Records of a JSON file that are looked at to find its columns."""
"""Characters; a table may carry whole images as text."""
_LONGEST_PATH = 1024
"""A longer text is an image in base64."""

Row = tuple[str, dict[str, Any]]
"""Place, for messages, and cells."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How files are laid out where their names do not say it."""

    delimiter: str = ""
    """Delimiter of a text file."""
    header: tuple[str, ...] = ()
    """Names of columns, where the first line has none."""
    records: str = ""
    """Where in JSON the rows stand, see `Declaration.records`."""


def read_rows(
    files: Sequence[Path],
    columns: Sequence[str],
    *,
    named_in: str,
    optional: Sequence[str] = (),
    layout: Layout | None = None,
) -> Iterator[Row]:
    """Yield `(place, row)` of several files, a few rows in memory at a time (but for JSON).

    Args:
        files: Parquet, .jsonl, .json, .csv or .tsv, read in the order given.
        columns: Columns to read; every one must be there, in JSON in some record of a file.
        optional: Columns that are read where they are there.
        named_in: What asked for these columns, for the message about an unknown one.
        layout: How the files are laid out where their names do not say it.

    Raises:
        UserError: A file is missing, not what its name says, truncated, or lacks a column.
    """
    for path in files:
        if not path.is_file():
            raise UserError(
                f"{path}: no such file. {named_in} names it as the file of its questions. "
                f"Correct the path, or copy the file there."
            )
        wanted = _Wanted(tuple(dict.fromkeys(columns)), tuple(optional), named_in, layout or Layout())
        read = _separated(layout.delimiter) if layout and layout.delimiter else _READERS.get(path.suffix.lower())
        if read is None:
            raise UserError(
                f"{path}: a file of questions is one of {', '.join(_READERS)}, by its name. Convert or rename it."
            )
        yield from read(path, wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    columns: tuple[str, ...]
    optional: tuple[str, ...]
    named_in: str
    layout: Layout = Layout()

    def check(self, known: Collection[str], path: Path) -> None:
        for column in self.columns:
            if column not in known:
                raise UserError(
                    f'{path}: no column "{column}". {self.named_in} asks for it.{did_you_mean(column, known)}'
                )


def _parquet(path: Path, wanted: _Wanted) -> Iterator[Row]:
    def columns(known: list[str]) -> list[str]:
        wanted.check(known, path)
        return [*wanted.columns, *(name for name in wanted.optional if name in known)]

    return parquet_rows(path, columns, at_once=_ROWS_AT_ONCE)


def _lines_or_list(path: Path, wanted: _Wanted) -> Iterator[Row]:
    """Yield the rows of a .jsonl file, which may be a JSON list all the same."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            is_list = next((line for line in file if line.strip()), "").lstrip().startswith("[")
    except (OSError, ValueError):
        is_list = False  # what reads the lines says what is wrong
    yield from _json(path, wanted) if is_list else _json_lines(path, wanted)


def _json_lines(path: Path, wanted: _Wanted) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            records = (
                _record(parse_json(line), f"{path} line {number}")
                for number, line in enumerate(file, start=1)
                if line.strip()
            )
            yield from _checked(records, wanted, path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON Lines ({error}). Correct it there, or copy it again.") from error


def _holds_lines(path: Path) -> bool:
    """Return whether a file is a JSON object a line, as many of the Hub are that are called .json."""
    with path.open(encoding="utf-8-sig") as file:
        first, second = (next((line for line in file if line.strip()), "") for _ in range(2))
    try:
        return bool(second) and isinstance(parse_json(first), dict)
    except ValueError:
        return False


def _json(path: Path, wanted: _Wanted) -> Iterator[Row]:
    try:
        if _holds_lines(path):
            yield from _json_lines(path, wanted)
            return
        loaded: Any = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}). Copy or download it again.") from error
    if wanted.layout.records:
        found = [(place, dict(row)) for place, row in _nested(loaded, wanted.layout.records.split("."), str(path), {})]
        yield from _checked(iter(found), wanted, path)
        return
    if isinstance(loaded, dict):
        mapping = cast("dict[str, Any]", loaded)
        lists = [value for value in mapping.values() if isinstance(value, list)]
        if mapping and all(isinstance(value, dict) for value in mapping.values()):
            loaded = [{"id": key, **value} for key, value in mapping.items()]
        elif len(lists) == 1:
            loaded = lists[0]
    if not isinstance(loaded, list):
        raise UserError(
            f"{path}: found a {type(loaded).__name__}. Questions are a list of records, a mapping id ▶ record, "
            f"or a mapping with one such list. Take it out of the file."
        )
    records = (_record(record, f"{path} record {n}") for n, record in enumerate(cast("list[Any]", loaded), start=1))
    yield from _checked(records, wanted, path)


def _nested(value: Any, keys: Sequence[str], place: str, kept: dict[str, str]) -> Iterator[Row]:
    """Yield the records of the lists at a path of keys, each with the keys that the path names."""
    if not keys:
        for number, record in enumerate(cast("list[Any]", value if isinstance(value, list) else [value]), start=1):
            where, row = _record(record, f"{place} record {number}")
            yield where, {**kept, **row}
        return
    mapping = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    name = keys[0][1:-1] if keys[0].startswith("{") else ""
    chosen = list(mapping) if name else [keys[0]]
    if not mapping or (not name and keys[0] not in mapping):
        raise UserError(
            f'{place}: has no "{keys[0]}" (it has {", ".join(list(mapping)[:8]) or "no keys"}). `records` of the '
            f"declaration names where the questions stand. Correct it, or download the file again."
        )
    for key in chosen:
        yield from _nested(mapping[key], keys[1:], f"{place} {key}", {**kept, **({name: key} if name else {})})


def _checked(records: Iterator[Row], wanted: _Wanted, path: Path) -> Iterator[Row]:
    """Yield the records once the columns were seen: a record may lack one, for empty fields are often left out."""
    first = list(itertools.islice(records, _RECORDS_LOOKED_AT))
    wanted.check({name for _, record in first for name in record}, path)
    yield from first
    yield from records


def _record(record: Any, place: str) -> Row:
    if not isinstance(record, dict):
        raise UserError(f"{place}: found a {type(record).__name__}. A question is an object. Correct it.")
    return place, cast("dict[str, Any]", record)


def _separated(delimiter: str) -> Callable[[Path, _Wanted], Iterator[Row]]:
    def read(path: Path, wanted: _Wanted) -> Iterator[Row]:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                given = [name for name in wanted.layout.header if not name.endswith("...")] or None
                rest = next((name[:-3] for name in wanted.layout.header if name.endswith("...")), None)
                # a text without names of columns has no rules of quoting either
                quoting = separated.QUOTE_NONE if given else separated.QUOTE_MINIMAL
                reader = separated.DictReader(
                    file, fieldnames=given, restkey=rest, delimiter=delimiter, strict=not given, quoting=quoting
                )
                names = [name.strip() for name in reader.fieldnames or []]
                reader.fieldnames = names
                wanted.check([*names, *([rest] if rest else [])], path)
                for number, row in enumerate(reader, start=1):
                    if None in row.values() or None in row:
                        raise UserError(
                            f"{path} row {number}: has another number of cells than the header ({len(names)}). The "
                            f"file is damaged or cut off. Copy or download it again."
                        )
                    yield f"{path} row {number}", dict(row)
        except (OSError, UnicodeDecodeError, separated.TableError) as error:
            raise UserError(f"{path}: not readable as a table ({told(error)}). Copy or download it again.") from error

    return read


_READERS: Mapping[str, Callable[[Path, _Wanted], Iterator[Row]]] = {
    ".parquet": _parquet,
    ".jsonl": _lines_or_list,
    ".json": _json,
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
}


def image_bytes(
    value: Any, *, place: str, folder: Path, read: Callable[[str, str], bytes] | None = None
) -> list[bytes]:
    """Return the encoded images of one cell.

    Args:
        value: A Hugging Face `Image` struct `{bytes, path}`, a path, base64, or a list of these.
        place: File and row, for messages.
        folder: Where the paths start.
        read: Reads a path in place of that.
    """
    if value is None or value == "":
        return []
    if isinstance(value, list):
        entries = cast("list[Any]", value)
        return [one for entry in entries for one in image_bytes(entry, place=place, folder=folder, read=read)]
    if isinstance(value, bytes):
        return [value]
    path: Any = value
    if isinstance(value, Mapping):
        struct = cast("Mapping[str, Any]", value)
        if struct.get("bytes"):
            return [cast("bytes", struct["bytes"])]
        path = struct.get("path")
    if not isinstance(path, str) or not path:
        raise UserError(
            f"{place}: an image has neither bytes nor a path. Each image is a struct {{bytes, path}} or a path. "
            f"Write the encoded image into `bytes`."
        )
    if len(path) > _LONGEST_PATH or path.startswith("data:image/"):
        return [decoded(path, place)]
    if path.startswith("["):
        listed = _listed_paths(path)
        if listed is not None:
            return image_bytes(listed, place=place, folder=folder, read=read)
    return [read(path, place) if read else read_image_file(folder / path, place=place)]


def _listed_paths(text: str) -> list[Any] | None:
    """Return the paths of a cell that is a list as text, as tables of VLMEvalKit have it."""
    try:
        parsed: Any = parse_json(text.replace("'", '"'))
    except ValueError:
        return None
    return cast("list[Any]", parsed) if isinstance(parsed, list) else None


def decoded(text: str, place: str) -> bytes:
    """Return the bytes of an image in base64, with or without `data:image/png;base64,` in front."""
    try:
        return base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(
            f"{place}: the image is not whole base64 ({error}; {len(text)} characters). The file is damaged or cut "
            f"off. Download it again."
        ) from error


def read_image_file(path: Path, *, place: str) -> bytes:
    """Return the bytes of an image file, or explain which question misses it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{place}: the image {path} cannot be read ({error.strerror}). "
            f"Every image that a question names must be there. Complete the copy of the images."
        ) from error
