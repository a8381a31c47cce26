"""Every check that a model's text goes through, in order: the first that refuses it gives the reason."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from gmai_data.checks import form, grounding
from gmai_data.checks.facts import Facts
from gmai_data.checks.parts import wrong_parts
from gmai_data.checks.phrases import find_phrase
from gmai_data.checks.statements import sentences, unresolved, without_general
from gmai_data.identifiers import find_identifier
from gmai_data.vocabulary import Kind

Turns = tuple[tuple[str, str], ...]
_QUOTED = 120
"""Characters of a sentence that a complaint quotes."""


@dataclass(frozen=True)
class Text:
    """The turns of a reply, and what the checks read of them."""

    turns: Turns
    low: Turns
    """The turns in lower case."""
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
    "parts": lambda facts, text: wrong_parts(facts, text.turns),
    "length": lambda facts, text: form.wrong_length(facts, text.answers),
    "repetition": lambda facts, text: form.repetition(facts, text.low),
    "meta talk": _meta_talk,
    "image talk": _image_talk,
    "advice": _advice,
    "identifier": _identifier,
    "label not mentioned": lambda facts, text: grounding.labels_mentioned(facts, text.answers),
    "label contradicted": lambda facts, text: grounding.labels_contradicted(
        facts, without_general(facts, text.answers)
    ),
    "modality contradicted": lambda facts, text: grounding.modality_contradicted(facts, text.low),
    "number invented": lambda facts, text: grounding.numbers_invented(facts, text.everything.lower()),
    # The sides of a text about an image are held sentence by sentence.
    "side invented": lambda facts, text: (
        grounding.sides_invented(facts, text.everything.lower()) if facts.kind == Kind.TEXT_ONLY else None
    ),
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
    statement = next(unresolved(facts, turns), None)
    if statement is not None:
        return statement.check, f'{statement.what} (in "{statement.sentence[:_QUOTED]}")'
    return None


def without_unresolved(facts: Facts, turns: Turns) -> tuple[Turns, tuple[str, ...]]:
    """Leave the sentences out that the record does not hold, where what stays is still a good text.

    The rule: a sentence of an answer that states what is neither in the record nor visible is left out if its answer
    keeps another sentence, if at most half of the text's sentences go, and if every check passes what stays. A question
    is never shortened: what it supposes, its answer speaks of.

    Returns:
        The turns that stay and the sentences that were left out; the turns as they are and nothing where the text
        needs no shortening or cannot be mended by it.
    """
    if facts.kind == Kind.TEXT_ONLY:
        return turns, ()
    left_out: list[str] = []
    kept: list[tuple[str, str]] = []
    count = 0
    stated = {each.sentence for each in unresolved(facts, turns)}
    for question, answer in turns:
        parts = sentences(answer, facts.language)
        wrong = [part for part in parts if part.strip() in stated or _sentence_is_wrong(facts, part)]
        count += len(parts)
        left_out += wrong
        kept.append((question, "".join(part for part in parts if part not in wrong).strip()))
    if not left_out or 2 * len(left_out) > count or not all(answer for _, answer in kept):
        return turns, ()
    if first_complaint(facts, tuple(kept)) is not None:
        return turns, ()
    return tuple(kept), tuple(part.strip() for part in left_out)


def _sentence_is_wrong(facts: Facts, sentence: str) -> bool:
    low = sentence.lower()
    return (
        grounding.labels_contradicted(facts, without_general(facts, low)) is not None
        or grounding.modality_contradicted(facts, (("", low),)) is not None
        or grounding.numbers_invented(facts, low) is not None
        or any(find_phrase(group, (("", low),), facts.language) for group in ("advice", "meta_talk"))
    )


@functools.cache
def checks_digest() -> str:
    """Return a digest of the checks' code and word lists: a verdict stands only for the checks that gave it."""
    digest = hashlib.sha256()
    package = resources.files("gmai_data")
    checks = package / "checks"
    files = [package / "identifiers.py", *checks.iterdir(), *(checks / "lexicons").iterdir()]
    for file in sorted(files, key=lambda file: file.name):
        if file.name.endswith((".py", ".yaml", ".txt")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
