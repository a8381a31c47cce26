"""What a text is held against: the record's facts, and the names by which they are called.

The names of a card are compiled once for all its records.
"""

import copy
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmai_data.annotation import Annotation, Box
from gmai_data.bundled import bundled_yaml
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.vocabulary import Kind, Language, Modality

TAG = re.compile(r"<ref>[^<]*</ref>|<box>[^<]*</box>")
"""What is written inside tags is held against the boxes, not against the words."""


_SPELLINGS = (
    ("tumour", "tumor"), ("oedema", "edema"), ("oesoph", "esoph"), ("haem", "hem"), ("anaem", "anem"), ("caec", "cec"),
    ("leucocyt", "leukocyt"), ("naev", "nev"), ("fibre", "fiber"), ("centred", "centered"), ("centring", "centering"),
    ("centre", "center"), ("colour", "color"),
    ("grey", "gray"), ("paediatr", "pediatr"), ("isation", "ization"), ("’", "'"), ("-", " "), ("–", " "),
)  # fmt: skip
"""British and American spellings, and hyphens, make no other name."""
_IRREGULAR = (
    ("y", "ies"),
    ("is", "es"),
    ("us", "i"),
    ("um", "a"),
    ("a", "ae"),
    ("x", "ces"),
    ("ex", "ices"),
    ("oma", "omata"),
)
_PAIRS = {
    Language.EN: (
        "left ",
        "right ",
        ("both ", "bilateral ", "left and right ", "right and left ", "either ", "each ", "the two ", "two "),
    ),
    Language.ZH: (
        "左",
        "右",
        (
            "双侧",
            "双",
            "两侧",
            "左右两侧",
            "左右两",
            "左右",
            "两",
            "双侧的",
            "两侧的",
            "左右两侧的",
            "两侧各自的",
            "两块",
            "两个",
            "两只",
        ),
    ),
}
"""(the left one, the right one, words for both)."""
CLAUSE_END = {
    Language.EN: re.compile(
        r"[.;!?\n]|:(?!\s*(?:none|absent|nil|negative|not|no)\b)|\b(?:but|however|whereas|although)\b"
    ),
    Language.ZH: re.compile(r"[。；！？，;!?,\n]|[：:](?!\s*(?:无|未见|没有|阴性|缺如))"),
}
"""What ends the clause in which a name is denied."""
_FIRST_MARK = 0xE000
_AROUND = 80
"""Characters before and behind a name in which its denial is looked for."""


@dataclass(frozen=True)
class Mention:
    """A name in a text.

    Attributes:
        label: That it stands for, or nothing where only its absence is a label (`no tumor`).
        opposite: The label that says it is not there, or nothing.
        before: What stands before it in its clause.
        after: What stands behind it.
    """

    label: str
    opposite: str
    before: str
    after: str


def region_name(number: int) -> str:
    """Return what a region that a text refers to by its box is called beside the labels."""
    return f"region {number}"


