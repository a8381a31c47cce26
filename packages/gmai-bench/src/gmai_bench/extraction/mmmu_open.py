"""MMMU's rule for open questions, from its published behaviour: does a key phrase of the response hold the answer?"""

import re

_SENTENCES = re.compile(r"\.\s(?=[A-Z])|\n")
_KEYS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"(?:-|(?<!\d))\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"(?:-?\.\d+|(?:-|(?<!\d))(?:\d+\.\d+|\d+\b))(?![eE][+-]?\d+)(?![,\d])"),
)
"""Numbers with thousands separators, in scientific notation, and plain ones; none is tried from its middle."""


def is_right(response: str, reference: str) -> bool:
    """Return whether the reference is found: as part of a key phrase, or as an equal number (two decimals)."""
    expected = _forms(reference)
    for phrase in _phrases(response):
        for form in {f for text in (phrase, *_numbers(phrase)) for f in _forms(text)}:
            if isinstance(form, str):
                if any(isinstance(wanted, str) and wanted in form for wanted in expected):
                    return True
            elif form in expected:
                return True
    return False


def _phrases(response: str) -> list[str]:
    """Return the shortest tail behind a key word of each sentence, or the whole response where no key word stands."""
    text = response.strip().strip(".").lower()
    sentences = _SENTENCES.split(text)  # in lower case only line ends part sentences, as in the original
    phrases: list[str] = []
    for number, sentence in enumerate(sentences):
        keys = (*_KEYS, "=") if number == len(sentences) - 1 else _KEYS
        tails = [sentence.rpartition(key)[2].strip() for key in keys if key in sentence]
        if tails and (tail := min(tails, key=len)) and tail not in ":,.!?;'":
            phrases.append(tail)
    return phrases or [text]


def _numbers(text: str) -> list[str]:
    return [number for pattern in _NUMBERS for number in pattern.findall(text)]


def _forms(text: str) -> list[str | float]:
    """Return a number rounded to two decimals, or the text in lower case; one letter only with a blank beside it."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        lower = text.lower()
    return [f" {lower}", f"{lower} "] if len(lower) == 1 else [lower]
