"""Statements of general knowledge about a label of the record: what it is for, what it is, how it usually looks.

Such a sentence is held against one line that the writer was shown, not against the image (see `lines`).
"""

import re
from collections.abc import Callable

from gmai_data.checks.contrary import clauses_about, of_another
from gmai_data.checks.facts import Facts, Known
from gmai_data.checks.lexicon import LABEL, WORD, rephrased
from gmai_data.checks.lines import (
    BETWEEN,
    CLAUSES,
    OF_IT,
    SEVERAL,
    TOKEN,
    is_named,
    names_itself,
    pairs_of,
    states_en,
    states_line,
    states_zh,
    stem_of,
)
from gmai_data.checks.masking import FULL_WIDTH
from gmai_data.vocabulary import Language


def general(facts: Facts, text: str, masked: str, carried: tuple[str, ...] = ()) -> Known | None:
    """Return the line of general knowledge that a sentence states, or None.

    Args:
        facts: Of the text.
        text: The sentence in lower case.
        masked: The sentence with a character for each label.
        carried: Labels that the sentences before it speak of, where it names none itself.
    """
    if not facts.knowledge:
        return None
    if facts.language == Language.EN:
        text, masked = rephrased(text), rephrased(masked)
    named = tuple(facts.names.label_of(mark) for mark in re.findall(LABEL, masked))
    chinese = facts.language == Language.ZH
    # In Chinese only names are masked where it is held to a line, which may be about what every picture shows.
    said = facts.names.masked(text.translate(FULL_WIDTH)) if chinese else masked
    if any(of_another(facts, *clause) is not None for clause in clauses_about(facts, said, carried)):
        return None
    if (told := _told_by_clauses(facts, said)) is not None:
        return told
    stated: list[Known] = []
    for known in facts.knowledge:
        # "The kidney" is said of the left one, and "it stores bile for the duodenum" of the gallbladder.
        also = not named or all(names_itself(facts, name, known.text) for name in named)
        of_region = known.label == facts.annotation.anatomy and not carried and OF_IT.match(text) is not None
        spoken_of = of_region or known.label in carried or is_named(facts, known.label, text)
        if known.label not in named and not (also and spoken_of):
            continue
        if states_zh(facts, known, masked, said) if chinese else states_en(facts, known, text, masked):
            stated.append(known)
    return max(stated, key=lambda known: _shared(facts, known, said), default=None)


def _shared(facts: Facts, known: Known, said: str) -> int:
    """Return how many words, or pairs of characters, a masked sentence and a line share."""
    if facts.language == Language.ZH:
        return len(pairs_of(known.text) & pairs_of(said))
    stems = {stem_of(word) for word in TOKEN.findall(said)}
    return len(stems & {stem_of(word) for word in TOKEN.findall(known.text.lower())})


def _told_by_clauses(facts: Facts, masked: str) -> Known | None:
    """Return the lines of several labels that a sentence states, each in a clause of its own, as one; else None."""
    chinese = facts.language == Language.ZH
    bare = _AS_TO_ZH.sub("", masked) if chinese else masked
    parts = [part for part in _PARTED[facts.language].split(bare) if part.strip(" .。")]
    if len(parts) < SEVERAL or not re.search(LABEL, masked):
        return None
    lines: list[Known] = []
    for part in parts:
        named = {facts.names.label_of(mark) for mark in re.findall(LABEL, part)}
        line = next(
            (
                known
                for known in facts.knowledge
                if (
                    known.label in named
                    or (not named and (is_named(facts, known.label, part) or _may_name(facts, known.label, part)))
                )
                and all(_has_line(facts, name, known.text) for name in named)
                and states_line(facts, known, part)
            ),
            None,
        )
        if line is None:
            return None
        lines.append(line)
    return Known(lines[0].label, lines[0].about, "; ".join(line.text for line in lines)) if lines else None


