"""The official answers, as the publisher's file stores them, score 100 %, whatever the options are called.

Each published layout is drawn with options that are letters of one another, denials, refusals, equal, or formulas.
"""

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.mmmu import SUBJECTS
from gmai_bench.benchmarks.registry import open_benchmark
from gmai_bench.images import check
from gmai_bench.scoring.results import score_benchmark
from PIL import Image

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
FOUR = (
    ("E", "B", "C", "A"),
    ("B", "A", "D", "C"),
    ("D, A, C", "A, C, D", "C, D, A", "B, D"),
    ("No", "Not seen", "None of the above", "No evidence of fracture"),
    ("Benign", "Unable to determine", "Cannot be determined from the image", "I don't know"),
    ("CT", "MR", "MR", "US"),
    ("Rh", "RH", "rh", "AB0"),
    ("A = 2", "B = 3", "1.5", "15"),
    ("normal", "Abnormal", "Neither normal nor abnormal", "not normal"),
    ("< 5 mm", "> 5 mm", "?", "-"),
)
LETTERS = "ABCD"


def png(shade: int = 7) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (shade, 90, 30)).save(buffer, format="PNG")
    return buffer.getvalue()


def cases() -> list[tuple[tuple[str, ...], int]]:
    """Every set of options with each of its options right once."""
    return [(options, right) for options in FOUR for right in range(4)]


def pmc_vqa(root: Path) -> list[str]:
    (root / "pmc-vqa/images").mkdir(parents=True)
    (root / "pmc-vqa/images/p.png").write_bytes(png())
    with (root / "pmc-vqa/test_clean.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Figure_path", "Question", "Answer", *(f"Choice {x}" for x in LETTERS), "Answer_label"])
        for options, right in cases():
            listed = [f" {x}:{option} " for x, option in zip(LETTERS, options, strict=True)]
            writer.writerow(["p.png", "Which?", options[right], *listed, LETTERS[right]])
    return [LETTERS[right] for _, right in cases()]


def mmmu(root: Path) -> list[str]:
    names = ("id", "question", "options", "answer", "question_type", "topic_difficulty")
    schema = pa.schema([*((n, pa.string()) for n in names), *((f"image_{i}", IMAGE) for i in range(1, 8))])
    answers: list[str] = []
    for subject in SUBJECTS:
        rows: list[dict[str, Any]] = [
            {
                "id": f"validation_{subject}_{number}",
                "question": "Which of <image 1>?",
                "options": repr(list(options)),
                "answer": LETTERS[right],
                "question_type": "multiple-choice",
                "topic_difficulty": "Hard",
                "image_1": {"bytes": png(), "path": None},
            }
            for number, (options, right) in enumerate(cases())
        ]
        rows.append({**rows[0], "id": f"{subject}-open", "question_type": "open", "options": "[]", "answer": "12.50"})
        (root / "mmmu-hm" / subject).mkdir(parents=True)
        file = root / "mmmu-hm" / subject / "validation-00000-of-00001.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
        answers += [row["answer"] for row in rows]
    return answers


