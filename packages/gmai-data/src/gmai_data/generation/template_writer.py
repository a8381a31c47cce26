"""The offline writer: an annotation ▶ samples of all six kinds, from wording files, without a model or a key.

It says what the annotation knows and nothing else: no finding, size, age or sex is invented.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gmai_formats.rows.box_text import box_tag, box_text

from gmai_data.annotation import Annotation, Box
from gmai_data.generation.perception import perception_turns
from gmai_data.generation.wording import Words, speaks_chinese
from gmai_data.sample import Sample, qualified_id
from gmai_data.seeded import choose, hash_fraction
from gmai_data.sources.recipe import Recipe
from gmai_data.vocabulary import Kind, Language, Modality

_GROUNDED_BOXES = 6
"""A caption with boxes names at most this many, so it stays readable; an image with more gets a region caption only."""


@dataclass(frozen=True)
class TemplateWriter:
    """Settings of the offline writer.

    Attributes:
        chinese_share: Share of the samples that are written in Chinese where the card has the names.
        text_share: Share of the annotations whose record is also written as a text-only sample.
        modalities: The modalities of the whole build.
        seed: Another seed draws other questions and paraphrases.
        kinds: What it writes; perception alone where a model writes the rest.
    """

    chinese_share: float
    text_share: float
    modalities: tuple[Modality, ...]
    seed: int
    kinds: tuple[Kind, ...] = tuple(Kind)

    def samples(self, annotation: Annotation, recipe: Recipe) -> Iterator[Sample]:
        """Yield the samples about one annotated image."""
        bilingual = speaks_chinese(annotation, recipe)
        for kind in self.kinds:
            chinese = bilingual and hash_fraction(self.seed, annotation.id, kind, "language") < self.chinese_share
            words = Words(annotation, recipe, Language.ZH if chinese else Language.EN, self.seed)
            for number, (turns, boxes, asked) in enumerate(self._conversations(kind, annotation, words)):
                provenance = {
                    "writer": "template",
                    "templates": words.version,
                    **(asked if isinstance(asked, dict) else {"asked": asked}),
                    "annotation": annotation.id,
                    **annotation.provenance,
                }
                sample_id = qualified_id(annotation, kind, number)
                yield Sample(sample_id, annotation, turns, kind, words.language, boxes, provenance)

    def _conversations(
        self, kind: Kind, annotation: Annotation, words: Words
    ) -> Iterator[tuple[tuple[tuple[str, str], ...], tuple[Box, ...], str | dict[str, Any]]]:
        if kind == Kind.IMAGE_CAPTION:
            yield (_image_caption(annotation, words),), (), "caption"
        elif kind == Kind.REGION_CAPTION:
            yield from (((turn,), boxes, "region") for turn, boxes in self._region_captions(annotation, words))
        elif kind == Kind.FREE_INSTRUCTION:
            # The first instruction asks for every label, the last one (the department) for none.
            first = (0 if words.exhaustive else 1) if annotation.labels else -1
            offered = words.templates["free_instruction"][first:]
            instruction = choose(offered, self.seed, annotation.id, kind)
            question = words.say(instruction["question"], "instruction")
            yield ((question, words.say(instruction["answer"], "instruction answer")),), (), "instruction"
        elif kind == Kind.DIALOGUE:
            yield tuple(_dialogue(annotation, words)), annotation.boxes[:1], "dialogue"
        elif kind == Kind.VISUAL_PERCEPTION:
            for turn in perception_turns(annotation, words, self.modalities, self.seed):
                known = {"asked": turn.asked, **({"balance": turn.balance} if turn.balance else {})}
                yield ((turn.question, turn.answer),), turn.boxes, known
        elif annotation.labels and hash_fraction(self.seed, annotation.id, "text") < self.text_share:
            yield from ((turns, (), "record") for turns in self._texts(annotation, words))

    def _region_captions(
        self, annotation: Annotation, words: Words
    ) -> Iterator[tuple[tuple[str, str], tuple[Box, ...]]]:
        boxes = annotation.boxes
        if not boxes:
            return
        size = (annotation.width_px, annotation.height_px)
        box = choose(boxes, self.seed, annotation.id, "region caption")
        named = box_text(words.label(box.label), [box.xyxy], *size)
        asked = words.say(words.templates["region_caption"]["question"], "region", box=box_tag([box.xyxy], *size))
        told = words.say(words.templates["region_caption"]["answer"], "told", box=named, position=words.position(box))
        yield (asked, told), (box,)
        if 1 < len(boxes) <= _GROUNDED_BOXES:
            by_label: dict[str, list[tuple[int, int, int, int]]] = {}
            for each in boxes:
                by_label.setdefault(each.label, []).append(each.xyxy)
            texts = [box_text(words.label(label), xyxys, *size) for label, xyxys in by_label.items()]
            templates = words.templates["grounded_caption"]
            listed = words.templates["list"]["separator"].join(texts)
            yield (
                (words.say(templates["question"], "grounded"), words.say(templates["answer"], "all", box=listed)),
                boxes,
            )

    def _texts(self, annotation: Annotation, words: Words) -> Iterator[tuple[tuple[str, str], ...]]:
        templates = words.templates["text_only"]
        record = words.say([templates["record"]], "record")
        form = "single" if hash_fraction(self.seed, annotation.id, "text form") < 0.5 else "multi"
        yield tuple(_turns(templates[form], words, "text", record=record))


def _image_caption(annotation: Annotation, words: Words) -> tuple[str, str]:
    templates = words.templates["image_caption"]
    answers: Sequence[str] = templates["answer" if annotation.labels else "answer_without_labels"]
    return words.say(templates["question"], "caption"), words.say(answers, "caption answer")


def _dialogue(annotation: Annotation, words: Words) -> Iterator[tuple[str, str]]:
    parts = words.templates["dialogue"]
    steps = ["modality", *(["labels"] if annotation.labels else []), "department"]
    times = Counter(box.label for box in annotation.boxes)
    single = [box for box in annotation.boxes if times[box.label] == 1]
    located = next((box for box in single if box.label not in annotation.incomplete), None)
    for step in steps:
        yield from _turns([parts[step]], words, step)
        if step == "labels" and located is not None:
            facts = {"label": words.label(located.label), "position": words.position(located)}
            yield from _turns([parts["position"]], words, "position", **facts)


def _turns(
    templates: Sequence[dict[str, Sequence[str]]], words: Words, purpose: str, **facts: str
) -> Iterator[tuple[str, str]]:
    for number, template in enumerate(templates):
        question = words.say(template["question"], f"{purpose} question {number}", **facts)
        yield question, words.say(template["answer"], f"{purpose} answer {number}", **facts)
