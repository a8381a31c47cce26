"""Answer text ▶ one of the options, with the rule that fired, or `ambiguous`, `refused`, `empty`, `unparsed`.

The rules run from the most to the least explicit and the first that finds something decides; none ever guesses.
"""

from dataclasses import dataclass
from typing import Literal

from gmai_bench.extraction.letters import LETTERS, leading_letter, letter_alone, marked_letter, mentioned_letters
from gmai_bench.extraction.markers import favoured_spans, marked_spans, option_letters, refuses
from gmai_bench.extraction.mentions import option_equal_to, options_mentioned
from gmai_bench.extraction.negation import is_negated
from gmai_bench.extraction.text import strip_thoughts, unify

EXTRACTOR = "gmai-options/1"
"""Name and version of these rules; a change of any of them raises the version."""

Style = Literal["letters", "text"]
"""How the options were shown: with letters, or as bare text (then a letter in the answer means nothing)."""

NO_ANSWER = ("ambiguous", "refused", "empty", "unparsed")


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found in a response."""

    choice: int | None
    """Index of the option, `None` where none could be told."""
    rule: str
    """The rule that fired, or one of `NO_ANSWER`."""


EMPTY = Extraction(None, "empty")
AMBIGUOUS = Extraction(None, "ambiguous")
REFUSED = Extraction(None, "refused")
UNPARSED = Extraction(None, "unparsed")


def extract(response: str, choices: tuple[str, ...], *, style: Style) -> Extraction:
    """Return the option that a response chooses.

    Args:
        response: What the model said.
        choices: Texts of the options in the order shown, all different.
        style: Whether the options were shown with letters.
    """
    text = unify(response)
    if not text:
        return EMPTY
    text = unify(strip_thoughts(text))
    if not text:
        return UNPARSED
    equal = option_equal_to(text, choices)
    if equal is not None and not (style == "letters" and len(text) == 1 and text.upper() in LETTERS[: len(choices)]):
        return Extraction(equal, "option_text")
    if style == "letters":
        alone = letter_alone(text, len(choices))
        if alone is not None:
            return Extraction(alone, "letter_alone")
    marked = _by_marker(text, choices, style)
    if marked is not None:
        return marked
    if refuses(text):
        return REFUSED
    if style == "letters":
        lettered = _by_letter(text, choices)
        if lettered is not None:
            return lettered
    named = options_mentioned(text, choices)
    if len(named) == 1:
        return Extraction(named[0], "option_text_mentioned")
    return AMBIGUOUS if named else UNPARSED


def _by_marker(text: str, choices: tuple[str, ...], style: Style) -> Extraction | None:
    """The last explicit marker ("Answer:", 答案, boxed, <answer>) that holds an option wins over everything else."""
    for span in reversed(marked_spans(text)):
        if style == "letters":
            letters = marked_letter(span, len(choices))
            if len(letters) == 1:
                return Extraction(letters[0], "marker_letter")
            if len(letters) > 1:
                return AMBIGUOUS
        equal = option_equal_to(span.strip("*\"'() "), choices)
        named = [equal] if equal is not None else options_mentioned(span, choices)
        if len(named) == 1:
            return Extraction(named[0], "marker_text")
        if named:
            return AMBIGUOUS
    return None


def _by_letter(text: str, choices: tuple[str, ...]) -> Extraction | None:
    """A letter at the start, one said to be best, "option X", then letters anywhere.

    A letter whose text is contradicted by the name of another option is ambiguous.
    """
    count = len(choices)
    leading = leading_letter(text, count)
    if leading is not None:
        beside = option_equal_to(text.splitlines()[0].lstrip("*( ")[1:], choices)
        return Extraction(leading, "letter_leading") if beside in (None, leading) else AMBIGUOUS
    favoured = {index for letter in favoured_spans(text) for index in mentioned_letters(letter, count)}
    if len(favoured) == 1:
        return Extraction(favoured.pop(), "letter_favoured")
    named_options = {
        LETTERS.index(text[start:end].strip("()").upper())
        for start, end in option_letters(text)
        if not is_negated(text, start, end)
    } & set(range(count))
    if len(named_options) == 1:
        return Extraction(named_options.pop(), "letter_option")
    letters = mentioned_letters(text, count)
    if not letters:
        return None
    named = options_mentioned(text, choices)
    if len(letters) > 1 or (named and letters[0] not in named):
        return AMBIGUOUS
    return Extraction(letters[0], "letter_mentioned")
