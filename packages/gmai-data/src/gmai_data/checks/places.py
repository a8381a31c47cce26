"""Do the positions and relations that a masked sentence states agree with the boxes of the labels it names?"""

import itertools
import re
from collections.abc import Callable, Iterator

from gmai_data.annotation import MIRRORED, Box, boxes_of
from gmai_data.checks.facts import Facts
from gmai_data.checks.lexicon import LABEL, WORD
from gmai_data.vocabulary import Language, Modality

WAYS_ZH = {"左": "left", "右": "right", "上": "upper", "下": "lower"}
"""Chinese words of place ▶ the English ones that boxes are held against."""
_EN = Language.EN
_Point = tuple[float, float]
_Way = Callable[[_Point, _Point], bool]
_Said = tuple[str, str | None, str | None, bool]
"""(what is said, upper or lower, left or right, whether the centre is meant)."""
_SLACK = 0.06
"""Share of the image's side: a centre this near to the middle is on either side of it."""
_CENTRAL = (0.28, 0.72)
_PART = r"(?:parts?|half|thirds?|quarters?|portions?|regions?|areas?|zones?|corners?|quadrants?|sides?|centre|center)"
PICTURE = r"(?:image|picture|photo\w*|frame|view|field|slice|scan|figure|screen|\w*gra(?:ph|m))"
_CLAUSE = {
    _EN: re.compile(r"[,;:]|\b(?:and|while|whereas|but|with)\b"),
    Language.ZH: re.compile(
        r"[，；：]|而|、(?=[^左右上下中\ue000-\uf7ff])"
        r"|(?<![部方侧角央区边])(?:以?及|和|与|并)(?=(?:图像|图|画面|影像)?的?[左右上下中][^，。；\ue000-\uf7ff]{1,10}[\ue000-\uf7ff])"
    ),
}
_EDGE = r"(?:edges?|borders?|margins?|rims?|contours?|outlines?|boundar\w+|surfaces?)"
_OF_ITSELF = re.compile(
    rf"(?: {_PART})? of (?:the |this |its |each )?"
    r"(?:[\ue000-\uf8fd](?! \uf8fe)|it\b|them\b|les|lobe|organ|structure|cell)"
)
_OF_CARRIED = re.compile(
    r"\b(?:it|they|them|its|their|which|that|these|those|this one|the "
    r"(?:lesion|finding|structure|area|organ|abnormality))\b"
    r"|^\s*(?:(?:is|are|lies?|lying|sits?|seen|found|located|situated|placed|visible|present|mainly|mostly|chiefly|"
    r"and|in|at|on|near|towards?|close to)\s)|[它其位居]|该"
)
"""A clause without a noun of its own speaks of what was named before; "dark in the middle" of the picture does not."""
_OF_PATIENT = re.compile(
    r"(?:(?:patient|person|subject|body)'?s?(?: own)?|\byour(?: own)?(?= (?:left|right) side\b)?) ?$"
)
_IN_PATIENT = re.compile(r"(?: hand)?(?: side)? (?:of|in) (?:the|your|this|their) (?:patient|person|subject|body)")
_ONLY_A_PLACE = {
    _EN: re.compile(
        r"(?:(?:just|slightly|a little|somewhat|lower|higher|farther|further|down|up|below|above|opposite|there)[ ,]+)*"
        rf"(?:in|at|on|near|towards?|within) the [a-z ]+$|the (?:upper|lower|middle|central) [a-z ]*{_PART}$"
    ),
    Language.ZH: re.compile(r"(?:在|于)?(?:图像|图片|图|画面|影像|视野)的?[左右上下中][^，。；\ue000-\uf7ff]{0,4}$"),
}
"""A clause that opens a sentence with a place and nothing else: "In the lower left corner, a …"."""
_OF_ANOTHER = re.compile(
    r"\b(?:beneath|below|above|under) (?:them|it|these|those|both)\b|\b(?:former|latter)\b|[前后]者"
)
"""Said of what stands farther back, or in relation to it: not resolved here."""
_FURTHER = re.compile(
    rf"(?:further|farther|more) (?:to the |towards? the )?(?P<how>left|right)(?:wards?)?"
    rf"(?: [a-z]+){{0,4}}? than(?: the| an?)? (?P<object>{LABEL})"
)
_SWEEP = re.compile(
    r"\bfrom (?:the )?(?:left|right|top|bottom)(?: (?:side|edge|end))? to (?:the )?(?:left|right|top|bottom)\b"
    "|[从自由][左右上下][至到往向][左右上下]"
)
"""The order in which several things are told, no place: "from left to right they are …"."""
_ASIDE = re.compile(
    r", (?:down|up|over|out|right|close|reaching|extending) (?:to|as far as) the "
    r"(?:left|right|upper|lower)(?: \uf8fe)? (?:border|edge|margin)(?= ?,)"
    rf"| than (?:the (?:one|region|area|other|part|spot)|that) (?:in|at|on) the [^,;{LABEL[1:-1]}]*"
)
"""Said beside the place: "in the lower part, down to the lower border, …", "larger than the one in the upper part"."""
_ON_A_SIDE_IN_THE_MIDDLE = re.compile(r"\b(?:on|at) the (left|right)(?: side)?,? in the middle\b(?! of)")
_SIDE_FIRST = re.compile(rf"\b(left|right) (upper|lower)(?= {_PART})")
_A_SPOT = {
    _EN: re.compile(r"\b(?:spots?|lesions?|findings?|abnormality|marks?|lumps?)\b"),
    Language.ZH: re.compile("病灶|斑点|斑块|病变|征象"),
}
"""What a finding is called for short: of its place nothing is known without a box."""
_IS_MARKED = re.compile("标[记出示]|框[出内选]|所标|勾画|圈出")
_ONE_OF = re.compile(r"\b(smaller|smallest|larger|largest|bigger|biggest)\b(?! than)|较(大|小)(?:的|者|一)")
_MARGIN = re.compile(r"\b(?:far|extreme|very) (?:left|right|upper|lower|top|bottom)\b|最[左右上下]")
_FAR = 0.2
_CORNER = re.compile(r"\bcorners?\b|角(?!状|化)")
_PLACE = re.compile(
    r"\b(?P<its>its |their )?(?P<v>upper|lower|top|bottom|middle|uppermost|lowermost|mid)?"
    r"(?: (?P<c>central|cent(?:re|er)))?[ /]?"
    r"(?P<h>left|right)\b"
    rf"|\b(?P<its2>its |their )?(?P<v2>upper|lower|top|bottom)(?P<edge> {_EDGE})?(?: (?P<part>{_PART}))?\b"
    rf"|\b(?:at|on|near|along|close to|towards?) the (?:very )?(?P<v3>top|bottom)(?: {_EDGE}| end)?"
    r"(?= *(?:$|[.,;:!?)]|and\b|while\b|with\b))"
    r"|\b(?:in|at|near|close to|towards?|around|to|about) the (?:very |exact )?(?P<c2>cent(?:re|er)|middle)\b"
    r"(?! (?:left|right|upper|lower|line))"
    r"|\b(?P<c3>central|centrally)\b"
)
_PLACE_ZH = re.compile(
    r"(?:中心|中央|正中|中线|中部)的?(?:处|点)?[稍略微]?偏(?P<off>[左右])[侧边方]?(?![上下])|(?P<v>上|下)?(?P<h>左|右)(?P<v2>上|下|中)?(?P<part>侧|部|半部?|方|角|边|区)?|(?P<v3>上|下)(?P<part2>部|半部|半(?!身)|方)|(?P<c>中央|中心|正中|"
    r"居中|中部)"
)


