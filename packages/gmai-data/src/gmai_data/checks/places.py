"""Do the positions, relations and sizes that a masked sentence states agree with the boxes of the labels it names?"""

import re
from collections.abc import Callable, Iterator

from gmai_data.annotation import Box, boxes_of
from gmai_data.checks.facts import Facts
from gmai_data.checks.lexicon import LABEL, WORD
from gmai_data.vocabulary import Language

_EN = Language.EN
_Point = tuple[float, float]
_Way = Callable[[_Point, _Point], bool]
_Said = tuple[str, str | None, str | None, bool]
"""(what is said, upper or lower, left or right, whether the centre is meant)."""
_SLACK = 0.06
"""Share of the image's side: a centre this near to the middle is on either side of it."""
_CENTRAL = (0.28, 0.72)
_LARGER = 1.0
_PART = r"(?:parts?|half|thirds?|quarters?|portions?|regions?|areas?|zones?|corners?|quadrants?|sides?|centre|center)"
_PICTURE = r"(?:image|picture|photo\w*|frame|view|field|slice|scan|figure|screen|\w*gra(?:ph|m))"
_CLAUSE = {
    _EN: re.compile(r"[,;:]|\b(?:and|while|whereas|but|with)\b"),
    Language.ZH: re.compile(r"[，；：]|而|、(?=[^左右上下中])"),
}
_EDGE = r"(?:edges?|borders?|margins?|rims?|contours?|outlines?|boundar\w+|surfaces?)"
_OF_ITSELF = re.compile(
    rf"(?: {_PART})? of (?:the |this |its |each )?(?:[\ue000-\uf8fd]|it\b|them\b|les|lobe|organ|structure|cell)"
)
_OF_CARRIED = re.compile(
    r"\b(?:it|they|them|its|their|which|that|these|those|this one|the "
    r"(?:lesion|finding|structure|area|organ|abnormality))\b"
    r"|^\s*(?:(?:is|are|lies?|lying|sits?|seen|found|located|situated|placed|visible|present|mainly|mostly|chiefly|"
    r"and|in|at|on|near|towards?|close to)\s)|[它其位居]|该"
)
"""A clause without a noun of its own speaks of what was named before; "dark in the middle" of the picture does not."""
_OF_PATIENT = re.compile(r"(?:patient|person|subject|body)'?s? (?:own )?$")
_IN_PATIENT = re.compile(r"(?: hand)?(?: side)? (?:of|in) the (?:patient|person|subject|body)")
_FURTHER = re.compile(
    rf"(?:further|farther|more) (?:to the |towards? the )?(?P<how>left|right)(?:wards?)?"
    rf"(?: [a-z]+){{0,4}}? than(?: the| an?)? (?P<object>{LABEL})"
)
_CORNER = re.compile(r"\bcorners?\b|角(?!状|化)")
_PLACE = re.compile(
    r"\b(?P<its>its |their )?(?P<v>upper|lower|top|bottom|middle|uppermost|lowermost|mid)?"
    r"(?: (?P<c>central|cent(?:re|er)))?[ /]?"
    r"(?P<h>left|right)\b"
    rf"|\b(?P<its2>its |their )?(?P<v2>upper|lower|top|bottom)(?P<edge> {_EDGE})?(?: (?P<part>{_PART}))?\b"
    r"|\b(?:in|at|near|close to|towards?|around|to|about) the (?:very |exact )?(?P<c2>cent(?:re|er)|middle)\b"
    r"(?! (?:left|right|upper|lower))"
    r"|\b(?P<c3>central|centrally)\b"
)
_PLACE_ZH = re.compile(
    r"(?P<v>上|下)?(?P<h>左|右)(?P<v2>上|下|中)?(?P<part>侧|部|半部?|方|角|边|区)?|(?P<v3>上|下)(?P<part2>部|半部|半|方)|(?P<c>中央|中心|正中|居中|中部)"
)


def known_boxes(facts: Facts, label: str) -> tuple[Box, ...]:
    """Return the boxes of a label: those of the record, or those that the writer was shown."""
    return boxes_of(facts.annotation, label) or tuple(box for box in facts.boxes if box.label == label)


