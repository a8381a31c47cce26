"""A conversation as a row: where the image's placeholder stands, and under what it is counted."""

import json
from dataclasses import replace

import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.ledger import Ledger
from gmai_data.sample import Sample, Tallies, qualified_id, turns_of
from gmai_data.vocabulary import ClinicalTask, Department, Kind, Language, Modality, Split, SubDataset, Task

RECORD = Annotation(
    id="a", image=b"x", width_px=10, height_px=20, modality=Modality.CT, department=Department.UROLOGY,
    clinical_task=ClinicalTask.BONE, anatomy="pelvis", task=Task.SEGMENTATION_2D, labels=("hip",), absent=(),
    incomplete=(), boxes=(), split=Split.VALIDATION, group="g", source="toy", license="MIT", provenance={},
)  # fmt: skip
TURNS = (("What?", "A hip."), ("Where?", "Left."))
SAMPLE = Sample(
    "a#dialogue#0", RECORD, TURNS, Kind.DIALOGUE, Language.EN, (Box("hip", (1, 2, 3, 4)),), {"b": "ä", "a": 1}, "p"
)


@pytest.mark.parametrize(
    ("kind", "turns", "sub_dataset"),
    [
        (Kind.IMAGE_CAPTION, 1, SubDataset.CAPTION),
        (Kind.REGION_CAPTION, 1, SubDataset.CAPTION),
        (Kind.FREE_INSTRUCTION, 2, SubDataset.INSTRUCT),
        (Kind.DIALOGUE, 1, SubDataset.INSTRUCT),
        (Kind.VISUAL_PERCEPTION, 1, SubDataset.PERCEPT),
        (Kind.TEXT_ONLY, 1, SubDataset.TEXT_SINGLE),
        (Kind.TEXT_ONLY, 2, SubDataset.TEXT_MULTI),
    ],
)
def test_the_sub_dataset_of_each_kind(kind, turns, sub_dataset):
    assert replace(SAMPLE, kind=kind, turns=TURNS[:turns]).sub_dataset == sub_dataset


def test_the_placeholder_stands_in_the_first_question_of_an_image_alone():
    assert [message["content"] for message in SAMPLE.messages] == ["<image>\nWhat?", "A hip.", "Where?", "Left."]
    assert [message["role"] for message in SAMPLE.messages] == ["user", "assistant"] * 2
    text = replace(SAMPLE, kind=Kind.TEXT_ONLY)
    assert (SAMPLE.has_image, text.has_image) == (True, False)
    assert text.messages[0]["content"] == "What?"
    assert turns_of(SAMPLE.messages) == turns_of(text.messages) == TURNS


def test_messages_without_an_answer_are_no_turns():
    with pytest.raises(ValueError, match="shorter"):
        turns_of(SAMPLE.messages[:3])


def test_a_row_names_its_record_and_only_an_image_its_annotation():
    row = SAMPLE.row(5)
    assert (row["annotation"], replace(SAMPLE, kind=Kind.TEXT_ONLY).row(5)["annotation"]) == (5, None)
    assert (row["id"], row["parent_id"], row["kind"], row["language"]) == ("a#dialogue#0", "p", "dialogue", "en")
    assert (row["modality"], row["department"], row["split"]) == ("CT", "Urology", "validation")
    assert row["boxes"] == [{"label": "hip", "xyxy": [1, 2, 3, 4]}]
    assert row["provenance"] == '{"a": 1, "b": "ä"}'
    assert json.loads(row["provenance"]) == SAMPLE.provenance
    assert replace(SAMPLE, about=replace(RECORD, modality=None)).row(None)["modality"] is None


@pytest.mark.parametrize(
    "provenance",
    [
        {**RECORD.provenance, "writer": "template"},
        {"z": [1, None], "b": "other than the record's", 'é "quoted"': {"y": 1.5, "x": True}},
        {"b": RECORD.provenance.get("b"), "beside": {"b": "ä", "a": [1]}},
        {},
    ],
)
def test_a_provenance_is_the_json_of_all_its_values(provenance):
    row = replace(SAMPLE, provenance=provenance).row(0)
    assert row["provenance"] == json.dumps(provenance, ensure_ascii=False, sort_keys=True)


def test_the_text_is_that_of_all_messages():
    assert replace(SAMPLE, turns=(("q", "a"), ("r", "b"))).text == "<image>\nq\na\nr\nb"


def test_ids_are_the_records_with_kind_and_number():
    assert qualified_id(RECORD, Kind.TEXT_ONLY, 1) == "a#text_only#1"


def test_a_kept_sample_is_counted_under_every_column():
    ledger = Ledger()
    tallies = Tallies()
    for sample in (*[SAMPLE] * 3, replace(SAMPLE, about=replace(RECORD, modality=None), language=Language.ZH)):
        tallies.count(sample)
    tallies.add_to(ledger)
    assert ledger.tallies == {
        "sub_dataset": {"instruct/validation": 4},
        "kind": {"dialogue": 4},
        "language": {"en": 3, "zh": 1},
        "modality": {"CT": 3, "none": 1},
        "department": {"Urology": 4},
        "task": {"2d_segmentation": 4},
        "clinical_task": {"Bone": 4},
    }
