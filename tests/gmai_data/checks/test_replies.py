"""Replies to the bundled prompts, as a model gives them, by authors who saw the prompts and not the checks.

Each file of `replies/` holds records drawn by a seed, replies to prompts about them, Chinese translations of what was
kept, and replies made wrong in one respect. Left out are translations that speak of labels (标注), which the prompts
forbid since, and records of cards whose modality was mended. How many passed when they were first tried stands in
docs/reference/checks.md.
"""

import json
from pathlib import Path

import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.checks.written import first_complaint, without_unresolved
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.replies import UnusableReplyError
from gmai_data.generation.tasks import TaskMaker, WritingSettings
from gmai_data.sources.cards.catalogue import find_recipe
from gmai_data.vocabulary import Kind, Split

SETS = sorted((Path(__file__).parent / "replies").glob("*.json"))
PROMPTS = load_prompts()
SETTINGS = WritingSettings(
    writer="openai", model="m", report_share=0.15, reasoning_share=0.1,
    translate=dict.fromkeys((Kind.IMAGE_CAPTION, Kind.FREE_INSTRUCTION, Kind.DIALOGUE, Kind.REGION_CAPTION), 1.0),
)  # fmt: skip
LEAST = {"english": 0.95, "chinese": 0.91, "refused": 0.95}
LATER = ("seventh", "eighth", "ninth")
LEAST_LATER = {"english": 0.93, "chinese": 0.88, "refused": 0.82}
"""Passed: which of two regions is larger, or overlaps a third, by "first" or "upper"; definitions; second cells."""


def tasks_of(number, record, seed):
    """Return the writer of a record's card and its tasks by the number of the sample."""
    recipe = find_recipe(record["card"])
    labels = tuple(record["labels"])
    annotation = Annotation(
        id=f"r{number}", image=b"", width_px=1000, height_px=1000, modality=recipe.modality,
        department=recipe.department, clinical_task=recipe.clinical_task, anatomy=recipe.anatomy.en, task=recipe.task,
        labels=labels, absent=tuple(name for name in recipe.label_names if name not in labels), incomplete=(),
        boxes=tuple(Box(label, tuple(xyxy)) for label, *xyxy in record["boxes"]), split=Split.TRAIN, group="g",
        source=record["card"], license="", provenance=record["provenance"],
    )  # fmt: skip
    maker = TaskMaker(recipe, SETTINGS, PROMPTS, 0.0, seed)
    return {task.id: (maker, task) for task in maker.tasks(annotation, "d" * 64)}


def judged(file):
    """Return (Chinese, what was put wrong in it, complaint, sentences left out, turns) of each reply of a set."""
    given = json.loads(file.read_text(encoding="utf-8"))
    tasks = {}
    for number, record in enumerate(given["records"]):
        tasks |= tasks_of(number, record, given["seed"])
    english = {reply["id"]: reply["turns"] for reply in given["replies"]}
    found = []
    for reply in (*given["replies"], *given["translations"], *given["wrong"]):
        chinese = reply["id"].endswith("#zh")
        maker, task = tasks[reply["id"].removesuffix("#zh")]
        if chinese:
            kept = as_turns(english[task.id])
            kept = without_unresolved(task.facts, kept)[0] if first_complaint(task.facts, kept) else kept
            task = maker.translation(task.facts, task.id, kept)
        try:
            turns = task.turns(json.dumps({"turns": [{"question": q, "answer": a} for q, a in reply["turns"]]}))
        except UnusableReplyError as unusable:
            found.append((chinese, reply.get("wrong"), ("unusable reply", str(unusable)), 0, as_turns(reply["turns"])))
            continue
        complaint = first_complaint(task.facts, turns)
        left_out = without_unresolved(task.facts, turns)[1] if complaint and not chinese else ()
        found.append((chinese, reply.get("wrong"), complaint, len(left_out), turns))
    return found


def as_turns(pairs):
    return tuple((question, answer) for question, answer in pairs)


@pytest.mark.parametrize("file", SETS, ids=lambda file: file.stem)
def test_replies_that_obey_the_prompt_are_kept_and_wrong_ones_refused(file):
    found = judged(file)
    least = LEAST_LATER if file.stem.startswith(LATER) else LEAST
    english = [each for each in found if not each[0] and not each[1]]
    refused = [each[2:] for each in english if each[2] and not each[3]]
    assert len(english) - len(refused) >= least["english"] * len(english), refused
    chinese = [each for each in found if each[0] and not each[1]]
    refused = [each[2:] for each in chinese if each[2]]
    assert len(chinese) - len(refused) >= least["chinese"] * len(chinese), refused
    wrong = [each for each in found if each[1]]
    passed = [each[1:] for each in wrong if not each[2]]
    assert len(wrong) - len(passed) >= least["refused"] * len(wrong), passed


def test_the_sets_hold_replies_of_every_kind():
    kinds = {task.split("#")[1] for file in SETS for task in map(ids_of, json.loads(file.read_text())["replies"])}
    assert kinds == {"image_caption", "free_instruction", "dialogue", "region_caption"}


def ids_of(reply):
    return reply["id"]
