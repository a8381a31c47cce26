"""Every sentence of a text about an image, resolved against its record.

A sentence is resolved if all that it states is one of these: a label of the record by one of its names; the side,
position, count or size that the label's boxes have; the modality, plane, window and region of the record; what can be
seen without knowing what it is (lexicons/visual.yaml); or nothing about a patient at all (lexicons/plain_en.txt). The
rules stand in docs/reference/checks.md.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gmai_data.checks.facts import Facts, LabelNames, any_modality, modality_pattern, related_modalities
from gmai_data.checks.lexicon import LABEL, WORD, claims, is_plain, regions, visual_chinese
from gmai_data.checks.places import agrees, known_boxes, larger, relation_holds
from gmai_data.vocabulary import CHINESE, ClinicalTask, Kind, Language

_SENTENCE = {
    Language.EN: re.compile(r"[^.!?\n]*(?:\.(?=\d|\w\.)[^.!?\n]*)*(?:[.!?]+[\"')\]]*(?=\s|$)|[.!?](?=\S)|\n|$)\s*"),
    Language.ZH: re.compile(r"[^。！？\n]*(?:[。！？\n]+|$)\s*"),
}
_OWN = "\uf8fe"
"""Stands in a masked sentence for the record's modality."""
_REFERENCE = re.compile(r"<ref>([^<]*)</ref>(?:<box>[^<]*</box>)?|<box>[^<]*</box>")
_SIMILE = re.compile(
    r"\b(?:[a-z]+ (?:like|shaped|sized|coloured|colored)|eye catching|catch(?:es|ing)? the eye|(?:naked|human) eye)\b"
)
"""A bean, in `bean-shaped`, states nothing of a bean."""
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?")
_FULL_WIDTH = str.maketrans(",;:?!()", "，；：？！（）")
_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_HAN = "零一二三四五六七八九十"
_DISEASE = (ClinicalTask.DISEASE_DIAGNOSIS, ClinicalTask.SEVERITY)
_NOT_OF_A_LABEL = frozenset(
    {"left", "right", "upper", "lower", "middle", "central", "anterior", "posterior", "superior", "inferior", "no",
     "non", "not", "of", "and", "or", "the", "a", "an", "with", "without", "in", "normal", "other"}
)  # fmt: skip
"""Words of labels that mean something else without the rest of the label."""


@dataclass(frozen=True)
class Statement:
    """A sentence that is not resolved.

    Attributes:
        check: Under which it is counted.
        sentence: As it stands in the text.
        what: What is wrong with it, in words that a model can act on.
    """

    check: str
    sentence: str
    what: str


def unresolved(facts: Facts, turns: Sequence[tuple[str, str]]) -> Iterator[Statement]:
    """Yield the sentences of the questions and answers that the record does not hold."""
    if facts.kind == Kind.TEXT_ONLY:
        return
    for question, answer in turns:
        for part, asked in ((question, True), (answer, False)):
            for sentence in sentences(part, facts.language):
                found = _wrong(facts, sentence, asked=asked)
                if found is not None:
                    yield Statement(found[0], sentence.strip(), found[1])


def sentences(text: str, language: Language) -> list[str]:
    """Return the sentences of a text, each with the mark that ends it; joined they are the text again."""
    return [found for found in _SENTENCE[language].findall(text) if found]


_LUNGS_CLEAR = re.compile(
    r"\b(?:lungs?(?: fields| bases| zones)?|fields|angles|sinuses|airways|spaces)"
    r" (?:is|are|appears?|looks?|remains?) (?:\w+ )?clear\b|\bclear lungs\b"
    r"|肺(?:野|部|叶|纹理)?[^，。；]{0,3}清[晰楚亮]"
)


def _wrong(facts: Facts, sentence: str, *, asked: bool) -> tuple[str, str] | None:
    text = _masked(facts, sentence)
    if (found := _LUNGS_CLEAR.search(_low(sentence))) and not any(
        "clear" in label or "normal" in label or label.startswith("no ") for label in facts.annotation.labels
    ):
        return "finding invented", f'it says "{found.group()}", which the record does not say'
    if facts.annotation.modality is not None and _OWN not in text and not asked:
        for modality in related_modalities(facts.annotation.modality):
            if found := modality_pattern(modality, facts.language).search(_low(sentence)):
                return (
                    "modality contradicted",
                    f'it speaks of "{found.group()}" ({modality}), but the image is {facts.annotation.modality}',
                )
    return _english(facts, text, asked=asked) if facts.language == Language.EN else _chinese(facts, text, asked=asked)


