"""Turns ▶ what may be translated, with tags, numbers and units locked ▶ the translated turns, each lock verified."""

import re
from collections.abc import Callable, Mapping

from gmai_data.generation.replies import UnusableReplyError

Turns = tuple[tuple[str, str], ...]

_LOCKED = re.compile(
    r"<ref>[^<]*</ref><box>[^<]*</box>|<ref>[^<]*</ref>|<box>[^<]*</box>"
    r"|(?<![\w.⟦])\d+(?:[.,]\d+)*(?:\s?(?:%|°|mm|cm|m|ml|mL|l|L|mg|g|kg|µm|um|HU|mmHg|bpm|Hz|kHz|MHz|T|kVp?)\b|\s?[%°])?"
)
_TOKEN = re.compile(r"⟦\s*(\d+)\s*⟧")
_REF = re.compile(r"<ref>([^<]*)</ref>")
_BRACKET = re.compile(r"[⟦⟧]")


def lock(turns: Turns) -> tuple[Turns, tuple[str, ...]]:
    """Return the turns with `⟦0⟧`, `⟦1⟧` … in place of tags, numbers and units, and what they stand for."""
    locked: list[str] = []

    def take(match: re.Match[str]) -> str:
        locked.append(match.group())
        return f"⟦{len(locked) - 1}⟧"

    return tuple((_LOCKED.sub(take, question), _LOCKED.sub(take, answer)) for question, answer in turns), tuple(locked)


def unlock(source: Turns, translated: Turns, locked: tuple[str, ...], chinese: Callable[[str], str | None]) -> Turns:
    """Return the translated turns with everything locked in its place again.

    Args:
        source: The locked turns that were sent.
        translated: What came back.
        locked: From `lock`.
        chinese: Label ▶ its Chinese name, for the labels inside `<ref>`.

    Raises:
        UnusableReplyError: A turn is missing, or a token was lost, doubled, invented or moved to another part.
    """
    if len(source) != len(translated):
        raise UnusableReplyError(f"it has {len(translated)} turns, and the conversation has {len(source)}")
    for number, (before, after) in enumerate(zip(source, translated, strict=True), start=1):
        for name, sent, received in zip(("question", "answer"), before, after, strict=True):
            expected, found = sorted(_TOKEN.findall(sent)), sorted(_TOKEN.findall(received))
            if expected != found:
                raise UnusableReplyError(
                    f"the {name} of turn {number} must hold {_named(expected)}, each once, and holds {_named(found)}"
                )
            if _BRACKET.search(_TOKEN.sub("", received)):
                raise UnusableReplyError(f"the {name} of turn {number} holds a broken ⟦ or ⟧")

    def put(match: re.Match[str]) -> str:
        return _REF.sub(lambda ref: f"<ref>{chinese(ref[1]) or ref[1]}</ref>", locked[int(match[1])])

    return tuple((_TOKEN.sub(put, question), _TOKEN.sub(put, answer)) for question, answer in translated)


def _named(tokens: list[str]) -> str:
    return ", ".join(f"⟦{token}⟧" for token in tokens) or "none"


def glossary(names: Mapping[str, str]) -> str:
    """Return `liver = 肝脏; …` for the prompt."""
    return "; ".join(f"{english} = {chinese}" for english, chinese in names.items()) or "none"
