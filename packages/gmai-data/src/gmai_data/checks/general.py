"""Statements of general knowledge about a label of the record: what it is for, what it is, how it usually looks.

Such a sentence is held against one line that the writer was shown, not against the image. It is taken for general if it
speaks of the line's label, shares at least two words with one clause, has the verb of that clause or a word for purpose
(an appearance: "normally", "usually"), and denies, weakens or grades nothing. All other words must be plain.
"""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gmai_data.checks.facts import Facts, Known, LabelNames
from gmai_data.checks.lexicon import LABEL, is_akin, is_plain, matters, matters_zh, opposites, rephrased, synonyms
from gmai_data.checks.masking import FULL_WIDTH
from gmai_data.vocabulary import Language

_TOKEN = re.compile(r"[a-z]+")
_ENDINGS = (
    "ations",
    "ative",
    "ive",
    "ation",
    "ings",
    "ing",
    "ies",
    "ied",
    "ers",
    "er",
    "es",
    "ed",
    "ion",
    "s",
    "e",
    "y",
)
_LEAST = 2
_LEAST_OF_LINE = 3
"""Words of all clauses together that a sentence has which says a line in its own words."""
_LEAST_STEM = 3
_LEAST_NOUN = 5
"""Characters of a word by which alone a label may be named where its line is told: kidney of "covered kidney"."""
_PURPOSE = re.compile(
    r"\b(?:functions?|roles?|serves?|responsible|tasks?|jobs?|purpose|helps?|works?|allows?|enables?|main(?:ly)?)\b"
)
_USUALLY = re.compile(
    r"\b(?:as is usual|normally|usually|generally|as a rule|in general|ordinarily|commonly|typically)\b"
)
_CONTRARY = re.compile(
    r"\b(?:no|not|never|nor|neither|without|cannot|can't|doesn't|don't|isn't|fail\w*|poor\w*|reduc\w*|impair\w*|"
    r"los[st]\w*|lack\w*|weak\w*|stop\w*|ceas\w*|abnormal\w*|dysfunction\w*|insufficien\w*|less|unable|too|excess\w*|"
    r"decreas\w*|increas\w*|diminish\w*|disturb\w*|damag\w*|absent|over|under|hyper\w*|hypo\w*|properly|normal|well|"
    r"badly|little|few|scant\w*|hardly|barely|scarcely|contain\w*|collect\w*|accumulat\w*|around|fill\w*|pool\w*|"
    r"leak\w*|still|already|anymore|longer|currently|now|slow\w*|fast\w*|stay\w*|remain\w*)\b"
)
_HERE = re.compile(r"\b(?:here|this (?:image|slice|scan|picture|case|patient|view)|in the image|as seen|appears?)\b")
_STOPS = frozenset(
    {
        "surroundings",
        "the", "and", "that", "this", "its", "it", "of", "in", "into", "to", "from", "for", "by", "with", "as", "on",
        "is", "are", "be", "a", "an", "other", "such", "rest", "out", "all", "which", "body", "so", "then", "those",
    }
)  # fmt: skip
_CONTRARY_ZH = re.compile(
    "不(?!同)|未|无|没|减退|下降|障碍|异常|受损|丧失|衰竭|失调|亢进|低下|减弱|过度|过多|正常|良好|尚可|此处|本图|目前"
)
_USUALLY_ZH = re.compile("通常|一般")
_PARTS_ZH = re.compile("[；，、]")


@dataclass(frozen=True)
class _Clause:
    verb: str
    stems: frozenset[str]


@functools.lru_cache(maxsize=2048)
def _clauses(text: str) -> tuple[_Clause, ...]:
    found: list[_Clause] = []
    for part in rephrased(text.lower()).split(";"):
        words = _TOKEN.findall(part)
        if words:
            found.append(_Clause(_stem(words[0]), frozenset(_stem(word) for word in words if word not in _STOPS)))
    return tuple(found)


@functools.lru_cache(maxsize=8192)
def _stem(word: str) -> str:
    """Return the stem of an English word, or of the one that it says the same as: make of produces."""
    stem = _bare_stem(word)
    return _same_stems().get(stem, stem)


@functools.cache
def _same_stems() -> dict[str, str]:
    """Return stem ▶ the one that stands for it; a word of two rows of synonyms joins them."""
    found = {_bare_stem(other): _bare_stem(word) for other, word in synonyms(Language.EN).items()}
    for stem in found:
        seen = {stem}
        while found[stem] in found and found[found[stem]] not in seen:
            seen.add(found[stem])
            found[stem] = found[found[stem]]
    return found