def _low(sentence: str) -> str:
    return unicodedata.normalize("NFKC", sentence).lower().replace("’", "'").replace("_", " ")


def _masked(facts: Facts, sentence: str) -> str:
    """Return a sentence in lower case with a character for each label, word of a label, and name of the modality."""
    bare = _low(_REFERENCE.sub(lambda found: found[1] or " ", sentence))
    if facts.language == Language.ZH:
        bare = bare.translate(_FULL_WIDTH)
    record = _of_record(facts.annotation.labels, facts.annotation.clinical_task, facts.names, facts.language)
    text = facts.names.masked(bare)
    if facts.language == Language.EN:
        text = text.replace("-", " ")
    if facts.annotation.modality is not None:
        if facts.language == Language.ZH:
            text = text.replace(CHINESE[facts.annotation.modality].lower(), _OWN)
        text = modality_pattern(facts.annotation.modality, facts.language).sub(_OWN, text)
    return record.sub(WORD, text) if record else text


@functools.lru_cache(maxsize=1024)
def _of_record(
    labels: tuple[str, ...], task: ClinicalTask, names: LabelNames, language: Language
) -> re.Pattern[str] | None:
    """Return what names a part of a label, the region of the body or the kind of label in a masked sentence."""
    spoken = [name for label in labels for name in names.spoken(label)]
    also = regions(language)
    if language == Language.EN:
        text = " ".join((*spoken, names.anatomy, names.noun))
        words = {word for word in re.findall(r"[a-z]+", text) if word not in _NOT_OF_A_LABEL and len(word) > 2}
        words |= {other for word in tuple(words) for other in also.get(word, ())}
        if task in _DISEASE:
            words |= {"lesion", "finding", "abnormality", "disease"}
        words |= {names.anatomy}
        either = "|".join(
            f"{re.escape(word)}(?:e?s)?" for word in sorted(words, key=lambda word: (-len(word), word)) if word
        )
        return re.compile(rf"\b(?:{either})\b") if either else None
    parts = {names.anatomy, *also.get(names.anatomy, ())} - {""}
    parts |= {f"{part.removesuffix('部')}组织" for part in parts if part.endswith("部")}
    for name in spoken:
        bare = re.sub(r"^[左右双]侧?", "", name)
        parts |= {bare, *also.get(bare, ())} - {""}
        # Of 肾肿瘤, 肿瘤 is said again; so is 心肌 of 左心室心肌.
        parts |= {bare[start:] for start in range(1, len(bare) - 1)}
    if task in _DISEASE or names.noun in ("病变", "疾病", "表现"):
        parts |= {"病变", "病灶", "疾病"}
    either = "|".join(map(re.escape, sorted(parts, key=lambda part: (-len(part), part))))
    return re.compile(either) if either else None


def _english(facts: Facts, text: str, *, asked: bool) -> tuple[str, str] | None:
    told = _told(facts)
    found = (
        _claimed(facts, text, told, asked=asked)
        or _sides(facts, text)
        or _numbers(facts, text)
        or agrees(facts, text)
        or relation_holds(facts, text)
        or larger(facts, text)
    )
    if found is not None:
        return found
    named = any_modality(facts.language)  # whether it is the right one is another check's question
    for word in _TOKEN.findall(_SIMILE.sub(" ", named.sub(" ", _WINDOW.sub(" ", text)))):
        bare = word.removesuffix("'s")
        if len(bare) > 1 and not is_plain(bare) and bare not in told:
            return "word not resolved", f'"{bare}" is neither in the record nor a word for what can be seen'
    return None


@functools.lru_cache(maxsize=256)
def _known(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))


def _told(facts: Facts) -> frozenset[str]:
    """Return the English words that the writer was shown beside the labels."""
    axis = str(facts.annotation.provenance.get("axis", ""))
    return _known((str(facts.annotation.department), facts.names.noun, axis, *facts.knowledge, *facts.measures))


_AXES = {
    "axial": ("axial", "transvers", "transaxial", "轴", "横"),
    "coronal": ("coronal", "冠"),
    "sagittal": ("sagittal", "矢"),
}
_WINDOW = re.compile(
    r"\b(lung|bone|brain|soft tissue|abdom\w+|mediastin\w+|liver|stroke|subdural|narrow|wide)(?: ct)? windows?"
)
_WINDOW_ZH = re.compile(r"(肺|骨|脑|软组织|腹部?|纵隔|肝脏?|窄|宽)窗")
_WINDOW_NAMES = {
    "lung": "lung", "bone": "bone", "brain": "brain", "soft tissue": "soft_tissue", "mediastin": "mediastinum",
    "liver": "liver", "肺": "lung", "骨": "bone", "脑": "brain", "软组织": "soft_tissue", "纵隔": "mediastinum",
    "肝": "liver", "肝脏": "liver",
}  # fmt: skip


