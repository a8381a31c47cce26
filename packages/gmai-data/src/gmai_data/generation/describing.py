"""What a record lets one say about its image, as sentences: the view, what is shown, where, how large, what is not."""

import re
from collections.abc import Iterator

from gmai_data.annotation import Annotation, Box, boxes_of, single_boxes
from gmai_data.generation.naming import named
from gmai_data.generation.wording import Words
from gmai_data.seeded import choose, hash_fraction, shuffled

_APART = 0.15
"""Share of the image's side: with less between their centres, one region is not said to lie beside another."""
_LARGEST = 1.5
"""So many times the box of any other makes a structure the largest."""
_MOST_DETAILS = 3
_SIZED_PX = 12
"""Regions with a shorter side are not given a size: one pixel would be too much of it."""
_NO_ABSENCE = re.compile(
    r"^(?:no|normal|healthy|clear|other|non|not|without|unremarkable)\b|\bnormal\b|\bgrade\b|\bscore\b|\d"
)
"""Labels of which "no …" is no sentence, or says too much."""
_WHOLE = 0.4
"""Share of the captions whose first sentence says the view and what is shown."""

Fact = tuple[str, dict[str, str]]
"""(name of the templates, facts that fill them)."""


def caption(annotation: Annotation, words: Words, purpose: str = "caption") -> str:
    """Return a description of one to five sentences; another purpose gives another one."""
    templates = words.templates["describing"]
    names = (words.seed, annotation.id, purpose)
    if not annotation.labels:
        sentences = [words.say(templates["view"], f"{purpose} view")]
    elif hash_fraction(*names, "whole") < _WHOLE:
        sentences = [words.say(templates["whole"], f"{purpose} whole")]
    else:
        sentences = [words.say(templates["view"], f"{purpose} view"), words.say(templates["shown"], f"{purpose} shown")]
    return words.join([*sentences, *details(annotation, words, purpose)])


def details(annotation: Annotation, words: Words, purpose: str, without: tuple[str, ...] = ()) -> list[str]:
    """Return up to so many further sentences; which ones, the record and the purpose draw.

    Args:
        annotation: The record.
        words: Its facts in the language to write.
        purpose: Draws others for another text.
        without: Kinds that are not told.
    """
    names = (words.seed, annotation.id, purpose, "details")
    templates = words.templates["describing"]
    found = {name: facts for name, facts in _facts(annotation, words, *names) if name not in without}
    count = int(hash_fraction(*names, "count") * (_MOST_DETAILS + 1))
    drawn = set(shuffled(sorted(found), *names)[:count])
    # What lies where comes before what is not there, and the department last.
    return [words.say(templates[name], f"{purpose} {name}", **found[name]) for name in found if name in drawn]


def _facts(annotation: Annotation, words: Words, *names: object) -> Iterator[Fact]:
    single = single_boxes(annotation)
    if window := words.window:
        yield "window", {"window": window}
    if single and words.exhaustive:
        box = choose(single, *names, "position")
        yield "position", {**words.spoken(box.label), "position": words.position(box)}
        yield from _beside(annotation, single, words, *names)
        yield from _largest(annotation, words)
        yield from _size(annotation, single, words, *names)
    sayable = [label for label in annotation.absent if not _NO_ABSENCE.search(label)]
    if sayable and annotation.labels:
        yield "absent", words.spoken(choose(sorted(sayable), *names, "absent"))
    yield "read", {}


def _beside(annotation: Annotation, single: list[Box], words: Words, *names: object) -> Iterator[Fact]:
    if len(single) < 2:
        return
    one, two = shuffled(single, *names, "beside")[:2]
    across = (one.centre[0] - two.centre[0]) / annotation.width_px
    down = (one.centre[1] - two.centre[1]) / annotation.height_px
    if max(abs(across), abs(down)) < _APART:
        return
    if abs(across) >= abs(down):
        way = "left_of" if across < 0 else "right_of"
    else:
        way = "above" if down < 0 else "below"
    yield way, {**words.spoken(one.label), "other": words.spoken(two.label)["this"]}


def _largest(annotation: Annotation, words: Words) -> Iterator[Fact]:
    areas = {label: sum(box.area_px for box in boxes_of(annotation, label)) for label in annotation.labels}
    if len(areas) < 2 or annotation.incomplete or not all(areas.values()):
        return
    (first, largest), (_, second) = sorted(areas.items(), key=lambda each: (-each[1], each[0]))[:2]
    if largest >= _LARGEST * second and not named(first).counted:
        yield "largest", words.spoken(first)


def _size(annotation: Annotation, single: list[Box], words: Words, *names: object) -> Iterator[Fact]:
    spacing = annotation.provenance.get("spacing_mm")
    large = [box for box in single if min(box.size_px) >= _SIZED_PX]
    if not spacing or not large:
        return
    box = choose(large, *names, "size")
    # To half a centimetre: the box is as exact as its pixels.
    width, height = (max(round(side * spacing[0] / 5) * 5, 5) for side in box.size_px)
    yield "size", {**words.spoken(box.label), "width": str(width), "height": str(height)}
