"""Turns ▶ what may be translated, with tags, numbers and units locked ▶ the translated turns, each lock verified.

A label with a number in its name (`left rib 4`) is locked as a whole: its Chinese name may write the number otherwise.
"""

import re
from collections.abc import Mapping

from gmai_data.generation.replies import UnusableReplyError

Turns = tuple[tuple[str, str], ...]

_TAG = r"<ref>[^<]*</ref><box>[^<]*</box>|<ref>[^<]*</ref>|<box>[^<]*</box>"
_NUMBER = (
    r"(?<![\w.⟦])[A-Z]{1,5}-?\d\w*"  # T2, L4, COVID-19
    r"|(?<![\w.⟦])\d+(?:[.,]\d+)*"
    r"(?:\s?(?:(?:mm|cm|m|µm|um)[²³23]?|ml|mL|l|L|mg|g|kg|HU|mmHg|bpm|Hz|kHz|MHz|T|kVp?)(?!\w)|\s?[%°])?"
)
_SIDES = (("left", "右", "左"), ("right", "左", "右"))
"""(side in English, the other side in Chinese, the same side)."""
_TOKEN = re.compile(r"⟦\s*(\d+)\s*⟧")
_REF = re.compile(r"<ref>([^<]*)</ref>")
_BRACKET = re.compile(r"[⟦⟧]")


def lock(turns: Turns, chinese: Mapping[str, str]) -> tuple[Turns, tuple[str, ...]]:
    """Return the turns with `⟦0⟧`, `⟦1⟧` … in place of tags, numbers and units, and what they stand for.

    Args:
        turns: English.
        chinese: Label ▶ its Chinese name.
    """
    numbered = {name.lower(): name for name in chinese if re.search(r"\d", name)}
    names = "".join(rf"|(?<!\w)(?i:{re.escape(name)})(?!\w)" for name in sorted(numbered, key=len, reverse=True))
    pattern = re.compile(f"{_TAG}{names}|{_NUMBER}")
    locked: list[str] = []

    def take(match: re.Match[str]) -> str:
        locked.append(numbered.get(match.group().lower(), match.group()))
        return f"⟦{len(locked) - 1}⟧"

    return tuple((pattern.sub(take, question), pattern.sub(take, answer)) for question, answer in turns), tuple(locked)


def unlock(source: Turns, translated: Turns, locked: tuple[str, ...], chinese: Mapping[str, str]) -> Turns:
    """Return the translated turns with everything locked in its place again.

    Args:
        source: The locked turns that were sent.
        translated: What came back.
        locked: From `lock`.
        chinese: Label ▶ its Chinese name.

    Raises:
        UnusableReplyError: A turn is missing, a token was lost, doubled, invented or moved to another part, or a side
            was swapped.
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
            sides = set(re.findall(r"\b(?:left|right)\b", sent.lower()))
            for side, other, same in _SIDES:
                if sides == {side} and other in received and same not in received:
                    raise UnusableReplyError(f'the {name} of turn {number} says "{other}", and the original "{side}"')

    def put(match: re.Match[str]) -> str:
        original = locked[int(match[1])]
        return chinese.get(original) or _REF.sub(lambda ref: f"<ref>{chinese.get(ref[1], ref[1])}</ref>", original)

    return tuple((_TOKEN.sub(put, question), _TOKEN.sub(put, answer)) for question, answer in translated)


def _named(tokens: list[str]) -> str:
    return ", ".join(f"⟦{token}⟧" for token in tokens) or "none"


def glossary(names: Mapping[str, str]) -> str:
    """Return `liver = 肝脏; …` for the prompt."""
    return "; ".join(f"{english} = {chinese}" for english, chinese in names.items()) or "none"