def _claimed(facts: Facts, text: str, told: frozenset[str], *, asked: bool) -> tuple[str, str] | None:
    """Return a statement of a closed class that the record does not hold."""
    provenance = facts.annotation.provenance
    windows = _WINDOW if facts.language == Language.EN else _WINDOW_ZH
    for found in windows.finditer(text):
        window = next((name for word, name in _WINDOW_NAMES.items() if found[1].startswith(word)), found[1])
        if not str(provenance.get("window", "")).startswith(window):
            return "acquisition invented", f'the window of "{found.group()}" is not that of the image'
    text = windows.sub(" ", text)
    seen = [] if facts.language == Language.EN else [found.span() for found in visual_chinese().finditer(text)]
    own = " ".join(name for label in facts.annotation.labels for name in facts.names.spoken(label))
    axis = _AXES.get(str(provenance.get("axis", "")), ())
    source = facts.source.lower() if facts.language == Language.EN else ""
    for name, (everywhere, pattern) in claims(facts.language).items():
        if asked and not everywhere:
            continue
        for found in pattern.finditer(text):
            said = found.group()
            if any(start <= found.start() and found.end() <= end for start, end in seen):
                continue  # 结节 of 结节状 is no finding; 狭窄 is more than 窄
            if said == "性" and text[max(found.start() - 2, 0) : found.end()] in own:
                continue  # 增殖性 of the record's own 非增殖性糖尿病视网膜病变
            if name == "plane" and said.startswith(axis) and axis:
                continue
            words = re.findall(r"[a-z]+", said)
            if facts.language == Language.EN and words and told.issuperset(words):
                continue
            if source and said in source:
                continue
            return f"{name} invented" if name not in ("hedge", "advice") else name, _REASONS[name].format(
                said=_plain(said)
            )
    return None


def _plain(said: str) -> str:
    return re.sub(r"[\ue000-\uf8ff]", "…", said)


_REASONS = {
    "person": 'it says "{said}", but nothing is known about the person',
    "hedge": 'it says "{said}", which weakens what is known; state it',
    "advice": 'it says "{said}", which is advice',
    "treatment": 'it says "{said}", but no treatment or device is in the record',
    "history": 'it says "{said}", but nothing is known about earlier or later times',
    "cause": 'it says "{said}", but no cause or consequence is in the record',
    "finding": 'it says "{said}", which is no label of the record',
    "grade": 'it says "{said}", but no degree is in the record',
    "acquisition": 'it says "{said}", but the record does not say so of how the image was made',
    "plane": 'it says "{said}", which is not the plane or view of the record',
    "body": 'it says "{said}", a part of the body that the record does not have',
}

_FRAMES = (
    r"(?:hand )?(?:sides?|parts?|half|halves|thirds?|quarters?|portions?|regions?|areas?|zones?|corners?|edges?|"
    r"margins?|borders?|quadrants?|ends?|periphery)"
)
_SIDE = re.compile(r"\b(left|right)(?:most|ward|wards)?(?: (sided?|handed))?\b")
_OF_PATIENT = re.compile(r"(?:patient'?s?|person'?s?|subject'?s?|anatomical|anatomic|body'?s) (?:own )?$")
_BOTH = re.compile(
    r"\bbilateral\w*|\bunilateral\w*|\bcontralateral\w*|\bipsilateral\w*|"
    r"\b(?:either|both|each) sides? of the (?:body|patient|chest|abdomen|head)|"
    r"\bboth (?:eyes|lungs|breasts|kidneys|sides)"
)


