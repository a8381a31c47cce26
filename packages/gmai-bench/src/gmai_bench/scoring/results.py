"""Questions + answers ▶ verdicts ▶ the numbers of one benchmark."""

import dataclasses
import itertools
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from gmai_formats.errors import UserError

from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks.question import HEADLINE, SET_JOIN, Card, Question
from gmai_bench.benchmarks.record import Record
from gmai_bench.benchmarks.spool import QuestionFile
from gmai_bench.benchmarks.variants import Variant, turns, variant_of
from gmai_bench.extraction.options import NO_ANSWER
from gmai_bench.scoring import published
from gmai_bench.scoring.notices import EQUALITY, notices
from gmai_bench.scoring.scorers import scorer
from gmai_bench.scoring.statistics import (
    clustered_standard_error,
    macro_bootstrap,
    mean_interval,
    wilson,
    wilson_clustered,
)
from gmai_bench.scoring.variants import beside, once, together
from gmai_bench.scoring.verdict import UNJUDGED, Scored, Scorer, Verdict


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The accuracy among the questions of one group."""

    n: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    chance: float | None
    """Accuracy of a uniform guess, an open question counting 0; `None` where every question is open."""


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
    refused_by_server: int
    """Questions that the server refused; they count as not answered."""
    groups: dict[str, dict[str, GroupResult]]
    measures: dict[str, OtherMeasure]
    questions: int
    expected: int | None
    expected_from: str
    """Where `expected` comes from."""
    expected_verified: bool
    limit: int | None
    unanswered: int
    partial: bool
    source: str
    revision: str
    license: str
    notes: str
    headline: str
    """`micro` or `macro`: which of `accuracy` and `macro` is the protocol's number."""
    macro: OtherMeasure | None
    """Plain mean over the values of the first group column, where the protocol's number is that."""
    hidden: bool
    """Whether the right answers are withheld: then there is no number, and n is 0."""
    notices: list[str]
    """What to know before believing the number."""
    metric: str = "accuracy"
    """What `accuracy` is the number of: of any other metric it is the mean score, and the intervals are of that."""


@dataclass(frozen=True, slots=True)
class ScoredBenchmark:
    """A benchmark with its numbers and every verdict behind them."""

    record: Record
    result: Result
    scored: Sequence[Scored] = field(repr=False)
    asked: Sequence[Sequence[Scored]] = field(default=(), repr=False)
    """Under a variant: per question of `scored` the verdicts on its answers, in the order asked."""


def score_benchmark(record: Record, kept: Kept) -> ScoredBenchmark:
    """Score the answered questions of a record; unanswered ones are counted and make the result partial."""
    variant = variant_of(record.card.variant)
    if isinstance(record.questions, QuestionFile) and not variant.name:
        return _score_very_many(record, kept)
    if not variant.name:
        answered = [
            (as_shown(question, prediction), prediction)
            for question in record.questions
            if (prediction := kept.by_id.get(question.id)) is not None
        ]
        scored = _scored(record.card.scoring, answered)
        return ScoredBenchmark(record, _result(record, scored), scored)
    return _score_variant(record, kept, variant)


class Answers(Sequence[Scored]):
    """The scored answers of very many questions, each question read when it is looked at."""

    def __init__(self, questions: Sequence[Question], kept: Mapping[str, Prediction]) -> None:
        """Hold no answer yet."""
        self._questions, self._kept = questions, kept
        self._places = array("Q")
        self._verdicts: list[Verdict] = []

    def add(self, place: int, verdict: Verdict) -> None:
        """Add the verdict on the answer to the question at a place."""
        self._places.append(place)
        self._verdicts.append(verdict)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Scored: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Scored]: ...

    def __getitem__(self, index: int | slice) -> Scored | Sequence[Scored]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return self._scored(self._questions[self._places[index]], self._verdicts[index])

    def __iter__(self) -> Iterator[Scored]:
        judged = zip(self._places, self._verdicts, strict=True)
        wanted = next(judged, None)
        for place, question in enumerate(self._questions):
            if wanted is None:
                return
            if place == wanted[0]:
                yield self._scored(question, wanted[1])
                wanted = next(judged, None)

    def _scored(self, question: Question, verdict: Verdict) -> Scored:
        prediction = self._kept[question.id]
        return Scored(as_shown(question, prediction), prediction, verdict)


