"""Visual perception: short answers that follow from the labels and boxes alone (section 3.2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gmai_formats.rows.box_text import box_tag, box_text

from gmai_data.annotation import MIRRORED, Annotation, Box, boxes_of, single_boxes
from gmai_data.generation.choices import LETTERS, lettered, options_for
from gmai_data.generation.naming import named
from gmai_data.generation.wording import Words
from gmai_data.seeded import choose, hash_fraction, shuffled
from gmai_data.vocabulary import Modality

LETTER_SHARE = 0.2
"""Share of the multiple-choice questions that are answered with a letter; the others with the option's text."""
_HALF = 0.5
"""Cells that touch are not in one another's regions; a gallbladder is in that of its liver."""
MAX_COUNT = 30
"""More regions than this are not asked for: neither a list of boxes nor a count would be a short answer."""

_PRESENCE = 2
"""Labels asked about each way; which questions stay, the balance of the whole build decides (balance.py)."""
_CLEAR = 0.06
"""Share of the image's side: nearer to the middle, or to one another, no side is asked for."""
LARGER = 1.5
"""So many times the area makes a region the larger one."""
_APART = 0.1
"""With less of the smaller box in common, one region does not show what the other shows."""
_MEASURED = (Modality.CT, Modality.MR, Modality.PET)
_MEASURES = 3
"""Regions of an image that are measured."""
_STEPS_MM = (1, 2, 5, 10, 20, 50)


class Turn(NamedTuple):
    """A question of perception and its answer.

    Attributes:
        question: As it is asked.
        answer: As it is given.
        boxes: Spoken of.
        asked: What was asked: `modality`, `label`, `presence`, ….
        balance: `of` (what the answers are balanced within), `answer` and `options`, for balance.py; or nothing.
    """

    question: str
    answer: str
    boxes: tuple[Box, ...]
    asked: str
    balance: dict[str, Any] | None = None


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
    """Yield the perception questions about one image; more than stay, as the answers are balanced over the build.

    Args:
        annotation: The record.
        words: Its facts in the language to write.
        modalities: The modalities of this build: the only options of the question for the modality, since one that is
            never right gives itself away.
        seed: Draws other questions.
    """
    names = (seed, annotation.id)
    yield from _choice_turn(modality_offer(annotation, words, modalities, only_these=True), words, *names)
    # Two labels of an image that has several; the same one in another wording and order where it has one.
    for number, label in enumerate((shuffled(annotation.labels, *names) * 2)[:2]):
        offer = label_offer(annotation, words, label, f"label {number}")
        yield from _choice_turn(offer, words, *names, number)
    yield from _presence(annotation, words, *names)
    if len(annotation.labels) == 1 and annotation.absent:
        question = words.say(words.templates["perception"]["label"], "label open")
        answer, asked, of = words.label(annotation.labels[0]), "label", ["label open", words.noun]
    else:
        question = words.say(words.templates["perception"]["modality"], "modality open")
        answer, asked, of = words.modality(annotation.image_modality), "modality", ["modality open"]
    yield Turn(question, answer, (), asked, {"of": of, "answer": answer})
    yield from _regions(annotation, words, *names)
    yield from _places(annotation, words, *names)


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
    wrong = tuple(words.modality(other) for other in others)
    return Offer("modality", question, answer, wrong, min(3, 1 + len(wrong)))


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


def two_answer_offers(annotation: Annotation, words: Words, *names: object) -> Iterator[Offer]:
    """Yield questions with two answers: is a label there, in which half of the image is it.

    Each is a family of its own with its label (`presence liver`), within which its answers can be balanced.

    Args:
        annotation: The record.
        words: Its facts in the language to write.
        names: Names of the draw.
    """
    templates = words.templates["perception"]
    pairs = {
        "presence": (words.templates["answers"]["yes"], words.templates["answers"]["no"]),
        "side": (templates["side"]["left"], templates["side"]["right"]),
        "height": (templates["height"]["upper"], templates["height"]["lower"]),
    }
    for turn in (*_presence(annotation, words, *names), *_places(annotation, words, *names)):
        if turn.asked in pairs and turn.balance is not None:
            wrong = tuple(each for each in pairs[turn.asked] if each != turn.answer)
            yield Offer(" ".join(turn.balance["of"]), turn.question, turn.answer, wrong, 2)


