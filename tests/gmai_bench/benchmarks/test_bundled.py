"""Every bundled declaration on a tiny copy in its published layout: official answers score 100 %, "A" chance."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.declaration import read_declaration
from gmai_bench.benchmarks.registry import bundled, listings, open_benchmark
from gmai_bench.images import check
from gmai_bench.scoring.results import Result, score_benchmark
from gmai_formats.errors import UserError
from PIL import Image

FOUR = (
    ("E", "B", "C", "A"),
    ("No", "Not seen", "None of the above", "No evidence of fracture"),
    ("Benign", "Unable to determine", "Cannot be determined", "I don't know"),
    ("1", "2", "0", "3"),
)


def cases(more: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], int]]:
    """Every set of options with each of its options right once."""
    return [((*options, *more), right) for options in FOUR for right in range(4 + len(more))]


TEN = ("five", "six", "seven", "eight", "nine", "ten")
LETTERS = "ABCDEFGHIJ"


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (9, 90, 30)).save(buffer, format="PNG")
    return buffer.getvalue()


def json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def mapping(options: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(LETTERS, options, strict=False))


def medxpertqa(folder: Path, part: str, more: tuple[str, ...]) -> list[str]:
    about = {"medical_task": "Diagnosis", "body_system": "Digestive", "question_type": "Reasoning"}
    rows: list[dict[str, Any]] = [
        {
            "id": f"{part}-{n}",
            "question": "Which?",
            "options": mapping(options),
            "label": LETTERS[right],
            **about,
        }
        for n, (options, right) in enumerate(cases(more))
    ]
    if part == "MM":
        rows = [{**row, "images": [f"{row['id']}-a.jpeg", f"{row['id']}-b.jpeg"]} for row in rows]
        with zipfile.ZipFile(folder / "images.zip", "w") as archive:
            for name in (name for row in rows for name in row["images"]):
                archive.writestr(f"images/{name}", png())
    json_lines(folder / part / "test.jsonl", rows)
    return [row["label"] for row in rows]


def mmmu_pro(folder: Path) -> list[str]:
    empty = {f"image_{i}": None for i in range(2, 8)}
    rows = [
        {"id": f"test_{n}", "question": "Which of <image 1>?", "options": repr(list(options)), "answer": LETTERS[right],
         "subject": "Art" if n == 40 else "Pharmacy", "topic_difficulty": "Hard",
         "image_1": {"bytes": png(), "path": None}, **empty}
        for n, (options, right) in enumerate([*cases(TEN), *cases()[:1]])
    ]  # fmt: skip
    parquet(folder / "standard (10 options)/test-00000-of-00001.parquet", rows)
    return [row["answer"] for row in rows[:-1]]


def medframeqa(folder: Path) -> list[str]:
    frames = {f"image_{i}": {"bytes": png(), "path": None} if i < 3 else None for i in range(1, 6)}
    rows = [{"question": "?", "options": list(o), "correct_answer": LETTERS[r], **frames} for o, r in cases()]
    parquet(folder / "data/test-00000-of-00001.parquet", rows)
    return [LETTERS[right] for _, right in cases()]


def medqa(folder: Path) -> list[str]:
    rows = [
        {"question": "?", "answer": o[r], "options": mapping(o), "meta_info": "step1", "answer_idx": LETTERS[r],
         "metamap_phrases": []}
        for o, r in cases()
    ]  # fmt: skip
    json_lines(folder / "phrases_no_exclude_test.jsonl", rows)
    return [LETTERS[right] for _, right in cases()]


def medmcqa(folder: Path) -> list[str]:
    names = ("opa", "opb", "opc", "opd")
    rows = [
        {"id": str(n), "question": "?", **dict(zip(names, o, strict=True)), "cop": r, "choice_type": "single",
         "subject_name": "ENT", "topic_name": None, "exp": None}
        for n, (o, r) in enumerate(cases())
    ]  # fmt: skip
    parquet(folder / "data/validation-00000-of-00001.parquet", rows)
    return [LETTERS[right] for _, right in cases()]


def pubmedqa(folder: Path) -> list[str]:
    decisions = ["yes", "no", "maybe"] * 4
    rows = [
        {"pubid": n, "question": "?", "context": {"contexts": ["One.", "Two."], "labels": ["A", "B"], "meshes": []},
         "long_answer": "…", "final_decision": decision}
        for n, decision in enumerate(decisions)
    ]  # fmt: skip
    parquet(folder / "pqa_labeled/train-00000-of-00001.parquet", rows)
    return [LETTERS[("yes", "no", "maybe").index(decision)] for decision in decisions]


def mmlu(folder: Path) -> list[str]:
    rows = [{"question": "?", "subject": "anatomy", "choices": list(o), "answer": r} for o, r in cases()]
    parquet(folder / "all/test-00000-of-00001.parquet", [*rows, {**rows[0], "subject": "astronomy"}])
    return [LETTERS[right] for _, right in cases()]


def supergpqa(folder: Path) -> list[str]:
    rows = [
        {"uuid": str(n), "question": "?", "options": list(o), "answer": o[r], "answer_letter": LETTERS[r],
         "discipline": "Medicine", "field": "Surgery", "subfield": "x", "difficulty": "hard", "is_calculation": False}
        for n, (o, r) in enumerate(cases(TEN))
    ]  # fmt: skip
    json_lines(folder / "SuperGPQA-all.jsonl", [{**rows[0], "uuid": "x", "discipline": "Law"}, *rows])
    return [LETTERS[right] for _, right in cases(TEN)]


def pathmmu(folder: Path, splits: tuple[str, ...]) -> list[str]:
    def row(n: int, options: tuple[str, ...], right: int) -> dict[str, Any]:
        lettered = [f"{x}) {option}" for x, option in zip(LETTERS, options, strict=False)]
        return {"No": n, "question": "?", "options": lettered, "answer": lettered[right], "img": "i.png",
                "explanation": ""}  # fmt: skip

    rows = [row(n, options, right) for n, (options, right) in enumerate(cases())]
    half = len(rows) // 2
    parts = {"PubMed": {"train": rows[:1], "val": [], "test": [], "test_tiny": []}, "Atlas": {"train": rows[:1]}}
    parts["PubMed"][splits[0]], parts["Atlas"][splits[-1]] = rows[:half], rows[half:]
    (folder / "data.json").write_text(json.dumps(parts), encoding="utf-8")
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.writestr("images/i.png", png())
    return [LETTERS[right] for _, right in cases()]


def medbullets(folder: Path, five: bool) -> list[str]:
    names = ("opa", "opb", "opc", "opd", "ope")
    more = TEN[:1] if five else ()
    rows = [
        {"question": "?", "answer": o[r], "answer_idx": LETTERS[r],
         **(dict(zip(names, o, strict=True)) if five else {"options": mapping(o)})}
        for o, r in cases(more)
    ]  # fmt: skip
    parquet(folder / ("default/train/0000.parquet" if five else "data/train-00000-of-00001.parquet"), rows)
    return [LETTERS[r] for _, r in cases(more)]


def chinese(folder: Path, name: str) -> list[str]:
    """CMExam in one file, CMB in two; a question may have two right options."""
    listed = [[{"key": x, "value": o} for x, o in zip(LETTERS, options, strict=False)] for options, _ in cases()]
    right = [LETTERS[r] for _, r in cases()]
    if name == "cmexam":
        rows = [
            {"Question": "?", "Options": o, "Answer": a, "Explanation": ""} for o, a in zip(listed, right, strict=True)
        ]
        json_path(folder / "test.json", rows)
        return right
    about = {"exam_type": "医师考试", "exam_class": "", "exam_subject": "", "question_type": "单项选择题"}
    rows = [
        {"id": n, "question": "?", "option": {e["key"]: e["value"] for e in o}, **about} for n, o in enumerate(listed)
    ]
    test = folder / "CMB-Exam/CMB-test"
    json_path(test / "CMB-test-choice-question-merge.json", rows)
    json_path(test / "CMB-test-choice-answer.json", [{"id": n, "answer": a} for n, a in reversed([*enumerate(right)])])
    return right


def json_path(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def pubmedqa_test(folder: Path) -> list[str]:
    rows = [
        {"id": str(n), "data": {"Question": "?", "Options": {"A": "yes", "B": "no", "C": "maybe"}, "Context": ["One."],
                                "Correct Option": LETTERS[n % 3], "Correct Answer": "…", "Long Answer": "…"}}
        for n in range(12)
    ]  # fmt: skip
    parquet(folder / "data/test-00000-of-00001.parquet", rows)
    return [LETTERS[n % 3] for n in range(12)]


COPIES: dict[str, tuple[Callable[[Path], list[str]], float]] = {
    "medxpertqa/mm-2000": (lambda folder: medxpertqa(folder, "MM", TEN[:1]), 0.2),
    "medxpertqa/text-2450": (lambda folder: medxpertqa(folder, "Text", TEN), 0.1),
    "mmmu-pro-hm/standard-286": (mmmu_pro, 0.1),
    "medframeqa/test-2851": (medframeqa, 0.25),
    "medqa/usmle-1273": (medqa, 0.25),
    "medmcqa/validation-4183": (medmcqa, 0.25),
    "pubmedqa/labelled-1000": (pubmedqa, 1 / 3),
    "pubmedqa/test-500": (pubmedqa_test, 1 / 3),
    "pathmmu/test-9677": (lambda folder: pathmmu(folder, ("test", "test_tiny")), 0.25),
    "pathmmu/val-710": (lambda folder: pathmmu(folder, ("val",)), 0.25),
    "medbullets/test-308": (lambda folder: medbullets(folder, five=False), 0.25),
    "medbullets-op5/test-308": (lambda folder: medbullets(folder, five=True), 0.2),
    "cmexam/test-6811": (lambda folder: chinese(folder, "cmexam"), 0.25),
    "cmb/test-11200": (lambda folder: chinese(folder, "cmb"), 0.25),
    "mmlu-medical/six-1089": (mmlu, 0.25),
    "mmlu-medical/nine-1871": (mmlu, 0.25),
    "supergpqa-medicine/all-2755": (supergpqa, 0.1),
}
"""Protocol ▶ what writes a tiny copy and returns its official answers, and the chance."""


ANSWERS = ("yes", "Cannot be determined", "A", "t1 - weighted (mri)", "1.5 cm, left", "12")


def vqa_med_2019(folder: Path) -> list[str]:
    lines = [f'i{n}|plane|what "plane", here?|{a}{"#other" if n % 2 else ""}' for n, a in enumerate(ANSWERS)]
    (folder / "VQAMed2019_Test_Questions_w_Ref_Answers.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with zipfile.ZipFile(folder / "VQAMed2019_Test_Images.zip", "w") as archive:
        for n in range(len(ANSWERS)):
            archive.writestr(f"VQAMed2019_Test_Images/i{n}.jpg", png())
    return [*ANSWERS]


def vqa_med_2021(folder: Path) -> list[str]:
    stem = "Task1-VQAnswering2021-Test-Reference"
    questions = [{"question": "what?", "question_id": f"i{n}"} for n in range(len(ANSWERS))]
    json_path(folder / f"{stem}Questions_mscoco_format_vqa.json", {"info": "", "questions": questions})
    lines = [f"i{n}|{a}" + ("|other|one more" if n % 2 else "") for n, a in enumerate(ANSWERS)]
    (folder / f"{stem}Answers-4Evaluator.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with zipfile.ZipFile(folder / "Task1-VQA-2021-TestSet-w-GroundTruth.zip", "w") as archive:
        for n in range(len(ANSWERS)):
            archive.writestr(f"Task1/VQA-500-Images/i{n}.jpg", png())
    return [*ANSWERS]


def rocov2(folder: Path) -> list[str]:
    rows = [
        {"image": {"bytes": png(), "path": None}, "image_id": f"ROCOv2_{n}", "caption": f"CT of part {n}.", "cui": []}
        for n in range(4)
    ]  # fmt: skip
    parquet(folder / "data/test-00000-of-00001.parquet", rows)
    return [str(row["caption"]) for row in rows]


def reports(folder: Path) -> list[str]:
    (folder / "images").mkdir()
    for name in ("a.png", "b.png"):
        (folder / f"images/{name}").write_bytes(png())
    one = {"id": "open_i_1", "image": ["a.png", "b.png"], "findings": "Clear {lungs}.", "impression": "Normal."}
    rows = [
        one,
        {**one, "id": "2", "image": "a.png", "findings": ""},
        {**one, "id": "3", "findings": "", "impression": " "},
    ]
    json_path(folder / "test.json", rows)
    return ["Findings: Clear {lungs}. Impression: Normal..", "Findings:  Impression: Normal.."]


OPEN: dict[str, Callable[[Path], list[str]]] = {
    "vqa-med/2019-500": vqa_med_2019,
    "vqa-med/2021-500": vqa_med_2021,
    "rocov2/captions-9927": rocov2,
    "iu-xray/report-296": reports,
    "mimic-cxr/report-own": reports,
    "chexpert-plus/report-own": reports,
}
"""The same for questions without options."""


@pytest.mark.parametrize("name", OPEN)
def test_official_answers_of_open_questions_are_right(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name.partition("/")[0]
    folder.mkdir()
    answers = OPEN[name](folder)
    item = record.load(open_benchmark(name, tmp_path), check, limit=None, allow_partial=True)
    assert all(question.images and question.prompt for question in item.questions)

    def result(said: list[str]) -> Result:
        ids = [question.id for question in item.questions]
        kept = {i: Prediction(i, text, "") for i, text in zip(ids, said, strict=True)}
        return score_benchmark(item, Kept(kept, 0, 0)).result

    found = result(answers)
    assert (found.accuracy, found.chance) == (pytest.approx(1.0), None)
    assert result(["it is a sign"] * len(answers)).accuracy < 0.5
    assert found.metric == ("accuracy" if "vqa-med" in name else "ROUGE-L")
    assert found.measures["BLEU"].mean > 0.3


def test_a_benchmark_that_is_not_on_the_hub_says_how_it_is_got() -> None:
    with pytest.raises(UserError, match=r"iu-xray: needs --data-root\. iu-xray is not on the Hub: copy datas/IU_XRAY"):
        open_benchmark("iu-xray", None)


def test_every_bundled_benchmark_has_a_tiny_copy() -> None:
    assert set(COPIES) | set(OPEN) | set(RUBRICS) == {
        f"{name}/{protocol}" for name, protocols in bundled().items() for protocol in protocols
    }


@pytest.mark.parametrize("name", COPIES)
def test_official_answers_are_right_and_always_the_first_is_chance(name: str, tmp_path: Path) -> None:
    write, chance = COPIES[name]
    folder = tmp_path / name.partition("/")[0]
    folder.mkdir()
    answers = write(folder)
    item = record.load(open_benchmark(name, tmp_path), check, limit=None, allow_partial=True)
    ids = [question.id for question in item.questions]

    def result(said: list[str]) -> tuple[float, float | None]:
        kept = {i: Prediction(i, text, "") for i, text in zip(ids, said, strict=True)}
        scored = score_benchmark(item, Kept(kept, 0, 0)).result
        return scored.accuracy, scored.chance

    assert result(answers) == (1.0, pytest.approx(chance))
    assert result(["A"] * len(ids))[0] == pytest.approx(chance)
    assert all(question.prompt.count("\nA. ") == 1 for question in item.questions)


RUBRICS = {
    "healthbench/rubric-5000": "2025-05-07-06-14-12_oss_eval.jsonl",
    "healthbench/hard-1000": "hard_2025-05-08-21-00-10.jsonl",
    "healthbench/consensus-3671": "consensus_2025-05-09-20-00-46.jsonl",
}


@pytest.mark.parametrize("name", RUBRICS)
def test_conversations_and_rubrics_are_read_in_the_published_layout(name: str, tmp_path: Path) -> None:
    row = {
        "example_tags": ["physician_agreed_category:enough-context", "theme:context_seeking"],
        "ideal_completions_data": None,
        "prompt": [
            {"content": "My <image> hurts.", "role": "user"},
            {"content": "Where?", "role": "assistant"},
            {"content": "Here: {choices}", "role": "user"},
        ],
        "prompt_id": "1f548d5b",
        "rubrics": [
            {"criterion": "Asks for how long.", "points": 7, "tags": ["level:example", "axis:context_awareness"]},
            {"criterion": "Names a dose.", "points": -10, "tags": ["level:example", "axis:accuracy"]},
        ],
        "canary": "healthbench:…",
    }
    json_lines(tmp_path / "healthbench" / RUBRICS[name], [row])
    item = record.load(open_benchmark(name, tmp_path), check, limit=1, allow_partial=True)
    (question,) = item.questions
    assert question.turns == (("user", "My <image> hurts."), ("assistant", "Where?"))
    assert (question.prompt, question.id, question.groups) == (
        "Here: {choices}", "1f548d5b", {"theme": "context_seeking"},
    )  # fmt: skip
    assert question.rubric[1] == ("Names a dose.", -10.0, ("level:example", "axis:accuracy"))
    assert question.reference == "[7] Asks for how long.\n[-10] Names a dose."
    result = score_benchmark(item, Kept({"1f548d5b": Prediction("1f548d5b", "x", "")}, 0, 0)).result
    assert (result.n, result.partial) == (0, True)
    assert result.notices[-1].startswith("1 answers wait for a judge: `gmai bench judge OUT")
    folder = tmp_path / "kept"
    record.write(item, folder)
    assert record.read(folder).questions == item.questions


@pytest.mark.parametrize("name", [*COPIES, *OPEN, *RUBRICS])
def test_a_bundled_benchmark_says_where_its_layout_and_count_come_from(name: str) -> None:
    family, _, protocol = name.partition("/")
    declared = read_declaration(bundled()[family][protocol])
    assert declared.layout.startswith("https://")
    assert bool(declared.hub) != bool(declared.get)
    assert declared.reported_by
    if name.endswith("/report-own"):
        assert declared.expected is None
        return
    assert declared.expected is not None
    assert declared.expected.source
    assert str(declared.expected.total) in protocol or family == "mmlu-medical"


def test_the_list_names_everything_once() -> None:
    listed = listings()
    names = [one.name for one in listed]
    assert len(set(names)) == len(names) >= 15
    assert all(one.reported_by and one.metric and one.command for one in listed)
