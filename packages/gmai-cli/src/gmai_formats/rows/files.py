"""A file of samples of any format ▶ its rows, each with its number: one pass, in portions of bounded size."""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

import numpy as np
import pyarrow

from gmai_formats import separated
from gmai_formats.rows.images import SUFFIXES as PICTURES
from gmai_formats.rows.images import FilePart
from gmai_formats.rows.json_stream import LONGEST_ENTRY, first_of, json_lines, json_list, parse_json
from gmai_formats.rows.rules import Problem, shortened
from gmai_formats.rows.shapes import CAPTIONS, IMAGES, is_row, shape_of
from gmai_formats.rows.tables import Batch, arrow_batches, parquet_batches, parquet_rows, table_columns

pa: Any = cast(Any, pyarrow)

Format = Literal["parquet", "arrow", "json", "jsonl", "csv", "webdataset"]
SUFFIXES = (".parquet", ".arrow", ".json", ".jsonl", ".csv", ".tsv", ".tar")
_OTHER_MEDIA = re.compile(r"(?:^|[._-])masks?\.|\.?(?:mp4|avi|mov|mkv|webm|wav|mp3|flac|m4a|ogg)$")
"""Members of a WebDataset that change what a sample means."""
_IMAGE_MEMBER = re.compile(r"(?:(?:images?|img|picture|frame|page|view|slice)[._-]?)?\d*")
"""What may stand before the suffix of a picture that is the sample's, or one of several in order."""
_ARRAY = re.compile(r"(?:npy|npz|dcm|dicom|nii|nii\.gz|mha|nrrd|pt|pth|pyd|pickle|pkl|bin|ten|tensor|pgm|ppm|jp2|svs)$")
"""Members that hold what a sample without another picture shows."""
_END_BYTES = 1024
"""Zeros that end a tar file."""
_BLOCK_BYTES = 1 << 20


def format_of(path: Path) -> Format | Literal["mixture"] | None:
    """Return what a file holds by its name and first entry; None where it holds no samples.

    Raises:
        OSError: It cannot be opened.
    """
    if path.suffix in (".parquet", ".arrow"):
        form: Format = "parquet" if path.suffix == ".parquet" else "arrow"
        try:
            return form if shape_of(table_columns(path)) is not None else None
        except (pa.ArrowException, OSError):
            return form  # reading it says what is wrong
    if path.suffix == ".tar":
        return "webdataset"
    if path.suffix in (".csv", ".tsv"):
        try:
            return "csv" if shape_of(_header(path)) is not None else None
        except separated.TableError:
            return "csv"  # reading it says what is wrong
    return _json_format(path) if path.suffix in (".json", ".jsonl") else None


def format_by_name(path: Path) -> Format | None:
    """Return what a file that was named by the user is to be read as, whatever its first entry."""
    found = format_of(path)
    if found is not None and found != "mixture":
        return found
    names: dict[str, Format] = {".json": "json", ".jsonl": "jsonl", ".tar": "webdataset"}
    return names.get(path.suffix)


def columns_of(path: Path) -> list[str]:
    """Return the names of the columns of a table; none of a file of another kind.

    Raises:
        OSError, pa.ArrowException, TableError: It is not whole.
    """
    if path.suffix in (".parquet", ".arrow"):
        return table_columns(path)
    return _header(path) if path.suffix in (".csv", ".tsv") else []


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return next(separated.reader(file, delimiter=_delimiter(path)), [])


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def _json_format(path: Path) -> Format | Literal["mixture"] | None:
    if path.suffix == ".json" and is_row(next((value for _, value in json_lines(path)), None)):
        return "jsonl"  # JSON Lines under another name
    first = first_of(path)
    if path.suffix == ".json" and is_mixing_list(first):
        return "mixture"
    if isinstance(first, Problem) or is_row(first):
        return "json" if path.suffix == ".json" else "jsonl"
    return None


