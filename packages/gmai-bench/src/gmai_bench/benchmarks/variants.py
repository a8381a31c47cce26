"""Variants of a protocol: options in another order, or several samples. Each is a protocol of its own, `NAME+circular`.

    circular     CircularEval as MMBench defines it (arXiv 2307.06281, section 4.1): a question of N options is asked N
                 times, its options moved on by one place each time, and is right only where all N answers are
    shuffled-S   the options in an order drawn from the seed S and the question's id
    samples-K    asked K times at a temperature above 0; the answer given most often counts

Options that speak of others by place or letter ("all of the above", "both A and C") would mean something else in
another order: such a question is asked once, as published, and so is one without options.
"""

import dataclasses
import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gmai_formats.errors import UserError

from gmai_bench.benchmarks.prompts import reordered
from gmai_bench.benchmarks.question import Card, Question

Order = Literal["published", "shuffled", "circular"]

_OF_OTHERS = re.compile(
    r"\b(?:above|below|preceding|following)\b|\b[A-J]\b\s*(?:,|&|\+|/|and|or)\s*\b[A-J]\b|\b(?:options?|choices?)\s+[A-J]\b|"
    r"以上|上述"
)
_ALL_OR_BOTH = re.compile(
    r"^\s*(?:all|both|none|neither|any)(?:\s+(?:of\s+)?(?:them|these|those))?\s*\.?\s*$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Variant:
    """How a protocol's questions are asked otherwise than it says."""

    order: Order = "published"
    samples: int = 1
    seed: int = 0
    """Of the shuffled order."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.samples > 1 and self.order == "circular":
            raise UserError(
                "--samples: a circular evaluation asks each order once, and its number would not be CircularEval's. "
                "Give --samples or --option-order circular, each its own run."
            )

    @property
    def name(self) -> str:
        """What is added to the protocol's name; empty for the protocol itself."""
        order = f"shuffled-{self.seed}" if self.order == "shuffled" else "circular" if self.order == "circular" else ""
        return "+".join(part for part in (order, f"samples-{self.samples}" if self.samples > 1 else "") if part)


def variant_of(name: str) -> Variant:
    """Return the variant of a name as `Variant.name` gives it.

    Raises:
        ValueError: It is none.
    """
    order: Order = "published"
    samples, seed = 1, 0
    for part in filter(None, name.split("+")):
        kind, _, number = part.partition("-")
        if part == "circular":
            order = "circular"
        elif kind == "shuffled":
            order, seed = "shuffled", int(number)
        elif kind == "samples":
            samples = int(number)
        else:
            raise ValueError(f"{name!r} is no variant of a protocol")
    return Variant(order, samples, seed)


_SAYS = {
    "circular": "right only where it is right in every rotation of the options",
    "shuffled": "options in another order",
    "samples": "the answer given most often counts",
}


def varied(card: Card, variant: Variant) -> Card:
    """Return the card of a variant: another protocol, so that its numbers never stand in the plain one's column.

    Published parsers and further metrics read single answers; their numbers would not be of the variant.
    """
    if not variant.name:
        return card
    changes = ", ".join(_SAYS[part.partition("-")[0]] for part in variant.name.split("+"))
    asked = f", {variant.samples} samples a question" if variant.samples > 1 else ""
    return dataclasses.replace(
        card,
        protocol=f"{card.protocol}+{variant.name}",
        title=f"{card.title} ({changes}{asked})",
        variant=variant.name,
        published_extractor="",
        also=(),
    )


def base(card: Card) -> str:
    """Return the protocol that a card's is a variant of, or itself."""
    return card.protocol.removesuffix(f"+{card.variant}") if card.variant else card.protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """One time that a question is asked."""

    id: str
    question: Question
    """Prompt and options as they are shown then."""
    sample: int = 0
    """Which of several samples, counted from 1; 0 where there is one."""


def turns(question: Question, variant: Variant) -> list[Turn]:
    """Return how often and how a question is asked: once, as it is, unless the variant says otherwise.

    Raises:
        UserError: Its options are to be moved, and its prompt does not list them, or the options are weighed.
    """
    if not variant.name:
        return [Turn(question.id, question)]
    if question.rubric and variant.samples > 1:
        raise UserError(
            f'question "{question.id}": a judge reads one answer by its rubric, so that samples have no vote. Leave '
            "--samples out."
        )
    shown = [question]
    if variant.order != "published" and moves(question):
        shown = [_in_order(question, order) for order in _orders(question, variant)]
    if variant.samples > 1:
        return [Turn(f"{question.id}#{n}", shown[0], n) for n in range(1, variant.samples + 1)]
    return [Turn(f"{question.id}#{n}" if variant.order == "circular" else question.id, one)
            for n, one in enumerate(shown, start=1)]  # fmt: skip


def moves(question: Question) -> bool:
    """Return whether a question means the same with its options in another order."""
    texts = question.choices
    return (
        len(texts) > 1
        and all(text.strip() for text in texts)
        and not any(_OF_OTHERS.search(text) or _ALL_OR_BOTH.match(text) for text in texts)
    )


def _orders(question: Question, variant: Variant) -> list[tuple[str, ...]]:
    texts = question.choices
    if variant.order == "circular":
        return [texts[n:] + texts[:n] for n in range(len(texts))]
    drawn = list(texts)
    seed = hashlib.sha256(f"{variant.seed} {question.id}".encode(errors="replace")).digest()
    random.Random(seed).shuffle(drawn)  # noqa: S311 - no secret
    return [tuple(drawn)]


def _in_order(question: Question, order: Sequence[str]) -> Question:
    if question.continuations:
        raise UserError(
            f'question "{question.id}": this protocol weighs the options by likelihood and shows none, so that they '
            "have no order. Leave --option-order out."
        )
    prompt = reordered(question.prompt, question.choices, order)
    if prompt is None:
        raise UserError(
            f'question "{question.id}": its prompt does not list its options one after another, so that they cannot '
            "be shown in another order. Leave --option-order out for this protocol."
        )
    return dataclasses.replace(question, prompt=prompt, choices=tuple(order))
