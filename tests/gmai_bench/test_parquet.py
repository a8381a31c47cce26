"""Parquet is an extra: without pyarrow all else works, and a Parquet file is refused in one line that names it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.parquet import parquet_rows
from gmai_formats.errors import UserError

WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError("No module named 'pyarrow'")
sys.meta_path.insert(0, Absent())
sys.argv = ["gmai", *sys.argv[1:]]
from gmai_cli.start import main
main()
"""
QUESTIONS = [{"id": f"q{n}", "question": "Which?", "choices": ["CT", "MR"], "reference": "MR"} for n in range(4)]
CARD = """
name: own
title: Own
protocol: own/text
questions: {file}
columns: {{id: id, question: question, choices: choices, reference: reference}}
prompt: "{{question}}\\n{{choices}}"
choices_style: letters
expected: {{total: 4}}
"""
ANSWERS = [{"id": row["id"], "response": row["reference"]} for row in QUESTIONS]


def gmai(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "GMAI_BENCH_CACHE": str(cwd / "cache")}
    command = [sys.executable, "-c", WITHOUT, *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rows in (("questions", QUESTIONS), ("answers", ANSWERS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    for name in ("questions.jsonl", "questions.json", "questions.parquet"):
        (tmp_path / f"{name}.yaml").write_text(CARD.format(file=name))
    (tmp_path / "samples").mkdir()
    pq.write_table(pa.table({"messages": [None], "images": [None]}), tmp_path / "samples" / "part-0.parquet")
    return tmp_path


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_what_is_not_parquet_is_scored_without_pyarrow(folder: Path, kind: str) -> None:
    done = gmai(
        "bench", "score", f"answers.{kind}", "--benchmark", f"questions.{kind}.yaml", "--out", "scores", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "scores" / "report.json").read_text())["benchmarks"][0]["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("score answers.jsonl --benchmark questions.parquet.yaml --out scores", "questions.parquet"),
        ("score answers.parquet --benchmark questions.jsonl.yaml --out scores", "answers.parquet"),
        ("contamination --samples samples --benchmarks questions.jsonl.yaml --out found.json", "part-0.parquet"),
    ],
    ids=["questions", "answers", "samples"],
)
def test_a_parquet_file_without_pyarrow_is_refused_in_one_line(folder: Path, words: str, file: str) -> None:
    done = gmai("bench", *words.split(), cwd=folder)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "Parquet" in line]
    assert f"{file}: Parquet files need pyarrow" in line
    assert "gmai-bench[parquet]" in line
    assert "Traceback" not in done.stderr


def test_rows_have_their_places_and_the_columns_asked_for(folder: Path) -> None:
    rows = list(parquet_rows(folder / "answers.parquet", lambda names: names[:1] * 2, at_once=3))
    assert rows[3] == (f"{folder / 'answers.parquet'} row 4", {"id": "q3"})
    assert len(rows) == 4


def test_a_cut_file_is_named(folder: Path) -> None:
    file = folder / "answers.parquet"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(UserError, match=r"answers\.parquet: not readable as Parquet \(.*Copy or download it again"):
        list(parquet_rows(file, list, at_once=3))