def is_mixing_list(value: Any) -> bool:
    """Return whether a JSON object is a mixing list: every value is an object, and one of them names annotations."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(entry, dict) for entry in value.values())
        and any("annotations" in entry or "annotation" in entry for entry in value.values())
    )


def read_rows(path: Path, form: Format, also: frozenset[str] = frozenset()) -> Iterator[tuple[int, Any | Problem]]:
    """Yield (number, value) of each row: from 0, in JSON Lines the line, from 1. A `Problem` stands for a bad one.

    Args:
        path: The file.
        form: As `format_of` says.
        also: Columns of a table that are read beside those of the conversation.
    """
    readers = {"webdataset": _webdataset, "json": json_list, "jsonl": json_lines, "csv": _csv, "arrow": _arrow}
    number = -1
    try:
        for number, value in parquet_rows(path, also) if form == "parquet" else readers[form](path):
            yield number, value
    except (OSError, pa.ArrowException, tarfile.TarError, EOFError, UnicodeDecodeError, separated.TableError) as error:
        yield number + 1, broken(error)


def read_batches(path: Path, form: Format) -> Iterator[Batch | Problem]:
    """Yield the rows of a table in batches; a `Problem` is the last thing of a file that is not whole."""
    try:
        yield from parquet_batches(path) if form == "parquet" else arrow_batches(path)
    except (OSError, pa.ArrowException) as error:
        yield broken(error)


def broken(error: Exception) -> Problem:
    """Return the problem of a file that cannot be read on."""
    return Problem("file", f"cannot be read on ({(str(error).splitlines() or [''])[0]:.120})", ends=True)


def _arrow(path: Path) -> Iterator[tuple[int, Any]]:
    for batch in arrow_batches(path):
        for number, row in enumerate(batch.rows(np.arange(len(batch.columns)))):
            yield batch.first + number, row


def _csv(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (number from 0, row); an empty cell is a missing value."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = separated.DictReader(file, delimiter=_delimiter(path), strict=True)
        for number, row in enumerate(reader):
            names: list[str] = reader.fieldnames or []
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                yield number, Problem("file", f"has two columns `{shortened(twice)}`", ends=True)
                return
            if None in row or None in row.values():
                columns = len(names)
                yield number, Problem("columns", f"the row has not as many cells as the header, which has {columns}")
            else:
                yield number, {name: value or None for name, value in row.items()}


def _webdataset(path: Path) -> Iterator[tuple[int, Any | Problem]]:
    """Yield the samples of a tar: neighbouring members that share their name up to the first dot."""
    number, key = 0, None
    members: dict[str, FilePart] = {}
    alone: set[str] = set()  # keys whose pictures came without a text
    repeated = ""

    def whole() -> Any | Problem:
        if repeated:
            return Problem("columns", f"the sample has two members `{shortened(repeated)}`")
        value = _sample(members)
        if isinstance(value, Problem) and key is not None:
            alone.add(key)
        elif key in alone:
            return Problem("columns", "the sample's members do not lie next to one another in the archive")
        return value

    with _Bounded(path) as content:
        for member in _members(content):
            if member.isdir():
                continue
            if not member.isfile():
                yield number, Problem("file", f"the member {member.name!r:.100} is a link or device, and not read")
                number += 1
                continue
            found = re.fullmatch(r"((?:.*/)?[^./][^.]*)\.(.+)", member.name, re.DOTALL)
            if found is None or PurePosixPath(member.name).is_absolute() or ".." in PurePosixPath(member.name).parts:
                yield number, Problem("file", f"the member {member.name!r:.100} is not KEY.SUFFIX")
                number += 1
                continue
            if found[1] != key and key is not None:
                yield number, whole()
                number, members, repeated = number + 1, {}, ""
            key = found[1]
            if (kind := found[2].lower()) in members:
                repeated = kind
            members[kind] = FilePart(path, member.offset_data, member.size)
    if key is not None:
        yield number, whole()
    with path.open("rb") as file:  # tarfile takes a header that was cut for the end
        file.seek(max(path.stat().st_size - _END_BYTES, 0))
        if file.read() != bytes(_END_BYTES):
            yield number + 1, Problem("file", "the archive has no end mark: it was cut", ends=True)


class _Bounded(io.FileIO):
    """A file that gives no more at once than an entry may have: tarfile reads a long header in one piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= LONGEST_ENTRY:
            raise tarfile.ReadError(f"damaged header: it claims {size or 0:,} bytes for itself")
        return super().read(size) or b""