def _may_name(facts: Facts, label: str, part: str) -> bool:
    """Return whether a masked clause begins with words of labels, of which this may be one: the hip bones."""
    return label in facts.annotation.labels and re.match(rf"\W*(?:the |an? )?{WORD}", part) is not None


def _has_line(facts: Facts, label: str, line: str) -> bool:
    return any(known.label == label and known.text == line for known in facts.knowledge)


_PARTED = {
    Language.EN: re.compile(rf"{BETWEEN[Language.EN].pattern}|, and (?=the {WORD})"),
    Language.ZH: re.compile("[；，](?:而|同时)?"),
}
_AS_TO_ZH = re.compile("^[就从在]?[功作][能用](?:上|而言|来说|方面)?，")


def without_general_clauses(
    facts: Facts, masked: str, carried: tuple[str, ...], claims_more: Callable[[str, Known], bool]
) -> str:
    """Return a masked sentence without its clauses of general knowledge: "the kidney, which filters the blood, …".

    Args:
        facts: Of the text.
        masked: The sentence with a character for each label.
        carried: Labels that the sentences before it speak of.
        claims_more: Whether a clause states what neither the record nor a line that it tells holds.
    """
    if not facts.knowledge:
        return masked
    parts = CLAUSES[facts.language].split(masked)
    about = carried
    for number, part in enumerate(parts):
        said = _OPENING.sub("", part) if facts.language == Language.EN else part
        named = tuple(dict.fromkeys(facts.names.label_of(mark) for mark in re.findall(LABEL, part)))
        alone = facts.annotation.labels if len(facts.annotation.labels) == 1 else ()
        spoken_of = named or about[-1:] or (*alone, facts.annotation.anatomy)
        for known in facts.knowledge if len(parts) > 1 else ():
            others = [name for name in named if not names_itself(facts, name, known.text)]
            if (
                known.label in spoken_of
                and len({known.label, *others}) == 1
                and states_line(facts, known, said)
                and not claims_more(said, known)
            ):
                parts[number] = facts.names.mark_of(known.label) if known.label in named else " "
                break
        about = named or about
    return "".join(parts)


_OPENING = re.compile(r"^\W*(?:it|they|this|these|which|that) ")
_HOLDS = {
    Language.EN: re.compile(
        r"(?:contain(?:s|ing)?|(?:is|are) filled with|(?:is|are)? ?full of|holds?)(?: [a-z]+,?){0,3}? ?$"
    ),
    Language.ZH: re.compile("(?:内为|内[含有]|含有?|充满|盛有?)[^，。；]{0,3}$"),
}
_HELD = {
    Language.EN: re.compile(r"(?:stores|holds|carries|pumps|collects|transports)\b[^;]*\b(bile|urine|blood)\b"),
    Language.ZH: re.compile("(?:储存|容纳|输送|泵|收集|运送)[^；]*(胆汁|尿液|血液)|血液[^；]*(?:泵|送)"),
}


def holds_by_its_line(facts: Facts, masked: str, start: int, claim: str) -> bool:
    """Return whether a masked sentence says of one label that it contains the fluid that its function is to hold."""
    marks = set(re.findall(LABEL, masked))
    if len(marks) != 1 or not _HOLDS[facts.language].search(masked[:start]):
        return False
    label = facts.names.label_of(marks.pop())
    held = (_HELD[facts.language].search(known.text) for known in facts.knowledge if known.label == label)
    return any(each and (claim in ("fluid", "liquid", "液") or claim in each.group()) for each in held)


def appearance_words(facts: Facts, masked: str, carried: tuple[str, ...]) -> frozenset[str]:
    """Return the words for how the labels that an English sentence speaks of usually look; they may look so here."""
    if not facts.knowledge:
        return frozenset()
    about = {facts.names.label_of(mark) for mark in re.findall(LABEL, masked)} or set(carried)
    lines = (known.text for known in facts.knowledge if known.about == "appearance" and known.label in about)
    return frozenset(word for line in lines for word in TOKEN.findall(line.lower()))