def _score_very_many(record: Record, kept: Kept) -> ScoredBenchmark:
    """Score the answers one by one, keeping of each what the numbers need."""
    answers = Answers(record.questions, kept.by_id)
    slim = Slimmer()
    needed: list[Scored] = []
    together: list[tuple[str, Question]] = []
    used = scorer(record.card.scoring)
    if used.score_all is not None:  # a metric of all answers together is given all of them
        together = [(kept.by_id[q.id].response, q) for q in record.questions if q.id in kept.by_id]
    verdicts = iter(used.verdicts(together))
    for place, asked in enumerate(record.questions):
        prediction = kept.by_id.get(asked.id)
        if prediction is None:
            continue
        question = as_shown(asked, prediction)
        verdict = (
            next(verdicts)
            if used.score_all is not None and question.scoring is None
            else scorer(question.scoring or record.card.scoring).verdicts([(prediction.response, question)])[0]
        )
        answers.add(place, verdict)
        needed.append(slim(Scored(question, prediction, verdict)))
    return ScoredBenchmark(record, _result(record, needed, answers), answers)


class Slimmer:
    """Takes from scored answers what the numbers do not need: texts, prompts, and what recurs."""

    def __init__(self) -> None:
        """Nothing recurred yet."""
        self._shared: dict[Any, Any] = {}

    def __call__(self, item: Scored) -> Scored:
        """Return the answer with a question of the same numbers: its options are called by their places."""
        question = item.question
        choices, right, others = question.choices, question.reference, question.alternatives
        if choices and item.verdict.rule not in EQUALITY:
            right = str(choices.index(right)) if right in choices else ""
            others = tuple(str(choices.index(text)) for text in others if text in choices)
            choices = tuple(str(choices.index(text)) if text.strip() else "" for text in choices)
        groups = self._shared.setdefault(tuple(question.groups.items()), question.groups)
        cluster = item.prediction.id if question.cluster == item.prediction.id else sys.intern(question.cluster)
        kept = Question(
            item.prediction.id, "", "", (), self._shared.setdefault(choices, choices), right, cluster,
            self._shared.setdefault(others, others), question.measure, groups, question.scoring,
            erratum=question.erratum,
        )  # fmt: skip
        return Scored(kept, item.prediction, item.verdict)


def _score_variant(record: Record, kept: Kept, variant: Variant) -> ScoredBenchmark:
    """Score the questions of which every answer is there."""
    answered: list[tuple[Question, Prediction]] = []
    whole: list[tuple[Question, int]] = []
    for question in record.questions:
        expected = turns(question, variant)
        given = [(turn.question, kept.by_id[turn.id]) for turn in expected if turn.id in kept.by_id]
        if len(given) == len(expected):
            answered += given
            whole.append((question, len(given)))
    single = iter(_scored(record.card.scoring, answered))
    asked = [list(itertools.islice(single, count)) for _, count in whole]
    scored = [
        together(question, parts, variant, graded=scorer(question.scoring or record.card.scoring).is_graded)
        for (question, _), parts in zip(whole, asked, strict=True)
    ]
    result = _result(record, scored)
    shown = [] if record.card.hidden else [parts for parts in asked if parts[0].question.measure == HEADLINE]
    most = scorer(record.card.scoring).most
    beside_it = {name: mean_of(items, most) for name, items in beside(shown, variant).items() if items}
    note = once(record.questions, variant)
    result = dataclasses.replace(
        result,
        measures={**result.measures, **beside_it},
        notices=[*result.notices, *([note] if note else [])],
    )
    return ScoredBenchmark(record, result, scored, asked)


def _scored(scoring: str, answered: Sequence[tuple[Question, Prediction]]) -> list[Scored]:
    """Return the verdicts in order; each scorer is given all of its answers at once."""
    by_scorer: dict[str, list[int]] = {}
    for place, (question, _) in enumerate(answered):
        by_scorer.setdefault(question.scoring or scoring, []).append(place)
    verdicts: dict[int, Verdict] = {}
    for name, places in by_scorer.items():
        given = [(answered[place][1].response, answered[place][0]) for place in places]
        verdicts.update(zip(places, scorer(name).verdicts(given), strict=True))
    return [Scored(question, given, verdicts[place]) for place, (question, given) in enumerate(answered)]


def as_shown(question: Question, prediction: Prediction) -> Question:
    """Return the question with its options in the order that the model saw."""
    return dataclasses.replace(question, choices=prediction.shown) if prediction.shown else question


