import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

GMAI = Path(sys.executable).with_name("gmai")


def gmai_bench(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    result = subprocess.run([GMAI, "bench", *map(str, words)], capture_output=True, text=True)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return result


@pytest.mark.parametrize("words", [["--help"], ["score", "--help"], ["report", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom gmai_bench.cli import app\n"
        f"try: app({words!r})\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'datasets', 'huggingface_hub', 'aiohttp', 'openpyxl', 'numpy', 'pyarrow',"
        " 'PIL', 'scipy', 'jinja2'} & set(sys.modules)\n"
        "sys.exit(f'loaded {sorted(heavy)}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "gmai bench" in result.stdout or "Usage" in result.stdout


def test_list_names_benchmarks_and_protocols() -> None:
    output = gmai_bench("list").stdout
    assert "vqa-rad" in output
    assert "exact-451, yes-no-251, llava-med" in output


def test_without_options_the_help_is_shown_and_with_some_the_missing_ones_are_named() -> None:
    assert "gmai bench score FILE" in gmai_bench().stdout
    assert "gmai bench: --benchmarks, --out missing" in gmai_bench("--model", "x", code=2).stderr


def test_an_estimate_asks_nothing_and_writes_nothing(held_out: Path, tmp_path: Path) -> None:
    ask = ("--model", "m", "--benchmarks", held_out, "--max-new-tokens", 10, "--estimate")
    shown = gmai_bench(*ask, "--endpoint", "http://127.0.0.1:9/v1", "--out", tmp_path / "out").stdout
    assert shown.startswith("held_out/option-text: 12 questions, about ")
    assert "at most 120 out, its price is not known (--prices FILE)" in shown
    assert not (tmp_path / "out").exists()
    assert "--estimate: is about what an endpoint is sent" in gmai_bench(*ask, code=2).stderr


def test_score_and_report(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> None:
    file = inputs.write_predictions(tmp_path / "a.jsonl", {row["id"]: "CT" for row in inputs.held_out_rows()})
    shown = gmai_bench("score", file, "--benchmark", held_out).stdout
    assert "held_out/option-text v1  12  33.3 %    13.8–60.9 %    33.3 %  0.0 %" in shown
    out = tmp_path / "out"
    gmai_bench("score", file, "--benchmark", held_out, "--out", out, "--model-name", "constant")
    (out / "report.html").unlink()
    assert f"report: {out / 'report.html'}" in gmai_bench("report", out).stdout
    assert (out / "report.html").exists()
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["model"] == "constant"


def test_mistakes_are_one_line_and_exit_code_2(held_out: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    for words, message in (
        (["score", file, "--benchmark", held_out], "a.jsonl: cannot be read"),
        (["score", file, "--benchmark", "slkae"], 'unknown benchmark "slkae". Did you mean "slake"?'),
        (["report", tmp_path / "none"], "none: no such folder"),
        (["--model", tmp_path, "--benchmarks", held_out, "--out", tmp_path / "o"], "no config.json here"),
        (["--model", "x/y/z", "--benchmarks", held_out, "--out", tmp_path / "o"], "x/y/z: no such folder"),
    ):
        error = gmai_bench(*words, code=2).stderr
        assert message in error
        assert len(error.splitlines()) == 1


@pytest.mark.e2e
def test_a_checkpoint_is_asked_and_reported(tiny_llava: Path, held_out: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--model", tiny_llava, "--benchmarks", held_out, "--out", out, "--max-new-tokens", 4]
    shown = gmai_bench(*words).stdout
    assert "held_out/option-text v1  12" in shown
    again = gmai_bench(*words)
    assert "12 answers kept, 0 to ask" in again.stderr
    summary = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert summary["model_digest"].startswith("sha256:")
    assert summary["generation"]["max_new_tokens"] == 4
    refused = gmai_bench(*words[:-1], 5, code=2).stderr
    assert "holds answers to other settings (generation was" in refused
