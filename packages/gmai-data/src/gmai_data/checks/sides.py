"""Sides of the patient that a masked sentence states, held to the labels that have one and to how a slice is shown."""

import re

from gmai_data.checks.counts import how_many
from gmai_data.checks.facts import Facts
from gmai_data.checks.lexicon import LABEL, WORD
from gmai_data.checks.places import known_boxes, mirrored, place, shown_on
from gmai_data.vocabulary import Language

_FRAMES = (
    r"(?:hand )?(?:sides?|parts?|half|halves|thirds?|quarters?|portions?|regions?|areas?|zones?|corners?|edges?|"
    r"margins?|borders?|quadrants?|ends?|periphery)"
)


_SIDE = re.compile(r"\b(left|right)(?:most|ward|wards)?(?: (sided?|handed))?\b")


_OF_PATIENT = re.compile(r"(?:\byour|patient'?s?|person'?s?|subject'?s?|anatomical|anatomic|body'?s) (?:own )?$")


_BOTH = re.compile(
    r"\bbilateral\w*|\bunilateral\w*|\bcontralateral\w*|\bipsilateral\w*|"
    r"\b(?:either|both|each) sides? of the (?:body|patient|chest|abdomen|head)|"
    rf"\bboth (?:eyes|lungs|breasts|kidneys|sides(?! of (?:it|them|this|that|these|the {LABEL}|{LABEL}|"
    r"the (?:\w+ )?(?:lines?|gap|band|edge|border|split|break|stripe))\b))"
)


_AGREED = re.compile(r"(?:^|[:;.\"'\u201c] ?)\W*(?:that's |you're |quite |exactly )?right(?=[,.!;]| \u2014| -)")
"""The teacher's "Right, …" names no side."""


_OTHER = {"left": "right", "right": "left"}
_BETWEEN_SIDES = r"(?:(?!\b(?:left|right|former|latter|others?|while|whereas)\b)[^.;])*?"
"""What stands between a side of the picture and one of the patient; other sides are other statements."""
_CONVENTION = re.compile(
    rf"(?:patient|person|subject|body)'?s? (?:own )?(?P<of>left|right)(?: hand)?(?: side)?(?! of\b){_BETWEEN_SIDES}"
    r"(?P<on>left|right)(?: hand)?(?: side)?(?: of the (?:image|picture|slice|scan|screen))?"
    rf"|(?P<on2>left|right)(?: hand)? (?:side )?of the (?:image|picture|slice|scan|screen){_BETWEEN_SIDES}"
    r"(?:patient|person|subject|body)'?s? (?:own )?(?P<of2>left|right)(?: hand)?(?: side)?"
    r"(?! (?:hand |side )*(?:is|lies|appears?|stands|sits|corresponds|comes)\b)"
)


_PICTURE_ZH = "(?:图像?|图片|画面|影像|片子|照片)"
_BETWEEN_SIDES_ZH = "(?:(?![左右]|[前后]者|另)[^。；])*?"
_CONVENTION_ZH = re.compile(
    rf"(?:患者|病人|人体)的?(?P<of>左|右)侧?{_BETWEEN_SIDES_ZH}{_PICTURE_ZH}[的中上]?(?P<on>左|右)侧?"
    rf"|{_PICTURE_ZH}[的中上]?(?P<on2>左|右)侧?{_BETWEEN_SIDES_ZH}(?:患者|病人|人体)的?(?P<of2>左|右)侧?"
    "(?!侧?(?:则|就|恰好)?(?:位于|在|显示|出现|对应))"
    r"|(?:患者|病人|人体)的?(?P<of3>左|右)侧?(?:显示|位|在|出现)[在于]?(?P<on3>左|右)[侧边](?![^，。；]*图)"
)


_BECAUSE = re.compile(r"(?:\b(?:as|because|since|for|so)|由于|因为|因)(?: the)? (?=\s*(?:[,，.。]|$))")
"""What gives the way a slice is shown as the reason, once that is taken out."""


def _names_one_side(found: re.Match[str]) -> bool:
    of, on = (
        [side for name, side in found.groupdict().items() if name.startswith(which) and side] for which in ("of", "on")
    )
    return of == on


def without_convention(facts: Facts, text: str) -> tuple[str, bool]:
    """Take out what is said of how a slice is shown, "the patient's right is on the left"; say whether it is so."""
    pattern = _CONVENTION if facts.language == Language.EN else _CONVENTION_ZH
    for found in pattern.finditer(text):
        if re.search(LABEL, found.group()):
            if facts.language == Language.ZH and mirrored(facts) and _names_one_side(found):
                return text, False
            continue
        other_side = not _names_one_side(found)
        if not other_side or not mirrored(facts):
            return text, False
        text = text.replace(found.group(), " ")
    if text.isspace() or not re.search(r"\w", text):
        return " ", True
    return _BECAUSE.sub(" ", text), True


