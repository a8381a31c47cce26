from pathlib import Path

import pytest
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks.errata import marked, read_errata, unused
from gmai_bench.benchmarks.question import Card, Question
from gmai_bench.benchmarks.record import Coverage, Record
from gmai_bench.scoring.results import score_benchmark
from gmai_formats.errors import UserError

SOURCE = "https://github.com/medmcqa/medmcqa/issues/5"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_scored_with_and_without(tmp_path: Path) -> None:
    errata = read_errata(write(tmp_path / "e.csv", f"id,source,benchmark,note\n1,{SOURCE},own,x\n2,{SOURCE},other,y\n"))
    questions = tuple(Question(str(n), "?", "?", (), ("CT", "MR"), "CT", str(n)) for n in range(4))
    found = tuple(marked(questions, "own", "own/p", errata))
    assert [question.erratum for question in found] == ["", SOURCE, "", ""]
    assert found == questions  # what is asked is the same
    record = Record(Card("own", "", "own/p", 1, "option-letter", 4, (), "", ""), Coverage(4, 4, None), found)
    said = {str(n): Prediction(str(n), "B" if n == 1 else "A", "") for n in range(4)}
    result = score_benchmark(record, Kept(said, 0, 0)).result
    assert (result.accuracy, result.n) == (0.75, 4)
    (without,) = [m for name, m in result.measures.items() if name == f"without 1 errata ({SOURCE})"]
    assert (without.mean, without.n) == (1.0, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [("id\n1\n", r"has no column source"), ("id,source\n1,\n", r"row 2: id or source is empty"),
     ("id,source\n", r"holds no erratum")],
)  # fmt: skip
def test_a_list_that_is_none_is_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_errata(write(tmp_path / "e.csv", text))
    with pytest.raises(UserError, match=r"not readable as CSV"):
        read_errata(tmp_path / "none.csv")


def test_rows_about_no_question_that_is_asked_are_told() -> None:
    card = Card("own", "", "own/p", 1, "exact", None, (), "", "")
    questions = tuple(Question(str(n), "?", "?", (), (), "CT", str(n)) for n in range(3))

    def told(*rows: tuple[str, str]) -> str:
        errata = dict.fromkeys(rows, SOURCE)
        item = Record(card, Coverage(3, None, None), tuple(marked(questions, "own", "own/p", errata)))
        return unused(errata, [item])

    assert told(("", "1"), ("own", "2"), ("own/p", "0")) == ""
    assert told(("", "1"), ("", "99")) == "--errata: 1 of 2 rows are about no question asked here, such as 99"
    assert told(("other", "1")) == "--errata: 1 of 1 rows are about no question asked here, such as 1 of other"
