"""The offline writer: an annotation ▶ samples of all six kinds, from wording files, without a model or a key.

It says what the annotation knows and nothing else: no finding, size, age or sex is invented.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gmai_formats.rows.box_text import box_tag, box_text

from gmai_data.annotation import Annotation, Box, boxes_of
from gmai_data.generation.describing import caption, details
from gmai_data.generation.naming import named
from gmai_data.generation.pairs import Numbered, pair_turns, partner
from gmai_data.generation.perception import perception_turns
from gmai_data.generation.wording import Words, speaks_chinese
from gmai_data.sample import Sample, qualified_id
from gmai_data.seeded import choose, hash_fraction
from gmai_data.sources.cards.recipe import Recipe
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

    def samples(
        self, annotation: Annotation, recipe: Recipe, row: int = 0, earlier: Sequence[Numbered] = ()
    ) -> Iterator[Sample]:
        """Yield the samples about one annotated image.

        Args:
            annotation: The record.
            recipe: Its source.
            row: Its row number within the shard.
            earlier: Records that it may be compared with.
        """
        bilingual = speaks_chinese(annotation, recipe)
        in_language = {language: Words(annotation, recipe, language, self.seed) for language in Language}
        for kind in self.kinds:
            chinese = bilingual and hash_fraction(self.seed, annotation.id, kind, "language") < self.chinese_share
            words = in_language[Language.ZH if chinese else Language.EN]
            asked_of_one = 0
            for number, (turns, boxes, asked) in enumerate(self._conversations(kind, annotation, words)):
                asked_of_one = number + 1
                provenance = {
                    "writer": "template",
                    "templates": words.version,
                    **(asked if isinstance(asked, dict) else {"asked": asked}),
                    "annotation": annotation.id,
                    **annotation.provenance,
                }
                sample_id = qualified_id(annotation, kind, number)
                yield Sample(sample_id, annotation, turns, kind, words.language, boxes, provenance)
            if kind == Kind.VISUAL_PERCEPTION:
                yield from self._of_two(annotation, words, row, earlier, asked_of_one)

    def _of_two(
        self, annotation: Annotation, words: Words, row: int, earlier: Sequence[Numbered], start: int
    ) -> Iterator[Sample]:
        """Yield the samples that compare an image with an earlier one, each with the facts of its first image."""
        found = partner(annotation, earlier, self.seed)
        if found is None:
            return
        images = ((row, annotation), found)
        for number, (turn, in_order) in enumerate(pair_turns(annotation, found[1], words, self.seed), start):
            (first_row, first), (second_row, second) = images if in_order else images[::-1]
            provenance = {
                "writer": "template", "templates": words.version, "asked": turn.asked, "balance": turn.balance,
                "annotation": first.id, "beside": {"annotation": second.id, **second.provenance}, **first.provenance,
            }  # fmt: skip
            yield Sample(
                qualified_id(annotation, Kind.VISUAL_PERCEPTION, number), first, ((turn.question, turn.answer),),
                Kind.VISUAL_PERCEPTION, words.language, (), provenance, rows=(first_row, second_row),
            )  # fmt: skip

    def _conversations(
        self, kind: Kind, annotation: Annotation, words: Words
    ) -> Iterator[tuple[tuple[tuple[str, str], ...], tuple[Box, ...], str | dict[str, Any]]]:
        if kind == Kind.IMAGE_CAPTION:
            question = words.say(words.templates["image_caption"]["question"], "caption")
            yield ((question, caption(annotation, words)),), (), "caption"
        elif kind == Kind.REGION_CAPTION:
            yield from (((turn,), boxes, "region") for turn, boxes in self._region_captions(annotation, words))
        elif kind == Kind.FREE_INSTRUCTION:
            yield (_instruction(annotation, words),), (), "instruction"
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
        boxed = box_text(words.label(box.label), [box.xyxy], *size)
        asked = words.say(words.templates["region_caption"]["question"], "region", box=box_tag([box.xyxy], *size))
        spoken = words.spoken(box.label)
        article = spoken["one"].removesuffix(spoken["label"])
        if words.language == Language.EN and named(box.label).several and len(boxes_of(annotation, box.label)) > 1:
            spoken["lies_this"], article = "lies", "part of the "
        facts = {**spoken, "article": article, "box": boxed, "position": words.position(box)}
        sentence = words.say(words.templates["region_caption"]["answer"], "told", **facts)
        yield (asked, sentence), (box,)
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
        record = words.say(templates["record"], "record")
        form = "single" if hash_fraction(self.seed, annotation.id, "text form") < 0.5 else "multi"
        yield tuple(_turns(templates[form], words, "text", record=record))


def _instruction(annotation: Annotation, words: Words) -> tuple[str, str]:
    """Return a request and what answers it; without labels only the department is asked for."""
    templates = words.templates["free_instruction"]
    # A list of every label is asked for only where each was looked for.
    kinds = [
        kind
        for kind in templates["kinds"]
        for _ in range(kind["weight"])
        if (kind["name"] != "list" or words.exhaustive) and (annotation.labels or kind["name"] == "department")
    ]
    kind = choose(kinds, words.seed, annotation.id, "instruction kind")
    offered = words.templates["describing"]
    names = [words.label(label) for label in annotation.labels]
    facts = {
        "bullets": "\n".join(f"- {name}" for name in names),
        "numbers": "\n".join(f"{number}. {name}" for number, name in enumerate(names, 1)),
        "keywords": words.templates["keywords"].join(names),
        "caption": caption(annotation, words, "explanation"),
    }  # fmt: skip
    if names:
        facts["whole"] = words.say(offered["whole"], "instruction whole")
        shown = words.say(offered["shown"], "instruction shown")
        facts["told"] = words.join([shown, *details(annotation, words, "instruction", ("read",))])
    opener = choose(templates["opener"], words.seed, annotation.id, "opener")
    question = opener + words.say(kind["question"], "instruction")
    return question, words.say(kind["answer"], "instruction answer", **facts)


_DIALOGUES = (
    ("modality", "labels", "department"), ("modality", "labels"), ("modality", "department", "labels"),
    ("labels", "modality"), ("modality", "labels", "department"),
)  # fmt: skip


def _dialogue(annotation: Annotation, words: Words) -> Iterator[tuple[str, str]]:
    parts = words.templates["dialogue"]
    # Some ask for the department last, some before what is shown, some not at all.
    order = choose(_DIALOGUES, words.seed, annotation.id, "dialogue steps") if annotation.labels else _DIALOGUES[-1]
    steps = [step for step in order if step != "labels" or annotation.labels]
    times = Counter(box.label for box in annotation.boxes)
    single = [box for box in annotation.boxes if times[box.label] == 1]
    located = next((box for box in single if box.label not in annotation.incomplete), None)
    for step in steps:
        yield from _turns([parts[step]], words, step)
        if step == "labels" and located is not None:
            facts = {**words.spoken(located.label), "position": words.position(located)}
            yield from _turns([parts["position"]], words, "position", **facts)


def _turns(
    templates: Sequence[dict[str, Sequence[str]]], words: Words, purpose: str, **facts: str
) -> Iterator[tuple[str, str]]:
    for number, template in enumerate(templates):
        question = words.say(template["question"], f"{purpose} question {number}", **facts)
        yield question, words.say(template["answer"], f"{purpose} answer {number}", **facts)
