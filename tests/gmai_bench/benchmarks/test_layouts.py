"""The published layouts of the paper's benchmarks, drawn in code with the real counts where that is cheap."""

import base64
import csv
import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.benchmarks import omnimedvqa, record
from gmai_bench.benchmarks.mmmu import SUBJECTS
from gmai_bench.benchmarks.registry import PAPER, REGISTRY, expand, open_benchmark
from gmai_bench.images import check
from gmai_formats.errors import UserError
from PIL import Image

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
FOUR = ("CT", "MR", "X-ray", "US")


def draw(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), (shade, 3 * shade % 256, 90)).save(buffer, format="PNG")
    return buffer.getvalue()


PICTURES = [draw(shade) for shade in range(8)]


def load(name: str, root: Path, **settings: Any) -> record.Record:
    return record.load(open_benchmark(name, root), check, **{"limit": None, "allow_partial": False, **settings})


def test_the_papers_benchmarks_have_a_default_protocol() -> None:
    assert expand(["path-vqa", "paper"]) == ["path-vqa", *PAPER]
    assert {name: REGISTRY[name].protocols[0] for name in PAPER} == {
        "vqa-rad": "exact-451",
        "slake": "exact-1061",
        "pmc-vqa": "clean-2000",
        "omnimedvqa": "open-88996",
        "mmmu-hm": "official-150",
        "gmai-mmbench": "val",
    }


# SLAKE


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
def slake(tmp_path: Path) -> Path:
    folder = tmp_path / "slake"
    folder.mkdir()
    (folder / "test.json").write_text(json.dumps(slake_records(), ensure_ascii=False), encoding="utf-8")
    with zipfile.ZipFile(folder / "imgs.zip", "w") as archive:
        for i, picture in enumerate(PICTURES):
            archive.writestr(f"imgs/xmlab{i}/source.jpg", picture)
    return tmp_path


@pytest.mark.parametrize(
    ("protocol", "n", "choice"),
    [("exact-1061", 1061, 0), ("medevalkit", 2094, 0), ("zh-exact-1033", 1033, 0), ("zh-closed-420", 420, 280)],
)
def test_slake(slake: Path, protocol: str, n: int, choice: int) -> None:
    read = load(f"slake/{protocol}", slake)
    assert (len(read.questions), sum(bool(q.choices) for q in read.questions)) == (n, choice)
    assert not read.coverage.partial


def test_slake_llava_med_counts_416_closed_and_645_open(slake: Path) -> None:
    read = load("slake/llava-med", slake)
    assert Counter(q.measure for q in read.questions) == {"accuracy": 416, "open_token_recall": 645}


def test_chinese_findings_are_no_yes_and_no(slake: Path) -> None:
    read = load("slake/zh-closed-420", slake)
    assert {(q.choices, q.reference) for q in read.questions} == {
        (("是的", "不是"), "是的"),
        (("包含", "不包含"), "不包含"),
        ((), "正常"),
    }


def test_a_slake_copy_with_other_groups_is_refused_with_both_counts(slake: Path) -> None:
    records = slake_records()
    records[0]["content_type"] = "Shape"
    (slake / "slake/test.json").write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UserError, match=r"by content_type are not those of .*Organ 252 \(due 253\), Shape 8 \(due 7\)"):
        load("slake", slake)
    assert len(load("slake", slake, allow_partial=True).questions) == 1061


def test_a_copy_that_was_through_windows_is_read(slake: Path) -> None:
    path = slake / "slake/test.json"
    text = path.read_text(encoding="utf-8").replace("/source.jpg", "\\\\source.jpg").replace("}, {", "},\r\n{")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(load("slake", slake).questions) == 1061


def test_a_missing_image_and_a_missing_field_are_named(slake: Path) -> None:
    records = slake_records()
    records[2]["img_name"] = "xmlab77/source.jpg"
    (slake / "slake/test.json").write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UserError, match=r"record 3: the image xmlab77/source\.jpg is not there"):
        load("slake", slake)
    del records[1]["qid"]
    (slake / "slake/test.json").write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UserError, match=r"record 2: has no qid"):
        load("slake", slake)


