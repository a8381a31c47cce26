"""BLEU, ROUGE-L and CIDEr by the packages of the field, of the extra `texts`.

    bleu     sacrebleu's sentence BLEU, its defaults (13a tokens, exponential smoothing, effective order), as a share
    rouge-l  rouge-score's rougeL F-measure, without stemming, the best reference
    cider    pycocoevalcap's CIDEr over lower-case words: document frequencies of all references of the benchmark

The words for CIDEr are runs of letters and digits and single marks, since the package's own tokenizer runs Java.
CIDEr reaches 10; it is shown in percent, as papers print it (104.9).
"""

import re
from collections.abc import Sequence
from typing import Any

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.scoring.packages import package, texts
from gmai_bench.scoring.verdict import Scorer, Verdict

_TOKEN = re.compile(r"\w+|[^\w\s]")


def accepted(question: Question) -> list[str]:
    """Return the references of a question, the first one first."""
    return [question.reference, *question.alternatives]


def words(text: str) -> str:
    """Return a text as lower-case tokens with blanks between them."""
    return " ".join(_TOKEN.findall(text.lower()))


def _verdict(value: float, answer: str, rule: str) -> Verdict:
    return Verdict(value, rule, None) if answer else Verdict(0.0, "empty", None)


def bleu(answers: Sequence[tuple[str, Question]]) -> list[Verdict]:
    """Return the sentence BLEU of each answer."""
    metric: Any = package("sacrebleu", scoring="bleu", command=texts()).BLEU(effective_order=True)
    found: list[Verdict] = []
    for response, question in answers:
        answer = strip_thoughts(response).strip()
        value = metric.sentence_score(answer, accepted(question)).score / 100 if answer else 0.0
        found.append(_verdict(value, answer, "bleu"))
    return found


def rouge_l(answers: Sequence[tuple[str, Question]]) -> list[Verdict]:
    """Return the ROUGE-L of each answer."""
    module: Any = package("rouge_score.rouge_scorer", scoring="rouge-l", command=texts())
    scorer: Any = module.RougeScorer(["rougeL"], use_stemmer=False)
    found: list[Verdict] = []
    for response, question in answers:
        answer = strip_thoughts(response).strip()
        value = float(scorer.score_multi(accepted(question), answer)["rougeL"].fmeasure) if answer else 0.0
        found.append(_verdict(value, answer, "rouge_l"))
    return found


def cider(answers: Sequence[tuple[str, Question]]) -> list[Verdict]:
    """Return the CIDEr of each answer among those of its benchmark."""
    metric: Any = package("pycocoevalcap.cider.cider", scoring="cider", command=texts()).Cider()
    answer_texts = [strip_thoughts(response).strip() for response, _ in answers]
    references = {n: [words(text) for text in accepted(question)] for n, (_, question) in enumerate(answers)}
    _, values = metric.compute_score(references, {n: [words(answer)] for n, answer in enumerate(answer_texts)})
    return [_verdict(float(value), answer, "cider") for value, answer in zip(values, answer_texts, strict=True)]


BLEU = Scorer("sacrebleu-sentence/1", None, measure="BLEU", score_all=bleu)
ROUGE_L = Scorer("rouge-score-l/1", None, measure="ROUGE-L", score_all=rouge_l)
CIDER = Scorer("pycocoevalcap-cider/1", None, measure="CIDEr", score_all=cider, most=10.0)