class LabelNames:
    """The names and synonyms of a card's labels in one language."""

    def __init__(self, recipe: Recipe, language: Language) -> None:
        """Compile the names of `recipe` in `language`."""
        self._english = language == Language.EN
        self._labels: dict[str, str] = {}
        self._opposites: dict[str, str] = {}
        for raw, name in recipe.labels.items():
            for each in (name, *recipe.synonyms.get(raw, ())):
                spoken = each.en if self._english else each.zh
                if not self._english and _ABBREVIATION.fullmatch(each.en):
                    self._labels.setdefault(each.en.lower(), name.en)
                if spoken:
                    for form in (spoken.lower(),) if self._english else _chinese_forms(spoken.lower()):
                        self._labels.setdefault(self.folded(form), name.en)
        for spoken, label in tuple(self._labels.items()):
            if self._english and (several := _plural_head(spoken)):
                self._labels.setdefault(self.folded(several), label)
            others = (
                *_numbered(spoken), *_other_names(language).get(spoken, ()), *_shortened(spoken, language),
                *_in_other_order(spoken, language),
            )  # fmt: skip
            for other in others:
                self._labels.setdefault(self.folded(other), label)
        self.levels = _levels(self._labels, english=self._english)
        for spoken, label in self.levels.items():
            self._labels.setdefault(spoken, label)
        self._spoken: dict[str, tuple[str, ...]] = {}
        for spoken, label in self._labels.items():
            self._spoken[label] = (*self._spoken.get(label, ()), spoken)
        self.title = recipe.title.lower()
        self.exhaustive, self.one_box_per_region = recipe.exhaustive, recipe.boxes.per == "component"
        self.noun = self.folded((recipe.label_noun.en if self._english else recipe.label_noun.zh or "").lower())
        self.anatomy = self.folded((recipe.anatomy.en if self._english else recipe.anatomy.zh or "").lower())
        self._every_label = list(dict.fromkeys(self._labels.values()))
        for spoken, label in self._labels.items():
            there = spoken.removeprefix("no " if self._english else "无")
            # "finding" is said of anything; only of a name of its own is "no …" the contrary.
            if there not in (spoken, recipe.label_noun.en) and not ("强化" in there and there in self._labels):
                self._opposites[there] = label
        left, right, both = _PAIRS[language]
        self._pairs: dict[str, tuple[str, str]] = {}
        for spoken, label in self._labels.items():
            other = self._labels.get(spoken.replace(left, right, 1))
            if spoken.startswith(left) and other is not None:
                self._pairs |= dict.fromkeys((word + spoken.removeprefix(left) for word in both), (label, other))
        for name, pair in _in_pairs(self._labels, language):
            if name not in self._labels:
                self._pairs.setdefault(name, pair)
        every = {*self._labels, *self._opposites, *self._pairs}
        longest_first = sorted(every, key=lambda name: (-len(name), name))
        if self._english:
            names = "|".join(map(with_plural, longest_first))
            self._pattern = re.compile(rf"(?<!\w)(?<!non )(?:{names})(?!\w)")
        else:
            self._pattern = re.compile(f"(?<!(?<![而并])非)(?:{'|'.join(map(_as_a_word, longest_first))})")
        self._clause = CLAUSE_END[language]
        self._singular = {form: name for name in longest_first[::-1] for form in _plurals(name)}

    @functools.lru_cache(maxsize=16)  # noqa: B019 - of few texts; two checks in a row ask about the same
    def mentions(self, text: str) -> tuple[Mention, ...]:
        """Return the labels that a lower-case text names, longest names first where they overlap."""
        if not self._labels:
            return ()
        text = self.folded(text)
        found: list[Mention] = []
        for match in self._pattern.finditer(text):
            name = self._name(match.group())
            before = self._clause.split(text[max(0, match.start() - _AROUND) : match.start()])[-1]
            behind = text[match.end() : match.end() + _AROUND]
            # The mark that ends a Chinese clause belongs to it: only at its end is "肝脏未见。" a denial.
            end = self._clause.search(behind)
            after = behind if end is None else behind[: end.start() + (not self._english)]
            for label in self._pairs.get(name, (self._labels.get(name, ""),)):
                found.append(Mention(label, self._opposites.get(name, ""), before, after))
        return tuple(found)

    def masked(self, text: str) -> str:
        """Return a lower-case text with each name as one character, which `label_of` reads; a pair gives two."""
        return self._pattern.sub(self._mask, self.folded(text)) if self._labels else self.folded(text)

    def label_of(self, mark: str) -> str:
        """Return the label that a character of `masked` stands for."""
        return self._every_label[ord(mark) - _FIRST_MARK]

    def mark_of(self, label: str) -> str:
        """Return the character that stands for a label in a masked text."""
        return chr(_FIRST_MARK + self._every_label.index(label))

    def with_regions(self, count: int) -> "LabelNames":
        """Return the names beside which regions 0, 1, … have marks of their own."""
        more = copy.copy(self)
        more._every_label = [*self._every_label, *map(region_name, range(count))]
        return more

    def spoken(self, label: str) -> tuple[str, ...]:
        """Return the names of a label."""
        return self._spoken.get(label, ())

    def _name(self, said: str) -> str:
        """Return the name that a text says in the plural or with an apostrophe: of "left ventricle's cavity"."""
        name = self._singular.get(said, said)
        if "'" not in said or any(name in names for names in (self._labels, self._opposites, self._pairs)):
            return name
        bare = _APOSTROPHE.sub(" ", said)
        return self._singular.get(bare, bare)

    def _mask(self, match: re.Match[str]) -> str:
        name = self._name(match.group())
        labels = self._pairs.get(name, (self._labels.get(name) or self._opposites.get(name, ""),))
        return " ".join(chr(_FIRST_MARK + self._every_label.index(label)) for label in labels)

    def folded(self, text: str) -> str:
        """Return a lower-case text in the spelling that names are compared in; "not shown: X" is "without X"."""
        text = _NOT_SHOWN.sub(r"without ", text) if self._english else _NOT_SHOWN_ZH.sub(r"\1", text)
        if self._english:
            for british, american in _SPELLINGS:
                text = text.replace(british, american)
        return text


