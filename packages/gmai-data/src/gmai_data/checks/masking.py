"""A sentence with one character for each thing of its record that it names: a label, a word of one, the modality."""

import functools
import re
import unicodedata

from gmai_data.checks.facts import Facts, LabelNames, modality_pattern, with_plural
from gmai_data.checks.lexicon import WORD, claims, compounds, context, kinds_of, regions, scenery
from gmai_data.vocabulary import CHINESE, ClinicalTask, Language

OWN = "\uf8fe"
"""Stands in a masked sentence for the record's modality."""
REFERENCE = re.compile(r"<ref>([^<]*)</ref>(?:<box>[^<]*</box>)?|<box>[^<]*</box>")
FULL_WIDTH = str.maketrans(",;:?!()", "，；：？！（）")
"""Gives Chinese text the marks back that `low` has made narrow."""
DISEASE = (ClinicalTask.DISEASE_DIAGNOSIS, ClinicalTask.SEVERITY)
_NOT_OF_A_LABEL = frozenset(
    {"left", "right", "upper", "lower", "middle", "central", "anterior", "posterior", "superior", "inferior", "no",
     "non", "not", "of", "and", "or", "the", "a", "an", "with", "without", "in", "normal", "other",
     "beneath", "below", "under", "inside", "within", "between", "space", "wall", "ring", "band", "shadow", "cavity"}
)  # fmt: skip
"""Words of labels that mean something else without the rest of the label."""
_LEAST_SHORT_ZH = 2
_LEAST_HEAD = 2
_OF_EVERY_BODY = (
    "painless", "bone", "air", "gas", "fluid", "water", "muscle", "tissue", "metal", "lung", "blood", "fat ",
    "骨", "气", "肌肉", "脂肪", "液", "水", "软组织", "金属",
)  # fmt: skip
"""What the pattern for how a modality renders things begins with: most sentences have none."""
_OF_MANY = {"organ", "tissue", "abnormality", "abnormal", "finding", "器官", "脏器", "异常"}
"""Kinds of so many labels that they name none."""
_ALONE = (
    "(?:(?<![一-鿿])|(?<=[的与和及在为是两双各块该此本其每把将见示])){}"
    "(?=[^一-鿿]|[的与和及或在为呈均之中内外上下旁影示占]|$)"
)
"""Around a single character, which else may belong to another name: 骨 in 骨髓 and 髌骨."""


def low(sentence: str) -> str:
    """Return a sentence in lower case, with plain hyphens, apostrophes and digits."""
    return unicodedata.normalize("NFKC", sentence).lower().replace("’", "'").replace("_", " ")


def with_labels(facts: Facts, sentence: str) -> str:
    """Return a sentence in lower case with a character for each label, and all its other words."""
    text = _names_masked(facts, sentence)
    for head, mark in _heads(facts.annotation.labels, facts.names, facts.language):
        text = head.sub(mark, text)
    return text


def _names_masked(facts: Facts, sentence: str) -> str:
    bare = low(REFERENCE.sub(lambda found: found[1] or " ", sentence))
    if facts.language == Language.ZH:
        return facts.names.masked(bare.translate(FULL_WIDTH))
    for noun, stands_for in compounds():
        bare = noun.sub(stands_for, bare)
    return facts.names.masked(bare).replace("-", " ")


def masked(facts: Facts, sentence: str) -> str:
    """Return a sentence in lower case with a character for each label, word of a label, and name of the modality."""
    text = _names_masked(facts, sentence)
    record = _of_record(facts.annotation.labels, facts.annotation.clinical_task, facts.names, facts.language)
    if facts.annotation.modality is not None:
        if facts.language == Language.ZH:
            text = text.replace(CHINESE[facts.annotation.modality].lower(), OWN)
        text = modality_pattern(facts.annotation.modality, facts.language).sub(OWN, text)
    for shown_by in (facts.annotation.modality, facts.annotation.clinical_task):
        around = scenery(str(shown_by), facts.language)
        text = around.sub(" ", text) if around else text
    everywhere = scenery("any", facts.language)
    if everywhere and any(word in text for word in _OF_EVERY_BODY):
        text = everywhere.sub(" ", text)
    for head, mark in _heads(facts.annotation.labels, facts.names, facts.language):
        text = head.sub(mark, text)
    text = record.sub(WORD, text) if record else text
    made_of = context(str(facts.annotation.modality), facts.language)
    return made_of.sub(" ", text) if made_of else text