def _place(box: Box, facts: Facts) -> tuple[float, float]:
    x, y = box.centre
    return x / facts.annotation.width_px, y / facts.annotation.height_px


def _holds(
    facts: Facts, label: str, vertical: str | None, horizontal: str | None, *, central: bool, corner: bool
) -> bool | None:
    """Return whether a box of a label lies there; None where the label has no box."""
    boxes = known_boxes(facts, label)
    if not boxes:
        return None

    slack = -_SLACK if corner else _SLACK

    def fits(x: float, y: float) -> bool:
        low, high = _CENTRAL
        return (
            (horizontal != "left" or x <= 0.5 + slack)
            and (horizontal != "right" or x >= 0.5 - slack)
            and (vertical != "upper" or y <= 0.5 + slack)
            and (vertical != "lower" or y >= 0.5 - slack)
            and (vertical != "middle" or low <= y <= high)
            and (not central or (low <= x <= high and low <= y <= high))
        )

    return any(fits(*_place(box, facts)) for box in boxes)


def _further(language: Language) -> re.Pattern[str]:
    return _FURTHER if language == _EN else _FURTHER_ZH


def agrees(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a position in the image that no box of the label has, or of which nothing is known."""
    language = facts.language
    carried: list[str] = []
    for clause in _CLAUSE[language].split(_further(language).sub(" ", text)):
        labels = [facts.names.label_of(mark) for mark in re.findall(LABEL, clause)]
        places = list(_places_en(clause) if language == _EN else _places_zh(clause))
        about = labels or (list(facts.annotation.labels) if WORD in clause else carried)
        own = bool(labels) or WORD in clause or bool(_OF_CARRIED.search(clause))
        for said, vertical, horizontal, central in places:
            corner = bool(_CORNER.search(clause))
            verdicts = [_holds(facts, label, vertical, horizontal, central=central, corner=corner) for label in about]
            known = [verdict for verdict in verdicts if verdict is not None]
            wanted = any(known) if len(places) > 1 or central or labels != about else all(known)
            if known and not wanted:
                return "position contradicted", f'"{said.strip()}" is not where {about[0]} lies'
            if own and not (facts.annotation.boxes or facts.boxes or facts.positions):
                return "position invented", f'"{said.strip()}": the record has no place of anything in the image'
        carried = labels or carried
    return None


def _places_en(clause: str) -> Iterator[_Said]:
    for found in _PLACE.finditer(clause):
        after = clause[found.end() :]
        if found["its"] or found["its2"]:
            continue
        if found["h"]:
            vertical = {"upper": "upper", "top": "upper", "uppermost": "upper", "lower": "lower", "bottom": "lower",
                        "lowermost": "lower", "middle": "middle", "mid": "middle"}.get(found["v"] or "")  # fmt: skip
            if re.match(rf" of (?:the |an? )?{LABEL}", after) or _OF_ITSELF.match(after):
                continue
            if _OF_PATIENT.search(clause[: found.start()]) or _IN_PATIENT.match(after):
                continue
            if re.match(r" of (?:the )?(?:cent|mid)", after):
                yield found.group(), None, found["h"], False
                continue
            yield found.group(), vertical, found["h"], False
        elif found["v2"]:
            if found["edge"] and not re.match(rf" of (?:the|this) {_PICTURE}", after):
                continue
            if not found["part"] and not re.match(rf" of (?:the|this) {_PICTURE}", after):
                continue
            if _OF_ITSELF.match(after):
                continue
            yield found.group(), "upper" if found["v2"] in ("upper", "top") else "lower", None, False
        elif found["c2"] or found["c3"]:
            if _OF_ITSELF.match(after) or re.search(
                r"\b(?:brighter|darker|lighter|redder|paler|denser|thicker|thinner) $", clause[: found.start()]
            ):
                continue
            if (
                found["c3"]
                and not re.search(r"\b(?:is|are|lies?|sits?|placed|located|situated) $", clause[: found.start()])
                and not re.match(rf" {_PART}", after)
            ):
                continue
            yield found.group(), None, None, True


def _places_zh(clause: str) -> Iterator[_Said]:
    for found in _PLACE_ZH.finditer(clause):
        after = clause[found.end() :]
        before = clause[: found.start()]
        if re.match(r"的?(?:缘|边缘|边界)", after) or re.search(r"(?:其|患者的?|病人的?)$", before):
            continue
        if re.search(f"{LABEL}的?$", before) and (
            found["v3"] or found["c"]
        ):  # of the label itself, or in relation to it
            continue
        if found["h"]:
            if not found["part"] and not found["v"] and not found["v2"]:
                continue
            vertical = {"上": "upper", "下": "lower", "中": "middle"}.get(found["v"] or found["v2"] or "")
            yield found.group(), vertical, "left" if found["h"] == "左" else "right", False
        elif found["v3"]:
            if found["part2"] == "方" and not re.search(r"(?:图像|图|画面|影像|视野)的?$", before):
                continue
            yield found.group(), "upper" if found["v3"] == "上" else "lower", None, False
        elif not re.search(r"(?:其|较|向|近|以)$", before) and (
            re.search(r"(?:图像|图|画面|影像|视野|位于|居)的?(?:正)?$", before) or found.group() == "居中"
        ):
            yield found.group(), None, None, True


_RELATION = re.compile(
    r"\b(?P<how>below|beneath|under|underneath|lower (?:\w+ )?than|above|over|on top of|higher (?:\w+ )?than|"
    rf"(?:to the )?(?:left|right) of)(?: the| an?)? (?P<object>{LABEL})"
)
_FURTHER_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:的?位置)?比(?P<object>{LABEL})(?:的?位置)?更?(?:加?靠近?|偏向?|接近|往)(?:图像?|画面|影像)?的?(?P<how>[左右上下])[侧方边部]?"
)
_RELATION_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:位?于|在|居|处于|的?位置)?(?P<how2>低于|高于)(?P<object2>{LABEL})"
    rf"|(?P<subject3>{LABEL})(?:位于|在|居于?|处于)?(?P<object3>{LABEL})的?(?P<how3>下方|上方|左侧|右侧|左方|右方|之下|之上)"
)


def relation_holds(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "below the spleen" and the like where the boxes say otherwise, or say nothing."""
    if facts.language == _EN:
        found = [
            (each, _subject(text, each.start(), each.end()), each["object"], _way(each["how"]))
            for pattern in (_RELATION, _FURTHER)
            for each in pattern.finditer(text)
        ]
    else:
        found = [
            (
                each,
                each["subject"] or each["subject3"],
                each["object2"] or each["object3"],
                _way_zh(each["how2"] or each["how3"]),
            )
            for each in _RELATION_ZH.finditer(text)
        ] + [(each, each["subject"], each["object"], _way_zh(each["how"])) for each in _FURTHER_ZH.finditer(text)]
    for each, subject, other, way in found:
        if subject is None or subject == other:
            continue
        ones = known_boxes(facts, facts.names.label_of(subject))
        others = known_boxes(facts, facts.names.label_of(other))
        said = re.sub(r"[\ue000-\uf8ff]", facts.names.label_of(other), each.group())
        if not ones or not others:
            if re.match("over|under|above|beneath", each.group()):
                continue
            return "position invented", f'"{said}": the record has no place of both'
        if not any(way(_place(one, facts), _place(two, facts)) for one in ones for two in others):
            return "position contradicted", f'"{said}" is not so by their boxes'
    return None


def _way(how: str) -> _Way:
    if how.startswith(("below", "beneath", "under", "lower")):
        return lambda one, two: one[1] > two[1] - _SLACK / 2
    if how.startswith(("above", "over", "on top", "higher")):
        return lambda one, two: one[1] < two[1] + _SLACK / 2
    if "left" in how:
        return lambda one, two: one[0] < two[0] + _SLACK / 2
    return lambda one, two: one[0] > two[0] - _SLACK / 2


def _way_zh(how: str) -> _Way:
    return _way(
        {
            "下": "below",
            "低": "below",
            "上": "above",
            "高": "above",
            "左": "left of",
            "右": "right of",
            "之": "below" if "下" in how else "above",
        }[how[0]]
    )


def _subject(text: str, start: int, end: int) -> str | None:
    """Return what a relation is said of: the label before it in its clause, else the one behind it, else before."""
    clause = re.split(r"[,;:]|\b(?:while|whereas|but)\b", text[:start])[-1]
    every = re.findall(LABEL, text[:start])
    inverted = re.match(r"[^,;]*?\b(?:lies?|is|are|sits?|stands?|appears?|one (?:sees|finds)|there)\b", text[end:])
    before, behind = re.findall(LABEL, clause), re.findall(LABEL, text[end:])
    if before:
        return before[-1]
    if not clause.strip() or not re.search(r"[a-z]{3}", clause):  # "Below the spleen lies the kidney."
        return behind[0] if behind and (inverted or not every) else every[-1] if every else None
    return every[-1] if every else None


_BIGGER = re.compile(
    rf"\b(?P<how>larger|bigger|greater|smaller)(?: in size)? than(?: the| an?)?(?: other)? (?P<object>{LABEL})"
)
_MOST = re.compile(r"\b(?P<how>largest|biggest|smallest)\b")
_BIGGER_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:的?(?:体积|范围|面积))?(?:明显|略|稍)?(?P<how>大于|小于)(?P<object>{LABEL})|(?P<subject2>{LABEL})比(?P<object2>{LABEL})(?:明显|略|稍)?(?P<how2>大|小)"
)
_MOST_ZH = re.compile(rf"(?P<subject>{LABEL})(?:的?(?:体积|范围|面积))?为?(?P<how>最大|最小)")


