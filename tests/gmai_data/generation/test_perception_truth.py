"""Perception is true: what is answered yes is there, what is answered no is not, and no wrong option is right."""

import json
import re

import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="module")
def perception(phantom_build):
    records = {}
    for path in sorted((phantom_build / "annotations").glob("*.parquet")):
        columns = ["id", "labels", "absent", "modality", "boxes", "source"]
        records |= {row["id"]: row for row in pq.read_table(path, columns=columns).to_pylist()}
    samples = []
    for path in sorted((phantom_build / "samples" / "percept").glob("*.parquet")):
        for row in pq.read_table(path, columns=["messages", "provenance", "language"]).to_pylist():
            told = json.loads(row["provenance"])
            question, answer = (message["content"] for message in row["messages"])
            if row["language"] == "en":
                samples.append((records[told["annotation"]], told["asked"], question, answer))
    return samples


def test_negatives_are_true_negatives(perception):
    asked = [(record, question, answer) for record, what, question, answer in perception if what == "presence"]
    answers = {"Yes": 0, "No": 0}
    for record, question, answer in asked:
        answers[answer] += 1
        named = [label for label in (*record["labels"], *record["absent"]) if re.search(rf"\b{label}\b", question)]
        label = max(named, key=len)
        assert (label in record["labels"]) == (answer == "Yes")
        assert (label in record["absent"]) == (answer == "No")
    assert min(answers.values()) > 20


def test_no_wrong_option_is_right(perception):
    checked = 0
    for record, what, question, answer in perception:
        if what != "label option_text":
            continue
        options = question.split("Options: ")[1].split(".\n")[0].split("; ")
        assert answer in options
        assert answer in record["labels"]
        assert not {option for option in options if option != answer} & set(record["labels"])
        checked += 1
    assert checked > 20


def test_modalities_and_counts_are_those_of_the_record(perception):
    counted = 0
    for record, what, question, answer in perception:
        if what in ("modality open", "modality option_text"):
            assert answer == record["modality"]
        if what == "counting":
            counts = {label: sum(box["label"] == label for box in record["boxes"]) for label in record["labels"]}
            named = max((label for label in counts if label in question), key=len)
            assert int(answer) == counts[named]
            counted += 1
    assert counted > 20
