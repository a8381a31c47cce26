"""Tables of any form ▶ rows of text: CSV and TSV in any encoding, also as `.csv.gz`, and XLSX."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO, cast

from gmai_formats import separated
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install

from gmai_data.imaging.large import is_bomb

UTF_8 = "utf-8-sig"
TABLE_ENDINGS = (".csv", ".tsv", ".xlsx", ".xlsm", ".csv.gz", ".tsv.gz")
_BOOKS = (".xlsx", ".xlsm")
_OLD_BOOKS = (".xls", ".ods", ".xlsb")
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
}  # fmt: skip
"""https://www.unicode.org/faq/utf_bom.html; the longer ones first."""

Row = dict[str, str]
IsHeader = Callable[[Sequence[str]], bool]


def delimiter_of(header: str, is_header: IsHeader) -> str:
    """Return the delimiter under which a line is a header, or the likeliest one."""
    for delimiter in ",\t;|":
        if is_header([name.strip() for name in next(separated.reader([header], delimiter=delimiter), [])]):
            return delimiter
    return max(",\t;", key=header.count) if is_header([]) else ","


def read_table(
    path: Path,
    is_header: IsHeader = lambda names: not names,
    *,
    encoding: str = UTF_8,
    delimiter: str | None = None,
    sheet: str | None = None,
) -> tuple[list[str], Iterator[tuple[int, Row, str]]]:
    """Open a table and return (names of its columns, rows).

    A row is (its number from 1, column ▶ cell without blanks around it, what is wrong with it or ""). A row that is
    longer than the header is wrong: one cannot tell which of its cells stands where. Empty rows are left out.

    Args:
        path: The file; its ending says what it is.
        is_header: Whether names of columns are those that are looked for; it chooses delimiter and sheet.
        encoding: Of a text. One with the byte order mark of UTF-16 or UTF-32 is read as that.
        delimiter: Between the columns; None: the comma, tab, semicolon or bar that gives the header.
        sheet: Of a workbook; None: its only one, or the only one with the header.

    Raises:
        UserError: It is not there, not readable, or its header names a column twice. Rows are read as they are asked
            for, so that this may come later, too.
    """
    ending = path.suffix.lower()
    if ending in _OLD_BOOKS:
        raise UserError(f"{path}: {ending} files are not read. Save the table as .xlsx or .csv.")
    if ending in _BOOKS:
        rows = _sheet_rows(path, is_header, sheet)
    else:
        rows = _text_rows(path, is_header, encoding, delimiter)
    names = next(rows, [])
    twice = next((name for name in names if name and names.count(name) > 1), None)
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
        with _packed(path) or path.open("rb") as raw:
            head = raw.read(4)
        encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), encoding)
        with _opened(path, encoding) as file:
            first = file.readline()
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


def _packed(path: Path) -> gzip.GzipFile | None:
    """Return the unpacked bytes of a table that is published as `.csv.gz`, or None where it is not packed."""
    return gzip.open(path) if path.suffix.lower() == ".gz" else None


def _opened(path: Path, encoding: str) -> TextIO:
    packed = _packed(path)
    return (
        path.open(encoding=encoding, newline="") if packed is None else io.TextIOWrapper(packed, encoding, newline="")
    )


def _not_text(path: Path, encoding: str, error: UnicodeError) -> UserError:
    try:
        with _packed(path) or path.open("rb") as raw:
            raw.read().decode(encoding)  # the position of the other error counts from the start of its block
    except UnicodeError as whole:
        error = whole
    name = "UTF-8" if encoding == UTF_8 else encoding
    where = f"{getattr(error, 'reason', error)} at byte {getattr(error, 'start', 0)}"
    return UserError(
        f"{path}: not {name} text ({where}). Save it as UTF-8, or name its `encoding` in the layout, such as cp1252."
    )


def _sheet_rows(path: Path, is_header: IsHeader, sheet: str | None) -> Iterator[Any]:
    try:
        import openpyxl  # pyright: ignore[reportMissingModuleSource]
    except ImportError as error:
        raise UserError(f"{path}: workbooks need openpyxl. Run `{pip_install('gmai-data[tables]')}`.") from error
    library = cast(Any, openpyxl)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if is_bomb(path.stat().st_size, unpacked):
            raise UserError(f"{path}: it claims to unpack to {unpacked} bytes, as no table does.")
        # Values and formulas are two readings: a formula that was never calculated has no value.
        with (
            closing(library.load_workbook(path, read_only=True, data_only=True)) as values,
            closing(library.load_workbook(path, read_only=True)) as formulas,
        ):
            name = _sheet(path, values, is_header, sheet)
            for number, (cells, written) in enumerate(
                zip(values[name].iter_rows(), formulas[name].iter_rows(), strict=True), start=1
            ):
                for value, formula in zip(cells, written, strict=True):
                    if formula.data_type == "f" and value.value is None:
                        raise UserError(
                            f"{path}, sheet {name}: the formula in {formula.coordinate} has no value. Open and save "
                            "the file with a spreadsheet program, or save it as CSV."
                        )
                texts = [_text(cell) for cell in cells]
                if any(texts) or number > 1:
                    yield texts
    except UserError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers do
        detail = " ".join(str(error).split())
        raise UserError(f"{path}: not readable as a workbook: {detail}. Save it again as .xlsx or .csv.") from error


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
