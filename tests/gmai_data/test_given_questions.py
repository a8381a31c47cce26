"""`gmai data questions`: samples, a mixture and held-out questions without a card."""

import csv
import json

import pytest
import yaml
from gmai_data.given_questions import convert
from gmai_formats.errors import UserError
from PIL import Image


def folder_of(root, count, more=()):
    (root / "images").mkdir(parents=True)
    rows = [("image", "question", "answer")]
    for number in range(count):
        Image.new("L", (32, 32), number).save(root / "images" / f"x{number}.png")
        rows += [
            (f"x{number}.png", "Which shape?", ("ring", "cross")[number % 2]),
            (f"x{number}.png", f"Why {number}?", "so"),
        ]
    with (root / "qa.csv").open("w", newline="") as file:
        csv.writer(file).writerows([*rows, *more])
    return root


def test_a_picture_is_in_one_part_and_every_entry_is_accounted_for(tmp_path):
    root = folder_of(tmp_path / "own", 40, [("lost.png", "Where?", "here"), ("x1.png", "", "none")])
    assert convert(root, tmp_path / "out", None) == 3
    parts = {}
    for split in ("train", "validation"):
        samples = json.loads((tmp_path / "out/samples/questions" / f"{split}.json").read_text())
        assert samples[0]["conversations"][0]["value"].startswith("<image>\n")
        parts[split] = {sample["image"] for sample in samples}
    lines = (tmp_path / "out/benchmarks/held_out.jsonl").read_text().splitlines()
    held_out = [json.loads(line) for line in lines]
    assert {question["question"] for question in held_out} == {"Which shape?"}, "other answers cannot be balanced"
    assert all(sorted(question["choices"]) == ["cross", "ring"] for question in held_out)
    shown = {question["image_id"] for question in held_out}
    assert not shown & (parts["train"] | parts["validation"])
    assert not parts["train"] & parts["validation"]
    left = [json.loads(line) for line in (tmp_path / "out/left_out.jsonl").read_text().splitlines()]
    assert [each["reason"] for each in left] == [
        'no picture, or several, are called "lost.png"',
        "no question or no answer",
    ]
    assert yaml.safe_load((tmp_path / "out/mix.yaml").read_text())["datasets"][0]["images"] == str(root)


def test_a_limit_counts_what_it_leaves_out(tmp_path):
    root = folder_of(tmp_path / "own", 6)
    (root / "images/x0.png").write_bytes(b"no picture")
    assert convert(root, tmp_path / "out", 3) == 3
    left = [json.loads(line)["reason"] for line in (tmp_path / "out/left_out.jsonl").read_text().splitlines()]
    assert left.count("more than 3 pictures") == 4
    assert len(left) == 6


def test_a_folder_without_questions(tmp_path):
    (tmp_path / "own").mkdir()
    with pytest.raises(UserError, match="no table or JSON has a picture of the folder"):
        convert(tmp_path / "own", tmp_path / "out", None)
