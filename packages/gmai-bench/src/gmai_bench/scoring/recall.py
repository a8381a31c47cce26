"""LLaVA-Med's two numbers by whole words: yes/no by extraction, and for other questions the share of words said."""

import re

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.options import EXTRACTOR
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.scoring.options import choose
from gmai_bench.scoring.verdict import Scorer, Verdict

_WORDS = re.compile(r"[^\W_]+")


def score(response: str, question: Question) -> Verdict:
    """Return the option read, or which share of the reference's distinct words occur in the response."""
    if question.choices:
        return choose(response, question, "letters")
    answered = set(_WORDS.findall(strip_thoughts(response).lower()))
    expected = set(_WORDS.findall(question.reference.lower()))
    if not answered:
        return Verdict(0.0, "empty", None)
    return Verdict(len(expected & answered) / len(expected) if expected else 0.0, "token_recall", None)


SCORER = Scorer(f"{EXTRACTOR}+token-recall/1", score)
