"""Tables of any form ▶ rows of text: CSV and TSV in any encoding, also as `.csv.gz`, XLSX and Parquet."""

import codecs
import gzip
import io
import itertools
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO, cast

from gmai_formats import separated
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from gmai_formats.rows.tables import open_parquet, rows_at_once

from gmai_data.untyped import pa

UTF_8 = "utf-8-sig"
TABLE_ENDINGS = (".csv", ".tsv", ".xlsx", ".xlsm", ".parquet", ".csv.gz", ".tsv.gz")
_BOOKS = (".xlsx", ".xlsm")
_PARQUET = ".parquet"
_OLD_BOOKS = (".xls", ".ods", ".xlsb")
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
}  # fmt: skip
"""https://www.unicode.org/faq/utf_bom.html; the longer ones first."""

MOST_UNPACKED, MOST_UNPACKED_TEXT, _MOST_RATIO = 10**9, 16 * 10**6, 300
"""Bytes of a workbook's parts; of a packed text, or so many times its packed size where that is more."""
MOST_ROWS = 2**20
"""https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3"""
_TOO_MUCH = "No table packs so well. Save it as plain CSV if it is sound."
_MOST_MERGED = MOST_ROWS
_REMOVE = "Remove the cells far right of the table, or save it as CSV."

Row = dict[str, str]
IsHeader = Callable[[Sequence[str]], bool]


FIRST_LINES = 20
"""Lines of a table among which its header is looked for: exports put titles, dates and Excel's `sep=;` above it."""


_WHOLE = re.compile(r"(\d+)\.0+")


def without_point(cell: str) -> str:
    """Return a whole number that pandas wrote as `7.0`, as it does where a column has empty cells, as `7`."""
    whole = _WHOLE.fullmatch(cell)
    return whole[1] if whole else cell


def delimiter_of(first_lines: Sequence[str], is_header: IsHeader) -> str:
    """Return the delimiter under which one of the first lines is a header, or the likeliest one."""
    for line in filter(str.strip, first_lines):
        for delimiter in ",\t;|":
            if is_header([name.strip() for name in next(separated.reader([line], delimiter=delimiter), [])]):
                return delimiter
    return max(",\t;", key="".join(first_lines[:1]).count) if is_header([]) else ","


def _from_header(rows: Iterator[list[str]], is_header: IsHeader) -> Iterator[list[str]]:
    """Return the rows from the header on, which is the first one where none of them is that."""
    first = list(itertools.islice(rows, FIRST_LINES))
    start = next((number for number, cells in enumerate(first) if cells and is_header(cells)), 0)
    return itertools.chain(first[start:], rows)


def read_table(
    path: Path,
    is_header: IsHeader = lambda names: not names,
    *,
    encoding: str = UTF_8,
    delimiter: str | None = None,
    sheet: str | None = None,
    columns: Sequence[str] = (),
) -> tuple[list[str], Iterator[tuple[int, Row, str]]]:
    """Open a table and return (names of its columns, rows).

    The header is the first of the table's first lines that `is_header` takes, else the very first. A row is (its number
    from 1, column ▶ cell without blanks around it, what is wrong with it or ""). A row that is
    longer than the header is wrong: one cannot tell which of its cells stands where. Empty rows are left out.

    Args:
        path: The file; its ending says what it is.
        is_header: Whether names of columns are those that are looked for; it chooses delimiter and sheet.
        encoding: Of a text. One with the byte order mark of UTF-16 or UTF-32 is read as that.
        delimiter: Between the columns; None: the comma, tab, semicolon or bar that gives the header.
        sheet: Of a workbook; None: its only one, or the only one with the header.
        columns: Names of the columns of a table without a header line.

    Raises:
        UserError: It is not there, not readable, or its header names a column twice. Rows are read as they are asked
            for, so that this may come later, too.
    """
    ending = path.suffix.lower()
    if ending in _OLD_BOOKS:
        raise UserError(f"{path}: {ending} files are not read. Save the table as .xlsx or .csv.")
    if columns:
        is_header = lambda names: len(names) == len(columns)  # noqa: E731
    if ending in _BOOKS:
        rows = _sheet_rows(path, is_header, sheet)
    elif ending == _PARQUET:
        rows = _parquet_rows(path)
    else:
        rows = _text_rows(path, is_header, encoding, delimiter)
    if columns:
        return list(columns), _named(list(columns), rows)
    rows = _from_header(rows, is_header)
    names = next(rows, [])
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice is not None:
        raise UserError(f'{path}:1: two columns are called "{twice}". Rename one of them.')
    return names, _named(names, rows)


def _named(names: list[str], rows: Iterator[list[str]]) -> Iterator[tuple[int, Row, str]]:
    for number, cells in enumerate((cells for cells in rows if any(cells)), start=1):
        problem = ""
        if any(cells[len(names) :]):
            problem = f"data row {number} has {len(cells)} cells, the header {len(names)}; correct it"
        yield number, dict(zip(names, [*cells, *[""] * (len(names) - len(cells))], strict=False)), problem


