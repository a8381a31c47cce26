"""How two regions lie by a masked sentence: do they overlap, lie apart or side by side, are they of one size?"""

import re
from collections.abc import Callable

from gmai_data.annotation import Box
from gmai_data.checks.counts import without_marks
from gmai_data.checks.facts import Facts
from gmai_data.checks.lexicon import LABEL
from gmai_data.checks.places import known_boxes, place
from gmai_data.checks.sizes import JOINED
from gmai_data.vocabulary import Language

_Holds = Callable[[Facts, Box, Box], bool]
_OBJECT = re.compile(rf" ?(?:with |by |to |of )?(?:the |an? |its )?({LABEL})")
"""What the region before overlaps."""
_PAIR = re.compile(rf"({LABEL}) ({LABEL}),? ?(?:[a-z]+ |[一-鿿]{{1,3}}){{0,3}}$")
"""Two labels that a text names at once: "the medial and lateral cartilages lie side by side"."""
_ONE_LEVEL = 0.12
"""Share of the image's height by which the centres of what lies side by side may differ."""
_ALIKE = 1.6
"""Ratio of the areas up to which two regions are about equal in size."""
_TWO = 2


def _meet(_facts: Facts, one: Box, other: Box) -> bool:
    return one.common_px(other) > 0


def _apart(facts: Facts, one: Box, other: Box) -> bool:
    return not _meet(facts, one, other)


def _level(facts: Facts, one: Box, other: Box) -> bool:
    return abs(place(one, facts)[1] - place(other, facts)[1]) <= _ONE_LEVEL


def _alike(_facts: Facts, one: Box, other: Box) -> bool:
    small, large = sorted((one.area_px, other.area_px))
    return large <= _ALIKE * small


_SAYS: dict[Language, tuple[tuple[re.Pattern[str], _Holds], ...]] = {
    Language.EN: (
        (
            re.compile(
                r"\b(?:not|n't|without|no|never|hardly) (?:\w+ )?overlap\w*|\bnon ?overlapping|"
                r"\b(?:lie|are|lying|well|clearly|wholly) (?:apart|separated?) from (?:each other|one another)|"
                r"\bseparated from (?:each other|one another)"
            ),
            _apart,
        ),
        (
            re.compile(
                r"\b(?:partly |partially )?overlap(?:s|ped|ping)?\b"
                r"|\b(?:partly|partially) (?:covers?|hides?|obscures?)\b"
            ),
            _meet,
        ),
        (re.compile(r"\bside by side\b|\bat the same (?:height|level)\b"), _level),
        (
            re.compile(r"\bof (?:about |roughly |nearly )?(?:equal|the same|similar) size\b|\bequally (?:large|big)\b"),
            _alike,
        ),
    ),
    Language.ZH: (
        (
            re.compile(
                "(?:不|没有|无|未|互不|并未|并不)(?:相互|互相)?(?:重叠|交叠|遮挡)|(?:彼此|相互|互相)(?:分开|分离)"
            ),
            _apart,
        ),
        (re.compile("重叠|交叠|(?:遮住|遮挡|盖住)了?(?:一?部分)?的?"), _meet),
        (re.compile("并排|并列|(?:同一|相同)(?:高度|水平)|左右排列"), _level),
        (re.compile("大小(?:大致|基本|几乎)?(?:相等|相同|相近|相当|相仿|一致)|一样大"), _alike),
    ),
}
"""What a text says of two regions ▶ whether it is so; "do not overlap" is taken out before "overlap" is looked for."""


def wrong_arrangement(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return what a masked sentence says of how two regions lie to one another where their boxes say otherwise."""
    if text.rstrip(" \n\"'”’)）").endswith(("?", "？")):
        return None
    marks = re.findall(LABEL, text)
    for pattern, holds in _SAYS[facts.language]:
        found = pattern.search(text)
        if found is None:
            continue
        pairs = _pairs(facts, _compared(text, *found.span()) or marks)
        if pairs and not any(holds(facts, *pair) for pair in pairs):
            return "position contradicted", f'"{without_marks(found.group())}" is not so by the boxes'
        text = pattern.sub(" ", text)
    return None


def _compared(text: str, start: int, end: int) -> list[str]:
    """Return the two labels right around what is said of them, among others of the sentence, or nothing."""
    if pair := _PAIR.search(text[:start]):
        return [pair[1], pair[2]]
    joined = JOINED.search(text[:start])
    before = list(dict.fromkeys(re.findall(LABEL, joined.group()))) if joined else []
    behind = _OBJECT.match(text[end:])
    if behind is not None:
        return [*before, behind[1]] if len(before) == 1 else []
    return before if len(before) == _TWO else []


def _pairs(facts: Facts, marks: list[str]) -> list[tuple[Box, Box]]:
    labels = list(dict.fromkeys(facts.names.label_of(mark) for mark in marks))
    if len(labels) == _TWO:
        return [(one, other) for one in known_boxes(facts, labels[0]) for other in known_boxes(facts, labels[1])]
    boxes = facts.boxes or facts.annotation.boxes
    return [(boxes[0], boxes[1])] if len(boxes) == _TWO and len(labels) < _TWO else []
