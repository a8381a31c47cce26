"""Does a text agree with its record: labels, modality, boxes, numbers and sides."""

import re

from gmai_data.checks.facts import TAG, Facts, modality_pattern, other_modalities
from gmai_data.vocabulary import Kind, Language

_NEGATION = {
    Language.EN: re.compile(r"\b(?:no|not|without|absence of|absent|free of|negative for|neither|nor|exclud\w+|n't)\b"),
    Language.ZH: re.compile(r"无|没有|未见|不见|未发现|未显示|排除|不是|并非"),
}
_BOX = re.compile(r"<box>\[(?:\[\d+(?:, \d+){3}\](?:, )?)+\]</box>")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*|(?<=[\u4e00-\u9fff])\d+(?:\.\d+)*")
_SPELLED_SIZE = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half)[- ](?:a[- ])?"
    r"(?:mm|cm|milli\w+|centi\w+|year|month|week|day)s?\b"
)
_CHINESE_SIZE = re.compile(r"[一二三四五六七八九十两半]+(?:毫米|厘米|岁|公分|个月|周)")
_SIDES = {
    Language.EN: {
        "left": re.compile(r"\bleft\b"),
        "right": re.compile(r"\bright\b"),
        "bilateral": re.compile(r"\bbilateral\w*\b"),
    },
    Language.ZH: {"left": re.compile("左"), "right": re.compile("右"), "bilateral": re.compile("双侧|两侧")},
}
_SIDE_WORDS = {"left": ("left", "左"), "right": ("right", "右"), "bilateral": ("bilateral", "双侧", "两侧")}
_MOST_NAMED = 6
"""Of an image with more labels a caption need not name all."""


def labels_mentioned(facts: Facts, answers: str) -> str | None:
    """Return which labels the answers must name and do not."""
    labels = [box.label for box in facts.boxes] if facts.kind == Kind.REGION_CAPTION else facts.annotation.labels
    wanted = list(dict.fromkeys(labels))
    if not wanted:
        return None
    named = {mention.label for mention in facts.names.mentions(answers)}
    missing = [label for label in wanted if label not in named]
    if facts.kind == Kind.IMAGE_CAPTION and len(wanted) > _MOST_NAMED:
        return None if len(wanted) - len(missing) >= _MOST_NAMED else f"it names fewer than {_MOST_NAMED} labels"
    if facts.kind in (Kind.IMAGE_CAPTION, Kind.REGION_CAPTION):
        return f'it does not name "{missing[0]}"' if missing else None
    return f'it names none of the labels, such as "{missing[0]}"' if len(missing) == len(wanted) else None


def labels_contradicted(facts: Facts, answers: str) -> str | None:
    """Return a label that the answers deny although it is there, or state although it is absent."""
    present, absent = set(facts.annotation.labels), set(facts.annotation.absent)
    for mention in facts.names.mentions(answers):
        denied = _NEGATION[facts.language].search(mention.before) is not None
        if mention.label in present and denied:
            return f'it denies "{mention.label}", which the image shows'
        if mention.label in absent and not denied:
            return f'it states "{mention.label}", which the image does not show'
    return None


def modality_contradicted(facts: Facts, turns: tuple[tuple[str, str], ...]) -> str | None:
    """Return another modality that a question or answer names; a question may offer it beside the right one.

    A text without a modality may speak of any.
    """
    if facts.annotation.modality is None:
        return None
    own = modality_pattern(facts.annotation.modality, facts.language)
    any_other, others = other_modalities(facts.annotation.modality, facts.language)
    names = " ".join((*facts.annotation.labels, facts.annotation.anatomy, facts.source)).lower()
    for question, answer in turns:
        for text in (answer,) if own.search(question) else (question, answer):
            if not any_other.search(text):
                continue
            for modality, pattern in others:
                if (found := pattern.search(text)) and not pattern.search(names):
                    return f'it speaks of "{found.group()}" ({modality}), but the image is {facts.annotation.modality}'
    return None


def boxes_changed(facts: Facts, text: str) -> str | None:
    """Return what is wrong with the boxes of a text: unknown, out of form, given to another label, or left out."""
    found = _BOX.findall(text)
    known = {reference[reference.index("<box>") :] for reference in facts.references}
    if text.count("<box>") != len(found) or text.count("</box>") != len(found):
        return "a box tag is not of the form <box>[[x1, y1, x2, y2]]</box>"
    for tag in found:
        if tag not in known:
            return f"the box {tag} is not one of those given"
    references = re.findall(r"<ref>[^<]*</ref>(?:<box>[^<]*</box>)?", text)
    for reference in references:
        if reference not in facts.references:
            return f"the reference {reference} is not one of those given"
    if text.count("<ref>") != len(references) or text.count("</ref>") != len(references):
        return "a ref tag is not of the form <ref>label</ref><box>…</box>"
    if facts.kind == Kind.REGION_CAPTION:
        for reference in facts.references:
            if reference not in text:
                return f"the reference {reference} is missing"
    return None


def numbers_invented(facts: Facts, text: str) -> str | None:
    """Return a number that stands neither in the record nor in the source; text inside tags is not looked at."""
    bare = TAG.sub(" ", text)
    for pattern in (_SPELLED_SIZE, _CHINESE_SIZE):
        if (found := pattern.search(bare)) and found.group() not in facts.source.lower():
            return f'"{found.group()}" is neither in the record nor measurable in the image'
    numbers = _NUMBER.findall(bare)
    if not numbers:
        return None
    annotation = facts.annotation
    known = set(_NUMBER.findall(" ".join((*annotation.labels, *annotation.absent, annotation.anatomy, facts.source))))
    for number in numbers:
        if number not in known:
            return f'the number "{number}" is not in the record'
    return None


def sides_invented(facts: Facts, text: str) -> str | None:
    """Return "left", "right" or "bilateral" where neither a label nor the position of a given box has it."""
    bare = TAG.sub(" ", text)
    annotation = facts.annotation
    known = " ".join((*annotation.labels, annotation.anatomy, *facts.positions, facts.source)).lower()
    has = {side: any(word in known for word in words) for side, words in _SIDE_WORDS.items()}
    has["bilateral"] = has["bilateral"] or (has["left"] and has["right"])
    for side, pattern in _SIDES[facts.language].items():
        if not has[side] and (found := pattern.search(bare)):
            return f'"{found.group()}" is said of no label and of no given box'
    return None