def known_boxes(facts: Facts, label: str) -> tuple[Box, ...]:
    """Return the boxes of a label: those of the record, or those that the writer was shown."""
    return boxes_of(facts.annotation, label) or tuple(box for box in facts.boxes if box.label == label)


def mirrored(facts: Facts) -> bool:
    """Return whether the patient's left is on the right of the image: axial and coronal slices, films of the chest."""
    annotation = facts.annotation
    film = annotation.modality == Modality.X_RAY and annotation.anatomy == "chest" and bool(annotation.boxes)
    return film or annotation.provenance.get("axis") in MIRRORED


def place(box: Box, facts: Facts) -> tuple[float, float]:
    """Return the centre of a box in shares of the width and the height of the image."""
    x, y = box.centre
    return x / facts.annotation.width_px, y / facts.annotation.height_px


def _holds(
    facts: Facts, label: str, vertical: str | None, horizontal: str | None, *, central: bool, clause: str
) -> bool | None:
    """Return whether a box of a label lies there; None where the label has no box."""
    lie = _lie_there(facts, label, vertical, horizontal, central=central, clause=clause)
    if not lie and vertical is None and horizontal is not None and not central:
        return shown_on(facts, label, horizontal)
    return (all if _EVERY.search(clause) else any)(lie) if lie else None


def shown_on(facts: Facts, label: str, side: str) -> bool | None:
    """Return whether a label without a box is on a side of the image because its name says so: the left lung, right.

    None where the name has no side, or the image is not known to be shown mirrored.
    """
    named = {"left", "right"}.intersection(label.split())
    return side not in named if len(named) == 1 and mirrored(facts) else None


def how_many_lie(facts: Facts, label: str, text: str) -> int | None:
    """Return how many boxes of a label lie where a masked sentence says; None where it says no place."""
    language = facts.language
    places = list(_places_en(text) if language == _EN else _places_zh(text))
    if not places or not known_boxes(facts, label):
        return None
    lie = [_lie_there(facts, label, v, h, central=central, clause=text) for _, v, h, central in places]
    return sum(all(each) for each in zip(*lie, strict=True))


def _lie_there(
    facts: Facts, label: str, vertical: str | None, horizontal: str | None, *, central: bool, clause: str
) -> list[bool]:
    """Return of each box of a label whether it lies there."""
    boxes = known_boxes(facts, label)
    if len(boxes) > 1 and (which := _ONE_OF.search(clause)):
        boxes = (sorted(boxes, key=lambda box: box.area_px)[0 if which.group().startswith(("s", "较小")) else -1],)
    slack = -_FAR if _MARGIN.search(clause) else -_SLACK if _CORNER.search(clause) else _SLACK
    of_both = horizontal is not None and vertical in ("upper", "lower")

    def fits(box: Box) -> bool:
        x, y = place(box, facts)
        x1, y1, x2, y2 = box.xyxy
        width, height = facts.annotation.width_px, facts.annotation.height_px
        if (
            (horizontal == "left" and x1 >= width / 2) or (horizontal == "right" and x2 <= width / 2)
            or (vertical == "upper" and y1 >= height / 2) or (vertical == "lower" and y2 <= height / 2)
        ):  # fmt: skip
            return False  # near the middle, yet wholly in the other half
        low, high = _CENTRAL
        beside = (x > 0.5 if horizontal == "left" else x < 0.5) and (y > 0.5 if vertical == "upper" else y < 0.5)
        if of_both and (beside or (abs(x - 0.5) <= _SLACK and round(abs(y - 0.5), 3) <= _SLACK)):
            return False  # what lies in the middle is at no corner
        return (
            (horizontal != "left" or x <= 0.5 + slack)
            and (horizontal != "right" or x >= 0.5 - slack)
            and (vertical != "upper" or y <= 0.5 + slack)
            and (vertical != "lower" or y >= 0.5 - slack)
            and (vertical != "middle" or low <= y <= high)
            and (not central or (low <= x <= high and low <= y <= high))
        )

    return [fits(box) for box in boxes]


