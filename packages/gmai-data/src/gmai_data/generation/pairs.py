"""Questions about two images of one split: which slice lies higher, which image shows a structure, or more of it."""

from collections.abc import Iterator, Sequence

from gmai_data.annotation import Annotation, boxes_of
from gmai_data.generation.naming import named
from gmai_data.generation.perception import LARGER, MAX_COUNT, Turn
from gmai_data.generation.wording import Words
from gmai_data.seeded import choose, hash_fraction, shuffled

LOOK_BACK = 64
"""So many images of a shard are remembered as a second one."""
_APART_MM = 20
"""Slices nearer to one another are not asked about: even a reader might not tell which is which."""
_MORE = 1.5
"""So many times as many regions are more of them."""
_HALF = 0.5
_ASKED = 2
"""Questions asked about two images."""

Numbered = tuple[int, Annotation]
"""(row number within the shard, record)."""


def partner(annotation: Annotation, earlier: Sequence[Numbered], seed: int) -> Numbered | None:
    """Return the image that an image is compared with: one of the same item where there is one; None without any.

    Args:
        annotation: The record.
        earlier: Records of the same source that came before; those of another split are never taken.
        seed: Draws another one.
    """
    own = [each for each in earlier if each[1].split == annotation.split]
    same = [each for each in own if _item(each[1]) == _item(annotation)]
    drawn = same or own
    return choose(drawn, seed, annotation.id, "beside") if drawn else None


def pair_turns(annotation: Annotation, other: Annotation, words: Words, seed: int) -> Iterator[tuple[Turn, bool]]:
    """Yield questions about two images, each with whether the first image is that of `annotation`.

    Args:
        annotation: One record.
        other: Another of the same source and split.
        words: Facts of the first in the language to write.
        seed: Draws another question and order.
    """
    names = (seed, annotation.id, other.id)
    asked = [found for found in (
        _higher(annotation, other), _shown(annotation, other, *names),
        _more(annotation, other, words, *names), _larger(annotation, other, words, *names),
    ) if found is not None]  # fmt: skip
    templates = words.templates["perception"]["two_images"]
    for family, label, own in shuffled(asked, "two images", *names)[:_ASKED]:
        first = hash_fraction("first", family, *names) < _HALF
        question = words.say(templates[family], f"two images {family}", **(words.spoken(label) if label else {}))
        answer = "first" if own == first else "second"
        balance = {"of": [f"two_images {family}", label], "answer": answer}
        yield Turn(question, templates[answer], (), f"two_images {family}", balance), first


_Found = tuple[str, str, bool]
"""(family, label asked about, whether the first record is the answer)."""


def _item(annotation: Annotation) -> object:
    return annotation.provenance.get("item", annotation.id)


def _of_one_volume(annotation: Annotation, other: Annotation) -> bool:
    known, also = annotation.provenance, other.provenance
    return (
        _item(annotation) == _item(other)
        and all(known.get(name) == also.get(name) for name in ("axis", "window", "frame", "spacing_mm"))
        and "spacing_mm" in known
    )


def _higher(annotation: Annotation, other: Annotation) -> _Found | None:
    if not _of_one_volume(annotation, other) or annotation.provenance.get("axis") != "axial":
        return None
    # Volumes are turned so that slices are counted towards the head (imaging/grids.py).
    steps = annotation.provenance["slice"] - other.provenance["slice"]
    apart_mm = abs(steps) * annotation.provenance["spacing_mm"][1]
    return ("higher", "", steps > 0) if apart_mm >= _APART_MM else None


def _shown(annotation: Annotation, other: Annotation, *names: object) -> _Found | None:
    mine = set(annotation.labels) & set(other.absent)
    theirs = set(other.labels) & set(annotation.absent)
    if not mine and not theirs:
        return None
    label = choose(sorted(mine | theirs), "shown", *names)
    return "which_shows", label, label in mine


def _complete(annotation: Annotation) -> set[str]:
    return {
        label
        for label in set(annotation.labels) - set(annotation.incomplete)
        if 0 < len(boxes_of(annotation, label)) <= MAX_COUNT
    }


def _more(annotation: Annotation, other: Annotation, words: Words, *names: object) -> _Found | None:
    if not (words.exhaustive and words.one_box_per_region):
        return None
    for label in shuffled(sorted(_complete(annotation) & _complete(other)), "more", *names):
        counts = [len(boxes_of(each, label)) for each in (annotation, other)]
        if named(label).counted and max(counts) >= max(_MORE * min(counts), min(counts) + 2):
            return "more", label, counts[0] > counts[1]
    return None


def _larger(annotation: Annotation, other: Annotation, words: Words, *names: object) -> _Found | None:
    if not (words.exhaustive and _of_one_volume(annotation, other)):
        return None
    for label in shuffled(sorted(_complete(annotation) & _complete(other)), "larger", *names):
        found = [boxes_of(each, label) for each in (annotation, other)]
        areas = [sum(box.area_px for box in boxes) for boxes in found]
        if len(found[0]) == len(found[1]) == 1 and max(areas) >= LARGER * min(areas):
            return "larger", label, areas[0] > areas[1]
    return None
