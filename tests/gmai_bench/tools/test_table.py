import csv
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.run import Settings, score_file
from gmai_bench.tools.table import collect, tex, write
from gmai_formats.errors import UserError
from gmai_formats.state import read_state, write_state


@pytest.fixture
def run(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> Callable[..., Path]:
    def made(name: str, right: int, protocol: str = "held_out/option-text") -> Path:
        rows = inputs.held_out_rows()
        other = {"CT": "MR", "MR": "CT", "X-ray": "CT"}
        answers = {row["id"]: row["reference"] if n < right else other[row["reference"]] for n, row in enumerate(rows)}
        file = inputs.write_predictions(tmp_path / f"{name}.jsonl", answers)
        benchmark = held_out
        if protocol != "held_out/option-text":
            benchmark = inputs.write_held_out(tmp_path / f"{name}-b", protocol=protocol)
        score_file(file, [DeclaredBenchmark(benchmark)], tmp_path / name, Settings(), model=f"lab/{name}_<b>")
        return tmp_path / name

    return made


def test_models_and_protocols_with_corrected_differences(run: Callable[..., Path], tmp_path: Path) -> None:
    a, b, c = run("a", 12), run("b", 4), run("c", 3)
    other = run("d", 6, "held_out/other")
    found = collect([a, b, c, other])
    assert found.models == ("lab/a_<b>", "lab/b_<b>", "lab/c_<b>", "lab/d_<b>")
    assert found.protocols == ("held_out/option-text", "held_out/other")
    assert ("lab/d_<b>", "held_out/option-text") not in found.cells
    assert len(found.differences) == 3
    assert all(d.p_holm >= d.found.p_clustered for d in found.differences)
    lines = found.lines()
    assert lines[2].startswith("| lab/a_<b> | 100.0 % (")
    assert lines[2].endswith("| – |")
    assert "| n | 12 | 12 |" in lines
    assert "after Holm's correction for 3" in lines[-1]
    paths = write(found, tmp_path / "out")
    assert [path.name for path in paths] == ["table.csv", "table.tex", "table.md", "table.svg", "table.html"]
    rows = list(csv.DictReader((tmp_path / "out/table.csv").open(encoding="utf-8")))
    assert [(row["model"], row["n"], row["number"]) for row in rows][:2] == [
        ("lab/a_<b>", "12", "100.00"), ("lab/b_<b>", "12", "33.33"),
    ]  # fmt: skip
    ET.fromstring((tmp_path / "out/table.svg").read_text(encoding="utf-8"))  # noqa: S314 (our own file)
    page = (tmp_path / "out/table.html").read_text(encoding="utf-8")
    assert "lab/a_&lt;b&gt;" in page
    assert "<b>" not in page
    assert page.count("<h2>") == 3  # a block per protocol, and the differences
    latex = (tmp_path / "out/table.tex").read_text(encoding="utf-8")
    assert r"lab/a\_<b> & 100.0 {\scriptsize [" in latex
    assert latex.count("&") == 2 * 7


def test_one_model_twice_is_told_apart_by_its_folder(run: Callable[..., Path], tmp_path: Path) -> None:
    first = run("a", 12)
    copied = tmp_path / "again"
    first.rename(copied)
    assert collect([run("a", 5), copied]).models == ("lab/a_<b> (a)", "lab/a_<b> (again)")
    with pytest.raises(UserError, match=r"two folders are of one name"):
        collect([copied, copied])
    with pytest.raises(UserError, match=r"no readable asked\.json"):
        collect([tmp_path / "nowhere"])


def test_latex_prints_names_as_they_stand() -> None:
    assert tex(r"a_b & 5 % {x} \ #1") == r"a\_b \& 5 \% \{x\} \textbackslash{} \#1"


def test_a_run_on_replaced_images_has_a_column_of_its_own(run: Callable[..., Path]) -> None:
    plain, noise = run("a", 12), run("b", 4)
    asked = read_state(noise / "asked.json")
    write_state(noise / "asked.json", {**asked, "image_ablation": "noise"})
    found = collect([plain, noise])
    assert found.protocols == ("held_out/option-text", "held_out/option-text+noise-images")
    assert found.differences == ()
    assert [row["protocol"] for row in found.rows()] == [
        "held_out/option-text v1", "held_out/option-text+noise-images v1",
    ]  # fmt: skip