_EVERY = re.compile(r"\b(?:all|both|each|every)\b|均(?![匀质一衡])|都|全部")


def _further(language: Language) -> re.Pattern[str]:
    return _FURTHER if language == _EN else _FURTHER_ZH


def wrong_place(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a position or relation in a masked sentence that the boxes contradict, or do not give."""
    checks = (agrees, part_of_organ_holds, outermost_holds, relation_holds, order_holds, holds_inside, holds_of_two)
    return next((found for check in checks if (found := check(facts, text)) is not None), None)


def agrees(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a position in the image that no box of the label has, or of which nothing is known."""
    language = facts.language
    carried: list[str] = []
    text = _SIDE_FIRST.sub(r"\2 \1", text)
    text = _ON_A_SIDE_IN_THE_MIDDLE.sub(r"in the middle \1", _SWEEP.sub(" ", _ASIDE.sub(",", text)))
    text = _further(language).sub(" ", text)
    clauses, marks = _CLAUSE[language].split(text), ["", *(found.group() for found in _CLAUSE[language].finditer(text))]
    for number, (one, other) in enumerate(itertools.pairwise(clauses)):
        goes_on = marks[number] == "and" and re.search(
            LABEL, clauses[number - 1]
        )  # "X in the one and in the other part"
        if _ONLY_A_PLACE[language].match(one.strip()) and re.search(LABEL, other) and not goes_on:
            clauses[number : number + 2] = ["", f"{other} {one}" if language == _EN else f"{other}位于{one}"]
    for clause in clauses:
        labels = [facts.names.label_of(mark) for mark in re.findall(LABEL, clause)]
        if _OF_ANOTHER.search(clause):
            continue
        if sides := {side for label in labels or carried for side in ("left", "right") if side in label.split()}:
            clause = re.sub(rf"\b(?:{'|'.join(sides)}) one\b", " ", clause)  # of two kidneys, not of the picture
        places = list(_places_en(clause) if language == _EN else _places_zh(clause))
        about = labels or (list(facts.annotation.labels) if WORD in clause else carried)
        if not about and len(facts.annotation.labels) == 1 and _ONE_OF.search(clause):
            about = list(facts.annotation.labels)  # "the larger bump" of two polyps
        if _IS_MARKED.search(clause) and not set(about).intersection(facts.annotation.labels):
            about = list(facts.annotation.labels)
        own = bool(labels) or WORD in clause or bool(_OF_CARRIED.search(clause) or _A_SPOT[language].search(clause))
        for stated, vertical, horizontal, central in places:
            verdicts = [_holds(facts, label, vertical, horizontal, central=central, clause=clause) for label in about]
            known = [verdict for verdict in verdicts if verdict is not None]
            wanted = any(known) if len(places) > 1 or central or labels != about else all(known)
            if known and not wanted:
                return "position contradicted", f'"{stated.strip()}" is not where {about[0]} lies'
            if own and not known and not (facts.annotation.boxes or facts.boxes or facts.positions):
                return "position invented", f'"{stated.strip()}": the record has no place of anything in the image'
        # "The marker is far from the findings, which …" goes on about the findings.
        if not re.search(LABEL, _RELATION.sub(" ", clause)):
            labels = []  # "left of the myocardium" goes on about what it is said of
        named = re.findall(rf"{LABEL}|{WORD}", clause)
        carried = list(facts.annotation.labels) if named[-1:] == [WORD] and labels else labels or carried
    return None


_PART_OF_ORGAN = re.compile(
    rf"(?P<subject>{LABEL})[^,;:{LABEL[1:-1]}]*?,?(?: lying| located)? (?:in|at|on|of|within|near) "
    r"(?P<its>its|the) (?P<v>upper|lower|top|bottom)?(?: ?(?P<h>left|right))? ?"
    rf"(?:{_PART}|ends?|poles?)(?P<of> of (?:the |this |its )?(?:organ|structure|{LABEL}|(?:{WORD} )*{WORD}))?"
)
_PART_OF_ORGAN_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:位于|处于|在|居)(?P<of>{LABEL}|{WORD}|其|器官)的?(?P<h>左|右)?(?P<v>上|下)?(?:部|端|极|份|半部?|缘)"
)


