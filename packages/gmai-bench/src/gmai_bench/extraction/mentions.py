"""Which option texts a response names: whole words, the longest first, denied ones left out."""

import re
from functools import lru_cache

from gmai_bench.extraction.negation import WINDOW_CHARS, is_negated
from gmai_bench.extraction.text import LETTERS, find_whole, unify, without_hyphens

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("ct", "computed tomography"),
    ("mri", "mr", "magnetic resonance imaging", "magnetic resonance"),
    ("us", "ultrasound", "ultrasonography"),
    ("x-ray", "xray", "x ray", "radiograph", "radiography"),
    ("oct", "optical coherence tomography"),
    ("pet", "positron emission tomography"),
    ("yes", "是", "是的"),
    ("no", "否", "不是", "不是的"),
)
"""Closed table of exact synonyms of options: imaging modalities and yes/no. Nothing is inferred beyond it."""

_WORDS_TOO = ("us",)
"""Within a sentence these mean something else in small letters: "let us see"."""
_NUMBER_AND_UNIT = re.compile(r"(?<![\w.,])(\d+(?:[.,]\d+)*)\s*([^\W\d_]|%)")
"""Written with or without a blank between them: "5 mg", "5mg", "20 %"."""
_NON = re.compile(r"\bnon[ -]?(?=[^\W\d_]{4})")
_SHARED_BEFORE = re.compile(r"(\w+)-?\s*(?:\b(?:or|to|and)\b|[/-]|或|和|至)\s*$")
_SHARED_AFTER = re.compile(r"\s*(?:\b(?:or|to|and)\b|[/-]|或|和|至)\s*(\w+)")
_WITH_EXPANSION = re.compile(r"^(.+?)\s*\((.+?)\)?$")
_YES_NO_OPENING = re.compile(  # "Yes, …", "Likely yes, but …"
    r"\W*(?:(?:(?:most|very)\s+)?(?:likely|probably|possibly|certainly|definitely|clearly)\s*,?\s+)?"
    r"(yes|no|是的?|不是的?|否)\W*[,.;:!\n-](?!\W*(?:yes|no|是|否|不是)\W*(?:[,.;:!]|$))",
    re.IGNORECASE,
)
_EDGES = " \t\r\n.,;:!?*\"'`()[]{}。，；：！？、"


@lru_cache(maxsize=4096)
def _forms(option: str) -> tuple[str, ...]:
    """Return the spellings of one option, case folded: itself, "CT (Computed Tomography)" taken apart, its synonyms."""
    folded = unify(option).casefold().strip(_EDGES) or option.casefold()
    forms = [folded]
    expansion = _WITH_EXPANSION.match(folded)
    if expansion:
        forms += [expansion[1].strip(), expansion[2].strip()]
    if _NUMBER_AND_UNIT.search(folded):
        forms += [_NUMBER_AND_UNIT.sub(r"\1\2", folded), _NUMBER_AND_UNIT.sub(r"\1 \2", folded)]
    if "non" in folded:
        forms += [_NON.sub("non-", folded), _NON.sub("non", folded)]
    for family in SYNONYMS:
        if any(form in family for form in forms):
            forms += family
    forms += [without_hyphens(form) for form in forms]
    return tuple(dict.fromkeys(form for form in forms if form))


