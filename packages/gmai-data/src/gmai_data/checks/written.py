"""Every check that a model's text goes through, in order: the first that refuses it gives the reason."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from gmai_data.checks import form, grounding
from gmai_data.checks.facts import Facts
from gmai_data.checks.phrases import find_phrase
from gmai_data.identifiers import find_identifier
from gmai_data.vocabulary import Kind

Turns = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Text:
    """The turns of a reply, and what the checks read of them."""

    turns: Turns
    low: Turns
    """In lower case."""
    answers: str
    """All answers in lower case."""
    everything: str
    """All questions and answers as they are."""


def _phrase(group: str) -> Callable[[Facts, Text], str | None]:
    def check(facts: Facts, text: Text) -> str | None:
        found = find_phrase(group, text.low, facts.language)
        return None if found is None else f'it says "{found}"'

    return check


def _meta_talk(facts: Facts, text: Text) -> str | None:
    # A text about a record may speak of it.
    return None if facts.kind == Kind.TEXT_ONLY else _phrase("meta_talk")(facts, text)


def _advice(facts: Facts, text: Text) -> str | None:
    # Advice that a physician gave in the source is its content; the prompt forbids more than that.
    return None if facts.source else _phrase("advice")(facts, text)


def _image_talk(facts: Facts, text: Text) -> str | None:
    return _phrase("image_talk")(facts, text) if facts.kind == Kind.TEXT_ONLY else None


def _placeholder(facts: Facts, text: Text) -> str | None:
    del facts
    return "it holds <image>" if "<image>" in text.everything else None


def _identifier(facts: Facts, text: Text) -> str | None:
    del facts
    found = find_identifier(text.everything)
    return None if found is None else f"it holds what looks like an identifier ({found})"


CHECKS: dict[str, Callable[[Facts, Text], str | None]] = {
    "refusal": _phrase("refusal"),
    "language": lambda facts, text: form.wrong_language(facts, text.turns),
    "turns": lambda facts, text: form.wrong_turns(facts, text.turns),
    "placeholder": _placeholder,
    "boxes": lambda facts, text: grounding.boxes_changed(facts, text.everything),
    "length": lambda facts, text: form.wrong_length(facts, text.answers),
    "repetition": lambda facts, text: form.repetition(facts, text.low),
    "meta talk": _meta_talk,
    "image talk": _image_talk,
    "advice": _advice,
    "identifier": _identifier,
    "label not mentioned": lambda facts, text: grounding.labels_mentioned(facts, text.answers),
    "label contradicted": lambda facts, text: grounding.labels_contradicted(facts, text.answers),
    "modality contradicted": lambda facts, text: grounding.modality_contradicted(facts, text.low),
    "number invented": lambda facts, text: grounding.numbers_invented(facts, text.everything.lower()),
    "side invented": lambda facts, text: grounding.sides_invented(facts, text.everything.lower()),
}
"""Name, under which it is counted ▶ check: what is wrong with the text, in words that a model can act on, or None."""


def first_complaint(facts: Facts, turns: Turns) -> tuple[str, str] | None:
    """Return (name of the check, what is wrong) of the first check that refuses the turns, or None."""
    low = tuple((question.lower(), answer.lower()) for question, answer in turns)
    text = Text(
        turns,
        low,
        "\n".join(answer for _, answer in low),
        "\n".join(part for turn in turns for part in turn),
    )
    for name, check in CHECKS.items():
        complaint = check(facts, text)
        if complaint is not None:
            return name, complaint
    return None


@functools.cache
def checks_digest() -> str:
    """Return a digest of the checks' code and word lists: a verdict stands only for the checks that gave it."""
    digest = hashlib.sha256()
    package = resources.files("gmai_data")
    files = [package / "identifiers.py", *(package / "checks").iterdir()]
    for file in sorted(files, key=lambda file: file.name):
        if file.name.endswith((".py", ".yaml")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
