"""Tables as they are printed, with signs, markup and cells without a number."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from gmai_bench.published.tables import Count, PublishedRow, parse_count, read_table
from gmai_formats.errors import UserError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rows(tmp_path: Path, *lines: str) -> Sequence[PublishedRow]:
    return read_table(write(tmp_path / "own.csv", "\n".join(lines) + "\n"), {}).rows


def test_counts_may_be_about() -> None:
    assert (parse_count("27", ""), parse_count("~9694", "")) == (Count(27, exact=True), Count(9694, exact=False))


@pytest.mark.parametrize(
    ("cells", "fractions"),
    [("0.5,0.25", "ab"), ("0.5,25", "a"), ("1,0", ""), ("1,0.5", "b"), ("0.5%,0.25", "b"), ("100/251,0.4", "b")],
)
def test_fractions_are_told_by_the_cells_of_a_column(tmp_path: Path, cells: str, fractions: str) -> None:
    read = read_table(write(tmp_path / "own.csv", f"model,a,b\nm,{cells}\n"), {})
    assert "".join(read.scales) == fractions


@pytest.mark.parametrize(
    "cell",
    ["66.3±1.2", "66.3 (1.2)", "$66.3_{\\pm 1.2}$", "66.3 +/- 1.2%", "**66.3** ± 1.2 (n = 251)"],
)
def test_a_spread_says_that_it_may_be_a_mean_of_runs(tmp_path: Path, cell: str) -> None:
    [row] = read_table(write(tmp_path / "own.csv", f"model,a\nm,{cell}\n"), {}).rows
    assert (row.cells, row.spread) == ({"a": "66.3"}, {"a"})
    [bare] = read_table(write(tmp_path / "own.csv", 'model,a\nm,"66.3 [60.1, 71.9]"\n'), {}).rows
    assert (bare.cells, bare.spread) == ({"a": "66.3"}, frozenset())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,a\n", r"own\.csv: has no rows below its header"),
        ("model,a\nx,1,2\n", r"row 2: has 3 cells, the header has 2"),
        ("model,a\nx,about 5\n", r'row "x", column "a" holds "about 5"\. A cell is a number such as'),
        ("model,a\nn,many\nx,5\n", r'"many" is no count'),
        ("model,set,a\nn,first,4\nx,frist,5\n", r'answers the set "frist"\. Did you mean "first"\?'),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_table(write(tmp_path / "own.csv", text), {})


def test_an_unknown_column_or_file_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "own.csv", "model,pharmacy\nx,50\n")
    with pytest.raises(UserError, match=r'no column "pharmcy"\. Did you mean "pharmacy"\?'):
        read_table(file, {"pharmcy": Count(27, exact=True)})
    with pytest.raises(UserError, match=r"none\.csv: cannot be read .*or one of table2"):
        read_table(tmp_path / "none.csv", {})


@pytest.mark.parametrize(
    "cell",
    [
        *("66.3", "66.3%", "66.3 %", "**66.3**", "66.3±1.2", "66.3 ± 1.2", "66.3 +/- 1.2", "66.3 (1.2)"),
        *("66.3 [64.1; 68.5]", "$66.3$", "\\textbf{66.3}", "$\\mathbf{66.3}$", "66.3*", "**66.3**±1.2"),
        *(
            "<b>66.3</b>",
            "__66.3__",
            "66.3†",
            "↑66.3",
            "66.3↓",
            "66.3\\%",
            "(66.3)",
            "~66.3",
            "66.3^{*}",
            "66.3 (+1.2)",
        ),
        *("\\cellcolor{gray!20}66.3", "\\textcolor{red}{66.3}", "66.3 ± 1.2 (n = 251)", "<span style='c'>66.3</span>"),
    ],
)
def test_a_number_in_any_print_is_a_number(tmp_path: Path, cell: str) -> None:
    (row,) = rows(tmp_path, "model,a,b", "n,451,", f'm,"{cell}",n/a')
    assert row.cells == {"a": "66.3"}


@pytest.mark.parametrize("cell", ["", "-", "–", "—", "n/a", "N/A", "NA", "nan", "/", "N.R.", "--", "OOM"])
def test_a_cell_without_a_number_is_left_out(tmp_path: Path, cell: str) -> None:
    (row,) = rows(tmp_path, "model,a,b", "n,30,30", f"m,50.0,{cell}")
    assert row.cells == {"a": "50.0"}


def test_all_bad_cells_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'column "a" holds "x5"; row "m", column "b" holds "five"'):
        rows(tmp_path, "model,a,b", "m,x5,five")
