"""Which option letters a text names: alone, at the start, behind a marker, anywhere; always as whole words."""

import bisect
import re
from functools import lru_cache

from gmai_bench.extraction.agreement import lists_others, undecorated
from gmai_bench.extraction.negation import is_negated
from gmai_bench.extraction.text import LETTERS, find_whole, unify, words_of

_ALONE = re.compile(
    r"^[\s*\"'(\[{<`_#>]*"  # "**B", "(B", "<B>", "### B", "> B"
    # "Answer B", "Option (B)", "it's b", "b is right"; no "choose a"
    r"(?:(?i:answer|option|choice|letter)[\s_]+|(?i:choose|select|pick)\s+(?!a\b)|(?i:it'?s)\s+(?=[b-zB-Z]\b))?"
    r"[\"'(\[{]*([A-Za-z])(?:(?<=[a-z])\s+is\s+(?:the\s+)?(?:correct|right|best)(?:\s+(?:answer|option|choice))?)?"
    r"[\s*\"')\]}>`_.:,、。;]*$"  # "B)", "B.", "B**"
)
_LONGEST_ALONE = 40
"""Characters of a line that may hold a letter alone; longer ones are not looked at."""
_LEADING = re.compile(
    r"^[\s*\"']*(?:\(([A-Za-z])\)|([A-Za-z])(?:\*\*)?\s*[.):、](?=\D|$)"
    r"|([A-Z])(?:\*\*)?,\s+(?=(?:as|because|since|given|not|due)\b))"  # "C, as there is no invasion"
)
_BEHIND_COLON = re.compile(r":\*{0,2}\s*\*\*\(?([A-Z])\)?\.?\*\*\.?$")
_DENIED_LINE = re.compile(
    r"\b(?:not|wrong|incorrect|false|unlikely|except|least|less|exclud\w*|eliminat\w*|rul\w+\s+out|differential|"
    r"alternatives?|options|choices|second|initially|first)\b|n't\b",
    re.IGNORECASE,
)
"""In front of the colon these make no answer of the letter: "Least likely: **C**"."""
_ONLY_LETTERS = re.compile(
    r"(?<=、)\s*[A-Z](?![A-Za-z0-9])|[\s*\"'(\[,;/&]*[A-Za-z](?:[\s,;/、&)(\]\[]+[A-Za-z])*[\s*\"')\].。]*$"
)
"""What follows "A:" or "A、" where more letters stand in place of the option's text."""
_ITEM = re.compile(r"\s*[A-Z](?![A-Za-z0-9])[^\S\n]*[.;,]?[^\S\n]*\n[\s*]*[a-z][.)]")
"""What follows "b." where small letters number the parts of the answer: "b. C", then "d. B"."""
_NO_WORD_AFTER = re.compile(r"(?!['/-]+[A-Za-z0-9])")
_JOINS = "'/-_"
"""Between a letter and a word before it these make it a part of that: T-A, n/A."""
_MARKED_SMALL = re.compile(r"^[\s*\"'(\[]*(a(?!\s+\w)|[b-z])(?=[\s*\"')\].:,、。]|$)")
_TERMS = (
    "vitamin", "hepatitis", "influenza", "type", "group", "grade", "class", "stage", "segment", "lead", "zone", "level",
    "patient", "case", "figure", "panel", "image", "lobe", "streptococcus",
)  # fmt: skip
_LETTERED_TERM = re.compile(rf"\b(?:{'|'.join(_TERMS)})$")
_COORDINATED = re.compile(
    r"\(?[A-Z]\)?(?:\s*[,、]\s*(?:option\s+)?\(?[A-Z]\)?){0,24}\s*,?\s*(?:\b(?:and|or|nor)\b|[&、和与及或])\s*(?:option\s+)?"
    r"\(?[A-Z](?![A-Za-z0-9])\)?"
    r"|\(?[A-Z]\)?(?:\s*[,、/]\s*\(?[A-Z]\)?){1,24}(?=\s+(?:are|do|were|can|could|should|would)\b)"
)
"""Letters that share what is said of them: "A, C and D are wrong", "A, C, D are not"."""
_LIST_GOES_ON = re.compile(r"\)?\s*(?:[,、&和与及或]|(?:and|or|nor)\b)")
_LIST_WENT_ON = (",", "、", "&", "and", "or", "nor", "和", "与", "及", "或", "option")
_AFTER_ARTICLE = re.compile(
    r"[^\S\n]+(?!(?:or|and|to|vs|versus|is|was|will|would|can|cannot|could|should|must|may|might|does|has|but|because|"
    r"since|as|seems|appears|looks|fits|matches|shows|represents|describes|depicts|indicates|corresponds|not)\b)"
    r"(?![A-Z](?![\w-]))[A-Za-z0-9]"
)
_BEFORE_TERM = re.compile(
    r"[^\S\n]+(?:cells?|lymphocytes?|waves?|lines?|mode|scan)\b"
    r"|超(?!声)|型(?!题)|臂|淋巴|反应蛋白|二聚体|细胞|波(?!形)|族",  # "B超" is ultrasound
    re.IGNORECASE,
)