_CONVENTION = re.compile(
    r"(?:patient|person|subject|body)'?s? (?:own )?(?P<of>left|right)(?: hand)?(?: side)?(?! of\b)[^.,;]*?"
    r"(?P<on>left|right)(?: hand)?(?: side)?"
    r"|(?P<on2>left|right)(?: hand)? (?:side )?of the (?:image|picture|slice|scan|screen)[^.,;]*?"
    r"(?:patient|person|subject|body)'?s? (?:own )?(?P<of2>left|right)(?: hand)?(?: side)?"
)
_CONVENTION_ZH = re.compile(
    r"(?:患者|病人|人体)的?(?P<of>左|右)侧?[^，。；]*?(?:图像?|画面|影像)[的中上]?(?P<on>左|右)侧?"
    r"|(?:图像?|画面|影像)[的中上]?(?P<on2>左|右)侧?[^，。；]*?(?:患者|病人|人体)的?(?P<of2>左|右)侧?"
)
_MIRRORED = ("axial", "coronal")
"""Slices are shown as if the viewer faced the patient or looked from the feet."""


def _without_convention(facts: Facts, text: str) -> tuple[str, bool]:
    """Take out what is said of how a slice is shown, "the patient's right is on the left"; say whether it is so."""
    pattern = _CONVENTION if facts.language == Language.EN else _CONVENTION_ZH
    for found in pattern.finditer(text):
        if re.search(LABEL, found.group()):
            continue
        mirrored = (found["of"] or found["of2"]) != (found["on"] or found["on2"])
        if not mirrored or facts.annotation.provenance.get("axis") not in _MIRRORED:
            return text, False
        text = text.replace(found.group(), " ")
    return text, True