# PMC-VQA


def write_pmc(folder: Path, name: str, n: int, extra: dict[str, str], label: str) -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(PICTURES):
        (folder / f"images/PMC{i}.jpg").write_bytes(picture)
    choices = {f"Choice {letter}": f" {letter}:{text} " for letter, text in zip("ABCD", FOUR, strict=True)}
    rows = [
        {"Figure_path": f"PMC{i % 8}.jpg", "Question": f"Which, {i}?", **choices, **extra, label: "ABCD"[i % 4]}
        for i in range(n)
    ]
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_pmc_vqa_in_both_versions(tmp_path: Path) -> None:
    folder = write_pmc(tmp_path / "pmc-vqa", "test_clean.csv", 2000, {"Answer": " CT "}, "Answer_label")
    read = load("pmc-vqa", tmp_path)
    assert len(read.questions) == 2000
    assert (read.questions[1].choices, read.questions[1].reference) == (FOUR, "MR")
    assert read.questions[0].prompt.startswith("Which, 0?\nA. CT\nB. MR\nC. X-ray\nD. US\nAnswer with the option's")
    write_pmc(folder, "test_2.csv", 40, {"Caption": "An MR image", "split": "test"}, "Answer")
    with pytest.raises(UserError, match=r"found 40 questions, pmc-vqa/test2-33430 is due 33430"):
        load("pmc-vqa/test2-33430", tmp_path)
    read = load("pmc-vqa/test2-33430", tmp_path, allow_partial=True)
    assert not any("An MR image" in q.prompt for q in read.questions)


def test_a_truncated_csv_is_named(tmp_path: Path) -> None:
    folder = write_pmc(tmp_path / "pmc-vqa", "test_clean.csv", 5, {}, "Answer_label")
    file = folder / "test_clean.csv"
    file.write_text(file.read_text(encoding="utf-8").rstrip().rpartition(",")[0] + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"row 6: has another number of cells than the header"):
        load("pmc-vqa", tmp_path)
    file.write_text("Figure_path,Qestion\n", encoding="utf-8")
    with pytest.raises(UserError, match=r'no column "Question"\. Did you mean "Qestion"'):
        load("pmc-vqa", tmp_path)


# OmniMedVQA


def omni_record(i: int, kind: str) -> dict[str, Any]:
    return {
        "dataset": "ACRIMA",
        "question_id": f"ACRIMA_{i:05d}",
        "question_type": kind,
        "question": "What kind of image is this?",
        "gt_answer": "MR",
        "image_path": f"Images/ACRIMA/{i % 8}.png",
        "option_A": "CT",
        "option_B": "MR",
        **({"option_C": "US"} if i % 2 else {}),
        **({"modality": "CT(Computed Tomography)"} if i == 0 else {"modality_type": "MR"}),
    }


def test_omnimedvqa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "omnimedvqa"
    (root / "Images/ACRIMA").mkdir(parents=True)
    (root / "QA_information/Open-access").mkdir(parents=True)
    for i, picture in enumerate(PICTURES):
        (root / f"Images/ACRIMA/{i}.png").write_bytes(picture)
    kinds = {kind: n // 1000 for kind, n in omnimedvqa._OPEN.items()}
    records = [omni_record(i, kind) for i, kind in enumerate(Counter(kinds).elements())]
    (root / "QA_information/Open-access/ACRIMA.json").write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UserError, match=r"found 87 questions, omnimedvqa/open-88996 is due 88996"):
        load("omnimedvqa", tmp_path)
    read = load("omnimedvqa", tmp_path, allow_partial=True)
    first, second = read.questions[:2]
    assert first.prompt == (
        "What kind of image is this?Here are 2 candidate answers:['CT', 'MR'] Only return what you think is the "
        "correct answer from the candidate answers, do not return any other irrelevant text!"
    )
    assert (first.groups["modality"], second.groups["modality"]) == ("CT(Computed Tomography)", "MR")
    assert second.choices == ("CT", "MR", "US")
    prefix = load("omnimedvqa/open-88996-prefix", tmp_path, allow_partial=True)
    assert (prefix.questions[0].prompt, prefix.questions[0].continuations) == (first.text, ("CT", "MR"))


