"""A card, its records and the tasks that follow from them, without files."""

import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.generation.journal import Journal
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import TaskMaker, WritingSettings
from gmai_data.vocabulary import Split

ONE_FORM = {"report_share": 0.0, "reasoning_share": 0.0}
"""Every free instruction is asked for by the same prompt."""


@pytest.fixture
def recipe(toy):
    return toy(anatomy={"en": "skin", "zh": "皮肤"}, labels={"a": {"en": "alpha", "zh": "阿尔法"}, "b": "beta"})


@pytest.fixture
def annotation(recipe):
    def make(number=0, **changes):
        return Annotation(
            **{
                "id": f"2d#cls#{number}", "image": b"\x89PNG" + bytes([number]), "width_px": 100, "height_px": 100,
                "modality": recipe.modality, "department": recipe.department, "clinical_task": recipe.clinical_task,
                "anatomy": "skin", "task": recipe.task, "labels": ("alpha",), "absent": ("beta",), "incomplete": (),
                "boxes": (Box("alpha", (10, 10, 50, 50)),), "split": Split.TRAIN, "group": "g", "source": "toy",
                "license": "CC0-1.0", "provenance": {}, **changes,
            }
        )  # fmt: skip

    return make


@pytest.fixture
def maker(recipe):
    def make(text_share=0.0, **settings):
        return TaskMaker(
            recipe,
            WritingSettings(**{"writer": "openai", "model": "m", **ONE_FORM, **settings}),
            load_prompts(),
            text_share,
            0,
        )

    return make


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path, "toy", 0, 4, "ab")