@functools.cache
def _names_file() -> dict[str, Any]:
    return bundled_yaml("gmai_data.checks", "lexicons", "names.yaml")


def _other_names(language: Language) -> dict[str, list[str]]:
    return _names_file()[str(language)]


def _shortened(name: str, language: Language) -> Iterator[str]:
    """Yield a name with the usual short form of a finding in it: "mild npdr", 轻度糖网."""
    for long, short in _names_file()["short"][str(language)].items():
        if long in name:
            yield from (name.replace(long, each) for each in short)


def _in_pairs(names: Mapping[str, str], language: Language) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield (name, two labels) of labels told apart by their first word: "medial and lateral tibial cartilage"."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, label in names.items():
        found = (_FIRST_WORD if language == Language.EN else _FIRST_WORD_ZH).fullmatch(name)
        if found:
            groups.setdefault(found["rest"], []).append((found["first"], label))
    for rest, firsts in groups.items():
        if not _LEAST_PAIR <= len({label for _, label in firsts}) <= _MOST_PAIRS:
            continue
        for first, label in firsts:
            for second, other in firsts:
                if label == other or first == second:
                    continue
                if language == Language.EN:
                    yield f"{first} and {second} {rest}", (label, other)
                    yield f"{first} and the {second} {rest}", (label, other)
                else:
                    yield from (
                        (f"{first}{and_}{second}{rest}", (label, other)) for and_ in ("和", "与", "及", "、", "以及")
                    )


_FIRST_WORD = re.compile(
    "(?P<first>medial|lateral|anterior|posterior|upper|middle|lower|superior|inferior|inner|outer|proximal|distal|"
    "internal|external|peripheral|transition|central) (?P<rest>[a-z][a-z -]+)"
)
_FIRST_WORD_ZH = re.compile("(?P<first>[内外前后上下][侧部]|[近远]端|外周|移行|中央)(?P<rest>[一-鿿]{2,})")
_LEAST_PAIR, _MOST_PAIRS = 2, 4


def _in_other_order(name: str, language: Language) -> Iterator[str]:
    """Yield a name with its words in another order: "cavity of the left ventricle" of "left ventricle cavity"."""
    if language == Language.ZH:
        if found := _PART_ZH.fullmatch(name):
            yield f"{found['organ']}的{found['part']}"
        return
    if lobe := _LUNG_LOBE.fullmatch(name):
        side, which = lobe["side"], lobe["which"]
        yield from (
            f"{side} {which} lobe", f"{side} {which} lobe of the lung", f"{side} {which} lung lobe",
            f"{side} {which} pulmonary lobe", f"{which} lobe of the {side} lung", f"{which} lobe on the {side}",
            f"{side} lung's {which} lobe",
        )  # fmt: skip
        return
    if found := _PART_OF.fullmatch(name):
        organ, part = found["organ"], found["part"]
        yield f"{organ} {part}"
    elif found := _ORGAN_PART.fullmatch(name):
        organ, part = found["organ"], found["part"]
        yield f"{part} of the {organ}"
        yield f"{part} of {organ}"
    else:
        return
    head, _, noun = organ.rpartition(" ")
    yield from (f"{head} {adjective} {part}".lstrip() for adjective in _names_file()["adjectives"].get(noun, ()))


