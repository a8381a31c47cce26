"""PathVQA's published layout, drawn in code with the real count."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.errors import UserError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def test_path_vqa(tmp_path: Path, load: Any, pictures: list[bytes]) -> None:
    rows = [
        {"image": {"bytes": pictures[i % 8]}, "question": f"Q{i}?", "answer": ("yes", "No", "a cell")[i % 3]}
        for i in range(6719)
    ]
    schema = pa.schema([("image", IMAGE), ("question", pa.string()), ("answer", pa.string())])
    (tmp_path / "path-vqa/data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "path-vqa/data/test-00000-of-00001.parquet")
    assert len(load("path-vqa", tmp_path).questions) == 6719
    prompts = [q.prompt for q in load("path-vqa/medevalkit", tmp_path, limit=3).questions]
    assert prompts[0].endswith("'yes' or 'no'(no extra output).")
    assert prompts[2].endswith("concisely.")


def write(folder: Path, answers: list[str], image: bytes) -> None:
    (folder / "data").mkdir(parents=True)
    rows = [{"image": {"bytes": image}, "question": f"Q{i}?", "answer": answer} for i, answer in enumerate(answers)]
    schema = pa.schema([("image", IMAGE), ("question", pa.string()), ("answer", pa.string())])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "data/test-00000-of-00001.parquet")


def test_yes_and_no_are_a_group_whatever_their_case(tmp_path: Path, load: Any, pictures: list[bytes]) -> None:
    write(tmp_path, [" Yes ", "NO", "no mitosis"], pictures[0])
    read = load("path-vqa", tmp_path, allow_partial=True)
    assert [(q.id, q.reference, q.groups["answer_kind"]) for q in read.questions] == [
        ("test-00000", "Yes", "yes/no"),
        ("test-00001", "NO", "yes/no"),
        ("test-00002", "no mitosis", "other"),
    ]
    assert {q.prompt for q in read.questions} == {
        f"Q{i}?\nAnswer the question using a single word or phrase." for i in range(3)
    }


@pytest.mark.parametrize(("protocol", "scoring"), [("exact-6719", "exact"), ("medevalkit", "medevalkit-open")])
def test_a_copy_without_all_questions_is_refused(
    protocol: str, scoring: str, tmp_path: Path, load: Any, pictures: list[bytes]
) -> None:
    with pytest.raises(UserError, match=r"found no data/test-\*\.parquet\. PathVQA is read in that layout"):
        load(f"path-vqa/{protocol}", tmp_path)
    write(tmp_path, ["yes"], pictures[0])
    with pytest.raises(UserError, match=rf"found 1 questions, path-vqa/{protocol} is due 6719"):
        load(f"path-vqa/{protocol}", tmp_path)
    assert load(f"path-vqa/{protocol}", tmp_path, allow_partial=True).card.scoring == scoring
