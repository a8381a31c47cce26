"""Answers as published parsers read them: the numbers that stand beside ours, and what `--extractor` takes."""

from gmai_bench.benchmarks.prompts import LETTERS
from gmai_bench.benchmarks.question import HEADLINE, Question
from gmai_bench.extraction.legacy import LEGACY, llava_med
from gmai_bench.extraction.options import Extraction
from gmai_bench.extraction.vqa_words import token_recall, vqa_words
from gmai_bench.scoring import medevalkit, mmmu
from gmai_bench.scoring.verdict import Verdict

PARSERS = tuple(LEGACY)
"""Names of the parsers, beside `gmai`, the protocol's own rules."""


def _medevalkit_open(response: str, question: Question) -> Verdict:
    closed = question.scoring == "medevalkit-closed"
    return (medevalkit.score_closed if closed else medevalkit.score_open)(response, question)


_OPEN = {"mmmu-official": mmmu.score, "medevalkit": _medevalkit_open}
"""Parsers that have a rule of their own for questions without options."""


def read(name: str, response: str, question: Question, shown: str = "{text}") -> Verdict | None:
    """Return the verdict of a published parser, `None` where it says nothing about such a question.

    Args:
        name: One of `PARSERS`.
        response: What the model said.
        question: The question.
        shown: How the parser's own program passes it an option: its `{text}`, or `{letter}. {text}`.
    """
    if name == "llava-med":
        return _llava_med(response, question)
    if not question.choices:
        return _OPEN[name](response, question) if name in _OPEN else None
    choices = tuple(
        shown.replace("{letter}", letter).replace("{text}", text)
        for letter, text in zip(LETTERS, question.choices, strict=False)
    )
    return _verdict(LEGACY[name](response, choices, question.reference), question)


def _llava_med(response: str, question: Question) -> Verdict | None:
    """Read as `llava/eval/run_eval.py` of https://github.com/microsoft/LLaVA-Med does.

    Open questions: token recall. Closed ones: a reply without "yes" and "no" is wrong; one with either is right where
    the reference is a part of it, and else it is neither counted as right nor as asked (the script appends no score).
    Questions with lettered options are none of its questions.
    """
    if question.measure != HEADLINE:
        return Verdict(token_recall(response, question.reference), "token_recall", None)
    if question.choices and {choice.lower() for choice in question.choices} != {"yes", "no"}:
        return None
    reference = " ".join(vqa_words(question.reference))
    verdict = _verdict(llava_med(response, ("yes", "no"), reference), question)
    return None if verdict.rule == "substring" and verdict.score == 0.0 else verdict


def _verdict(found: Extraction, question: Question) -> Verdict:
    if found.expected is not None:
        return Verdict(found.expected, found.rule, None)
    if found.choice is None:
        return Verdict(0.0, found.rule, None)
    answer = question.choices[found.choice]
    return Verdict(float(answer == question.reference or answer in question.alternatives), found.rule, answer)
