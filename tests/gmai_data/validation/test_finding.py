"""A finding in words and as an entry of the report."""

from gmai_data.validation.finding import Finding
from gmai_formats.rows.rules import RULES, Problem


def test_a_finding_says_where_what_the_rule_and_the_remedy():
    finding = Finding("part\x1b.jsonl", 3, "id-1", Problem("boxes", "box 1 is [3, 0, 2, 1]"))
    must, remedy = RULES["boxes"]
    assert finding.where == "part\x1b.jsonl row 3"
    line = finding.line()
    assert line.endswith(finding.problem.line())
    assert line.startswith("part")
    assert "\x1b" not in line, "a file's name cannot command a terminal"
    assert "row 3: " in line
    for words in ("box 1 is [3, 0, 2, 1]", must, remedy):
        assert words in line
    assert finding.entry() == {
        "file": "part\x1b.jsonl", "row": 3, "id": "id-1", "rule": "boxes", "found": "box 1 is [3, 0, 2, 1]",
        "must": must, "remedy": remedy,
    }  # fmt: skip


def test_a_file_has_no_row_and_the_first_row_has_one():
    problem = Problem("file", "it ends early")
    assert Finding("a.parquet", None, None, problem).where == "a.parquet"
    assert Finding("a.parquet", 0, None, problem).where == "a.parquet row 0"
