"""Records without usable ids ▶ their questions: by their order where every record shows it, else by what they show."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from gmai_cli.console import say
from gmai_formats.errors import UserError

from gmai_bench.answers.clues import is_right, plain, shows, shows_image
from gmai_bench.answers.records import Answered
from gmai_bench.benchmarks.question import Question

Number = TypeVar("Number", int, str)

Sequences = Sequence[tuple[str, Sequence[Question]]]
"""Protocol and its questions in order, those asked for first."""
_MOST_CHUNKS = 64
"""Processes that may have answered every n-th question each, at most."""
_MOST_TRIED = 500
"""Beginnings of orders that are gone on with, at most: questions that are alike fit in more than can be looked at."""
_LEAST_OF_CHUNK = 10
"""Questions that each of them has answered: fewer fit in many orders, and to try them all takes too long."""
_MOST_OTHER_GOLDS = 0.1
"""Share of records that may name another right answer and still be in order: lists of errata change a few."""


def in_order(records: Sequence[Answered], sequences: Sequences, path: Path) -> list[tuple[Answered, Question]]:
    """Return records with the questions of the first protocol that asks so many.

    Raises:
        UserError: None asks so many, or a record shows another question than stands at its place.
    """
    for protocol, questions in sequences:
        if len(questions) != len(records):
            continue
        for record, question in zip(records, questions, strict=True):
            if shows(record, question) is False:
                raise UserError(
                    f'{record.place}: shows the question "{(record.question or record.prompt)[:80]}", and in '
                    f'{protocol} "{question.text[:80]}" stands there. --in-order takes answers in the order of the '
                    f"benchmark. Leave it out, or name the ids with --id-key."
                )
        say(f"{path}: {len(records)} answers taken in the order of {protocol}, as --in-order says")
        return list(zip(records, questions, strict=True))
    counts = ", ".join(f"{protocol} {len(questions)}" for protocol, questions in sequences)
    raise UserError(
        f"{path}: holds {len(records)} answers, and --in-order needs as many as a protocol asks ({counts}). "
        f"Complete the file, or name the ids with --id-key."
    )


def aligned(records: Sequence[Answered], sequences: Sequences, path: Path) -> list[tuple[Answered, Question]]:
    """Return the records whose questions are sure, by order where the file keeps a protocol's, else by what they show.

    Records of one data set, where they name it, are looked at together; those of a data set of which none is known
    are passed over and counted.

    Raises:
        UserError: A record shows nothing, shows a question that is not known, or one that stands several times.
    """
    found: list[tuple[Answered, Question]] = []
    groups: dict[str, list[Answered]] = defaultdict(list)
    records = _in_order_of_test_id(records, path)
    for record in records:
        groups[record.data_set].append(record)
    texts = _by_text(sequences)
    strange: list[str] = []
    for name, every in groups.items():
        group = _once_each(every, path)
        pairs = _ordered(group, sequences, path) or _shown(group, texts)
        if not pairs and len(groups) > 1:
            strange.append(f"{name or 'none named'} ({len(group)})")
        elif len(pairs) < len(group):
            _refuse(group, {id(record) for record, _ in pairs}, sequences)
        found += pairs
    if not found:
        _refuse(records, set(), sequences)
    if strange:
        say(f"{path}: answers of data sets that are not asked for passed over: {', '.join(strange)}")
    return found


def _in_order_of_test_id(records: Sequence[Answered], path: Path) -> Sequence[Answered]:
    """Return records once each and in the order of their `test_id`, where that is a place in a file of questions.

    HuatuoGPT-Vision numbers the records of its bundle so. Its processes answer every n-th each, and those that have
    fewer answer the first ones again (https://github.com/FreedomIntelligence/HuatuoGPT-Vision, eval.py, scorer.py).

    Raises:
        UserError: One of them has two different answers.
    """
    places = [record.ids.get("test_id", "") for record in records]
    if not all(place.isdecimal() for place in places):
        return records
    numbered = list(zip(map(int, places), records, strict=True))
    remark = "; HuatuoGPT-Vision's own scorer takes the first"
    first = _first_of_each(numbered, "test_id", path, _what_is_asked, remark)
    if first is None:
        return records
    asked = [first[place] for place in sorted(first)]
    closed = [record for record in asked if record.options]
    if closed and len(closed) < len(asked):
        say(f"{path}: {len(asked) - len(closed)} records without options passed over, which are not scored there")
    return closed or asked


def _once_each(group: Sequence[Answered], path: Path) -> Sequence[Answered]:
    """Return records of lmms-eval once each: processes that have fewer answer some again, and a file is appended to.

    Raises:
        UserError: Two of them answer one `doc_id` differently.
    """
    if not _numbered(group):
        return group
    numbered = [(record.ids["doc_id"], record) for record in group]
    first = _first_of_each(numbered, "doc_id", path, lambda record: (_what_is_asked(record), record.prompt))
    return group if first is None else list(first.values())


def _first_of_each(
    numbered: Sequence[tuple[Number, Answered]], field: str, path: Path, asked: Callable[[Answered], object],
    remark: str = "",
) -> dict[Number, Answered] | None:  # fmt: skip
    """Return the first record of each number, None where a number stands for different questions of several files.

    Raises:
        UserError: A question has two different answers.
    """
    first: dict[Number, Answered] = {}
    for number, record in numbered:
        earlier = first.setdefault(number, record)
        if asked(earlier) != asked(record):
            return None
        if earlier.prediction.response != record.prediction.response:
            raise UserError(
                f"{record.place}: a second, different answer to {field} {number}, which {earlier.place} answers, too. "
                f"A question has one answer{remark}. Remove one of the two."
            )
    if repeated := len(numbered) - len(first):
        say(f"{path}: {repeated} records stand twice with the same answer and count once")
    return first


def _what_is_asked(record: Answered) -> tuple[str, str, str, tuple[str, ...], str]:
    return record.data_set, record.question, record.gold, record.options, record.image


def _ordered(group: Sequence[Answered], sequences: Sequences, path: Path) -> list[tuple[Answered, Question]]:
    """Return a group by order, where each of its records shows the question, or all but a few the right answer."""
    placed = _places(group)
    for protocol, questions in sequences:
        if placed is None or max(placed) >= len(questions) or (len(placed) < len(questions) and not _numbered(group)):
            continue
        pairs = [(record, questions[place]) for record, place in zip(group, placed, strict=True)]
        if shown := _shown_by_all(pairs, numbered=_numbered(group)):
            order = f"they stand in the order of {protocol}, each with its {shown}"
            say(f"{path}: {len(pairs)} answers have no ids; {order}")
            return pairs
        if not _numbered(group) and (pairs := _of_chunks(group, questions, path, protocol)):
            return pairs
    return []


def _shown_by_all(pairs: Sequence[tuple[Answered, Question]], *, numbered: bool) -> str:
    """Return what each record shows of its question, nothing where some contradicts it or nothing tells them apart."""
    by_text = [shows(record, question) for record, question in pairs]
    golds = [gold for record, question in pairs if (gold := is_right(record, question)) is not None]
    if False in by_text or golds.count(False) > _MOST_OTHER_GOLDS * len(golds):
        return ""
    if None in by_text:
        return "right answer" if len(golds) == len(pairs) else ""
    alike = len(pairs) > 1 and len({question.text for _, question in pairs}) == 1
    return "" if alike and not golds and not numbered else "question"


def _of_chunks(
    group: Sequence[Answered], questions: Sequence[Question], path: Path, protocol: str
) -> list[tuple[Answered, Question]]:
    """Return a group that several processes answered, each every n-th question, and whose parts stand one by one.

    MedEvalKit joins the files of its processes in the order in which the folder lists them
    (https://github.com/alibaba-damo-academy/MedEvalKit, utils/base_dataset.py). Nothing where two orders fit.
    """
    counts = range(2, min(_MOST_CHUNKS, len(questions) // _LEAST_OF_CHUNK) + 1)
    found = ((count, order) for count in counts for order in _orders(group, questions, count))
    fits = list(itertools.islice(found, 2))
    if len(fits) != 1:
        return []
    count, order = fits[0]
    pairs = list(zip(group, (question for part in order for question in questions[part::count]), strict=True))
    if not _shown_by_all(pairs, numbered=False):
        return []
    say(f"{path}: {len(pairs)} answers have no ids; they stand as {count} processes answered {protocol}, one by one")
    return pairs


def _orders(group: Sequence[Answered], questions: Sequence[Question], count: int) -> Iterator[tuple[int, ...]]:
    """Yield the orders of parts, each every `count`-th question from its own start, that a group's records show."""
    ways: list[tuple[tuple[int, ...], int]] = [((), 0)]
    for _ in range(_MOST_TRIED):
        if not ways:
            return
        order, done = ways.pop()
        if len(order) == count:
            yield order
        for part in range(count) if len(order) < count else ():
            own = questions[part::count]
            if part not in order and all(map(_agree, group[done : done + len(own)], own)):
                ways.append(((*order, part), done + len(own)))


def _agree(record: Answered, question: Question) -> bool:
    return shows(record, question) is True and is_right(record, question) is not False


def _numbered(group: Sequence[Answered]) -> bool:
    return all("doc_id" in record.ids for record in group)


def _places(group: Sequence[Answered]) -> list[int] | None:
    """Return the places of records in their data set: lmms-eval's `doc_id`, else as they stand."""
    if not _numbered(group):
        return list(range(len(group)))
    places = [int(record.ids["doc_id"]) if record.ids["doc_id"].isdecimal() else -1 for record in group]
    return places if min(places) >= 0 and len(set(places)) == len(places) else None


def _by_text(sequences: Sequences) -> dict[str, list[Question]]:
    texts: dict[str, dict[str, Question]] = defaultdict(dict)
    for _, questions in sequences:
        for question in questions:
            texts[plain(question.text)].setdefault(question.id, question)
    return {text: list(questions.values()) for text, questions in texts.items()}


def _shown(group: Sequence[Answered], texts: dict[str, list[Question]]) -> list[tuple[Answered, Question]]:
    """Return the records that show one known question only, by text, image, right answer and options."""
    found: list[tuple[Answered, Question]] = []
    for record in group:
        candidates = [
            question
            for question in texts.get(plain(record.question), []) if record.question
            if shows_image(record, question) is not False
        ]  # fmt: skip
        if len(candidates) > 1:
            candidates = [q for q in candidates if is_right(record, q) is not False and _same_options(record, q)]
        if len(candidates) == 1:
            found.append((record, candidates[0]))
        elif len(candidates) > 1:
            raise UserError(
                f'{record.place}: the question "{record.question[:80]}" stands {len(candidates)} times in the '
                f"benchmark ({candidates[0].id}, {candidates[1].id}, …), and the record does not say which is meant. "
                f"Name its id with --id-key, add its image's name, or pass --in-order if the file keeps the order."
            )
    return found


def _same_options(record: Answered, question: Question) -> bool:
    if not record.options or not question.choices:
        return True
    return sorted(map(plain, record.options)) == sorted(map(plain, question.choices))


def _refuse(group: Sequence[Answered], known: set[int], sequences: Sequences) -> None:
    record = next(one for one in group if id(one) not in known)
    strange = len(group) - len(known)
    protocol, questions = sequences[0]
    named = next(iter(record.ids.values()), "") or record.question[:80] or record.prompt[:80] or record.prediction.id
    named = f'"{named}"' if named else "one without an id or question"
    raise UserError(
        f"{record.place}: answers {strange} questions that {protocol} does not ask, such as {named} (the first of "
        f'{protocol} is {questions[0].id}, "{questions[0].text[:60]}"). An answer is matched by id, or by the question '
        f"that it shows. Check that the file belongs to this benchmark, name the key of its ids with --id-key, or pass "
        f"--in-order if it has one answer per question in the benchmark's order."
    )