def part_of_organ_holds(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "in the lower right part of the heart wall" where it is so neither in the picture nor in the organ.

    The organ is what has a box around the label's, or else what the other labels' boxes cover together.
    """
    chinese = facts.language == Language.ZH
    for found in (_PART_OF_ORGAN_ZH if chinese else _PART_OF_ORGAN).finditer(text):
        if not (found["v"] or found["h"]) or (not chinese and found["its"] == "the" and not found["of"]):
            continue
        own = facts.names.label_of(found["subject"])
        boxes = [box for label in facts.annotation.labels if label != own for box in known_boxes(facts, label)]
        ones = known_boxes(facts, own)
        if not ones or not boxes:
            continue
        around = [box for box in boxes if any(_share_inside(one, box) >= _INSIDE_SHARE for one in ones)]
        others = [place(box, facts) for box in around or boxes]
        middles = [(sum(x for x, _ in others) / len(others), sum(y for _, y in others) / len(others))]
        middles += [] if around else [(0.5, 0.5)]
        vertical, horizontal = (WAYS_ZH.get(found[each] or "", found[each]) for each in "vh")
        if not any(_is_beyond(place(one, facts), middle, vertical, horizontal) for one in ones for middle in middles):
            said = " ".join(filter(None, (found["v"], found["h"])))
            return "position contradicted", f'"{said}" is not where {own} lies'
    return None


def _is_beyond(one: _Point, middle: _Point, vertical: str | None, horizontal: str | None) -> bool:
    sign = {"left": -1, "right": 1, "upper": -1, "top": -1, "lower": 1, "bottom": 1}
    wanted = ((horizontal, one[0] - middle[0]), (vertical, one[1] - middle[1]))
    return all(word is None or sign[word] * off >= -_SLACK / 2 for word, off in wanted)


def _places_en(clause: str) -> Iterator[_Said]:
    for found in _PLACE.finditer(clause):
        after = clause[found.end() :]
        if found["its"] or found["its2"]:
            continue
        if found["h"]:
            vertical = {"upper": "upper", "top": "upper", "uppermost": "upper", "lower": "lower", "bottom": "lower",
                        "lowermost": "lower", "middle": "middle", "mid": "middle"}.get(found["v"] or "")  # fmt: skip
            if re.match(
                rf" of (?:and (?:just )?(?:above|below) )?(?:the |an? |both |either |each |these |the two )*{LABEL}",
                after,
            ):
                continue
            if _OF_ITSELF.match(after) or re.match(r" of (?:it|them)\b", after):
                continue
            if _OF_PATIENT.search(clause[: found.start()]) or _IN_PATIENT.match(after):
                continue
            if re.match(r" sided\b", after) or (
                after.startswith(" side") and re.search(rf"{LABEL} of the $", clause[: found.start()])
            ):
                continue  # the right sided kidney, the kidney of the right side
            if re.match(r" of (?:the )?(?:cent|mid)", after):
                yield found.group(), None, found["h"], False
                continue
            yield found.group(), vertical, found["h"], False
        elif found["v2"]:
            if found["edge"] and not re.match(rf" of (?:the|this) {PICTURE}", after):
                continue
            if not found["part"] and not re.match(rf" of (?:the|this) {PICTURE}| {WORD} ?{_PART}", after):
                continue
            if _OF_ITSELF.match(after):
                continue
            yield found.group(), "upper" if found["v2"] in ("upper", "top") else "lower", None, False
        elif found["v3"]:
            yield found.group(), "upper" if found["v3"] == "top" else "lower", None, False
        elif found["c2"] or found["c3"]:
            if (
                re.search(r"\bfrom\b", clause[: found.start()])
                or _OF_ITSELF.match(after)
                or re.search(
                    r"\b(?:brighter|darker|lighter|redder|paler|denser|thicker|thinner) $", clause[: found.start()]
                )
            ):
                continue
            if (
                found["c3"]
                and not re.search(r"\b(?:is|are|lies?|sits?|placed|located|situated) $", clause[: found.start()])
                and not re.match(rf" {_PART}", after)
            ):
                continue
            # "The upper central part" is a ninth of the image; only its row is held, as that of "the upper part".
            if row := re.search(r"\b(upper|top|lower|bottom) $", clause[: found.start()]):
                yield found.group(), "upper" if row[1] in ("upper", "top") else "lower", None, False
                continue
            yield found.group(), None, None, True


def _places_zh(clause: str) -> Iterator[_Said]:
    for found in _PLACE_ZH.finditer(clause):
        after = clause[found.end() :]
        before = clause[: found.start()]
        if found["off"]:
            yield found.group(), None, "left" if found["off"] == "左" else "right", False
            continue
        if found["c"] and re.match(r"的?偏?[左右上下]", after):
            continue  # right of the centre
        if re.match(r"的?(?:缘|边缘|边界)", after) or re.search(r"(?:其|患者的?|病人的?)$", before):
            continue
        if re.search(f"(?:{LABEL}|{WORD})的?$", before) and (
            found["v3"]
            or found["c"]
            or (found["part"] in ("部", "半", "半部", "角", "区") and re.search(f"(?:位于|处于|在){LABEL}的?$", before))
        ):  # of the label itself, or in relation to it
            continue
        if found["h"]:
            if not found["part"] and not found["v"] and not found["v2"]:
                if re.search(r"(?:位于|在|处于|居于?)(?:图像|图|画面|影像|视野)的?(?:略|稍)?偏$", before) and re.match(
                    "[，。；,]|$", after
                ):
                    yield found.group(), None, "left" if found["h"] == "左" else "right", False
                continue
            if found["part"] in ("方", "侧", "边") and re.search(
                f"(?:{LABEL}|它们?)的$|(?:位于|处于|居于?|在|{LABEL}[^，；]*[、及和与]){LABEL}$", before
            ):
                continue  # in relation to it
            vertical = {"上": "upper", "下": "lower", "中": "middle"}.get(found["v"] or found["v2"] or "")
            if vertical in ("upper", "lower") and re.search("[稍略微]偏$|偏$", before):
                yield found.group(), vertical, None, False
                vertical = None
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
    r"\b(?P<how>below|beneath|under|underneath|lower (?:\w+ ){0,4}than|above|over|on top of|higher (?:\w+ ){0,4}than|"
    r"(?:at|on|along) (?:the |its )?(?:top|bottom)(?: (?:edge|end|border|side|surface|margin))? of|"
    r"(?:to the )?(?:left|right) of)(?P<of_each>(?: the| an?| both| either| each| all| two| three|"
    r" (?:regions?|areas?|parts?|structures?|boxes|ones) of)*)"
    rf"(?: {WORD})? (?P<object>{LABEL})"
)
_RELATION_IT = re.compile(
    rf"(?P<subject>{LABEL})(?: (?:is|lies|lying|seen|visible|located|directly|just|right|immediately))* "
    r"(?P<how>below|beneath|under|underneath|above|(?:to )?the (?:left|right) of) it\b"
)
_RELATION_IT_FIRST = re.compile(
    r"(?:^\W*|\band,? |\bwith,? |; )"
    r"(?P<how>(?:just |directly )?(?:below|beneath|under|underneath|above)|(?:to )?the (?:left|right) of)"
    r" (?:it|them|these)(?: (?:in|on) the \w+)?,? "
    r"(?:(?:is|lies|sits|runs|stands|appears|extends|one sees|one finds|there is|we see) )?"
    rf"(?:(?:an?|the|one|two|three|another) )?(?:(?:regions?|areas?|spots?) of )?(?P<subject>{LABEL})"
)
"""Of two labels of a sentence: "the liver, with the kidney below it"; "the liver and, below it, the kidney"."""
_RELATION_ITS_SIDE = re.compile(
    rf"(?P<subject>{LABEL})(?: (?!{LABEL})[a-z]+){{0,4}}? (?:along|on|at|to|down) (?:its|their) (?P<how>left|right)"
    rf"(?: hand)?(?: sides?)? (?:in|on) the {PICTURE}"
)
"""Of the label before: "the canal runs along their right side in the image"."""
_FURTHER_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:的?位置)?比(?P<object>{LABEL})(?:的?位置)?更?(?:加?靠近?|偏向?|接近|往)(?:图像?|画面|"
    rf"影像)?的?(?P<how>[左右上下])[侧方边部]?"
)
_HIGHER_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:的?位置)?[，]?(?:它|其)?(?:的?位置)?比(?P<object>{LABEL})(?:的?位置)?(?:明显|略|稍)?[更还要]*"
    "(?P<how>[高低])(?!密度|信号|回声|度|亮|些?密)"
)
_RELATION_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:位?于|在|居|处于|的?位置)?(?P<how2>低于|高于)(?P<object2>{LABEL})"
    rf"|(?P<subject3>{LABEL})[就正恰则都均]?(?:位于|在|居于?|处于)?(?:图像中)?(?:[两三四][把个枚只条支根处]|[双两]侧?)?"
    rf"(?P<object3>{LABEL})的?正?"
    r"(?P<how3>[左右][上下]方|[上下][左右]方|下方|上方|[左右][侧边方]|[上下][面边]|之下|之上)"
)


_RELATION_BEHIND_ZH = re.compile(
    rf"(?:在|位于|居于?|处于|(?<=[方侧边面])[、及和与])(?P<object>{LABEL})的?"
    r"(?P<how>[左右][上下]方|[上下][左右]方|[左右上下]方|[左右][侧边])(?!有|可?见|为|是|部)"
)
"""Of the first label of a sentence: 胰腺位于图像中央，在肾脏下方、肝脏左侧."""


_RELATION_ITS_ZH = re.compile(
    r"其的?(?P<how>[左右][上下]方?|[上下][左右]?[方面])(?:可?见|则?为|是|有|即为|还有|另有|可以看到|能看到)(?:的?[一个枚处较小大的]*)"
    rf"(?P<subject>{LABEL})"
)
"""Of the label before: 其右上方为耳蜗."""
_RELATION_OF_IT_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:则|就|恰)?(?:位于|在|居于?|处于)(?:图像中?)?(?:其|它)的?"
    r"(?P<how>[左右][上下]方?|[上下][左右]?[方面]|[左右][侧边方])"
)
"""Likewise: 右心室位于其左侧."""


_ALL = r"both|all|each|every|the (?:two|three|four|five|six)"


_COMPARED = re.compile(
    rf"\b(?:compared (?:with|to)|in comparison (?:with|to)|relative to|next to) (?:the |an? )?(?P<object>{LABEL}),? "
    rf"(?P<rest>(?:the |an? )?{LABEL}[^.;]*?\b(?:lower|higher|larger|bigger|smaller|wider|broader|narrower|taller|"
    r"(?:further|farther) (?:to the )?(?:left|right)))\b(?! than)"
)
_COMPARED_ZH = re.compile(
    rf"(?:与|和|同|相较于?|相比于?|较)(?P<object>{LABEL})(?P<than>相比较?|比较|相较|比起来)?[，,]?(?P<subject>{LABEL})"
    "(?P<of>的?(?:位置|体积|范围|面积))?(?:明显|略|稍|则|也)*"
    "(?P<how>更(?:大|小|高|低|宽|窄)(?!密度|信号|回声)|(?(than)(?:大|小|高|低|宽|窄)(?![大小高低宽窄]|密度|信号|回声)|(?!))|更[靠偏][左右上下])"
)


_AND_HIGHER = re.compile(
    rf"(?P<of>\b(?:left|right) of (?:the |an? )?(?P<object>{LABEL}) and (?:[a-z]+ ){{0,2}}?(?:higher|lower))\b(?! than)"
)


_AND_LIES_HIGHER = re.compile(
    rf"than (?:the |an? )?(?P<object>{LABEL}),? and "
    r"(?P<how>(?:it )?(?:lies|sits|stands|is (?:located|placed|situated)) "
    r"(?:a little |slightly |somewhat |clearly |much )?(?:higher|lower))(?: in the [a-z\uf8fe]+)?\b(?! than)"
)
"""After another comparison with the same: "darker than the liver and lies lower in the image"."""


def compared(text: str) -> str:
    """Return a masked sentence with its comparisons put directly: "X is larger than Y", not "compared with Y, X …"."""
    text = _AND_HIGHER.sub(lambda found: f"{found['of']} than the {found['object']}", text)
    text = _AND_LIES_HIGHER.sub(r"and \g<how> than the \g<object>", text)
    text = _COMPARED.sub(lambda found: f"{found['rest']} than the {found['object']}", text)
    return _COMPARED_ZH.sub(
        lambda found: f"{found['subject']}{found['of'] or ''}比{found['object']}{found['how']}", text
    )


def relation_holds(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "below the spleen" and the like where the boxes say otherwise, or say nothing."""
    if facts.language == _EN:
        found = [
            (each, subject_of(text, each.start(), each.end()), each["object"], _way(each["how"]))
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
        ] + [(each, each["subject"], before[-1], _way_zh(each["how"]))
             for pattern in (_RELATION_ITS_ZH, _RELATION_OF_IT_ZH) for each in pattern.finditer(text)
             if (before := re.findall(LABEL, text[: each.start()]))]  # fmt: skip
        found += [
            (each, first, each["object"], _way_zh(each["how"]))
            for each in _RELATION_BEHIND_ZH.finditer(text)
            for first in re.findall(LABEL, text[: each.start()])[:1]
        ]
        found += [
            (each, each["subject"], each["object"], _way_zh(each["how"]))
            for pattern in (_FURTHER_ZH, _HIGHER_ZH)
            for each in pattern.finditer(text)
        ]
    if facts.language == _EN:
        patterns = (_RELATION_IT, _RELATION_IT_FIRST, _RELATION_ITS_SIDE)
        for each in (found for pattern in patterns for found in pattern.finditer(text)):
            if others := [mark for mark in re.findall(LABEL, text[: each.start()]) if mark != each["subject"]]:
                found.append((each, each["subject"], others[0], _way(each["how"])))
    for each, subject, other, way in found:
        if subject is None or subject == other:
            continue
        ones = known_boxes(facts, facts.names.label_of(subject))
        others = known_boxes(facts, facts.names.label_of(other))
        sentence = re.sub(r"[\ue000-\uf8ff]", facts.names.label_of(other), each.group())
        if not ones or not others:
            if re.match("over|under|above|beneath", each.group()):
                continue
            return "position invented", f'"{sentence}": the record has no place of both'
        every = all if re.search(rf"\b(?:{_ALL})(?: of)?(?: the)? {subject}|[均都](?:位|在|处)", text) else any
        of_each = all if re.search(r"\b(?:both|each|all|two|three)\b", each.groupdict().get("of_each") or "") else any
        if not every(of_each(way(place(one, facts), place(two, facts)) for two in others) for one in ones):
            return "position contradicted", f'"{sentence}" is not so by their boxes'
    return None


def _way(how: str) -> _Way:
    how = how.removeprefix("just ").removeprefix("directly ")
    if "top" in how or "bottom" in how:
        how = "above" if "top" in how else "below"
    if how.startswith(("below", "beneath", "under", "lower")):
        return lambda one, two: one[1] > two[1] - _SLACK / 2
    if how.startswith(("above", "over", "on top", "higher")):
        return lambda one, two: one[1] < two[1] + _SLACK / 2
    if "left" in how:
        return lambda one, two: one[0] < two[0] + _SLACK / 2
    return lambda one, two: one[0] > two[0] - _SLACK / 2


def _way_zh(how: str) -> _Way:
    if how.startswith("之"):
        how = how[1:]
    ways = [
        _way({"下": "below", "低": "below", "上": "above", "高": "above", "左": "left of", "右": "right of"}[each])
        for each in how
        if each in "上下左右高低"
    ]
    return lambda one, two: all(way(one, two) for way in ways)


def subject_of(text: str, start: int, end: int) -> str | None:
    """Return what a relation is said of: the label before it in its clause, else the one behind it, else before."""
    clause = re.split(r"[,;:]|\b(?:while|whereas|but)\b", text[:start])[-1]
    if re.match(r"\W*(?:it|they|this|these|which|that)\b", clause) and not re.search(LABEL, text[:start]):
        return None  # said of what the sentence before names
    every = re.findall(LABEL, text[:start])
    inverted = re.match(r"[^,;]*?\b(?:lies?|is|are|sits?|stands?|appears?|one (?:sees|finds)|there)\b", text[end:])
    before, behind = re.findall(LABEL, clause), re.findall(LABEL, text[end:])
    if before:
        return before[-1]
    if not re.search(
        r"[a-z]{3}", re.sub(r"\b(?:the|and|its|this)\b", " ", clause)
    ):  # "Below the spleen lies the kidney."
        return behind[0] if behind and (inverted or not every) else every[-1] if every else None
    return every[-1] if every else None


_INSIDE = re.compile(
    rf"\b(?P<how>inside|within|outside|enclosed by|surrounded by|encircled by|embedded in|contained in)(?: of)?"
    rf"(?: the| its| an?| both| either| each| any)*(?: (?:larger|whole|(?:ring|area|region|band|zone|rim|circle) of))?"
    rf"(?: the)? (?P<object>{LABEL})"
)
_IN = re.compile(rf"\bin (?:the |an? |its )?(?P<object>{LABEL})(?= ?(?:[.,;:!?)]|$|is\b|and\b|of this\b|on this\b))")
_IN_BOTH = re.compile(r"\bin (?:both|each|either)(?: of (?:them|these|the two))?(?= ?(?:[.,;:!?)]|$))")
_IN_ZH = re.compile(rf"(?P<subject>{LABEL})(?:主要)?(?:位于|在|处于|见于)(?P<object>{LABEL})(?=[，。；,]|$)")
"""Where a finding lies in an organ that has a box of its own."""
_AROUND = re.compile(
    rf"\b(?P<how>encloses?|surrounds?|encircles?|contains?|envelops?|wraps? around|houses?|(?:lies?|is) around)"
    rf"(?: both)?(?: the| its| an?)? (?P<object>{LABEL})"
)
_OF_THE_PICTURE = re.compile(rf"(?:\uf8fe|\bit|\b{PICTURE}|\bfilms?)(?! (?:and|where|in which)\b)[^,;{LABEL[1:-1]}]*$")
"""What contains a label is the picture."""
_INSIDE_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:位?于|在|居于?|处于)(?P<object>{LABEL})的?(?P<how>之?内部?(?!侧)|里面?|外部|之?外(?!侧))"
)
_AROUND_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:呈[^，。；{LABEL[1:-1]}]{{1,6}}?)?(?P<by>被)?(?P<object2>{LABEL})?(?:所)?(?P<how>包绕|包围|环绕|包裹|围绕|包含)着?(?P<object>{LABEL})?"
)
_INSIDE_SHARE = 0.5
"""Share of a box that lies in another at least, where one structure is said to lie in the other."""


