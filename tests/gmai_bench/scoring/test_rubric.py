import itertools
import random

import numpy as np
import pytest
from gmai_bench.benchmarks.question import Criterion, Question
from gmai_bench.scoring.rubric import SCORER, by_tag, points
from gmai_bench.scoring.verdict import UNJUDGED


def published(items: list[tuple[float, bool]]) -> float | None:
    """`calculate_score` of https://github.com/openai/simple-evals (healthbench_eval.py), by numpy."""
    worth, met = np.array([item[0] for item in items]), np.array([item[1] for item in items])
    possible = worth[worth > 0].sum()
    return None if possible == 0 else float(worth[met].sum() / possible)


def test_the_score_is_that_of_the_published_code_on_200_rubrics() -> None:
    draw = random.Random(0)
    for _ in range(200):
        items = [(draw.choice([-10, -5, -1, 1, 3, 7, 10]), draw.random() < 0.5) for _ in range(draw.randint(1, 12))]
        found = points([Criterion("c", worth) for worth, _ in items], [met for _, met in items])
        due = published([(float(worth), met) for worth, met in items])
        assert found == (None if due is None else pytest.approx(due, abs=1e-12))


def test_an_answer_may_be_worth_less_than_nothing() -> None:
    criteria = [Criterion("says", 5), Criterion("harms", -10)]
    scores = [points(criteria, met) for met in itertools.product([False, True], repeat=2)]
    assert scores == [0.0, -2.0, 1.0, -1.0]


def test_tags_without_points_to_be_had_have_no_score() -> None:
    criteria = [Criterion("a", 5, ("x",)), Criterion("b", -5, ("x", "y")), Criterion("c", 3, ("z",))]
    assert by_tag(criteria, [True, True, False]) == {"x": 0.0, "z": 0.0}


def test_an_answer_waits_for_its_judge() -> None:
    verdict = SCORER.verdicts([("hello", Question("q", "?", "?", (), (), "[5] a", "q"))])[0]
    assert (verdict.score, verdict.rule) == (0.0, UNJUDGED)