# MMMU


def write_mmmu(root: Path) -> Path:
    images = [pa.field(f"image_{i}", IMAGE) for i in range(1, 8)]
    names = ("id", "question", "options", "answer", "question_type", "topic_difficulty")
    schema = pa.schema([*(pa.field(name, pa.string()) for name in names), *images])
    for subject, choice in SUBJECTS.items():
        rows = []
        for i in range(30):
            lettered = i < choice
            rows.append(
                {
                    "id": f"validation_{subject}_{i + 1}",
                    "question": f"What is {{this}} in <image 1>, {i}?",
                    "options": "['it\\'s CT', \"MR\", 'X-ray']" if lettered else "[]",
                    "answer": "B" if lettered else "Transformation",
                    "question_type": "multiple-choice" if lettered else "open",
                    "topic_difficulty": "Easy",
                    "image_1": {"bytes": PICTURES[i % 8], "path": None},
                }
            )
        (root / "mmmu-hm" / subject).mkdir(parents=True)
        file = root / "mmmu-hm" / subject / "validation-00000-of-00001.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    return root


def test_mmmu_has_150_questions_145_of_them_lettered(tmp_path: Path) -> None:
    write_mmmu(tmp_path)
    whole = load("mmmu-hm", tmp_path)
    assert (len(whole.questions), sum(not q.choices for q in whole.questions)) == (150, 5)
    assert whole.questions[0].choices == ("it's CT", "MR", "X-ray")
    assert whole.questions[0].prompt == (
        "What is {this} in <image 1>, 0?\n\n(A) it's CT\n(B) MR\n(C) X-ray\n\n"
        "Answer with the option's letter from the given choices directly."
    )
    lettered = load("mmmu-hm/mc-145", tmp_path)
    assert Counter(q.groups["subject"] for q in lettered.questions)["Pharmacy"] == 27
    assert (len(lettered.questions), lettered.card.headline) == (145, "macro")


def test_a_missing_subject_is_named(tmp_path: Path) -> None:
    write_mmmu(tmp_path)
    (tmp_path / "mmmu-hm/Pharmacy").rename(tmp_path / "mmmu-hm/Farmacy")
    with pytest.raises(UserError, match=r"found no Pharmacy/validation-\*\.parquet"):
        open_benchmark("mmmu-hm", tmp_path)


# GMAI-MMBench


