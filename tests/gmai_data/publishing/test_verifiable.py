"""Tasks from rows: truth by hand, wrong answers that are wrong, and what has no verifiable answer."""

import json

import pytest
from gmai_data.publishing.verifiable import NEAR, Verifiable, absent_labels, task_of
from gmai_formats.rewards import reward

ABSENT = {"a": ("spleen", "aorta")}


def row(question, answer, asked, *, language="en", labels=("liver",), kind="visual_perception", more=()):
    messages = [{"role": "user", "content": f"<image>\n{question}"}, {"role": "assistant", "content": answer}, *more]
    return {"id": "x#1", "messages": messages, "kind": kind, "language": language, "labels": list(labels),
            "provenance": json.dumps({"asked": asked, "annotation": "a"})}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "name", "truth"),
    [
        (row("Which?\nA. liver\nB. spleen\nAnswer with …", "A", "label option_letter"), "option_letter",
         {"letter": "A", "options": 2}),
        (row("Which?\nOptions: liver; spleen.\nAnswer with one of the options.", "liver", "label option_text"),
         "option_text", {"answer": "liver", "options": ["liver", "spleen"]}),
        (row("图？\n选项：X光；CT。\n请从选项中选择一个作答。", "CT", "modality option_text", language="zh"),
         "option_text", {"answer": "CT", "options": ["X光", "CT"]}),
        (row("Is liver visible?", "Yes", "presence"), "presence", {"present": True, "yes": "Yes", "no": "No"}),
        (row("肝？", "否", "presence", language="zh"), "presence", {"present": False, "yes": "是", "no": "否"}),
        (row("How many?", "1", "counting"), "count", {"count": 1}),
        (row("Where?", "<ref>liver</ref><box>[[10, 20, 110, 220]]</box>", "localisation"), "box_iou",
         {"boxes": [[10, 20, 110, 220]]}),
        (row("Which structure?", "liver", "label"), "label_set",
         {"labels": ["liver"], "known": ["liver", "spleen", "aorta"]}),
        (row("List each visible structure.", "Liver.", "instruction", kind="free_instruction"), "label_set",
         {"labels": ["liver"], "known": ["liver", "spleen", "aorta"]}),
    ],
)  # fmt: skip
def test_a_row_becomes_a_task(given, name, truth):
    task = task_of(given, ABSENT)
    assert isinstance(task, Verifiable)
    assert (task.reward, task.truth) == (name, truth)
    assert reward(name, truth, given["messages"][1]["content"]) == 1
    assert reward(name, truth, task.rejected) < NEAR


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (row("Describe.", "A liver.", "image"), "nothing in it"),
        (row("Give this image a title.", "Liver", "instruction", kind="free_instruction"), "nothing in it"),
        (row("Which?", "A", "label option_letter"), "options are not found"),
        (row("Which?\nOptions: spleen.\nAnswer", "liver", "label option_text"), "options are not found"),
        (row("Where?", "to the left", "localisation"), "no box"),
        (row("Which structure?", "肝", "label", language="zh"), "English"),
        (row("Which structure?", "liver", "label", labels=()), "absent"),
        (row("Is it?", "Yes", "presence", more=[{"role": "user", "content": "And?"}]), "several turns"),
        (row("Where?", "<box>[[0, 0, 1000, 1000]]</box>", "localisation"), None),
    ],
)
def test_a_row_without_a_task_says_why(given, why):
    task = task_of(given, ABSENT)
    assert (why in task) if why else isinstance(task, Verifiable)


def test_unknown_is_not_absent():
    assert "absent" in task_of(row("Which structure?", "liver", "label"), {})


def test_absent_labels_are_those_of_the_annotations(phantom_build):
    absent = absent_labels(phantom_build)
    assert absent
    assert any(absent.values())
