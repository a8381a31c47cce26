"""Does what a masked sentence says to reach a border of the image do so by its boxes?"""

import re

from gmai_data.annotation import Box
from gmai_data.checks.counts import without_marks
from gmai_data.checks.facts import Facts
from gmai_data.checks.lexicon import LABEL
from gmai_data.checks.places import WAYS_ZH, known_boxes
from gmai_data.vocabulary import Language

_REACHES = re.compile(
    r"\b(?:reach(?:es|ing)?|touch(?:es|ing)?|abut(?:s|ting)?|meets?|adjoin(?:s|ing)?|contacts?|"
    r"(?:extend|run|go|continue|stretch)(?:s|es|ing)? (?:as far as|up to|down to|all the way to|to|into)|"
    r"(?:cut|cropped|clipped|truncated)(?: off)? (?:at|by|along)|in contact with|right up to) "
    r"(?:the |its |this )?(?:very )?(?P<side>left|right|upper|lower|top|bottom)(?: \uf8fe)?"
    r"(?: (?:image|picture|frame))? (?:edge|border|margin|boundary|rim)"
    rf"(?! of (?:the |its |an? )?{LABEL})(?! of (?:it|them|the (?:organ|structure))\b)"
)
_REACHES_ZH = re.compile(
    r"(?:达到|到达|抵达|达|延伸至|延伸到|延至|延伸达|触及|接触(?:到|至)?|抵至?|紧?贴着?|紧邻|邻接)"
    r"(?:了)?(?:图像|图片|画面|影像|视野|图)?的?(?P<side>[左右上下])[侧方部]?(?:边缘|边界|缘|边框|边)"
)
_DENIED = re.compile(r"(?:\b(?:not|without|never|nor|hardly)(?: [a-z]+)?|[未不没无]有?) ?$")
_AT_BORDER = 0.04
"""Share of the image's side by which what reaches its border may lie away from it."""


def wrong_border(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a border of the image that a label is said to reach where none of its boxes does."""
    chinese = facts.language == Language.ZH
    for found in (_REACHES_ZH if chinese else _REACHES).finditer(text):
        if _DENIED.search(text[: found.start()]):
            continue
        before = re.findall(LABEL, text[: found.start()])
        alone = facts.annotation.labels if len(facts.annotation.labels) == 1 else ()
        labels = [facts.names.label_of(before[-1])] if before else list(alone)
        boxes = [box for label in labels for box in known_boxes(facts, label)]
        side = WAYS_ZH[found["side"]] if chinese else found["side"]
        if boxes and not any(_is_at_border(box, facts, side) for box in boxes):
            return "position contradicted", f'"{without_marks(found.group())}" is not so by the boxes'
    return None


def _is_at_border(box: Box, facts: Facts, side: str) -> bool:
    x1, y1, x2, y2 = box.xyxy
    width, height = facts.annotation.width_px, facts.annotation.height_px
    away = {
        "left": x1 / width, "right": 1 - x2 / width, "upper": y1 / height, "top": y1 / height,
        "lower": 1 - y2 / height, "bottom": 1 - y2 / height,
    }  # fmt: skip
    return away[side] <= _AT_BORDER
