"""The option that the model finds likeliest; the response is that option."""

from gmai_bench.benchmarks.question import Question
from gmai_bench.scoring.verdict import Scorer, Verdict


def score(response: str, question: Question) -> Verdict:
    """Return whether the likeliest option is the right one."""
    return Verdict(float(response == question.reference), "likelihood", response)


SCORER = Scorer("likelihood/1", score)
