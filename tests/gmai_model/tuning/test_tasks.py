"""Reading questions: what is refused, left out and drawn."""

import json
from collections import Counter

import pytest
from gmai_formats.errors import UserError
from gmai_model.tuning.tasks import Tasks, drawn, read_tasks, report_left_out, task_files

from tests.gmai_model.tuning.conftest import make_tasks, write_tasks


def test_rows_become_questions_with_decoded_images(tasks):
    found = read_tasks(task_files(tasks)["train"], "dpo")
    assert found.left_out == {}
    first = found.dataset()[0]
    assert first["images"][0].size == (96, 80)
    assert [part["type"] for part in first["prompt"][0]["content"]] == ["image", "text"]
    assert set(first) >= {"prompt", "chosen", "rejected", "reward", "truth"}
    assert "chosen" not in read_tasks(task_files(tasks)["train"], "grpo").rows[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"reward": "beauty"}, "no such reward"),
        ({"truth": "{"}, "truth does not fit"),
        ({"truth": json.dumps({"answer": "red"})}, "truth does not fit"),
        ({"truth": "[1]"}, "truth does not fit"),
        ({"images": []}, "image parts"),
        ({"images": [{"bytes": b"no picture", "path": None}]}, "cannot be read"),
        ({"images": [{"bytes": None, "path": "a.png"}]}, "cannot be read"),
    ],
)
def test_a_row_that_cannot_be_used_is_left_out_and_counted(tmp_path, capsys, change, why):
    rows = make_tasks(4)
    rows[1] = {**rows[1], **change}
    found = read_tasks([write_tasks(tmp_path / "a.parquet", rows)], "grpo")
    assert len(found.rows) == len(rows) - 1
    assert [count for reason, count in found.left_out.items() if why in reason] == [1]
    report_left_out(found, "train")
    assert "left out: 1" in capsys.readouterr().err


IMAGE, TEXT = {"type": "image", "text": None}, {"type": "text", "text": "What is shown?"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"prompt": None}, "`prompt` is no list of messages"),
        ({"prompt": []}, "`prompt` is no list of messages"),
        ({"prompt": [None]}, "`prompt` is no list of messages"),
        ({"prompt": [{"role": None, "content": [IMAGE, TEXT]}]}, "`prompt` is no list of messages"),
        ({"prompt": [{"role": "user", "content": None}]}, "`prompt` is no list of messages"),
        ({"prompt": [{"role": "user", "content": [IMAGE, None]}]}, "`prompt` is no list of messages"),
        ({"prompt": [{"role": "user", "content": [IMAGE, {"type": "text", "text": None}]}]}, "`prompt` is no list"),
        ({"prompt": [{"role": "user", "content": [IMAGE, {"type": "video", "text": "x"}]}]}, "`prompt` is no list"),
        ({"prompt": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "<image>"}]}]}, "holds <image>"),
        ({"images": [None]}, "cannot be read"),
        ({"chosen": None}, "`chosen` is no list of messages"),
        ({"chosen": [{"role": "user", "content": [TEXT]}]}, "`chosen` is no list of messages"),
        ({"chosen": [{"role": "assistant", "content": [{"type": "text", "text": " "}]}]}, "`chosen` has no text"),
        (
            {"chosen": [{"role": "assistant", "content": [{"type": "text", "text": "A.<|im_end|>"}]}]},
            "holds <|im_end|>",
        ),
        ({side: [{"role": "assistant", "content": [TEXT]}] for side in ("chosen", "rejected")}, "are the same"),
    ],
)
def test_a_row_that_says_nothing_to_learn_is_left_out_by_name(tmp_path, change, why):
    rows = make_tasks(3)
    rows[1] = {**rows[1], **change}
    found = read_tasks([write_tasks(tmp_path / "a.parquet", rows)], "dpo", ["<|im_end|>"])
    assert len(found.rows) == 2
    assert [count for reason, count in found.left_out.items() if why in reason] == [1]


@pytest.mark.parametrize("keep", [0, 2, -100])
def test_a_file_that_is_not_whole_is_refused(tmp_path, keep):
    file = write_tasks(tmp_path / "a.parquet", make_tasks(3))
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"of stage 4: .* is not a whole Parquet file"):
        read_tasks([file], "dpo")


def test_a_missing_column_is_named(tmp_path):
    file = write_tasks(tmp_path / "a.parquet", make_tasks(4), drop=["rejected"])
    assert read_tasks([file], "grpo").rows
    with pytest.raises(UserError, match="'rejected', which --method dpo needs"):
        read_tasks([file], "dpo")


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no \*-train\.parquet"):
        task_files(tmp_path)
    file = write_tasks(tmp_path / "own.parquet", make_tasks(2))
    assert task_files(file) == {"train": [file], "validation": []}


def test_a_draw_has_the_shares_of_all():
    rows = [{"id": str(n), "reward": "count" if n % 5 == 0 else "presence"} for n in range(100)]
    some = drawn(Tasks(rows, {}), 20, seed=3)
    assert Counter(row["reward"] for row in some.rows) == {"count": 4, "presence": 16}
    assert some.rows == drawn(Tasks(rows, {}), 20, seed=3).rows
    assert some.rows != drawn(Tasks(rows, {}), 20, seed=4).rows
    assert len({row["id"] for row in some.rows}) == 20
