"""Counts that a masked sentence states, and words for how many, held to the boxes and labels of the record."""

import functools
import re

from gmai_data.checks.facts import Facts
from gmai_data.checks.lexicon import LABEL, WORD, kinds_of
from gmai_data.checks.masking import low
from gmai_data.checks.places import how_many_lie, known_boxes
from gmai_data.vocabulary import Language

_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


_HAN = "零一二三四五六七八九十"


def wrong_count_of(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a count or a size of a masked sentence that the boxes do not give, in either language."""
    return wrong_count(facts, text) if facts.language == Language.EN else wrong_count_zh(facts, text)


_ONLY_ONE = re.compile(
    r"\b(?:only (?:a single|one)|just (?:a single|one)|exactly one|an? (?:single|lone|solitary|sole)|the (?:only|"
    r"sole|single)) (?P<what>[a-z]+)"
    r"|(?:[只仅]可?(?:有|见|示)?|唯一的?|单)一?[个枚处条张块颗粒把只根件](?P<han>[一-鿿]{1,4})"
)


def wrong_only_one(facts: Facts, sentence: str) -> tuple[str, str] | None:
    """Return "only one instrument" where the labels with that word have several regions."""
    for found in _ONLY_ONE.finditer(low(sentence)):
        what = found["what"] or found["han"]
        if what in names_of(facts):
            continue  # a whole name is counted by its own rule
        for length in range(len(what), 0, -1) if found["han"] else (len(what),):
            word = what[:length]
            named = [
                label
                for label in facts.annotation.labels
                if any(word in (name if found["han"] else name.split()) for name in facts.names.spoken(label))
            ]
            if named:
                counts = [how_many(facts, label) for label in named]
                if None not in counts and sum(each or 0 for each in counts) > 1:
                    return "count invented", f'"{found.group()}" is not how many the record has'
                break
    return None


def own_names(facts: Facts) -> tuple[str, ...]:
    """Return the names of the record's labels in the text's language, synonyms among them."""
    return tuple(name for label in facts.annotation.labels for name in facts.names.spoken(label))


_WITHOUT = re.compile(r"\b(?:without|no|not|free of) .*")
"""What a label says not to be there: no word of the record."""


def what_is_there(name: str) -> str:
    """Return a lower-case name up to what it says not to be there; "no-reflow area" is there."""
    return _WITHOUT.sub("", name)


def names_of_what_is_there(facts: Facts) -> tuple[str, ...]:
    """Return `own_names` without what they say not to be there: "chest radiograph" of one without tuberculosis."""
    return tuple(what_is_there(name) for name in own_names(facts))


def names_of(facts: Facts) -> set[str]:
    """Return the names of the record's labels in lower case, with the synonyms of the text's language."""
    return {name.lower() for name in (*facts.annotation.labels, *own_names(facts))}


def without_marks(text: str) -> str:
    """Return a masked text with dots in the place of its marks, as a complaint quotes it."""
    return re.sub(r"[\ue000-\uf8ff]", "…", text)


_COUNTED = re.compile(
    r"(?<!slice )(?<!section )(?<!number )(?<!grade )(?<!score )(?<!stage )(?<!type )(?<!level )(?<!class )(?<!step )"
    rf"\b(?P<number>{'|'.join(_SPELLED[2:])}|\d+|a pair of|a couple of|a dozen|pairs? of)(?: of the)?"
    rf"(?: (?!of\b|and\b|in\b|on\b|or\b)[a-z]+){{0,3}}?(?: [a-z]+ of(?: the)?)? (?P<what>{LABEL}|{WORD}|"
    r"structures?|areas?|zones?|objects?|findings?|lesions?|regions?|boxes|cell types|types|kinds|grades|classes|"
    r"categories|scores|stages|organs?|labels?|"
    r"things|cells?|in (?:number|total|all)\b)"
)


_LIST = rf"(?:the |an? )?{LABEL}(?:(?:[,、;]|[,、]? ?(?:and|以?及|和|与)) ?(?:the |an? )?{LABEL})*"
_NAMED_ONE_BY_ONE = {
    Language.EN: re.compile(
        rf"\b(?P<number>{'|'.join(_SPELLED[2:])}|\d+) (?:[a-z]+ )?(?:structures|organs|labels|findings|{WORD})(?!\w)"
        r"(?P<between>[^.,:;]{0,40})"
        rf"(?:: ?|, ?(?:namely|that is|specifically|which are):? ?)(?P<list>{_LIST})(?P<more>,? ?(?:and )?[a-z])?"
    ),
    Language.ZH: re.compile(
        rf"(?P<number>[两二三四五六七八九十]|\d+)[个处种项](?:结构|器官|脏器|标签|目标|{WORD})(?P<between>[^。；，：]{{0,6}})"
        rf"(?:[：:]|，?(?:即|分别[是为]|包括))(?P<list>{_LIST})(?P<more>[、和与及])?"
    ),
}
"""How many there are with their names: "three organs, namely the liver, the spleen and the aorta"."""


_AND = re.compile(r"\b(?:and|plus)\b|[和与及、]")


def wrong_number_of_names(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a number of things that is not that of the labels which a masked sentence names for them."""
    for found in _NAMED_ONE_BY_ONE[facts.language].finditer(text):
        if _AND.search(found["between"]) or _AND.search(text[: found.start()][-4:]):
            continue  # of two kinds together: four chambers and one vessel
        number = found["number"]
        count = _SPELLED.index(number) if number in _SPELLED else _han_count(number)
        named = set(re.findall(LABEL, found["list"]))
        several = any((how_many(facts, facts.names.label_of(mark)) or 0) > 1 for mark in named)
        if not found["more"] and not several and count != len(named):
            return "count invented", f'"{without_marks(found.group())}" names another number of them'
    return None


_LISTED = re.compile(
    rf"(?P<what>{LABEL})\s?(?:[(（]\s?)?(?:[x×:：=]|n\s?=)\s?(?:[x×]\s?)?(?P<number>\d+)"
    r"(?![\d.]|\s?(?:mm|cm|%|/|-))"
)
"""A tally: "grasper: 1", "lymphocyte ×3", "polyp (n = 2)"."""


_THERE = re.compile(
    r"\b(?:found|seen|appears?|present|visible|occurs?|shown|represented|depicted) (?:exactly |only |just )?$"
)


_TIMES = re.compile(r"\b(?P<number>once|twice|(?:three|four|five|six) times)\b")


_NOT_COUNTED = (
    "quarters? thirds? fifths? "
    "borders? edges? corners? of and or parts? sides? halves ways? respects? aspects? features? steps? sentences? "
    "tones? shades? hues? colou?rs? words? apart are is differ lie can stand shown named visible "
    "to by with at for on from here"
).replace(" ", "|")


_PARTED = re.compile(r"\b(?:divided|split|parted|separated|segmented) into (?:two|three|four|five|several) [a-z]+")
"""How something looks: "a nucleus divided into two lobes"."""
_OTHER_COUNT = re.compile(rf"\b({'|'.join(_SPELLED[2:])}) (?!(?:{_NOT_COUNTED})\b|dimension)[a-z]+")


_NOT_BEFORE_A_NOUN = "of|and|in|on|at|to|by|below|above|beneath|under|over|beside|near|behind|within|inside|left|right"
_SEVERAL = re.compile(
    r"\b(?:multiple|several|numerous|(?<!how )many|various|plural|a (?:large |small )?number of|a few|countless|"
    r"dozens of|both)"
    rf"(?: of)?(?: the)?(?: (?!(?:{_NOT_BEFORE_A_NOUN})\b)[a-z]+){{0,2}}? (?P<what>{LABEL})"
    rf"(?!,? (?:and )?(?:the |an? )?{LABEL})"
)


_ALONE = re.compile(
    rf"\b(?:single|solitary|lone|sole|only one|just one|exactly one|unique)(?: [a-z]+){{0,2}}? (?P<what>{LABEL})"
)


_ONE = re.compile(rf"(?<!more than )(?<!than just )\bone (?P<what>{LABEL})")


_ANOTHER = re.compile(r"\b(?:ones?|others?|another|second|each|every|rest|remain\w*|remainder|alone|apart|isolated)\b")


_SEVERAL_ZH = re.compile(
    rf"(?:多发性?|多[个枚处条张块颗粒]|数[个枚处条张块颗粒]|若干|几[个枚处条张块颗粒]|许多|众多|大量)(?:的)?(?P<what>{LABEL})"
)


_LAST_ONE_ZH = re.compile(
    r"(?:仅此|只此|仅有这?|唯有这?|就这|[仅只](?:有|可?见)?)一[个枚处条张块颗粒件把](?![一-鿿\ue000-\uf7ff])"
)


_ALONE_ZH = re.compile(rf"(?:单发|唯一|仅可?[见有示]?到?一|只[有见]一|单)[个枚处条张块颗粒]?的?(?P<what>{LABEL})")


_UNIT = re.compile(
    r"\b(?:\w+met(?:er|re)s?|mm|cm|µm|um|nm|microns?|inch(?:es)?|millilit\w+|ml|cc|houns\w+|hu|suv\w*|percent|"
    r"per cent|kilograms?|kg|grams?|degrees? celsius)\b|%"
)


def wrong_count(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a count or a size that the boxes do not give."""
    if found := _UNIT.search(text):
        return "size invented", f'"{found.group()}" is measured by nothing in the record'
    if (wrong := _tally(facts, text) or wrong_number_of_names(facts, text)) is not None:
        return wrong
    rest = text
    for found in _COUNTED.finditer(text):
        number = found["number"]
        count = (
            _SPELLED.index(number)
            if number in _SPELLED
            else int(number)
            if number.isdigit()
            else 12
            if "dozen" in number
            else 2
        )
        what = found["what"]
        if what.startswith("in "):
            what = next(iter(re.findall(LABEL, text[: found.start()])[::-1]), what)
        of_the_scale = re.search(rf"\b(?:{_OF_A_SCALE}|{WORD}) of(?: the)? {what}$", found.group()) or (
            what == WORD and re.match(rf" of(?: the)? (?:{LABEL}|{WORD})", text[found.end() :])
        )
        if of_the_scale and count == _levels_count(facts):
            rest = rest.replace(found.group(), " ", 1)
            continue
        pair = re.match(rf" {LABEL}(?! of)", text[found.end() :]) if count == 2 else None  # "two kidneys"
        there = re.fullmatch(LABEL, what) and how_many_lie(facts, facts.names.label_of(what), text) == count
        if pair is None and not there and not _count_holds(facts, count, what, text[found.end() :]):
            return "count invented", f'"{without_marks(found.group())}" is not how many the record has'
        rest = rest.replace(found.group(), " ", 1)
    if (wrong := _miscounted(facts, text, several=_SEVERAL, alone=_ALONE)) is not None:
        return wrong
    if (found := _ONE.search(text)) and not _ANOTHER.search(text.replace(found.group(), " ", 1)):
        label = facts.names.label_of(found["what"])
        counted = how_many(facts, label)
        if counted is not None and counted > 1 and not how_many_lie(facts, label, text):
            return "count invented", f'"{without_marks(found.group())}" is not how many the record has'
    rest = _PARTED.sub(" ", rest)
    found = _OTHER_COUNT.search(rest)
    if (
        found is not None
        and _SPELLED.index(found[1]) not in _counts(facts)
        and not any(found.group() in known.text.lower() for known in facts.knowledge)  # a nucleus of two lobes
    ):
        return "count invented", f'"{without_marks(found.group())}" counts what the record does not count'
    return None


def _tally(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a number beside a label ("grasper: 1"), or "once", that is not how many there are."""
    for found in _LISTED.finditer(text):
        counted = how_many(facts, facts.names.label_of(found["what"]))
        if counted is not None and counted != int(found["number"]):
            return "count invented", f'"{without_marks(found.group())}" is not how many the record has'
    for found in _TIMES.finditer(text):
        times = {"once": 1, "twice": 2}.get(found["number"]) or _SPELLED.index(found["number"].split()[0])
        before = text[: found.start()]
        if not _THERE.search(before):
            continue
        named = [facts.names.label_of(mark) for mark in re.findall(LABEL, before)]
        every = re.search(r"\b(?:each|every|both|all)\b", before)
        labels = named[-1:] or (list(facts.annotation.labels) if every or len(facts.annotation.labels) == 1 else [])
        if any(how_many(facts, label) not in (None, times) for label in labels):
            return "count invented", f'"{found.group()}" is not how often it is there'
    return None


def _count_holds(facts: Facts, count: int, what: str, text: str = "") -> bool:
    annotation = facts.annotation
    if re.fullmatch(LABEL, what):
        return how_many(facts, facts.names.label_of(what)) == count
    listed = (set(re.findall(LABEL, clause)) for clause in re.split("[;；]", text))
    if count in map(len, listed):  # "four chambers, namely …"
        return True
    if what == WORD:  # a part of a label's name, or its kind: cells, bones
        return count in _counts(facts)
    if re.fullmatch(_OF_A_SCALE, what):
        return count in (*_counts(facts), _levels_count(facts))
    if what.startswith(("region", "box")):
        return count in (len(annotation.boxes), len(facts.boxes), len(annotation.labels))
    return count in (*_counts(facts), len(facts.boxes))


_OF_A_SCALE = "(?:types|kinds|grades|classes|categories|scores|stages|levels|steps)"


def _levels_count(facts: Facts) -> int:
    """Return how many labels the card has, of which a text may say that there are so many types or grades."""
    return len(facts.annotation.labels) + len(facts.annotation.absent)


def _counts(facts: Facts) -> set[int]:
    """Return how many there are of each label, of those of one noun or one kind, and of all."""
    annotation = facts.annotation
    counts = [how_many(facts, label) for label in annotation.labels]
    alike: dict[str, int] = {}
    for label, each in zip(annotation.labels, counts, strict=True):
        for kind in kinds_of_label(label):
            alike[kind] = alike.get(kind, 0) + (each or len(known_boxes(facts, label)) or 1)
    return {
        *(count for count in counts if count), *alike.values(), len(annotation.labels), len(annotation.boxes),
        sum(each or 0 for each in counts),
    }  # fmt: skip


@functools.lru_cache(maxsize=4096)
def kinds_of_label(label: str) -> frozenset[str]:
    """Return the words of an English label and of what kinds they are."""
    words = re.findall(r"[a-z]+", label.lower())
    kinds = (kind for word in words for kind in kinds_of(word, Language.EN))
    return frozenset((*words, *kinds)) - {"left", "right"}


def _miscounted(facts: Facts, text: str, *, several: re.Pattern[str], alone: re.Pattern[str]) -> tuple[str, str] | None:
    """Return "several" or "a single" of a label whose regions are counted, and are not so many."""
    for pattern in (several, alone):
        for found in pattern.finditer(text):
            label = facts.names.label_of(found["what"])
            counted = how_many(facts, label) if known_boxes(facts, label) else None
            unknown = pattern is several and counted is None and len(known_boxes(facts, label)) <= 1
            if unknown and not found.group().startswith("both"):
                return "count invented", f'"{without_marks(found.group())}": the record does not say how many'
            if counted is not None and (counted <= 1 if pattern is several else counted != 1):
                return "count invented", f'"{without_marks(found.group())}" is not how many the record has'
    return None


def how_many(facts: Facts, label: str) -> int | None:
    """Return how many regions of a label there are, or None where that is not known."""
    boxes = known_boxes(facts, label)
    if not boxes:
        return 1 if label in facts.annotation.labels and not facts.annotation.boxes else None
    names = facts.names
    if label in facts.annotation.incomplete or not (names.exhaustive and names.one_box_per_region):
        return None
    return len(boxes)


_COUNT_ZH = re.compile(
    rf"(?<!第)(?P<number>[{_HAN}两双\d]+)(?P<of>[个枚处只条张块颗粒片类种把件根支团组节段]|侧)(?=(?P<what>[^，。；、：（(]{{0,6}}))"
)


_UNIT_ZH = re.compile(r"毫米|厘米|公分|微米|毫升|mm|cm|μm|um|%|百分之|公斤|千克|hu(?![a-z])")


_OF_WHAT_ZH = re.compile(rf"[^。；\ue000-\uf7ff]{{1,14}}(?:均|都|皆|就|即)?(?:为|是|系)({LABEL})")


_SPOKEN_OF_ALL_ZH = re.compile(f"{LABEL} ?(?:[和与及、]|以及)? ?{LABEL}(?:呈现?|为|是|表现为|形成|构成|显示为)$")
_OF_OTHERS_ZH = re.compile("[前后]者[^，；]*$|(?:结构|部分|区域|层)")


_IN_A_PART_ZH = re.compile("[左右上下](?:[部侧方角]|半部?)(?:可?[有见]|可以看到|能?看到)?$")
"""Before a count of those that lie there: 右半部两个."""


def wrong_count_zh(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a count or a size of a Chinese sentence that the boxes do not give."""
    if found := _UNIT_ZH.search(text):
        return "size invented", f'"{found.group()}" is measured by nothing in the record'
    if (wrong := _miscounted(facts, text, several=_SEVERAL_ZH, alone=_ALONE_ZH)) is not None:
        return wrong
    if (wrong := _tally(facts, text) or wrong_number_of_names(facts, text)) is not None:
        return wrong
    last = _LAST_ONE_ZH.search(text)
    before = re.findall(LABEL, text[: last.start()]) if last else []
    if last and before and how_many(facts, facts.names.label_of(before[-1])) not in (None, 1):
        return "count invented", f'"{last.group()}" is not how many the record has'
    own = " ".join(own_names(facts))
    for found in _COUNT_ZH.finditer(text):
        count = _han_count(found["number"])
        if count is None or count <= 1 or found["of"] in "片":
            continue
        what = next(iter(re.findall(rf"{LABEL}|{WORD}", re.split("[中里内以，]", found["what"])[0])), "")
        if found.group() in own or re.match("[^，。；]{0,4}色", found["what"]):
            continue
        if found["of"] in "类种":
            holds = count == len(facts.annotation.labels)
        elif what:
            holds = _count_holds(facts, count, what)
        elif found["of"] == "侧":
            continue
        else:
            before = re.findall(LABEL, text[: found.start()])
            here = set(re.findall(LABEL, re.split("[，。；]", text[: found.start()])[-1]))
            if len(here) == count and _SPOKEN_OF_ALL_ZH.search(text[: found.start()]):
                continue  # 内侧和外侧软骨呈两条薄带
            if behind := _OF_WHAT_ZH.match(text[found.end() :]):  # 两个低密度灶，均为肝肿瘤
                before = [behind[1]]
            holds = _count_holds(
                facts,
                count,
                before[-1]
                if before and not _OF_OTHERS_ZH.search(text[max(found.start() - 4, 0) : found.end() + 3])
                else "structure",
            )
        in_a_part = _IN_A_PART_ZH.search(text[: found.start()]) is not None and count < len(facts.annotation.boxes)
        if in_a_part and re.fullmatch(LABEL, what):
            in_a_part = how_many_lie(facts, facts.names.label_of(what), text) == count
        if not (holds or in_a_part) and not re.match("部分|方面|层次?", found["what"]):
            return "count invented", f'"{without_marks(found.group())}" is not how many the record has'
    return None


def _han_count(word: str) -> int | None:
    if word.isdigit():
        return int(word)
    if word in ("两", "双"):
        return 2
    return _HAN.index(word) if word in _HAN and len(word) == 1 else 99
