import dataclasses
from typing import Any

import pytest
from gmai_bench.report.markdown import as_markdown, count_note, partial_note, percent, span

SUMMARY: dict[str, Any] = {
    "title": "a|b", "model": "m`", "model_digest": "d" * 8, "created": "2026-01-01", "published": [],
}  # fmt: skip


def test_shares_and_intervals_are_in_percent() -> None:
    assert (percent(0.8125), percent(None), percent(0)) == ("81.2 %", "–", "0.0 %")
    assert span((0.7594, 1.0)) == "75.9–100.0 %"


def test_a_row_holds_protocol_n_interval_and_chance(scored) -> None:
    text = as_markdown(SUMMARY, [scored("CT", "MR", "CT", "")])
    assert text.startswith("# a\\|b\n\nModel `m\\`` (dddddddd), 2026-01-01.\n")
    assert "| A set | set/all v3 | 4 | 75.0 % | 30.1–95.4 % | 50.0 % | 25.0 % |" in text
    assert "## A set — set/all" in text
    assert "3 of 4 right. Wilson interval 30.1–95.4 %; clustered, 2 clusters," in text
    assert "| lung | 2 | 100.0 % |" in text
    assert "| liver\\_left" not in text
    assert "| liver_left | 2 | 50.0 % |" in text
    assert "Partial" not in text


def test_a_partial_result_says_so_beside_its_number_and_why(scored) -> None:
    benchmark = scored("CT", expected=9)
    text = as_markdown(SUMMARY, [benchmark])
    assert "| set/all v3 (partial) | 1 |" in text
    why = "4 of 9 questions; 3 of them have no answer yet. Not comparable with full runs."
    assert partial_note(benchmark.result) == why
    assert f"**Partial:** {why}" in text
    limited = dataclasses.replace(benchmark.result, limit=4, expected=None, unanswered=0)
    assert partial_note(limited) == "4 questions (--limit 4). Not comparable with full runs."


def test_a_count_that_was_not_verified_is_noted(scored) -> None:
    assert count_note(scored("CT").result) == ""
    unsure = scored("CT", count_verified=False, count_source="quoted")
    assert count_note(unsure.result) == "The count of this protocol, 4, is not verified: quoted."
    assert "The count of this protocol, 4, is not verified: quoted." in as_markdown(SUMMARY, [unsure])


def test_withheld_answers_give_no_number(scored) -> None:
    text = as_markdown(SUMMARY, [scored("CT", "MR", "CT", "CT", hidden=True)])
    assert "| A set | set/all v3 | 4 | withheld | – | – | 0.0 % |" in text


def test_what_was_cut_refused_and_noted_stands_in_the_section(scored) -> None:
    benchmark = scored("CT", "MR", "CT", "CT", notes="By hand.")
    result = dataclasses.replace(benchmark.result, cut=2, refused_by_server=1)
    text = as_markdown(SUMMARY, [dataclasses.replace(benchmark, result=result)])
    assert "\n2 answers were cut at the token limit (`--max-new-tokens`).\n" in text
    assert "\n1 questions were refused by the server; they count as not answered.\n" in text
    assert "\nBy hand.\n" in text


@pytest.mark.parametrize(
    ("title", "written"),
    [("a | b", r"a \| b"), ("<b>", r"\<b\>"), ("a\nb", "a b"), ("[x](y)", r"\[x\](y)"), ("*`\\", r"\*\`\\")],
)
def test_a_title_cannot_break_out_of_its_cell(scored, title: str, written: str) -> None:
    assert f"| {written} | set/all v3 |" in as_markdown(SUMMARY, [scored("CT", "MR", "CT", "MR", title=title)])


def test_a_published_table_stands_beside_our_row(scored) -> None:
    table: dict[str, Any] = {
        "title": "Table 9", "columns": ["x_ray", "ct"], "rows": [("Other|", None, ["50.0", None])],
        "ours": [{"text": "75.0", "protocol": "set/all#2"}, None],
        "comparable": [("Other|", "x_ray", 25.0)], "refusals": ["ct: another count"],
    }  # fmt: skip
    text = as_markdown({**SUMMARY, "title": "mine", "published": [table]}, [scored("CT")])
    assert "| model | questions | x ray | ct |\n|---|---|---:|---:|\n| Other\\| | not named | 50.0 | – |" in text
    assert "| **mine** | ours | 75.0 | – |" in text
    assert "Our row: set/all; n and intervals" in text
    assert "- same protocol: Other\\|, x_ray: +25.0 points\n- not compared: ct: another count" in text
