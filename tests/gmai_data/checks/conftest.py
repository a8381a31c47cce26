"""A card of paired organs, and the facts of one picture of it."""

from dataclasses import replace

import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.checks.facts import Facts, LabelNames
from gmai_data.generation.knowledge import load_knowledge
from gmai_data.vocabulary import Kind, Language, Split

LEFT = "<ref>left kidney</ref><box>[[0, 100, 500, 600]]</box>"


@pytest.fixture
def facts(toy):
    recipe = toy(
        modality="CT",
        anatomy={"en": "abdomen", "zh": "腹部"},
        task="2d_detection",
        labels={
            "1": {"en": "left kidney", "zh": "左肾"},
            "2": {"en": "right kidney", "zh": "右肾"},
            "3": {"en": "liver", "zh": "肝脏"},
        },
        synonyms={"1": ["kidney of the left side"]},
    )

    def make(kind=Kind.FREE_INSTRUCTION, language=Language.EN, **changes):
        annotation = Annotation(
            id="a", image=b"", width_px=100, height_px=100, modality=recipe.modality, department=recipe.department,
            clinical_task=recipe.clinical_task, anatomy="abdomen", task=recipe.task, labels=("left kidney",),
            absent=("right kidney", "liver"), incomplete=(), boxes=(), split=Split.TRAIN, group="g", source="toy",
            license="CC0-1.0", provenance={},
        )  # fmt: skip
        return Facts(
            **{
                "annotation": annotation,
                "kind": kind,
                "language": language,
                "names": LabelNames(recipe, language),
                "boxes": (Box("left kidney", (0, 10, 50, 60)),),
                "references": (LEFT,),
                "positions": ("upper left",),
                "source": "",
                "words": (4, 200),
                "turns": (1, 3),
                **changes,
            }
        )

    return make


@pytest.fixture
def masked(facts):
    """Return a maker of (facts, masked text) about two labels, one upper left and large, one lower right and small."""
    of_both = (Box("liver", (5, 5, 45, 45)), Box("left kidney", (70, 70, 90, 85)))

    def make(text, language=Language.EN, boxes=of_both):
        made = facts(language=language, positions=("upper left",) if boxes else ())
        annotation = replace(made.annotation, labels=("liver", "left kidney"), boxes=boxes)
        made = replace(made, boxes=boxes, annotation=annotation)
        return made, made.names.masked(text)

    return make


ORGANS = {
    "1": {"en": "left kidney", "zh": "左肾"}, "2": {"en": "gallbladder", "zh": "胆囊"},
    "3": {"en": "liver", "zh": "肝脏"}, "4": {"en": "duodenum", "zh": "十二指肠"},
    "5": {"en": "pancreas", "zh": "胰腺"}, "6": {"en": "stomach", "zh": "胃"},
}  # fmt: skip
SHOWN = ("left kidney", "gallbladder", "liver")


@pytest.fixture
def told(toy):
    recipe = toy(modality="CT", anatomy={"en": "abdomen", "zh": "腹部"}, task="2d_detection", labels=ORGANS)

    def make(language=Language.EN, labels=SHOWN):
        boxes = (
            Box("left kidney", (60, 50, 90, 90)),
            Box("gallbladder", (30, 30, 40, 40)),
            Box("liver", (5, 20, 45, 70)),
        )
        annotation = Annotation(
            id="a", image=b"", width_px=100, height_px=100, modality=recipe.modality, department=recipe.department,
            clinical_task=recipe.clinical_task, anatomy="abdomen", task=recipe.task, labels=labels, absent=(),
            incomplete=(), boxes=boxes, split=Split.TRAIN, group="g", source="toy", license="CC0-1.0",
            provenance={"axis": "axial"},
        )  # fmt: skip
        every = [name["en"] for name in ORGANS.values()]
        known = load_knowledge().known(labels, recipe.modality, language)
        return Facts(
            annotation, Kind.FREE_INSTRUCTION, language, LabelNames(recipe, language), boxes, (), (), "", (1, 300),
            (1, 4), knowledge=known, of_card=load_knowledge().known(every, None, language),
        )  # fmt: skip

    return make