def _text_rows(path: Path, is_header: IsHeader, encoding: str, delimiter: str | None) -> Iterator[Any]:
    try:
        encoding = marked_encoding(path) or encoding
        with _opened(path, encoding) as file:
            first = [file.readline(separated.LONGEST_CELL // FIRST_LINES) for _ in range(FIRST_LINES)]
            file.seek(0)
            separator = delimiter or delimiter_of(first, is_header)
            for cells in separated.reader(file, delimiter=separator, strict=True):
                yield [cell.strip() for cell in cells]
    except UnicodeError as error:
        raise _not_text(path, encoding, error) from error
    except separated.TableError as error:
        raise UserError(f"{path}: not readable as a table: {error}. Save it as CSV again.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged ({error}). Download it again.") from error


def marked_encoding(path: Path) -> str | None:
    """Return the encoding of a text that begins with the byte order mark of UTF-16 or UTF-32, or None."""
    with _packed(path) or path.open("rb") as raw:
        return _marked(raw.read(4))


def _marked(head: bytes) -> str | None:
    return next((name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)


def decoded(data: bytes) -> str:
    """Return the text of a list or a label file: UTF-8, or what its byte order mark says, as Windows writes it."""
    return data.decode(_marked(data[:4]) or UTF_8, errors="replace")


def _packed(path: Path) -> gzip.GzipFile | None:
    """Return the unpacked bytes of a table that is published as `.csv.gz`, or None where it is not packed."""
    return _Unpacked(path) if path.suffix.lower() == ".gz" else None


class _Unpacked(gzip.GzipFile):
    """A packed table, which ends with a message where it would go on and on."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path, self._most = path, max(MOST_UNPACKED_TEXT, _MOST_RATIO * path.stat().st_size)

    def read1(self, size: int = -1) -> bytes:
        if self.tell() > self._most:
            raise UserError(f"{self._path}: it unpacks to more than {self._most // 10**6} MB. {_TOO_MUCH}")
        return super().read1(size)


def _opened(path: Path, encoding: str) -> TextIO:
    packed = _packed(path)
    return (
        path.open(encoding=encoding, newline="") if packed is None else io.TextIOWrapper(packed, encoding, newline="")
    )


def _not_text(path: Path, encoding: str, error: UnicodeError) -> UserError:
    decoder, at = codecs.getincrementaldecoder(encoding)(), 0
    reason, start = str(getattr(error, "reason", error)), 0
    with _packed(path) or path.open("rb") as raw:
        try:
            while chunk := raw.read1(2**20):
                start = at - len(
                    decoder.getstate()[0]
                )  # the position in an error counts from what waited to be decoded
                decoder.decode(chunk)
                at += len(chunk)
            start = at - len(decoder.getstate()[0])
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as found:
            reason, start = found.reason, start + found.start
    name = "UTF-8" if encoding == UTF_8 else encoding
    where = f"{reason} at byte {start}"
    return UserError(
        f"{path}: not {name} text ({where}). Save it as UTF-8, or name its `encoding` in the layout, such as cp1252."
    )


def _parquet_rows(path: Path) -> Iterator[Any]:
    """Yield the names and the cells of the columns that hold text, numbers, or lists of them: no image is a cell."""
    try:
        with open_parquet(path) as file:
            names = [field.name for field in file.schema_arrow if not _holds_bytes(field.type)]
            yield names
            for batch in file.iter_batches(rows_at_once(file, names, _ROWS_AT_ONCE), columns=names, use_threads=False):
                for row in batch.to_pylist():
                    yield [_parquet_text(row[name]) for name in names]
    except (pa.ArrowException, OSError, ValueError) as error:
        detail = " ".join(str(error).split())
        raise UserError(f"{path}: not readable as Parquet: {detail}. Download it again, or save it as CSV.") from error


_ROWS_AT_ONCE = 4096


def _holds_bytes(kind: Any) -> bool:
    return (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or (
            pa.types.is_nested(kind)
            and not (
                (pa.types.is_list(kind) or pa.types.is_large_list(kind))
                and not pa.types.is_nested(kind.value_type)
                and not _holds_bytes(kind.value_type)
            )
        )
    )


def _parquet_text(value: Any) -> str:
    """Return a value as a CSV would have it; the entries of a list with a bar between them."""
    if value is None or value != value:
        return ""
    if isinstance(value, list):
        return "|".join(map(_parquet_text, cast("list[Any]", value)))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _sheet_rows(path: Path, is_header: IsHeader, sheet: str | None) -> Iterator[Any]:
    try:
        import openpyxl  # pyright: ignore[reportMissingModuleSource]
    except ImportError as error:
        raise UserError(f"{path}: workbooks need openpyxl. Run `{pip_install('gmai-data[tables]')}`.") from error
    library = cast(Any, openpyxl)
    try:
        unpacked = _unpacked_size(path)
        # Values and formulas are two readings: a formula that was never calculated has no value.
        with (
            closing(library.load_workbook(path, read_only=True, data_only=True)) as values,
            closing(library.load_workbook(path, read_only=True)) as formulas,
        ):
            name = _sheet(path, values, is_header, sheet)
            above = _merged_above(path, values[name])
            tops: dict[tuple[int, int], str] = {}
            cells_read = 0
            for number, (cells, written) in enumerate(
                zip(values[name].iter_rows(), formulas[name].iter_rows(), strict=True), start=1
            ):
                if number > MOST_ROWS:
                    raise UserError(
                        f"{path}, sheet {name}: it has more than {MOST_ROWS} rows, as no workbook has. {_REMOVE}"
                    )
                cells_read += len(cells)
                if cells_read > max(MOST_ROWS, unpacked):  # a cell takes more than a byte; what is none is filled up
                    raise UserError(f"{path}, sheet {name}: it has more cells than bytes, as no table has. {_REMOVE}")
                for value, formula in zip(cells, written, strict=True):
                    if formula.data_type == "f" and value.value is None:
                        raise UserError(
                            f"{path}, sheet {name}: the formula in {formula.coordinate} has no value. Open and save "
                            "the file with a spreadsheet program, or save it as CSV."
                        )
                texts = [_text(cell) for cell in cells]
                for column, first in above.get(number, ()):
                    if first == number:
                        tops[first, column] = texts[column] if column < len(texts) else ""
                    else:
                        texts += [""] * (column + 1 - len(texts))
                        texts[column] = tops[first, column]
                if any(texts) or number > 1:
                    yield texts
    except UserError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers do
        detail = " ".join(str(error).split())
        raise UserError(f"{path}: not readable as a workbook: {detail}. Save it again as .xlsx or .csv.") from error


def _merged_above(path: Path, sheet: Any) -> dict[int, list[tuple[int, int]]]:
    """Return row ▶ (column from 0, first row) of cells that are merged over several rows: its value is that of each.

    openpyxl does not give them when it reads row by row.
    """
    from openpyxl.utils.cell import range_boundaries  # pyright: ignore[reportMissingModuleSource]

    found: dict[int, list[tuple[int, int]]] = {}
    ranges, text = set[bytes](), b""
    with zipfile.ZipFile(path) as archive, archive.open(sheet._worksheet_path) as file:
        while chunk := file.read(2**20):
            text = text[-100:] + chunk
            ranges.update(re.findall(rb'mergeCell [^>]*?ref="([A-Z]+[0-9]+:[A-Z]+[0-9]+)"', text))
    merged = 0
    for each in sorted(ranges):
        column, top, _, bottom = cast(Any, range_boundaries)(each.decode())
        merged += bottom + 1 - top
        if merged > _MOST_MERGED:
            raise UserError(f"{path}: more than {_MOST_MERGED} rows of merged cells, as no table has. Save it as CSV.")
        for row in range(top, bottom + 1 if bottom > top else top):
            found.setdefault(row, []).append((column - 1, top))
    return found


def _unpacked_size(path: Path) -> int:
    """Return how many bytes a workbook unpacks to.

    Raises:
        UserError: More than a table does.
        zipfile.BadZipFile: It is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > min(MOST_UNPACKED, max(MOST_UNPACKED_TEXT, _MOST_RATIO * path.stat().st_size)):
        raise UserError(f"{path}: it claims to unpack to {unpacked // 10**6} MB. {_TOO_MUCH}")
    return unpacked


def sheet_names(path: Path) -> list[str]:
    """Return the names of the sheets of a workbook; none of what is no workbook, or cannot be read."""
    if path.suffix.lower() not in _BOOKS:
        return []
    try:
        import openpyxl  # pyright: ignore[reportMissingModuleSource]

        _unpacked_size(path)  # the texts of all sheets are read when it is opened
        with closing(cast(Any, openpyxl).load_workbook(path, read_only=True)) as book:
            return [each.title for each in book.worksheets]
    except Exception:  # said when it is read as a table
        return []


def _sheet(path: Path, book: Any, is_header: IsHeader, sheet: str | None) -> str:
    names = [each.title for each in book.worksheets]
    if sheet is not None:
        if sheet not in names:
            raise UserError(f'{path}: no sheet "{sheet}"; it has {", ".join(names)}. Correct `sheet` in the layout.')
        return sheet
    if len(names) == 1:
        return names[0]
    fitting = [name for name in names if is_header([_text(cell) for cell in next(book[name].iter_rows(), ())])]
    if len(fitting) != 1:
        raise UserError(f"{path}: it has the sheets {', '.join(names)}. Name one as `sheet` in the layout.")
    return fitting[0]


def _text(cell: Any) -> str:
    """Return a cell as a CSV of the sheet would have it: whole numbers without a point, `00123` where it shows so."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        zeros = str(cell.number_format)
        return f"{value:0{len(zeros)}d}" if zeros and set(zeros) == {"0"} else str(value)
    return str(value).strip()