_OFF_CENTRE = 0.06
"""Share of the width that the centre of what lies on one side of the body is off the middle of the image."""


def _is_of_that_side(facts: Facts, labels: list[str], side: str, *, off: float = _OFF_CENTRE) -> bool:
    """Return whether a slice that is shown mirrored has one of the labels on the other side of the image."""
    if not mirrored(facts):
        return False
    places = [place(box, facts)[0] for label in labels for box in known_boxes(facts, label)]
    return any(x <= 0.5 - off if side == "right" else x >= 0.5 + off for x in places)


def _has_side(facts: Facts, side: str, before: str, after: str, *, towards: bool) -> bool:
    """Return whether what a side of the patient is said of has it, by its name or by its boxes.

    Args:
        facts: Of the text.
        side: `left` or `right`.
        before: The masked sentence up to the side.
        after: And behind it.
        towards: It lies in that direction, however little.
    """
    about = [facts.names.label_of(mark) for mark in _spoken_of(before, after)] or list(facts.annotation.labels)
    off = 0.0 if towards else _OFF_CENTRE
    return any(side in label.split() for label in about) or _is_of_that_side(facts, about, side, off=off)


def _is_one_of_a_pair(facts: Facts, side: str, before: str, after: str) -> bool:
    """Return whether a label without a side lies on both sides of the body, and all of its clause on this one."""
    clause = _CLAUSE_MARKS.split(before)[-1] + _CLAUSE_MARKS.split(after)[0]
    labels = [facts.names.label_of(mark) for mark in re.findall(LABEL, clause)]
    about = [label for label in labels if not {"left", "right"} & set(label.split())]
    other = _OTHER[side]
    return any(_is_of_that_side(facts, [label], other) for label in about) and all(
        _is_of_that_side(facts, [label], side) for label in labels
    )


_CLAUSE_MARKS = re.compile("[,;，；。]")
_CALLED = re.compile(rf"\b(former|latter)\b(?!.*(?:{LABEL}))|([前后])者(?!.*(?:{LABEL}))")
"""Which of two labels the rest of a text is about, where none is named behind it."""


def _spoken_of(before: str, after: str) -> list[str]:
    """Return the mark of the label that a side between two parts of a sentence is said of, if any."""
    here = re.split(r"[,;:，；：]| and ", before)[-1]
    if not re.search(LABEL, here) and (named := re.match(rf"[^,;:，；：]*?({LABEL})", after)):
        return [named[1]]
    named = re.findall(LABEL, before)
    if (called := list(_CALLED.finditer(before))) and len(pair := re.findall(LABEL, before[: called[-1].start()])) > 1:
        return [pair[-2] if called[-1].group() in ("former", "前者") else pair[-1]]
    return named[-1:] or re.findall(LABEL, after)[:1]


