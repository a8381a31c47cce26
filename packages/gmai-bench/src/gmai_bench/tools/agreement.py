"""Notes of readers, as the report page saves them, against the rules and one another: how far do they agree?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError

from gmai_bench.report.build import read_folder, run_folders
from gmai_bench.scoring.statistics import wilson
from gmai_bench.tools.equality import read_judged
from gmai_bench.tools.rubric import has_rubric, met_by

LABELS = ("right", "wrong", "unclear")
Notes = Mapping[tuple[str, str], str]
"""Protocol and question id ▶ label."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two readings of the same questions agree, of those that neither calls unclear."""

    first: str
    second: str
    n: int
    agreed: int
    interval: tuple[float, float]
    """95 % Wilson interval of the share."""
    kappa: float | None
    """Cohen 1960; none where both readings say one thing only."""
    unclear: int
    """Questions that a reader calls unclear; they are left out."""
    differing: tuple[tuple[str, str], ...]
    """Protocol and id of the questions that they read differently."""


def read_notes(path: Path) -> Notes:
    """Read a file of notes: JSON Lines with protocol, id and label (right, wrong, unclear).

    A note on a rubric has the number of its `criterion` too, counted from 1; "right" says that it is met.

    Raises:
        UserError: It cannot be read, or a label is none of these.
    """
    found: dict[tuple[str, str], str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            note = cast("dict[str, Any]", json.loads(line))
            label = note.get("label")
            if label is None:
                continue  # a note without a label
            if label not in LABELS:
                raise UserError(
                    f'{path} line {number}: the label "{label}" is none of {", ".join(LABELS)}. Correct the line.'
                )
            place = f" criterion {note['criterion']}" if "criterion" in note else ""
            found[str(note["protocol"]), f"{note['id']}{place}"] = str(label)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not readable as notes ({type(error).__name__}: {error}). The report page saves them with "
            f'"save notes": one {{"protocol", "id", "label"}} a line.'
        ) from error
    if not found:
        raise UserError(f"{path}: holds no label. Label some questions on the report page and save the notes.")
    return found


def agreements(out: Path, files: Sequence[Path]) -> list[Agreement]:
    """Return how far each reader agrees with the rules, and each two readers with one another.

    Raises:
        UserError: A file is no notes, or labels questions that the run does not have.
    """
    readers = {path.name: read_notes(path) for path in files}
    rules: dict[tuple[str, str], str] = {}
    judged: dict[tuple[str, str], str] = {}
    for folder in run_folders(out):
        benchmark = read_folder(folder)
        protocol = benchmark.result.protocol
        if has_rubric(benchmark):
            for identity, met in met_by(folder, benchmark).items():
                verdicts = {f"{identity} criterion {n}": is_met for n, is_met in enumerate(met, start=1)}
                judged |= {(protocol, name): "right" if is_met else "wrong" for name, is_met in verdicts.items()}
            continue
        rules |= {(protocol, i.question.id): "right" if i.verdict.score == 1.0 else "wrong" for i in benchmark.scored}
        for identity, verdicts in read_judged(folder).items():
            judged[protocol, identity] = "right" if verdicts["right"] else "wrong"
    for name, notes in readers.items():
        strange = next((key for key in notes if key not in rules and key not in judged), None)
        if strange:
            raise UserError(
                f"{name}: labels {strange[1]} of {strange[0]}, which {out} does not have. Give the notes of this run."
            )
    readings: list[tuple[str, Notes]] = [
        (name, verdicts) for name, verdicts in (("the rules", rules), ("the judge", judged)) if verdicts
    ]
    readings += readers.items()
    return [
        agreement(first, second, one, other)
        for place, (first, one) in enumerate(readings)
        for second, other in readings[place + 1 :]
    ]


def agreement(first: str, second: str, one: Notes, other: Notes) -> Agreement:
    """Return how far two readings agree on the questions that both have."""
    shared = [key for key in one if key in other]
    clear = [key for key in shared if "unclear" not in (one[key], other[key])]
    differing = tuple(key for key in clear if one[key] != other[key])
    n, agreed = len(clear), len(clear) - len(differing)
    return Agreement(first, second, n, agreed, wilson(agreed, n), _kappa(one, other, clear), len(shared) - n, differing)


def _kappa(one: Notes, other: Notes, keys: Sequence[tuple[str, str]]) -> float | None:
    if not keys:
        return None
    n = len(keys)
    observed = sum(one[key] == other[key] for key in keys) / n
    shares = [[sum(notes[key] == label for key in keys) / n for label in ("right", "wrong")] for notes in (one, other)]
    by_chance = sum(a * b for a, b in zip(*shares, strict=True))
    return None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)
