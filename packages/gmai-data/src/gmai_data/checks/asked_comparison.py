"""A question that compares two labels with its answer, as one statement: which is larger, X or Y? X."""

import re

from gmai_data.checks.lexicon import LABEL
from gmai_data.vocabulary import Language

_HOW = {
    Language.EN: re.compile(
        r"\b(?P<how>larger|bigger|smaller|wider|broader|narrower|taller|higher|lower)\b"
        r"(?! (?:part|half|third|left|right|signal|density|intensity|edge|border))"
        r"|\b(?:further|farther|more) (?:to the |towards? the )?(?P<side>left|right)\b"
    ),
    Language.ZH: re.compile(
        "[更较](?P<how>[大小高低宽窄])(?!密度|信号|回声)|[更较]?[靠偏](?:图像|画面)?(?P<side>[左右上下])|(?P<place>位置[更较][高低])"
    ),
}
_DIRECT = {
    Language.EN: re.compile(r"\bthan\b|\b(?:both|neither|equal\w*|same)\b"),
    Language.ZH: re.compile("比|相同|相等|一样"),
}
_TWO = 2


def as_statement(question: str, answer: str, language: Language) -> str:
    """Return what an answer says of the two labels that its question compares, or nothing.

    Args:
        question: The masked question.
        answer: A masked sentence of its answer.
        language: Of both.
    """
    asked = list(dict.fromkeys(re.findall(LABEL, question)))
    told = list(dict.fromkeys(re.findall(LABEL, answer)))
    how = _HOW[language].search(answer) or _HOW[language].search(question)
    if len(asked) != _TWO or len(told) != 1 or told[0] not in asked or how is None or _DIRECT[language].search(answer):
        return ""
    one, other = told[0], next(mark for mark in asked if mark != told[0])
    if language == Language.EN:
        if how["side"]:
            return f"{one} lies further to the {how['side']} than the {other}"
        return f"{one} {'lies' if how['how'] in ('higher', 'lower') else 'is'} {how['how']} than the {other}"
    return f"{one}比{other}更靠{how['side']}" if how["side"] else f"{one}比{other}更{(how['how'] or how['place'])[-1]}"
