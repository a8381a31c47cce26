"""Published tables: cells as they were printed, with rows that declare the question sets behind them.

A table is CSV (with commas, semicolons or tabs), or a table of Markdown or LaTeX as it is pasted from a paper.

The first column names the row. Three more are optional: `set` (which declared question set the row answers; empty where
its source does not say), `group` and `source`. A row named `n` gives the questions behind each cell of a set ("~9694"
where only about that many are known, "-" where a cell is no share of questions), as does a heading (`headings`); a
row named `protocol` the protocol (`family/name`, with `#column=value` for one group of it).
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from importlib import resources
from pathlib import Path

from gmai_formats import separated
from gmai_formats.errors import UserError, did_you_mean, told

from gmai_bench.published.headings import as_one, counted, is_row_of_counts, spanned

PAPER_TABLES: Mapping[str, str] = {
    "table2": "GMAI-VL paper, Table 2: VQA-RAD, SLAKE and PMC-VQA",
    "table3": "GMAI-VL paper, Table 3: OmniMedVQA by question type",
    "table4": "GMAI-VL paper, Table 4: MMMU Health & Medicine, validation split",
    "table5": "GMAI-VL paper, Table 5: GMAI-MMBench by clinical VQA task",
}
"""The tables that ship with the package: name ▶ title."""

_ABOUT = ("set", "group", "source")
_DECLARATIONS = ("n", "protocol")
_MOST_NAMED = 8
"""Bad cells that a message lists."""
_OVERALL = re.compile(
    r"^(?:(?:overall|avg|average|mean|total|all)(?:$|[\s_.(-])|(?:平均|总体|总计|均值|合计|整体))", re.IGNORECASE
)
_SEPARATORS = ",;\t|&"
_RULE = re.compile(
    r"^[\s|:+=-]+$|^\s*\\(?:hline|toprule|midrule|bottomrule|cmidrule|cline|begin|end|centering|caption|label)\b.*$"
)
"""A line of a Markdown or LaTeX table that holds no cells."""
_LINE_END = re.compile(r"\\\\(?:\s*\[[^\]]*\])?\s*(?:\\(?:hline|midrule|bottomrule)\s*)*$")
_SIGNS = r"[*†‡§^↑↓▲▼~≈≃]*"
_NUMBER = re.compile(
    # "66.3", "66.3%", "66.3±1.2", "66.3 (1.2)", "66.3 (+1.2)", "66.3 [64.1, 68.5]", "66.3 ± 1.2 (n = 251)", "↑66.3*"
    rf"^{_SIGNS}\s*\(?(?P<number>\d+(?:[.,]\d+)?|[.,]\d+)\)?\s*(?P<percent>%)?\s*{_SIGNS}\s*"
    r"(?P<spread>_?\s*(?:±|\+/-|\\pm)\s*\d*[.,]?\d+\s*%?|\(\s*\d*[.,]?\d+\s*%?\))?"
    rf"\s*(?:\([^()]*\)|\[[^\[\]]*\])?\s*%?\s*{_SIGNS}$"
)
_THOUSANDS = re.compile(r"(?<=\d)[, ](?=\d{3}(?!\d))")
_SHARE = re.compile(r"^(?P<right>\d+)\s*/\s*(?P<n>\d+)(?:\s*[(=].*)?$")
"""A cell that is the share itself: "166/251"."""
_MARKUP = re.compile(
    r"\\(?:cellcolor|textcolor|color|rowcolor)\s*(?:\[[^\]]*\])?\s*\{[^{}]*\}"
    r"|\\(?:textbf|textit|underline|mathbf|bf|emph|text)\b"
    r"|\\(?=%)|\\[,;!]|[{}$`\u200b]|\*\*|__|</?(?:b|u|i|em|strong|sup|sub|span)[^>]*>"
)
_ABSENT = frozenset(
    ("", "-", "–", "—", "--", "---", "/", "\\", "n/a", "na", "n.a.", "none", "nan", "null", "?", "x", "…", "...", "nr",
     "n.r.", "not reported", "tbd", "oom", "✗", "×", "unk", "unknown")
)  # fmt: skip
"""Cells that say that there is no number."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many questions stand behind a cell."""

    n: int
    exact: bool
    """False where the source lets only about so many be told."""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """One declared choice of questions that rows may answer."""

    name: str
    counts: Mapping[str, Count]
    """Column ▶ questions; a column without one is not checked."""
    protocols: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One model's printed cells."""

    name: str
    set: str
    """Name of its question set, empty where the source does not say."""
    group: str
    source: str
    cells: Mapping[str, str]
    """Column ▶ the number as printed, without signs and markup; cells without a number are left out."""
    spread: frozenset[str] = frozenset()
    """Columns whose number is printed with a spread, so that it may be a mean of several runs."""
    percent: frozenset[str] = frozenset()
    """Columns whose number is printed with a percent sign."""


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A published table."""

    name: str
    title: str
    columns: tuple[str, ...]
    sets: Mapping[str, QuestionSet]
    rows: tuple[PublishedRow, ...]
    independent: frozenset[str] = field(default_factory=frozenset[str])
    """Columns that some `n` row marks with "-": no share of the questions of the other columns."""
    scales: Mapping[str, int] = field(default_factory=dict[str, int])
    """Column ▶ what a share of 1 is printed as: 1 in fractions, told by its cells (none above 1, none with a percent
    sign); columns that are left out are percent."""

    @property
    def overall(self) -> tuple[str, ...]:
        """The columns that sum up the others, told by their names (overall, avg, average, mean)."""
        return tuple(c for c in self.columns if _OVERALL.match(c) and c not in self.independent)

    def sets_of(self, row: PublishedRow) -> list[QuestionSet]:
        """Return the row's own question set, or all of them where its source does not say."""
        return [self.sets[row.set]] if row.set else list(self.sets.values())