_NO_PRONOUN = re.compile(r"[)\].,:;*]*\s*(?:[)\].,:;*]|$|\n)")
"""Behind the ninth letter where it is no pronoun: "B, I", "(I)", "I."."""
_FORMULA_AFTER = re.compile(r"\s*(?:[=≈^_]|[<>+×·]\s*\d)")
_OPERATORS = ("=", "≈", "+", "×", "·", "^")
"""Around a letter these make a variable of it: "A = 3 m2", "F = A + B"."""
LONE_CAPITAL = re.compile(r"[A-Z](?![A-Za-z0-9])(?<![A-Za-z0-9].)")  # the letter first, which is found fastest
_SMALL = frozenset(LETTERS.lower())
_MOST_PLACES = 50


def letter_alone(line: str, count: int) -> int | None:
    r"""Return the option whose letter, in any case and any wrapping ("(B)", "**B**", r"\text{B}"), is all of a line.

    Args:
        line: The response, or a line of it.
        count: How many options were shown; a letter beyond them is none.
    """
    if len(line) > 3 * _LONGEST_ALONE or len(line := line.strip(" *\t")) > _LONGEST_ALONE:
        return None
    marked = ("\\" in line or "$" in line) and "boxed" not in line
    match = _ALONE.match(undecorated(line) if marked else line)
    index = LETTERS.index(match[1].upper()) if match else count
    return index if index < count else None


def letter_behind_colon(line: str, count: int) -> int | None:
    """Return the option whose letter stands in bold behind the colon that ends a line: "… twice daily: **C**"."""
    if not line.endswith(("**", "**.")):
        return None
    match = _BEHIND_COLON.search(line, max(0, len(line) - _LONGEST_ALONE))
    if match is None or _DENIED_LINE.search(line):
        return None
    index = LETTERS.index(match[1])
    return index if index < count else None


def letter_below_colon(text: str, count: int) -> int | None:
    """Return the option whose letter opens the last line, alone below a line that ends in a colon.

    "The closest option is:", then "**J. 5.1 m**": a line in which a formula, or the text of the option, may stand.
    """
    above, _, line = text.rstrip().rpartition("\n")
    start = above.rstrip(" \t\n*").rfind("\n") + 1
    above = above[start:].rstrip(" \t\n*")
    if not above.endswith(":") or _DENIED_LINE.search(above):
        return None
    return leading_letter(line.lstrip(" *"), count)


def leading_letter(text: str, count: int) -> int | None:
    """Return the option whose letter opens the text as "(B)", "B.", "B)", "B:" or "B、".

    None when the letter is denied, or when other letters are listed the same way, in its line or at the start of
    lines below (the options repeated).
    """
    match = _LEADING.match(text)
    if match is None:
        return None
    index = LETTERS.index(match[match.lastindex or 0].upper())
    if _ONLY_LETTERS.match(text, match.end()) or (match[2] and match[2].islower() and _ITEM.match(text, match.end())):
        return None
    if index >= count or is_negated(text, match.start(match.lastindex or 0), match.end()):
        return None
    return None if lists_others(text, match.end(), index, count, marked=match[1] is None) else index