def _bare_stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            stem = word[: -len(ending)]
            doubled = stem[-1] == stem[-2] and ending in ("ing", "ed", "er", "ers", "ings")
            return _bare_stem(stem[:-1] if doubled else stem)
    return word


_OF_EVERY_BODY = frozenset(
    map(
        _stem,
        (
            "blood", "cell", "tissue", "organ", "oxygen", "food", "response", "reaction", "system", "process", "energy",
            "nutrient", "waste", "immune", "defense", "germ", "digestion", "circulation", "hormone", "nerve", "brain",
            "muscle", "sense", "sound", "hearing", "sight", "move", "pump", "vessel", "gas", "tube", "pipe", "filter",
        ),
    )
)  # fmt: skip
"""Stems that a line of general knowledge may be told with beside its own words."""


@functools.lru_cache(maxsize=2048)
def _words(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in _TOKEN.findall(rephrased(text.lower())))


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
    if any(_of_another(facts, *clause) is not None for clause in _clauses_about(facts, said, carried)):
        return None
    if (told := _told_by_clauses(facts, said)) is not None:
        return told
    for known in facts.knowledge:
        # "The kidney" is said of the left one, and "it stores bile for the duodenum" of the gallbladder.
        also = not named or all(_names_itself(facts, name, known.text) for name in named)
        of_region = known.label == facts.annotation.anatomy and not carried and _OF_IT.match(text) is not None
        spoken_of = of_region or known.label in carried or _is_named(facts, known.label, text)
        if known.label not in named and not (also and spoken_of):
            continue
        if _states_zh(facts, known, masked, said) if chinese else _states(facts, known, text, masked):
            return known
    return None


_OF_IT = re.compile(r"\W*(?:(?:it|its|they|their)\b|[它其该])")
"""Begins a sentence about what the one before is about, which may be the region of the body."""


def contrary(facts: Facts, said: str, carried: tuple[str, ...]) -> Known | None:
    """Return the line that a sentence turns round, or that it states of another label than the line's own.

    Args:
        facts: Of the text.
        said: The sentence in lower case with a character for each label, all other words as they are.
        carried: Labels that the sentences before it speak of.
    """
    turned = _turned_round_zh if facts.language == Language.ZH else _turned_round
    for part, labels in _clauses_about(facts, said, carried):
        for known in facts.knowledge:
            if known.about != "appearance" and labels == (known.label,) and turned(facts, known, part):
                return known
        if (other := _of_another(facts, part, labels)) is not None:
            return other
    return None