def write_tsv(path: Path, n: int, *, answers: bool, first: int = 0) -> Path:
    columns = ["index", "image", "question", *"ABCDE", *(["answer"] if answers else [])]
    columns += ["Clinical VQA Task", "department", "perceptual granularity"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(columns)
        for i in range(n):
            image = base64.b64encode(PICTURES[i % 8]).decode() if i < 8 else str(first + i % 8)
            options = ["CT", "MR", "X-ray", "US", "" if i % 2 else "PET"]
            groups = [("DD", "SG")[i % 2], "OM", "image"]
            writer.writerow([first + i, image, f'Which, "{i}"?\nLook.', *options, *(["B"] if answers else []), *groups])
    return path


def test_gmai_mmbench_val(tmp_path: Path) -> None:
    write_tsv(tmp_path / "gmai-mmbench/GMAI-MMBench_VAL.tsv", 4550, answers=True)
    read = load("gmai-mmbench", tmp_path)
    assert len(read.questions) == 4550
    assert len({image for q in read.questions for image in q.images}) == 8
    assert read.questions[1].choices == FOUR
    assert read.questions[0].reference == "MR"
    assert {q.groups["clinical_vqa_task"] for q in read.questions} == {"Disease Diagnosis", "Severity Grading"}
    assert read.questions[1].prompt == (
        'Question: Which, "1"?\nLook.\nOptions:\nA. CT\nB. MR\nC. X-ray\nD. US\n'
        "Please select the correct answer from the options above. \n"
    )


def test_gmai_mmbench_test_reads_its_parts_in_order_without_answers(tmp_path: Path) -> None:
    for part in (1, 2, 10):
        write_tsv(tmp_path / f"gmai-mmbench/GMAI_mm_bench_TEST_part_{part}.tsv", 10, answers=False)
    with pytest.raises(UserError, match=r'the id "0" occurs twice'):
        load("gmai-mmbench/test", tmp_path, allow_partial=True)
    for part in (1, 2, 10):
        write_tsv(tmp_path / f"gmai-mmbench/GMAI_mm_bench_TEST_part_{part}.tsv", 10, answers=False, first=10 * part)
    read = load("gmai-mmbench/test", tmp_path, allow_partial=True)
    assert [q.id for q in read.questions] == [str(i) for i in (*range(10, 30), *range(100, 110))]
    assert {q.reference for q in read.questions} == {""}


@pytest.mark.parametrize("name", ["GMAI_mm_bench_VAL.tsv", "GMAI-MMBench_VAL.tsv"])
def test_a_count_that_was_never_seen_can_be_given_and_says_so(tmp_path: Path, name: str) -> None:
    write_tsv(tmp_path / name, 20, answers=True)
    with pytest.raises(UserError, match=r"found 20 .* due 4550.*not verified .*--expect gmai-mmbench/val=N"):
        load("gmai-mmbench", tmp_path)
    given = load("gmai-mmbench", tmp_path, expect={"gmai-mmbench/val": 20})
    assert (given.coverage.expected, given.coverage.partial, given.card.count_verified) == (20, False, False)
    assert given.card.count_source == "given with --expect; shipped with the package is 4550, not verified"


def test_a_truncated_tsv_is_named(tmp_path: Path) -> None:
    file = write_tsv(tmp_path / "GMAI-MMBench_VAL.tsv", 20, answers=True)
    file.write_bytes(file.read_bytes()[:-25])
    with pytest.raises(UserError, match=r"VAL\.tsv: not readable as a tab-separated table .*a file that was cut off"):
        load("gmai-mmbench", tmp_path, allow_partial=True)
    file.write_text(file.read_text(encoding="utf-8").replace("question", "qestion", 1), encoding="utf-8")
    with pytest.raises(UserError, match=r'no column "question"\. Did you mean "qestion"'):
        load("gmai-mmbench", tmp_path, allow_partial=True)


# PathVQA and HuatuoGPT-Vision's bundle


def test_path_vqa(tmp_path: Path) -> None:
    rows = [
        {"image": {"bytes": PICTURES[i % 8]}, "question": f"Q{i}?", "answer": ("yes", "No", "a cell")[i % 3]}
        for i in range(6719)
    ]
    schema = pa.schema([("image", IMAGE), ("question", pa.string()), ("answer", pa.string())])
    (tmp_path / "path-vqa/data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "path-vqa/data/test-00000-of-00001.parquet")
    assert len(load("path-vqa", tmp_path).questions) == 6719
    prompts = [q.prompt for q in load("path-vqa/medevalkit", tmp_path, limit=3).questions]
    assert prompts[0].endswith("'yes' or 'no'(no extra output).")
    assert prompts[2].endswith("concisely.")


@pytest.mark.parametrize("flat", [False, True])
def test_the_huatuo_bundle_in_both_shapes(tmp_path: Path, flat: bool) -> None:
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
    for i, picture in enumerate(PICTURES):
        (folder / f"images/{i}.png").write_bytes(picture)
    value = [r for part in records.values() for r in part] if flat else records
    (folder / "medical_multimodel_evaluation_data.json").write_text(json.dumps(value), encoding="utf-8")
    read = load("vqa-rad/huatuo-251", tmp_path)
    assert [q.reference for q in read.questions[:2]] == ["Yes", "No"]
    assert read.questions[0].prompt.startswith("Is it 0?\nA. Yes\nB. No\nAnswer with the option's letter")
    assert len(load("slake/huatuo-416", tmp_path).questions) == 416
    with pytest.raises(UserError, match=r"found 30 questions, omnimedvqa/huatuo-11124 is due 11124"):
        load("omnimedvqa/huatuo-11124", tmp_path)


def test_the_bundle_leaves_open_questions_out_as_its_scorer_does(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/0.png").write_bytes(PICTURES[0])
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