def larger(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a comparison of sizes that the boxes contradict."""
    if facts.language == _EN:
        for found in _BIGGER.finditer(text):
            subject = _subject(text, found.start(), found.end())
            if subject is not None and not _is_larger(facts, subject, found["object"], more=found["how"] != "smaller"):
                return (
                    "size contradicted",
                    f'"{found["how"]} than {facts.names.label_of(found["object"])}" is not so by their boxes',
                )
        for found in _MOST.finditer(text):
            subject = _subject(text, found.start(), found.end())
            if subject is not None and not _is_most(facts, subject, more=found["how"] != "smallest"):
                return (
                    "size contradicted",
                    f'"{found["how"]}" is not so of {facts.names.label_of(subject)} by the boxes',
                )
        return None
    for found in _BIGGER_ZH.finditer(text):
        subject, other, how = (
            found["subject"] or found["subject2"],
            found["object"] or found["object2"],
            found["how"] or found["how2"],
        )
        if not _is_larger(facts, subject, other, more=how.startswith("大")):
            return "size contradicted", f'"{how}" is not so of {facts.names.label_of(subject)} by their boxes'
    for found in _MOST_ZH.finditer(text):
        if not _is_most(facts, found["subject"], more=found["how"] == "最大"):
            return (
                "size contradicted",
                f'"{found["how"]}" is not so of {facts.names.label_of(found["subject"])} by the boxes',
            )
    return None


def _area(facts: Facts, label: str) -> float:
    boxes = known_boxes(facts, label)
    return max(((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (box.xyxy for box in boxes)), default=0.0)


def _is_larger(facts: Facts, subject: str, other: str, *, more: bool) -> bool:
    one, two = _area(facts, facts.names.label_of(subject)), _area(facts, facts.names.label_of(other))
    return not one or not two or (one >= two * _LARGER if more else one <= two / _LARGER)


def _is_most(facts: Facts, subject: str, *, more: bool) -> bool:
    areas = {label: _area(facts, label) for label in facts.annotation.labels}
    own = areas.get(facts.names.label_of(subject), 0.0)
    known = [area for area in areas.values() if area]
    return not own or (own >= max(known) if more else own <= min(known))
