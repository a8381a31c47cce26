"""Right where an accepted answer is said, as whole words, and no other of the question's kind: alternatives, yes/no.

alternatives  the answer equals the reference or another accepted one, or is a sentence that says exactly one of them
yes-no        yes or no by extraction, whatever sentence it stands in
"""

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.options import EXTRACTOR
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.scoring import exact
from gmai_bench.scoring.options import choose
from gmai_bench.scoring.verdict import Scorer, Verdict


def alternatives(response: str, question: Question) -> Verdict:
    """Return whether the response is an accepted answer, or says one as whole words and does not deny it."""
    found = exact.score(response, question)
    if found.score == 1.0 or found.answer is None:
        return found
    answer = f" {exact.normalise(strip_thoughts(response))} "
    for text in (question.reference, *question.alternatives):
        accepted = exact.normalise(text)
        before = answer.partition(f" {accepted} ")[0].split()[-3:]
        if accepted and f" {accepted} " in answer and not {"no", "not", "without", "never", "neither"} & set(before):
            return Verdict(1.0, "said", text)
    return found


def yes_no(response: str, question: Question) -> Verdict:
    """Return whether yes or no is said; any other question is matched exactly."""
    reference = question.reference.strip().lower()
    if reference not in ("yes", "no"):
        return exact.score(response, question)
    pair = Question(question.id, question.text, "", (), ("yes", "no"), reference, question.cluster)
    return choose(response, pair, "text")


ALTERNATIVES = Scorer("accepted-answers/1", alternatives)
YES_NO = Scorer(f"{EXTRACTOR}+yes-no/1", yes_no)
