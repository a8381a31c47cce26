"""A question about an image whose answer follows from its record alone, for a text that reasons towards it."""

from gmai_formats.rows.box_text import box_tag

from gmai_data.annotation import Annotation, Box, single_boxes
from gmai_data.checks.facts import LabelNames
from gmai_data.seeded import choose

_APART = 0.12
"""Share of the image's side by which two centres differ that are called higher or further left."""
_LARGER = 1.6
"""How many times as large a box is that is called larger."""
_ASKED = "Reason step by step."


def question_of(annotation: Annotation, names: LabelNames, seed: int) -> tuple[str, str, tuple[Box, ...]] | None:
    """Return (question, answer, boxes that it is about), or None where the record answers none.

    The answer is the English name of a label. A label counts with one box only, so that nothing is left to choose.

    Args:
        annotation: The record.
        names: Of its card's labels.
        seed: Draws among the questions that the record answers.
    """
    alone = single_boxes(annotation)
    offers: list[tuple[str, str, tuple[Box, ...]]] = []
    if alone:
        first = choose(alone, seed, annotation.id, "reasoning")
        tag = box_tag([first.xyxy], annotation.width_px, annotation.height_px)
        noun = names.noun or "structure"
        offers.append((f"Which {noun} lies in the region {tag}? {_ASKED}", first.label, (first,)))
        for second in alone:
            if second is not first:
                offers += _compared(annotation, first, second)
    elif len(annotation.labels) == 1 and not annotation.labels[0].startswith("no "):
        offers.append((f"What does this image show? {_ASKED}", annotation.labels[0], ()))
    return choose(offers, seed, annotation.id, "question") if offers else None


def _compared(annotation: Annotation, one: Box, other: Box) -> list[tuple[str, str, tuple[Box, ...]]]:
    both = f"the {one.label} or the {other.label}"
    found: list[tuple[str, str, tuple[Box, ...]]] = []
    distance = (one.centre[1] - other.centre[1]) / annotation.height_px
    if abs(distance) >= _APART:
        upper = one if distance < 0 else other
        found.append((f"Which lies higher in the image, {both}? {_ASKED}", upper.label, (one, other)))
    sizes = [one.area_px, other.area_px]
    if max(sizes) >= _LARGER * min(sizes):
        larger = one if sizes[0] > sizes[1] else other
        found.append((f"Which is larger in this image, {both}? {_ASKED}", larger.label, (one, other)))
    return found
