import json
from pathlib import Path
from typing import Any

import pytest
from gmai_model.batching.texts import iterate_texts


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def write(path: Path, *rows: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_every_message_that_can_be_read_is_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMAI_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "a/train.jsonl", chat("Q1", "A1"), chat("Q2", " "), chat("Q3", "A3"))
    write(tmp_path / "a/validation.jsonl", chat("V", "W"))
    write(tmp_path / "b/train.jsonl", chat("Q4", "A4"))
    write(tmp_path / "c/train.jsonl", chat("Q5", "A5"))
    (tmp_path / "mix.yaml").write_text(
        "datasets: [{name: a, path: a, ratio: {1: 0}}, {name: b, path: b, ratio: {1: 3}}, "
        "{name: c, path: c, skip: true}]"
    )
    assert list(iterate_texts(tmp_path / "mix.yaml")) == ["Q1", "A1", "Q3", "A3", "Q4", "A4"]