_LUNG_LOBE = re.compile(r"(?P<side>left|right) lung (?P<which>upper|middle|lower) lobe")
_PART = (
    "cavity|myocardium|cartilage|wall|parenchyma|lobe|leaflet|peripheral zone|transition zone|adenocarcinoma|carcinoma|"
    "cancer|vein|artery|head|body|tail|cyst|stone|tumor|lesion|nodule"
)
_PART_OF = re.compile(rf"(?P<part>(?:[a-z]+ )?(?:{_PART})) of the (?P<organ>[a-z]+(?: [a-z]+)?)")
_ORGAN_PART = re.compile(rf"(?P<organ>(?:(?:left|right) )?(?!benign|malignant|skin|primary)[a-z]+) (?P<part>{_PART})")
_PART_ZH = re.compile(
    "(?P<organ>(?:[左右]侧?)?(?:心室|心房|前列腺|膀胱|肺|肝脏?|肾脏?|胰腺|甲状腺|乳腺|结肠|股骨|胫骨|二尖瓣|视网膜))"
    "(?P<part>腔|心肌|外周带|移行带|肿瘤|结节|囊肿|结石|软骨|癌|[前后]叶|[上中下]叶|(?:恶性|良性)?病变|血管)"
)

_APOSTROPHE = re.compile("'s (?=[a-z])")
_ABBREVIATION = re.compile("[A-Z][A-Z0-9-]+")
"""COVID-19 is the same in Chinese."""
_NOT_SHOWN = re.compile(r"\b(?:not (?:shown|seen|present|visible|found)|absent|negative)\s*: ?")
_NOT_SHOWN_ZH = re.compile(r"(未见|未示|未显示|不包括|不含)\s*[:：]\s*")


def _plural_head(name: str) -> str:
    """Return the plural of a name whose noun is not its last word: "cells of the marrow" of "cell of the marrow"."""
    found = re.match(r"(.+?)( of | in | that | which | with | without | around )(.*)", name)
    head, between, rest = found.groups() if found else ("", "", "")
    if not between or head.endswith("s"):
        return ""
    if between.strip() in ("that", "which"):
        rest = re.sub(r"^(\w+?)s\b", r"\1", rest)
    return f"{head[:-1] + 'ies' if head.endswith('y') else head + 's'}{between}{rest}"


def _levels(names: Mapping[str, str], *, english: bool) -> dict[str, str]:
    """Return short name of a label by its level on the card's scale ("grade 3", 3级) ▶ the label."""
    found: dict[str, set[str]] = {}
    for name, label in names.items():
        for level in (_LEVEL if english else _LEVEL_ZH).finditer(name):
            if english:
                number = int(level[2])
                said = [level[2], *(each[number] for each in (_LEVEL_WORDS, _ROMAN) if number < len(each))]
                short = [f"{level[1]} {of}{each}" for each in said for of in ("", "of ", "is ", "equals ")]
            else:
                short = [level.group()]
            for each in short:
                found.setdefault(each, set()).add(label)
    for name, label in names.items():
        for degree in (_DEGREE if english else _DEGREE_ZH).finditer(name):
            rest = f"{name[: degree.start()]} {name[degree.end() :]}".split()
            alike = {
                other for other in names
                if other != name and any(
                    f"{other[: each.start()]} {other[each.end() :]}".split() == rest
                    for each in (_DEGREE if english else _DEGREE_ZH).finditer(other)
                )
            }  # fmt: skip
            if alike:
                found.setdefault(degree.group(), set()).add(label)
    levels = {short: next(iter(labels)) for short, labels in found.items() if len(labels) == 1}
    return levels if len(set(levels.values())) > 1 else {}


_LEVEL = re.compile(r"\b(grade|score|stage|type|level|class|category) (\d)\b(?! ?-? ?\d)")
_LEVEL_ZH = re.compile("(?<![0-9-])[0-9](?:分|级|期|型|类)")
_DEGREE = re.compile(
    r"\b(?:mild|moderate|severe|early|advanced|benign|malignant|(?:low|high)[ -]grade|proliferative)\b"
)
_DEGREE_ZH = re.compile("[轻中重]度|良性|恶性|早期|晚期|[低高]级别")
_LEVEL_WORDS = ("zero", "one", "two", "three", "four", "five", "six")
_ROMAN = ("0", "1", "ii", "iii", "iv", "v", "vi")


