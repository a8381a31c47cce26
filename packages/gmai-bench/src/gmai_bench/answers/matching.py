"""Which answers of a file belong to which protocol: one file serves every protocol whose questions it answers."""

import dataclasses
from collections import ChainMap, Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from gmai_cli.console import say
from gmai_formats.errors import UserError

from gmai_bench.answers.alignment import aligned, in_order
from gmai_bench.answers.clues import order_shown, shows
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.answers.records import ID_KEYS, Answered
from gmai_bench.benchmarks.question import Question
from gmai_bench.benchmarks.record import Record
from gmai_bench.benchmarks.registry import is_other_id, left_out, siblings
from gmai_bench.benchmarks.spool import ById, QuestionFile

_MOST_OTHER_TEXTS = 0.5
"""Share of records that may show another text than the question of their id before the key is none of ids."""


def answers_to(
    items: Sequence[Record],
    records: Sequence[Answered],
    path: Path,
    data_root: Path | None,
    *,
    allow_partial: bool,
    by_order: bool = False,
) -> list[Kept]:
    """Return the answers to each protocol's questions.

    Records are matched by their ids, else by the questions that they show. An answer to a question that only another
    protocol of the same benchmark asks is passed over, and counted.

    Args:
        items: What is scored, each benchmark under its protocol.
        records: The file.
        path: The file's name, for messages.
        data_root: Where the other protocols of the same benchmarks lie.
        allow_partial: Accept questions without an answer.
        by_order: Take the records in the order of the benchmark, whatever their ids.

    Raises:
        UserError: An answer belongs to no known question, or to questions of two benchmarks, or a question has none.
    """
    families: dict[str, Mapping[str, Question]] = {}
    for item in items:
        own = ById(item.questions) if isinstance(item.questions, QuestionFile) else {q.id: q for q in item.questions}
        known = families.get(item.card.name)
        families[item.card.name] = own if known is None else ChainMap(own, known)  # type: ignore[arg-type]
    key = "" if by_order else _best_key(records, families)
    if key:
        unknown: list[Answered] = []
        by_id = _one_each(_by_id(records, key, families, path, unknown))
        if unknown and not any(item.coverage.limit is not None for item in items):
            _pass_over(unknown, key, items, data_root, path)
    else:
        sequences = _sequences(items, data_root)
        by_id = _one_each(in_order(records, sequences, path) if by_order else aligned(records, sequences, path))
    return [_own(item, by_id, path, allow_partial=allow_partial) for item in items]


def _best_key(records: Sequence[Answered], families: Mapping[str, Mapping[str, Question]]) -> str:
    """Return the key under which most records have an id of a question whose text they do not contradict."""
    found: Counter[str] = Counter()
    contradicted: Counter[str] = Counter()
    for record in records:
        for key in record.ids:
            question = next((q for q in _named(record, key, families).values()), None)
            if question is not None:
                found[key] += 1
                contradicted[key] += shows(record, question) is False
    known = [key for key in found if contradicted[key] <= _MOST_OTHER_TEXTS * found[key]]
    order = [key for key in found if key not in ID_KEYS] + list(ID_KEYS)  # one that is named, or of the metrics, first
    return max(known, key=lambda key: (found[key], -order.index(key)), default="")


def _named(record: Answered, key: str, families: Mapping[str, Mapping[str, Question]]) -> dict[str, Question]:
    """Return which question of each benchmark a record's id means, with what stands in front of it or without."""
    identity = record.ids.get(key)
    if identity is None:
        return {}
    forms = (identity, *(f"{name}/{identity}" for name in record.within))
    found: dict[str, Question] = {}
    for family, questions in families.items():
        form = next((form for form in forms if form in questions), None)
        if form is not None:
            found[family] = questions[form]
    return found


