"""MMMU: a letter by our rules, its own rule where a question is open."""

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction import mmmu_open
from gmai_bench.extraction.options import EXTRACTOR
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.scoring.options import choose
from gmai_bench.scoring.verdict import Scorer, Verdict


def score(response: str, question: Question) -> Verdict:
    """Return the verdict on a lettered or an open question."""
    if question.choices:
        return choose(response, question, "letters")
    accepted = (question.reference, *question.alternatives)
    right = any(mmmu_open.is_right(strip_thoughts(response), text) for text in accepted)
    return Verdict(float(right), "mmmu_open" if response.strip() else "empty", response.strip() or None)


SCORER = Scorer(f"{EXTRACTOR}+mmmu-open/1", score)
