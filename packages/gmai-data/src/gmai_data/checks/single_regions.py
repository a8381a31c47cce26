"""Regions that a sentence refers to by their number or size: the second region, the larger of the two.

Their order is that of the boxes, as the prompt shows them to the writer.
"""

import re
from collections.abc import Sequence

from gmai_data.checks.facts import Facts
from gmai_data.checks.lexicon import LABEL, WORD
from gmai_data.vocabulary import Language

_TWO = 2
_ORDINALS = {
    "first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3,
    "一": 0, "1": 0, "二": 1, "2": 1, "三": 2, "3": 2, "四": 3,
}  # fmt: skip
_THINGS = rf"(?:regions?|areas?|boxes|box|lesions?|spots?|{LABEL}|{WORD})"
_THINGS_ZH = rf"(?:区域|病灶|病变|方?框|目标|{LABEL}|{WORD})"
_NUMBERED = {
    Language.EN: re.compile(
        r"\b(?:the )?(?P<number>first|1st|second|2nd|third|3rd|fourth)(?: (?:marked|boxed|labell?ed|annotated))?"
        rf" (?P<what>(?:one )?of (?:the |these )?(?:two|three|four)\b(?: {_THINGS})?|{_THINGS})"
    ),
    Language.ZH: re.compile(rf"第(?P<number>[一二三四123])[个处块](?P<what>{_THINGS_ZH})"),
}
_ALSO_NUMBERED = {
    Language.EN: re.compile(
        r"\bthe (?P<number>first|second|third|fourth)\b(?: one\b)?(?! [a-z]+ly| \w+ (?:time|look))"
    ),
    Language.ZH: re.compile("第(?P<number>[一二三四123])[个处块]"),
}
"""Without a noun, beside one that has it: "the first region is larger than the second"."""
_OF_SIZE = {
    Language.EN: re.compile(
        rf"\bthe (?P<size>larger|bigger|smaller)(?: one| {_THINGS})? of (?:the |these )?two(?: {_THINGS})?"
        r"(?= (?:also |clearly )?(?:lies|is|sits|stands|appears|touches|reaches|occupies|can be (?:seen|found))\b)"
    ),
    Language.ZH: re.compile(
        rf"(?:其中|[两二]者(?:之?中)?|[两二][个处]{_THINGS_ZH}(?:之?中)?[，,]?)的?[较更](?P<size>[大小])的?"
        rf"(?:者|那?一?[个处])?(?:{_THINGS_ZH})?(?=[位处]于|[位处]?在|居|靠|更|紧)"
    ),
}


def names_single_regions(text: str, language: Language) -> bool:
    """Return whether a lower-case text may refer to one of several regions by its number or size."""
    words = (" first ", " second ", "third", "fourth", "1st", "2nd", "of the two", "of two", "of these two")
    return any(word in f" {text}" for word in (words if language == Language.EN else ("第", "较", "更")))


def with_single_regions(facts: Facts, text: str, marks: Sequence[str]) -> str:
    """Return a masked sentence with the mark of a region, of `marks`, for its number or size among the boxes."""
    boxes = facts.boxes
    if len(boxes) < _TWO:
        return text

    def numbered(found: re.Match[str]) -> str:
        named = re.search(LABEL, found.groupdict().get("what") or "")
        label = facts.names.label_of(named.group()) if named else ""
        of_it = [mark for mark, box in zip(marks, boxes, strict=True) if not label or box.label == label]
        number = _ORDINALS[found["number"]]
        return of_it[number] if number < len(of_it) > 1 else found.group()

    marked = _NUMBERED[facts.language].sub(numbered, text)
    if marked != text:
        marked = _ALSO_NUMBERED[facts.language].sub(numbered, marked)
    if len(boxes) == _TWO and boxes[0].area_px != boxes[1].area_px:
        small, large = sorted(range(_TWO), key=lambda each: boxes[each].area_px)
        marked = _OF_SIZE[facts.language].sub(
            lambda found: marks[small if found["size"] in ("smaller", "小") else large], marked
        )
    return marked