def paper_table(name: str) -> PublishedTable:
    """Return one of `PAPER_TABLES`."""
    text = resources.files("gmai_bench.published").joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return _parse(text, name, PAPER_TABLES[name], {})


def read_table(path: Path, counts: Mapping[str, Count]) -> PublishedTable:
    """Read a user's CSV.

    Args:
        path: The file.
        counts: Questions per column given beside the file; they stand in every set, over what the file says.

    Raises:
        UserError: The file cannot be read as such a table.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: cannot be read ({told(error)}). A table is a CSV file, or one of {', '.join(PAPER_TABLES)}. "
            f"Correct the path."
        ) from error
    return _parse(text, str(path), path.name, counts)


def _parse(text: str, place: str, title: str, given: Mapping[str, Count]) -> PublishedTable:
    lines = _lines(text)
    if len(lines) < 2:
        raise UserError(f"{place}: has no rows below its header. A table has one row per model. Check the file.")
    header, taken = as_one(lines, _is_result)
    header = [_MARKUP.sub("", cell).strip() for cell in header]
    columns = tuple(name for name in header[1:] if name.lower() not in _ABOUT)
    twice = next((name for name in columns if header.count(name) > 1), None)
    if twice is not None or not columns:
        found = f'has the column "{twice}" twice' if columns else "has no column of numbers"
        raise UserError(
            f"{place}: {found}. The first column names the row, and each further one has a name of its own. "
            f"Correct the header."
        )
    headed = {
        column: Count(*found)
        for column in columns
        if (found := counted(column, bare=_OVERALL.match(column) is None)) is not None
    }
    unknown = [name for name in given if name not in columns]
    if unknown:
        raise UserError(f'{place}: no column "{unknown[0]}".{did_you_mean(unknown[0], columns)}')
    declared: dict[str, dict[str, dict[str, str]]] = {}
    rows: list[PublishedRow] = []
    for number, line in enumerate(lines[taken:], start=1 + taken):
        if len(line) != len(header):
            raise UserError(
                f"{place} row {number}: has {len(line)} cells, the header has {len(header)}. "
                f"Every row has a cell per column. Correct the row."
            )
        cells = dict(zip(header, (cell.strip() for cell in line), strict=True))
        about = {name: next((v for k, v in cells.items() if k.lower() == name), "") for name in _ABOUT}
        name, values = _MARKUP.sub("", line[0]).strip(), {column: cells[column] for column in columns if cells[column]}
        if name not in _DECLARATIONS and is_row_of_counts(name) and all(map(_is_count, values.values())):
            name = "n"
        if name in _DECLARATIONS:
            declared.setdefault(about["set"], {})[name] = values
        else:
            rows.append(PublishedRow(name, about["set"], about["group"], about["source"], values))
    sets = {
        name: _question_set(name, rows_of, headed, given, place) for name, rows_of in (declared or {"": {}}).items()
    }
    for row in rows:
        if row.set and row.set not in sets:
            raise UserError(f'{place}: row "{row.name}" answers the set "{row.set}".{did_you_mean(row.set, sets)}')
    rows = _with_numbers(rows, place)
    independent = frozenset(
        column for rows_of in declared.values() for column, cell in rows_of.get("n", {}).items() if cell == "-"
    )
    scales = {column: 1 for column in columns if _are_fractions(rows, column)}
    rows = [_in_percent(row) if not scales and _is_in_fractions(row) else row for row in rows]
    return PublishedTable(place, title, columns, sets, tuple(rows), independent, scales)


def _lines(text: str) -> list[list[str]]:
    """Return the cells of the lines of a table, with that separator that its first line holds most of."""
    kept = [line for line in text.splitlines() if line.strip() and not _RULE.match(line)]
    first = kept[0] if kept else ""
    mark = max(_SEPARATORS, key=lambda one: (one == "|" and first.lstrip().startswith("|"), first.count(one)))
    if mark in "|&":
        bare = (_LINE_END.sub("", line.strip()).removeprefix("|").removesuffix("|") for line in kept)
        return [spanned([cell.strip() for cell in re.split(rf"(?<!\\){re.escape(mark)}", line)]) for line in bare]
    lines = separated.reader(io.StringIO(text, newline=""), delimiter=mark)
    return [line for line in lines if any(cell.strip() for cell in line)]


def _is_result(cell: str) -> bool:
    bare = _MARKUP.sub("", cell).strip()
    return bool(_NUMBER.match(bare) or _SHARE.match(bare))


def _is_count(cell: str) -> bool:
    digits = _bare_count(cell).removeprefix("~")
    return cell == "-" or (digits.isdecimal() and int(digits) > 0)


def _bare_count(cell: str) -> str:
    """Return a count without what parts its thousands."""
    return _THOUSANDS.sub("", _MARKUP.sub("", cell).strip())


def _are_fractions(rows: Sequence[PublishedRow], column: str) -> bool:
    cells = [row.cells[column] for row in rows if column in row.cells]
    return (
        bool(cells)
        and max(map(float, cells)) <= 1
        and any("." in cell for cell in cells)
        and not any(column in row.percent for row in rows)
    )


def _is_in_fractions(row: PublishedRow) -> bool:
    """Return whether one row is in fractions, where other rows are in percent: all of its cells, and more than one."""
    cells = row.cells.values()
    return len(cells) > 1 and not row.percent and all("." in cell and float(cell) <= 1 for cell in cells)


def _in_percent(row: PublishedRow) -> PublishedRow:
    return replace(row, cells={column: str(Decimal(cell).scaleb(2)) for column, cell in row.cells.items()})


def _with_numbers(rows: Sequence[PublishedRow], place: str) -> list[PublishedRow]:
    """Return the rows with bare numbers as cells.

    Raises:
        UserError: Cells hold something else; the message lists all of them, so that one reading mends the table.
    """
    wrong: list[str] = []
    read: list[PublishedRow] = []
    for row in rows:
        cells: dict[str, str] = {}
        spread: set[str] = set()
        percent: set[str] = set()
        for column, cell in row.cells.items():
            bare = _MARKUP.sub("", cell).strip()
            if bare.lower() in _ABSENT:
                continue
            share = _SHARE.match(bare)
            if share and 0 <= int(share["right"]) <= int(share["n"]) > 0:
                cells[column] = f"{100 * int(share['right']) / int(share['n']):.2f}"
                percent.add(column)
                continue
            number = _NUMBER.match(bare)
            if number is None:
                wrong.append(f'row "{row.name}", column "{column}" holds "{cell}"')
                continue
            text = number["number"].replace(",", ".")
            cells[column] = f"0{text}" if text.startswith(".") else text
            spread |= {column} if number["spread"] else set()
            percent |= {column} if "%" in bare else set()
        read.append(replace(row, cells=cells, spread=frozenset(spread), percent=frozenset(percent)))
    if wrong:
        more = f" (and {len(wrong) - _MOST_NAMED} more)" if len(wrong) > _MOST_NAMED else ""
        raise UserError(
            f"{place}: {'; '.join(wrong[:_MOST_NAMED])}{more}. A cell is a number such as 50.3, 50.3%, **50.3** or "
            f"50.3±1.2, or one of n/a and -. Correct it, or put the row's name in front."
        )
    return read


def _question_set(
    name: str,
    declared: Mapping[str, Mapping[str, str]],
    headed: Mapping[str, Count],
    given: Mapping[str, Count],
    place: str,
) -> QuestionSet:
    counts = {
        column: parse_count(cell, f'{place} row "n", column "{column}"')
        for column, cell in declared.get("n", {}).items()
        if cell != "-"
    }
    return QuestionSet(name, {**headed, **counts, **given}, declared.get("protocol", {}))


def parse_count(text: str, place: str) -> Count:
    """Return a count such as `27` or `~9694`."""
    text = _bare_count(text)
    digits = text.removeprefix("~")
    if not digits.isdecimal() or int(digits) == 0:
        raise UserError(f'{place}: "{text}" is no count. Give a number of questions, with "~" in front if about.')
    return Count(int(digits), exact=not text.startswith("~"))


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """One printed number and what it stands for."""

    table: str
    model: str
    group: str
    source: str
    column: str
    text: str
    protocol: str
    """`family/name` or `family/name#column=value`; empty where the source does not say."""
    count: Count | None

    @property
    def value(self) -> float:
        """The number, in percent."""
        return float(self.text)


def cells_of(table: PublishedTable) -> Iterable[PublishedCell]:
    """Yield every printed cell with its protocol; a row whose source names no question set has none."""
    for row in table.rows:
        chosen = table.sets.get(row.set) if row.set else None
        for column, text in row.cells.items():
            protocol = chosen.protocols.get(column, "") if chosen else ""
            count = chosen.counts.get(column) if chosen else None
            yield PublishedCell(table.name, row.name, row.group, row.source, column, text, protocol, count)
