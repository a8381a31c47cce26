"""A first look at a table of an unknown folder: whether it has a header, what separates its columns, its encoding."""

import codecs
import itertools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from gmai_formats import separated
from gmai_formats.errors import UserError

from gmai_data.sources.files.tables import FIRST_LINES, TABLE_ENDINGS, UTF_8, marked_encoding, read_table, sheet_names

_ROWS = 500
"""Rows of a table that are looked at."""
_HEAD_BYTES = 2**16
_SHOWN = 3
_OTHERS = ("cp1252", "gb18030")
"""Encodings that a table may have which is not UTF-8: those of European and of Chinese spreadsheets."""
_SEPARATORS = (",", "\t", ";", "|", " ")


@dataclass(frozen=True)
class ProbedTable:
    """The first rows of a table, and how they were read.

    Attributes:
        rows: Column ▶ cell; none where it cannot be read.
        has_header: Whether its first line names the columns; else they are called `column_1` and so on.
        delimiter: What separates the columns, where it is not found without being told.
        encodings: Those that it may have where it is not UTF-8, each with a few words as they would read.
        problem: Why it cannot be read.
    """

    rows: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    has_header: bool = True
    delimiter: str | None = None
    encodings: dict[str, str] = field(default_factory=dict[str, str])
    problem: str = ""
    sheet: str | None = None
    """The sheet of a workbook, where it has several and one of them names files."""

    @property
    def names(self) -> list[str]:
        """Return the columns."""
        return list(self.rows[0]) if self.rows else []

    @property
    def settings(self) -> dict[str, object]:
        """Return what a card must say of the table so that it is read: of its encoding only a person knows."""
        named = {} if self.has_header else {"columns": self.names}
        separated_by = {"delimiter": self.delimiter} if self.delimiter else {}
        sheet = {"sheet": self.sheet} if self.sheet else {}
        return {**named, **separated_by, **sheet, **({"encoding": "TODO"} if self.encodings else {})}

    @property
    def notes(self) -> list[str]:
        """Return what a person should look at."""
        notes = [] if self.has_header else ["columns: the table has no header; call its columns as you like."]
        if self.encodings:
            read = "; ".join(f"{encoding} ({words})" for encoding, words in self.encodings.items())
            notes.append(f"encoding: the table is not UTF-8. It may be {read}.")
        return notes


def is_table(path: Path) -> bool:
    """Return whether a file without an ending begins with two lines of text that have as many commas, or tabs."""
    with path.open("rb") as file:
        head = file.read(4096)
    if b"\0" in head or head.count(b"\n") < 2:
        return False
    lines = head.split(b"\n")[:2]
    return any(lines[0].count(sign) == lines[1].count(sign) > 0 for sign in (b",", b"\t", b";"))


def probe_table(path: Path, files: Collection[str]) -> ProbedTable:
    """Return the first rows of a table.

    The header is the first line with several cells that is no comment. A first line that names one of the files is a
    row.

    Args:
        path: The table.
        files: Names of the files that its rows may name.
    """
    if (of_sheet := _of_one_sheet(path, files)) is not None:
        return of_sheet
    encodings = _encodings_of(path)
    encoding = next(iter(encodings), UTF_8)
    try:
        names, rows = read_table(path, _is_header, encoding=encoding)
        first = [row for _, row, _ in itertools.islice(rows, _ROWS)]
        if not any(_is_file(cell, files) for cell in names):
            if path.name.lower().endswith(TABLE_ENDINGS) or path.suffix == "":
                return ProbedTable(first, encodings=encodings)
            if any(_is_file(cell, files) for row in first[:FIRST_LINES] for cell in row.values()):
                return ProbedTable(first, encodings=encodings)
            names, delimiter = _cells_of_text(path, encoding, files)  # a text is a table only where it names files
            if not names:
                return ProbedTable()
            known = None if delimiter in (",", "\t", ";", "|") else delimiter
        else:
            known = delimiter = None
        columns = [f"column_{number}" for number in range(1, len(names) + 1)]
        _, rows = read_table(path, encoding=encoding, columns=columns, delimiter=delimiter)
        first = [row for _, row, _ in itertools.islice(rows, _ROWS)]
        return ProbedTable(first, False, known, encodings)
    except UserError as error:
        return ProbedTable(problem=str(error))


def _of_one_sheet(path: Path, files: Collection[str]) -> ProbedTable | None:
    """Return the first rows of the one sheet of several that names files, or None."""
    fitting: list[ProbedTable] = []
    sheets = sheet_names(path)
    for sheet in sheets if len(sheets) > 1 else ():
        try:
            _, rows = read_table(path, _is_header, sheet=sheet)
            first = [row for _, row, _ in itertools.islice(rows, _ROWS)]
        except UserError:
            continue
        if any(_is_file(cell, files) for row in first for cell in row.values()):
            fitting.append(ProbedTable(first, sheet=sheet))
    return fitting[0] if len(fitting) == 1 else None


def _is_header(names: Sequence[str]) -> bool:
    return sum(bool(name) for name in names) > 1 and not names[0].startswith("#")


def _is_file(cell: str, files: Collection[str]) -> bool:
    """Return whether a cell is the name of a file, or a path to it."""
    name = PureWindowsPath(cell).name
    return bool(PurePosixPath(name).suffix) and name in files


def _cells_of_text(path: Path, encoding: str, files: Collection[str]) -> tuple[list[str], str]:
    """Return (cells of the first line, what separates them) where one of them names a file."""
    with path.open(encoding=marked_encoding(path) or encoding, errors="replace") as text:
        lines = [line for line in itertools.islice(text, FIRST_LINES) if line.strip()]
    for delimiter in _SEPARATORS:
        rows = [next(separated.reader([line.strip()], delimiter=delimiter), []) for line in lines]
        if (
            rows
            and {len(row) for row in rows} == {len(rows[0])} != {1}
            and any(_is_file(cell, files) for cell in rows[0])
        ):
            return rows[0], delimiter
    return [], ""


def _encodings_of(path: Path) -> dict[str, str]:
    """Return encoding ▶ words as they would read, likeliest first; nothing of what is UTF-8 or says what it is."""
    if not path.name.lower().endswith((".csv", ".tsv", ".txt")) and path.suffix:
        return {}
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _decoded(head, "utf-8") is not None:
        return {}
    texts = {encoding: text for encoding in _OTHERS if (text := _decoded(head, encoding)) is not None}
    words = {
        encoding: list(dict.fromkeys(re.findall(r"\w*[^\W\x00-\x7f]\w*", text))) for encoding, text in texts.items()
    }
    found = {encoding: ", ".join(each[:_SHOWN]) for encoding, each in words.items()}
    # In Chinese text the bytes beyond ASCII come in pairs; in European text, one by one between letters.
    runs = re.findall(rb"[\x80-\xff]+", head)
    in_pairs = sum(len(run) >= 2 and len(run) % 2 == 0 for run in runs) > len(runs) / 2
    return dict(sorted(found.items(), key=lambda each: (each[0] == "gb18030") != in_pairs))


def _decoded(head: bytes, encoding: str) -> str | None:
    """Return the text of the first bytes of a file, of which the last may be a part of a letter, or None."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeError:
        return None