def gmai_mmbench(root: Path) -> list[str]:
    (root / "gmai-mmbench").mkdir()
    columns = ["index", "image", "question", *"ABCDE", "answer", "clinical vqa task", "department"]
    with (root / "gmai-mmbench/GMAI_mm_bench_VAL.tsv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow([*columns, "perceptual granularity"])
        for number, (options, right) in enumerate(cases()):
            image = base64.b64encode(png()).decode()
            writer.writerow([number, image, "Which?", *options, "", LETTERS[right], "DD", "OM", "image"])
        hole = ["CT", "", "X-ray", "", ""]  # the letter stays that of its column
        writer.writerow([len(cases()), base64.b64encode(png()).decode(), "Which?", *hole, "C", "DD", "OM", "image"])
    return [*(LETTERS[right] for _, right in cases()), "C"]


def omnimedvqa(root: Path) -> list[str]:
    (root / "omnimedvqa/Images").mkdir(parents=True)
    (root / "omnimedvqa/Images/i.png").write_bytes(png())
    (root / "omnimedvqa/QA_information/Open-access").mkdir(parents=True)
    records = [
        {
            "dataset": "X",
            "question_id": f"X_{number:04d}",
            "question_type": "Disease Diagnosis",
            "question": "Which?",
            "gt_answer": options[right],
            "image_path": "Images/i.png",
            "modality_type": "CT",
            **{f"option_{x}": option for x, option in zip(LETTERS, options, strict=True)},
        }
        for number, (options, right) in enumerate(cases())
    ]
    (root / "omnimedvqa/QA_information/Open-access/X.json").write_text(json.dumps(records), encoding="utf-8")
    return [options[right] for options, right in cases()]


def huatuo(root: Path) -> list[str]:
    """The bundle stores texts and is asked for letters: the letter of the option with that text."""
    (root / "huatuo/images").mkdir(parents=True)
    (root / "huatuo/images/i.png").write_bytes(png())
    records = [
        {"dataset": "VQA-RAD_test", "question": "Which?", "options": list(options), "answer": options[right],
         "image": ["images/i.png"]}
        for options, right in cases()
    ]  # fmt: skip
    path = root / "huatuo/medical_multimodel_evaluation_data.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return [LETTERS[right] for _, right in cases()]


def vqa_rad(root: Path) -> list[str]:
    (root / "vqa-rad/data").mkdir(parents=True)
    answers = ["yes", "No", "left lung", "12", "Cannot be determined", "A", "x-ray, ct", "none"]
    rows = [{"image": {"bytes": png(), "path": None}, "question": "?", "answer": answer} for answer in answers]
    pq.write_table(pa.Table.from_pylist(rows), root / "vqa-rad/data/test-00000-of-00001.parquet")
    return answers


def path_vqa(root: Path) -> list[str]:
    answers = vqa_rad(root)
    (root / "vqa-rad").rename(root / "path-vqa")
    return answers


def slake(root: Path) -> list[str]:
    (root / "slake/imgs/x").mkdir(parents=True)
    (root / "slake/imgs/x/source.jpg").write_bytes(png())
    answers = [("en", "OPEN", "Lung"), ("en", "CLOSED", "Yes"), ("en", "CLOSED", "No"), ("en", "CLOSED", "MRI")]
    answers += [("zh", "CLOSED", text) for text in ("是的", "不是", "不包含", "没有", "不可以", "正常")]
    records = [
        {"img_name": "x/source.jpg", "question": "?", "answer": answer, "q_lang": language, "answer_type": kind,
         "content_type": "Organ", "modality": "CT", "qid": number}
        for number, (language, kind, answer) in enumerate(answers)
    ]  # fmt: skip
    (root / "slake/test.json").write_text(json.dumps(records), encoding="utf-8")
    return [answer for _, _, answer in answers]


def share(name: str, root: Path, answers: list[str] | None) -> tuple[float, float | None]:
    """Return the accuracy of some answers, of "A" to everything without them, and the chance."""
    item = record.load(open_benchmark(name, root), check, limit=None, allow_partial=True)
    said = answers or ["A"] * len(item.questions)
    kept = {q.id: Prediction(q.id, text, "") for q, text in zip(item.questions, said, strict=True)}
    result = score_benchmark(item, Kept(kept, 0, 0)).result
    return result.accuracy, result.chance


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("pmc-vqa", pmc_vqa),
        ("mmmu-hm", mmmu),
        ("gmai-mmbench", gmai_mmbench),
        ("omnimedvqa", omnimedvqa),
        ("vqa-rad/huatuo-251", huatuo),
        ("vqa-rad/exact-451", vqa_rad),
        ("vqa-rad/medevalkit", vqa_rad),
        ("path-vqa/exact-6719", path_vqa),
        ("path-vqa/medevalkit", path_vqa),
        ("slake/medevalkit", slake),
    ],
)
def test_the_official_answers_are_all_right(name: str, write: Any, tmp_path: Path) -> None:
    answers = write(tmp_path)
    assert share(name, tmp_path, answers)[0] == 1.0


def test_the_official_answers_of_one_language_are_all_right(tmp_path: Path) -> None:
    answers = slake(tmp_path)
    assert share("slake/exact-1061", tmp_path, answers[:4])[0] == 1.0
    assert share("slake/zh-exact-1033", tmp_path, answers[4:])[0] == 1.0
    assert share("slake/zh-closed-420", tmp_path, answers[4:])[0] == 1.0
    assert share("slake/llava-med", tmp_path, answers[:4])[0] == 1.0


def test_always_the_first_option_gives_the_stated_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "FOUR", [options for options in FOUR if len(set(options)) == 4])
    pmc_vqa(tmp_path)
    huatuo(tmp_path)
    assert share("pmc-vqa", tmp_path, None) == (0.25, 0.25)
    assert share("vqa-rad/huatuo-251", tmp_path, None) == (0.25, 0.25)


def test_of_equal_options_a_guess_is_right_more_often(tmp_path: Path) -> None:
    pmc_vqa(tmp_path)
    assert share("pmc-vqa", tmp_path, None) == (0.25, (36 * 0.25 + 2 * 0.25 + 2 * 0.5) / 40)