def read_by(name: str, record: Record, scored: Iterable[Scored]) -> Iterator[Scored]:
    """Yield the answers as a published parser reads them, without those that it says nothing about."""
    option = record.card.published_option if record.card.published_extractor == name else "{text}"
    read = ((item, published.read(name, item.prediction.response, item.question, option)) for item in scored)
    yield from (Scored(item.question, item.prediction, verdict) for item, verdict in read if verdict is not None)


def _result(record: Record, scored: Sequence[Scored], whole: Sequence[Scored] | None = None) -> Result:
    """Return the numbers.

    Args:
        record: The benchmark.
        scored: Its answers, with what `Slimmer` leaves of them at least.
        whole: The same with their questions, where those are slim.
    """
    whole = scored if whole is None else whole
    card, coverage = record.card, record.coverage
    answered = [item for item in scored if item.question.measure == HEADLINE]
    headline = [] if card.hidden else [item for item in answered if _is_number(item)]
    unjudged = len(answered) - len(headline) if not card.hidden else 0
    used = scorer(card.scoring)
    total = _group(headline, used)
    rules = Counter(item.verdict.rule for item in answered)
    standard_error, clusters = clustered_standard_error(
        [_value(item, used) for item in headline], [item.question.cluster for item in headline]
    )
    unanswered = len(record.questions) - len(scored)
    others = sorted({item.question.measure for item in scored} - {HEADLINE})
    is_asked = card.also and headline
    also, missing = _also(card, [item for item in whole if _is_number(item)] if is_asked else [])
    return Result(
        name=card.name,
        title=card.title,
        protocol=card.protocol,
        protocol_version=card.protocol_version,
        n=total.n,
        correct=total.correct,
        accuracy=total.accuracy,
        interval=total.interval,
        metric=used.measure,
        interval_method="t 95 %, clustered by image" if used.is_graded else "wilson 95 %, answers taken as independent",
        chance=total.chance,
        standard_error=standard_error if headline else 0.0,
        standard_error_method="clustered by image",
        clusters=clusters,
        interval_clustered=(
            total.interval if used.is_graded else wilson_clustered(total.correct, total.n, standard_error, clusters)
        ),
        extractor=used.version,
        rules=dict(sorted(rules.items(), key=lambda pair: (-pair[1], pair[0]))),
        no_answer={rule: rules[rule] / len(answered) if answered else 0.0 for rule in NO_ANSWER},
        cut=sum(item.prediction.cut for item in answered),
        refused_by_server=sum(bool(item.prediction.refused) for item in answered),
        groups={column: _by_group(headline, column, used) for column in card.groups},
        measures={
            **{name: mean_of([item for item in scored if item.question.measure == name]) for name in others},
            **_published_measures(record, [] if card.hidden else whole, others),
            **also,
            **_without_errata(headline, used),
        },
        questions=coverage.asked,
        expected=coverage.expected,
        expected_from=card.count_source,
        expected_verified=card.count_verified,
        limit=coverage.limit,
        unanswered=unanswered,
        partial=coverage.partial or unanswered + unjudged > 0,
        source=card.source,
        revision=card.revision,
        license=card.license,
        notes=card.notes,
        headline=card.headline,
        macro=_macro(headline, card.groups[0], used) if card.headline == "macro" and headline else None,
        hidden=card.hidden,
        notices=[*notices(card, headline), *missing, *_waiting(unjudged)],
    )


def _is_number(item: Scored) -> bool:
    """Return whether an answer is one of those behind the protocol's number."""
    return item.question.measure == HEADLINE and item.verdict.rule != UNJUDGED


def _waiting(unjudged: int) -> list[str]:
    return (
        [f"{unjudged} answers wait for a judge: `gmai bench judge OUT --endpoint URL --model JUDGE`"]
        if unjudged
        else []
    )


def rescored(benchmark: ScoredBenchmark, scored: Sequence[Scored]) -> ScoredBenchmark:
    """Return a benchmark with other verdicts on the same answers."""
    return ScoredBenchmark(benchmark.record, _result(benchmark.record, scored), scored)


