import io
import json
from pathlib import Path

import pytest
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.registry import open_benchmark
from gmai_bench.images import check
from gmai_bench.scoring.results import score_benchmark
from gmai_formats.errors import UserError
from PIL import Image

NAME = "rad-restruct/flat-18186"


def write(root: Path, answer: str = "diffuse") -> Path:
    folder = root / "rad-restruct"
    for sub in ("test_qa_pairs", "imgs"):
        (folder / sub).mkdir(parents=True)
    spine = [
        "Is there anything abnormal in the spine?",
        ["yes"],
        [],
        {"answer_type": "single_choice", "options": ["yes", "no"], "path": "spine_body_regions"},
    ]
    which = [
        "What are the attributes?",
        ["degenerative", answer],
        [spine[:2]],
        {"answer_type": "multi_choice", "options": ["degenerative", "diffuse", "multiple"], "path": "spine_attributes"},
    ]
    (folder / "test_qa_pairs/100.json").write_text(json.dumps([spine, which]), encoding="utf-8")
    mapping = {"100": ["CXR100_a", "CXR100_b"], "101": ["CXR101_a"]}
    (folder / "id_to_img_mapping_frontal_reports.json").write_text(json.dumps(mapping), encoding="utf-8")
    for name in mapping["100"]:
        buffer = io.BytesIO()
        Image.new("RGB", (6, 4), (9, 90, 30)).save(buffer, format="PNG")
        (folder / f"imgs/{name}.png").write_bytes(buffer.getvalue())
    return root


def test_every_question_about_every_image_with_one_or_several_right_options(tmp_path: Path) -> None:
    item = record.load(open_benchmark(NAME, write(tmp_path)), check, limit=None, allow_partial=True)
    assert [q.id for q in item.questions] == [f"100/CXR100_{x}/{n:03d}" for x in "ab" for n in (0, 1)]
    assert item.questions[1].groups == {"answer_type": "multi_choice", "level": "attributes"}

    def right(*said: str) -> int:
        kept = {q.id: Prediction(q.id, s, "") for q, s in zip(item.questions, said * 2, strict=True)}
        return score_benchmark(item, Kept(kept, 0, 0)).result.correct

    assert (right("A", "A, B"), right("yes", "A"), right("B", "C")) == (4, 2, 0)


def test_a_copy_that_is_not_in_the_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rad-restruct is not on the Hub: git clone"):
        open_benchmark(NAME, None)
    (tmp_path / "rad-restruct").mkdir()
    with pytest.raises(UserError, match=r"found no test_qa_pairs/\*\.json"):
        open_benchmark(NAME, tmp_path)
    benchmark = open_benchmark(NAME, write(tmp_path / "two", answer="other"))
    with pytest.raises(UserError, match=r'question 2: the answer "other" is not among its options'):
        record.load(benchmark, check, limit=None, allow_partial=True)