def _by_id(
    records: Sequence[Answered],
    key: str,
    families: Mapping[str, Mapping[str, Question]],
    path: Path,
    unknown: list[Answered],
) -> Iterator[tuple[Answered, Question]]:
    """Yield the records with their questions, and add those whose id is none to `unknown`."""
    count = 0
    others: list[Answered] = []
    for record in records:
        found = _named(record, key, families)
        if len(found) > 1:
            found = {name: q for name, q in found.items() if shows(record, q) is not False} or found
        if len(found) > 1:
            first, second = list(found)[:2]
            raise UserError(
                f'{path}: the answer to "{record.ids[key]}" may belong to {first} or to {second}, which both have such '
                f"a question. Score a file of each of them by itself."
            )
        for question in found.values():
            yield record, question
            count += 1
            if shows(record, question) is False:
                others.append(record)
        if not found:
            unknown.append(record)
    if others:
        say(
            f"{path}: {len(others)} of {count} records show another question than the benchmark has under their "
            f'id, such as {others[0].place} ("{others[0].question[:60]}"); they are matched by id'
        )


def _pass_over(
    unknown: Sequence[Answered], key: str, items: Sequence[Record], data_root: Path | None, path: Path
) -> None:
    """Count answers to questions that only other protocols ask, or that are of data sets not asked for."""
    left = list(unknown)
    for item in items:
        left = [record for record in left if not is_other_id(item.card.name, record.ids.get(key, ""))]
        unasked = left_out(item.card.protocol, data_root) if left else frozenset[str]()
        left = [record for record in left if record.ids.get(key) not in unasked]
    for item in items:
        for _, questions in siblings(item.card.protocol, data_root) if left else ():
            others = {item.card.name: {question.id: question for question in questions}}
            left = [record for record in left if not _named(record, key, others)]
    if left:
        asked = " and ".join(item.card.protocol for item in items)
        strange = left[0].ids.get(key, "without an id")
        raise UserError(
            f'{path}: answers {len(left)} questions that {asked} does not ask, such as "{strange}". '
            f"Ids must be those of the benchmark. Check that the file belongs to {items[0].card.source}, or name "
            f"all the benchmarks that it answers (--benchmark A,B)."
        )
    names = ", ".join(dict.fromkeys(item.card.name for item in items))
    say(f"{path}: {len(unknown)} answers passed over, to questions of the same data that {names} does not ask")


def _sequences(items: Sequence[Record], data_root: Path | None) -> list[tuple[str, Sequence[Question]]]:
    own: list[tuple[str, Sequence[Question]]] = [(item.card.protocol, item.questions) for item in items]
    names = {protocol for protocol, _ in own}
    more = [pair for item in items for pair in siblings(item.card.protocol, data_root) if pair[0] not in names]
    return own + more


def _one_each(pairs: Iterable[tuple[Answered, Question]]) -> dict[str, Prediction]:
    """Return the answers by the ids of their questions.

    Raises:
        UserError: A question has two different ones.
    """
    by_id: dict[str, Prediction] = {}
    for record, question in pairs:
        shown = record.prediction.shown or order_shown(record.options, question)
        prediction = record.prediction
        if (prediction.id, prediction.shown) != (question.id, shown):
            prediction = dataclasses.replace(prediction, id=question.id, shown=shown)
        earlier = by_id.get(question.id)
        if earlier is not None and earlier != prediction:
            raise UserError(
                f'{record.place}: a second, different answer to "{question.id}". A question has one answer. '
                f"Remove one of the two."
            )
        by_id[question.id] = prediction
    return by_id


def _own(item: Record, by_id: Mapping[str, Prediction], path: Path, *, allow_partial: bool) -> Kept:
    known = [question.id for question in item.questions]
    own = {identity: by_id[identity] for identity in known if identity in by_id}
    missing = [identity for identity in known if identity not in by_id]
    if not own:
        raise UserError(f"{path}: answers no question of {item.card.protocol}. Its first id is {known[0]}.")
    if missing and not allow_partial:
        raise UserError(
            f'{path}: has no answer to {len(missing)} of {len(known)} questions, such as "{min(missing)}". A number '
            f"of a protocol stands for all of its questions. Answer them, or pass --allow-partial (the report says so)."
        )
    reordered = sum(bool(prediction.shown) for prediction in own.values())
    if reordered:
        say(f"{path}: {reordered} records show the options in another order; their letters are read in that order")
    return Kept(own, 0, 0)
