import re

import pytest
from gmai_bench.benchmarks.question import Question
from gmai_bench.scoring.scorers import scorer
from gmai_bench.scoring.token_f1 import token_f1


def by_definition(answer: str, reference: str) -> float:
    """Precision and recall of words as a multiset, written out."""

    def kept(text: str) -> list[str]:
        bare = re.sub(r"[!-/:-@\[-`{-~]", "", text.lower())
        return [word for word in re.split(r"\s+", bare) if word and word not in ("a", "an", "the")]

    said, left = kept(answer), kept(reference)
    due = len(left)
    shared = 0
    for word in said:
        if word in left:
            left.remove(word)
            shared += 1
    if not said or not due:
        return float(len(said) == due)
    precision, recall = shared / len(said), shared / due
    return 2 * precision * recall / (precision + recall) if shared else 0.0


def test_two_hundred_answers_as_by_definition(report_answers: list[tuple[str, Question]]) -> None:
    found = scorer("token-f1").verdicts(report_answers)
    for verdict, (answer, question) in zip(found, report_answers, strict=True):
        due = max(by_definition(answer, text) for text in (question.reference, *question.alternatives))
        assert verdict.score == pytest.approx(due if answer else 0.0, abs=1e-12)


def test_articles_case_and_punctuation_do_not_count() -> None:
    assert token_f1("The left lung.", "left Lung") == 1.0
    assert token_f1("left lung", "lung") == pytest.approx(2 / 3)
    assert token_f1("the", "a") == 1.0
    assert token_f1("lung", "liver") == 0.0
