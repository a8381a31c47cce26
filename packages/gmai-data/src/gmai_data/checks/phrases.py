"""Phrases that give a text away: refusals, talk about the annotation, advice. The lists are data: phrases.yaml."""

import functools
import re
from typing import Any

from gmai_data.bundled import bundled_yaml
from gmai_data.vocabulary import Language


@functools.cache
def _groups() -> dict[str, Any]:
    return bundled_yaml("gmai_data.checks", "phrases.yaml")


@functools.cache
def _pattern(group: str, language: Language) -> re.Pattern[str]:
    alternatives = "|".join(_groups()[group][str(language)])
    return re.compile(rf"\b(?:{alternatives})\b" if language == Language.EN else alternatives)


def find_phrase(group: str, turns: tuple[tuple[str, str], ...], language: Language) -> str | None:
    """Return the first phrase of a group that the turns hold, or None.

    Args:
        group: A key of phrases.yaml.
        turns: (question, answer) in lower case.
        language: English phrases are looked for in Chinese texts, too, as models fall back to them.
    """
    parts = [answer for _, answer in turns]
    if _groups()[group]["in"] == "both":
        parts += [question for question, _ in turns]
    text = "\n".join(parts)
    for each in dict.fromkeys((language, Language.EN)):
        if found := _pattern(group, each).search(text):
            return found.group()
    return None
