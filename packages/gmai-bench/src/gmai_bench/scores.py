"""Questions + answers ▶ verdicts ▶ the numbers of one benchmark."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.options import NO_ANSWER
from gmai_bench.predictions import Kept, Prediction
from gmai_bench.protocols import EXTRACTORS, Verdict, score
from gmai_bench.record import Record
from gmai_bench.statistics import clustered_standard_error, mean_interval, wilson, wilson_clustered

HEADLINE = "accuracy"


@dataclass(frozen=True, slots=True)
class Scored:
    """One answered question with its verdict."""

    question: Question
    prediction: Prediction
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The accuracy among the questions of one group."""

    n: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    chance: float | None
    """Mean of 1/choices, an open question counting 0; `None` where every question is open."""


@dataclass(frozen=True, slots=True)
class OtherMeasure:
    """A second number of a protocol, the mean of scores between 0 and 1."""

    n: int
    mean: float
    interval: tuple[float, float]
    interval_method: str


@dataclass(frozen=True, slots=True)
class Result:
    """The numbers of one benchmark, in the order of `report.json`."""

    name: str
    title: str
    protocol: str
    protocol_version: int
    n: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    interval_method: str
    chance: float | None
    standard_error: float
    standard_error_method: str
    clusters: int
    interval_clustered: tuple[float, float]
    extractor: str
    rules: dict[str, int]
    no_answer: dict[str, float]
    """Share of the answers that were ambiguous, refused, empty or unparsed; all of them count as wrong."""
    cut: int
    """Answers that the token limit ended."""
    groups: dict[str, dict[str, GroupResult]]
    measures: dict[str, OtherMeasure]
    questions: int
    expected: int | None
    limit: int | None
    unanswered: int
    partial: bool
    source: str
    license: str
    notes: str


@dataclass(frozen=True, slots=True)
class ScoredBenchmark:
    """A benchmark with its numbers and every verdict behind them."""

    record: Record
    result: Result
    scored: Sequence[Scored] = field(repr=False)


def score_benchmark(record: Record, kept: Kept) -> ScoredBenchmark:
    """Score the answered questions of a record; unanswered ones are counted and make the result partial."""
    scoring = record.card.scoring
    scored = [
        Scored(question, prediction, score(prediction.response, question.choices, question.reference, scoring))
        for question in record.questions
        if (prediction := kept.by_id.get(question.id)) is not None
    ]
    return ScoredBenchmark(record, _result(record, scored), scored)


def _result(record: Record, scored: Sequence[Scored]) -> Result:
    card, coverage = record.card, record.coverage
    headline = [item for item in scored if item.question.measure == HEADLINE]
    total = _group(headline)
    rules = Counter(item.verdict.rule for item in headline)
    standard_error, clusters = clustered_standard_error(
        [float(item.verdict.score == 1.0) for item in headline], [item.question.cluster for item in headline]
    )
    unanswered = len(record.questions) - len(scored)
    others = sorted({item.question.measure for item in scored} - {HEADLINE})
    return Result(
        name=card.name,
        title=card.title,
        protocol=card.protocol,
        protocol_version=card.protocol_version,
        n=total.n,
        correct=total.correct,
        accuracy=total.accuracy,
        interval=total.interval,
        interval_method="wilson 95 %, answers taken as independent",
        chance=total.chance,
        standard_error=standard_error if headline else 0.0,
        standard_error_method="clustered by image",
        clusters=clusters,
        interval_clustered=wilson_clustered(total.correct, total.n, standard_error, clusters),
        extractor=EXTRACTORS[card.scoring],
        rules=dict(sorted(rules.items(), key=lambda pair: (-pair[1], pair[0]))),
        no_answer={rule: rules[rule] / total.n if total.n else 0.0 for rule in NO_ANSWER},
        cut=sum(item.prediction.cut for item in headline),
        groups={column: _by_group(headline, column) for column in card.groups},
        measures={name: _other([item for item in scored if item.question.measure == name]) for name in others},
        questions=coverage.asked,
        expected=coverage.expected,
        limit=coverage.limit,
        unanswered=unanswered,
        partial=coverage.partial or unanswered > 0,
        source=card.source,
        license=card.license,
        notes=card.notes,
    )


def _group(scored: Sequence[Scored]) -> GroupResult:
    n = len(scored)
    correct = sum(item.verdict.score == 1.0 for item in scored)
    by_chance = [1 / len(item.question.choices) for item in scored if item.question.choices]
    share = correct / n if n else 0.0
    return GroupResult(n, correct, share, wilson(correct, n), sum(by_chance) / n if by_chance else None)


def _by_group(scored: Sequence[Scored], column: str) -> dict[str, GroupResult]:
    members: dict[str, list[Scored]] = {}
    for item in scored:
        members.setdefault(item.question.groups[column], []).append(item)
    return {value: _group(members[value]) for value in sorted(members)}


def _other(scored: Sequence[Scored]) -> OtherMeasure:
    values = [item.verdict.score for item in scored]
    standard_error, clusters = clustered_standard_error(values, [item.question.cluster for item in scored])
    mean = sum(values) / len(values)
    interval = mean_interval(mean, standard_error, clusters)
    return OtherMeasure(len(values), mean, interval, "t 95 %, clustered by image")
