"""One of the options a question shows, read by our rules; an open question among them is matched exactly."""

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.options import EXTRACTOR, Style, extract
from gmai_bench.scoring import exact
from gmai_bench.scoring.verdict import Scorer, Verdict


def choose(response: str, question: Question, style: Style) -> Verdict:
    """Return whether the option read is a right one; of equal options either counts."""
    found = extract(response, question.choices, style=style)
    if found.choice is None:
        return Verdict(0.0, found.rule, None)
    answer = question.choices[found.choice]
    return Verdict(float(answer == question.reference or answer in question.alternatives), found.rule, answer)


def score_text(response: str, question: Question) -> Verdict:
    """Return the verdict where the options were shown as bare text."""
    return choose(response, question, "text") if question.choices else exact.score(response, question)


def score_letter(response: str, question: Question) -> Verdict:
    """Return the verdict where the options were shown with letters."""
    return choose(response, question, "letters") if question.choices else exact.score(response, question)


TEXT = Scorer(EXTRACTOR, score_text)
LETTER = Scorer(EXTRACTOR, score_letter)
