"""Normalised exact match: lower-case words and digits are equal."""

import re

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.scoring.verdict import Scorer, Verdict

_WORDS = re.compile(r"[^\W_]+")


def normalise(text: str) -> str:
    """Return the lower-case words (letters and digits of any script) joined by one blank."""
    return " ".join(_WORDS.findall(text.lower()))


def score(response: str, question: Question) -> Verdict:
    """Return whether the response equals the reference, or one of the other accepted answers."""
    answer = normalise(strip_thoughts(response))
    if not answer:
        return Verdict(0.0, "empty", None)
    accepted = (question.reference, *question.alternatives)
    return Verdict(float(any(answer == normalise(text) for text in accepted)), "exact", answer)


SCORER = Scorer("normalised-exact/1", score)
