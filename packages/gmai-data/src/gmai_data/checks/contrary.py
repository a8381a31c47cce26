"""The line of general knowledge that a sentence turns round, or states of another label than the line's own."""

import functools
import re
from collections.abc import Iterator

from gmai_data.checks.facts import Facts, Known, LabelNames
from gmai_data.checks.lexicon import LABEL, WORD, is_plain, opposites, rephrased
from gmai_data.checks.lines import (
    BETWEEN,
    CLAUSES,
    LEAST,
    LEAST_OF_LINE,
    OF_IT,
    PARTS_ZH,
    STOPS,
    TOKEN,
    USUALLY,
    becomes_other_zh,
    clauses_of_line,
    is_named,
    names_itself,
    of_other_matter,
    of_other_matter_zh,
    pairs_of,
    states_en,
    stem_of,
    turned_zh,
)
from gmai_data.vocabulary import Language


def contrary(facts: Facts, said: str, carried: tuple[str, ...]) -> Known | None:
    """Return the line that a sentence turns round, or that it states of another label than the line's own.

    Args:
        facts: Of the text.
        said: The sentence in lower case with a character for each label, all other words as they are.
        carried: Labels that the sentences before it speak of.
    """
    turned = _turned_round_zh if facts.language == Language.ZH else _turned_round
    for part, labels in clauses_about(facts, said, carried):
        for known in facts.knowledge:
            if known.about != "appearance" and labels == (known.label,) and turned(facts, known, part):
                return known
        if (other := of_another(facts, part, labels) or _look_of_another(facts, part, labels)) is not None:
            return other
    return None


def _look_of_another(facts: Facts, part: str, labels: tuple[str, ...]) -> Known | None:
    """Return how another label usually looks where a clause says it of one that usually looks otherwise."""
    if len(labels) != 1 or not USUALLY[facts.language].search(part):
        return None
    said = _said(facts, part)
    looks = [known for known in facts.knowledge if known.about == "appearance"]
    shared = {known: len(said & _said(facts, known.text.lower())) for known in looks}
    own = max((shared[known] for known in looks if known.label in labels), default=0)
    others = [known for known in looks if known.label not in labels and shared[known] > max(own, LEAST)]
    return max(others, key=shared.__getitem__, default=None)


