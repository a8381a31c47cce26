"""The rows of Table 7 in the shapes in which their publishers distribute them: three of each are read."""

from typing import Any

import pytest
from gmai_formats.rows.adapters import ADAPTERS, adapter_of, fits
from gmai_formats.rows.sample import Sample, read_row

TURNS = [{"from": "human", "value": "<image>\nWhat is shown?"}, {"from": "gpt", "value": "A chest CT."}]
QA = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]
CHAT = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
PUBLISHED: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "ALLaVA, InternVL's files": ("conversations", [
        {"id": "1", "image": "a/1.jpg", "conversations": TURNS},
        {"id": 2, "image": "b.png", "conversations": TURNS, "width": 640, "height": 480},
        {"id": "3", "conversations": QA},
    ]),
    "LLaVA-Med-60k": ("conversations", [
        {"id": f"{number}", "image": f"{number}_F1.jpg", "domain": {"ct_scan": True}, "conversatons": TURNS}
        for number in range(3)
    ]),
    "PubMedVision": ("conversations", [
        {"image": ["images/1.jpg"], "id": "a", "conversations": QA},
        {"image": ["1.jpg", "2.jpg"], "id": "b", "conversations": QA},
        {"image": [], "id": "c", "conversations": QA},
    ]),
    "OpenHermes": ("conversations", [
        {"conversations": [{**QA[0], "weight": None}, QA[1]], "system_prompt": ""},
        {"conversations": [{"from": "system", "value": "S"}, *QA]},
        {"conversations": QA, "source": "x", "title": None},
    ]),
    "LIMA, UltraChat's raw files": ("strings", [
        {"conversations": ["What is a stroke?", "A loss of blood supply."], "source": "none"},
        {"conversations": ["Q", "A", "Q2", "A2"], "source": "multi_turn"},
        {"id": "0", "data": ["Q", "A"]},
    ]),
    "UltraChat": ("messages", [
        {"prompt": "Q", "prompt_id": "1", "messages": CHAT},
        {"messages": [{"role": "system", "content": "S"}, *CHAT]},
        {"messages": CHAT, "source": "x"},
    ]),
    "ROCOv2, PMC-OA, QUILT-1M, MedICaT": ("caption", [
        {"image": {"bytes": b"\x89PNG", "path": None}, "image_id": "r", "caption": "Chest CT.", "cui": ["C0040405"]},
        {"image": "PMC1.jpg", "caption": "Figure 1."},
        {"fig_uri": "a/1.png", "s2_caption": "A scan.", "references": []},
    ]),
    "QUILT-1M's table": ("caption", [
        {"": str(n), "caption": "Gland.", "image_path": f"{n}.jpg", "subset": "quilt", "split": "train"}
        for n in range(3)
    ]),
    "CheXpert Plus": ("report", [
        {"path_to_image": "train/1.jpg", "section_findings": "Clear lungs.", "section_impression": "Normal."},
        {"path_to_image": "train/2.jpg", "section_findings": None, "section_impression": "Effusion."},
        {"path_to_image": "train/3.jpg", "section_findings": "Edema.", "section_impression": None, "age": "60"},
    ]),
    "VQA-RAD, PathVQA, SLAKE, Orca-Math": ("question_answer", [
        {"image": {"bytes": b"\x89PNG", "path": None}, "question": "Is it normal?", "answer": "no"},
        {"img_name": "xmlab1/source.jpg", "question": "Which organ?", "answer": "Liver", "q_lang": "en", "qid": 1},
        {"question": "2 + 2?", "answer": "4"},
    ]),
    "PMC-VQA": ("question_answer", [
        {"Figure_path": f"PMC{n}.jpg", "Question": "Which?", "Answer": "CT", "Choice A": " A:CT ", "Choice B": " B:MR ",
         "Choice C": "X-ray", "Choice D": None, "Answer_label": "A"} for n in range(3)
    ]),
    "PMC-CaseReport": ("question_answer", [
        {"PMC_id": str(n), "img_ref": "1.jpg", "context": "A man.", "question": "What is seen?", "answer": "Mass."}
        for n in range(3)
    ]),
    "Alpaca, COIG-CQIA, Blossom": ("instruction", [
        {"instruction": "Translate.", "input": "Haus", "output": "house", "text": "Below …"},
        {"instruction": "Explain.", "input": "", "output": "Because."},
        {"id": "x", "instruction": "Q", "input": "", "output": "A", "task_type": {"major": ["问答"]}, "domain": ["x"]},
    ]),
    "Firefly": ("input_target", [{"kind": "NLI", "input": "Q", "target": "A"} for _ in range(3)]),
    "Cosmopedia": ("prompt_text", [
        {"prompt": "Write a lesson.", "text": "Once …", "seed_data": "x", "format": "blogpost", "text_token_length": 3}
        for _ in range(3)
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_rows_as_published_are_read(name: str) -> None:
    adapter, rows = PUBLISHED[name]
    for row in rows:
        read = read_row(row)
        assert isinstance(read, Sample), read
        assert read.messages[-1]["role"] == "assistant"
        assert fits(adapter, row) or (adapter == "strings" and fits("conversations", row)), row.keys()
        pictures = sum(message["content"].count("<image>") for message in read.messages)
        assert pictures == len(read.images)


def test_options_stand_behind_the_question_once_with_their_letter() -> None:
    read = read_row(PUBLISHED["PMC-VQA"][1][0])
    assert isinstance(read, Sample)
    assert read.messages[0]["content"] == "<image>\nWhich?\nA:CT\nB:MR\nC: X-ray"
    assert read.messages[1]["content"] == "CT"


def test_a_report_is_its_findings_and_impression() -> None:
    texts = [read_row(row) for row in PUBLISHED["CheXpert Plus"][1]]
    said = [read.messages[-1]["content"] for read in texts if isinstance(read, Sample)]
    assert said == ["Clear lungs.\nNormal.", "Effusion.", "Edema."]


def test_a_context_goes_before_the_question() -> None:
    read = read_row(PUBLISHED["PMC-CaseReport"][1][0])
    assert isinstance(read, Sample)
    assert read.messages[0]["content"] == "<image>\nA man.\nWhat is seen?"


def test_adapters_are_told_by_columns() -> None:
    assert adapter_of(["input", "target"]) == "input_target"
    assert adapter_of(["weather"]) is None
    assert not fits("caption", ["question", "answer", "image"])
    assert ADAPTERS["to_convert"].shapes == frozenset()
