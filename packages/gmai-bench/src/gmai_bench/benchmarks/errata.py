"""Known wrong answers of a benchmark, as lists with their source: scored with and without, never silently changed.

A list is a CSV with the columns `id` and `source` (an address), and more that are left alone. A column `benchmark`
names the benchmark or protocol of a row; without it a row counts for every benchmark that has the id.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gmai_formats import separated
from gmai_formats.errors import UserError, told

from gmai_bench.benchmarks.question import Question
from gmai_bench.benchmarks.variants import base

if TYPE_CHECKING:
    from gmai_bench.benchmarks.record import Record

Errata = Mapping[tuple[str, str], str]
"""Benchmark or protocol (empty for all) and id ▶ source."""


def read_errata(path: Path) -> dict[tuple[str, str], str]:
    """Read a list.

    Raises:
        UserError: It cannot be read, or a row lacks id or source.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = separated.DictReader(file)
            missing = [name for name in ("id", "source") if name not in (reader.fieldnames or [])]
            if missing:
                raise UserError(
                    f"{path}: has no column {' and '.join(missing)}. A list of errata says which question, and who "
                    f"found it (an address). Add it."
                )
            found: dict[tuple[str, str], str] = {}
            for number, row in enumerate(reader, start=2):
                identity, source = (row["id"] or "").strip(), (row["source"] or "").strip()
                if not identity or not source:
                    raise UserError(f"{path} row {number}: id or source is empty. Fill it in, or remove the row.")
                found[(row.get("benchmark") or "").strip(), identity] = source
    except (OSError, UnicodeDecodeError, separated.TableError) as error:
        raise UserError(f"{path}: not readable as CSV ({told(error)}). Correct the path or the file.") from error
    if not found:
        raise UserError(f"{path}: holds no erratum. Leave --errata out.")
    return found


def unused(errata: Errata, asked: "Iterable[Record]") -> str:
    """Say which rows of a list are about no question that is asked; nothing where every one is.

    Args:
        errata: The list.
        asked: The benchmarks, their questions marked.
    """
    found: set[tuple[str, str]] = set()
    for item in asked:
        ids = {question.id for question in item.questions if question.erratum}
        names = ("", item.card.name, base(item.card))
        found |= {key for key in errata if key[0] in names and key[1] in ids}
    left = [key for key in errata if key not in found]
    if not left:
        return ""
    benchmark, identity = left[0]
    which = f"{identity} of {benchmark}" if benchmark else identity
    return f"--errata: {len(left)} of {len(errata)} rows are about no question asked here, such as {which}"


def marked(questions: Iterable[Question], name: str, protocol: str, errata: Errata) -> Iterator[Question]:
    """Yield the questions, the known wrong ones with the source of the finding."""

    def source(identity: str) -> str:
        return next((errata[key, identity] for key in (protocol, name, "") if (key, identity) in errata), "")

    yield from (
        dataclasses.replace(question, erratum=found) if (found := source(question.id)) else question
        for question in questions
    )
