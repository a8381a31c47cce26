"""How an answer becomes a score. A protocol names one of these rules; numbers of two protocols are never compared."""

import re
from dataclasses import dataclass
from typing import Literal

from gmai_bench.extraction import mmmu_open
from gmai_bench.extraction.legacy import LEGACY, medevalkit_exact, medevalkit_yes_no
from gmai_bench.extraction.options import EXTRACTOR, NO_ANSWER, Style, extract, extract_set
from gmai_bench.extraction.text import strip_thoughts

Scoring = Literal[
    "option-text",
    "option-letter",
    "option-letter-set",
    "exact",
    "yes-no-and-recall",
    "mmmu",
    "medevalkit-open",
    "medevalkit-closed",
    "likelihood",
]
"""`option-*`: extraction of one choice, or of a set; `exact`: normalised exact match; `yes-no-and-recall`: LLaVA-Med's
numbers; `mmmu`: a letter, MMMU's own rule where a question is open; `medevalkit-*`: MedEvalKit's matching;
`likelihood`: the option the model finds likeliest."""

PROMPT_VERSION = 1
"""Raised whenever the text sent for the same question changes; part of every request digest."""

EXTRACTORS: dict[Scoring, str] = {
    "option-text": EXTRACTOR,
    "option-letter": EXTRACTOR,
    "option-letter-set": f"{EXTRACTOR}+set/1",
    "exact": "normalised-exact/1",
    "yes-no-and-recall": f"{EXTRACTOR}+token-recall/1",
    "mmmu": f"{EXTRACTOR}+mmmu-open/1",
    "medevalkit-open": "medevalkit/1",
    "medevalkit-closed": "medevalkit/1",
    "likelihood": "likelihood/1",
}

EXTRACTOR_NAMES = ("gmai", *LEGACY)
"""What `--extractor` takes: the protocol's own rules, or a parser that published numbers were made with."""

SET_JOIN = " + "
"""Between the texts of a question with several right choices, in its reference and in the answer read."""

_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer is worth."""

    score: float
    """1 right, 0 wrong; in between for token recall, and for an option a published parser would have drawn."""
    rule: str
    """The extraction rule that fired, or why none did."""
    answer: str | None
    """What was taken from the response; `None` where nothing was."""


def score(
    response: str, choices: tuple[str, ...], reference: str, scoring: Scoring, *, extractor: str = "gmai"
) -> Verdict:
    """Return the verdict on one response.

    A question without choices is scored by normalised exact match under `option-text` and `option-letter`.

    Args:
        response: What the model said.
        choices: Texts of the options, none for an open question.
        reference: Text of the right option, or of the answer.
        scoring: The protocol's rule.
        extractor: One of `EXTRACTOR_NAMES`; another than `gmai` reads the options of a question in its own way.
    """
    if scoring == "likelihood":
        return Verdict(float(response == reference), "likelihood", response)
    if extractor != "gmai" and choices and scoring != "option-letter-set":
        return _legacy(response, choices, reference, extractor)
    match scoring:
        case "exact":
            return _exact(response, reference)
        case "medevalkit-open" | "medevalkit-closed":
            return _medevalkit(response, reference, closed=scoring == "medevalkit-closed")
        case "option-letter-set":
            return _set(response, choices, reference)
        case _ if choices:
            return _choice(response, choices, reference, "text" if scoring == "option-text" else "letters")
        case "yes-no-and-recall":
            return _recall(response, reference)
        case "mmmu":
            right = mmmu_open.is_right(strip_thoughts(response), reference)
            return Verdict(float(right), "mmmu_open" if response.strip() else "empty", response.strip() or None)
        case _:
            return _exact(response, reference)


def _choice(response: str, choices: tuple[str, ...], reference: str, style: Style) -> Verdict:
    found = extract(response, choices, style=style)
    if found.choice is None:
        return Verdict(0.0, found.rule, None)
    answer = choices[found.choice]
    return Verdict(float(answer == reference), found.rule, answer)


def _set(response: str, choices: tuple[str, ...], reference: str) -> Verdict:
    """All right choices and no other count; the order does not."""
    found, rule = extract_set(response, choices)
    if rule in NO_ANSWER:
        return Verdict(0.0, rule, None)
    answer = SET_JOIN.join(choices[index] for index in sorted(found))
    return Verdict(float(answer == reference), rule, answer)


def _legacy(response: str, choices: tuple[str, ...], reference: str, extractor: str) -> Verdict:
    found = LEGACY[extractor](response, choices, reference)
    if found.expected is not None:
        return Verdict(found.expected, found.rule, None)
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


def _medevalkit(response: str, reference: str, *, closed: bool) -> Verdict:
    if not response.strip():
        return Verdict(0.0, "empty", None)
    if reference.lower().strip() in ("yes", "no"):
        return Verdict(float(medevalkit_yes_no(response, reference.strip())), "medevalkit_yes_no", response.strip())
    return Verdict(float(medevalkit_exact(response, reference, closed=closed)), "medevalkit_exact", response.strip())


def _recall(response: str, reference: str) -> Verdict:
    """Share of the reference's distinct words that occur in the response, as whole words."""
    said = set(_WORDS.findall(strip_thoughts(response).lower()))
    due = set(_WORDS.findall(reference.lower()))
    if not said:
        return Verdict(0.0, "empty", None)
    return Verdict(len(due & said) / len(due) if due else 0.0, "token_recall", None)