def _sides(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a side of the patient that no label spoken of has."""
    wrong = "side invented"
    text, so = _without_convention(facts, text)
    if not so:
        return wrong, "the image is not shown with that side of the patient there"
    if found := _BOTH.search(text):
        return wrong, f'"{found.group()}" is said of no label and of no given box'
    for found in _SIDE.finditer(text):
        side, before, after = found[1], text[: found.start()], text[found.end() :]
        labels = [facts.names.label_of(mark) for mark in re.findall(LABEL, text)]
        has = any(side in label.split() for label in labels)
        of_patient = _OF_PATIENT.search(before) or re.match(
            rf" (?:{_FRAMES} )?(?:of|in) (?:the|this) (?:patient|body|person)", after
        )
        if of_patient or (
            found[2] in ("sided", "side")
            and not re.search(r"\b(?:the|its|image|picture) (?:\w+ )?$", before)
            and not re.match(r" of (?:the|this) (?:image|picture|slice|scan|frame|view|photo\w*|\w*gra(?:ph|m))", after)
        ):
            if not has:
                return wrong, f'"{found.group()}" is said of no label'
            continue
        if found[2] == "side" and re.match(rf" of (?:the |this |an? )?{WORD}", after):
            return wrong, f'"{found.group()}" is said of what has no side in the record'
        if re.match(r" (?:out|over|open|blank|to)\b", after) and re.search(r"\b(?:is|are|was|were|be|been) $", before):
            continue
        if re.match(rf" (?:{LABEL}|{WORD})(?! {_FRAMES})", after) and not re.search(
            r"\b(?:on|at|in|to|image|picture|upper|lower|middle|far) (?:the )?$", before
        ):
            return wrong, f'"{side}" is said of what has no side in the record'
        if re.match(rf" (?:{LABEL}|{WORD})", after) and re.search(r"\bthe $", before):
            return wrong, f'"{side}" is said of what has no side in the record'
        if not (facts.annotation.boxes or facts.boxes) and not any(side in position for position in facts.positions):
            return wrong, f'"{found.group()}" is said of no label and of no given box'
    return None


_COUNTED = re.compile(
    rf"\b(?P<number>{'|'.join(_SPELLED[2:])}|\d+|a pair of|a couple of|a dozen|pairs? of)(?: of the)?"
    rf"(?: (?!of\b|and\b|in\b|on\b|or\b)[a-z]+){{0,3}}? (?P<what>{LABEL}|{WORD}|"
    r"structures?|areas?|zones?|objects?|findings?|lesions?|regions?|boxes|cell types|types|kinds|organs?|labels?|"
    r"things|cells?|in (?:number|total|all)\b)"
)
_NOT_COUNTED = (
    "of and or parts? sides? halves ways? respects? aspects? features? steps? sentences? tones? words? are is differ "
    "lie can stand shown named visible to"
).replace(" ", "|")
_OTHER_COUNT = re.compile(rf"\b(?:{'|'.join(_SPELLED[2:])}) (?!(?:{_NOT_COUNTED})\b|dimension)[a-z]+")
_SEVERAL = re.compile(
    r"\b(?:multiple|several|numerous|many|various|plural|a (?:large |small )?number of|a few|countless|dozens of|both)"
    rf"(?: of)?(?: the)?(?: (?!of\b|and\b|in\b|on\b)[a-z]+){{0,2}}? (?P<what>{LABEL})(?!,? (?:and )?(?:the )?{LABEL})"
)
_ALONE = re.compile(
    rf"\b(?:single|solitary|lone|sole|only one|just one|exactly one|unique)(?: [a-z]+){{0,2}}? (?P<what>{LABEL})"
)
_SEVERAL_ZH = re.compile(
    rf"(?:多发性?|多[个枚处条张块颗粒]|数[个枚处条张块颗粒]|若干|几[个枚处条张块颗粒]|许多|众多|大量)(?:的)?(?P<what>{LABEL})"
)
_ALONE_ZH = re.compile(rf"(?:单发|唯一|仅有?一|只有一|单)[个枚处条张块颗粒]?的?(?P<what>{LABEL})")
_UNIT = re.compile(
    r"\b(?:\w+met(?:er|re)s?|mm|cm|µm|um|nm|microns?|inch(?:es)?|millilit\w+|ml|cc|houns\w+|hu|suv\w*|percent|"
    r"per cent|kilograms?|kg|grams?|degrees? celsius)\b|%"
)


def _numbers(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a count or a size that the boxes do not give."""
    if (found := _UNIT.search(text)) and not facts.measures:
        return "size invented", f'"{found.group()}" is measured by nothing in the record'
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
        if found["what"] == WORD and "measures" in text:
            continue
        what = found["what"]
        if what.startswith("in "):
            what = next(iter(re.findall(LABEL, text[: found.start()])[::-1]), what)
        pair = re.match(rf" {LABEL}(?! of)", text[found.end() :]) if count == 2 else None  # "two kidneys"
        if pair is None and not _count_holds(facts, count, what, text[found.end() :]):
            return "count invented", f'"{_plain(found.group())}" is not how many the record has'
        rest = rest.replace(found.group(), " ", 1)
    if (wrong := _miscounted(facts, text, several=_SEVERAL, alone=_ALONE)) is not None:
        return wrong
    if (found := _OTHER_COUNT.search(rest)) is not None:
        return "count invented", f'"{_plain(found.group())}" counts what the record does not count'
    return None


def _count_holds(facts: Facts, count: int, what: str, text: str = "") -> bool:
    annotation = facts.annotation
    if re.fullmatch(LABEL, what):
        return _boxes_count(facts, facts.names.label_of(what)) == count
    listed = (set(re.findall(LABEL, clause)) for clause in re.split("[;；]", text))
    if count in map(len, listed):  # "four chambers, namely …"
        return True
    if what == WORD:  # a part of a label's name: cells, kidneys
        counts = [_boxes_count(facts, label) for label in annotation.labels]
        alike: dict[str, int] = {}
        for label, each in zip(annotation.labels, counts, strict=True):
            head = label.split()[-1].removesuffix("s")
            alike[head] = alike.get(head, 0) + (each or 0)
        return count in (*counts, *alike.values(), len(annotation.labels), sum(each or 0 for each in counts))
    if what.startswith(("region", "box")):
        return count in (len(annotation.boxes), len(facts.boxes), len(annotation.labels))
    return count in (len(annotation.labels), len(annotation.boxes), len(facts.boxes))


def _miscounted(facts: Facts, text: str, *, several: re.Pattern[str], alone: re.Pattern[str]) -> tuple[str, str] | None:
    """Return "several" or "a single" of a label whose regions are counted, and are not so many."""
    for pattern in (several, alone):
        for found in pattern.finditer(text):
            label = facts.names.label_of(found["what"])
            counted = _boxes_count(facts, label) if known_boxes(facts, label) else None
            if counted is not None and (counted <= 1 if pattern is several else counted != 1):
                return "count invented", f'"{_plain(found.group())}" is not how many the record has'
    return None


def _boxes_count(facts: Facts, label: str) -> int | None:
    """Return how many regions of a label there are, or None where that is not known."""
    boxes = known_boxes(facts, label)
    if not boxes:
        return 1 if label in facts.annotation.labels and not facts.annotation.boxes else None
    names = facts.names
    if label in facts.annotation.incomplete or not (names.exhaustive and names.one_box_per_region):
        return None
    return len(boxes)


_COUNT_ZH = re.compile(
    rf"(?P<number>[{_HAN}两双\d]+)(?P<of>[个枚处只条张块颗粒片类种]|侧)(?=(?P<what>[^，。；、]{{0,6}}))"
)
_UNIT_ZH = re.compile(r"毫米|厘米|公分|微米|毫升|mm|cm|μm|um|%|百分之|公斤|千克|hu(?![a-z])")
_SIDE_ZH = re.compile(
    r"(?P<frame>(?:图像|图片|图|画面|影像|视野|照片|像)(?:的|中|内|上|偏)?)?(?P<side>左|右|双|两)(?P<rest>侧|眼|边|上部?|下部?|中部?|部|半|缘|方|前|后|面|肢)?"
)


def _chinese(facts: Facts, text: str, *, asked: bool) -> tuple[str, str] | None:
    plain = re.sub(r"\s+", "", text)
    found = _sides_zh(facts, plain) or _numbers_zh(facts, plain)
    if found is None:
        found = agrees(facts, plain) or relation_holds(facts, plain) or larger(facts, plain)
    if found is not None:
        return found
    for known in (str(facts.annotation.department), facts.names.noun, *facts.knowledge):
        plain = plain.replace(known, " ") if known else plain
    plain = plain.replace(CHINESE[facts.annotation.department], " ")
    return _claimed(facts, plain, frozenset(), asked=asked)


def _sides_zh(facts: Facts, text: str) -> tuple[str, str] | None:
    wrong = "side invented"
    text, so = _without_convention(facts, text)
    if not so:
        return wrong, "the image is not shown with that side of the patient there"
    for found in _SIDE_ZH.finditer(text):
        after = text[found.end() :]
        side = {"左": "left", "右": "right"}.get(found["side"])
        if side is None:
            if found["frame"] and facts.annotation.boxes:
                continue
            if found["rest"] in ("侧", "眼") and not re.match(r"(?:边缘|缘|边界)", after):
                return wrong, f'"{found.group()}" is said of no label and of no given box'
            continue
        if found["rest"] is None and not re.match(rf"[一-鿿]|{LABEL}|{WORD}", after):
            continue
        labels = [facts.names.label_of(mark) for mark in re.findall(LABEL, text)]
        of_patient = re.search(r"(?:患者|病人|人体|解剖|身体)的?$", text[: found.start()]) or (
            # 右侧可见气胸 is said of the patient where no picture was spoken of.
            found["rest"] == "侧"
            and re.match("(?:可?见|有|存在|出现)", after)
            and not re.search("[图画影]|视野|照片|[左右上下]", text[: found.start()] + (found["frame"] or ""))
        )
        bound = re.match(rf"(?:{LABEL}|{WORD})", after) and found["rest"] in (None, "侧") and not found["frame"]
        if (
            of_patient
            or bound
            or found["rest"] in ("眼", "肢", "前", "后", "面")
            or (found["rest"] is None and not found["frame"])
        ):
            if not (of_patient and any(side in label.split() for label in labels)):
                return wrong, f'"{found.group()}" is said of no label that has it'
            continue
        if not (facts.annotation.boxes or facts.boxes) and not any(
            word in position for position in facts.positions for word in (side, found["side"])
        ):
            return wrong, f'"{found.group()}" is said of no label and of no given box'
    return None


def _numbers_zh(facts: Facts, text: str) -> tuple[str, str] | None:
    if (found := _UNIT_ZH.search(text)) and not facts.measures:
        return "size invented", f'"{found.group()}" is measured by nothing in the record'
    if (wrong := _miscounted(facts, text, several=_SEVERAL_ZH, alone=_ALONE_ZH)) is not None:
        return wrong
    for found in _COUNT_ZH.finditer(text):
        count = _han_count(found["number"])
        if count is None or count <= 1 or found["of"] in "片":
            continue
        what = next(iter(re.findall(rf"{LABEL}|{WORD}", found["what"])), "")
        if found["of"] in "类种":
            holds = count == len(facts.annotation.labels)
        elif what:
            holds = _count_holds(facts, count, what)
        elif found["of"] == "侧":
            continue
        else:
            before = re.findall(LABEL, text[: found.start()])
            holds = _count_holds(
                facts, count, before[-1] if before and not re.match("结构|部分|区域|层", found["what"]) else "structure"
            )
        if not holds and not re.match("部分|方面|层次?", found["what"]):
            return "count invented", f'"{_plain(found.group())}" is not how many the record has'
    return None


def _han_count(word: str) -> int | None:
    if word.isdigit():
        return int(word)
    if word in ("两", "双"):
        return 2
    return _HAN.index(word) if word in _HAN and len(word) == 1 else 99
