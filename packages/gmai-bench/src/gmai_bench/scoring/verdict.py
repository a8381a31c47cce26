"""What an answer is worth, and what a scorer is: a version and a function from answer and question to a verdict."""

from collections.abc import Callable
from dataclasses import dataclass

from gmai_bench.answers.predictions import Prediction
from gmai_bench.benchmarks.question import Question


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer is worth."""

    score: float
    """1 right, 0 wrong; in between for token recall, and for an option a published parser would have drawn."""
    rule: str
    """The extraction rule that fired, or why none did."""
    answer: str | None
    """What was taken from the response; `None` where nothing was."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One answered question with its verdict."""

    question: Question
    prediction: Prediction
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Scorer:
    """One rule of scoring."""

    version: str
    """Name and version, as the report shows it; runs are compared under one version only."""
    score: Callable[[str, Question], Verdict]
    """Response and question ▶ verdict."""