@lru_cache(maxsize=1024)
def _spellings(choices: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Return (spelling, option) of all options, the longest first; a spelling of two options is left out.

    Of options with the same text the first stands for all.
    """
    own: dict[str, list[int]] = {}
    derived: dict[str, list[int]] = {}
    for index, choice in enumerate(choices):
        if not choice.strip() or choice in choices[:index]:
            continue
        itself, *others = _forms(choice)
        own.setdefault(itself, []).append(index)
        for form in others:
            derived.setdefault(form, []).append(index)
    owners = derived | own  # what an option is called outright is no synonym of another
    single = [(form, indices[0]) for form, indices in owners.items() if len(indices) == 1]
    return tuple(sorted(single, key=lambda pair: -len(pair[0])))


@lru_cache(maxsize=1024)
def _lookup(choices: tuple[str, ...]) -> tuple[dict[str, int], int]:
    """Return spelling ▶ option and the length of the longest spelling."""
    spellings = _spellings(choices)
    return dict(spellings), len(spellings[0][0]) if spellings else 0


def option_equal_to(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option whose text, or a synonym of it, is the whole text, apart from case and outer punctuation."""
    spellings, longest = _lookup(choices)
    bare = text.strip(_EDGES)
    if len(bare) > longest:
        return None  # folding case makes no text shorter
    folded = bare.casefold()
    return spellings[folded] if folded in spellings else spellings.get(without_hyphens(folded))


def option_that_opens(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that a response opens with and then explains: "Yes, and there is no fracture", or a line of it.

    A yes or no may stand before a comma; another option is all of its line, and no other line is another option.
    """
    opening = _YES_NO_OPENING.match(text)
    if opening and (index := option_equal_to(opening[1], choices)) is not None:
        return index
    lines = {index for line in text.split("\n") if (index := option_equal_to(line, choices)) is not None}
    first = option_equal_to(text.partition("\n")[0], choices)
    return first if first is not None and lines == {first} else None


def options_mentioned(text: str, choices: tuple[str, ...], *, letters: bool = False) -> list[int]:
    """Return the distinct options named in the text and not denied.

    A longer option hides the shorter ones inside it ("no pleural effusion" is not "pleural effusion").

    Args:
        text: The response or a part of it.
        choices: Texts of the options.
        letters: Whether they were shown with letters: then a text that is an option's letter names that one.
    """
    folded = text.casefold()
    has_case = len(folded) == len(text) and not text.isupper()
    plain = without_hyphens(folded)
    covered = bytearray(len(folded))
    taken: list[tuple[int, int, int]] = []
    for spelling, index in _spellings(choices):
        if letters and len(spelling) == 1 and 0 <= LETTERS.find(spelling.upper()) < len(choices):
            continue
        searched = folded if "-" in spelling else plain
        start = find_whole(searched, spelling, within=folded)
        while start >= 0:
            end = start + len(spelling)
            a_word = spelling in _WORDS_TOO and has_case and not text[start:end].isupper()
            if not a_word and not any(covered[start:end]):
                taken.append((start, end, index))
                covered[start:end] = b"\1" * (end - start)
            start = find_whole(searched, spelling, end, within=folded)
    taken.sort()
    taken += [
        (start, end, other) for start, end, index in taken for other in _coordinated(folded, start, end, index, choices)
    ]
    named: list[int] = []
    for number, (start, end, index) in enumerate(taken):
        if index in named:
            continue
        near = [(first, last) for first, last, _ in taken[max(0, number - WINDOW_CHARS) : number]]
        if not is_negated(folded, start, end, tuple(span for span in near if span[1] > start - WINDOW_CHARS)):
            named.append(index)
    return named


@lru_cache(maxsize=1024)
def _siblings(choices: tuple[str, ...]) -> tuple[tuple[dict[str, int], dict[str, int]], ...]:
    """Return, for each option, the first words and the last words that would make another option of it."""
    words = [option.casefold().split() for option in map(unify, choices)]
    return tuple(
        (
            {w[0]: n for n, w in enumerate(words) if len(w) > 1 and w[1:] == own[1:] and w != own},
            {w[-1]: n for n, w in enumerate(words) if len(w) > 1 and w[:-1] == own[:-1] and w != own},
        )
        for own in words
    )


def _coordinated(text: str, start: int, end: int, index: int, choices: tuple[str, ...]) -> list[int]:
    """Return the options that share words with one named: "mild to moderate retinopathy", "hepatitis B or C"."""
    firsts, lasts = _siblings(choices)[index]
    before = _SHARED_BEFORE.search(text, max(0, start - WINDOW_CHARS), start) if firsts else None
    after = _SHARED_AFTER.match(text, end) if lasts else None
    found = [firsts.get(before[1]) if before else None, lasts.get(after[1]) if after else None]
    return [other for other in found if other is not None]