def _published_measures(record: Record, scored: Sequence[Scored], others: Sequence[str]) -> dict[str, OtherMeasure]:
    """Return the numbers that the protocol's published parser gives the same answers, one per measure it reads."""
    name = record.card.published_extractor
    found: dict[str, OtherMeasure] = {}
    for measure in (HEADLINE, *others) if name else ():
        slim = Slimmer()
        own = (item for item in scored if item.question.measure == measure)
        read = [slim(item) for item in read_by(name, record, own)]
        if read:
            found[f"{'' if measure == HEADLINE else measure + ' '}as read by {name}"] = mean_of(read)
    return found


def _also(card: Card, headline: Sequence[Scored]) -> tuple[dict[str, OtherMeasure], list[str]]:
    """Return the numbers of the protocol's further scorers, and which of them cannot be computed here."""
    found: dict[str, OtherMeasure] = {}
    missing: list[str] = []
    for name in card.also if headline else ():
        used = scorer(name)
        try:
            verdicts = used.verdicts([(item.prediction.response, item.question) for item in headline])
        except UserError as error:
            missing.append(f"{used.measure} is not computed: {error}")
            continue
        rescored = [Scored(i.question, i.prediction, v) for i, v in zip(headline, verdicts, strict=True)]
        found[used.measure] = mean_of(rescored, used.most)
    return found, missing


def _without_errata(headline: Sequence[Scored], used: Scorer) -> dict[str, OtherMeasure]:
    """Return the number over the questions whose right answers nobody found to be wrong, where there are others."""
    kept = [item for item in headline if not item.question.erratum]
    if len(kept) == len(headline) or not kept:
        return {}
    sources = ", ".join(dict.fromkeys(item.question.erratum for item in headline if item.question.erratum))
    name = f"without {len(headline) - len(kept)} errata ({sources})"
    values = [Scored(i.question, i.prediction, Verdict(_value(i, used), i.verdict.rule, None)) for i in kept]
    return {name: mean_of(values, used.most)}


def _value(item: Scored, used: Scorer) -> float:
    """Return what an answer adds to the number: its score where that is graded, else whether it is right."""
    return item.verdict.score if used.is_graded else float(item.verdict.score == 1.0)


def _macro(headline: Sequence[Scored], column: str, used: Scorer) -> OtherMeasure:
    mean, interval = macro_bootstrap(
        [_value(item, used) for item in headline],
        [item.question.groups[column] for item in headline],
        [item.question.cluster for item in headline],
    )
    return OtherMeasure(len(headline), mean, interval, f"bootstrap 95 % over images within {column}")


def _group(scored: Sequence[Scored], used: Scorer) -> GroupResult:
    n = len(scored)
    correct = sum(item.verdict.score == 1.0 for item in scored)
    if used.is_graded:
        values, clusters = [item.verdict.score for item in scored], [item.question.cluster for item in scored]
        error, count = clustered_standard_error(values, clusters)
        mean = max(0.0, min(used.most, sum(values) / n)) if n else 0.0  # rubrics have answers below 0
        return GroupResult(n, correct, mean, mean_interval(mean, error, count, most=used.most), None)
    by_chance = [_chance(item.question, item.orders) for item in scored if item.question.choices]
    share = correct / n if n else 0.0
    return GroupResult(n, correct, share, wilson(correct, n), sum(by_chance) / n if by_chance else None)


def _chance(question: Question, orders: int) -> float:
    """Return how often one option drawn by chance is right: of equal ones each counts, and in each order it must be."""
    right = sum(text == question.reference or text in question.alternatives for text in question.choices)
    if not right and SET_JOIN in question.reference:
        return 0.0  # several are right together
    shown = sum(bool(text.strip()) for text in question.choices)  # an empty one keeps its letter, unshown
    return (max(1, right) / max(1, shown)) ** orders


def _by_group(scored: Sequence[Scored], column: str, used: Scorer) -> dict[str, GroupResult]:
    members: dict[str, list[Scored]] = {}
    for item in scored:
        members.setdefault(item.question.groups[column], []).append(item)
    return {value: _group(members[value], used) for value in sorted(members)}


def mean_of(scored: Sequence[Scored], most: float = 1.0) -> OtherMeasure:
    """Return the mean score of answers with its clustered 95 % interval."""
    values = [item.verdict.score for item in scored]
    standard_error, clusters = clustered_standard_error(values, [item.question.cluster for item in scored])
    mean = max(0.0, min(most, sum(values) / len(values)))
    interval = mean_interval(mean, standard_error, clusters, most=most)
    return OtherMeasure(len(values), mean, interval, "t 95 %, clustered by image")
