from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_bench.backends.asks import Answer, Ask, OpenImage
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.run import Settings, ask_and_report, score_file
from gmai_bench.scoring.statistics import macro_bootstrap, mcnemar_exact, minimum_detectable_difference
from gmai_bench.tools.compare import FEWEST_DIFFERING, Comparison, compare, left_out, power
from gmai_formats.errors import UserError
from scipy.stats import binomtest


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (2, 11), (11, 2), (40, 60)])
def test_mcnemar_is_the_exact_binomial_test(b: int, c: int) -> None:
    due = binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(due)


def test_the_detectable_difference_by_the_normal_table() -> None:
    assert minimum_detectable_difference(0.01) == pytest.approx(0.01 * (1.959964 + 0.841621), abs=1e-6)


def test_the_macro_mean_counts_each_group_once() -> None:
    mean, (low, high) = macro_bootstrap([1, 0, 1, 1, 1, 1], ["a", "a", "b", "b", "b", "b"], list("uvwxyz"))
    assert mean == 0.75
    assert (low, high) == (0.5, 1.0)
    assert macro_bootstrap([1, 0, 1], list("aab"), list("uvw")) == macro_bootstrap([1, 0, 1], list("aab"), list("uvw"))


@pytest.fixture
def folders(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> tuple[Path, Path]:
    rows = inputs.held_out_rows()
    answers = {"a": {r["id"]: "CT" for r in rows}, "b": {r["id"]: r["reference"] for r in rows}}
    for name, said in answers.items():
        file = inputs.write_predictions(tmp_path / f"{name}.jsonl", said)
        score_file(file, [DeclaredBenchmark(held_out)], tmp_path / name, Settings(), model=name)
    return tmp_path / "a", tmp_path / "b"


def test_two_runs_on_the_same_questions(folders: tuple[Path, Path]) -> None:
    (found,) = compare(*folders)
    assert (found.n, found.only_first, found.only_second) == (12, 0, 8)
    assert found.p_exact == pytest.approx(2 / 2**8)
    assert found.difference == pytest.approx(8 / 12)
    assert found.clusters == 6
    # residuals per image: 4 of 2 · 1/3, 2 of 2 · -2/3; sqrt(4 · 4/9 + 2 · 16/9) / 12
    assert found.standard_error == pytest.approx((4 * 4 / 9 + 2 * 16 / 9) ** 0.5 / 12)
    assert found.interval[0] < found.difference < found.interval[1]
    (back,) = compare(*reversed(folders))
    assert (back.difference, back.p_exact) == (-found.difference, found.p_exact)


def test_other_protocols_and_other_questions_are_refused(
    inputs: SimpleNamespace, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    rows = inputs.held_out_rows()
    file = inputs.write_predictions(tmp_path / "c.jsonl", {r["id"]: "CT" for r in rows})
    other = inputs.write_held_out(tmp_path / "c", rows, protocol="held_out/other")
    score_file(file, [DeclaredBenchmark(other)], tmp_path / "c-out", Settings(), model="c")
    with pytest.raises(UserError, match=r"no protocol in common\. held_out/option-text and held_out/other differ in"):
        compare(folders[0], tmp_path / "c-out")
    changed = inputs.write_held_out(tmp_path / "d", rows, prompt="{question} {choices}")
    score_file(file, [DeclaredBenchmark(changed)], tmp_path / "d-out", Settings(), model="d")
    with pytest.raises(UserError, match=r'were asked different questions \("q0-0" differs\)'):
        compare(folders[0], tmp_path / "d-out")
    with pytest.raises(UserError, match=r"holds no answers yet"):
        compare(folders[0], tmp_path / "none")


@pytest.fixture
def paired(inputs: SimpleNamespace, held_out: Path, tmp_path: Path):
    """Return a function that compares two runs, of which the second changes the first answers of the first."""
    rows = inputs.held_out_rows()

    def make(first: str, changed: int) -> Comparison:
        wrong = {row["id"]: next(choice for choice in row["choices"] if choice != row["reference"]) for row in rows}
        right = {row["id"]: row["reference"] for row in rows}
        before, after = (right, wrong) if first == "right" else (wrong, right)
        names = list(before)
        answers = {"a": before, "b": {**before, **{name: after[name] for name in names[:changed]}}}
        for name, each in answers.items():
            file = inputs.write_predictions(tmp_path / f"{name}.jsonl", each)
            score_file(file, [DeclaredBenchmark(held_out)], tmp_path / name, Settings(), model=name)
        (found,) = compare(tmp_path / "a", tmp_path / "b")
        return found

    return make


@pytest.mark.parametrize("first", ["right", "wrong"])
def test_without_a_differing_pair_nothing_is_said_about_power(paired, first: str) -> None:
    found = paired(first, 0)
    assert found.detectable is None
    assert (found.p_exact, found.p_clustered, found.difference) == (1.0, 1.0, 0.0)
    bound = 1 - 0.05 ** (1 / 6)  # six clusters: with 95 % fewer than 39 % of the pairs differ
    assert found.interval == pytest.approx((-bound, bound))
    assert "no pair differs, so the smallest difference that they could find cannot be estimated" in power(found)
    assert "80 % power" not in power(found)


def test_when_all_pairs_differ_alike_no_spread_was_seen_either(paired) -> None:
    found = paired("wrong", 12)
    assert found.detectable is None
    assert found.difference == 1.0
    assert found.p_clustered == found.p_exact == pytest.approx(2 / 2**12)
    assert found.interval[1] == 1.0
    assert found.interval[0] < 0.3
    assert "12 pairs differ" in power(found)


@pytest.mark.parametrize(("changed", "words"), [(1, "one pair differs"), (3, "3 pairs differ"), (5, "5 pairs differ")])
def test_a_few_differing_pairs_are_too_few(paired, changed: int, words: str) -> None:
    found = paired("right", changed)
    assert found.detectable is None
    assert words in power(found)
    assert found.interval[0] < found.difference < found.interval[1]


def test_six_differing_pairs_give_an_estimate(paired) -> None:
    found = paired("right", FEWEST_DIFFERING)
    assert found.detectable == pytest.approx(minimum_detectable_difference(found.standard_error))
    assert "points with 80 % power" in power(found)


def test_a_protocol_and_its_variant_are_compared_where_nothing_else_is_shared(held_out: Path, tmp_path: Path) -> None:
    class First:
        name, digest, cacheable = "first", "first-1", False
        generation: Mapping[str, Any] = {}

        def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
            for ask in asks:
                yield Answer(ask.id, ask.prompt.partition("Options: ")[2].partition(";")[0], cut=False)

    for name, order in (("plain", "published"), ("circular", "circular")):
        ask_and_report([DeclaredBenchmark(held_out)], First(), tmp_path / name, Settings(option_order=order))
    (found,) = compare(tmp_path / "plain", tmp_path / "circular")
    assert found.protocol == "held_out/option-text ▶ held_out/option-text+circular"
    assert (found.accuracy_first, found.accuracy_second) == (pytest.approx(1 / 3), 0.0)


def test_what_is_not_compared_is_said(
    inputs: SimpleNamespace, held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = inputs.held_out_rows()
    whole = {row["id"]: row["reference"] for row in rows}
    part = dict(list(whole.items())[:5])
    other = inputs.write_held_out(tmp_path / "more", rows, protocol="held_out/other")
    for name, answers, benchmarks in (("a", whole, [held_out, other]), ("b", part, [held_out])):
        file = inputs.write_predictions(tmp_path / f"{name}.jsonl", answers)
        opened = [DeclaredBenchmark(path) for path in benchmarks]
        score_file(file, opened, tmp_path / name, Settings(allow_partial=True), model=name)
    (found,) = compare(tmp_path / "a", tmp_path / "b")
    assert (found.n, found.unpaired) == (5, len(rows) - 5)
    assert left_out(found) == f"held_out/option-text: left out are {len(rows) - 5} that only one of the runs answers"
    assert f"not compared, for only {tmp_path / 'a'} has it: held_out/other" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"is a part of a run\. .* Give the folder that --out named"):
        compare(tmp_path / "a/report.json", tmp_path / "b")
