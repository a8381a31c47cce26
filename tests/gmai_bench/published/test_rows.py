import dataclasses

import pytest
from gmai_bench.benchmarks.registry import bundled, protocols_of
from gmai_bench.published.rows import Beside, PublishedNumber, beside, published_rows, rows_of
from gmai_bench.scoring.results import OtherMeasure, Result
from gmai_formats.errors import UserError


def made(protocol: str, accuracy: float, n: int, **fields: object) -> Result:
    empty: dict[str, object] = {field.name: None for field in dataclasses.fields(Result)}
    about = {"protocol": protocol, "accuracy": accuracy, "n": n, "interval": (accuracy - 0.1, accuracy + 0.1),
             "measures": {}, "hidden": False, "partial": False, "metric": "accuracy"}  # fmt: skip
    return Result(**{**empty, **about, **fields})  # type: ignore[arg-type]


def one(rows: list[Beside], benchmark: str) -> Beside:
    return next(row for row in rows if row.theirs.benchmark == benchmark)


def test_every_row_names_its_source_and_a_protocol_that_is_there_or_what_is_missing() -> None:
    rows = published_rows()
    assert {row.name for row in rows} == {"lingshu", "hulu-med", "medgemma", "huatuogpt-vision", "gmai-vl"}
    for row in rows:
        assert "http" in row.source or "arXiv" in row.source
        assert 0 < float(row.value) < 100
        family, _, protocol = row.protocol.partition("/")
        assert (protocol in protocols_of(family) and int(row.n) > 0) if row.protocol else row.missing, row
    assert bundled()


def test_a_paper_and_each_of_its_models_are_found() -> None:
    assert {row.model for row in rows_of("Lingshu")} == {"Lingshu-7B", "Lingshu-32B"}
    assert {row.model for row in rows_of("hulu med 7b")} == {"Hulu-Med-7B"}
    with pytest.raises(UserError, match=r'no published rows of "lingsu"\. Did you mean "lingshu"\?'):
        rows_of("lingsu")


def test_ours_stands_beside_theirs_only_where_it_is_made_in_the_same_way() -> None:
    read = {"as read by medevalkit": OtherMeasure(2000, 0.30, (0.28, 0.32), "")}
    ours = [
        made("medxpertqa/mm-2000", 0.29, 2000, measures=read),
        made("vqa-rad/medevalkit", 0.6, 451),
        made("pmc-vqa/test2-33430", 0.5, 33430),
    ]
    rows = beside(rows_of("Lingshu-7B"), ours)
    found = one(rows, "MedXpertQA-MM")
    assert (found.ours, found.n, found.note) == (
        0.30,
        2000,
        "further apart than chance leaves likely (two samples, 95 %)",
    )
    assert found.difference == pytest.approx(3.3)
    judged = one(rows, "VQA-RAD")
    assert judged.ours is None
    assert "Run `gmai bench judge OUT" in judged.note
    assert one(rows, "PMC-VQA").note == "ours has no number as read by medevalkit."
    assert one(rows, "MedQA-USMLE").note == "not asked here: --benchmarks medqa/usmle-1273"
    assert one(rows, "Medbullets").note.startswith("whether four or five options")


def test_a_small_difference_over_few_questions_is_no_news() -> None:
    row = PublishedNumber("p", "m", "b", "54.0", "mmmu-hm/official-150", "accuracy", "150", "", "", "https://x", "")
    (found,) = beside([row], [made("mmmu-hm/official-150", 0.50, 150, macro=None, partial=True)])
    assert (found.difference, found.note) == (pytest.approx(-4.0), "ours is partial")