def _numbered(name: str) -> tuple[str, ...]:
    """Return how a name with a number in it is said too: "bi rads 2" and "bi rads category 2" of "bi rads 2 benign"."""
    if level := re.fullmatch(r"(?:vertebra|vertebral body) ([ctls]\d+)|第(\d+)([颈胸腰骶])椎", name):
        short = level[1] or f"{'ctls'['颈胸腰骶'.index(level[3])]}{level[2]}"
        return (short, f"{short} vertebra", f"{short} vertebral body", f"{short}椎体", f"{short}椎")
    if disc := re.fullmatch(r"intervertebral disc ([ctls])(\d+)/([ctls])(\d+)", name):
        upper, above, lower, below = disc.groups()
        levels = [f"{upper}{above}{between}{last}" for between in ("/", " ", " / ") for last in (lower + below, below)]
        return tuple(
            form for level in levels
            for each in ("disc", "disk")
            for form in (
                f"{level} {each}", f"{level} intervertebral {each}", f"intervertebral {each} {level}",
                f"{each} {level}", f"{each} at {level}", f"{each} between {upper}{above} and {lower}{below}",
            )
        )  # fmt: skip
    if disc := re.fullmatch(r"([颈胸腰骶])(\d+)/([颈胸腰骶])(\d+)椎间盘", name):
        upper, above, lower, below = disc.groups()
        one, other = ("ctls"["颈胸腰骶".index(each)] for each in (upper, lower))
        levels = [f"{one}{above}", f"{upper}{above}"]
        lasts = [(f"{other}{below}", below), (f"{lower}{below}", below)]
        return tuple(
            f"{first}{between}{last}椎间盘"
            for first, ends in zip(levels, lasts, strict=True) for between in "/-~" for last in ends
        )  # fmt: skip
    found = re.fullmatch(r"([a-z][a-z -]*) (\d+)(类|级|期)? ?(\D*)", name)
    if found is None:
        return ()
    what, number, unit, meaning = found.groups()
    if unit:
        short = (f"{what} {number}{unit}", f"{what}{number}{unit}", f"{what} {number}", f"{what}分类{number}{unit}")
        return (
            *short,
            *(f"{each}{between}{meaning}" for each in short if meaning for between in ("", "，", "（", "：")),
        )
    short = (f"{what} {number}", f"{what} category {number}", f"{what} category of {number}", f"{what} grade {number}")
    return (*short, *(f"{each}{between}{meaning}" for each in short if meaning for between in (" ", ", ", " (", ": ")))


def _chinese_forms(name: str) -> tuple[str, ...]:
    """Return how a Chinese name is said too: 左肾 and 左侧肾, 脾 and 脾脏."""
    forms = [name]
    if name[:1] in "左右双":
        bare = name[1:].removeprefix("侧")
        forms += [f"{name[0]}侧{bare}", f"{name[0]}{bare}"]
    if "非强化" in name:
        forms += [name.replace("非强化", other) for other in ("无强化", "未强化", "不强化")]
    if name.endswith("灶") and len(name) > _LEAST_WITH_FOCUS:
        forms.append(name.removesuffix("灶"))
    if name.endswith("肋"):
        forms += [f"{each}骨" for each in forms]
    if len(name) > 1 and name.endswith("脏") and not name.endswith("心脏"):
        forms += [each.removesuffix("脏") for each in forms]
    elif name.endswith(("肝", "脾", "肾")):
        forms += [f"{each}脏" for each in forms]
    return tuple(dict.fromkeys(forms))


_LEAST_WITH_FOCUS = 3


def _as_a_word(name: str) -> str:
    """Return a pattern of a Chinese name; a single character does not stand for the beginning of another name."""
    another = "(?!上(?![方部面缘极侧端])|[门静动囊盂盏结周小区血癌瘤炎病]|[内外](?![部侧]|[，。；、,;]|$))"
    return ("(?<![0-9])" if name[0].isdigit() else "") + re.escape(name) + (another if name[-1] in "肝脾肾" else "")


def _plurals(name: str) -> tuple[str, ...]:
    """Return the other forms of an English name: its plurals, or the singular where the card has the plural."""
    irregular = [name.removesuffix(one) + many for one, many in _IRREGULAR if name.endswith(one)]
    if name.endswith("s") and not name.endswith(("ss", "is", "us")):
        irregular.append(name[:-1])
    return (f"{name}s", f"{name}es", *irregular)


def with_plural(name: str) -> str:
    """Return a pattern of an English name in the singular and the plural."""
    regular = f"{re.escape(name)}(?:e?s)?"
    return "|".join((regular, *map(re.escape, _plurals(name)[2:]))).replace(r"\ ", r"(?:'s)?\ ")


