"""Does a clause state a line of general knowledge, or turn it round? Words are compared by stems and synonyms.

A clause states a line if it shares at least two words with one clause of it, has the verb of that clause or a word for
purpose (an appearance: "normally", "usually"), and denies, weakens or grades nothing. All other words must be plain. In
Chinese two pairs of characters take the place of the words.
"""

import functools
import re
from dataclasses import dataclass

from gmai_data.checks.facts import Facts, Known
from gmai_data.checks.lexicon import LABEL, is_akin, is_plain, matters, matters_zh, rephrased, synonyms
from gmai_data.vocabulary import Language

TOKEN = re.compile(r"[a-z]+")
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
LEAST = 2
LEAST_OF_LINE = 3
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
STOPS = frozenset(
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
USUALLY = {Language.EN: _USUALLY, Language.ZH: _USUALLY_ZH}
PARTS_ZH = re.compile("[；，、]")


@dataclass(frozen=True)
class Clause:
    """A clause of an English line: its verb and all its words, as stems."""

    verb: str
    stems: frozenset[str]


@functools.lru_cache(maxsize=2048)
def clauses_of_line(text: str) -> tuple[Clause, ...]:
    """Return the clauses of an English line."""
    found: list[Clause] = []
    for part in rephrased(text.lower()).split(";"):
        words = TOKEN.findall(part)
        if words:
            found.append(Clause(stem_of(words[0]), frozenset(stem_of(word) for word in words if word not in STOPS)))
    return tuple(found)


@functools.lru_cache(maxsize=8192)
def stem_of(word: str) -> str:
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
        stem_of,
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
    return frozenset(stem_of(word) for word in TOKEN.findall(rephrased(text.lower())))


OF_IT = re.compile(r"\W*(?:(?:it|its|they|their)\b|[它其该])")
"""Begins a sentence about what the one before is about, which may be the region of the body."""
SEVERAL = 2
BETWEEN = {
    Language.EN: re.compile(
        rf"[;:]|, (?:and |while |whereas )?(?=[^,;]*{LABEL})| (?:and|while|whereas|but) (?=(?:the |a )?{LABEL})"
    ),
    Language.ZH: re.compile(rf"[；，](?:而|同时)?(?=[^，；]{{0,6}}{LABEL})"),
}


def states_line(facts: Facts, known: Known, part: str) -> bool:
    """Return whether a masked clause states a line."""
    states = states_zh if facts.language == Language.ZH else states_en
    return states(facts, known, part, part)


CLAUSES = {
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


def is_named(facts: Facts, label: str, text: str) -> bool:
    """Return whether a sentence has the noun of a label without its side."""
    names = facts.names.spoken(label) or (facts.names.anatomy if label == facts.annotation.anatomy else label,)
    bare = [re.sub(r"^(?:(?:left|right) |[左右]侧?|[前后上下内外][部侧](?=[一-鿿]{2}))", "", name) for name in names]
    if label == facts.annotation.anatomy and facts.language == Language.ZH:
        bare += [re.sub("[部脏]$", "", name) for name in bare]
    nouns = (
        {word for name in bare for word in name.split() if len(word) >= _LEAST_NOUN}
        if bare[0].isascii()
        else set[str]()
    )
    words = TOKEN.findall(text)
    return any(name in text for name in bare) or not nouns.isdisjoint((*words, *map(_singular, words)))


def _singular(word: str) -> str:
    return word[:-2] + "ium" if word.endswith("ria") else word.removesuffix("s")


def names_itself(facts: Facts, label: str, line: str) -> bool:
    """Return whether a line itself names a label, as that of the gallbladder names the duodenum."""
    return any(name in line.lower() for name in facts.names.spoken(label))


def states_en(facts: Facts, known: Known, text: str, masked: str, *, contrary: bool = False) -> bool:
    """Return whether a rephrased sentence states a line, or its contrary where that is asked."""
    line = rephrased(known.text.lower())
    own = " ".join(facts.names.spoken(known.label))
    bare = re.sub(LABEL, " ", masked)
    within = _WITHIN if _WITHIN.search(line) or "bleed" in line else None
    denied = any(
        stem_of(found.group()) not in _words(line) and not (within and within.fullmatch(found.group()))
        for found in _CONTRARY.finditer(bare)
    )
    if (denied or _turned(line, text)) != contrary:
        return False
    if known.about == "appearance" and (not _USUALLY.search(bare) or _HERE.search(bare)):
        return False
    stems = {stem_of(word) for word in TOKEN.findall(text) if word not in STOPS}
    if known.about != "appearance" and of_other_matter(line, bare, own):
        return False
    shared = max(
        (
            len(stems & clause.stems - _words(own))
            for clause in clauses_of_line(line)
            if _speaks(known, clause, stems, bare)
        ),
        default=0,
    )
    whole = {stem for clause in clauses_of_line(line) for stem in clause.stems} - _words(own)
    if (
        shared < LEAST
        and len(stems & whole) < LEAST_OF_LINE
        and not (shared and known.about == "function" and _is_short(line))
    ):
        return False
    looks = " ".join(each.text for each in facts.knowledge if each.about == "appearance" and each.label == known.label)
    words = _words(line) | _words(own) | _words(looks)
    if not _names_only(facts, known, masked):
        return False
    names = frozenset(TOKEN.findall(own))
    own_words = TOKEN.findall(_IN_IT.sub(" ", _USUALLY.sub(" ", bare)))
    return all(
        is_plain(word)
        or stem_of(word) in words
        or (stem_of(word) in _OF_EVERY_BODY and not _BLEEDING.match(word))
        or is_akin(word, names)
        for word in own_words
        if len(word) > 1
    )


_IN_IT = re.compile(r"\b(?:in|with) (?:this|the|such an?) (?:disease|condition|disorder)\b")
_BLEEDING = re.compile("ha?emorrh|bleed|clot")
"""Words of one meaning with blood that are findings of their own."""
_WITHIN = re.compile(r"\b(?:fill|contain|collect|accumulat|pool|hold)\w*\b")
"""Words that say the same of what lies in something, as blood does: a line that has one has none for its contrary."""


def of_other_matter(line: str, said: str, own: str) -> bool:
    """Return whether a sentence says of one matter, such as air, what the line says of another, such as food."""
    every = {stem_of(each) for each in matters()}
    of_line, of_text = _words(line) & every, _words(said) & every - _words(own)
    return bool(of_line and of_text) and of_line.isdisjoint(of_text)


_BECOMES_ZH = re.compile("(?:成为|变成|变为|转变为|转化为|分化[为成]|发育[为成]|成熟为|形成)(?P<what>[一-鿿]{2})")


def becomes_other_zh(line: str, said: str) -> bool:
    """Return whether a Chinese clause says that something becomes another thing than the line says."""
    told, becomes = _BECOMES_ZH.search(line), _BECOMES_ZH.search(said)
    return told is not None and becomes is not None and becomes["what"] not in line


def of_other_matter_zh(line: str, said: str) -> bool:
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
        stems = {stem_of(word) for word in TOKEN.findall(part) if word not in STOPS}
        clauses = [
            (len(stems & clause.stems), each)
            for each, clause in zip(line.split(";"), clauses_of_line(line), strict=True)
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
    found = {(way["way"] == "from", stem_of(way["what"])) for way in _WAY.finditer(text)}
    return found | {(away, stem_of(both[1])) for both in _BOTH_WAYS.finditer(text) for away in (True, False)}


def is_of(word: str, known: Known) -> bool:
    """Return whether an English word is one of a line, in any form, or one of those that say that it is general."""
    return stem_of(word) in _words(known.text) | _OF_EVERY_BODY or bool(
        _PURPOSE.fullmatch(word) or _USUALLY.fullmatch(word)
    )


def _is_short(line: str) -> bool:
    """Return whether the clauses of a line have no two words beside their verb: "stores urine"."""
    return all(len(clause.stems) <= LEAST for clause in clauses_of_line(line))


def _speaks(known: Known, clause: Clause, stems: set[str], text: str) -> bool:
    if known.about == "appearance":
        return True
    return clause.verb in stems or bool(_PURPOSE.search(text)) or clause.verb in ("is", "are")


def states_zh(facts: Facts, known: Known, masked: str, said: str) -> bool:
    """Return whether a masked Chinese sentence states a line; in `said`, where it is at hand, only names are masked."""
    contrary = any(found.group() not in known.text for found in _CONTRARY_ZH.finditer(masked))
    if contrary or not _names_only(facts, known, masked):
        return False
    if known.about == "appearance" and not _USUALLY_ZH.search(masked):
        return False
    if known.about != "appearance" and turned_zh(known.text.lower(), said):
        return False
    # The characters of a name are no statement: those of both texts are masked.
    parts = PARTS_ZH.split(facts.names.masked(known.text.lower()))
    marks = set(re.findall(LABEL, said))

    def shared(part: str) -> int:
        named = set(re.findall(LABEL, part))  # what the line itself names counts where all of it is named
        return len(pairs_of(part) & pairs_of(said)) + (len(named) if named <= marks else 0)

    return any(shared(part) >= LEAST for part in parts)


_AWAY_ZH = re.compile("带走|带离|运走|离开|流出|引流|从[^，。；]{1,8}(?:带回|运回|排出)")
_TOWARDS_ZH = re.compile("供血|供应|提供|为[^，。；]{1,6}(?:供|输送|运送|送)")
_TARGET_ZH = re.compile("[把将使][^，。；]*?(?:输送|[排进送流][到至入往向给])(?![到至入往向给])(?P<where>[一-鿿]{1,6})")
"""Where something is brought, which a text says that names first what is brought."""


def turned_zh(line: str, text: str) -> bool:
    """Return whether a Chinese text says "away" of what the line says "to", or names another place it goes to."""
    away, towards = bool(_AWAY_ZH.search(line)), bool(_TOWARDS_ZH.search(line))
    for part in PARTS_ZH.split(text):
        says_away, says_towards = bool(_AWAY_ZH.search(part)), bool(_TOWARDS_ZH.search(part))
        if (away and not towards and says_towards and not says_away) or (
            towards and not away and says_away and not says_towards
        ):
            return True
        clauses = [in_other_words(clause) for clause in PARTS_ZH.split(line)]
        most = max(len(pairs_of(clause) & pairs_of(part)) for clause in clauses)
        gases = [gas for gas in _GASES_ZH if gas.search(part)]
        nearest = [clause for clause in clauses if len(pairs_of(clause) & pairs_of(part)) == most]
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
    return all(label in facts.annotation.labels or names_itself(facts, label, line) for label in named)


def in_other_words(text: str) -> str:
    """Return a Chinese text with one word for all that say the same of a function (lexicons/synonyms.yaml)."""
    for other, word in synonyms(Language.ZH).items():
        text = text.replace(other, word)
    return text


@functools.lru_cache(maxsize=2048)
def pairs_of(text: str) -> frozenset[str]:
    """Return the pairs of neighbouring characters of a Chinese text, in which words of one meaning are the same."""
    found = re.findall(r"[一-鿿]+", in_other_words(text))
    return frozenset(run[number : number + 2] for run in found for number in range(len(run) - 1))