def holds_inside(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "inside the disc", "surrounds the core" and the like where the boxes say otherwise."""
    for each, inner, outer, within in _insides(facts, text):
        if inner is None or outer is None or inner == outer:
            continue
        ones = known_boxes(facts, facts.names.label_of(inner))
        others = known_boxes(facts, facts.names.label_of(outer))
        if not ones or not others:
            continue
        lies = [any(_share_inside(one, two) >= _INSIDE_SHARE for two in others) for one in ones]
        if not any(lies) if within else all(lies):
            sentence = re.sub(LABEL, lambda mark: facts.names.label_of(mark.group()), each.group())
            return "position contradicted", f'"{sentence}" is not so by their boxes'
    return None


def _insides(facts: Facts, text: str) -> Iterator[tuple[re.Match[str], str | None, str | None, bool]]:
    """Yield (what is said, what lies inside, in what, whether it does lie inside)."""
    if facts.language == _EN:
        for found in _INSIDE.finditer(text):
            subject = subject_of(text, found.start(), found.end())
            yield found, subject, found["object"], found["how"] != "outside"
        for found in _IN_BOTH.finditer(text):
            pair = re.search(f"({LABEL}) ({LABEL})", text[: found.start()])
            for outer in pair.groups() if pair else ():
                yield found, subject_of(text, found.start(), found.end()), outer, True
        for found in _IN.finditer(text):
            subject = subject_of(text, found.start(), found.end())
            yield found, subject, found["object"], True
        for found in _AROUND.finditer(text):
            if not _OF_THE_PICTURE.search(text[: found.start()]):
                yield found, found["object"], subject_of(text, found.start(), found.end()), True
        return
    for found in _IN_ZH.finditer(text):
        yield found, found["subject"], found["object"], True
    for found in _INSIDE_ZH.finditer(text):
        yield found, found["subject"], found["object"], "外" not in found["how"]
    for found in _AROUND_ZH.finditer(text):
        if found["by"] and found["object2"]:
            yield found, found["subject"], found["object2"], True
        elif not found["by"] and not found["object2"] and found["object"]:
            yield found, found["object"], found["subject"], True


def _share_inside(one: Box, two: Box) -> float:
    """Return the share of the first box that the second covers."""
    return one.common_px(two) / one.area_px if one.area_px else 0.0


_OUTERMOST = re.compile(
    r"\b(?P<how>highest|uppermost|topmost|lowest|lowermost|bottommost|leftmost|rightmost)\b"
    r"(?! (?:part|half|third|quarter|portion|signal|density|"
    r"intensity|brightness|attenuation|echo\w*|level|point|border|edge))"
)
_OUTERMOST_ZH = re.compile(
    rf"(?P<subject>{LABEL})(?:的?位置)?(?:[位处]于|[处]?在|居|为)?(?:(?:图像?|画面|影像)的?)?最(?P<how>[上下左右高低])(?:[方端侧部面]|的|，|。|$)"
)


def outermost_holds(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "the lowest" and the like of a label that others lie beyond."""
    if facts.language == _EN and "est" not in text and "most" not in text:
        return None
    chinese = facts.language == Language.ZH
    for found in (_OUTERMOST_ZH if chinese else _OUTERMOST).finditer(text):
        subject = found["subject"] if chinese else subject_of(text, found.start(), found.end())
        if not chinese and (
            behind := re.match(rf" of all,? (?:is |lies |comes )?(?:an? |the )?({LABEL})", text[found.end() :])
        ):
            subject = behind[1]
        if subject is None:
            continue
        own = facts.names.label_of(subject)
        how = found["how"]
        axis = 0 if how[0] in "左右" or how.startswith(("left", "right")) else 1
        sign = -1 if how[0] in "上左高" or how.startswith(("high", "up", "top", "left")) else 1
        ones = [sign * place(box, facts)[axis] for box in known_boxes(facts, own)]
        others = [
            sign * place(box, facts)[axis]
            for label in facts.annotation.labels if label != own for box in known_boxes(facts, label)
        ]  # fmt: skip
        if ones and others and max(ones) < max(others) - _SLACK / 2:
            return "position contradicted", f'"{how}" is not so of {own} by the boxes'
    return None


_LIES = r"(?:(?:is|are|lies?|sits?|stands?|comes?) )?"
_ABOVE, _BELOW = "above|on top|uppermost", "below|underneath|beneath"
_ORDER = re.compile(
    rf"(?P<one>{LABEL}) {_LIES}(?P<how>{_ABOVE}|{_BELOW})(?:,|;)? (?:and |with |while |whereas )?(?:the |an? |its )?"
    rf"(?P<two>{LABEL}) {_LIES}(?:{_ABOVE}|{_BELOW}|at the (?:top|bottom))\b(?! (?:the|an?|it|them)\b)"
)
_ORDER_ZH = re.compile(
    rf"(?P<one>{LABEL})(?:[位居]于?|在|靠|偏)(?P<how>[上下左右])[方面侧边部]?，?(?:而|则)?(?P<two>{LABEL})(?:则|便)?"
    r"(?:[位居]于?|在|靠|偏)其?[上下左右]"
)


def order_holds(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "the liver above, the kidney below" where the boxes say otherwise."""
    chinese = facts.language == Language.ZH
    for found in (_ORDER_ZH if chinese else _ORDER).finditer(text):
        ones, others = (known_boxes(facts, facts.names.label_of(found[name])) for name in ("one", "two"))
        way = _way_zh(found["how"]) if chinese else _way(found["how"].replace("uppermost", "above"))
        if ones and others and not any(way(place(one, facts), place(two, facts)) for one in ones for two in others):
            stated = re.sub(LABEL, lambda mark: facts.names.label_of(mark.group()), found.group())
            return "position contradicted", f'"{stated}" is not so by their boxes'
    return None


_SIZE_WORDS = "smaller|larger|bigger"
_NOUN = rf"(?: (?:{LABEL}|{WORD}))*"
_THAN_THE_OTHER = r"(?! than(?! the (?:other|upper|lower|higher|left|right)\b))"
_OF_TWO = re.compile(
    rf"\b(?P<one>{_SIZE_WORDS})(?: one| of (?:the two|both))?{_NOUN}(?! than)[^,;]{{0,24}}?\b"
    rf"(?P<how>below|beneath|under|above|over|left of|right of|higher than|lower than)(?: the|"
    rf" its)? (?:{_SIZE_WORDS}|other)"
    rf"|\bthe (?P<side>upper|lower|higher|left|right)(?:most)?(?: one| of (?:the two|both))?{_NOUN} "
    rf"(?:(?:is|being|appears|looks) ?)?(?:(?:also|clearly|slightly|much|somewhat|far|the) )*(?P<size>{_SIZE_WORDS})"
    rf"{_THAN_THE_OTHER}"
)
_OF_TWO_ZH = re.compile(
    rf"较(?P<one>[大小])的?者?(?:[一那]?[个处枚])?(?:{LABEL}|{WORD})*[位居处]?[于在]?较[大小]的?者?(?:[一那]?[个处枚])?(?:{LABEL}|{WORD})*的?"
    rf"(?P<how>[上下左右])[方侧面]"
    rf"|较(?P<one2>[大小])的?者?(?:[一那]?[个处枚])?(?:位置)?(?P<how2>[高低])于较[大小]的?者?"
    rf"|(?P<side>[上下左右])[方侧]的?者?(?:[一那]?[个处枚])?(?:{LABEL}|{WORD})*(?:[较更](?P<size>[大小])(?![于的])|(?:明显|略|稍|远)?(?P<size2>[大小])于(?:[上下左右]方|[左右]侧|另))"
)


def holds_of_two(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return "the smaller lies above the larger" and the like of a label with two boxes of which it is not so."""
    chinese = facts.language == Language.ZH
    for found in (_OF_TWO_ZH if chinese else _OF_TWO).finditer(text):
        named = re.findall(LABEL, found.group()) or re.findall(LABEL, text)
        labels = [facts.names.label_of(mark) for mark in named] or list(facts.annotation.labels)
        boxes = known_boxes(facts, labels[0]) if len(set(labels)) == 1 else ()
        if len(boxes) != 2:
            continue
        small, large = sorted(boxes, key=lambda box: box.area_px)
        also = found.groupdict()
        size = found["one"] or found["size"] or also.get("size2") or also.get("one2") or ""
        one, other = (small, large) if size[0] in "s小" else (large, small)
        stated = (found["how"] or found["side"] or also["how2"]).replace("upper", "above").replace("lower", "below")
        way = _way_zh(stated) if chinese else _way("below" if stated == "below than" else stated)
        if not way(place(one, facts), place(other, facts)):
            return "position contradicted", f'"{re.sub(LABEL, labels[0], found.group())}" is not so by their boxes'
    return None
