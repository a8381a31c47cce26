"""Responses made comparable: Unicode forms unified, thoughts removed, whole words found."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from gmai_bench.extraction.spellings import ORDINALS, any_of

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_PLAIN = (
    *(("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("\u00a0", " "), ("‐", "-"), ("‑", "-"), ("–", "-")),
    ("\u2028", "\n"),
)
_THOUGHT_TAG = re.compile(
    r"(?P<begin><(?:think(?:ing)?|thought|reasoning|analysis)>|◁think▷|\[think\]|<unused94>)"
    r"|</(?:think(?:ing)?|thought|reasoning|analysis)>|◁/think▷|\[/think\]|<unused95>",
    re.IGNORECASE,
)
"""DeepSeek and Qwen write <think>, Kimi ◁think▷, Magistral [THINK], MedGemma <unused94>."""
_THOUGHT_WORDS = ("think", "thought", "reasoning>", "analysis>", "<unused9")

_IN_NUMBER = (".", ",", "/", ":", "-")
_ROMAN = r"(?:i{1,3}|iv|vi{0,3}|ix|x)"
_ENDS_IN_NUMBER = re.compile(rf"(?:\d|\s{_ROMAN})$")
_RANGE = re.compile(
    rf"\s*(?:or|to|and|/|~|-|或|和|至|到)\s*(?:(?<=or\s)[^\W\d_]?\d|\d|{_ROMAN}(?![\w'])(?!\s+\w))", re.IGNORECASE
)
"""Behind "Grade 2" it makes another statement of it: "Grade 2 or 3", "Grade II-III"."""
_OPENS_WITH_NUMBER = re.compile(r"[^\W\d_]?(?=\d)")
_RANGE_BEFORE = re.compile(r"(?:(?<!\w)(?P<lead>[^\W\d_]?)\d+-?|\w-)\s*(?:or|to|and|/|~|-|或|和|至|到)\s*$")
"""Before "5 mg" the same: "2.5 to 5 mg", "T1 or T2-weighted"; before any word "hyper- or hypothyroidism"."""
_ORDINAL_BEFORE = re.compile(rf"\b(?:{'|'.join(ORDINALS)})\s+(?:\w+\s+)?(?:or|and|to)\s+(?:the\s+)?$")
"""Before "third image" the same: "the first and the third image"."""
_RANGE_CHARS = 10
_BOUND = re.compile(
    r"(?:\b(?:at\s+(?:least|most)|(?:more|less|fewer|greater|larger)\s+than)|至少|超过)\s*(?:[\d.]+\s*(?:to|or|and|-)\s*)?$"
)
"""Before a number these make another statement of it: "at least grade II", "more than 2 or 3"."""
_BOUND_AFTER = re.compile(
    r"\s*(?:\b(?:or|and)\s+(?:higher|above|more|greater|larger|worse|later|lower|below|less|fewer|smaller|better|earlier)\b(?!\s+than)"
    r"|(?:及|或)?(?:以上|以下|更[高低多少大小]))"
)
"""Behind a number the same: "grade II or higher", "5 mg or more"."""
_BOUND_WORDS = ("at ", "than", "至少", "超过")
_BOUND_JOINS = (" or ", " and ", "以", "更")
_BOUND_CHARS = 24
_NUMBER = re.compile(rf"\d|\s{_ROMAN}$")
_RANGE_SIGNS = ("or", "to", "an", "OR", "TO", "AN", "/", "~", "-", "或", "和", "至", "到")
_HYPHEN = re.compile(r"-(?<=[^\W_]-)(?=[^\W\d_])")  # the hyphen first, which is found fastest
_BLANKS = str.maketrans({chr(code): " " for code in range(128) if not chr(code).isalnum()})
WORD = re.compile("[a-z0-9]+")
"""A word as `words_of` has it."""
_LETTERS_ONLY = re.compile("[a-z]+")


@lru_cache(maxsize=16)
def lowered(text: str) -> str:
    """Return the text in lower case, place by place: the few letters that grow when lowered are left as they are."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


@lru_cache(maxsize=32)
def words_of(text: str) -> frozenset[str]:
    """Return the words of a text in small letters: runs of a-z and 0-9.

    Rules ask it first whether a word that they begin with is there at all: a text is taken apart once, and a look-up
    costs a tenth of a search.
    """
    lower = lowered(text)
    if not lower.isascii():  # a "?" for every other letter, which separates words as it does
        lower = lower.encode("ascii", "replace").decode("ascii")
    return frozenset(lower.translate(_BLANKS).split())


@lru_cache(maxsize=16)
def initials_of(text: str) -> str:
    """Return the first letters of the words of a text in small letters: "Magnetic resonance (MR)" gives "mrm"."""
    return "".join([word[0] for word in _LETTERS_ONLY.findall(lowered(text))])


def places_of(text: str, words: Iterable[str], first: int = 0, last: int | None = None) -> list[tuple[int, str]]:
    """Return `(place, word)` of every word that begins in `text[first:last]`."""
    until = len(text) if last is None else last
    found: list[tuple[int, str]] = []
    for word in words:
        place = text.find(word, first)
        while -1 < place < until:
            found.append((place, word))
            place = text.find(word, place + 1)
    return found


