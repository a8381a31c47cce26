"""The auditor, on cells checked by hand and on the paper's own tables."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from gmai_bench.published.audit import RowAudit, artefact, attainable, audit, tells_nothing
from gmai_bench.published.tables import PAPER_TABLES, Count, cells_of, paper_table, read_table


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
    baselines = [a for a in audit(paper_table("table2")) if a.row.group == "baseline"]
    assert not [a.row.name for a in baselines if a.impossible]
    # 63.745 ▶ 63.75 ▶ 63.8
    assert [str(cell) for a in baselines for cell in a.artefacts] == ["vqa_rad 63.8 is 160/251 rounded twice"]


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
    cells = [cell for name in PAPER_TABLES for cell in cells_of(paper_table(name))]
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


def audited(tmp_path: Path, *lines: str) -> list[RowAudit]:
    return audit(read_table(write(tmp_path / "own.csv", "\n".join(lines) + "\n"), {}))


def test_fractions_are_shares_of_one(tmp_path: Path) -> None:
    ours, theirs = audited(tmp_path, "model,a,b,avg", "n,251,416,", "m,0.661,0.728,.695", "k,0.663,0.728,0.9")
    assert (ours.checked, ours.impossible, ours.overall[0].kind) == (2, (), "macro")
    assert [str(cell) for cell in theirs.impossible] == [
        "a 0.663 is impossible over 251 questions (nearest 166/251 = 0.66135 or 167/251 = 0.66534)"
    ]
    assert theirs.overall[0].kind == "neither"


@pytest.mark.parametrize("name", ["Overall", "Total", "AVG", "Average (macro)", "mean", "All"])
@pytest.mark.parametrize("n", ["", "300"])
def test_an_overall_is_compared_also_when_it_has_its_own_n(tmp_path: Path, name: str, n: str) -> None:
    wrong, right = audited(tmp_path, f"model,a,b,{name}", f"n,100,200,{n}", "m,50.0,80.0,90.0", "k,50.0,80.0,70.0")
    assert ([o.kind for o in wrong.overall], [o.kind for o in right.overall]) == (["neither"], ["micro"])
    assert right.checked == (3 if n else 2)


@pytest.mark.parametrize(
    ("text", "n", "found"),
    [
        ("54.4", 46, (25, "rounded twice")),  # 54.348 ▶ 54.35 ▶ 54.4
        ("84.7", 46, (39, "truncated")),  # 84.783
        ("66.6", 3, (2, "truncated")),
        ("66.10", 251, (166, "rounded to fewer digits")),  # 66.135 ▶ 66.1 ▶ 66.10
        ("0.66", 3, None),
        ("50.0", 27, None),
        ("66.3", 251, None),
    ],
)
def test_artefacts_of_rounding_are_no_impossible_cells(text: str, n: int, found: tuple[int, str] | None) -> None:
    assert attainable(text, n) == range(0) or not list(attainable(text, n))
    assert artefact(text, n) == found


def test_no_cut_of_any_share_is_called_impossible() -> None:
    for n in range(2, 260):
        for k in range(n + 1):
            share = Decimal(100 * k) / n
            once = share.quantize(Decimal("0.1"), ROUND_HALF_UP)
            even = share.quantize(Decimal("0.1"), ROUND_HALF_EVEN)
            twice = share.quantize(Decimal("0.01"), ROUND_HALF_UP).quantize(Decimal("0.1"), ROUND_HALF_UP)
            cut = share.quantize(Decimal("0.1"), ROUND_DOWN)
            for text in {str(once), str(even), str(twice), str(cut)}:
                assert attainable(text, n) or artefact(text, n), (k, n, text)


def test_a_mean_of_several_runs_is_no_impossible_cell(tmp_path: Path) -> None:
    [mean] = audited(tmp_path, "model,a", "n,251", "m,66.3±1.2")
    assert [str(one) for one in mean.artefacts] == ["a 66.3 is 333/502 as the mean of 2 runs"]
    assert not mean.impossible
    [single] = audited(tmp_path, "model,a", "n,251", "m,66.3")
    assert len(single.impossible) == 1


def test_columns_in_percent_and_in_fractions_stand_side_by_side(tmp_path: Path) -> None:
    [row] = audited(tmp_path, "model,a,b,avg", "n,251,251,", "m,66.1,0.661,0.7")
    assert (row.checked, row.impossible, [o.kind for o in row.overall]) == (2, (), ["not checked"])
    [share] = audited(tmp_path, "model,a,b", "n,251,251", "m,166/251 (66.1%),66.1")
    assert (share.checked, share.impossible) == (2, ())


def test_the_n_that_fits_every_row_is_found(tmp_path: Path) -> None:
    rows = [f"m{k},{100 * k / 145:.1f}" for k in (7, 33, 61, 98, 120, 131)]
    (first, *_) = [row for row in audited(tmp_path, "model,a", "n,150", *rows) if row.impossible]
    assert 145 in first.impossible[0].fitting
    assert "every row fits n = " in str(first.impossible[0])


def test_a_macro_mean_with_an_n_of_its_own_is_no_impossible_cell(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("模型,VQA-RAD（251题）,SLAKE,平均\n题数,251,416,667\nX,66.14,72.84,69.49\n", encoding="utf-8")
    (row,) = audit(read_table(path, {}))
    assert ([one.kind for one in row.overall], row.impossible) == (["macro"], ())
