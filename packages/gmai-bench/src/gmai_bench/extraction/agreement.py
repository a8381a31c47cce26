"""A letter beside the text of its own option ("C. Cannot be determined"): the plainest answer there is.

It decides before every rule that listens to words, for the text of an option may sound like a refusal, deny something,
or be made of letters and formulas.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from gmai_bench.extraction.negation import is_negated
from gmai_bench.extraction.spellings import any_of
from gmai_bench.extraction.text import LETTERS, unify, words_of

_MARKUP = re.compile(
    r"\\(?:text|math|bold|boxed|fbox)\w*\s*(?=\{)|\\(?=[%&#_])|\\[()\[\],;! ]|[*`${}]|(?<=\d)~(?=\\|[A-Za-z])"
)
r"""**bold**, `code`, $math$, \( \), \[ \], 20\%, 3\,cm, 3~cm, \text{…}, \mathrm{…}, \boxed{…}."""
_MARKUP_SIGNS = "\\*`${}~"
_OPENING = re.compile(
    r"[\s#>•\"'(\[_-]*"
    r"(?:(?i:option|choice)\b[\s:]*)?"  # "Option C: …"
    # "C. …", "(c) …", "C) …", "C: …", "<C> …", "C - …", "C, …"; without a sign only a capital before a word: "C MRI"
    r"[(\[<\"']*(?P<letter>[A-Za-z])(?:[)\]>\"'_]*\s*[.):、,=–—-]+\s*|[)\]>]+\s*|(?<=[A-Z])\s+(?=\w\w))"
)
_CLOSING = re.compile(r"[\s,;:.–—-]*[(\[]?(?<![A-Za-z0-9])(?P<letter>[A-Z])[)\].]*\s*$")
"""The letter behind its text: "Cannot be determined (C)"."""
_ANNOUNCED = re.compile(
    r"(?<!wrong )(?<!incorrect )(?<!not )\b(?:[Aa]nswer(?: is)?:?|I(?: would)? choose)[\s*(]{1,4}"
    r"(?P<letter>[A-Z])(?:[).:,*]{1,3}\s+|(?<=\(.)\))(?P<held>\S.*)$"
)
"""The commonest last lines: "**Answer: B. MRI**", "So I choose B, MRI.", "Answer: (B)MRI"."""
_BEFORE = re.compile(r"(?<![A-Za-z0-9])[(\[]?([A-Z]|[a-z](?=[)\].:]))[)\]]*\s*[.):、,–—-]*\s*[\"'(]*$")
"""The letter in front of a text that stands anywhere: "I would rule it out: C) cannot be determined"."""
_BEHIND = re.compile(r"\s*[(\[]([A-Z])[)\]]")
"""The letter in brackets behind it: "start with 5 mg (B)"."""
_LINE_ITEM = re.compile(r"[\s*_(\[#-]*([A-Z])[)\].:、]")
_LINE_ENDS = re.compile(r"[^\w\n]*(?:\n|$)")
_NEXT_ITEM = re.compile(r"[)\].;,]{0,3}[\s|*_-]{0,8}[(\[]?(?P<letter>[A-Z])[)\].:、]")
"""What follows an option in a list of them."""
_LISTED = re.compile(r"(?<!\w)(?:\(([A-Z])\)|([A-Z])[.):、])[\s*]*\w")
_LISTED_BELOW = re.compile(r"\n[\s*]*(?:\(([A-Z])\)|([A-Z])[.):、])[\s*]*\w")
_DENIED_NEXT = re.compile(
    # "C. MRI: this is unlikely", "C. MRI - incorrect", "C. MRI (ruled out)"; none in "C. MRI, not CT"
    r"[\W_]*(?:(?:this|it|that|which|option|choice)\s+){0,3}(?:(?:is|are|was|seems|appears|looks|(?:can|would|could)\s+be)"
    r"\s+(?:not\b|n't\b)?)?\s*(?:(?:very|highly|also|clearly|therefore)\s+)?(?:unlikely|incorrect|wrong|false|excluded|"
    r"ruled\s+out|less\s+likely|least\s+likely|impossible|improbable|implausible|inconsistent|不|错|排除)"
    r"|[\W_]*(?:(?:this|it|that|which|option|choice)\s+){1,3}(?:\w+\s+not\b|\w+n't\b|cannot\b)",
    re.IGNORECASE,
)
_SQUEEZED = str.maketrans("", "", " ^\\")
_FIRST_WORD = re.compile("[^A-Za-z0-9]*([A-Za-z]+)")
_TAKEN_FOR_NONE = ("option", "choice", "text", "math", "bold", "boxed", "fbox")
"""Words that may stand before the letter that opens a line; all but two are commands of LaTeX."""
_BEHIND_LETTER = " \t)].*`${}~\\,;!_"
_EDGES = " \t\r\n.,;:!?\"'()[]_。，；：！？、"
_BEFORE_CHARS = 10
_MARKS_CHARS = 60
"""What a line may hold beside letter and text."""


@lru_cache(maxsize=1024)
def plain_options(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts of options as they are compared: without markup, case and outer punctuation."""
    return tuple(map(_plain, choices))


