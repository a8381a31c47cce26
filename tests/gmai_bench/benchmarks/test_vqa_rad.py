"""Both published layouts of VQA-RAD, drawn in code with the counts of the real test split."""

import io
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.registry import open_benchmark
from gmai_bench.images import check
from gmai_formats.errors import UserError
from PIL import Image

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def draw(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), (shade, 3 * shade, 90)).save(buffer, format="PNG")
    return buffer.getvalue()


IMAGES = [draw(shade) for shade in range(20)]
# 251 yes/no and 21 other closed answers, 179 open ones: 451
ANSWERS = [*(["Yes", "no"] * 125), "yes", *(["MRI", "Left", "Female"] * 7), *([f"answer {i}" for i in range(179)])]


def write_parquet_layout(folder: Path, answers: list[str] = ANSWERS) -> Path:
    rows = [
        {"image": {"bytes": IMAGES[i % 20], "path": None}, "question": f"Question {i}?", "answer": answer}
        for i, answer in enumerate(answers)
    ]
    schema = pa.schema([("image", IMAGE), ("question", pa.string()), ("answer", pa.string())])
    (folder / "data").mkdir(parents=True)
    half = len(rows) // 2
    for part, chunk in enumerate((rows[:half], rows[half:])):
        table = pa.Table.from_pylist(chunk, schema=schema)
        pq.write_table(table, folder / f"data/test-0000{part}-of-00002-abc.parquet")
    return folder


def write_osf_layout(folder: Path) -> Path:
    (folder / "VQA_RAD Image Folder").mkdir(parents=True)
    for i, image in enumerate(IMAGES):
        (folder / f"VQA_RAD Image Folder/synpic{i}.png").write_bytes(image)
    records = [
        {
            "qid": i,
            "phrase_type": "test_freeform" if i % 3 else "test_para",
            "image_name": f"synpic{i % 20}.png",
            "image_organ": ("HEAD", "CHEST", "ABD")[i % 3],
            "question_type": "PRES",
            "question": f"Question {i}?",
            "answer": int(answer.split()[1]) if answer == "answer 3" else answer,
            "answer_type": "OPEN" if answer.startswith("answer") else "CLOSED " if i == 7 else "CLOSED",
        }
        for i, answer in enumerate(ANSWERS)
    ]
    records.insert(100, {**records[0], "qid": 9999, "phrase_type": "freeform"})
    (folder / "VQA_RAD Dataset Public.json").write_text(json.dumps(records), encoding="utf-8")
    return folder


def load(name: str, root: Path) -> record.Record:
    return record.load(open_benchmark(name, root), check, limit=None, allow_partial=False)


def test_the_hugging_face_layout(tmp_path: Path) -> None:
    write_parquet_layout(tmp_path / "vqa-rad")
    read = load("vqa-rad", tmp_path)
    assert read.card.protocol == "vqa-rad/exact-451"
    assert len(read.questions) == 451
    assert len({question.cluster for question in read.questions}) == 20
    assert read.questions[0].prompt == "Question 0?\nAnswer the question using a single word or phrase."
    assert len({question.id for question in read.questions}) == 451
    assert not read.coverage.partial


def test_the_osf_layout_takes_the_test_phrases_only(tmp_path: Path) -> None:
    read = load("vqa-rad/exact-451", write_osf_layout(tmp_path))
    assert len(read.questions) == 451
    assert "9999" not in {question.id for question in read.questions}


@pytest.mark.parametrize("write", [write_parquet_layout, write_osf_layout])
def test_the_yes_no_questions_are_251_with_letters(tmp_path: Path, write: object) -> None:
    assert callable(write)
    read = load("vqa-rad/yes-no-251", write(tmp_path / "files"))
    assert len(read.questions) == 251
    assert {question.reference for question in read.questions} == {"yes", "no"}
    assert read.questions[0].prompt.startswith("Question 0?\nA. yes\nB. no\n")


def test_llava_med_counts_272_closed_and_179_open(tmp_path: Path) -> None:
    read = load("vqa-rad/llava-med", write_osf_layout(tmp_path))
    assert Counter(question.measure for question in read.questions) == {"accuracy": 272, "open_token_recall": 179}
    assert sum(bool(question.choices) for question in read.questions) == 251


def test_llava_med_is_refused_where_closed_answers_are_not_marked(tmp_path: Path) -> None:
    write_parquet_layout(tmp_path)
    with pytest.raises(UserError, match=r"needs to know which answers are closed.*OSF layout"):
        open_benchmark("vqa-rad/llava-med", tmp_path)


def test_an_incomplete_copy_is_refused(tmp_path: Path) -> None:
    write_parquet_layout(tmp_path, ANSWERS[:400])
    with pytest.raises(UserError, match=r"found 400 questions, vqa-rad/exact-451 is due 451"):
        load("vqa-rad", tmp_path)


def test_bad_places_get_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", unreachable)
    with pytest.raises(UserError, match=r"Name or service not known.*hf download flaviagiammarino/vqa-rad"):
        open_benchmark("vqa-rad", None)
    with pytest.raises(UserError, match=r"found neither data/test-\*\.parquet"):
        open_benchmark("vqa-rad", tmp_path)
    with pytest.raises(UserError, match=r'unknown benchmark "vqa-rda"\. Did you mean "vqa-rad"\?'):
        open_benchmark("vqa-rda", tmp_path)
    with pytest.raises(UserError, match=r'no protocol "exact-415"\. Did you mean "exact-451"\?'):
        open_benchmark("vqa-rad/exact-415", tmp_path)


def test_a_missing_image_or_a_broken_json_is_named(tmp_path: Path) -> None:
    folder = write_osf_layout(tmp_path)
    (folder / "VQA_RAD Image Folder/synpic5.png").unlink()
    with pytest.raises(UserError, match=r"record 6: the image .*synpic5\.png cannot be read"):
        load("vqa-rad", folder)
    (folder / "VQA_RAD Dataset Public.json").write_text('[{"qid": 1', encoding="utf-8")
    with pytest.raises(UserError, match=r"Public\.json: not readable as JSON"):
        load("vqa-rad", folder)