@dataclass(frozen=True)
class Known:
    """What is known in general of a label that the record has.

    Attributes:
        label: Of the record.
        about: `function` of a structure, `meaning` of a finding, or usual `appearance`.
        text: A row of clauses in the language of the text.
    """

    label: str
    about: str
    text: str


@dataclass(frozen=True)
class Measure:
    """The size of a label's box, in millimetres.

    Attributes:
        label: Of the box.
        width: From left to right in the image.
        height: From top to bottom.
    """

    label: str
    width: int
    height: int


@dataclass(frozen=True)
class Facts:
    """What is certainly true about what a text is about.

    Attributes:
        annotation: The record.
        kind: Of the sample.
        language: That the text must be in.
        names: Of the card's labels in that language.
        boxes: Those that the writer was shown.
        references: Their `<ref>…</ref><box>…</box>` texts.
        positions: In which part of the image they lie, in words.
        source: Text that the writer was shown; numbers and sides may be taken from it.
        words: Fewest and most words (Chinese: characters) of the answers.
        turns: Fewest and most turns.
        image_digest: SHA-256 of the image that the text is about, or nothing.
        measures: Sizes that the writer was shown; they may be stated of their label.
        knowledge: What the writer was told about the labels in general; it may be stated of its label.
        of_card: What is known in general of every label of the card; what is so of another is said of none here.
        form: `report` or `reasoning`, whose answers have parts of their own; nothing where they have none.
        answer: Of a reasoning: what its last line must say.
        question: Of a reasoning: what must be asked.
    """

    annotation: Annotation
    kind: Kind
    language: Language
    names: LabelNames
    boxes: tuple[Box, ...]
    references: tuple[str, ...]
    positions: tuple[str, ...]
    source: str
    words: tuple[int, int]
    turns: tuple[int, int]
    image_digest: str = ""
    measures: tuple[Measure, ...] = ()
    knowledge: tuple[Known, ...] = ()
    of_card: tuple[Known, ...] = ()
    form: str = ""
    answer: str = ""
    question: str = ""


AXES = {
    "axial": ("axial", "transverse", "transversal", "transaxial", "轴", "横"),
    "coronal": ("coronal", "frontal", "冠"),
    "sagittal": ("sagittal", "矢"),
}
"""Plane of a slice ▶ the words that name it in lower-case text."""


@functools.cache
def _modalities() -> dict[str, Any]:
    return bundled_yaml("gmai_data.checks", "modalities.yaml")


@functools.cache
def modality_pattern(modality: Modality, language: Language) -> re.Pattern[str]:
    """Return what names a modality in lower-case text."""
    return _any_of([modality], language)


@functools.cache
def any_modality(language: Language) -> re.Pattern[str]:
    """Return what names any modality in lower-case text."""
    return _any_of(list(Modality), language)


@functools.cache
def used_by(modality: Modality) -> re.Pattern[str] | None:
    """Return what a modality is made with that names another, in lower-case text, or None: X-rays of a CT."""
    words = _modalities()[str(modality)].get("uses", [])
    return re.compile("|".join(words)) if words else None


def related_modalities(modality: Modality) -> list[Modality]:
    """Return the modalities whose name beside this one is no contradiction."""
    return [Modality(name) for name in _modalities()[str(modality)].get("with", [])]


def _any_of(modalities: Sequence[Modality], language: Language) -> re.Pattern[str]:
    words = [_modalities()[str(each)] for each in modalities]
    english = rf"(?<![a-z0-9])(?:{'|'.join(word for each in words for word in each['en'])})(?![a-z0-9])"
    chinese = [word for each in words for word in each["zh"]] if language == Language.ZH else []
    return re.compile("|".join((english, *chinese)))


@functools.cache
def other_modalities(
    modality: Modality, language: Language
) -> tuple[re.Pattern[str], Sequence[tuple[Modality, re.Pattern[str]]]]:
    """Return what names any modality that a text about this one must not name, and each of them."""
    along = _modalities()[str(modality)].get("with", [])
    others = [
        (each, modality_pattern(each, language)) for each in Modality if each != modality and str(each) not in along
    ]
    return _any_of([each for each, _ in others], language), others
