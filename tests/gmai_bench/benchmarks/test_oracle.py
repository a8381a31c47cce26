"""The official answers, as the publisher's file stores them, score 100 %, whatever the options are called.

Each published layout is drawn with options that are letters of one another, denials, refusals, equal, or formulas.
"""

import base64
import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.mmmu import SUBJECTS
from gmai_bench.benchmarks.registry import REGISTRY, default_count, open_benchmark
from gmai_bench.benchmarks.variants import Variant, turns, varied
from gmai_bench.images import check
from gmai_bench.scoring.results import ScoredBenchmark, score_benchmark
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


def pmc_vqa(root: Path, name: str = "test_clean.csv") -> list[str]:
    (root / "pmc-vqa/images").mkdir(parents=True)
    (root / "pmc-vqa/images/p.png").write_bytes(png())
    with (root / "pmc-vqa" / name).open("w", newline="", encoding="utf-8") as file:
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


def omnimedvqa(root: Path, part: str = "Open-access") -> list[str]:
    (root / "omnimedvqa/Images").mkdir(parents=True)
    (root / "omnimedvqa/Images/i.png").write_bytes(png())
    (root / "omnimedvqa/QA_information" / part).mkdir(parents=True)
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
    (root / "omnimedvqa/QA_information" / part / "X.json").write_text(json.dumps(records), encoding="utf-8")
    return [options[right] for options, right in cases()]


