"""Two runs on the same questions, paired question by question; runs under different protocols are refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

from gmai_cli.console import say
from gmai_formats.errors import UserError

from gmai_bench.benchmarks.variants import base
from gmai_bench.report.build import read_folder, run_folders
from gmai_bench.scoring.results import ScoredBenchmark
from gmai_bench.scoring.statistics import clustered_standard_error, mcnemar_exact, minimum_detectable_difference
from gmai_bench.scoring.verdict import Scored

FEWEST_DIFFERING = 6
"""Pairs that must differ, all one way, before the exact test can fall below p = 0.05 (2 · 0.5⁶ = 0.03)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the paired answers of two runs say under one protocol."""

    protocol: str
    n: int
    accuracy_first: float
    accuracy_second: float
    only_first: int
    """Questions that only the first run has right."""
    only_second: int
    p_exact: float
    """Exact McNemar, answers taken as independent."""
    difference: float
    """Second minus first."""
    standard_error: float
    """Standard error of the difference, clustered by image."""
    clusters: int
    interval: tuple[float, float]
    """95 %, clustered; where every pair says the same, what so many pairs leave possible."""
    p_clustered: float
    detectable: float | None
    """Smallest true difference that so many questions find with 80 % power, clustered; None where fewer than
    `FEWEST_DIFFERING` pairs differ or all differ alike: no spread was seen, so none can be estimated."""
    unpaired: int = 0
    """Questions that only one of the runs answers."""
    other_measures: int = 0
    """Questions that are measured by something else than the headline (the recall of open ones)."""


def compare(first: Path, second: Path) -> list[Comparison]:
    """Compare two output folders under every protocol that both have.

    Where they have none, a protocol and its variants are compared (samples, orders of the options): they ask the same
    questions, and the difference is what the variant does.

    Raises:
        UserError: They share no protocol, or answered different questions under one; the message says what differs.
    """
    ours, theirs = _read(first), _read(second)
    shared = [(protocol, protocol) for protocol in ours if protocol in theirs]
    shared = shared or [
        (a, b) for a, one in ours.items() for b, two in theirs.items() if base(one.record.card) == base(two.record.card)
    ]
    if not shared:
        pairs = [f"{a} and {b}" for a in ours for b in theirs if a.split("/")[0] == b.split("/")[0]]
        reason = (
            f"{'; '.join(pairs)} differ in questions, prompt or scoring, so their numbers say nothing about each other"
            if pairs
            else f"{first} has {', '.join(ours)}, {second} has {', '.join(theirs)}"
        )
        raise UserError(
            f"{first} and {second}: no protocol in common. {reason}. Numbers are compared under one protocol only. "
            f"Ask both models under the same one."
        )
    for out, protocols, compared in (
        (first, ours, {a for a, _ in shared}),
        (second, theirs, {b for _, b in shared}),
    ):
        if alone := [protocol for protocol in protocols if protocol not in compared]:
            say(f"not compared, for only {out} has it: {', '.join(alone)}")
    return [compare_benchmarks(ours[a], theirs[b], first, second) for a, b in shared]


def _read(out: Path) -> Mapping[str, ScoredBenchmark]:
    read = [read_folder(folder) for folder in run_folders(out)]
    return {benchmark.result.protocol: benchmark for benchmark in read}


def compare_benchmarks(a: ScoredBenchmark, b: ScoredBenchmark, first: Path, second: Path) -> Comparison:
    """Compare two runs under one protocol; `first` and `second` name them in messages.

    Raises:
        UserError: They were scored by different versions, or asked different questions.
    """
    protocol = " ▶ ".join(dict.fromkeys((a.result.protocol, b.result.protocol)))
    for name, mine, other in (
        ("protocol version", a.result.protocol_version, b.result.protocol_version),
        ("extractor", a.result.extractor, b.result.extractor),
    ):
        if mine != other:
            raise UserError(
                f"{protocol}: the {name} of {first} is {mine}, of {second} {other}. Both runs must be scored alike. "
                f"Run `gmai bench report` on both with one version of gmai-bench."
            )
    questions = {q.id: q for q in a.record.questions}
    others = {q.id: q for q in b.record.questions}
    differing = [i for i in questions.keys() & others.keys() if questions[i] != others[i]]
    if questions.keys() != others.keys() or differing:
        what = f'"{min(differing)}" differs' if differing else f"{len(questions)} and {len(others)} questions"
        raise UserError(
            f"{protocol}: {first} and {second} were asked different questions ({what}). A paired test needs the same "
            f"questions, prompts and images. Ask both from one copy of the benchmark, with the same --limit."
        )
    graded = a.result.metric != "accuracy"
    right = {i.question.id: _value(i, graded=graded) for i in b.scored if i.question.measure == "accuracy"}
    paired = [item for item in a.scored if item.question.id in right]
    unpaired = len({i.question.id for i in a.scored} ^ {i.question.id for i in b.scored})
    if not paired:
        raise UserError(f"{protocol}: no question is answered in both {first} and {second}. Finish both runs first.")
    mine = [_value(item, graded=graded) for item in paired]
    theirs = [right[item.question.id] for item in paired]
    differences = [y - x for x, y in zip(mine, theirs, strict=True)]
    error, clusters = clustered_standard_error(differences, [item.question.cluster for item in paired])
    n, difference = len(paired), sum(differences) / len(paired)
    only_first, only_second = sum(d < 0 for d in differences), sum(d > 0 for d in differences)
    p_exact = mcnemar_exact(only_first, only_second)  # of graded scores: the sign test, which one is better
    return Comparison(
        protocol=protocol,
        n=n,
        accuracy_first=sum(mine) / n,
        accuracy_second=sum(theirs) / n,
        only_first=only_first,
        only_second=only_second,
        p_exact=p_exact,
        difference=difference,
        standard_error=error,
        clusters=clusters,
        interval=_interval(difference, error, clusters),
        p_clustered=2 * NormalDist().cdf(-abs(difference) / error) if error > 0 else p_exact,
        detectable=(
            minimum_detectable_difference(error) if error > 0 and only_first + only_second >= FEWEST_DIFFERING else None
        ),
        unpaired=unpaired,
        other_measures=sum(q.measure != "accuracy" for q in a.record.questions),
    )


def _value(item: Scored, *, graded: bool) -> float:
    return item.verdict.score if graded else float(item.verdict.score == 1.0)


def _interval(difference: float, error: float, clusters: int) -> tuple[float, float]:
    """Return the 95 % interval of a difference.

    Without any spread the normal interval is a point. Then the share of pairs that say otherwise is bounded: 1 - 0.05 ^
    (1 / n), about 3 / n (https://en.wikipedia.org/wiki/Rule_of_three_(statistics)), with clusters for n.
    """
    reach = NormalDist().inv_cdf(0.975) * error
    if error == 0:
        reach = (1 - 0.05 ** (1 / clusters)) * (1 + abs(difference))  # from +1 to -1 a pair moves by two
    return max(-1.0, difference - reach), min(1.0, difference + reach)


def left_out(found: Comparison) -> str:
    """Return a sentence on the questions that are not compared, nothing where all are."""
    parts = [
        f"{found.unpaired} that only one of the runs answers" if found.unpaired else "",
        f"{found.other_measures} that are no part of the headline" if found.other_measures else "",
    ]
    left = " and ".join(part for part in parts if part)
    return f"{found.protocol}: left out are {left}" if left else ""


def power(found: Comparison) -> str:
    """Return a sentence on what so many questions can find."""
    asked = f"{found.protocol}: {found.n} questions in {found.clusters} clusters"
    if found.detectable is not None:
        return f"{asked} detect a difference of {100 * found.detectable:.1f} points with 80 % power"
    differing = found.only_first + found.only_second
    pairs = {0: "no pair differs", 1: "one pair differs"}.get(differing, f"{differing} pairs differ")
    return (
        f"{asked}: {pairs}, so the smallest difference that they could find cannot be estimated. "
        f"Ask more questions (at least {FEWEST_DIFFERING} pairs must differ before the exact test can say p < 0.05)"
    )
