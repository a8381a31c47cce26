from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.run import Settings, score_file
from gmai_bench.scoring.results import ScoredBenchmark
from gmai_bench.tools.extractors import NAMES, readings
from gmai_formats.errors import UserError


@pytest.fixture
def benchmark(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> ScoredBenchmark:
    answers = {row["id"]: f"It is {row['reference']}, not MR or CT" for row in inputs.held_out_rows()}
    file = inputs.write_predictions(tmp_path / "a.jsonl", answers)
    return score_file(file, [DeclaredBenchmark(held_out)], None, Settings(), model="m")[0]


def test_all_parsers_stand_beside_each_other_and_none_reports_another_measure(benchmark: ScoredBenchmark) -> None:
    by_name = dict(zip(NAMES, readings(benchmark, "all", has_out=False), strict=True))
    assert by_name["gmai"].extractor == benchmark.result.extractor
    assert by_name["llava-med"].n == 0
    assert {reading.n for name, reading in by_name.items() if name != "llava-med"} == {12}


def test_an_unknown_extractor_and_a_report_are_refused(benchmark: ScoredBenchmark) -> None:
    with pytest.raises(UserError, match=r'--extractor "huato": unknown\. Did you mean "huatuo"\?'):
        readings(benchmark, "huato", has_out=False)
    with pytest.raises(UserError, match=r"--out: a report is always read by the protocol's own rules"):
        readings(benchmark, "huatuo", has_out=True)
