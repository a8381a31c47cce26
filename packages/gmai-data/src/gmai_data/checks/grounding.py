"""Does a text agree with its record: labels, modality, boxes, numbers and sides."""

import re
import unicodedata

from gmai_data.annotation import boxes_of
from gmai_data.checks.counts import what_is_there
from gmai_data.checks.denial import possibly, surely
from gmai_data.checks.facts import AXES, TAG, Facts, Mention, modality_pattern, other_modalities, used_by
from gmai_data.checks.lexicon import scenery
from gmai_data.checks.masking import label_words, words_of_region
from gmai_data.vocabulary import Kind, Language

_BOX = re.compile(r"<box>\[(?:\[\d+(?:, \d+){3}\](?:, )?)+\]</box>")
_NUMBER = re.compile(r"(?:(?<![\w.])|(?<=[\u4e00-\u9fff]))(?![23][- ]?d(?:imension\w*)?(?![a-z]))\d+(?:[.,]\d+)*")
"""A picture of two dimensions, `2D`, counts nothing."""
_CIRCLED = re.compile("[①-⑳❶-❿]")
_ITEM = re.compile(
    r"(?:^|(?<=[\s:：;；。]))[(（]?\d{1,2}[.)、）](?=\s|[^\d\s])"
    r"|\b(?:step|point|item|part|question|answer) ?#?\d{1,2} ?[.:)\u2013\u2014]|\b[qa]\d{1,2}[.:)]"
    r"|第 ?\d{1,2} ?[步点条项]|(?:步骤|要点|问题?|答案?) ?\d{1,2} ?[.:：)）、]",
    re.IGNORECASE,
)
"""The number of an item of a list, or of a step, states nothing."""
_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_SPELLED_SIZE = re.compile(
    rf"\b({'|'.join(_WORDS)}|half)[- ](?:a[- ])?(?:mm|cm|milli\w+|centi\w+|year|month|week|day)s?\b"
)
_HAN_DIGITS = "一二三四五六七八九"
_CHINESE_SIZE = re.compile(
    rf"([{_HAN_DIGITS}十两半]+)(?:毫米|厘米|岁|公分|个月)|([二三五六七八九十两]|[{_HAN_DIGITS}十]{{2,}})周"
)
"""四周 and 一周 are mostly "all around"."""
_HAN_NUMBER = re.compile(rf"(?:([{_HAN_DIGITS}])?(十))?([{_HAN_DIGITS}两])?")
_RATIO = re.compile(r"(?<![\d:.])\d+(?:\.\d+)?[:∶]\d+(?:\.\d+)?(?![\d:])")
_SHOWN = re.compile(r"\b(?:window\w*|levels?|width|percentiles?|slice|section|stack|series)\b|窗|百分位|层")
"""Where a text speaks of how an image is shown, it may say the numbers of its window and its slice."""
_WORD_OR_HAN = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b|[{_HAN_DIGITS}十两]+")
_SIDES = {
    Language.EN: {
        "left": re.compile(r"\bleft\b"),
        "right": re.compile(r"\bright\b"),
        "bilateral": re.compile(r"\bbilateral\w*\b"),
    },
    Language.ZH: {"left": re.compile("左"), "right": re.compile("右"), "bilateral": re.compile("双侧|两侧")},
}
_SIDE_WORDS = {"left": ("left", "左"), "right": ("right", "右"), "bilateral": ("bilateral", "双侧", "两侧")}
_UNLIKE = re.compile(
    r"(?:\b(?:not?|unlike|rather than|instead of|without|like|similar to|akin to|compared (?:with|to)|than)\s+"
    r"(?:(?:an?|any|the|in|with)\s+)*|"
    r"不是|并非|而非|不同于|不使用|不用|无需|不需要?|没有|不涉及|类似于?|好比|相比于?)$"
)
_AKIN_ZH = re.compile(r"^(?:检查|成像)?的?(?:原理)?(?:相似|类似|相近|不同|相比|一样)")
"""Around a modality that the image is said not to be, or to be like."""
_MOST_NAMED = 6
"""Number of labels from which a caption need not name them all."""


def labels_mentioned(facts: Facts, answers: str) -> str | None:
    """Return which labels the answers must name and do not."""
    labels = [box.label for box in facts.boxes] if facts.kind == Kind.REGION_CAPTION else facts.annotation.labels
    wanted = list(dict.fromkeys(labels))
    if not wanted:
        return None
    mentions = facts.names.mentions(answers)
    named = {mention.label for mention in mentions}
    named |= {mention.opposite for mention in mentions if _possibly(mention, facts)}
    missing = [label for label in wanted if label not in named and not _named_in_parts(facts, label, answers)]
    if facts.kind == Kind.IMAGE_CAPTION and len(wanted) > _MOST_NAMED:
        return None if len(wanted) - len(missing) >= _MOST_NAMED else f"it names fewer than {_MOST_NAMED} labels"
    if facts.kind in (Kind.IMAGE_CAPTION, Kind.REGION_CAPTION):
        return f'it does not name "{missing[0]}"' if missing else None
    if len(missing) < len(wanted) or _speaks_of(facts, tuple(wanted), answers) or _explains_picture(facts, answers):
        return None
    return f'it names none of the labels, such as "{missing[0]}"'


