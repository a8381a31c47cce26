"""Which option letters a text names: alone, at the start, behind a marker, anywhere; always as whole words."""

import re
from collections.abc import Iterator

from gmai_bench.extraction.negation import is_negated
from gmai_bench.extraction.text import LETTERS

_ALONE = re.compile(
    r"^[\s*\"'(\[{<`_]*(?:(?i:answer|option|choice)\s+|(?i:choose|select|pick)\s+(?!a\b))?\(?([A-Za-z])"
    r"[\s*\"')\]}>`_.:,、。]*$"
)
_LONGEST_ALONE = 40
"""Characters of a line that may hold a letter alone; longer ones are not looked at."""
_LEADING = re.compile(r"^[\s*\"']*(?:\(([A-Za-z])\)|([A-Za-z])(?:\*\*)?\s*[.):、](?=\D|$))")
_ONLY_LETTERS = re.compile(
    r"(?<=、)\s*[A-Z](?![A-Za-z0-9])|[\s*\"'(\[]*[A-Za-z](?:[\s,;/、&)(\]\[]+[A-Za-z])*[\s*\"')\].。]*$"
)
"""What follows "A:" or "A、" where more letters stand in place of the option's text."""
_LISTED = re.compile(r"(?<!\w)(?:\(([A-Z])\)|([A-Z])[.):、])\s*\w")
_LISTED_BELOW = re.compile(r"\n[\s*]*(?:\(([A-Z])\)|([A-Z])[.):、])\s*\w")
_NO_WORD_AFTER = re.compile(r"(?![A-Za-z0-9])(?!['/-]+[A-Za-z0-9])")
_JOINS = "'/-_"
"""Before a letter these make it a part of a word: T-A, n/A."""
_MARKED_SMALL = re.compile(r"^[\s*\"'(\[]*(a(?!\s+\w)|[b-z])(?=[\s*\"')\].:,、。]|$)")
_TERMS = (
    "vitamin", "hepatitis", "influenza", "type", "group", "grade", "class", "stage", "segment", "lead", "zone", "level",
    "patient", "case", "figure", "panel", "image", "lobe", "streptococcus",
)  # fmt: skip
_LETTERED_TERM = re.compile(rf"\b(?:{'|'.join(_TERMS)})$")
_COORDINATED = re.compile(
    r"\(?[A-Z]\)?(?:\s*[,、]\s*(?:option\s+)?\(?[A-Z]\)?)*\s*,?\s*(?:\b(?:and|or|nor)\b|[&、和与及或])\s*(?:option\s+)?"
    r"\(?[A-Z](?![A-Za-z0-9])\)?"
)
"""Letters that share what is said of them: "A, C and D are wrong"."""
_LIST_GOES_ON = re.compile(r"\)?\s*(?:[,、&和与及或]|(?:and|or|nor)\b)")
_LIST_WENT_ON = (",", "、", "&", "and", "or", "nor", "和", "与", "及", "或", "option")
_AFTER_ARTICLE = re.compile(
    r"[^\S\n]+(?!(?:or|and|to|vs|versus|is|was|will|would|can|cannot|could|should|must|may|might|does|has|but|because|"
    r"since|as|seems|appears|looks|fits|matches|shows|represents|describes|depicts|indicates|corresponds|not)\b)"
    r"(?![A-Z](?![\w-]))[A-Za-z0-9]"
)
_BEFORE_TERM = re.compile(r"[^\S\n]+(?:cells?|lymphocytes?|waves?|lines?|mode|scan)\b", re.IGNORECASE)


def letter_alone(line: str, count: int) -> int | None:
    """Return the option whose letter, in any case, is all of a line.

    Args:
        line: The response, or a line of it.
        count: How many options were shown; a letter beyond them is none.
    """
    match = _ALONE.match(line) if len(line.strip(" *\t")) <= _LONGEST_ALONE else None
    index = LETTERS.index(match[1].upper()) if match else count
    return index if index < count else None


def leading_letter(text: str, count: int) -> int | None:
    """Return the option whose letter opens the text as "(B)", "B.", "B)", "B:" or "B、".

    None when the letter is denied, or when other letters are listed the same way, in its line or at the start of
    lines below (the options repeated).
    """
    match = _LEADING.match(text)
    if match is None:
        return None
    index = LETTERS.index((match[1] or match[2]).upper())
    if _ONLY_LETTERS.match(text, match.end()):
        return None
    if index >= count or is_negated(text, match.start(match.lastindex or 0), match.end()):
        return None
    line_end = text.find("\n")
    beside = _LISTED.findall(text, match.end(), line_end if line_end >= 0 else len(text))
    listed = {letter for pair in beside + _LISTED_BELOW.findall(text) for letter in pair if letter}
    return index if not {LETTERS.index(letter) for letter in listed} & (set(range(count)) - {index}) else None


def marked_letter(span: str, count: int) -> list[int]:
    """Return the un-negated letters of a span that follows a marker; a small letter counts if it opens the span."""
    small = _MARKED_SMALL.match(span)
    if small and (index := LETTERS.index(small[1].upper())) < count:
        return [index]
    opening = leading_letter(span, count)
    return [opening] if opening is not None else mentioned_letters(span, count)


def mentioned_letters(text: str, count: int) -> list[int]:
    """Return the distinct un-negated option letters of a text, in order.

    The article "A", the pronoun "I" and letters of terms such as "vitamin B" or "type A" are no mention.
    """
    mentions = sorted(
        (place, index)
        for index, letter in enumerate(LETTERS[:count])
        for place in _occurrences(text, letter)
        if _is_mention(text, place, index)
    )
    listed = len(mentions) > 1 and any(_is_listed(text, place) for place, _ in mentions)
    lists = [match.span() for match in _COORDINATED.finditer(text)] if listed else []
    found: list[int] = []
    for place, index in mentions:
        if index not in found:
            start, end = next((span for span in lists if span[0] <= place < span[1]), (place, place + 1))
            if not is_negated(text, start, end):
                found.append(index)
    return found


def _is_listed(text: str, place: int) -> bool:
    """Say whether a letter can be part of a list, which is cheaper to see than to find the list."""
    before = text[max(0, place - 12) : place].rstrip(" (\t\n")
    return before.endswith(_LIST_WENT_ON) or _LIST_GOES_ON.match(text, place + 1) is not None


def _occurrences(text: str, letter: str) -> Iterator[int]:
    place = text.find(letter)
    while place >= 0:
        yield place
        place = text.find(letter, place + 1)


def _is_mention(text: str, start: int, index: int) -> bool:
    end = start + 1
    before = text[start - 1 : start] or " "
    if before in _JOINS or (before.isascii() and before.isalnum()) or not _NO_WORD_AFTER.match(text, end):
        return False
    if before == "(":
        return True
    if (index == 0 and _AFTER_ARTICLE.match(text, end)) or LETTERS[index] == "I" or _BEFORE_TERM.match(text, end):
        return False
    lead = text[max(0, start - 20) : start].rstrip().lower()
    return not (lead.endswith(_TERMS) and _LETTERED_TERM.search(lead))
