"""Is a text of the asked form: turns, length, language, repetition."""

import re
from collections import Counter

from gmai_data.checks.facts import TAG, Facts
from gmai_data.checks.lexicon import LABEL
from gmai_data.vocabulary import Kind, Language

_HAN = re.compile(r"[\u3400-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
_ABBREVIATION = re.compile(r"(?<![A-Za-z])[A-Z][A-Z0-9&-]{1,5}(?![A-Za-z])")
"""CT, FLAIR, H&E: the same in Chinese."""
_WORD = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"[.!?。！？\n]+")
_HAN_SHARE = 0.5
"""Least share of Han among the letters of a Chinese text; the rest is left to abbreviations and names."""
_OTHER_SHARE = 0.02
"""Largest share of Han among the letters of an English text."""
_LONG_SENTENCE = 25
"""Characters from which a sentence said twice is a repetition."""
_RUN = 4
_MOST_RUNS = 3
"""A run of so many words may stand so often."""


def _as_one_word(mark: re.Match[str]) -> str:
    return f" name{ord(mark.group())} "


def wrong_turns(facts: Facts, turns: tuple[tuple[str, str], ...]) -> str | None:
    """Return what is wrong with the number of turns."""
    least, most = facts.turns
    if not least <= len(turns) <= most:
        return f"it has {len(turns)} turns, not {least}" + (f" to {most}" if most != least else "")
    return None


def wrong_length(facts: Facts, answers: str) -> str | None:
    """Return what is wrong with the length of the answers together."""
    bare = TAG.sub(" ", answers)
    if facts.language == Language.ZH:
        count, unit = len(_HAN.findall(bare)), "characters"
    else:
        count, unit = len(_WORD.findall(bare)), "words"
    least, most = facts.words
    if not least <= count <= most:
        return f"the answers have {count} {unit}, not {least} to {most}"
    return None


def wrong_language(facts: Facts, turns: tuple[tuple[str, str], ...]) -> str | None:
    """Return that a question or answer is not in the asked language."""
    for turn in turns:
        for part in turn:
            if facts.language == Language.EN and part.isascii():
                continue
            bare = _ABBREVIATION.sub("", _without_names(facts, TAG.sub("", part)))
            letters, han = len(_LETTER.findall(bare)), len(_HAN.findall(bare))
            if facts.language == Language.ZH and han < _HAN_SHARE * letters:
                return "it is not in Chinese"
            if facts.language == Language.EN and han > _OTHER_SHARE * letters:
                return "it is not in English"
    return None


def _without_names(facts: Facts, text: str) -> str:
    """Return a Chinese text without the Latin names that its labels have in it: Kellgren–Lawrence, Mayo."""
    if facts.language == Language.EN:
        return text
    names = (word for label in facts.annotation.labels for word in _LATIN.findall(label))
    return re.sub("|".join(["(?!)", *map(re.escape, names)]), "", text, flags=re.IGNORECASE)


_LATIN = re.compile(r"[A-Za-z]{3,}")


def repetition(facts: Facts, turns: tuple[tuple[str, str], ...]) -> str | None:
    """Return a sentence said twice, or words that come again and again."""
    # Like regions are told in like words: there a sentence has its box, and a run of words comes once for each.
    most_runs = max(_MOST_RUNS, len(facts.boxes) if facts.kind == Kind.REGION_CAPTION else 0)
    answers = [TAG.sub(" ", answer) for _, answer in turns]
    sentences = [
        each for _, answer in turns for part in _SENTENCE.split(answer) if len(each := part.strip()) > _LONG_SENTENCE
    ]
    if len(sentences) != len(set(sentences)):
        twice = next(sentence for sentence, count in Counter(sentences).items() if count > 1)
        return f'it says "{twice[:60]}" more than once'
    for answer in answers:
        # A name of several words is one, else it would be a run by itself.
        words = _WORD.findall(re.sub(LABEL, _as_one_word, facts.names.masked(answer.lower())))
        if len(words) > _RUN * most_runs:
            runs = Counter(zip(*(words[offset:] for offset in range(_RUN)), strict=False))
            run, count = runs.most_common(1)[0]
            if count > most_runs:
                return f'it repeats "{" ".join(run)}" {count} times'
    return None
