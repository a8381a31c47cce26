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


def test_a_count_with_a_mark_of_a_footnote_is_named() -> None:
    with pytest.raises(UserError, match='n: "251²" is no count'):
        parse_count("251²", "n")


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


LATEX = r"""
\begin{tabular}{lcc}
\toprule
Model & VQA-RAD & SLAKE \\ \midrule
n & 251 & 416 \\
Ours & \textbf{66.5} & 72.8\% \\ \hline
\end{tabular}
"""


@pytest.mark.parametrize(
    "text",
    [
        "Model;VQA-RAD;SLAKE\nn;251;416\nOurs;66,5;72,8\n",
        "Model\tVQA-RAD\tSLAKE\nn\t251\t416\nOurs\t66.5\t72.8\n",
        "| Model | VQA-RAD | **SLAKE** |\n|---|:---:|---:|\n| n | 251 | 416 |\n| **Ours** | 66.5 | 72.8 |\n",
        LATEX,
    ],
)
def test_tables_are_read_as_they_are_pasted(tmp_path: Path, text: str) -> None:
    read = read_table(write(tmp_path / "own.txt", text), {})
    assert (read.columns, read.rows[0].name) == (("VQA-RAD", "SLAKE"), "Ours")
    assert read.rows[0].cells == {"VQA-RAD": "66.5", "SLAKE": "72.8"}
    assert read.sets[""].counts == {"VQA-RAD": Count(251, exact=True), "SLAKE": Count(416, exact=True)}


def test_a_header_may_say_how_many_questions_stand_behind_a_column(tmp_path: Path) -> None:
    read = read_table(write(tmp_path / "own.csv", 'model,A (n=46),"B [n = 1,061]"\nm,54.3,50.0\n'), {})
    assert [count.n for count in read.sets[""].counts.values()] == [46, 1061]
    over = read_table(write(tmp_path / "own.csv", "model,A (n=46)\nn,47\nm,54.3\n"), {})
    assert over.sets[""].counts["A (n=46)"].n == 47


def test_one_row_in_fractions_among_rows_in_percent(tmp_path: Path) -> None:
    first, second = rows(tmp_path, "model,a,b", "m,54.3,48.3", "k,0.543,0.48")
    assert (first.cells, second.cells) == ({"a": "54.3", "b": "48.3"}, {"a": "54.3", "b": "48"})


@pytest.mark.parametrize(
    ("header", "message"), [("model,a,a", 'the column "a" twice'), ("model", "no column of numbers")]
)
def test_columns_have_names_of_their_own(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        rows(tmp_path, header, header.replace("a", "1"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.md", "| Model | RAD | RAD | SLAKE |\n| | open | closed | |\n|---|---|---|---|\n"
         "| # questions | 200 | 251 | 1,061 |\n| X | 50.0 | 66.14 | 72.8 |\n"),
        ("t.tex", "\\begin{tabular}{lccc}\n\\toprule\n\\multirow{3}{*}{Model} & \\multicolumn{2}{c}{RAD} & SLAKE \\\\\n"
         "\\cmidrule(lr){2-3}\n & open & closed & \\\\\n & (n=200) & (n=251) & (1,061) \\\\\n\\midrule\n"
         "X & 50.0 & \\textbf{66.14} & 72.8\\\\\n\\bottomrule\n\\end{tabular}\n"),
    ],
)  # fmt: skip
def test_headings_of_several_lines_are_one(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    table = read_table(path, {})
    assert [column.split(" (")[0] for column in table.columns] == ["RAD open", "RAD closed", "SLAKE"]
    assert [count.n for count in table.sets[""].counts.values()] == [200, 251, 1061]
    assert list(table.rows[0].cells.values()) == ["50.0", "66.14", "72.8"]
