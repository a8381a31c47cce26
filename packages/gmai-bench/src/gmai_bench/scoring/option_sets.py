"""All right options and no other, in any order."""

from gmai_bench.benchmarks.question import SET_JOIN, Question
from gmai_bench.extraction.options import EXTRACTOR, NO_ANSWER, extract_set
from gmai_bench.scoring.verdict import Scorer, Verdict


def score(response: str, question: Question) -> Verdict:
    """Return whether the options read are all the right ones."""
    found, rule = extract_set(response, question.choices)
    if rule in NO_ANSWER:
        return Verdict(0.0, rule, None)
    answer = SET_JOIN.join(question.choices[index] for index in sorted(found))
    return Verdict(float(answer == question.reference), rule, answer)


SCORER = Scorer(f"{EXTRACTOR}+set/1", score)
