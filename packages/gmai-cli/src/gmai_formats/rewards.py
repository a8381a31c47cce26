"""Rewards that the truth of a record decides: no model judges an answer. Every reward lies between 0 and 1.

`REWARDS` names them, with the `truth` that each one needs:

- `option_letter`: `{"letter": "B", "options": 4}`
- `option_text`: `{"answer": "liver", "options": ["liver", "spleen"]}`
- `label_set`: `{"labels": ["liver"], "known": ["liver", "spleen"]}`; all of `known` were looked for
- `presence`: `{"present": true, "yes": "Yes", "no": "No"}`
- `count`: `{"count": 2}`
- `box_iou`: `{"boxes": [[x1, y1, x2, y2]]}` in thousandths of the image's sides

An answer that names two options, or says yes and no, earns nothing: it would be right whatever is shown.
"""

import ast
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gmai_formats.rows.box_text import UNIT, iou

Truth = Mapping[str, Any]
Box = Sequence[float]
_LATIN = r"0-9A-Za-z\u00c0-\u024f"
_LETTER = re.compile(rf"(?<![{_LATIN}])([A-Z])(?![{_LATIN}'’])")
_NUMBER = re.compile(r"(?<![\d.,\-−])\d+(?![\d]|[.,]\d)")
_BOX = re.compile(r"<box>\s*(\[.*?\])\s*</box>", re.DOTALL)
_MOST_BOXES = 64
"""Boxes of an answer that are compared; more are no answer."""


def reward(name: str, truth: Truth, answer: str) -> float:
    """Return what an answer earns.

    Args:
        name: A key of `REWARDS`.
        truth: As the name needs it.
        answer: The model's text.

    Raises:
        KeyError: No such reward, or the truth lacks a key.
    """
    return REWARDS[name](truth, answer)


def _option_letter(truth: Truth, answer: str) -> float:
    first = re.match(rf"\W*([A-Z])(?![{_LATIN}'’])", answer)
    offered = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: truth["options"]]
    # "A" is also a word: a second letter counts only where it cannot be one.
    named = {letter for letter in _LETTER.findall(answer) if letter in offered and letter not in ("A", "I")}
    if first is None:
        return 0.0
    return float(first[1] == truth["letter"] and named <= {first[1]})


def _option_text(truth: Truth, answer: str) -> float:
    return float(_named(truth["options"], answer) == {_plain(truth["answer"])})


def _label_set(truth: Truth, answer: str) -> float:
    named, expected = _named(truth["known"], answer), {_plain(label) for label in truth["labels"]}
    return len(named & expected) / len(named | expected) if named | expected else 1.0


def _presence(truth: Truth, answer: str) -> float:
    answered, expected, other = _plain(answer), "yes" if truth["present"] else "no", "no" if truth["present"] else "yes"
    due_word, other_word = _plain(truth[expected]), _plain(truth[other])
    return float(_holds(answered[: len(due_word) + 1], due_word, start=True) and not _holds(answered, other_word))


def _count(truth: Truth, answer: str) -> float:
    numbers = _NUMBER.findall(unicodedata.normalize("NFKC", answer))
    return float(len(numbers) == 1 and int(numbers[0]) == truth["count"])


def _box_iou(truth: Truth, answer: str) -> float:
    given = boxes_in(answer)
    return mean_iou(given, truth["boxes"]) if given else 0.0


REWARDS: dict[str, Callable[[Truth, str], float]] = {
    "option_letter": _option_letter,
    "option_text": _option_text,
    "label_set": _label_set,
    "presence": _presence,
    "count": _count,
    "box_iou": _box_iou,
}
"""Name ▶ (truth, answer) ▶ what it earns."""


def boxes_in(text: str) -> list[tuple[float, ...]]:
    """Return the boxes that an answer names, in order; none at all where one of them is no box."""
    found: list[tuple[float, ...]] = []
    for written in _BOX.findall(text):
        try:
            value = ast.literal_eval(written)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return []
        for box in value if value and isinstance(value[0], list) else [value]:
            if not (isinstance(box, list) and len(box) == 4 and all(type(side) in (int, float) for side in box)):
                return []
            if not (0 <= box[0] < box[2] <= UNIT and 0 <= box[1] < box[3] <= UNIT):
                return []
            found.append(tuple(box))
    return found if len(found) <= _MOST_BOXES else []


def mean_iou(given: Sequence[Box], due: Sequence[Box]) -> float:
    """Return the IoU of boxes paired greedily, best pair first, over the longer of both lists: a box too many costs."""
    pairs = sorted(
        ((iou(a, b), i, j) for i, a in enumerate(given) for j, b in enumerate(due)), key=lambda pair: -pair[0]
    )
    free_given, free_due, total = set(range(len(given))), set(range(len(due))), 0.0
    for value, i, j in pairs:
        if i in free_given and j in free_due:
            free_given.remove(i)
            free_due.remove(j)
            total += value
    return total / max(len(given), len(due), 1)


def _named(options: Sequence[str], answer: str) -> set[str]:
    """Return the options that a text names; of two that overlap in it the longer one."""
    rest, found = _plain(answer), set[str]()
    for option in sorted({_plain(option) for option in options}, key=lambda text: (-len(text), text)):
        if _holds(rest, option):
            found.add(option)
            rest = _words(option).sub(" ", rest)
    return found


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _words(phrase: str) -> re.Pattern[str]:
    # Chinese has no spaces between words; where a phrase ends in a letter of a script that has, a word must end.
    before = rf"(?<![{_LATIN}])" if re.match(rf"[{_LATIN}]", phrase) else ""
    after = rf"(?![{_LATIN}])" if re.search(rf"[{_LATIN}]\Z", phrase) else ""
    return re.compile(f"{before}{re.escape(phrase)}{after}")


def _holds(text: str, phrase: str, *, start: bool = False) -> bool:
    pattern = _words(phrase)
    return bool(phrase) and (pattern.match(text) if start else pattern.search(text)) is not None