def _shares(annotation: Annotation, label: str, box: Box) -> bool:
    """Return whether a region may show a label, too: its place is unknown, or it shares half of the smaller box."""
    boxes = boxes_of(annotation, label)
    return not boxes or label in annotation.incomplete or any(_common(each, box) >= _HALF for each in boxes)


def _common(one: Box, other: Box) -> float:
    return one.common_px(other) / min(one.area_px, other.area_px)


def _choice_turn(offer: Offer, words: Words, *names: object) -> Iterator[Turn]:
    options = options_for(offer.answer, offer.wrong, *names, offer.family)
    if options is None or len(options) < offer.least_options:
        return
    templates = words.templates["perception"]
    balance: dict[str, Any] = {"of": [offer.family], "answer": offer.answer, "options": options}
    if hash_fraction("letter", *names, offer.family) < LETTER_SHARE:
        question = templates["option_letter"].format(question=offer.question, options=lettered(options))
        letter = LETTERS[options.index(offer.answer)]
        yield Turn(question, letter, (), f"{offer.family} option_letter", balance)
    else:
        text = templates["option_separator"].join(options)
        question = templates["option_text"].format(question=offer.question, options=text)
        yield Turn(question, offer.answer, (), f"{offer.family} option_text", balance)


def _presence(annotation: Annotation, words: Words, *names: object) -> Iterator[Turn]:
    paraphrases = words.templates["perception"]["presence"]["question"]
    answers = words.templates["answers"]
    # Only where both can be asked: a source without absent labels would teach to say yes.
    if not (annotation.labels and annotation.absent):
        return
    shown = shuffled(annotation.labels, "present", *names)[:_PRESENCE]
    # Hard ones first: the other side of what is there.
    other_sides = {_other_side(label) for label in annotation.labels}
    missing = shuffled(annotation.absent, "absent", *names)
    missing.sort(key=lambda label: label not in other_sides)
    for answer, labels in (("yes", shown), ("no", missing[:_PRESENCE])):
        for number, label in enumerate(labels):
            question = words.say(paraphrases, f"{answer} {number}", **words.spoken(label))
            yield Turn(question, answers[answer], (), "presence", {"of": ["presence", label], "answer": answer})


def _other_side(label: str) -> str:
    if "left" in label.split():
        return label.replace("left", "right")
    return label.replace("right", "left") if "right" in label.split() else ""


def _regions(annotation: Annotation, words: Words, *names: object) -> Iterator[Turn]:
    templates = words.templates["perception"]
    size = (annotation.width_px, annotation.height_px)
    if annotation.boxes and len(annotation.labels) + len(annotation.absent) > 1:
        # The label is drawn before the box: of many cells of one kind, each is not a draw.
        label = choose(sorted({box.label for box in annotation.boxes}), "region label", *names)
        box = choose(boxes_of(annotation, label), "region", *names)
        offer = region_offer(annotation, words, box, "region")
        yield from (turn._replace(boxes=(box,)) for turn in _choice_turn(offer, words, *names))
        yield from _which_region(annotation, words, *names)
    # Only labels of which every region has its box can be located or counted completely.
    whole = [label for label in annotation.labels if words.exhaustive and label not in annotation.incomplete]
    countable = [label for label in whole if 0 < len(boxes_of(annotation, label)) <= MAX_COUNT]
    if countable:
        label = choose(countable, "countable", *names)
        boxes = boxes_of(annotation, label)
        spoken = words.spoken(label)
        answer = box_text(words.label(label), [box.xyxy for box in boxes], *size)
        question = words.say(templates["localisation"]["question"], "locate", **spoken)
        yield Turn(question, answer, boxes, "localisation")
        if words.one_box_per_region:
            asked = templates["counting"]["question_of_counted" if named(label).counted else "question"]
            question = words.say(asked, "count", **spoken)
            balance = {"of": ["counting", label], "answer": str(len(boxes))}
            yield Turn(question, str(len(boxes)), boxes, "counting", balance)


def _which_region(annotation: Annotation, words: Words, *names: object) -> Iterator[Turn]:
    """Yield the question which of two regions shows a label; the other one has another label, and none of it."""
    if not words.exhaustive:
        return
    for label in shuffled(sorted({box.label for box in annotation.boxes}), "which region", *names):
        own = boxes_of(annotation, label)
        if label in annotation.incomplete:
            continue
        others = [
            box for box in annotation.boxes if box.label != label and all(_common(box, each) < _APART for each in own)
        ]
        if not others:
            continue
        pair = (choose(own, "which region", *names), choose(others, "which other region", *names))
        first = hash_fraction("which region first", *names) < _HALF
        a, b = pair if first else pair[::-1]
        tags = [box_tag([box.xyxy], annotation.width_px, annotation.height_px) for box in (a, b)]
        templates = words.templates["perception"]["which_region"]
        question = words.say(templates["question"], "which region", a=tags[0], b=tags[1], **words.spoken(label))
        answer = "first" if first else "second"
        yield Turn(
            question, templates[answer], (a, b), "which_region", {"of": ["which_region", label], "answer": answer}
        )
        return