_REASONED = (
    r"\s*\"(?:[a-z_]*think(?:ing)?|thoughts?|reasoning|rationale|analysis|explanation|observations?|description)"
    r"\"\s*:\s*\""
)
_CUT_REASONING = re.compile(
    rf"\s*(?:```(?:json)?\s*)?\{{{_REASONED}(?:[^\"\\]|\\.)*"
    rf"(?:\"\s*,{_REASONED}(?:[^\"\\]|\\.)*){{0,9}}(?:\"\s*,?\s*(?:\"[a-z_ ]*(?:\"\s*(?::\s*\"?\s*)?)?)?)?\Z",
    re.IGNORECASE | re.DOTALL,
)
"""A JSON object that was cut off within the reasoning that stands before its answer, or where the answer begins."""


def strip_thoughts(response: str) -> str:
    """Return the response without `<think>…</think>` and the like of other models.

    A lone `</think>` ends a thought that began in the prompt; a lone `<think>` is a thought that was cut off. The tags
    are walked once: a model in a loop repeats them thousands of times. Reasoning in JSON that was cut off is one, too.
    """
    if response[:1] in ("{", "`") and _CUT_REASONING.match(response):
        return ""
    if not any_of("<◁[", response) or not any_of(_THOUGHT_WORDS, response.lower()):
        return response
    kept: list[str] = []
    since, thinking = 0, False
    for tag in _THOUGHT_TAG.finditer(response):
        if tag["begin"]:
            if not thinking:
                kept.append(response[since : tag.start()])
            thinking = True
            continue
        if not thinking:
            kept.clear()
        since, thinking = tag.end(), False
    if not thinking:
        kept.append(response[since:])
        return " ".join(kept) if since else response
    return " ".join(kept)


def unify(text: str) -> str:
    """Return the text in NFKC (full-width letters and punctuation become plain), with plain quotes and line ends."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        if not unicodedata.is_normalized("NFKC", text):
            text = unicodedata.normalize("NFKC", text)
        for character, plain in _PLAIN:
            if character in text:
                text = text.replace(character, plain)
    return text.strip()


def _is_word(character: str) -> bool:
    """Return whether a character belongs to a word that is written with blanks around it; Chinese is not."""
    return character.isalnum() and ord(character) < 0x2E80


def _in_number(text: str, start: int, end: int) -> bool:
    """Return whether `text[start:end]` is a part of a longer number, as "1" is of "1.5" or "2/1"."""
    left = (
        text[start].isdigit()
        and text[max(0, start - 1) : start] in _IN_NUMBER
        and text[start - 2 : start - 1].isdigit()
    )
    right = text[end - 1].isdigit() and text[end : end + 1] in _IN_NUMBER and text[end + 1 : end + 2].isdigit()
    return left or right


def _joined(text: str, position: int, wanted: str) -> bool:
    """Return whether what stands before makes a longer word of it: "Abnormal", "pre-malignant", "PET-CT"."""
    before = text[position - 1]
    if before == "-" and position > 1:
        before = text[position - 2]
    return _is_word(before) and _is_word(wanted[0])


@lru_cache(maxsize=4096)
def _ends_in_number(wanted: str) -> bool:
    return _ENDS_IN_NUMBER.search(wanted) is not None


def _in_range(text: str, wanted: str, position: int, end: int) -> bool:
    after = text[end : end + _BOUND_CHARS]
    if any_of(_BOUND_JOINS, after) and _NUMBER.search(wanted) and _BOUND_AFTER.match(after):
        return True
    bounded = text[max(0, position - _BOUND_CHARS) : position]
    if any_of(_BOUND_WORDS, bounded) and _NUMBER.search(wanted) and _BOUND.search(bounded):
        return True
    if wanted.startswith(ORDINALS) and _ORDINAL_BEFORE.search(text, max(0, position - _BOUND_CHARS), position):
        return True
    if wanted.isdigit():
        return False
    if _ends_in_number(wanted) and _RANGE.match(text, end):
        return True
    lead = text[max(0, position - _RANGE_CHARS) : position]
    before = _RANGE_BEFORE.search(text, position - len(lead), position) if any_of(_RANGE_SIGNS, lead) else None
    if before is None:
        return False
    opening = _OPENS_WITH_NUMBER.match(wanted)
    return before["lead"] is None or (opening is not None and before["lead"] == opening[0])


def _plural(text: str, end: int, wanted: str) -> bool:
    """Return whether a word of letters goes on as its plural only: "effusions" for "effusion"."""
    return (
        text[end] == "s"
        and not _is_word(text[end + 1 : end + 2] or " ")
        and wanted[-3:].isalpha()
        and wanted[-1] != "s"
    )


def without_hyphens(text: str) -> str:
    """Return the text with a blank for every hyphen between letters, place by place: "basal-cell", "T2-weighted"."""
    return _HYPHEN.sub(" ", text) if "-" in text else text


def find_whole(text: str, wanted: str, start: int = 0, *, within: str = "") -> int:
    """Return where `wanted` stands in `text` as whole words, or -1. Both are in the same case and form.

    Args:
        text: The text.
        wanted: What is looked for.
        start: Where to begin.
        within: The text as it was written, where `text` has blanks for its hyphens: "PET-CT" is one word.
    """
    within = within or text
    position = text.find(wanted, start)
    while position >= 0:
        end = position + len(wanted)
        bound_left = position == 0 or not _joined(within, position, wanted)
        bound_right = (
            end == len(text) or not (_is_word(text[end]) and _is_word(wanted[-1])) or _plural(text, end, wanted)
        )
        partial = _in_number(within, position, end) or _in_range(within, wanted, position, end)
        if bound_left and bound_right and not partial:
            return position
        position = text.find(wanted, position + 1)
    return -1