@lru_cache(maxsize=4096)
def _plain(choice: str) -> str:
    return _fold(undecorated(unify(choice))) or choice.casefold().strip()


def holds_option(lower: str, choices: tuple[str, ...]) -> bool:
    """Return whether the text of an option stands somewhere in a text in small letters, be it within a word."""
    together = "\n".join(choices)
    if not together.isascii() or any_of((*_MARKUP_SIGNS, "  "), together):
        return any_of(plain_options(choices), lower)
    return any_of([choice.strip(_EDGES) for choice in together.lower().split("\n")], lower)


def _longest(choices: tuple[str, ...]) -> int:
    return max(map(len, choices)) + _MARKS_CHARS


def undecorated(text: str) -> str:
    """Return a text without markup of Markdown and LaTeX."""
    return _MARKUP.sub("", text) if any_of(_MARKUP_SIGNS, text) else text


def _fold(text: str) -> str:
    return " ".join(text.casefold().split()).strip(_EDGES)


def agreeing_line(line: str, choices: tuple[str, ...]) -> int | None:
    """Return the option whose letter and text are all of a line, in either order."""
    return None if len(line) > _longest(choices) else _agreeing(line, choices)


def _may_agree(line: str) -> bool:
    """Return whether a letter may open or end a line, which is sooner told than what it says."""
    opening = _FIRST_WORD.match(line)
    word = opening[1] if opening else ""
    if len(word) == 1 or word.lower().startswith(_TAKEN_FOR_NONE):
        return True
    return line.rstrip(_BEHIND_LETTER)[-1:].isupper()


def _agreeing(line: str, choices: tuple[str, ...]) -> int | None:
    line = undecorated(line)
    opening = _OPENING.match(line)
    if opening:
        index = LETTERS.index(opening["letter"].upper())
        if index < len(choices) and _is_own(_fold(line[opening.end() :]), index, choices):
            return index
    closing = _CLOSING.search(line) if line.rstrip(" \t)].")[-1:].isupper() else None
    if closing:
        index = LETTERS.index(closing["letter"])
        own = _plain(choices[index]) if index < len(choices) else ""
        if len(own) > 1 and _fold(line[: closing.start()]) == own:
            return index
    return None


def _is_own(said: str, index: int, choices: tuple[str, ...]) -> bool:
    """Return whether a text is that of one option, or differs from it and no other in blanks and carets: "2 m^2"."""
    own = _plain(choices[index])
    if not own or said == own:
        return bool(own)
    squeezed = said.translate(_SQUEEZED)
    if abs(len(said) - len(own)) > _MARKS_CHARS or not squeezed or squeezed != own.translate(_SQUEEZED):
        return False
    return sum(squeezed == option.translate(_SQUEEZED) for option in plain_options(choices)) == 1


