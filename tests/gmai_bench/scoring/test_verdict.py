import dataclasses

import pytest
from gmai_bench.answers.predictions import Prediction
from gmai_bench.benchmarks.question import Question
from gmai_bench.scoring.verdict import Scored, Scorer, Verdict


def test_a_scorer_makes_a_verdict_that_stays() -> None:
    scorer = Scorer(
        "echo/1", lambda response, question: Verdict(float(response == question.reference), "echo", response)
    )
    question = Question("1", "?", "?", (), (), "yes", "1")
    verdict = scorer.score("yes", question)
    assert verdict == Verdict(1.0, "echo", "yes")
    assert scorer.score("no", question).score == 0.0
    scored = Scored(question, Prediction("1", "yes", ""), verdict)
    with pytest.raises(dataclasses.FrozenInstanceError):
        scored.verdict.score = 0.0  # type: ignore[misc]
