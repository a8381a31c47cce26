"""Known wrong answers of a benchmark, as lists with their source: scored with and without, never silently changed.

A list is a CSV with the columns `id` and `source` (an address), and more that are left alone. A column `benchmark`
names the benchmark or protocol of a row; without it a row counts for every benchmark that has the id.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from gmai_formats import separated
from gmai_formats.errors import UserError

from gmai_bench.benchmarks.question import Question

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
        raise UserError(f"{path}: not readable as CSV ({error}). Correct the path or the file.") from error
    if not found:
        raise UserError(f"{path}: holds no erratum. Leave --errata out.")
    return found


def marked(questions: Sequence[Question], name: str, protocol: str, errata: Errata) -> tuple[Question, ...]:
    """Return the questions, the known wrong ones with the source of the finding."""

    def source(identity: str) -> str:
        return next((errata[key, identity] for key in (protocol, name, "") if (key, identity) in errata), "")

    return tuple(
        dataclasses.replace(question, erratum=found) if (found := source(question.id)) else question
        for question in questions
    )
