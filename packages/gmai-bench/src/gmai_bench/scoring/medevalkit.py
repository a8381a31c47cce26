"""MedEvalKit's matching of answers without options: yes/no by substring, everything else by equality."""

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.legacy import medevalkit_exact, medevalkit_yes_no
from gmai_bench.scoring.verdict import Scorer, Verdict


def _score(response: str, question: Question, *, closed: bool) -> Verdict:
    if not response.strip():
        return Verdict(0.0, "empty", None)
    reference = question.reference
    if reference.lower().strip() in ("yes", "no"):
        right, rule = medevalkit_yes_no(response, reference.strip()), "medevalkit_yes_no"
    else:
        right, rule = medevalkit_exact(response, reference, closed=closed), "medevalkit_exact"
    return Verdict(float(right), rule, response.strip())


def score_open(response: str, question: Question) -> Verdict:
    """Return the verdict on a question of which the answer may be anything."""
    return _score(response, question, closed=False)


def score_closed(response: str, question: Question) -> Verdict:
    """Return the verdict on a closed question: full stops and line ends do not count."""
    return _score(response, question, closed=True)


OPEN = Scorer("medevalkit/1", score_open)
CLOSED = Scorer("medevalkit/1", score_closed)