def wrong_side(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a side of the patient that no label spoken of has."""
    wrong = "side invented"
    text, so = without_convention(facts, text)
    if not so:
        return wrong, "the image is not shown with that side of the patient there"
    text = _AGREED.sub(" ", text)
    if found := _BOTH.search(text):
        return wrong, f'"{found.group()}" is said of no label and of no given box'
    for found in _SIDE.finditer(text):
        side, before, after = found[1], text[: found.start()], text[found.end() :]
        labels = [facts.names.label_of(mark) for mark in re.findall(LABEL, text)]
        labels = labels or (list(facts.annotation.labels) if WORD in text else [])
        has = any(side in label.split() for label in labels)
        of_viewer = before.endswith("your ") and found[2] is None
        of_patient = (not of_viewer and _OF_PATIENT.search(before)) or re.match(
            rf" (?:{_FRAMES} )?(?:of|in) (?:the|this|your|their) (?:patient|body|person)", after
        )
        if of_patient or (
            found[2] in ("sided", "side")
            and not re.search(r"\b(?:the|its|image|picture) (?:\w+ )?$", before)
            and not re.match(
                r" (?:of|in|on) (?:the|this) (?:image|picture|slice|scan|frame|view|photo\w*|\w*gra(?:ph|m))", after
            )
        ):
            towards = re.search(r"\btowards? (?:the|your) [a-z' ]*$", before) is not None
            if not _has_side(facts, side, before, after, towards=towards):
                return wrong, f'"{found.group()}" is said of no label'
            continue
        if found[2] == "side" and re.match(rf" of (?:the |this |an? )?{WORD}", after):
            return wrong, f'"{found.group()}" is said of what has no side in the record'
        if re.match(r" (?:lobes?|hemispheres?|eyes?|wings?|chambers?)\b", after) and not has:
            return wrong, f'"{found.group()}" is said of what has no side in the record'
        if found.group().endswith("most"):
            continue
        if re.match(r" (?:out|over|open|blank|to)\b", after) and re.search(r"\b(?:is|are|was|were|be|been) $", before):
            continue
        if found[2] == "sided" and has:
            continue
        if re.match(rf" {LABEL}", after) and _is_one_of_a_pair(facts, side, before, after):
            continue
        other = _OTHER[side]
        if has and re.match(rf" {WORD}", after) and not any(other in label.split() for label in labels):
            continue  # the left femur is the left thigh bone
        if re.match(rf" (?:{LABEL}|{WORD})(?! {_FRAMES})", after) and not re.search(
            r"\b(?:on|at|in|to|image|picture|upper|lower|middle|far) (?:the )?$", before
        ):
            return wrong, f'"{side}" is said of what has no side in the record'
        if re.match(rf" (?:{LABEL}|{WORD})", after) and re.search(r"\bthe $", before):
            return wrong, f'"{side}" is said of what has no side in the record'
        if any(shown_on(facts, label, side) for label in labels or facts.annotation.labels):
            continue
        if not (facts.annotation.boxes or facts.boxes) and not any(side in position for position in facts.positions):
            return wrong, f'"{found.group()}" is said of no label and of no given box'
    return None


_SIDE_ZH = re.compile(
    r"(?P<frame>(?:图像|图片|图|画面|影像|视野|照片|像)(?:的|中|内|上|偏)?)?(?P<side>左|右|双|两)(?P<rest>侧|眼|边|上部?|下部?|中部?|部|半|缘|方|前|后|面|肢|端|头|极|角)?"
)


_TOWARDS_ZH = re.compile("[偏稍略靠最居在朝向自近]$")
"""Before a side of the picture: 偏右."""


_BOTH_WAYS_ZH = re.compile(
    f"[从由自][左右][到至往向][左右]|一左一右|一右一左|左右(?!两?侧?(?:{LABEL}|{WORD}|眼|肢|肺|肾|手|足|耳))"
)
"""Of the picture: 左右居中, 左右两侧各有一个, 从左到右."""


_LINE_ZH = re.compile("(?:线|缝|裂隙|间隙|条带|带状影|线状影|条状影)[，、]?(?:其|的)?$")
"""What has two sides of its own: 一条较暗的线，两侧较亮."""


def wrong_side_zh(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a side of the patient in a Chinese sentence that no label spoken of has."""
    wrong = "side invented"
    text, so = without_convention(facts, text)
    if not so:
        return wrong, "the image is not shown with that side of the patient there"
    text = _BOTH_WAYS_ZH.sub("", text)
    for found in _SIDE_ZH.finditer(text):
        before, after = text[: found.start()], text[found.end() :]
        side = {"左": "left", "右": "right"}.get(found["side"])
        if side is None:
            if found["frame"] and facts.annotation.boxes:
                continue
            if _LINE_ZH.search(before):
                continue
            pair = re.match(rf"的?({LABEL})", after)
            if pair and (how_many(facts, facts.names.label_of(pair[1])) or 0) > 1:
                continue  # 两侧肾脏, where there are two
            if found["rest"] in ("侧", "眼") and not re.match(r"边?缘|边界|[各均分]", after):
                return wrong, f'"{found.group()}" is said of no label and of no given box'
            continue
        if found["rest"] is None and not re.match(rf"[一-鿿]|{LABEL}|{WORD}", after):
            continue
        of_patient = re.search(r"(?:患者|病人|人体|解剖|身体|[您你])的?$", before) or (
            # 右侧可见气胸 is said of the patient where no picture was spoken of.
            found["rest"] == "侧"
            and re.match("(?:可?见|有|存在|出现)", after)
            and not re.search("[图画影]|视野|照片|[左右上下]", before + (found["frame"] or ""))
        )
        bound = re.match(rf"(?:{LABEL}|{WORD})", after) and found["rest"] in (None, "侧", "半") and not found["frame"]
        if (
            of_patient
            or bound
            or found["rest"] in ("眼", "肢", "前", "后", "面")
            or (found["rest"] is None and not found["frame"] and not _TOWARDS_ZH.search(before))
        ):
            towards = re.search("[靠偏向近朝]$", before.removesuffix("患者").removesuffix("病人")) is not None
            has = bool(of_patient) and _has_side(facts, side, before, after, towards=towards)
            paired = bound and re.match(LABEL, after) and _is_one_of_a_pair(facts, side, before, after)
            if not (has or paired):
                return wrong, f'"{found.group()}" is said of no label that has it'
            continue
        named = [facts.names.label_of(mark) for mark in re.findall(LABEL, text)] or facts.annotation.labels
        if any(shown_on(facts, label, side) for label in named):
            continue
        if not (facts.annotation.boxes or facts.boxes) and not any(
            word in position for position in facts.positions for word in (side, found["side"])
        ):
            return wrong, f'"{found.group()}" is said of no label and of no given box'
    return None
