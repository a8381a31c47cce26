"""Directions of anatomy that a masked sentence states of two labels ("medial to the spleen"), held to their boxes.

They are known where it is known how the image is turned: an axial slice has the front above, a coronal one and a
radiograph the head, and the middle of the body is the middle of the image.
"""

import re
from collections.abc import Sequence

from gmai_data.checks.facts import Facts
from gmai_data.checks.lexicon import LABEL
from gmai_data.checks.places import known_boxes, place, subject_of
from gmai_data.vocabulary import Language, Modality

_SLACK = 0.03
_EN = re.compile(
    rf"\b(?P<how>medial|lateral|anterior|posterior|superficial|deep|superior|inferior|cranial|caudal)(?:ly)? "
    r"(?:to|of) (?:both |either |the |this |that )*"
    rf"(?P<object>{LABEL})"
)
_ZH = re.compile(
    rf"(?:(?P<subject>{LABEL})(?:[位居]?于|在|居)?|[位居]于|在)(?P<object>{LABEL})的?(?P<how>[内外]侧|[前后]方|[浅深][面层侧方部])"
)
_WAYS = {
    "medial": "medial", "lateral": "lateral", "anterior": "up", "posterior": "down", "superior": "up",
    "superficial": "up", "deep": "down", "cranial": "up", "inferior": "down", "caudal": "down", "内侧": "medial",
    "外侧": "lateral", "前方": "up", "后方": "down", "浅": "up", "深": "down",
}  # fmt: skip
_TURNED = {Modality.X_RAY: "coronal", Modality.ULTRASOUND: "from the skin"}
_KNOWN = {
    "from the skin": {"superficial", "deep", "浅", "深"},
    "axial": {"medial", "lateral", "anterior", "posterior", "内侧", "外侧", "前方", "后方"},
    "coronal": {"medial", "lateral", "superior", "inferior", "cranial", "caudal", "内侧", "外侧"},
    "sagittal": {"superior", "inferior", "cranial", "caudal"},
}


def without_directions(facts: Facts, text: str, carried: Sequence[str]) -> tuple[str, tuple[str, str] | None]:
    """Take the directions out of a masked sentence that the boxes hold, and return what is wrong with one they do not.

    A direction that nothing is known about stays in the sentence.
    """
    axis = str(facts.annotation.provenance.get("axis", ""))
    if not axis and facts.annotation.modality is not None:
        axis = _TURNED.get(facts.annotation.modality, "")
    known = _KNOWN.get(axis, set[str]())
    chinese = facts.language == Language.ZH
    if not chinese and " to " not in text and " of " not in text:
        return text, None
    for found in (_ZH if chinese else _EN).finditer(text):
        how = found["how"][0] if found["how"][0] in "浅深" else found["how"]
        if chinese:
            named = re.findall(LABEL, text[: found.start()])
            subject = found["subject"] or (named[-1] if named else None)
        else:
            subject = subject_of(text, found.start(), found.end())
        ones = _boxes(facts, [facts.names.label_of(subject)] if subject else list(carried))
        others = _boxes(facts, [facts.names.label_of(found["object"])])
        if how not in known or not ones or not others:
            continue
        if not any(_lies(_WAYS[how], one, two) for one in ones for two in others):
            relation = f"{how} to {facts.names.label_of(found['object'])}"
            return text, ("position contradicted", f'"{relation}" is not so by their boxes')
        text = text.replace(
            found.group(), f"{found['subject'] or ''}{found['object']}" if chinese else f" {found['object']}"
        )
    return text, None


def _boxes(facts: Facts, labels: Sequence[str]) -> list[tuple[float, float]]:
    return [place(box, facts) for label in labels for box in known_boxes(facts, label)]


def _lies(way: str, one: tuple[float, float], two: tuple[float, float]) -> bool:
    if way in ("medial", "lateral"):
        nearer = abs(two[0] - 0.5) - abs(one[0] - 0.5)
        return nearer > -_SLACK if way == "medial" else nearer < _SLACK
    return one[1] < two[1] + _SLACK if way == "up" else one[1] > two[1] - _SLACK