def _speaks_of(facts: Facts, labels: tuple[str, ...], answers: str) -> bool:
    """Return whether a text has a word of a label, or of what kind it is: "the bleed", "both bones"."""
    words = label_words(labels, facts.names, facts.language)
    return words is not None and words.search(facts.names.folded(answers)) is not None


_EXPLAINS = {
    Language.EN: re.compile(
        r"\b(?:works?|working|measur\w+|made|making|formed|absor\w+|reflect\w*|emit\w*|sends?|sent|echo\w*|"
        r"detect\w*|builds?|built|comput\w+|"
        r"magnet\w*|waves?|beams?|rays|radiation|orient\w*|viewed|look(?:s|ing)? at|convention\w*|displayed|slices|"
        r"draws?|shades?|window|gr[ae]y values?|resolution)\b"
    ),
    Language.ZH: re.compile(
        "原理|利用|依靠|借助|成像|反射|吸收|磁场|声波|射线|信号|计算机|采用|相当于|对应|习惯|惯例|分辨率|反映|灰度|发射|接收|探测|摄取|标记|染色"
    ),
}
"""What a text that names no label says if it explains how such an image is made or read."""


def _explains_picture(facts: Facts, answers: str) -> bool:
    """Return whether a text explains how an image of the record's modality, plane or region is made or read."""
    if not _EXPLAINS[facts.language].search(answers):
        return False
    modality, text = facts.annotation.modality, facts.names.folded(answers)
    axis = AXES.get(str(facts.annotation.provenance.get("axis", "")), ())
    around = scenery(str(modality), facts.language)
    return (
        (modality is not None and modality_pattern(modality, facts.language).search(answers.lower()) is not None)
        or (around is not None and around.search(answers) is not None)
        or any(word in text for word in axis)
        or ("window" in facts.annotation.provenance and re.search("window|窗", text) is not None)
        or any(_says(text, word, facts.language) for word in words_of_region(facts.names, facts.language))
    )


def _named_in_parts(facts: Facts, label: str, answers: str) -> bool:
    """Return whether a text names a part of the body, and what of it the label is: "the thyroid, with a nodule"."""
    region, text = facts.names.anatomy, facts.names.folded(answers)
    parts = [
        (region, name.removeprefix(region).strip()) for name in facts.names.spoken(label) if name.startswith(region)
    ]
    parts += [(of.removeprefix("the "), what) for name in facts.names.spoken(label)
              for what, between, of in [name.partition(" of ")] if between]  # fmt: skip
    return any(
        what and of and _says(text, of, facts.language) and _says(text, what, facts.language) for of, what in parts
    )


def _says(text: str, words: str, language: Language) -> bool:
    bounds = (r"\b", r"(?:e?s)?\b") if language == Language.EN else ("", "")
    return re.search(f"{bounds[0]}{re.escape(words)}{bounds[1]}", text) is not None


_OFFERS = {
    Language.EN: re.compile(
        r"(?:(?<=[.:?!\"“\n] )|(?<=\n)|(?<=[\"“])|^)(?:(?:is|are|does|do|would|could|can|did|was|were|so)\b[^.?!\n]*|"
        r"[^.?!\n]*\bor\b[^.?!\n]*)\?"
    ),
    Language.ZH: re.compile(
        "(?:(?<=[。：:？！\n])|^)[^。？！?\n：:]*(?:吗|是否|还是|是不是|有没有|有无|或|哪)[^。？！?\n：:]*[？?]"
    ),
}
"""A question that can be answered by no, or offers several: it states none of the labels that it names."""


def labels_contradicted(facts: Facts, answers: str) -> str | None:
    """Return a label that the answers deny although it is there, or another one that they state."""
    present, absent = set(facts.annotation.labels), set(facts.annotation.absent)
    # Where a dyed polyp is, "the polyp" is no other one, and the region has its name whatever lies in this slice.
    named = (what_is_there(label.lower()) for label in present)
    known = f" {' '.join((*named, facts.annotation.anatomy.lower()))} "
    for mention in facts.names.mentions(_OFFERS[facts.language].sub(" ", answers)):
        label, opposite = mention.label, mention.opposite
        if (label in present and _surely(mention, facts)) or (opposite in absent and _surely(mention, facts)):
            return f'it denies "{label or opposite.removeprefix("no ")}", which the image shows'
        states = label not in ("", *present) and f" {label.lower()} " not in known
        if (states or opposite in present) and not _possibly(mention, facts) and not _on_the_scale(mention, facts):
            return f'it states "{label or opposite.removeprefix("no ")}", which the record does not have'
    return None


