"""Responses made comparable: Unicode forms unified, thoughts removed, whole words found."""

import re
import unicodedata
from collections.abc import Iterable

_QUOTES = {"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "‐": "-", "‑": "-", "–": "-"}
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.IGNORECASE | re.DOTALL)
_THOUGHT_END = re.compile(r".*</think(?:ing)?>", re.IGNORECASE | re.DOTALL)
_THOUGHT_START = re.compile(r"<think(?:ing)?>.*", re.IGNORECASE | re.DOTALL)


_IN_NUMBER = (".", ",", "/", ":")


def any_of(words: Iterable[str], text: str) -> bool:
    """Say whether one of the words stands in the text."""
    for word in words:  # noqa: SIM110 - any() with a generator takes three times as long
        if word in text:
            return True
    return False


def strip_thoughts(response: str) -> str:
    """Return the response without `<think>…</think>`.

    A lone `</think>` ends a thought that began in the prompt; a lone `<think>` is a thought that was cut off.
    """
    if "<" not in response or "think" not in response.lower():
        return response
    text = _THOUGHT.sub(" ", response)
    text = _THOUGHT_END.sub(" ", text)
    return _THOUGHT_START.sub(" ", text)


def unify(text: str) -> str:
    """Return the text in NFKC (full-width letters and punctuation become plain), with plain quotes and hyphens."""
    if text.isascii():
        return text.strip()
    unified = unicodedata.normalize("NFKC", text)
    for character, plain in _QUOTES.items():
        if character in unified:
            unified = unified.replace(character, plain)
    return unified.strip()


def _is_word(character: str) -> bool:
    """Say whether a character belongs to a word that is written with blanks around it; Chinese is not."""
    return character.isalnum() and ord(character) < 0x2E80


def _in_number(text: str, start: int, end: int) -> bool:
    """Say whether `text[start:end]` is a part of a longer number, as "1" is of "1.5" or "2/1"."""
    left = (
        text[start].isdigit()
        and text[max(0, start - 1) : start] in _IN_NUMBER
        and text[start - 2 : start - 1].isdigit()
    )
    right = text[end - 1].isdigit() and text[end : end + 1] in _IN_NUMBER and text[end + 1 : end + 2].isdigit()
    return left or right


def find_whole(text: str, wanted: str, start: int = 0) -> int:
    """Return where `wanted` stands in `text` as whole words, or -1. Both are in the same case and form."""
    position = text.find(wanted, start)
    while position >= 0:
        end = position + len(wanted)
        bound_left = position == 0 or not (_is_word(text[position - 1]) and _is_word(wanted[0]))
        bound_right = end == len(text) or not (_is_word(text[end]) and _is_word(wanted[-1]))
        if bound_left and bound_right and not _in_number(text, position, end):
            return position
        position = text.find(wanted, position + 1)
    return -1
