"""Our row beside the paper's tables, the file for withheld answers, and the plots of the report."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pytest
from gmai_bench.benchmarks.registry import open_benchmark
from gmai_bench.report.charts import radar
from gmai_bench.run import Settings, score_file
from gmai_bench.scoring.results import GroupResult


def report_of(
    name: str, root: Path, out: Path, inputs: SimpleNamespace, answer: str, **settings: Any
) -> dict[str, Any]:
    benchmark = open_benchmark(name, root)
    ids = [q.id for q in benchmark.questions(lambda _encoded, _place: "0" * 64)][: settings.get("limit")]
    file = inputs.write_predictions(root / "answers.jsonl", dict.fromkeys(ids, answer))
    score_file(file, [benchmark], out, Settings(**settings), model="models/ours")
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def mmmu(tmp_path_factory: pytest.TempPathFactory, write_mmmu: Callable[[Path], Path]) -> Path:
    return write_mmmu(tmp_path_factory.mktemp("mmmu"))


def test_the_same_protocol_is_compared(mmmu: Path, tmp_path: Path, inputs: SimpleNamespace) -> None:
    report = report_of("mmmu-hm/mc-145", mmmu, tmp_path / "out", inputs, "B")
    (table,) = report["published"]
    assert table["name"] == "table4"
    assert [cell["text"] for cell in table["ours"]] == ["100.0"] * 6
    assert [cell["n"] for cell in table["ours"]] == [28, 30, 30, 27, 30, 145]
    differences = {(model, column): points for model, column, points in table["comparable"]}
    assert differences["HuatuoGPT-Vision-7B", "pharmacy"] == pytest.approx(51.9)
    assert {model for model, _ in differences} == {"HuatuoGPT-Vision-7B", "LLaVA-v1.6-13B"}
    assert any("theirs is a question set that its source does not name" in reason for reason in table["refusals"])
    (result,) = report["benchmarks"]
    assert (result["headline"], result["macro"]["mean"]) == ("macro", 1.0)
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.count('<svg class="radar"') == 1  # five subjects; one difficulty is no plot
    assert "GMAI-VL paper, Table 4" in page
    assert "HuatuoGPT-Vision-7B pharmacy +51.9" in page
    assert "| **models/ours** | ours | 100.0 |" in (tmp_path / "out/report.md").read_text(encoding="utf-8")


def test_another_protocol_of_the_family_is_shown_and_not_compared(
    mmmu: Path, tmp_path: Path, inputs: SimpleNamespace
) -> None:
    report = report_of("mmmu-hm", mmmu, tmp_path / "out", inputs, "I cannot tell")
    (table,) = report["published"]
    assert table["comparable"] == []
    assert "overall: ours is mmmu-hm/official-150, n = 150; theirs is mmmu-hm/mc-145" in " ".join(table["refusals"])
    (result,) = report["benchmarks"]
    official = result["measures"]["as read by mmmu-official"]
    # 145 answers that MMMU's parser would draw one of three options for, five open ones wrong
    assert official["mean"] == pytest.approx(145 / 3 / 150)


def test_a_partial_run_is_not_set_beside_the_paper(mmmu: Path, tmp_path: Path, inputs: SimpleNamespace) -> None:
    assert report_of("mmmu-hm", mmmu, tmp_path / "out", inputs, "B", limit=10)["published"] == []


def test_withheld_answers_give_a_submission_and_no_number(
    tmp_path: Path, inputs: SimpleNamespace, write_tsv: Callable[..., Path]
) -> None:
    write_tsv(tmp_path / "gmai-mmbench/GMAI-MMBench_TEST_1.tsv", 12, answers=False)
    report = report_of("gmai-mmbench/test", tmp_path, tmp_path / "out", inputs, "=B", allow_partial=True)
    (result,) = report["benchmarks"]
    assert (result["hidden"], result["n"], result["questions"]) == (True, 0, 12)
    assert report["published"] == []
    sheet = openpyxl.load_workbook(tmp_path / "out/gmai-mmbench/test/submission.xlsx").worksheets[0]
    header, first, *rest = sheet.iter_rows(values_only=True)
    assert header[:7] == ("index", "question", "A", "B", "C", "D", "E")
    assert (first[0], first[-1], len(rest)) == (0, "=B", 11)
    assert "withheld" in (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert "send submission.xlsx" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_a_submission_holds_no_formula_and_says_what_it_cut(
    tmp_path: Path, inputs: SimpleNamespace, capsys: pytest.CaptureFixture[str], write_tsv: Callable[..., Path]
) -> None:
    file = write_tsv(tmp_path / "gmai-mmbench/GMAI-MMBench_TEST_1.tsv", 2, answers=False)
    hostile = file.read_text(encoding="utf-8").replace("CT", "=HYPERLINK(1)").replace('"Which', '"=1+1, which')
    file.write_text(hostile.replace("MR", "+1").replace("US", "#N/A"), encoding="utf-8")
    answer = "@SUM(1)\x01" + "y" * 40_000
    report_of("gmai-mmbench/test", tmp_path, tmp_path / "out", inputs, answer, allow_partial=True)
    sheet = openpyxl.load_workbook(tmp_path / "out/gmai-mmbench/test/submission.xlsx").worksheets[0]
    _, question, *options, _, _, _, said = sheet[2]
    assert question.value.startswith("=1+1, which")
    assert [cell.value for cell in options] == ["=HYPERLINK(1)", "+1", "X-ray", "#N/A", "PET"]
    assert said.value == ("@SUM(1)" + "y" * 40_000)[:32766]  # the control character is left out
    assert [cell.quotePrefix for cell in (question, *options, said)] == [True, True, True, False, False, False, True]
    assert [cell.data_type for cell in sheet[2]] == ["n"] + ["s"] * 10
    assert "submission.xlsx: 2 answers end at 32767 characters" in capsys.readouterr().err


def test_a_radar_plot_by_hand() -> None:
    groups = {
        name: GroupResult(10, 5, share, (0.2, 0.8), 0.25) for name, share in zip("abcd", (1, 0.5, 0, 1), strict=True)
    }
    drawn = radar("kind", groups)
    assert drawn is not None
    # up, right, down, left of the middle, at 70 for 100 %
    assert drawn.ours == "0.00,-70.00 35.00,-0.00 0.00,0.00 -70.00,0.00"
    assert [axis.anchor for axis in drawn.axes] == ["middle", "start", "middle", "end"]
    assert radar("kind", dict(list(groups.items())[:2])) is None


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs headless Chromium: apt-get install chromium")
def test_a_browser_draws_the_radar(
    browser_dom: Callable[..., str], mmmu: Path, tmp_path: Path, inputs: SimpleNamespace
) -> None:
    report_of("mmmu-hm/mc-145", mmmu, tmp_path / "out", inputs, "B")
    dom = browser_dom(tmp_path / "out/report.html", tmp_path / "p", seen='<polygon class="radar-ours"')
    assert dom.count('class="card question"') == 24
