"""The auditor, on cells checked by hand and on the paper's own tables."""

from pathlib import Path

import pytest
from gmai_bench.published.audit import RowAudit, attainable, audit, tells_nothing
from gmai_bench.published.tables import PAPER_TABLES, Count, cells_of, paper_cells, paper_table, read_table
from gmai_formats.errors import UserError


def row(table: str, model: str, question_set: str) -> RowAudit:
    (found,) = [a for a in audit(paper_table(table)) if (a.row.name, a.set.name) == (model, question_set)]
    return found


@pytest.mark.parametrize(
    ("text", "n", "right"),
    [
        ("50.0", 27, []),
        ("50.0", 30, [15]),
        ("48.1", 27, [13]),
        ("66.3", 451, [299]),
        ("66.3", 251, []),
        ("63.7", 251, [160]),
        ("72.9", 416, []),
        ("72.9", 1061, [773]),
        ("0", 30, [0]),
        ("100", 30, [30]),
        ("50", 1000, list(range(495, 506))),
    ],
)
def test_which_counts_are_printed_so(text: str, n: int, right: list[int]) -> None:
    assert list(attainable(text, n)) == right


def test_a_large_n_rules_nothing_out() -> None:
    assert tells_nothing("54.3", 2000)
    assert not tells_nothing("54.3", 999)


def test_pharmacy_of_table_4_is_impossible_over_27() -> None:
    (cell,) = row("table4", "GMAI-VL", "multiple-choice").impossible
    assert str(cell) == "pharmacy 50.0 is impossible over 27 questions (nearest 13/27 = 48.15 or 14/27 = 51.85)"
    assert row("table4", "GMAI-VL", "all").impossible == ()
    assert row("table4", "HuatuoGPT-Vision-7B", "multiple-choice").impossible == ()


def test_table_2_mixes_question_sets() -> None:
    assert [c.column for c in row("table2", "GMAI-VL", "huatuo").impossible] == ["vqa_rad", "slake"]
    assert row("table2", "GMAI-VL", "whole").impossible == ()
    baselines = [a for a in audit(paper_table("table2")) if a.row.group == "baseline" and a.impossible]
    assert [a.row.name for a in baselines] == ["HuatuoGPT-Vision-7B"]


@pytest.mark.parametrize(
    ("table", "model", "question_set", "kind"),
    [
        ("table2", "Yi-VL-34B", "huatuo", "macro"),
        ("table2", "LLaVA-v1.6-13B", "huatuo", "neither"),
        ("table3", "MedDr", "full", "micro"),
        ("table3", "GMAI-VL", "full", "neither"),
        ("table3", "GMAI-VL", "open", "neither"),
        ("table4", "Yi-VL-34B", "all", "neither"),
        ("table4", "GMAI-VL", "all", "micro or macro"),
        ("table4", "LLaVA-v1.6-13B", "multiple-choice", "micro"),
        ("table5", "GPT-4o", "test", "micro"),
        ("table5", "LLaVA-NeXT-vicuna-7B", "test", "neither"),
        ("table5", "GMAI-VL", "test", "not checked"),
    ],
)
def test_what_the_overall_columns_are(table: str, model: str, question_set: str, kind: str) -> None:
    (overall,) = row(table, model, question_set).overall
    assert overall.kind == kind


def test_every_cell_ships_with_its_source_and_no_guessed_protocol() -> None:
    cells = paper_cells()
    assert {cell.table for cell in cells} == set(PAPER_TABLES)
    assert all(cell.source for cell in cells)
    assert {c.protocol for c in cells if c.model == "GMAI-VL" and c.table != "table5"} == {""}
    (pharmacy,) = [c for c in cells if c.model == "HuatuoGPT-Vision-7B" and c.column == "pharmacy"]
    assert (pharmacy.protocol, pharmacy.count) == ("mmmu-hm/mc-145#subject=Pharmacy", Count(27, exact=True))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    file = write(tmp_path / "own.csv", "model,a,b,overall\nn,10,30,\nours,50,50.0,50\ntheirs,45,50.0,48.75\n")
    ours, theirs = audit(read_table(file, {}))
    assert (ours.impossible, ours.overall[0].kind) == ((), "micro or macro")
    # 45 % of 10 is no count; 4.5 + 15 of 40 is 48.75 %, the plain mean is 47.5 %
    assert [str(c) for c in theirs.impossible] == [
        "a 45 is impossible over 10 questions (nearest 4/10 = 40.00 or 5/10 = 50.00)"
    ]
    assert theirs.overall[0].kind == "micro"
    given = read_table(file, {"a": Count(20, exact=True)})
    assert audit(given)[1].impossible == ()
    assert {c.protocol for c in cells_of(given)} == {""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,a\n", r"own\.csv: has no rows below its header"),
        ("model,a\nx,1,2\n", r"row 2: has 3 cells, the header has 2"),
        ("model,a\nx,about 5\n", r'row "x", column "a" holds "about 5"'),
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
