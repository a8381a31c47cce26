"""The demo's page: everything that a model or a file says on it is text."""

import json
from pathlib import Path
from typing import Any

import pytest
from gmai_cli.demo.page import SHOWN, write_page
from gmai_cli.demo.result import Measured
from gmai_formats.errors import UserError
from gmai_formats.state import write_state

HOSTILE = '</p><script>alert("x")</script><img src=x onerror=alert(1)>'


def measured(*accuracies: float) -> list[Measured]:
    names = ("stage 1", "stage 2", "stage 3", "stage 3, images replaced by noise")
    return [
        Measured(name, value, value - 0.03, value + 0.03, 0.26, 600)
        for name, value in zip(names, accuracies, strict=True)
    ]


def write_demo_folder(out: Path) -> None:
    """Everything the page reads, with hostile text wherever a model or a file speaks."""
    images = out / "bench" / "stage3" / "images"
    images.mkdir(parents=True)
    (images / "d1").write_bytes(b"\x89PNG\r\n\x1a\n")
    question = {
        "id": "a", "text": HOSTILE, "images": ["d1"], "choices": [HOSTILE, "CT"], "reference": "CT",
        "groups": {"source": "s", "modality": HOSTILE},
    }  # fmt: skip
    answers = out / "bench" / "stage3" / "held_out" / "option-text"
    answers.mkdir(parents=True)
    (answers / "questions.jsonl").write_text(json.dumps(question) + "\n")
    (answers / "predictions.jsonl").write_text(json.dumps({"id": "a", "response": HOSTILE}) + "\n")
    (answers / "scores.jsonl").write_text(json.dumps({"id": "a", "score": 0}) + "\n")
    for stage in (1, 2, 3):
        run = out / "runs" / f"stage{stage}"
        run.mkdir(parents=True)
        lines = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 1.0}, {"step": 2, "validation_loss": 1.2}]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_state(out / "demo.json", {"phantoms": {"command": f"gmai {HOSTILE}", "seconds": 1.0}})


def test_page_is_self_contained_and_escapes_everything(tmp_path: Path) -> None:
    write_demo_folder(tmp_path)
    html = write_page(tmp_path, measured(0.5, 0.6, 0.9, 0.2)).read_text()
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "90.0% of 600 held-out questions right" in html
    assert "validation loss 1.20" in html


def answer(out: Path, *rows: tuple[str, str, str, int]) -> None:
    """Write questions (id, source, response, score) of the demo's third stage."""
    folder = out / "bench/stage3/held_out/option-text"
    questions = [
        {"id": name, "text": f"Question {name}?", "images": ["d1"], "choices": ["CT"], "reference": "CT",
         "groups": {"source": source}}
        for name, source, _, _ in rows
    ]  # fmt: skip
    lines: dict[str, list[dict[str, Any]]] = {
        "questions": questions,
        "predictions": [{"id": name, "response": said} for name, _, said, _ in rows],
        "scores": [{"id": name, "score": score} for name, _, _, score in rows],
    }
    for name, values in lines.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(value) + "\n" for value in values))


def test_a_wrong_answer_stands_beside_the_right_one(tmp_path: Path) -> None:
    write_demo_folder(tmp_path)
    answer(tmp_path, ("a", "s", "MR", 0), ("b", "s", "CT it is", 1))
    html = write_page(tmp_path, measured(0.5, 0.6, 0.9, 0.2)).read_text()
    assert '<p class="wrong">MR <span class="soft">(right: CT)</span></p>' in html
    assert '<p class="right">CT it is</p>' in html


def test_every_source_is_shown_in_turn_until_the_page_is_full(tmp_path: Path) -> None:
    write_demo_folder(tmp_path)
    many = [(f"m{i:02d}", "many", "CT", 1) for i in range(20)]
    answer(tmp_path, *many, ("z", "single", "CT", 1))
    html = write_page(tmp_path, measured(0.5, 0.6, 0.9, 0.2)).read_text()
    shown = [part.partition("?")[0] for part in html.split("Question ")[1:]]
    assert SHOWN == 12
    assert shown == ["m00", "z", *(f"m{i:02d}" for i in range(1, 11))]


def test_intervals_chance_and_places_are_given(tmp_path: Path) -> None:
    write_demo_folder(tmp_path)
    path = write_page(tmp_path, measured(0.5, 0.6, 0.9, 0.2))
    assert path == tmp_path / "index.html"
    html = path.read_text()
    assert "Chance is 26.0%." in html
    assert "90.0% (87.0% to 93.0%)" in html
    assert "stage 2, 2 steps; validation loss 1.20 (dots)" in html
    assert "runs/stage3/model" in html
    assert str(tmp_path) not in html


def test_a_run_without_validation_has_no_dots(tmp_path: Path) -> None:
    write_demo_folder(tmp_path)
    everywhere = write_page(tmp_path, measured(0.5, 0.6, 0.9, 0.2)).read_text().count("(dots)")
    (tmp_path / "runs/stage1/metrics.jsonl").write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "loss": 1.0}\n')
    html = write_page(tmp_path, measured(0.5, 0.6, 0.9, 0.2)).read_text()
    assert "stage 1, 2 steps" in html
    assert 3 * html.count("(dots)") == 2 * everywhere > 0


def test_damaged_lines_are_named(tmp_path: Path) -> None:
    write_demo_folder(tmp_path)
    (tmp_path / "runs/stage2/metrics.jsonl").write_bytes(b'{"step": 1, "lo\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl: 1 damaged lines"):
        write_page(tmp_path, measured(0.5, 0.6, 0.9, 0.2))