def huatuo(root: Path, split: str = "VQA-RAD_test") -> list[str]:
    """The bundle stores texts and is asked for letters: the letter of the option with that text."""
    (root / "huatuo/images").mkdir(parents=True)
    (root / "huatuo/images/i.png").write_bytes(png())
    records = [
        {"dataset": split, "question": "Which?", "options": list(options), "answer": options[right],
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


def vqa_rad_osf(root: Path) -> list[str]:
    """One open, three closed and the yes/no questions, as OSF stores them: numbers as numbers, some with blanks."""
    folder = root / "vqa-rad/VQA_RAD Image Folder"
    folder.mkdir(parents=True)
    (folder / "s.jpg").write_bytes(png())
    answers = [
        ("OPEN", "left lung"),
        ("OPEN", 12),
        ("CLOSED", "Yes"),
        ("CLOSED ", "no "),
        ("CLOSED", "MRI - T2 weighted"),
    ]
    answers += [("CLOSED", "Cannot be determined"), ("CLOSED", "No"), ("OPEN", "no abnormality"), ("CLOSED", "yes")]
    records = [
        {"qid": number, "phrase_type": "test_para", "image_name": "s.jpg", "image_organ": "CHEST", "question": "?",
         "question_type": "PRES", "answer": answer, "answer_type": kind}
        for number, (kind, answer) in enumerate(answers)
    ]  # fmt: skip
    records.append({**records[0], "qid": 99, "phrase_type": "freeform"})
    (root / "vqa-rad/VQA_RAD Dataset Public.json").write_text(json.dumps(records), encoding="utf-8")
    return [str(answer) for _, answer in answers]


def vqa_rad_osf_yes_no(root: Path) -> list[str]:
    return [answer for answer in vqa_rad_osf(root) if answer.strip().lower() in ("yes", "no")]


def rad_restruct(root: Path) -> list[str]:
    """Single choices, and several of four: every option right alone once, and two right together."""
    folder = root / "rad-restruct"
    (folder / "test_qa_pairs").mkdir(parents=True)
    (folder / "imgs").mkdir()
    (folder / "imgs/CXR1_a.png").write_bytes(png())
    alone = [(options, [right]) for options, right in cases() if len(set(options)) == 4]
    asked = [(*one, kind) for one in alone for kind in ("single_choice", "multi_choice")]
    asked += [(options, [0, 2], "multi_choice") for options, right in alone if right == [0]]
    pairs = [
        ["?", [options[n] for n in right], [], {"answer_type": kind, "options": options, "path": "lung_signs"}]
        for options, right, kind in asked
    ]
    (folder / "test_qa_pairs/1.json").write_text(json.dumps(pairs), encoding="utf-8")
    (folder / "id_to_img_mapping_frontal_reports.json").write_text(json.dumps({"1": ["CXR1_a"]}), encoding="utf-8")
    return [", ".join(LETTERS[n] for n in right) for _, right, _ in asked]


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


def mmmu_choices(root: Path) -> list[str]:
    return [answer for answer in mmmu(root) if answer in LETTERS]


def yes_no(root: Path) -> list[str]:
    return [answer for answer in vqa_rad(root) if answer.lower() in ("yes", "no")]


def slake_english(root: Path) -> list[str]:
    return slake(root)[:4]


def slake_chinese(root: Path) -> list[str]:
    return slake(root)[4:]


def share(name: str, root: Path, answers: list[str] | None) -> tuple[float, float | None]:
    """Return the accuracy of some answers, of "A" to everything without them, and the chance."""
    item = record.load(open_benchmark(name, root), check, limit=None, allow_partial=True)
    said = answers or ["A"] * len(item.questions)
    kept = {q.id: Prediction(q.id, text, "") for q, text in zip(item.questions, said, strict=True)}
    result = score_benchmark(item, Kept(kept, 0, 0)).result
    return result.accuracy, result.chance


WRITERS: dict[str, Callable[[Path], list[str]]] = {
    "pmc-vqa/clean-2000": pmc_vqa,
    "pmc-vqa/test2-33430": lambda root: pmc_vqa(root, "test_2.csv"),
    "mmmu-hm/official-150": mmmu,
    "mmmu-hm/mc-145": mmmu_choices,
    "gmai-mmbench/val": gmai_mmbench,
    "omnimedvqa/open-88996": omnimedvqa,
    "omnimedvqa/full-127995": lambda root: omnimedvqa(root, "Restricted-access"),
    "omnimedvqa/huatuo-11124": lambda root: huatuo(root, "OmniMedVQA"),
    "vqa-rad/huatuo-251": huatuo,
    "vqa-rad/exact-451": vqa_rad,
    "vqa-rad/medevalkit": vqa_rad,
    "vqa-rad/yes-no-251": yes_no,
    "vqa-rad/llava-med": vqa_rad_osf,
    "path-vqa/exact-6719": path_vqa,
    "path-vqa/medevalkit": path_vqa,
    "slake/exact-1061": slake_english,
    "slake/medevalkit": slake,
    "slake/llava-med": slake_english,
    "slake/huatuo-416": lambda root: huatuo(root, "SLAKE_test"),
    "slake/zh-exact-1033": slake_chinese,
    "slake/zh-closed-420": slake_chinese,
    "rad-restruct/flat-18186": rad_restruct,
}
"""Protocol ▶ what writes a tiny copy in its published layout and returns its official answers."""

WITHOUT = {
    "mmmu-hm/test-1752", "gmai-mmbench/test",  # answers are in no published file
    "omnimedvqa/open-88996-prefix", "omnimedvqa/full-127995-prefix",  # a likelihood, no answer
}  # fmt: skip


def test_every_benchmark_read_by_code_has_a_tiny_copy() -> None:
    assert WRITERS.keys() | WITHOUT == {f"{name}/{one}" for name, entry in REGISTRY.items() for one in entry.protocols}


@pytest.mark.parametrize("name", WRITERS)
def test_the_count_that_is_planned_with_is_the_one_on_the_card(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    card = open_benchmark(name, tmp_path).card
    assert default_count(name) == {"vqa-rad/llava-med": 272, "slake/llava-med": 416}.get(name, card.expected)
    if name.endswith("llava-med"):
        assert f"Accuracy over the {default_count(name)} closed questions" in card.notes


@pytest.mark.parametrize("name", WRITERS)
def test_the_official_answers_score_100(name: str, tmp_path: Path) -> None:
    assert share(name, tmp_path, WRITERS[name](tmp_path))[0] == 1.0


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("vqa-rad/exact-451", vqa_rad_osf),
        ("vqa-rad/medevalkit", vqa_rad_osf),
        ("vqa-rad/yes-no-251", vqa_rad_osf_yes_no),
    ],
)
def test_the_official_answers_of_the_osf_layout_score_100(name: str, write: Any, tmp_path: Path) -> None:
    assert share(name, tmp_path, write(tmp_path))[0] == 1.0


def test_official_answers_to_open_questions_are_wholly_recalled(tmp_path: Path) -> None:
    answers = vqa_rad_osf(tmp_path)
    item = record.load(open_benchmark("vqa-rad/llava-med", tmp_path), check, limit=None, allow_partial=True)
    kept = {q.id: Prediction(q.id, text, "") for q, text in zip(item.questions, answers, strict=True)}
    result = score_benchmark(item, Kept(kept, 0, 0)).result
    recall = result.measures["open_token_recall"]
    assert (result.n, recall.n, recall.mean) == (6, 3, 1.0)


def test_always_the_first_option_is_chance_where_several_may_be_right(tmp_path: Path) -> None:
    """Of 81 questions the 9 with two right options are none that one letter answers."""
    rad_restruct(tmp_path)
    assert share("rad-restruct/flat-18186", tmp_path, None) == (18 / 81, pytest.approx(18 / 81))


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


@pytest.mark.parametrize(
    ("name", "write"),
    [("mmmu-hm/mc-145", mmmu), ("gmai-mmbench/val", gmai_mmbench), ("omnimedvqa/open-88996", omnimedvqa)],
)
def test_always_first_is_chance_where_texts_or_columns_name_the_options(
    name: str, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "FOUR", [options for options in FOUR if len(set(options)) == 4])
    write(tmp_path)
    item = record.load(open_benchmark(name, tmp_path), check, limit=None, allow_partial=True)
    first = [q.choices[0] if name.startswith("omnimedvqa") else "A" for q in item.questions]
    accuracy, chance = share(name, tmp_path, first)
    if name == "gmai-mmbench/val":  # the last question shows two options, A and C, and C is right
        assert (accuracy, chance) == (9 / 37, pytest.approx((36 / 4 + 1 / 2) / 37))
    else:
        assert (accuracy, chance) == (0.25, 0.25)


ROTATED = [("pmc-vqa", pmc_vqa), ("mmmu-hm/mc-145", mmmu), ("omnimedvqa/open-88996", omnimedvqa),
           ("vqa-rad/huatuo-251", huatuo), ("gmai-mmbench/val", gmai_mmbench)]  # fmt: skip


@pytest.mark.parametrize(("name", "write"), ROTATED)
def test_who_knows_the_answers_is_right_in_every_rotation_and_always_first_is_not(
    name: str, write: Any, tmp_path: Path
) -> None:
    write(tmp_path)
    circular = Variant("circular")
    read = record.load(open_benchmark(name, tmp_path), check, limit=None, allow_partial=True)
    item = dataclasses.replace(read, card=varied(read.card, circular))
    texts = name.startswith("omnimedvqa")
    by_letter: dict[str, str] = {}
    first: dict[str, str] = {}
    for turn in (turn for question in item.questions for turn in turns(question, circular)):
        place = turn.question.choices.index(turn.question.reference)
        by_letter[turn.id] = turn.question.reference if texts else LETTERS[place]
        first[turn.id] = turn.question.choices[0] if texts else "A"

    def scored(said: dict[str, str]) -> ScoredBenchmark:
        return score_benchmark(item, Kept({i: Prediction(i, text, "") for i, text in said.items()}, 0, 0))

    assert scored(by_letter).result.accuracy == 1.0
    moved = [one for one in scored(first).scored if one.orders > 1 and len(set(one.question.choices)) == one.orders]
    assert len(moved) >= len(read.questions) // 2
    assert not any(one.verdict.score for one in moved)


def test_of_equal_options_a_guess_is_right_more_often(tmp_path: Path) -> None:
    pmc_vqa(tmp_path)
    assert share("pmc-vqa", tmp_path, None) == (0.25, (36 * 0.25 + 2 * 0.25 + 2 * 0.5) / 40)