def clauses_about(facts: Facts, said: str, carried: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (clause, labels that it speaks of): those that it names, else those named before it in the sentence.

    A sentence may begin with the region of the body, and one that says "it" is about what the one before names.
    """
    about: tuple[str, ...] = ()
    for number, part in enumerate(_ANY_CLAUSE[facts.language].split(said)[::2]):
        marks = re.findall(LABEL, _BESIDE[facts.language].sub(" ", part) if about else part)
        named = tuple(dict.fromkeys(map(facts.names.label_of, marks)))
        opening = _FIRST_WORDS[facts.language].match(part)
        if not named and number and _OF_A_WORD.match(part):
            continue  # about which label is not known
        if not named and number and opening:
            named = tuple(
                label
                for label in facts.annotation.labels
                if label not in about and is_named(facts, label, opening.group())
            )
        if not (named or number) and opening and is_named(facts, facts.annotation.anatomy, opening.group()):
            named = (facts.annotation.anatomy,)
        if named or number or OF_IT.match(part):
            yield part, named or about or carried
            # "The heart and the trachea, which …" goes on about the trachea; in Chinese it may be either.
            about = (named if facts.language == Language.ZH else named[-1:]) or about or carried


_BESIDE = {
    Language.EN: re.compile(
        r"\b(?:(?:left|right|top) of|below|above|beneath|under|beside|near|between|around|behind|within|inside|than|"
        rf"(?:surround|enclos|encircl|fram|bound)(?:s|es|ing)|next to|compared (?:with|to)) (?:the |an? )*{LABEL}"
    ),
    Language.ZH: re.compile(
        rf"{LABEL}[与和及、]{LABEL}之?间|(?:位于|在|处于|居于?){LABEL}的?(?=[左右上下内外前后]|[周旁边]|之[上下内外间])"
        rf"|(?:包绕|环绕|包围|围绕|包裹|围|绕)着?{LABEL}|(?:较|比|相较于?|相比于?|[大小高低短长宽窄亮暗异同]于){LABEL}|(?:与|和|同){LABEL}(?=相比|相比较|比较|相邻)"
    ),
}
"""Beside or around what something lies, or with what it is compared: of that a clause is not."""
_OF_A_WORD = re.compile(rf"\W*(?:the |an? )?{WORD}")
_FIRST_WORDS = {
    Language.EN: re.compile(r"\W*(?:[a-z]+ ?){1,3}"),
    Language.ZH: re.compile("[^这该本图，。；][^，。；]{0,2}"),
}


def _turned_round(facts: Facts, known: Known, part: str) -> bool:
    """Return whether an English clause denies a line of its label, or has an opposite of one of its words."""
    said = rephrased(part)
    if (_ABOUT_IT.match(said) or _NO_MORE.search(said)) and states_en(facts, known, said, said, contrary=True):
        return True
    line = rephrased(known.text.lower())
    own = " ".join(facts.names.spoken(known.label))
    found = _said(facts, said)
    if of_other_matter(line, re.sub(LABEL, " ", said), own) and any(
        len(found & words) >= (LEAST if verb in found else LEAST_OF_LINE)
        for verb, words in _told(facts.names, facts.annotation.labels, known.text)
    ):
        return True
    words = [word for word in TOKEN.findall(_THAN.sub(" ", said)) if word not in STOPS]
    if _by_another(line, said) or any(
        _forms(word) & set(TOKEN.findall(line)) - set(words)
        and _forms(opposite) & set(words) - set(TOKEN.findall(line))
        and len(found & {stem_of(each) for each in TOKEN.findall(line)}) >= LEAST
        for word, opposite in opposites(Language.EN) if word in _VESSELS
    ):  # fmt: skip
        return True
    stems, telling = {stem_of(word) for word in words}, {stem_of(word) for word in words if not is_plain(word)}
    return any(
        stem_of(word) in clause.stems - stems and stem_of(opposite) in stems - clause.stems and telling & clause.stems
        for clause in clauses_of_line(known.text.lower())
        for word, opposite in opposites(Language.EN)
    )


_VESSELS = frozenset({"artery", "vein", "arterial", "venous"})
"""Words of one meaning where a line says "vessel", and opposites where it says one of them."""
_BY = re.compile(r"\bby (?:the |an? )?(?:[a-z]+ of (?:the |an? )?)?([a-z]+)")
_BY_ZH = re.compile("经[由过]?(?P<how>[一-鿿]{2,5}?)(?=传播|传染|排出|进入)")


def _forms(word: str) -> set[str]:
    return {word, f"{word}s", f"{word[:-1]}ies"}


def _by_another(line: str, said: str) -> bool:
    """Return whether an English clause says by something else than a line what the line says with the same verb."""
    for clause in line.split(";"):
        of_line = _BY.findall(clause)
        of_text = _BY.findall(said)
        verbs = {stem_of(word) for word in TOKEN.findall(clause.split(" by ")[0]) if word not in STOPS}
        before = {stem_of(word) for word in TOKEN.findall(said.split(" by ")[0])}
        words = {stem_of(word) for word in TOKEN.findall(line)}
        if of_line and of_text and verbs & before and not any(stem_of(word) in words for word in of_text):
            return True
    return False


_NO_MORE = re.compile(
    rf"(?:^|\b(?:which|that|it|they)|{LABEL}|,) ?(?:can |does |do )?"
    r"(?:no longer|not|cannot|fails? to|hardly|barely|scarcely|poorly|only partly|stops?)\b"
)
"""A clause about what was named before it that denies what it does."""
_ABOUT_IT = re.compile(rf"\W*(?:in general, )?(?:(?:the |an? )?{LABEL} [a-z]|(?:it|they|its|their)\b)")
_THAN = re.compile(r"\b[a-z]+er than\b")
"""A comparison in the image: "narrower than the liver" turns no line round."""


def of_another_type(facts: Facts, sentence: str) -> Known | None:
    """Return the line that names by one letter what a lower-case sentence names by another: B and T lymphocytes."""
    of_text = set(_TYPE.findall(sentence))
    of_lines = {letter for known in facts.knowledge for letter in _TYPE.findall(known.text.lower())}
    if not of_lines or of_text <= of_lines:
        return None
    return next(known for known in facts.knowledge if _TYPE.search(known.text.lower()))


_TYPE = re.compile(r"(?<![a-z])([b-hj-z])[ -]?(?:lympho|cells?\b|淋巴|细胞)")


def _turned_round_zh(facts: Facts, known: Known, part: str) -> bool:
    """Return whether a Chinese clause denies a line of its label, turns it, or has an opposite of one of its words."""
    line = known.text.lower()
    if any(
        word in line and opposite in part and word not in part and pairs_of(line) & pairs_of(part)
        for word, opposite in opposites(Language.ZH)
    ):
        return True
    ways = [set(_BY_ZH.findall(each)) for each in (line, part)]
    if all(ways) and not any(set(one) & set(other) for one in ways[0] for other in ways[1]):
        return True
    shared = max(len(_said(facts, part) & words) for _, words in _told(facts.names, facts.annotation.labels, line))
    return shared >= LEAST and bool(
        _NO_MORE_ZH.search(part)
        or turned_zh(line, part)
        or of_other_matter_zh(line, part)
        or becomes_other_zh(line, part)
    )


_NO_MORE_ZH = re.compile("不可见|不再|不能|无法|难以|未能|失去|丧失")


def of_another(facts: Facts, part: str, labels: tuple[str, ...]) -> Known | None:
    """Return the line of another label of the card that a clause states of one with lines of its own.

    It has more words of a clause of the other's line than of all lines of its own label: all of them, or, of a label
    that the image shows too, as many as no two lines share by chance.
    """
    if not labels:
        return None
    said = _said(facts, part)
    defines = _DEFINES[facts.language].search(part) is not None
    for other in (*facts.knowledge, *facts.of_card):
        if other.about == "appearance":
            continue
        for verb, words in _told(facts.names, facts.annotation.labels, other.text):
            shared = len(said & words)
            if shared < LEAST or (other.about == "meaning" and verb in _IS and not defines):
                continue
            # The gallbladder's line names the duodenum: a clause with both is about what else it names.
            about = [label for label in labels if len(labels) == 1 or not names_itself(facts, label, other.text)]
            own = {each.text for each in facts.knowledge if each.label in about}
            if len(about) != 1 or not own or other.text in own:
                continue
            if not _OF_A_LABEL.match(part):
                own |= {each.text for each in facts.knowledge if each.label == facts.annotation.anatomy}
            told = (_told(facts.names, facts.annotation.labels, line) for line in own)
            most = len(said & {word for line in told for _, of_own in line for word in of_own})
            if other.text in own or shared <= most:
                continue
            if shared >= _WHOLE * len(words) and (verb in said or verb in _IS):
                return other
            if most < LEAST and (
                verb in said and other.label in facts.annotation.labels
                if verb
                else other.about == "function" and shared >= _LEAST_OF_ANOTHER_ZH
            ):
                return other
    return None


_OF_A_LABEL = re.compile(rf"\W*(?:the |an? )?{LABEL}(?![、,]|和|与|及| and )")
"""A clause that begins with a label is not about the region of the body."""
_LEAST_OF_ANOTHER_ZH = 4
_WHOLE = 0.75
"""Share of the words of a clause with which a text has it all: forms of words and particles differ."""
_IS = frozenset({"is", "are", ""})
_DEFINES = {
    Language.EN: re.compile(r"\b(?:is|are|means?|meaning|that is|i\.e|refers?|denotes?|defined|called|known)\b|[(:–—]"),
    Language.ZH: re.compile("[是指即为系]|意味|[(（：]"),
}
"""What a text says that tells what a finding is."""


def _said(facts: Facts, part: str) -> frozenset[str]:
    """Return the words of a masked clause that lines are compared by: stems, or pairs of Chinese characters."""
    if facts.language == Language.ZH:
        return pairs_of(part)
    return frozenset(stem_of(word) for word in TOKEN.findall(rephrased(part)) if word not in STOPS)


_HAN = re.compile("[一-鿿]")


@functools.lru_cache(maxsize=4096)
def _told(names: LabelNames, labels: tuple[str, ...], line: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return (verb, words) of each clause of a line, as `_said` has them, without words of labels; no Chinese verb."""
    if _HAN.search(line):
        return tuple(("", pairs_of(clause)) for clause in PARTS_ZH.split(names.masked(line.lower())))
    of_labels = {stem_of(word) for each in labels for word in TOKEN.findall(each.lower())}
    return tuple((clause.verb, clause.stems - of_labels) for clause in clauses_of_line(line.lower()))


_ANY_CLAUSE = {
    Language.EN: re.compile(f"{CLAUSES[Language.EN].pattern}|{BETWEEN[Language.EN].pattern}|, (?=an? )"),
    Language.ZH: CLAUSES[Language.ZH],
}
