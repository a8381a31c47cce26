"""A benchmark of four option questions about two images, scored."""

from collections.abc import Callable
from typing import Any

import pytest
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks.question import Card, Question
from gmai_bench.benchmarks.record import Coverage, Record
from gmai_bench.scoring.results import ScoredBenchmark, score_benchmark

OPTIONS = ("CT", "MR")


@pytest.fixture(scope="session")
def scored() -> Callable[..., ScoredBenchmark]:
    """Return a function of the answers: the questions' benchmark, scored; keywords change the card."""

    def score(*answers: str, expected: int | None = 4, **card: Any) -> ScoredBenchmark:
        fields: dict[str, Any] = {
            "name": "set", "title": "A set", "protocol": "set/all", "protocol_version": 3, "scoring": "option-text",
            "expected": expected, "groups": ("organ",), "source": "local copy", "license": "MIT",
        }  # fmt: skip
        questions = tuple(
            Question(
                str(i), f"Which, {i}?", "?", (f"image-{i // 2}",), OPTIONS, OPTIONS[i % 2], f"image-{i // 2}",
                groups={"organ": ("lung", "liver_left")[i // 2]},
            )
            for i in range(4)
        )  # fmt: skip
        kept = {str(i): Prediction(str(i), answer, "") for i, answer in enumerate(answers)}
        record = Record(Card(**(fields | card)), Coverage(4, expected, None), questions)
        return score_benchmark(record, Kept(kept, 0, 0))

    return score