def _clauses_about(facts: Facts, said: str, carried: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (clause, labels that it speaks of): those that it names, else those named before it in the sentence.

    A sentence may begin with the region of the body, and one that says "it" is about what the one before names.
    """
    about: tuple[str, ...] = ()
    for number, part in enumerate(_ANY_CLAUSE[facts.language].split(said)[::2]):
        named = tuple(dict.fromkeys(facts.names.label_of(mark) for mark in re.findall(LABEL, part)))
        opening = _FIRST_WORDS[facts.language].match(part)
        if not (named or number) and opening and _is_named(facts, facts.annotation.anatomy, opening.group()):
            named = (facts.annotation.anatomy,)
        if named or number or _OF_IT.match(part):
            yield part, named or about or carried
            # "The heart and the trachea, which …" goes on about the trachea; in Chinese it may be either.
            about = (named if facts.language == Language.ZH else named[-1:]) or about or carried


_FIRST_WORDS = {
    Language.EN: re.compile(r"\W*(?:[a-z]+ ?){1,3}"),
    Language.ZH: re.compile("[^这该本图，。；][^，。；]{0,2}"),
}


def _turned_round(facts: Facts, known: Known, part: str) -> bool:
    """Return whether an English clause denies a line of its label, or has an opposite of one of its words."""
    said = rephrased(part)
    if (_ABOUT_IT.match(said) or _NO_MORE.search(said)) and _states(facts, known, said, said, contrary=True):
        return True
    line = rephrased(known.text.lower())
    own = " ".join(facts.names.spoken(known.label))
    found = _said(facts, said)
    if _of_other_matter(line, re.sub(LABEL, " ", said), own) and any(
        len(found & words) >= (_LEAST if verb in found else _LEAST_OF_LINE)
        for verb, words in _told(facts.names, facts.annotation.labels, known.text)
    ):
        return True
    words = [word for word in _TOKEN.findall(_THAN.sub(" ", said)) if word not in _STOPS]
    stems, telling = {_stem(word) for word in words}, {_stem(word) for word in words if not is_plain(word)}
    return any(
        _stem(word) in clause.stems - stems and _stem(opposite) in stems - clause.stems and telling & clause.stems
        for clause in _clauses(known.text.lower())
        for word, opposite in opposites(Language.EN)
    )


_NO_MORE = re.compile(
    rf"(?:^|\b(?:which|that|it|they)|{LABEL}|,) ?(?:can |does |do )?"
    r"(?:no longer|not|cannot|fails? to|hardly|barely|scarcely|poorly|only partly|stops?)\b"
)
"""A clause about what was named before it that denies what it does."""
_ABOUT_IT = re.compile(rf"\W*(?:in general, )?(?:(?:the |an? )?{LABEL} [a-z]|(?:it|they|its|their)\b)")
_THAN = re.compile(r"\b[a-z]+er than\b")
"""A comparison in the image: "narrower than the liver" turns no line round."""


def _turned_round_zh(facts: Facts, known: Known, part: str) -> bool:
    """Return whether a Chinese clause denies a line of its label, turns it, or has an opposite of one of its words."""
    line = known.text.lower()
    if any(
        word in line and opposite in part and word not in part and _pairs(line) & _pairs(part)
        for word, opposite in opposites(Language.ZH)
    ):
        return True
    shared = max(len(_said(facts, part) & words) for _, words in _told(facts.names, facts.annotation.labels, line))
    return shared >= _LEAST and bool(
        _NO_MORE_ZH.search(part) or _turned_zh(line, part) or _of_other_matter_zh(line, part)
    )


_NO_MORE_ZH = re.compile("不可见|不再|不能|无法|难以|未能|失去|丧失")


def _of_another(facts: Facts, part: str, labels: tuple[str, ...]) -> Known | None:
    """Return the line of another label of the card that a clause states of one with lines of its own.

    It has more words of a clause of the other's line than of all lines of its own label: all of them, or, of a label
    that the image shows too, as many as no two lines share by chance.
    """
    own = {each.text for each in facts.knowledge if each.label in labels}
    if len(labels) != 1 or not own:
        return None
    own |= {each.text for each in facts.knowledge if each.label == facts.annotation.anatomy}
    said = _said(facts, part)
    most = len(
        said
        & {word for line in own for _, words in _told(facts.names, facts.annotation.labels, line) for word in words}
    )
    defines = _DEFINES[facts.language].search(part) is not None
    for other in (*facts.knowledge, *facts.of_card):
        if other.about == "appearance" or other.text in own:
            continue
        for verb, words in _told(facts.names, facts.annotation.labels, other.text):
            if other.about == "meaning" and verb in _IS and not defines:
                continue
            shared = len(said & words)
            if shared <= most or shared < _LEAST:
                continue
            if shared >= _WHOLE * len(words) and (verb in said or verb in _IS):
                return other
            if most < _LEAST and (
                verb in said and other.label in facts.annotation.labels
                if verb
                else other.about == "function" and shared >= _LEAST_OF_ANOTHER_ZH
            ):
                return other
    return None


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
        return _pairs(part)
    return frozenset(_stem(word) for word in _TOKEN.findall(rephrased(part)) if word not in _STOPS)


@functools.lru_cache(maxsize=4096)
def _told(names: LabelNames, labels: tuple[str, ...], line: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return (verb, words) of each clause of a line, as `_said` has them, without words of labels; no Chinese verb."""
    if not line.isascii():
        return tuple(("", _pairs(clause)) for clause in _PARTS_ZH.split(names.masked(line.lower())))
    of_labels = {_stem(word) for each in labels for word in _TOKEN.findall(each.lower())}
    return tuple((clause.verb, clause.stems - of_labels) for clause in _clauses(line.lower()))


def _told_by_clauses(facts: Facts, masked: str) -> Known | None:
    """Return the lines of several labels that a sentence states, each in a clause of its own, as one; else None."""
    if len(set(re.findall(LABEL, masked))) < _SEVERAL:
        return None
    chinese = facts.language == Language.ZH
    bare = _AS_TO_ZH.sub("", masked) if chinese else masked
    parts = [part for part in _BETWEEN[facts.language].split(bare) if part.strip(" .。")]
    lines: list[Known] = []
    for part in parts:
        named = {facts.names.label_of(mark) for mark in re.findall(LABEL, part)}
        line = next(
            (
                known for known in facts.knowledge
                if known.label in named and len(named) == 1
                and (_states_line(facts, known, part))
            ), None,
        )  # fmt: skip
        if line is None:
            return None
        lines.append(line)
    return Known(lines[0].label, lines[0].about, "; ".join(line.text for line in lines)) if lines else None


_SEVERAL = 2
_AS_TO_ZH = re.compile("^[就从在]?[功作][能用](?:上|而言|来说|方面)?，")
_BETWEEN = {
    Language.EN: re.compile(
        rf"[;:]|, (?:and |while |whereas )?(?=[^,;]*{LABEL})| (?:and|while|whereas|but) (?=(?:the |a )?{LABEL})"
    ),
    Language.ZH: re.compile(rf"[；，](?:而|同时)?(?=[^，；]{{0,6}}{LABEL})"),
}


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
    parts = _CLAUSES[facts.language].split(masked)
    about = carried
    for number, part in enumerate(parts):
        said = _OPENING.sub("", part) if facts.language == Language.EN else part
        named = tuple(dict.fromkeys(facts.names.label_of(mark) for mark in re.findall(LABEL, part)))
        alone = facts.annotation.labels if len(facts.annotation.labels) == 1 else ()
        spoken_of = named or about[-1:] or (*alone, facts.annotation.anatomy)
        for known in facts.knowledge if len(parts) > 1 else ():
            others = [name for name in named if not _names_itself(facts, name, known.text)]
            if (
                known.label in spoken_of
                and len({known.label, *others}) == 1
                and _states_line(facts, known, said)
                and not claims_more(said, known)
            ):
                parts[number] = facts.names.mark_of(known.label) if known.label in named else " "
                break
        about = named or about
    return "".join(parts)


def _states_line(facts: Facts, known: Known, part: str) -> bool:
    return _states_zh(facts, known, part, part) if facts.language == Language.ZH else _states(facts, known, part, part)


_CLAUSES = {
    Language.EN: re.compile(
        r"(, (?:which|that|who|and|but|so|while|whereas|where|meaning|i\.e\.,?|that is,?|in other words,?) |; |: |"
        r", (?:an?|the) (?=(?:[a-z]+ )?[a-z\uf8fd]+ (?:that|which) )|"
        r", (?=(?:has|have|is|are|lies?|appears?|shows?|can|was|were)\b)|"
        r" (?:and|but|while|whereas) (?=(?:it |they )?(?:is|are|lies?|sits?|appears?|looks?|takes?|fills?|occup\w+|"
        r"extends?|measures?)\b))"
    ),
    Language.ZH: re.compile("([，；：])"),
}
"""What parts a sentence into clauses; the marks are kept."""
_ANY_CLAUSE = {
    Language.EN: re.compile(f"{_CLAUSES[Language.EN].pattern}|{_BETWEEN[Language.EN].pattern}|, (?=an? )"),
    Language.ZH: _CLAUSES[Language.ZH],
}
_OPENING = re.compile(r"^\W*(?:it|they|this|these|which|that) ")


def appearance_words(facts: Facts, masked: str, carried: tuple[str, ...]) -> frozenset[str]:
    """Return the words for how the labels that an English sentence speaks of usually look; they may look so here."""
    if not facts.knowledge:
        return frozenset()
    about = {facts.names.label_of(mark) for mark in re.findall(LABEL, masked)} or set(carried)
    lines = (known.text for known in facts.knowledge if known.about == "appearance" and known.label in about)
    return frozenset(word for line in lines for word in _TOKEN.findall(line.lower()))


def _is_named(facts: Facts, label: str, text: str) -> bool:
    """Return whether a sentence has the noun of a label without its side."""
    names = facts.names.spoken(label) or (facts.names.anatomy if label == facts.annotation.anatomy else label,)
    bare = [re.sub(r"^(?:(?:left|right) |[左右]侧?)", "", name) for name in names]
    if label == facts.annotation.anatomy and facts.language == Language.ZH:
        bare += [re.sub("[部脏]$", "", name) for name in bare]
    nouns = (
        {word for name in bare for word in name.split() if len(word) >= _LEAST_NOUN}
        if bare[0].isascii()
        else set[str]()
    )
    return any(name in text for name in bare) or not nouns.isdisjoint(map(_singular, _TOKEN.findall(text)))


def _singular(word: str) -> str:
    return word.removesuffix("s")


def _names_itself(facts: Facts, label: str, line: str) -> bool:
    """Return whether a line itself names a label, as that of the gallbladder names the duodenum."""
    return any(name in line.lower() for name in facts.names.spoken(label))


def _states(facts: Facts, known: Known, text: str, masked: str, *, contrary: bool = False) -> bool:
    """Return whether a rephrased sentence states a line, or its contrary where that is asked."""
    line = rephrased(known.text.lower())
    own = " ".join(facts.names.spoken(known.label))
    bare = re.sub(LABEL, " ", masked)
    within = _WITHIN if _WITHIN.search(line) or "bleed" in line else None
    denied = any(
        _stem(found.group()) not in _words(line) and not (within and within.fullmatch(found.group()))
        for found in _CONTRARY.finditer(bare)
    )
    if (denied or _turned(line, text)) != contrary:
        return False
    if known.about == "appearance" and (not _USUALLY.search(bare) or _HERE.search(bare)):
        return False
    stems = {_stem(word) for word in _TOKEN.findall(text) if word not in _STOPS}
    if known.about != "appearance" and _of_other_matter(line, bare, own):
        return False
    shared = max(
        (len(stems & clause.stems - _words(own)) for clause in _clauses(line) if _speaks(known, clause, stems, bare)),
        default=0,
    )
    whole = {stem for clause in _clauses(line) for stem in clause.stems} - _words(own)
    if (
        shared < _LEAST
        and len(stems & whole) < _LEAST_OF_LINE
        and not (shared and known.about == "function" and _is_short(line))
    ):
        return False
    looks = " ".join(each.text for each in facts.knowledge if each.about == "appearance" and each.label == known.label)
    words = _words(line) | _words(own) | _words(looks)
    if not _names_only(facts, known, masked):
        return False
    names = frozenset(_TOKEN.findall(own))
    own_words = _TOKEN.findall(_USUALLY.sub(" ", bare))
    return all(
        is_plain(word) or _stem(word) in words or _stem(word) in _OF_EVERY_BODY or is_akin(word, names)
        for word in own_words
        if len(word) > 1
    )


_WITHIN = re.compile(r"\b(?:fill|contain|collect|accumulat|pool|hold)\w*\b")
"""Words that say the same of what lies in something, as blood does: a line that has one has none for its contrary."""


def _of_other_matter(line: str, said: str, own: str) -> bool:
    """Return whether a sentence says of one matter, such as air, what the line says of another, such as food."""
    every = {_stem(each) for each in matters()}
    of_line, of_text = _words(line) & every, _words(said) & every - _words(own)
    return bool(of_line and of_text) and of_line.isdisjoint(of_text)


def _of_other_matter_zh(line: str, said: str) -> bool:
    """Return whether a Chinese clause says of one matter, such as 气体, what the line says of another, such as 液体."""
    of_line, of_text = ({name for name, said_as in matters_zh() if said_as.search(each)} for each in (line, said))
    return bool(of_line and of_text) and of_line.isdisjoint(of_text)


_WAY = re.compile(r"\b(?P<way>from|in ?to|to|towards?) (?:the |other |an? )*(?P<what>[a-z]+)")


def _turned(line: str, text: str) -> bool:
    """Return whether a sentence says "from" of what the line says "to", or the reverse: blood from the lungs.

    Each part of the sentence is held to the clauses of the line that share most words with it, as a line may say of
    oxygen what it says the other way round of carbon dioxide.
    """
    for part in _SEGMENTS.split(text):
        said = _ways(part)
        if not said:
            continue
        stems = {_stem(word) for word in _TOKEN.findall(part) if word not in _STOPS}
        clauses = [
            (len(stems & clause.stems), each) for each, clause in zip(line.split(";"), _clauses(line), strict=True)
        ]
        most = max(shared for shared, _ in clauses)
        nearest = [_ways(each) for shared, each in clauses if shared == most]
        if all(any((not away, what) in ways and (away, what) not in ways for away, what in said) for ways in nearest):
            return True
    return False


_SEGMENTS = re.compile(r"[,;:]| (?:and|while|whereas|but) ")
_BOTH_WAYS = re.compile(r"\b(?:to and from|from and to|in and out of) (?:the )?([a-z]+)")


def _ways(text: str) -> set[tuple[bool, str]]:
    """Return (whether it goes away from it, stem of what something goes to or comes from)."""
    found = {(way["way"] == "from", _stem(way["what"])) for way in _WAY.finditer(text)}
    return found | {(away, _stem(both[1])) for both in _BOTH_WAYS.finditer(text) for away in (True, False)}


def is_of(word: str, known: Known) -> bool:
    """Return whether an English word is one of a line, in any form, or one of those that say that it is general."""
    return _stem(word) in _words(known.text) | _OF_EVERY_BODY or bool(
        _PURPOSE.fullmatch(word) or _USUALLY.fullmatch(word)
    )


def _is_short(line: str) -> bool:
    """Return whether the clauses of a line have no two words beside their verb: "stores urine"."""
    return all(len(clause.stems) <= _LEAST for clause in _clauses(line))


def _speaks(known: Known, clause: _Clause, stems: set[str], text: str) -> bool:
    if known.about == "appearance":
        return True
    return clause.verb in stems or bool(_PURPOSE.search(text)) or clause.verb in ("is", "are")


def _states_zh(facts: Facts, known: Known, masked: str, said: str) -> bool:
    """Return whether a masked Chinese sentence states a line; in `said`, where it is at hand, only names are masked."""
    if _CONTRARY_ZH.search(masked) or not _names_only(facts, known, masked):
        return False
    if known.about == "appearance" and not _USUALLY_ZH.search(masked):
        return False
    if known.about != "appearance" and _turned_zh(known.text.lower(), said):
        return False
    # The characters of a name are no statement: those of both texts are masked.
    parts = _PARTS_ZH.split(facts.names.masked(known.text.lower()))
    return any(len(_pairs(part) & _pairs(said)) >= _LEAST for part in parts)


_AWAY_ZH = re.compile("带走|带离|运走|离开|流出|引流|从[^，。；]{1,8}(?:带回|运回|排出)")
_TOWARDS_ZH = re.compile("供血|供应|提供|为[^，。；]{1,6}(?:供|输送|运送|送)")
_TARGET_ZH = re.compile("[把将使][^，。；]*?(?:输送|[排进送流][到至入往向给])(?![到至入往向给])(?P<where>[一-鿿]{1,6})")
"""Where something is brought, which a text says that names first what is brought."""


def _turned_zh(line: str, text: str) -> bool:
    """Return whether a Chinese text says "away" of what the line says "to", or names another place it goes to."""
    away, towards = bool(_AWAY_ZH.search(line)), bool(_TOWARDS_ZH.search(line))
    for part in _PARTS_ZH.split(text):
        says_away, says_towards = bool(_AWAY_ZH.search(part)), bool(_TOWARDS_ZH.search(part))
        if (away and not towards and says_towards and not says_away) or (
            towards and not away and says_away and not says_towards
        ):
            return True
        clauses = [in_other_words(clause) for clause in _PARTS_ZH.split(line)]
        most = max(len(_pairs(clause) & _pairs(part)) for clause in clauses)
        gases = [gas for gas in _GASES_ZH if gas.search(part)]
        nearest = [clause for clause in clauses if len(_pairs(clause) & _pairs(part)) == most]
        nearest = [clause for clause in clauses if gases and gases[0].search(clause)] or nearest
        where = _TARGET_ZH.search(in_other_words(part))
        wheres = [found["where"] for clause in nearest if (found := _TARGET_ZH.search(clause))]
        if where and len(wheres) == len(nearest) and all(set(where["where"]).isdisjoint(each) for each in wheres):
            return True
    return False


_GASES_ZH = (re.compile("二氧化碳"), re.compile("氧(?!化)"))


def _names_only(facts: Facts, known: Known, masked: str) -> bool:
    """Return whether a sentence names labels of the record, and those that the line itself names, only."""
    line = known.text.lower()
    named = (facts.names.label_of(mark) for mark in re.findall(LABEL, masked))
    return all(label in facts.annotation.labels or _names_itself(facts, label, line) for label in named)


def in_other_words(text: str) -> str:
    """Return a Chinese text with one word for all that say the same of a function (lexicons/synonyms.yaml)."""
    for other, word in synonyms(Language.ZH).items():
        text = text.replace(other, word)
    return text


@functools.lru_cache(maxsize=2048)
def _pairs(text: str) -> frozenset[str]:
    found = re.findall(r"[一-鿿]+", in_other_words(text))
    return frozenset(run[number : number + 2] for run in found for number in range(len(run) - 1))
