import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_bench.benchmarks import registry
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.commands import audit_table, compare, fingerprints, plan, print_extractors, reproduce, table
from gmai_bench.run import Settings, score_file
from gmai_cli.hub_calls import UnreachableError
from gmai_formats.errors import UserError


def run(inputs: SimpleNamespace, held_out: Path, out: Path, answer: str) -> Path:
    file = inputs.write_predictions(out.with_suffix(".jsonl"), {row["id"]: answer for row in inputs.held_out_rows()})
    score_file(file, [DeclaredBenchmark(held_out)], out, Settings(), model=answer)
    return out


def test_two_runs_are_compared_in_one_row(
    inputs: SimpleNamespace, held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (run(inputs, held_out, tmp_path / name, name) for name in ("CT", "none"))
    capsys.readouterr()
    compare(first, second)
    shown = capsys.readouterr().out
    assert f"A = {first}, B = {second}" in shown
    row = next(line for line in shown.splitlines() if line.startswith("held_out/option-text"))
    assert row.split()[1:9] == ["12", "33.3", "%", "0.0", "%", "4", "0", "-33.3"]


def test_a_table_of_the_paper_is_audited_with_its_own_counts(capsys: pytest.CaptureFixture[str]) -> None:
    audit_table("table2", None)
    assert "rows, " in capsys.readouterr().out
    with pytest.raises(UserError, match=r"--n: table2 declares its questions itself\. Leave --n out"):
        audit_table("table2", ["a=7"])


def test_counts_are_given_by_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("model,a,b\nx,50.0,33.3\n", encoding="utf-8")
    with pytest.raises(UserError, match=r'--n "27": give COLUMN=N, such as --n pharmacy=27'):
        audit_table(str(tmp_path / "t.csv"), ["27"])
    audit_table(str(tmp_path / "t.csv"), ["a=3", "b=3"])
    shown = capsys.readouterr().out
    assert "questions: a 3, b 3" in shown
    audit_table(str(tmp_path / "t.csv"), None)
    assert "No questions are declared, so only the macro mean was checked." in capsys.readouterr().out


def test_extractors_stand_beside_one_another(
    inputs: SimpleNamespace, held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = inputs.write_predictions(tmp_path / "a.jsonl", {row["id"]: "CT" for row in inputs.held_out_rows()})
    (benchmark,) = score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "o", Settings(), model="m")
    print_extractors(benchmark, "Readings", "all", has_out=False)
    shown = capsys.readouterr().out
    assert "Readings" in shown
    assert "33.3 %" in shown


def test_names_are_separated_by_commas(held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fingerprints([f" {held_out} , "], tmp_path / "f.jsonl")
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path / 'f.jsonl'}: 12 questions, 6 images by their hashes alone")
    assert "--thumbnails" in said
    fingerprints([str(held_out)], tmp_path / "g.jsonl", thumbnails=True)
    assert capsys.readouterr().out == f"{tmp_path / 'g.jsonl'}: 12 questions, 6 images with thumbnails\n"
    assert sum('"thumbnail"' in line for line in (tmp_path / "g.jsonl").read_text().splitlines()) == 6
    lines = (tmp_path / "f.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_plan_a_published_row_and_a_table(
    inputs: SimpleNamespace, held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(["150,vqa-rad"])
    assert (
        "a difference of 5 points between two models on the same questions needs 660 questions"
        in capsys.readouterr().out
    )
    reproduce("lingshu-7b")
    shown = capsys.readouterr().out
    assert "Medbullets: whether four or five options, or the mean of both, is not said" in shown
    assert "source: https://github.com/alibaba-damo-academy/MedEvalKit" in shown
    with pytest.raises(UserError, match=r"--out is missing"):
        reproduce("lingshu-7b", model="m")
    one = run(inputs, held_out, tmp_path / "CT", "CT")
    table([one], tmp_path / "tables")
    assert f"wrote {tmp_path / 'tables/table.tex'}" in capsys.readouterr().out
    reproduce("lingshu-7b", out=one)
    assert "not asked here" in capsys.readouterr().out


def test_a_reproduction_without_a_network_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(protocol: str, data_root: Path | None) -> None:
        raise UnreachableError(f"{protocol}: the Hub cannot be reached")

    monkeypatch.setattr(registry, "open_benchmark", refuse)
    with pytest.raises(UnreachableError, match=r"^mmmu-hm/official-150: the Hub cannot be reached$"):
        reproduce("lingshu-7b", model="m", out=tmp_path / "out")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["medgemma", "lingshu", "hulu-med", "huatuogpt-vision"])
def test_what_is_not_here_is_left_out_of_a_reproduction(tmp_path: Path, name: str) -> None:
    """Of benchmarks that a YAML file describes as of those read by code."""
    with pytest.raises(UserError, match=rf"{name}: none of its benchmarks is here"):
        reproduce(name, model="m", out=tmp_path / "out", data_root=tmp_path)
