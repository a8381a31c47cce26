"""Visual perception: short answers that follow from the labels and boxes alone (section 3.2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gmai_data.annotation import Annotation, Box, boxes_of
from gmai_data.generation.choices import LETTERS, lettered, options_for
from gmai_data.generation.wording import Words
from gmai_data.imaging.box_text import box_tag, box_text
from gmai_data.seeded import choose, hash_fraction, shuffled
from gmai_data.vocabulary import Modality

LETTER_SHARE = 0.2
"""Share of the multiple-choice questions that are answered with a letter; the others with the option's text."""
_HALF = 0.5
"""Cells that touch are not in one another's regions; a gallbladder is in that of its liver."""
MAX_COUNT = 30
"""More regions than this are not asked for: neither a list of boxes nor a count would be a short answer."""

Turn = tuple[str, str, tuple[Box, ...], str]
"""(question, answer, boxes spoken of, what was asked: `modality`, `label`, `presence`, …)."""


@dataclass(frozen=True)
class Offer:
    """A multiple-choice question before its options are written down."""

    family: str
    """`modality`, `label` or `region`."""
    question: str
    answer: str
    wrong: tuple[str, ...]
    least_options: int = 3
    """With fewer left to offer the question is not asked; lower only where the vocabulary itself is that small."""


def perception_turns(annotation: Annotation, words: Words, modalities: Sequence[Modality], seed: int) -> Iterator[Turn]:
    """Yield the perception questions about one image.

    Args:
        annotation: The record.
        words: Its facts in the language to write.
        modalities: The modalities of this build, offered as wrong answers before others are.
        seed: Draws other questions.
    """
    names = (seed, annotation.id)
    yield from _choice_turn(modality_offer(annotation, words, modalities), words, *names)
    # Two labels of an image that has several; the same one in another wording and order where it has one.
    for number, label in enumerate((shuffled(annotation.labels, *names) * 2)[:2]):
        offer = label_offer(annotation, words, label, f"label {number}")
        yield from _choice_turn(offer, words, *names, number)
    yield from _presence(annotation, words, *names)
    if len(annotation.labels) == 1 and annotation.absent:
        question = words.say(words.templates["perception"]["label"], "label open")
        yield question, words.label(annotation.labels[0]), (), "label"
    else:
        question = words.say(words.templates["perception"]["modality"], "modality open")
        yield question, words.modality(annotation.image_modality), (), "modality"
    yield from _regions(annotation, words, *names)


def modality_offer(
    annotation: Annotation, words: Words, modalities: Sequence[Modality], *, only_these: bool = False
) -> Offer:
    """Return the question for the modality.

    Args:
        annotation: The record.
        words: Its facts in the language to write.
        modalities: Offered first.
        only_these: Offer no modality that the build does not have, even if fewer options are left.
    """
    others = [modality for modality in modalities if modality != annotation.modality]
    if not only_these and len(others) < 3:
        rest = [modality for modality in Modality if modality not in (*others, annotation.modality)]
        others += shuffled(rest, annotation.id)[: 3 - len(others)]
    question = words.say(words.templates["perception"]["modality"], "modality")
    answer = words.modality(annotation.image_modality)
    return Offer("modality", question, answer, tuple(words.modality(other) for other in others))


def label_offer(annotation: Annotation, words: Words, label: str, purpose: str) -> Offer:
    """Return the question for one label that the image shows; wrong answers are labels known to be absent."""
    question = words.say(words.templates["perception"]["label"], purpose)
    wrong = tuple(words.label(absent) for absent in annotation.absent)
    return Offer("label", question, words.label(label), wrong, min(3, len(annotation.labels) + len(wrong)))


def region_offer(annotation: Annotation, words: Words, box: Box, purpose: str) -> Offer:
    """Return the question for what one box holds.

    Wrong answers are the absent labels, and those of which every region has its box and none is the region's, too.
    """
    tag = box_tag([box.xyxy], annotation.width_px, annotation.height_px)
    question = words.say(words.templates["perception"]["region"], purpose, box=tag)
    others = [name for name in annotation.labels if not _shares(annotation, name, box)]
    wrong = tuple(words.label(name) for name in (*others, *annotation.absent))
    return Offer("region", question, words.label(box.label), wrong, min(3, 1 + len(wrong)))


def _shares(annotation: Annotation, label: str, box: Box) -> bool:
    """Say whether a region may show a label, too: an unknown place, or half of the smaller of two boxes is common."""
    boxes = boxes_of(annotation, label)
    return not boxes or label in annotation.incomplete or any(_common(each, box) >= _HALF for each in boxes)


def _common(one: Box, other: Box) -> float:
    (a1, b1, a2, b2), (c1, d1, c2, d2) = one.xyxy, other.xyxy
    common_px = max(0, min(a2, c2) - max(a1, c1)) * max(0, min(b2, d2) - max(b1, d1))
    return common_px / min((a2 - a1) * (b2 - b1), (c2 - c1) * (d2 - d1))


def _choice_turn(offer: Offer, words: Words, *names: object) -> Iterator[Turn]:
    options = options_for(offer.answer, offer.wrong, *names, offer.family)
    if options is None or len(options) < offer.least_options:
        return
    templates = words.templates["perception"]
    if hash_fraction("letter", *names, offer.family) < LETTER_SHARE:
        question = templates["option_letter"].format(question=offer.question, options=lettered(options))
        yield question, LETTERS[options.index(offer.answer)], (), f"{offer.family} option_letter"
    else:
        text = templates["option_separator"].join(options)
        yield (
            templates["option_text"].format(question=offer.question, options=text),
            offer.answer,
            (),
            (f"{offer.family} option_text"),
        )


def _presence(annotation: Annotation, words: Words, *names: object) -> Iterator[Turn]:
    paraphrases = words.templates["perception"]["presence"]["question"]
    answers = words.templates["answers"]
    # One of each, and only where both can be asked: a source without absent labels would teach to say yes.
    if annotation.labels and annotation.absent:
        shown = choose(annotation.labels, "present", *names)
        missing = choose(annotation.absent, "absent", *names)
        yield words.say(paraphrases, "present", label=words.label(shown)), answers["yes"], (), "presence"
        yield words.say(paraphrases, "absent", label=words.label(missing)), answers["no"], (), "presence"


def _regions(annotation: Annotation, words: Words, *names: object) -> Iterator[Turn]:
    templates = words.templates["perception"]
    size = (annotation.width_px, annotation.height_px)
    if annotation.boxes and len(annotation.labels) + len(annotation.absent) > 1:
        box = choose(annotation.boxes, "region", *names)
        offer = region_offer(annotation, words, box, "region")
        yield from ((*turn[:2], (box,), turn[3]) for turn in _choice_turn(offer, words, *names))
    # Only labels of which every region has its box can be located or counted completely.
    whole = [label for label in annotation.labels if words.exhaustive and label not in annotation.incomplete]
    countable = [label for label in whole if 0 < len(boxes_of(annotation, label)) <= MAX_COUNT]
    if countable:
        label = choose(countable, "countable", *names)
        boxes = boxes_of(annotation, label)
        named = words.label(label)
        answer = box_text(named, [box.xyxy for box in boxes], *size)
        yield words.say(templates["localisation"]["question"], "locate", label=named), answer, boxes, "localisation"
        if words.one_box_per_region:
            question = words.say(templates["counting"]["question"], "count", label=named)
            yield question, str(len(boxes)), boxes, "counting"