def _members(content: _Bounded) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive.

    Raises:
        tarfile.TarError: It is damaged, or a member lies in it other than in one piece.
    """
    try:
        with tarfile.open(fileobj=content, mode="r:") as tar:
            for member in tar:
                cast(Any, tar).members.clear()  # else the list of them grows with the file
                if member.size < 0:
                    raise tarfile.ReadError(f"damaged header: {member.size:,} bytes for a member")
                if member.issparse():
                    raise tarfile.ReadError("a sparse member: write the archive without `tar --sparse`")
                yield member
            _require_end(content, tar.offset)
    except (ValueError, OverflowError, IndexError) as error:  # sizes, times and maps of holes that nothing has
        raise tarfile.ReadError(f"damaged header: {error}") from error


def _require_end(content: _Bounded, at: int) -> None:
    """Refuse an archive whose members do not end where tarfile stops: at an empty block, or at a header that is none.

    Raises:
        tarfile.ReadError: More lies there.
    """
    content.seek(at)
    if content.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"damaged header: no member begins at byte {at:,}")
    while block := content.read(_BLOCK_BYTES):
        if block.strip(b"\0"):
            detail = "another archive was written behind it, or its header is damaged; unpack both, and write one"
            raise tarfile.ReadError(f"more lies behind the archive's end at byte {at:,}: {detail}")


def _sample(members: dict[str, FilePart]) -> Any | Problem:
    texts = [name for name in members if name == "json" or name.endswith(".json")]
    pictures = [name for name in members if name.rpartition(".")[2] in PICTURES]
    if len(texts) > 1:
        return Problem("columns", f"the sample has {len(texts)} json members")
    value: Any
    texts_of_sample = [members[name] for name in (*texts, "txt") if name in members]
    if any(member.size > LONGEST_ENTRY for member in texts_of_sample):
        return Problem("json", "a member of more than 256 MB")
    value = parse_json(members[texts[0]].read()) if texts else {}
    shape = shape_of((*value, *IMAGES)) if isinstance(value, dict) else None
    if "txt" in members and pictures and isinstance(value, dict) and (shape is None or shape in CAPTIONS):
        # img2dataset and BIOMEDICA have the caption here, and in the json what is known of the image.
        caption = members["txt"].read().decode("utf-8", "surrogateescape")
        own = value.get(shape) if isinstance(shape, str) else None
        if own and str(own).strip() != caption.strip():
            return Problem("fields", f"`txt` and `{shape}` of the json differ, and which is meant is not known")
        value["caption" if shape is None else str(shape)] = own or caption
    elif not texts:
        return Problem("columns", f"the sample has {', '.join(sorted(members))[:100]}, but no json")
    others = members.keys() - set(texts) - set(pictures)
    stems = {name.removesuffix("json").rstrip(".") for name in texts}  # of keys with dots, such as UIDs
    if odd := next((name for name in members if _is_odd(name, pictures, stems)), None):
        return Problem("fields", f"the member `{shortened(odd)}` is not read")
    if type(value) is dict:
        if pictures:
            for name in IMAGES:
                value.pop(name, None)
            value["images"] = [members[name] for name in sorted(pictures, key=_order)]
        value.update({f".{name}": members[name] for name in others if name != "txt" or shape not in (None, *CAPTIONS)})
    return value


def _is_odd(name: str, pictures: list[str], stems: set[str]) -> bool:
    """Return whether a member changes what a sample means, or is a picture of which it is not known what it shows."""
    if _OTHER_MEDIA.search(name):
        return True
    if name in pictures:
        stem = name.rpartition(".")[0].rstrip("._-")
        return stem not in stems and _IMAGE_MEMBER.fullmatch(stem) is None
    return not pictures and _ARRAY.search(name) is not None


def _order(name: str) -> list[int | str]:
    """Order 2 before 10, whatever stands around the numbers."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
