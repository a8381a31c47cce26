"""The run's page: everything of the run is on it, nothing of the samples is markup."""

import json
from html.parser import HTMLParser
from pathlib import Path

from gmai_model.training.report import write_report

HOSTILE = "<script>alert(1)</script>"
PNG = b"\x89PNG\r\n\x1a\n"


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def write(out: Path) -> Tags:
    share = {"name": HOSTILE, "available": 48, "ratio": 0.5, "used": 24, "left_out": 2, "images": 30, "tokens": 4000,
             "token_share": 1.0}  # fmt: skip
    lines = [
        {"step": step, "loss": 7.0 - step, "learning_rate": 1e-3, "gradient_norm": 1.0, "tokens_per_second": 900.0,
         "fill": 0.97, "data_wait_share": 0.01, "mfu": 0.41}
        for step in (1, 2, 3)
    ]  # fmt: skip
    lines[0]["loss_by_source"] = {"ct": 6.5, HOSTILE: 5.5}
    lines[2]["loss_by_source"] = {"ct": 4.125}
    lines.append({"step": 3, "validation_loss": 4.25, "validation_loss_by_kind": {"dialogue": 4.0, "other": 4.5}})
    (out / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    answer = {"step": 3, "id": "a", "question": HOSTILE, "reference": HOSTILE, "answer": HOSTILE, "cut": True}
    (out / "answers.jsonl").write_text(json.dumps(answer) + "\n")
    (out / "mixture.json").write_text(json.dumps({"train": {"left_out": {HOSTILE: 2}, "cut": 1}}))
    history = {
        "stage": 3, "name": "instruction_tuning", "trainable": ["projector"], "lora": None,
        "steps": 3, "steps_planned": 3, "samples": 24, "tokens": 4000,
        "unreadable": 1, "validation_loss": 4.25, "mixture": [share], "settings": {"note": HOSTILE},
        "sessions": [{"started": "2026-11-24", "from_step": 0, "processes": 2, "device": HOSTILE,
                      "micro_batch_size": 1, "accumulation": 1}],
    }  # fmt: skip
    write_report(out, history, images={"a": [PNG]})
    tags = Tags()
    tags.feed((out / "report.html").read_text("utf-8"))
    return tags


def test_everything_is_there_and_escaped(tmp_path: Path) -> None:
    tags = write(tmp_path)
    assert "script" not in tags.names
    assert tags.text.count(HOSTILE) == 8
    assert tags.names.count("svg") == 7
    assert tags.names.count("img") == 1
    for words in ("Stage 3, instruction tuning: validation loss 4.2500", "after step 3, cut", "last 41.0%"):
        assert words in tags.text


def test_each_source_and_kind_has_its_last_losses(tmp_path: Path) -> None:
    write(tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<td>ct</td><td>4.1250</td><td></td>" in page
    assert "<td>5.5000</td>" in page
    assert "<h2>Loss of each kind</h2>" in page
    assert "<td>dialogue</td><td></td><td>4.0000</td>" in page


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    write(tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert "http://" not in page
    assert "https://" not in page