@functools.lru_cache(maxsize=1024)
def _heads(labels: tuple[str, ...], names: LabelNames, language: Language) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return (a part of a label's name that names it alone, its character).

    Edema of "peritumoral edema", the peripheral zone of "peripheral zone of the prostate", 外周带 of 前列腺外周带.
    """
    found: list[tuple[re.Pattern[str], str]] = []
    if language == Language.ZH:
        body = claims(language)["body"][1]
        spoken = {name: label for label in labels for name in names.spoken(label)}
        for name, label in spoken.items():
            bare = re.sub(r"^[左右双]侧?", "", name)
            organ = body.match(bare)
            short = bare[organ.end() :] if organ else ""
            others = [each for each, other in spoken.items() if other != label]
            if (
                (tail := _TAIL_ZH.search(bare))
                and not any(tail.group() in each for each in others)
                and tail.group() != name
            ):
                found.append((re.compile(tail.group()), names.mark_of(label)))
            if len(short) >= _LEAST_SHORT_ZH and not any(short in each for each in others) and short not in spoken:
                found.append((re.compile(re.escape(short)), names.mark_of(label)))
        return tuple(found)
    found += _parts_of_one(labels, names)
    for label in labels:
        if label.lower().startswith("no "):
            continue  # "metastasis" is no name of what has none
        every = label.lower().split()
        others = [name for other in labels if other != label for name in (other.lower(), *names.spoken(other))]
        for start in range(1, len(every) - 1) if " of " not in label else ():
            short = " ".join(every[start:])  # the epithelial cell of "single epithelial cell"
            if not any(short in other for other in others) and every[start] not in _NOT_OF_A_LABEL:
                found.append((re.compile(rf"\b(?:{with_plural(short)})\b"), names.mark_of(label)))
        of = re.match(r"(\S+ .+?) (?:of|in|around|that|which) (?:the )?\S", label.lower().replace("-", " "))
        if of is not None and not any(of[1] in other for other in others):
            found.append((re.compile(rf"\b(?:{with_plural(of[1])})\b"), names.mark_of(label)))
        head = re.sub(r" (?:of|in|with|around) .*", "", label.lower()).split()[-1]
        others = {
            word for other in labels if other != label for name in (other, *names.spoken(other))
            for word in re.findall("[a-z]+", name.lower())
        }  # fmt: skip
        others |= {kind for word in others for kind in kinds_of(word, language)}  # a lymphocyte is a cell, too
        if (
            head.isalpha()
            and len(head) > _LEAST_HEAD
            and head not in others | _NOT_OF_A_LABEL | _words(f"{names.anatomy} {names.noun}")
        ):
            found.append((re.compile(rf"\b(?:{with_plural(head)})\b"), names.mark_of(label)))
    return tuple(found)


def _parts_of_one(labels: tuple[str, ...], names: LabelNames) -> list[tuple[re.Pattern[str], str]]:
    """Return "the anterior part" with the label's character, of labels that are parts of one thing."""
    parts = [(label, found) for label in labels if (found := _PART_OF_ONE.fullmatch(label.lower()))]
    nouns = [part["noun"] for _, part in parts]
    return [
        (
            re.compile(
                rf"\b{part['which']} (?:parts?|portions?|half|segments?|sections?|thirds?|one)\b"
                rf"(?: of (?:the |this |its )?{re.escape(part['noun'])}\b)?"
            ),
            names.mark_of(label),
        )
        for label, part in parts
        if nouns.count(part["noun"]) > 1
    ]


_PART_OF_ONE = re.compile("(?P<which>anterior|posterior|medial|lateral|superior|inferior|proximal|distal) (?P<noun>.+)")
_TAIL_ZH = re.compile("(?:肿瘤|结节|囊肿|结石|积液|出血|息肉|骨折|水肿|梗死|转移)$")
"""What a finding is called for short where the record has one of that kind."""


@functools.lru_cache(maxsize=1024)
def _of_record(
    labels: tuple[str, ...], task: ClinicalTask, names: LabelNames, language: Language
) -> re.Pattern[str] | None:
    """Return what names a part of a label, the region of the body or the kind of label in a masked sentence."""
    words = _label_words(labels, names, language)
    also = regions(language)
    if language == Language.EN:
        of_region = _words(f"{names.anatomy} {names.noun}")
        others = {other for word in of_region for other in (*also.get(word, ()), *kinds_of(word, language))}
        words |= of_region | others | {names.anatomy}
        words |= {"lesion", "finding", "abnormality", "disease", "diagnosis"} if task in DISEASE else set[str]()
    else:
        region = re.sub("^(?:新生儿|胎儿|小儿)|[部脏]$|关节$|组织$", "", names.anatomy)
        words |= {names.anatomy, region, f"{region}组织", *also.get(names.anatomy, ()), *also.get(f"{region}部", ())}
        words |= {f"{region}部"} | ({f"{region}盖"} if names.anatomy.endswith("关节") else set[str]())
        words |= {"病变", "病灶", "疾病"} if task in DISEASE or names.noun in ("病变", "疾病", "表现") else set[str]()
    return _any_of(words, language)


@functools.lru_cache(maxsize=1024)
def words_of_region(names: LabelNames, language: Language) -> frozenset[str]:
    """Return the words by which a text may name the region of the body of a record."""
    also = regions(language)
    if language == Language.EN:
        found = _words(names.anatomy)
        return frozenset(found | {other for word in found for other in also.get(word, ())})
    region = re.sub("[部脏]$", "", names.anatomy)
    return frozenset({names.anatomy, region, *also.get(names.anatomy, ())} - {""})


@functools.lru_cache(maxsize=1024)
def label_words(labels: tuple[str, ...], names: LabelNames, language: Language) -> re.Pattern[str] | None:
    """Return what speaks of one of the labels in lower-case text: a word of its names, or of what kind it is."""
    return _any_of(_label_words(labels, names, language) - _OF_MANY, language)


def _label_words(labels: tuple[str, ...], names: LabelNames, language: Language) -> set[str]:
    spoken = [name for label in labels for name in names.spoken(label)]
    also = regions(language)
    if language == Language.EN:
        found = _words(" ".join(spoken))
        found |= {"normal", "healthy"} if any(re.match("normal|healthy", name) for name in spoken) else set[str]()
        kinds = {kind for word in found for kind in kinds_of(word, language)}
        return found | kinds | {other for word in found | kinds for other in also.get(word, ())}
    found = {"正常", "健康"} if any(re.match("正常|健康", name) for name in spoken) else set[str]()
    for name in spoken:
        bare = re.sub(r"^[左右双]侧?", "", name)
        kinds = kinds_of(bare, language)
        plain = _LEVEL_ZH.sub("", bare)  # 膝骨关节炎 of 中度膝骨关节炎（3级）, and so 骨关节炎
        found |= {plain, *(plain[start:] for start in range(1, len(plain) - 2))}
        found |= {bare, *kinds, *(other for word in (bare, *kinds) for other in also.get(word, ()))}
        # Of 肾肿瘤, 肿瘤 is said again; so is 心肌 of 左心室心肌.
        found |= {bare[start:] for start in range(1, len(bare) - 1) if not bare[start].isdigit()}
        # So is the organ that a name begins with or ends in: 前列腺 of 前列腺外周带, 骨 of 股骨.
        body = claims(language)["body"][1]
        found |= {bare[: part.end()] for part in body.finditer(bare)}
        found |= {bare[:end] for end in range(2, len(bare)) if bare[end - 1] in "癌瘤炎症病"}
        found |= {bare[-1:]} if body.fullmatch(bare[-1:]) else set[str]()
    return found


_LEVEL_ZH = re.compile("[（(][^（）()]*[)）]|^(?:[轻中重]度|早期|晚期)|[0-9一二三四]级$")


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z]+", text) if word not in _NOT_OF_A_LABEL and len(word) > 2}


def _any_of(words: set[str], language: Language) -> re.Pattern[str] | None:
    longest_first = sorted(words - {""}, key=lambda word: (-len(word), word))
    if not longest_first:
        return None
    if language == Language.EN:
        return re.compile(rf"\b(?:{'|'.join(map(with_plural, longest_first))})\b")
    return re.compile(
        "|".join(_ALONE.format(re.escape(word)) if len(word) == 1 else re.escape(word) for word in longest_first)
    )