def _places(annotation: Annotation, words: Words, *names: object) -> Iterator[Turn]:
    """Yield questions that only the picture answers: halves of the image, left of, above, larger."""
    single = single_boxes(annotation)
    if not single or not words.exhaustive:
        return
    width, height = annotation.width_px, annotation.height_px
    box = choose(single, "half", *names)
    x, y = box.centre[0] / width, box.centre[1] / height
    for family, at, (low, high) in (("side", x, ("left", "right")), ("height", y, ("upper", "lower"))):
        if abs(at - 0.5) > _CLEAR:
            yield _either(family, (box,), low if at < 0.5 else high, words, [family, box.label])
    yield from _measures(annotation, words, single, *names)
    if len(single) < 2:
        return
    one, two = sorted(shuffled(single, "pair", *names)[:2], key=lambda each: each.label)
    asked = [one.label, two.label]
    (x1, y1), (x2, y2) = one.centre, two.centre
    if abs(x1 - x2) / width > _CLEAR:
        yield _either("left_of", (one, two), one.label if x1 < x2 else two.label, words, ["left_of", *asked])
        if annotation.provenance.get("axis") in MIRRORED:
            left = one.label if x1 > x2 else two.label
            yield _either("patient_left", (one, two), left, words, ["patient_left", *asked])
    if abs(y1 - y2) / height > _CLEAR:
        yield _either("above", (one, two), one.label if y1 < y2 else two.label, words, ["above", *asked])
    areas = [one.area_px, two.area_px]
    if max(areas) >= LARGER * min(areas):
        yield _either(
            "larger", (one, two), one.label if areas[0] > areas[1] else two.label, words, ["larger", *asked]
        )  # fmt: skip


def _measures(annotation: Annotation, words: Words, single: list[Box], *names: object) -> Iterator[Turn]:
    """Yield the question how wide or high a region is in millimetres, where a volume says how far its pixels lie apart.

    The question says how much of the body the image shows, as a model sees it on a grid of its own. The answer is
    rounded to a hundredth of the image or more, and asked for what is at least four times as large.
    """
    if annotation.modality not in _MEASURED or "spacing_mm" not in annotation.provenance:
        return
    pixel_mm = annotation.provenance["spacing_mm"][0]
    extent_mm = [pixel_mm * annotation.width_px, pixel_mm * annotation.height_px]
    step = next((each for each in _STEPS_MM if each >= max(extent_mm) / 100), None)
    if step is None:
        return
    whole = {"image_width": f"{extent_mm[0]:.0f}", "image_height": f"{extent_mm[1]:.0f}", "step": str(step)}
    for box in shuffled(single, "measure", *names)[:_MEASURES]:
        x1, y1, x2, y2 = box.xyxy
        family, side_px = choose((("width_mm", x2 - x1), ("height_mm", y2 - y1)), "side", *names, box.label)
        size_mm = side_px * pixel_mm
        if size_mm < 4 * step:
            continue
        templates = words.templates["perception"][family]
        question = words.say(templates["question"], family, **whole, **words.spoken(box.label))
        answer = str(round(size_mm / step) * step)
        balance = {"of": [family, box.label], "answer": answer}
        yield Turn(question, templates["answer"].format(size=answer), (box,), family, balance)


def _either(family: str, boxes: tuple[Box, ...], answer: str, words: Words, of: list[str]) -> Turn:
    """Return a question with two answers: a half of the image, or one of two labels."""
    templates = words.templates["perception"][family]
    # Which of the two is named first depends on the draw and not on the answer.
    spoken = [words.spoken(box.label) for box in boxes]
    facts = spoken[0] | {"one": spoken[0]["this"], "two": spoken[-1]["this"]}
    question = words.say(templates["question"], f"{family} question", **facts)
    spoken = templates[answer] if answer in templates else words.label(answer)
    return Turn(question, spoken, boxes, family, {"of": of, "answer": answer})
