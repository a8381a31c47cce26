"""SLAKE as published, drawn in code with the counts of the real test.json."""

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError


def slake_records() -> list[dict[str, Any]]:
    """The counts of the real test.json: 645 open and 416 closed English questions, 613 and 420 Chinese ones."""
    content = {"Organ": 253, "Position": 186, "Abnormality": 150, "KG": 148, "Modality": 108, "Size": 65, "Plane": 58}
    content |= {"Quantity": 52, "Color": 34, "Shape": 7}
    contents = list(Counter(content).elements())
    modalities = list(Counter({"CT": 472, "X-Ray": 361, "MRI": 228}).elements())
    records: list[dict[str, Any]] = []
    for i in range(1061 + 1033):
        english = i < 1061
        closed = i < 416 if english else i - 1061 < 420
        closed_answers = ("Yes", "No", "Lung") if english else ("是的", "不包含", "正常")
        records.append(
            {
                "img_id": i % 8,
                "img_name": f"xmlab{i % 8}/source.jpg",
                "question": f"Question {i}?",
                "answer": closed_answers[i % 3] if closed else "Right lung, left lung",
                "q_lang": "en" if english else "zh",
                "answer_type": "CLOSED" if closed else "OPEN",
                "content_type": contents[i] if english else "Organ",
                "modality": modalities[i] if english else "CT",
                "location": "Lung",
                "qid": 12000 + i,
            }
        )
    return records


@pytest.fixture
def slake(tmp_path: Path, pictures: list[bytes]) -> Path:
    folder = tmp_path / "slake"
    folder.mkdir()
    (folder / "test.json").write_text(json.dumps(slake_records(), ensure_ascii=False), encoding="utf-8")
    with zipfile.ZipFile(folder / "imgs.zip", "w") as archive:
        for i, picture in enumerate(pictures):
            archive.writestr(f"imgs/xmlab{i}/source.jpg", picture)
    return tmp_path


@pytest.mark.parametrize(
    ("protocol", "n", "choice"),
    [("exact-1061", 1061, 0), ("medevalkit", 2094, 0), ("zh-exact-1033", 1033, 0), ("zh-closed-420", 420, 280)],
)
def test_slake(slake: Path, protocol: str, n: int, choice: int, load: Any) -> None:
    read = load(f"slake/{protocol}", slake)
    assert (len(read.questions), sum(bool(q.choices) for q in read.questions)) == (n, choice)
    assert not read.coverage.partial


def test_slake_llava_med_counts_416_closed_and_645_open(slake: Path, load: Any) -> None:
    read = load("slake/llava-med", slake)
    assert Counter(q.measure for q in read.questions) == {"accuracy": 416, "open_token_recall": 645}


def test_chinese_findings_are_no_yes_and_no(slake: Path, load: Any) -> None:
    read = load("slake/zh-closed-420", slake)
    assert {(q.choices, q.reference) for q in read.questions} == {
        (("是的", "不是"), "是的"),
        (("包含", "不包含"), "不包含"),
        ((), "正常"),
    }


def test_a_slake_copy_with_other_groups_is_refused_with_both_counts(slake: Path, load: Any) -> None:
    records = slake_records()
    records[0]["content_type"] = "Shape"
    (slake / "slake/test.json").write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UserError, match=r"by content_type are not those of .*Organ 252 \(due 253\), Shape 8 \(due 7\)"):
        load("slake", slake)
    assert len(load("slake", slake, allow_partial=True).questions) == 1061


def test_a_copy_that_was_through_windows_is_read(slake: Path, load: Any) -> None:
    path = slake / "slake/test.json"
    text = path.read_text(encoding="utf-8").replace("/source.jpg", "\\\\source.jpg").replace("}, {", "},\r\n{")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(load("slake", slake).questions) == 1061


def test_a_missing_image_and_a_missing_field_are_named(slake: Path, load: Any) -> None:
    records = slake_records()
    records[2]["img_name"] = "xmlab77/source.jpg"
    (slake / "slake/test.json").write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UserError, match=r"record 3: the image xmlab77/source\.jpg is not there"):
        load("slake", slake)
    del records[1]["qid"]
    (slake / "slake/test.json").write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UserError, match=r"record 2: has no qid"):
        load("slake", slake)


@pytest.mark.parametrize(
    ("protocol", "english", "chinese"),
    [
        ("exact-1061", {"Answer the question using a single word or phrase."}, set()),
        ("llava-med", {""}, set()),
        ("zh-exact-1033", set(), {"请用一个词或短语回答。"}),
        (
            "medevalkit",
            {"Answer the question using a single word or phrase.", "Please answer the question concisely."},
            {"请用一个词或短语回答。", "请简要回答。"},
        ),
    ],
)
def test_a_question_is_asked_in_its_language(
    slake: Path, load: Any, protocol: str, english: set[str], chinese: set[str]
) -> None:
    asked: dict[str, set[str]] = {"en": set(), "zh": set()}
    for question in load(f"slake/{protocol}", slake).questions:
        asked[question.groups["q_lang"]].add(question.prompt.removeprefix(question.text).removeprefix("\n"))
    assert asked == {"en": english, "zh": chinese}


def test_medevalkit_scores_closed_questions_by_its_own_rule(slake: Path, load: Any) -> None:
    read = load("slake/medevalkit", slake)
    assert read.card.scoring == "medevalkit-open"
    assert Counter(q.scoring for q in read.questions) == {"medevalkit-closed": 836, None: 1258}
