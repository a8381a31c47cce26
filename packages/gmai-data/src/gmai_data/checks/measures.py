"""Sizes in millimetres that a text states, held to those of the boxes that the writer was shown."""

import re

from gmai_data.checks.facts import Facts, Measure
from gmai_data.checks.lexicon import LABEL
from gmai_data.vocabulary import Language

_ABOUT = r"(?: of| is)?(?: (?:about|roughly|approximately))?\s*$"
_UNIT = r"(?P<unit>mm|millimet(?:er|re)s?|cm|centimet(?:er|re)s?)\b"
_UNIT_ZH = r"(?P<unit>mm|毫米|cm|厘米|公分)"
_NUMBER = r"(?P<{name}>\d+(?:\.\d+)?)"
_ONE, _TWO = _NUMBER.format(name="one"), _NUMBER.format(name="two")
_BY = r"\s*(?:x|×|\*|by|乘(?:以)?)\s*"
_ALONE = _NUMBER.format(name="alone")
_SIZE = {
    Language.EN: re.compile(
        rf"{_ONE}(?:\s*(?:mm|cm))?{_BY}{_TWO}\s*{_UNIT}|{_ALONE}\s*{_UNIT.replace('unit', 'unit2')}"
    ),
    Language.ZH: re.compile(
        rf"{_ONE}(?:mm|毫米|cm|厘米)?{_BY}{_TWO}{_UNIT_ZH}|{_ALONE}{_UNIT_ZH.replace('unit', 'unit2')}"
    ),
}
_WIDTH = {
    Language.EN: (
        r"^\s*(?:wide|across|in width|broad|from left to right|horizontally)\b",
        rf"\b(?:width|breadth){_ABOUT}",
    ),
    Language.ZH: (r"^宽", r"(?:宽度?|横径|左右径?)(?:约|为|约为|是)?$"),
}
_HEIGHT = {
    Language.EN: (r"^\s*(?:high|tall|in height|from top to bottom|vertically)\b", rf"\bheight{_ABOUT}"),
    Language.ZH: (r"^高", r"(?:高度?|纵径|上下径?)(?:约|为|约为|是)?$"),
}
_SLACK_MM = 1.0
"""A size that is rounded to millimetres or to tenths of a centimetre is the same size."""


def without_measures(facts: Facts, text: str, carried: tuple[str, ...]) -> tuple[str, tuple[str, str] | None]:
    """Take the sizes out of a masked sentence that are those of the boxes of its labels.

    Args:
        facts: Of the text.
        text: The sentence, with a character for each label.
        carried: Labels that the sentences before it speak of, where it names none itself.

    Returns:
        The sentence without them, and what is wrong with a size that is not.
    """
    if not facts.measures:
        return text, None
    language = Language.EN if facts.language == Language.EN else Language.ZH
    rest, position = "", 0
    for found in _SIZE[language].finditer(text):
        before = [facts.names.label_of(mark) for mark in re.findall(LABEL, text[: found.start()])]
        about = before[-1:] or [facts.names.label_of(mark) for mark in re.findall(LABEL, text)] or list(carried)
        sizes = [each for each in facts.measures if each.label in about] if about else list(facts.measures)
        if not any(_is_of(each, found, text, language) for each in sizes):
            return text, ("size invented", f'"{found.group()}" is no size that was given of it')
        rest, position = rest + text[position : found.start()] + " ", found.end()
    return rest + text[position:], None


def _is_of(size: Measure, found: re.Match[str], text: str, language: Language) -> bool:
    unit = found["unit"] or found["unit2"]
    scale = 10 if unit.startswith(("c", "厘", "公")) else 1
    if found["one"]:
        pair = (float(found["one"]) * scale, float(found["two"]) * scale)
        return _near(pair[0], size.width) and _near(pair[1], size.height)
    stated = float(found["alone"]) * scale
    after, before = text[found.end() :], text[: found.start()]

    def tells(ways: tuple[str, str]) -> bool:
        return bool(re.search(ways[0], after) or re.search(ways[1], before.rstrip()))

    if tells(_WIDTH[language]):
        return _near(stated, size.width)
    if tells(_HEIGHT[language]):
        return _near(stated, size.height)
    return _near(stated, size.width) or _near(stated, size.height)


def _near(stated: float, size: int) -> bool:
    return abs(stated - size) <= _SLACK_MM