def marked_letter(span: str, choices: tuple[str, ...]) -> list[int]:
    """Return the un-negated letters of a span that follows a marker; a small letter counts if it opens the span."""
    count = len(choices)
    small = _MARKED_SMALL.match(span)
    if small and (index := LETTERS.index(small[1].upper())) < count:
        return [index]
    opening = leading_letter(span, count)
    return [opening] if opening is not None else mentioned_letters(span, choices)


def mentioned_letters(text: str, choices: tuple[str, ...]) -> list[int]:
    """Return the distinct un-negated option letters of a text, in order."""
    return letters_and_denials(text, choices)[0]


def letters_and_denials(text: str, choices: tuple[str, ...]) -> tuple[list[int], frozenset[int]]:
    """Return the distinct un-negated option letters of a text, in order, and the letters that are only denied in it.

    The article "A", the pronoun "I", letters of terms such as "vitamin B" or "type A", of formulas ("A = 3") and of the
    texts of options ("Region A") are no mention.
    """
    mentions = [(place, index) for place, index in lone_capitals(text, len(choices)) if _is_mention(text, place, index)]
    if mentions and (within := _within_options(text, choices)):
        mentions = [pair for pair in mentions if not any(first <= pair[0] < last for first, last in within)]
    listed = len(mentions) > 1 and any(_is_listed(text, place) for place, _ in mentions)
    lists = [match.span() for match in _COORDINATED.finditer(text)] if listed else []
    found: list[int] = []
    for place, index in mentions:
        if index not in found:
            before = bisect.bisect_right(lists, (place, len(text))) - 1
            in_list = before >= 0 and place < lists[before][1]
            start, end = lists[before] if in_list else (place, place + 1)
            if not is_negated(text, start, end):
                found.append(index)
    return found, frozenset(index for _, index in mentions).difference(found)


@lru_cache(maxsize=16)
def lone_capitals(text: str, count: int) -> tuple[tuple[int, int], ...]:
    """Return place and option of each capital letter of an option that stands alone, in order; no article "A"."""
    found: list[tuple[int, int]] = []
    for small in _SMALL & words_of(text):
        letter = small.upper()
        index = LETTERS.index(letter)
        place = text.find(letter) if index < count else -1
        while place >= 0:
            article = index == 0 and text[place - 1 : place] != "(" and _AFTER_ARTICLE.match(text, place + 1)
            if not article and LONE_CAPITAL.match(text, place):
                found.append((place, index))
            place = text.find(letter, place + 1)
    return tuple(sorted(found))


@lru_cache(maxsize=1024)
def _with_letters_inside(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts of options that hold a lone capital beside other words: "Region A", "D, A, C"."""
    return tuple(choice for choice in map(unify, choices) if len(choice) > 1 and LONE_CAPITAL.search(choice))


def _within_options(text: str, choices: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return where such texts stand; of many places the first, for then the answer is a list of them anyway."""
    found: list[tuple[int, int]] = []
    for wanted in _with_letters_inside(choices):
        place = find_whole(text, wanted)
        while place >= 0 and len(found) < _MOST_PLACES:
            found.append((place, place + len(wanted)))
            place = find_whole(text, wanted, place + len(wanted))
    return found


def _is_listed(text: str, place: int) -> bool:
    """Return whether a letter can be part of a list, which is cheaper to see than to find the list."""
    before = text[max(0, place - 12) : place].rstrip(" (\t\n")
    return before.endswith(_LIST_WENT_ON) or _LIST_GOES_ON.match(text, place + 1) is not None


def _is_mention(text: str, start: int, index: int) -> bool:
    end = start + 1
    before = text[start - 1 : start] or " "
    if (before in _JOINS and text[start - 2 : start - 1].isalnum()) or not _NO_WORD_AFTER.match(text, end):
        return False
    if before == "(":
        return True
    if text[end : end + 1] == "+" and not text[end + 1 : end + 2].strip().isalnum():
        return False  # a mark or a blood group: "B+"
    if _BEFORE_TERM.match(text, end):
        return False
    if LETTERS[index] == "I" and not _NO_PRONOUN.match(text, end):
        return False
    lead = text[max(0, start - 20) : start].rstrip().lower()
    if lead.endswith(_OPERATORS) or _FORMULA_AFTER.match(text, end):
        return False
    return not (lead.endswith(_TERMS) and _LETTERED_TERM.search(lead))
