import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.report.build import FORMAT, folder_of, read_folder, rebuild, run_folders, title_of
from gmai_bench.run import Settings, score_file
from gmai_formats.errors import UserError
from gmai_formats.state import write_state


@pytest.fixture
def out(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> Path:
    file = inputs.write_predictions(tmp_path / "a.jsonl", {row["id"]: "CT" for row in inputs.held_out_rows()})
    score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "out", Settings(), model="a/b/stage3/model/")
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("model", "ablation", "title"),
    [
        ("/runs/stage3/model/", "none", "stage3/model"),
        ("owner/name", "noise", "owner/name — images replaced by noise"),
        ("model", "blank", "model — images replaced by grey"),
        ("/", "none", "unnamed"),
    ],
)
def test_a_title_is_the_end_of_the_models_path_and_names_an_ablation(model: str, ablation: str, title: str) -> None:
    assert title_of({"model": model, "image_ablation": ablation}) == title


def test_a_report_is_the_same_without_model_and_benchmark(out: Path, held_out: Path) -> None:
    held_out.unlink()
    folder = out / "held_out/option-text"
    kept = {path: path.read_bytes() for path in (folder / "scores.jsonl", out / "report.md")}
    for path in (*kept, out / "report.html", out / "report.json"):
        path.unlink()
    (benchmark,) = rebuild(out)
    assert (folder / "scores.jsonl").read_bytes() == kept[folder / "scores.jsonl"]
    assert folder_of(out, benchmark.record.card) == folder
    summary = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert (summary["format"], summary["title"]) == (FORMAT, "stage3/model")
    assert FORMAT == "gmai-bench-report/1"
    assert [(b["protocol"], b["n"], b["correct"], b["judge"]) for b in summary["benchmarks"]] == [
        ("held_out/option-text", 12, 4, None)
    ]
    assert (out / "report.html").is_file()


def test_a_line_of_scores_holds_rule_answer_and_reference(out: Path) -> None:
    lines = (out / "held_out/option-text/scores.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 12
    first = json.loads(lines[0])
    assert first.pop("rule")
    assert first == {"id": "q0-0", "measure": "accuracy", "score": 1.0, "answer": "CT", "reference": "CT"}


def test_a_judges_readings_stand_in_the_report_and_change_no_number(out: Path) -> None:
    judged = {
        "judge": "j", "judge_digest": "d", "n": 12, "correct": 9, "accuracy": 0.75, "interval": [0.5, 0.9],
        "accuracy_of_the_rules": 0.3, "both_read": 8, "agreement": 0.5,
        "read_by_the_judge_only": 1, "read_by_neither": 3,
    }  # fmt: skip
    write_state(out / "held_out/option-text/judge.json", judged)
    rebuild(out)
    (entry,) = json.loads((out / "report.json").read_text(encoding="utf-8"))["benchmarks"]
    assert (entry["judge"], entry["correct"]) == (judged, 4)
    (out / "held_out/option-text/judge.json").write_bytes(b"\0\0")
    with pytest.raises(UserError, match=r"judge\.json is damaged.*`gmai bench judge` writes it again"):
        rebuild(out)


def test_reading_a_folder_writes_nothing(out: Path) -> None:
    folder = out / "held_out/option-text"
    (folder / "scores.jsonl").unlink()
    assert read_folder(folder).result.correct == 4
    assert not (folder / "scores.jsonl").exists()


def test_a_folder_of_something_else_is_refused(out: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no asked\.json\. .*`gmai bench score … --out` wrote\. Correct the"):
        rebuild(tmp_path)
    for held in ("manifest.json", "config.json", "report.json"):
        folder = tmp_path / held.partition(".")[0]
        folder.mkdir()
        (folder / held).write_text("{}")
        with pytest.raises(UserError, match=r"no run of `gmai bench` \(it has no asked\.json\)\. Give the folder that"):
            run_folders(folder)
    (out / "held_out/option-text/predictions.jsonl").unlink()
    with pytest.raises(UserError, match=r"holds no answers yet\. Ask some with `gmai bench --model … --out "):
        run_folders(out)