def option_but_for_blanks(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the one option that a text is apart from blanks, carets and markup."""
    if len(text) > _longest(choices) or not (squeezed := _fold(undecorated(text)).translate(_SQUEEZED)):
        return None
    found = [n for n, option in enumerate(plain_options(choices)) if option.translate(_SQUEEZED) == squeezed]
    return found[0] if len(found) == 1 else None


def agreeing_end(line: str, choices: tuple[str, ...]) -> int | None:
    """Return the option whose letter and text are announced as the answer at the end of a line."""
    if len(line) > 2 * _longest(choices):
        return None
    announced = _ANNOUNCED.search(line)
    if announced is None or (index := LETTERS.index(announced["letter"])) >= len(choices):
        return None
    return index if _is_own(_fold(undecorated(announced["held"])), index, choices) else None


def agreeing_start(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option whose letter and text open a text that then goes on, and is not denied there.

    None where a longer option begins with the same words, or where other letters are listed behind it.
    """
    opening = _OPENING.match(undecorated(text[:_MARKS_CHARS]))
    if opening is None or LETTERS.index(opening["letter"].upper()) >= len(choices):
        return None
    if opening[0].endswith("A ") and not opening[0].strip(" A"):
        return None  # an article: "A CT could show this, but …"
    index = LETTERS.index(opening["letter"].upper())
    options = plain_options(choices)
    start = undecorated(text[: 8 * _longest(choices)])  # markup takes a part of it
    line_end = start.find("\n", 0, opening.end() + 4 * _longest(choices))
    line = start[opening.end() : line_end if line_end >= 0 else opening.end() + 4 * _longest(choices)]
    answer = " ".join(line.casefold().split()).lstrip(_EDGES)
    fits = [
        option
        for option in options
        if option and answer.startswith(option) and not _goes_on(answer, len(option), option)
    ]
    if not fits or options[index] != max(fits, key=len):
        return None
    if lists_others(undecorated(text), opening.end() + len(options[index]), index, len(choices)):
        return None
    return None if _is_denied(answer, 0, len(options[index])) else index


def lists_others(text: str, start: int, index: int, count: int, *, marked: bool = False) -> bool:
    """Return whether letters of other options are listed behind a place in its line, or open lines below it.

    Args:
        text: The response.
        start: The place.
        index: The option whose letter stands before it.
        count: How many options were shown.
        marked: Whether that letter has a mark and no brackets ("E."): then "(B)" in its line is no item of the list.
    """
    line_end = text.find("\n", start)
    beside = _LISTED.findall(text, start, line_end if line_end >= 0 else len(text))
    if marked:
        beside = [("", letter) for _, letter in beside]
    letters = {letter for pair in beside + _LISTED_BELOW.findall(text) for letter in pair if letter}
    return bool({LETTERS.index(letter) for letter in letters} & (set(range(count)) - {index}))


def _goes_on(text: str, end: int, option: str) -> bool:
    return end < len(text) and text[end].isalnum() and option[-1:].isalnum() and ord(text[end]) < 0x2E80


def agreeing_lines(text: str, choices: tuple[str, ...]) -> list[int]:
    """Return the distinct options that lines of a text are; the options repeated as they were shown count not."""
    longest = _longest(choices)
    lines = (line for line in text.split("\n") if 0 < len(line) <= longest and _may_agree(line))
    found = [index for line in lines if (index := _agreeing(line, choices)) is not None]
    everything = list(range(len(choices)))
    for start in range(len(found) - len(everything) + 1):
        if found[start : start + len(everything)] == everything:
            found[start : start + len(everything)] = []
            break
    return list(dict.fromkeys(found))


class _Place(NamedTuple):
    """Where an option stands with its letter."""

    option: int
    letter: int
    end: int
    in_front: bool
    denied: bool


def agreeing_places(text: str, choices: tuple[str, ...]) -> list[int]:
    """Return the distinct options that stand somewhere as letter and text beside each other, and are not denied.

    A letter in front of its text counts before one behind it. Options that are only listed as they were shown count
    not: who repeats the question has not answered it.
    """
    said = words_of(text)
    lettered = [index for index in range(len(choices)) if LETTERS[index].lower() in said]
    if not lettered:
        return []
    text = undecorated(text)
    folded = text.casefold()
    if len(folded) != len(text):
        return []
    places = [
        place
        for index in lettered
        if len(option := _plain(choices[index])) > 1
        for start in _starts(folded, option)
        if (place := _named(text, folded, start, option, index, choices)) is not None
    ]
    following = {item for place in places if (item := _next_item(text, place))}
    named = {
        place
        for place in places
        if not (place.denied or _next_item(text, place) or place.letter in following or _ends_list(text, place))
    }
    in_front = {place.option for place in named if place.in_front}
    return sorted(in_front or {place.option for place in named})


def _next_item(text: str, place: _Place) -> int:
    """Return where the next letter stands that goes on a list of options, or nothing: "(A) CT (B) MRI"."""
    item = _NEXT_ITEM.match(text, place.end) if place.in_front else None
    return item.start("letter") if item and LETTERS.index(item["letter"]) == place.option + 1 else 0


def _ends_list(text: str, place: _Place) -> bool:
    """Return whether an option is all of a line behind one that opens with the letter before its own."""
    start = text.rfind("\n", 0, place.letter) + 1
    opens = place.in_front and not text[start : place.letter].strip(" \t*_-([#")
    if not start or not opens or not _LINE_ENDS.match(text, place.end):
        return False
    above = text[: start - 1].rstrip()
    item = _LINE_ITEM.match(above, above.rfind("\n") + 1)
    return item is not None and LETTERS.index(item[1]) == place.option - 1


def _starts(text: str, wanted: str) -> Iterator[int]:
    place = text.find(wanted)
    while place >= 0:
        yield place
        place = text.find(wanted, place + len(wanted))


def _named(text: str, folded: str, start: int, option: str, index: int, choices: tuple[str, ...]) -> _Place | None:
    """Return the place where the text of an option stands with its letter in front of it or else behind it."""
    if _goes_on(text, start + len(option), option):
        return None
    before = _BEFORE.search(text, max(0, start - _BEFORE_CHARS), start)
    before = None if before and before[0].rstrip() == "A" else before  # an article
    behind = _BEHIND.match(text, start + len(option))
    beside = before or behind  # in a list the letter behind a text is the next one: "(A) CT (B) MRI"
    if beside is None or beside[1].upper() != LETTERS[index]:
        return None
    longer = (other for other in plain_options(choices) if len(other) > len(option) and other.startswith(option))
    if any(folded.startswith(other, start) for other in longer):
        return None
    first = before.start(1) if before else start
    denied = _is_denied(text, first, behind.end() if behind else start + len(option))
    return _Place(index, beside.start(1), start + len(option), before is not None, denied)


def _is_denied(text: str, start: int, end: int) -> bool:
    """Return whether what stands around letter and text denies them; the text itself may deny what it likes."""
    return _DENIED_NEXT.match(text, end) is not None or is_negated(text, start, end, ((start, end),))
