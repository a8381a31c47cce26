"""HuatuoGPT-Vision's evaluation bundle, drawn in code."""

import json
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError


@pytest.mark.parametrize("flat", [False, True])
def test_the_huatuo_bundle_in_both_shapes(tmp_path: Path, flat: bool, load: Any, pictures: list[bytes]) -> None:
    names = {"VQA-RAD_test": 251, "SLAKE_test": 416, "OmniMedVQA_open": 30}
    records = {
        name: [
            {
                "question": f"Is it {i}?",
                "options": ["Yes", "No"] if flat else {"A": "Yes", "B": "No"},
                "answer": "B" if i % 2 else "Yes",
                "image": [f"{i % 8}.png"],
                "modality": "CT",
                **({"dataset": name} if flat else {}),
            }
            for i in range(n)
        ]
        for name, n in names.items()
    }
    folder = tmp_path / "huatuo"
    (folder / "images").mkdir(parents=True)
    for i, picture in enumerate(pictures):
        (folder / f"images/{i}.png").write_bytes(picture)
    value = [r for part in records.values() for r in part] if flat else records
    (folder / "medical_multimodel_evaluation_data.json").write_text(json.dumps(value), encoding="utf-8")
    read = load("vqa-rad/huatuo-251", tmp_path)
    assert [q.reference for q in read.questions[:2]] == ["Yes", "No"]
    assert read.questions[0].prompt.startswith("Is it 0?\nA. Yes\nB. No\nAnswer with the option's letter")
    assert len(load("slake/huatuo-416", tmp_path).questions) == 416
    with pytest.raises(UserError, match=r"found 30 questions, omnimedvqa/huatuo-11124 is due 11124"):
        load("omnimedvqa/huatuo-11124", tmp_path)


def test_the_bundle_leaves_open_questions_out_as_its_scorer_does(
    tmp_path: Path, load: Any, pictures: list[bytes]
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/0.png").write_bytes(pictures[0])
    record = {
        "dataset": "VQA-RAD_test",
        "question": "Is it?",
        "answer": "no",
        "image": ["images/0.png"],
        "subset": "CT",
    }
    records = [
        {**record, "options": "['yes', 'no']", "question_type": "closed"},
        {**record, "options": ["yes", "no"], "question_type": "open"},
        {**record, "options": []},
        {**record, "options": ["yes", "no"], "dataset": "OmniMedVQA"},
    ]
    path = tmp_path / "medical_multimodel_evaluation_data.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    assert [q.reference for q in load("vqa-rad/huatuo-251", tmp_path, allow_partial=True).questions] == ["no"]
    (omni,) = load("omnimedvqa/huatuo-11124", tmp_path, allow_partial=True).questions
    assert omni.groups == {"modality": "CT"}
    path.write_text(json.dumps([{**record, "options": "[yes"}]), encoding="utf-8")
    with pytest.raises(UserError, match=r"record 1: the options '\[yes' are no list"):
        load("vqa-rad/huatuo-251", tmp_path)


@pytest.mark.parametrize(
    ("answer", "options", "right"),
    [
        ("B", ["CT", "MR"], "MR"),
        ("(a)", ["CT", "MR"], None),  # more than one letter is a text
        ("A", ["B", "A"], "A"),  # an option that is called so wins
        (" MR ", ["CT", "MR"], "MR"),
        ("US", ["CT", "MR"], None),
        ("C", ["CT", "MR"], None),
    ],
)
def test_the_right_option_is_a_text_before_it_is_a_letter(
    answer: str, options: list[str], right: str | None, tmp_path: Path, load: Any
) -> None:
    record = {"dataset": "SLAKE_test", "question": "Which?", "answer": answer, "options": options, "image": []}
    (tmp_path / "medical_multimodal_evaluation_data.json").write_text(json.dumps([record]), encoding="utf-8")
    if right is None:
        with pytest.raises(UserError, match=r"SLAKE_test record 1: the answer .* is no(ne| letter) of the options"):
            load("slake/huatuo-416", tmp_path, allow_partial=True)
    else:
        (question,) = load("slake/huatuo-416", tmp_path, allow_partial=True).questions
        assert (question.id, question.cluster, question.reference) == ("slake-00000", "slake-0", right)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"dataset": "PMC"}, {"source": "Path-VQA"}]', r"no split that begins with slake \(it has PMC, Path-VQA\)"),
        ('[{"dataset": "slake", "options": ["CT"]}]', r"record 1: found the options \['CT'\]\. A question .* two or m"),
        ('[{"dataset": "slake", "options": "7"}]', r"record 1: found the options '7'"),
        ('[{"dataset": ', r"not readable as JSON"),
    ],
)
def test_a_damaged_bundle_is_named(content: str, message: str, tmp_path: Path, load: Any) -> None:
    (tmp_path / "medical_multimodel_evaluation_data.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load("slake/huatuo-416", tmp_path, allow_partial=True)
