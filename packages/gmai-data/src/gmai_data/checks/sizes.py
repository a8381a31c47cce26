"""Do the sizes that a masked sentence states agree with the boxes of the labels it names?"""

import re

from gmai_data.checks.facts import Facts
from gmai_data.checks.lexicon import LABEL, WORD
from gmai_data.checks.places import PICTURE, known_boxes, subject_of
from gmai_data.vocabulary import Language

_EN = Language.EN
_SIZES = "larger|bigger|greater|smaller|wider|broader|narrower|taller"
_BIGGER = re.compile(
    rf"\b(?P<how>{_SIZES})(?:,? (?:and|or) (?P<also>{_SIZES}))?(?: in (?!the)[a-z]+)?(?: [a-z]+)? than"
    rf"(?: the| an?| its| either)?(?: (?:[a-z]+|{WORD}))?(?P<object> {LABEL})"
)
_MORE_ROOM = re.compile(
    rf"\b(?:takes?|occup\w+|covers?|fills?|spans?) (?:up )?(?:a )?(?:much |far |slightly )?"
    r"(?P<how>more|less|larger|smaller)(?: of (?:the|this|that))?(?: [a-z]+)?"
    r" (?:room|space|area|image|picture|region|part|extent|view|field|frame|\uf8fe)(?: (?:slice|scan|image|picture))?"
    rf"(?: in [^,;]*?)? than(?: the| an?)? (?P<object>{LABEL})"
    rf"|\bextends? (?P<how2>further|farther) than(?: the)? (?P<object2>{LABEL})"
)
_OF_THE_TWO = re.compile(
    rf"\b(?P<how>{_SIZES}) (?:one |structure |region |finding )?of (?:the |these |those )?(?:two|pair|both)\b"
)
_TWO = 2
_MOST = re.compile(
    rf"\b(?P<how>largest|biggest|most extensive|smallest|dominates (?:the|this) (?:\uf8fe )?{PICTURE})\b"
    r"(?! (?:[a-z\uf8fd]+ )?[a-z\uf8fd]+ (?:of|in) the (?:human |whole )?body)"
)
_BIGGER_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:在?(?:图像?|画面)[中上里])?(?:的?(?:所占|占据)?的?(?:体积|范围|面积))?(?:明显|略|稍|远)?(?P<how>大于|小于|宽于|窄于|超过)(?:同侧|对侧|邻近|旁边|周围)?的?(?P<object>{LABEL})|(?P<subject2>{LABEL})(?:的?(?:所占)?(?:体积|范围|面积))?[，,]?(?:它|其)?(?:明显|略)?比(?P<object2>{LABEL})(?:的?(?:体积|范围|面积))?(?:明显|略|稍)?[更还要也]*(?P<how2>大|小|宽|窄)"
)
_MOST_ZH = re.compile(rf"(?P<subject>{LABEL})(?:的?(?:所占)?(?:体积|范围|面积))?为?(?P<how>最大|最小)")
JOINED = re.compile(rf"{LABEL}(?:[,、]? ?(?:and|及|和|与|以及|、)? ?(?:the |an? )?{LABEL})*(?=[^\ue000-\uf7ff]*$)")
"""The labels that are named together last in a text."""


