"""Token F1 of SQuAD 1.1 (Rajpurkar et al. 2016): words without case, punctuation and articles, the best reference.

MedGemma reports it for open answers of VQA-RAD and SLAKE (https://arxiv.org/abs/2507.05201).
"""

import re
import string
from collections import Counter

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.scoring.verdict import Scorer, Verdict

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def tokens(text: str) -> list[str]:
    """Return the words that are compared."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def token_f1(answer: str, reference: str) -> float:
    """Return the harmonic mean of precision and recall of the words; 1 where neither has any."""
    answered, expected = tokens(answer), tokens(reference)
    if not answered or not expected:
        return float(answered == expected)
    shared = (Counter(answered) & Counter(expected)).total()
    return 2 * shared / (len(answered) + len(expected))


def score(response: str, question: Question) -> Verdict:
    """Return the F1 with the nearest of the accepted answers."""
    answer = strip_thoughts(response).strip()
    if not answer:
        return Verdict(0.0, "empty", None)
    return Verdict(max(token_f1(answer, text) for text in (question.reference, *question.alternatives)), "words", None)


SCORER = Scorer("token-f1/1", score, measure="token F1")