_SCALE = {
    Language.EN: (
        re.compile(
            r"\b(?:from|between|rang\w+|scales?|lower(?! (?:part|half|third))|higher|below|above|beyond|short of|up to|"
            r"than|next to)\b[^.;:]{0,40}$"
            r"|\d ?(?:to|through|-|–) ?$"
        ),
        re.compile(r"^\s*(?:to|through|-|–)\s"),
    ),
    Language.ZH: (
        re.compile("[从由]|[低高大小重轻]于|之间|分为|范围|介于|比[^，。；]*$|[0-9]\\s*[至到~～—-]\\s*$"),
        re.compile("^\\s*[至到~～—-]"),
    ),
}
"""Before and behind a level of the card's scale that is named to tell the scale."""
_OF_THE_KINDS = {
    Language.EN: re.compile(
        r"\b(?:two|three|four|five|six|both|possible|other) "
        r"(?:kinds|types|grades|classes|categories|groups|forms|answers|options)\b[^.;]*$|\beither [^.;]*$"
    ),
    Language.ZH: re.compile("[两二三四五六](?:种|类|型|级|个等级)[^。；]*$"),
}
"""What tells the kinds that there are: "of the two kinds, X and Y, this is the second"."""


def _on_the_scale(mention: Mention, facts: Facts) -> bool:
    """Return whether a level of the card's scale is named to tell the scale: "from grade 0 to grade 4"."""
    before, after = _SCALE[facts.language]
    if _OF_THE_KINDS[facts.language].search(mention.before):
        return True
    return mention.label in facts.names.levels.values() and bool(
        before.search(mention.before) or after.search(mention.after)
    )


def _surely(mention: Mention, facts: Facts) -> bool:
    return surely(mention.before, mention.after, facts.language)


def _possibly(mention: Mention, facts: Facts) -> bool:
    return possibly(mention.before, mention.after, facts.language)


def modality_contradicted(facts: Facts, turns: tuple[tuple[str, str], ...]) -> str | None:
    """Return another modality that a question or answer names.

    A question may offer it beside the right one, and so may the answer of a text without an image, which may compare.
    "Not a CT" names none. A text without a modality may speak of any.
    """
    if facts.annotation.modality is None:
        return None
    own = modality_pattern(facts.annotation.modality, facts.language)
    any_other, others = other_modalities(facts.annotation.modality, facts.language)
    uses = used_by(facts.annotation.modality)
    names = " ".join((*facts.annotation.labels, facts.annotation.anatomy, facts.source)).lower()
    for question, answer in turns:
        for text in (question, answer):
            if (text == question or facts.kind == Kind.TEXT_ONLY) and own.search(text):
                continue
            rest = uses.sub(" ", text) if uses else text
            if not any_other.search(rest):
                continue
            for modality, pattern in others:
                if pattern.search(names):
                    continue
                found = next(
                    (
                        each
                        for each in pattern.finditer(rest)
                        if not _UNLIKE.search(rest[: each.start()]) and not _AKIN_ZH.search(rest[each.end() :])
                    ),
                    None,
                )
                if found is not None:
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
    bare = _ITEM.sub(" ", unicodedata.normalize("NFKC", TAG.sub(" ", _CIRCLED.sub(" ", text))))
    numbers = _NUMBER.findall(bare)
    patterns = (_SPELLED_SIZE,) if bare.isascii() else (_SPELLED_SIZE, _CHINESE_SIZE)
    spelled = [found for pattern in patterns for found in pattern.finditer(bare)]
    if not numbers and not spelled:
        return None
    annotation = facts.annotation
    spoken = [name for label in (*annotation.labels, *annotation.absent) for name in facts.names.spoken(label)]
    named = (*annotation.labels, *annotation.absent, *spoken, annotation.anatomy)
    millimetres = [size for each in facts.measures for size in (each.width, each.height)]
    sizes = [form for size in millimetres for form in (f"{size}", f"{size / 10:g}", f"{size / 10:.1f}")]
    shown = [str(annotation.provenance.get(key, "")) for key in ("window", "slice")] if _SHOWN.search(bare) else []
    known_text = " ".join((*named, *sizes, *shown, facts.source, facts.question)).lower()
    known_text = unicodedata.normalize("NFKC", known_text)
    if (ratio := _RATIO.search(bare)) and ratio.group() not in known_text:
        return f'the ratio "{ratio.group()}" is not in the record'
    counts = {len(annotation.labels), *(len(boxes_of(annotation, label)) for label in annotation.labels)} - {0}
    known = {
        *map(str, counts),
        *_NUMBER.findall(known_text),
        *(_value(word) for word in _WORD_OR_HAN.findall(known_text)),
    }
    for found in spelled:
        if found.group() not in known_text and _value(found.group(found.lastindex or 1)) not in known:
            return f'"{found.group()}" is neither in the record nor measurable in the image'
    for number in numbers:
        if number not in known:
            return f'the number "{number}" is not in the record'
    return None


def _value(word: str) -> str:
    """Return a number in words of English (to twelve) or Chinese (to 99) in digits, or the word where it is none."""
    if word in _WORDS:
        return str(_WORDS.index(word) + 1)
    found = _HAN_NUMBER.fullmatch(word)
    if found is None:
        return word
    tens, ten, ones = found.groups()
    value = 10 * (_HAN_DIGITS.index(tens) + 1 if tens else 1) if ten else 0
    return str(value + (2 if ones == "两" else _HAN_DIGITS.index(ones) + 1 if ones else 0))


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
