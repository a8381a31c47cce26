"""What a run keeps of a benchmark beside the answers, so that a report can be rebuilt without model or source.

OUT/FAMILY/PROTOCOL/benchmark.json   the card, and how much of the benchmark was asked
OUT/FAMILY/PROTOCOL/questions.jsonl  the questions, images by digest
"""

import dataclasses
import itertools
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError
from gmai_formats.files import replace_atomically
from gmai_formats.state import DamagedError, damage, read_state, seal, write_state

from gmai_bench.benchmarks.errata import Errata, marked
from gmai_bench.benchmarks.question import Benchmark, Card, Criterion, KeepImage, Question
from gmai_bench.benchmarks.spool import IN_MEMORY, QuestionFile, as_line, held


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a benchmark is asked."""

    asked: int
    expected: int | None
    limit: int | None

    @property
    def partial(self) -> bool:
        """Whether the number stands for less (or more) than the whole benchmark."""
        return self.limit is not None or (self.expected is not None and self.asked != self.expected)


@dataclass(frozen=True, slots=True)
class Record:
    """One benchmark of a run."""

    card: Card
    coverage: Coverage
    questions: Sequence[Question]
    """In memory, or on disk where there are very many."""


def load(
    benchmark: Benchmark,
    keep_image: KeepImage,
    *,
    limit: int | None,
    allow_partial: bool,
    expect: Mapping[str, int] | None = None,
    errata: Errata | None = None,
) -> Record:
    """Read a benchmark's questions and hold their count to what is due.

    Args:
        benchmark: The benchmark under its protocol.
        keep_image: Where the images go.
        limit: Take the first so many questions only.
        allow_partial: Accept a copy whose count differs from the expected one.
        expect: Protocol ▶ questions that the user says are due, where the shipped count is not verified.
        errata: Questions whose right answers are known to be wrong.

    Raises:
        UserError: The copy is incomplete, or holds no question.
    """
    card = _with_count(benchmark.card, (expect or {}).get(benchmark.card.protocol))
    read = itertools.islice(benchmark.questions(keep_image), limit)
    if errata:
        read = marked(read, card.name, card.protocol, errata)
    questions = held(read, dataclasses.asdict, _question)
    if not questions:
        raise UserError(f"{card.name} ({card.source}): holds no question. Check the copy, or --limit.")
    if limit is None and not allow_partial and card.expected is not None and len(questions) != card.expected:
        raise UserError(
            f"{card.name} ({card.source}): found {len(questions)} questions, {card.protocol} is due {card.expected}. "
            f"A number of a protocol stands for all of its questions. Complete the copy, or pass --allow-partial, "
            f"which the report will say.{_unverified(card)}"
        )
    if limit is None and not allow_partial:
        _check_groups(card, questions)
    limited = limit if limit is not None and (card.expected is None or len(questions) < card.expected) else None
    return Record(card, Coverage(len(questions), card.expected, limited), questions)


def _with_count(card: Card, given: int | None) -> Card:
    """Return the card with the count that `--expect` gives for it."""
    if given is None:
        return card
    if card.count_verified:
        raise UserError(
            f"--expect {card.protocol}={given}: the count of {card.protocol} is {card.expected} "
            f"({card.count_source or 'as its file says'}). --expect is for counts that are not verified. "
            f"Leave it out; --allow-partial accepts another count."
        )
    source = f"given with --expect; shipped with the package is {card.expected}, not verified"
    return dataclasses.replace(card, expected=given, count_source=source)


def _unverified(card: Card) -> str:
    if card.count_verified:
        return ""
    return (
        f" The count due is not verified ({card.count_source}): if you know the copy to be whole, pass "
        f"--expect {card.protocol}=N with its count."
    )


def _check_groups(card: Card, questions: Sequence[Question]) -> None:
    for column, expected in card.expected_groups.items():
        found = Counter(question.groups[column] for question in questions)
        wrong = [f"{value} {found[value]} (due {n})" for value, n in expected.items() if found[value] != n]
        if wrong:
            raise UserError(
                f"{card.name} ({card.source}): the questions by {column} are not those of {card.protocol}: "
                f"{', '.join(wrong)}. A number of a protocol stands for all of its questions. Complete the copy, or "
                f"pass --allow-partial, which the report will say."
            )


def write(record: Record, folder: Path) -> None:
    """Write a benchmark's card and questions into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with replace_atomically(folder / "questions.jsonl") as file:
        if isinstance(record.questions, QuestionFile):
            with record.questions.path.open("rb") as spool:
                shutil.copyfileobj(spool, file)
        else:
            file.writelines(as_line(dataclasses.asdict(question)) for question in record.questions)
    kept = {"card": dataclasses.asdict(record.card), "coverage": dataclasses.asdict(record.coverage)}
    write_state(folder / "benchmark.json", {**kept, "questions": seal(folder / "questions.jsonl")})


def read(folder: Path) -> Record:
    """Read what `write` wrote.

    Raises:
        UserError: The files are missing or were changed by hand.
    """
    try:
        kept = cast("dict[str, dict[str, Any]]", read_state(folder / "benchmark.json"))
        if problem := damage(folder / "questions.jsonl", kept["questions"]):
            raise ValueError(problem)
        tuples = {name: tuple(kept["card"][name]) for name in ("groups", "also") if name in kept["card"]}
        card_fields: dict[str, Any] = {**kept["card"], **tuples}
        card, coverage = Card(**card_fields), Coverage(**kept["coverage"])
        on_disk = QuestionFile(folder / "questions.jsonl", _question)
        questions = tuple(on_disk) if len(on_disk) <= IN_MEMORY else on_disk
    except (OSError, ValueError, KeyError, TypeError, DamagedError) as error:
        raise DamagedError(
            f"{folder}: benchmark.json or questions.jsonl cannot be used ({error}). `gmai bench` writes both. "
            f"Run the `gmai bench` command of run.json again: it writes them anew and asks nothing that is answered."
        ) from error
    return Record(card, coverage, questions)


_ARRAYS = ("images", "choices", "continuations", "alternatives", "image_names", "turns", "rubric")


def _question(fields: dict[str, Any]) -> Question:
    arrays: dict[str, Any] = {name: tuple(fields[name]) for name in _ARRAYS if name in fields}
    if fields.get("turns"):
        arrays["turns"] = tuple((role, text) for role, text in fields["turns"])
    if fields.get("rubric"):
        arrays["rubric"] = tuple(Criterion(text, points, tuple(tags)) for text, points, tags in fields["rubric"])
    return Question(**(fields | arrays))
