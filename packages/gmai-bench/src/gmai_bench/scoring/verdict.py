"""What an answer is worth, and what a scorer is: a version and a function from answer and question to a verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gmai_bench.answers.predictions import Prediction
from gmai_bench.benchmarks.question import Question

UNJUDGED = "not judged yet"
"""Rule of an answer that waits for a judge: it is in no number."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer is worth."""

    score: float
    """1 right, 0 wrong; in between for graded measures, and for an option a published parser would have drawn."""
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
    orders: int = 1
    """In how many orders of its options it was asked, and must be right in all of them."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """One rule of scoring."""

    version: str
    """Name and version, as the report shows it; runs are compared under one version only."""
    score: Callable[[str, Question], Verdict] | None
    """Response and question ▶ verdict; `None` where only all answers together can be scored."""
    measure: str = "accuracy"
    """What the number is called. Of any other measure than accuracy it is the mean of the scores."""
    score_all: Callable[[Sequence[tuple[str, Question]]], Sequence[Verdict]] | None = None
    """The same for all answers of a benchmark, where they depend on one another or a package takes them at once."""
    most: float = 1.0
    """The best score."""

    @property
    def is_graded(self) -> bool:
        """Whether the number is a mean of scores, not a share of right answers."""
        return self.measure != "accuracy"

    def verdicts(self, answers: Sequence[tuple[str, Question]]) -> Sequence[Verdict]:
        """Return the verdicts on answers, in their order."""
        if self.score_all is not None:
            return self.score_all(answers) if answers else []
        assert self.score is not None  # noqa: S101
        return [self.score(response, question) for response, question in answers]
