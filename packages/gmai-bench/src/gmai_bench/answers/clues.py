"""Does a record of a file of answers show this question? Its text, the right answer, the options, the image."""

import functools
import re
from collections.abc import Sequence

from gmai_bench.answers.records import Answered
from gmai_bench.benchmarks.prompts import LETTERS
from gmai_bench.benchmarks.question import SET_JOIN, Question

_WORDS = re.compile(r"[^\W_]+")


@functools.lru_cache(maxsize=1 << 16)
def plain(text: str) -> str:
    """Return the lower-case words of a text, by which two copies of a question are the same."""
    return " ".join(_WORDS.findall(text.lower()))


def shows(record: Answered, question: Question) -> bool | None:
    """Return whether a record shows the text of a question; `None` where it shows none."""
    text = plain(question.text)
    shown, prompt = plain(record.question), plain(record.prompt)
    if not text or not (shown or prompt):
        return None
    return (shown == text or _holds(shown, text) or _holds(text, shown)) if shown else _holds(prompt, text)


def _holds(outer: str, inner: str) -> bool:
    return bool(inner) and f" {inner} " in f" {outer} "


def is_right(record: Answered, question: Question) -> bool | None:
    """Return whether what a record calls the right answer is the question's; `None` where that cannot be told."""
    gold = record.gold.strip()
    if not gold or (gold.isdigit() and question.choices):
        return None
    accepted = {plain(text) for text in (question.reference, *question.alternatives)}
    if plain(gold) in accepted:
        return True
    letters = [letter for letter in gold.strip("().").upper() if letter.isalpha()]
    options = record.options or question.choices
    if not question.choices or not 0 < len(letters) == len(gold.strip("().").replace(",", "").replace(" ", "")):
        return False
    places = [LETTERS.find(letter) for letter in letters]
    if any(not 0 <= place < len(options) for place in places):
        return False
    named = {plain(options[place]) for place in places}
    return named <= accepted or named == {plain(text) for text in question.reference.split(SET_JOIN)}


def shows_image(record: Answered, question: Question) -> bool | None:
    """Return whether a record names an image of a question; `None` where one of them has no name."""
    if not record.image or not question.image_names:
        return None
    path = record.image.replace("\\", "/")
    return any(_ends_alike(path, name.replace("\\", "/")) for name in question.image_names)


def _ends_alike(one: str, other: str) -> bool:
    """Return whether the shorter of two paths is the end of the longer one."""
    shorter, longer = sorted((one.strip("./"), other.strip("./")), key=len)
    return longer == shorter or longer.endswith("/" + shorter)


def order_shown(options: Sequence[str], question: Question) -> tuple[str, ...]:
    """Return a question's options in the order that a record shows, none where it is the question's own or unlike it.

    A program may shuffle the options (https://github.com/xk-huang/HuatuoGPT-Vision, eval.py): its letters are those of
    its own order.
    """
    if len(options) != len(question.choices) or not options:
        return ()
    theirs, ours = [option.strip() for option in options], [choice.strip() for choice in question.choices]
    if theirs == ours or sorted(theirs) != sorted(ours):
        return ()
    return tuple(question.choices[ours.index(option)] for option in theirs)
