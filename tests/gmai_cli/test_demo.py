"""The demo's own parts; its whole run is the README's first command, which CI runs as it stands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from gmai_cli.demo.page import write_page
from gmai_cli.demo.result import Measured, shortfall
from gmai_cli.demo.run import steps

HOSTILE = '</p><script>alert("x")</script><img src=x onerror=alert(1)>'


def measured(*accuracies: float) -> list[Measured]:
    names = ("stage 1", "stage 2", "stage 3", "stage 3, images replaced by noise")
    return [
        Measured(name, value, value - 0.03, value + 0.03, 0.26, 600)
        for name, value in zip(names, accuracies, strict=True)
    ]


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ((0.5, 0.6, 0.9, 0.2), ""),
        ((0.5, 0.6, 0.79, 0.2), "expected at least 80%"),
        ((0.95, 0.6, 0.9, 0.2), "no better than stage 1"),
        ((0.5, 0.6, 0.9, 0.7), "does not look at the image"),
    ],
)
def test_what_the_demo_promises_is_checked(accuracies: tuple[float, ...], words: str) -> None:
    found = shortfall(measured(*accuracies))
    assert words in found
    assert bool(found) == bool(words)


def test_every_option_of_every_step_exists() -> None:
    pages: dict[tuple[str, ...], str] = {}
    for step in steps():
        words = tuple(word for word in step.arguments[:2] if not word.startswith("-"))
        if words not in pages:
            pages[words] = subprocess.run(
                [sys.executable, "-m", "gmai_cli", *words, "--help"], capture_output=True, text=True, check=True
            ).stdout
        for option in (argument for argument in step.arguments if argument.startswith("--")):
            assert option in pages[words], (words, option)


def test_each_step_reads_what_an_earlier_one_wrote() -> None:
    written: list[str] = []
    for step in steps():
        for argument in step.arguments:
            folder = argument.split("/")[0]
            if folder in {"build", "models", "runs"} and argument != step.output:
                assert any(argument.startswith(done) for done in written), argument
        written.append(step.output)


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
    (out / "demo.json").write_text(json.dumps({"phantoms": {"command": f"gmai {HOSTILE}", "seconds": 1.0}}))


def test_page_is_self_contained_and_escapes_everything(tmp_path: Path) -> None:
    write_demo_folder(tmp_path)
    html = write_page(tmp_path, measured(0.5, 0.6, 0.9, 0.2)).read_text()
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "90.0% of 600 held-out questions right" in html
    assert "validation loss 1.20" in html


def test_a_folder_that_no_demo_began_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "phantoms").mkdir()
    (tmp_path / "phantoms" / "mine.txt").write_text("keep me")
    result = subprocess.run(
        [sys.executable, "-m", "gmai_cli", "demo", "--out", str(tmp_path)], capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "is not empty and no demo began it" in result.stderr
    assert (tmp_path / "phantoms" / "mine.txt").read_text() == "keep me"
