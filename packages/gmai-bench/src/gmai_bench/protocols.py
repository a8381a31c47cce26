"""How an answer becomes a score. A protocol names one of these rules; numbers of two protocols are never compared."""

import re
from dataclasses import dataclass
from typing import Literal

from gmai_bench.extraction.options import EXTRACTOR, Style, extract
from gmai_bench.extraction.text import strip_thoughts

Scoring = Literal["option-text", "option-letter", "exact", "yes-no-and-recall"]
"""`option-*`: extraction of one choice; `exact`: normalised exact match; `yes-no-and-recall`: LLaVA-Med's numbers."""

PROMPT_VERSION = 1
"""Raised whenever the text sent for the same question changes; part of every request digest."""

EXTRACTORS: dict[Scoring, str] = {
    "option-text": EXTRACTOR,
    "option-letter": EXTRACTOR,
    "exact": "normalised-exact/1",
    "yes-no-and-recall": f"{EXTRACTOR}+token-recall/1",
}

_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer is worth."""

    score: float
    """1 right, 0 wrong; in between only for token recall."""
    rule: str
    """The extraction rule that fired, or why none did."""
    answer: str | None
    """What was taken from the response; `None` where nothing was."""


def score(response: str, choices: tuple[str, ...], reference: str, scoring: Scoring) -> Verdict:
    """Return the verdict on one response.

    A question without choices is scored by normalised exact match under `option-text` and `option-letter`.
    """
    if scoring == "exact" or (not choices and scoring != "yes-no-and-recall"):
        return _exact(response, reference)
    if not choices:
        return _recall(response, reference)
    style: Style = "letters" if scoring == "option-letter" else "text"
    found = extract(response, choices, style=style)
    if found.choice is None:
        return Verdict(0.0, found.rule, None)
    answer = choices[found.choice]
    return Verdict(float(answer == reference), found.rule, answer)


def _normalise(text: str) -> str:
    """Lower-case words joined by one blank: `vqa-rad/exact-451` compares these (letters and digits of any script)."""
    return " ".join(_WORDS.findall(text.lower()))


def _exact(response: str, reference: str) -> Verdict:
    answer = _normalise(strip_thoughts(response))
    if not answer:
        return Verdict(0.0, "empty", None)
    return Verdict(float(answer == _normalise(reference)), "exact", answer)


def _recall(response: str, reference: str) -> Verdict:
    """Share of the reference's distinct words that occur in the response, as whole words."""
    said = set(_WORDS.findall(strip_thoughts(response).lower()))
    due = set(_WORDS.findall(reference.lower()))
    if not said:
        return Verdict(0.0, "empty", None)
    return Verdict(len(due & said) / len(due) if due else 0.0, "token_recall", None)