def wrong_size(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a size, or a comparison of sizes, in a masked sentence that the boxes contradict, or do not give."""
    checks = (extent_holds, fraction_holds, larger, tall_holds, oriented, sized)
    return next((found for check in checks if (found := check(facts, text)) is not None), None)


def larger(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a comparison of sizes that the boxes contradict."""
    if facts.language == _EN and not any(word in text for word in (" than", "est", " of the", "dominates")):
        return None
    chinese = facts.language == Language.ZH
    bigger = (_BIGGER_ZH,) if chinese else (_BIGGER, _MORE_ROOM)
    for found in (each for pattern in bigger for each in pattern.finditer(text)):
        if chinese:
            subject, other = found["subject"] or found["subject2"], found["object"] or found["object2"]
            ways = [found["how"] or found["how2"]]
        else:
            parts = found.groupdict()
            subject = subject_of(text, found.start(), found.end())
            other = (parts["object"] or parts["object2"]).strip()
            ways = [way for way in (parts["how"], parts.get("also"), parts.get("how2")) if way]
        if subject is None or subject == other:
            continue
        for way in ways:
            if not _is_larger(facts, subject, other, way):
                name = facts.names.label_of(other)
                return "size contradicted", f'"{way} than {name}" is not so by their boxes'
    if not chinese and len(facts.annotation.labels) == _TWO:
        for found in _OF_THE_TWO.finditer(text):
            subject = subject_of(text, found.start(), found.end())
            first = re.search(
                rf"({LABEL})[^,;]* and (?:is|are|looks?|appears?)(?: [a-z]+){{0,2}} ?$", text[: found.start()]
            )
            subject = first[1] if first else subject
            mine = facts.names.label_of(subject) if subject else ""
            others = [facts.names.mark_of(label) for label in facts.annotation.labels if label != mine]
            if subject and len(others) == 1 and not _is_larger(facts, subject, others[0], found["how"]):
                return "size contradicted", f'"{found["how"]} of the two" is not so of {mine} by the boxes'
    for found in (_MOST_ZH if chinese else _MOST).finditer(text):
        subject = found["subject"] if chinese else subject_of(text, found.start(), found.end())
        if subject is not None and not _is_most(facts, subject, text[: found.start("how")], found["how"]):
            name = facts.names.label_of(subject)
            return "size contradicted", f'"{found["how"]}" is not so of {name} by the boxes'
    return None


_SIZED = re.compile(
    r"\b(?P<how>small|large|tiny|huge|big|bulky|sizeable|sizable|voluminous|medium sized)(?: [a-z]+)?,? "
    rf"(?P<object>{LABEL})"
)
_SIZED_ZH = re.compile(rf"(?P<how>巨大|较[大小]|[大小]范围|小型|大型|微小)的?(?P<object>{LABEL})")


def sized(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "a large effusion" where no box says how large it is."""
    for found in (_SIZED if facts.language == _EN else _SIZED_ZH).finditer(text):
        if not known_boxes(facts, facts.names.label_of(found["object"])):
            return "grade invented", f'it says "{found["how"]}", but the record has no size of it'
    return None


_TALL = re.compile(
    r"\b(?:(?P<tall>taller|higher)|wider|broader) than (?:it is )?(?:wide|broad|tall|high)\b"
    r"|\b(?:twice|three times|much|far) as (?:(?P<tall2>tall|high|long)|wide|broad) as "
    r"(?:it is )?(?:wide|broad|tall|high)\b"
)
_TWICE = 1.6
"""Ratio of the sides from which on one may be called twice the other."""
_TALL_ZH = re.compile(
    r"(?P<tall>纵横比(?:大于|超过|>)1|(?:高(?:度)?|纵径|上下径)(?:明显|略|稍|远)?大于(?:宽|横径|左右径))|纵横比(?:小于|<)1|(?:宽(?:度)?|横径|左右径)(?:明显|略|稍|远)?大于(?:高|纵径|上下径)"
)


def tall_holds(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "taller than wide" and the like where no box of what it is said of is so."""
    for found in (_TALL if facts.language == _EN else _TALL_ZH).finditer(text):
        named = [facts.names.label_of(mark) for mark in re.findall(LABEL, text[: found.start()])]
        boxes = [box for label in (named[-1:] or facts.annotation.labels) for box in known_boxes(facts, label)]
        sides = [box.size_px for box in boxes]
        tall = any(found.groupdict().get(name) for name in ("tall", "tall2"))
        least = _TWICE if found.group().startswith(("twice", "three")) else 1.0
        if not any(height > least * width if tall else width > least * height for width, height in sides):
            return "size contradicted", f'"{found.group()}" is not so by the boxes'
    return None


_ORIENTED = re.compile(
    r"\b(?:(?P<tall>upright|vertical(?:ly)?)|horizontal(?:ly)?)(?: [a-z]+)?,? (?:elongated |narrow |long )?"
    r"(?:regions?|areas?|shapes?|ovals?|bands?|strips?|structures?)\b"
)
_ORIENTED_ZH = re.compile("(?:(?P<tall>竖置|竖向|直立|纵向)|横置|横向|横行)[^，。；]{0,4}(?:区域|条带|带状|影|形)")
_CLEARLY = 1.4
"""Ratio of the sides from which on a region is clearly upright, or lies clearly."""


def oriented(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "an upright band" and the like of a label none of whose boxes may be called so."""
    for found in (_ORIENTED if facts.language == _EN else _ORIENTED_ZH).finditer(text):
        named = [facts.names.label_of(mark) for mark in re.findall(LABEL, text)] or list(facts.annotation.labels)
        boxes = [box.size_px for label in named for box in known_boxes(facts, label)]
        if boxes and all((width > _CLEARLY * height) if found["tall"] else (height > _CLEARLY * width)
                         for width, height in boxes):  # fmt: skip
            return "size contradicted", f'"{found.group()}" is not so by the boxes'
    return None


def _sizes(facts: Facts, label: str) -> list[tuple[float, float, float]]:
    """Return the area, the width and the height of each box of a label."""
    return [(box.area_px, *box.size_px) for box in known_boxes(facts, label)]


def _is_larger(facts: Facts, subject: str, other: str, way: str) -> bool:
    which = 1 if way.startswith(("wide", "broad", "narrow", "宽", "窄")) else 2 if way == "taller" else 0
    ones, others = ([sizes[which] for sizes in _sizes(facts, facts.names.label_of(mark))] for mark in (subject, other))
    if not ones or not others:
        return True
    if way.startswith(("small", "less", "narrow", "小", "窄")):
        return max(ones) <= max(others)
    return max(ones) >= max(others)


def _is_most(facts: Facts, subject: str, before: str, how: str) -> bool:
    """Return whether a label, with those that it is named together with, is larger or smaller than all others."""
    areas = {label: max((size[0] for size in _sizes(facts, label)), default=0) for label in facts.annotation.labels}
    joined = JOINED.search(before)
    marks = {subject, *(re.findall(LABEL, joined.group()) if joined and subject in joined.group() else ())}
    group = {facts.names.label_of(mark) for mark in marks}
    own = [areas[label] for label in group if areas.get(label)]
    known = [area for label, area in areas.items() if area and label not in group] or own
    if not own:
        return True
    if how in ("smallest", "最小"):
        several = len(group) == 1 and len(_sizes(facts, *group)) > 1
        return (min(size[0] for size in _sizes(facts, *group)) if several else max(own)) <= min(known)
    return min(own) >= max(known)


_EXTENT = re.compile(
    rf"\b(?:covers?|covering|occup(?:y|ies|ying)|fills?|filling|takes? up|taking up) (?:only )?"
    r"(?:(?P<whole>(?:(?:nearly|almost|virtually) )?(?:the )?(?:whole|entire|all|complete)(?: of)?|most of)|"
    r"(?P<part>an? (?:small|tiny|minor|modest|little) (?:part|portion|fraction|area|share) of))"
    rf"(?: the| this)? (?:{PICTURE}|\uf8fe)"
)
_EXTENT_ZH = re.compile(
    r"(?:占据|占满|占|充满|布满|填满|挤满|横贯|贯穿|横跨)了?(?:(?P<whole>(?:几乎|近乎)?(?:整个|整幅|全部|绝?大部分)(?!.{0,4}的?[一极很]小))|"
    r"(?P<part>仅?(?:一小部分|极小部分)))的?(?:图像?|画面|影像|视野)"
    r"|(?:占据|占满|占|充满|布满|填满|挤满)了?(?:图像?|画面|影像|视野)的?(?:(?P<whole2>全部|绝?大部分)|(?P<part2>一小部分|极小部分))"
)
_OF_LABELS = re.compile(
    rf"\b(?:it|they|this|these|those|which|that|and|both|all)$|{WORD}|[它其该们者者均都]|(?:^|[，,])$"
)
_FRACTION = re.compile(
    r"\b(?:about |roughly |almost |nearly |over |some |around )*(?:an? |one )?(?P<of>half|third|quarter|fifth|tenth)"
    rf" of (?:the|this) (?:whole |entire )?(?:{PICTURE}|\uf8fe)(?:'s)?(?: (?P<side>width|breadth|height)\b)?"
)
_FRACTION_ZH = re.compile(
    r"(?:占据?|覆盖|填充|达)[^，。；]{0,6}?(?:(?:图像?|画面|影像|视野|全图)(?:面积)?的?)?(?:约|近|将近|大约)?"
    r"(?P<of>一半|半数|三分之一|四分之一|五分之一|十分之一)(?!的?(?:宽|高|长))"
)
_SHARES = {
    "half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "fifth": 1 / 5, "tenth": 1 / 10,
    "一半": 1 / 2, "半数": 1 / 2, "三分之一": 1 / 3, "四分之一": 1 / 4, "五分之一": 1 / 5, "十分之一": 1 / 10,
}  # fmt: skip
_MORE = 0.85
"""Share of a fraction that is covered at least where more than it is said to be."""
_NEAR = 1.7
"""Factor by which a fraction of the image may differ from that of the boxes."""
_MOST_OF, _FEW_OF = 0.4, 0.35
"""Share of the image that what fills most of it has at least, and what fills a small part of it at most."""


def fraction_holds(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "about a third of the image" of labels whose boxes cover another share of it."""
    for found in (_FRACTION if facts.language == _EN else _FRACTION_ZH).finditer(text):
        if facts.language == _EN and not _FILLS.search(text[: found.start()]):
            continue  # in the left half of the image
        marks = re.findall(LABEL, text[: found.start()])[-1:]
        labels = [facts.names.label_of(mark) for mark in marks] or facts.annotation.labels
        areas = [size[0] for label in labels for size in _sizes(facts, label)]
        share = sum(areas) / (facts.annotation.width_px * facts.annotation.height_px)
        if side := found.groupdict().get("side"):
            which, whole = (2, facts.annotation.height_px) if side == "height" else (1, facts.annotation.width_px)
            share = max((size[which] for label in labels for size in _sizes(facts, label)), default=0) / whole
        stated = _SHARES[found["of"]]
        least, most = stated / _NEAR, stated * _NEAR
        if re.search(r"\b(?:more than|over) $", text[: found.start()]) or found.group().startswith("over "):
            least, most = _MORE * stated, 1.0
        if areas and not least <= share <= most:
            return "size contradicted", f'"{found.group().strip()}" is not so by the boxes'
    return None


_FILLS = re.compile(
    r"\b(?:covers?|covering|occup(?:y|ies|ying)|fills?|filling|takes? up|taking up|spans?|spanning) "
    r"(?:only |more than )?$"
)


def extent_holds(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return that a label fills the image, or a small part of it, where its boxes do not."""
    if facts.language == _EN and " of" not in text and "entire" not in text and "whole" not in text:
        return None
    for found in (_EXTENT if facts.language == _EN else _EXTENT_ZH).finditer(text):
        marks = re.findall(LABEL, text[: found.start()])[-1:]
        before = text[: found.start()].strip()
        if not marks and before and not _OF_LABELS.search(before):
            continue  # the speckle covers the whole image
        labels = [facts.names.label_of(mark) for mark in marks] or facts.annotation.labels
        areas = [size[0] for label in labels for size in _sizes(facts, label)]
        share = sum(areas) / (facts.annotation.width_px * facts.annotation.height_px)
        whole = any(found.groupdict().get(name) for name in ("whole", "whole2"))
        if areas and (share < _MOST_OF if whole else share > _FEW_OF):
            return "size contradicted", f'"{found.group()}" is not so by the boxes'
    return None
