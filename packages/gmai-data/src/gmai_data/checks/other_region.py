"""Of two regions, the one that a sentence refers to or places: does "it is larger" hold beside the other?"""

import re

from gmai_data.annotation import Box
from gmai_data.checks.facts import Facts
from gmai_data.checks.masking import REFERENCE, low
from gmai_data.vocabulary import Language

_TWO = 2
_OF_A_VALUE = (
    r"(?! (?:than|parts?|half|thirds?|left|right|central|edges?|borders?|margins?|signals?|densit\w+|intensit\w+|"
    r"brightness|contrast|attenuation|echo\w*|in (?:signal|density|intensity|brightness|contrast|attenuation|tone)))"
)
_HOW = {
    Language.EN: re.compile(
        rf"\b(?:lies?|sits?|is|are|located|placed|situated|and|also|somewhat|slightly|clearly|much|the|a little)[ ,]+"
        rf"(?P<how>higher|lower|larger|bigger|smaller|wider|broader|narrower|taller){_OF_A_VALUE}\b"
        r"|\b(?:further|farther|more) (?:to the |towards? the )?(?P<side>left|right|up|down)\b(?! than)"
    ),
    Language.ZH: re.compile(
        "位置(?:也|略|稍|则)?[更较](?P<how>[高低])|[更较](?:靠近?|偏向?)(?:图像|画面|图)?的?(?P<side>[左右上下])"
        "|[更较](?P<size>[大小宽窄])(?![一-鿿]?(?:密度|信号|回声|亮度))"
    ),
}
_DIRECT = {
    Language.EN: re.compile(r"\bthan\b|\b(?:both|each|neither)\b"),
    Language.ZH: re.compile("比|于(?:前|后|另)|[两二]者|均|都"),
}
"""A comparison that names what it is with, or is of both."""
_WAYS = {
    "higher": (1, -1), "up": (1, -1), "高": (1, -1), "上": (1, -1), "lower": (1, 1), "down": (1, 1), "低": (1, 1),
    "下": (1, 1), "left": (0, -1), "左": (0, -1), "right": (0, 1), "右": (0, 1),
}  # fmt: skip
"""(axis of the centre, the sign of the difference)."""
_PLACES_ZH = {
    "upper left": "左上部", "upper right": "右上部", "lower left": "左下部", "lower right": "右下部",
    "upper central": "中上部|上部中央", "lower central": "中下部|下部中央", "middle left": "左中部|左侧中部",
    "middle right": "右中部|右侧中部", "central": "中央",
}  # fmt: skip
"""Place in the words of the record, which are English in both languages ▶ how a Chinese text says it."""
_WIDTH, _HEIGHT = ("wider", "broader", "narrower", "宽", "窄"), ("taller",)
_LESS = ("smaller", "narrower", "小", "窄")


def wrong_beside_the_other(facts: Facts, sentence: str) -> tuple[str, str] | None:
    """Return how a sentence that refers to one of two regions sets it off from the other, where it is not so."""
    boxes = facts.boxes or facts.annotation.boxes
    if len(boxes) != _TWO:
        return None
    here = [number for number, reference in enumerate(facts.references) if reference in sentence]
    text = low(REFERENCE.sub(" ", sentence))
    if not here and len({box.label for box in boxes}) == 1:
        here = _only_one_there(facts, text)
    if len(here) != 1 or _DIRECT[facts.language].search(text):
        return None
    one, other = boxes[here[0]], boxes[1 - here[0]]
    for found in _HOW[facts.language].finditer(text):
        how = next(said for said in found.groupdict().values() if said)
        if not _is_so(one, other, how):
            return "position contradicted", f'"{found.group().strip()}" is not so of this region beside the other'
    return None


def _only_one_there(facts: Facts, text: str) -> list[int]:
    """Return the number of the one region whose place a sentence gives in the words of the record, or nothing."""
    found: list[int] = []
    for place in sorted(set(facts.positions), key=len, reverse=True):
        said = re.compile(_PLACES_ZH.get(place, place) if facts.language == Language.ZH else rf"\b{place}\b")
        if said.search(text):
            found += [number for number, each in enumerate(facts.positions) if each == place]
            text = said.sub(" ", text)
    return found if len(found) == 1 else []


def _is_so(one: Box, other: Box, how: str) -> bool:
    if how in _WAYS:
        axis, sign = _WAYS[how]
        return sign * (one.centre[axis] - other.centre[axis]) > 0
    which = _WIDTH if how in _WIDTH else _HEIGHT if how in _HEIGHT else ()
    mine, theirs = (
        box.size_px[0] if which is _WIDTH else box.size_px[1] if which is _HEIGHT else box.area_px
        for box in (one, other)
    )
    return mine < theirs if how in _LESS else mine > theirs
