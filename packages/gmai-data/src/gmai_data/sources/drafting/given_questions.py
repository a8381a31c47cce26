"""A table or JSON list with a picture, a question and an answer in each entry: samples already, without a card."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from gmai_formats.json_text import parse_json

from gmai_data.sources.files.folder import Folder
from gmai_data.sources.files.tables import read_table

_QUESTION = ("question", "questions", "q", "问题")
_ANSWER = ("answer", "answers", "a", "gt_answer", "答案", "回答")
_LARGEST = 500_000_000
_LOOKED_AT = 20
_ENOUGH = 0.5


@dataclass(frozen=True)
class GivenQuestions:
    """A file of questions with answers, and what its columns are called."""

    path: Path
    image: str
    question: str
    answer: str


@dataclass(frozen=True)
class Entry:
    """One question about one picture as a file gives it; the texts may be empty."""

    place: str
    """File and number, for messages."""
    image: str
    question: str
    answer: str


def given_questions(folder: Folder) -> list[GivenQuestions]:
    """Return the files of a folder that hold questions with answers about its pictures, sorted by name."""
    found = [named for path, rows in folder.tables if (named := _named(path, rows[:_LOOKED_AT], folder)) is not None]
    for path in folder.with_ending(".json", ".jsonl"):
        named = _named(path, _first_records(path), folder)
        if named is not None:
            found.append(named)
    return sorted(found, key=lambda each: each.path)


def entries(given: GivenQuestions, folder: Folder) -> Iterator[Entry]:
    """Yield the questions of a file, in its order."""
    name = folder.below(given.path)
    if given.path.suffix.lower() in (".json", ".jsonl"):
        for number, record in enumerate(_records(given.path), start=1):
            texts = (_text(record.get(key)) for key in (given.image, given.question, given.answer))
            yield Entry(f"{name}: entry {number}", *texts)
        return
    _, rows = read_table(given.path, lambda names: given.question in names)
    for number, row, problem in rows:
        cells = ("", "", "") if problem else (row[given.image], row[given.question], row[given.answer])
        yield Entry(f"{name}: data row {number}", *cells)


def picture_finder(folder: Folder) -> Mapping[str, Path]:
    """Return path below the folder, file name or stem ▶ picture; a name that several pictures have is left out."""
    found: dict[str, Path | None] = {}
    for path in folder.images:
        below = PurePosixPath(folder.below(path))
        for name in {str(below), below.name, below.stem}:
            found[name] = None if name in found else path
    return {name: path for name, path in found.items() if path is not None}


def _named(path: Path, rows: Sequence[Mapping[str, Any]], folder: Folder) -> GivenQuestions | None:
    if not rows:
        return None
    names = {str(name).strip().lower(): str(name) for name in rows[0]}
    question = next((names[name] for name in _QUESTION if name in names), None)
    answer = next((names[name] for name in _ANSWER if name in names), None)
    if question is None or answer is None:
        return None
    pictures = picture_finder(folder)
    for name in rows[0]:
        if name not in (question, answer):
            there = sum(_text(row.get(name)) in pictures for row in rows)
            if there > _ENOUGH * len(rows):
                return GivenQuestions(path, str(name), question, answer)
    return None


def _first_records(path: Path) -> list[Mapping[str, Any]]:
    if path.suffix.lower() == ".json" and path.stat().st_size > _LARGEST:
        return []
    return [record for record, _ in zip(_records(path), range(_LOOKED_AT), strict=False)]


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        if path.suffix.lower() == ".jsonl":
            with path.open(encoding="utf-8-sig", errors="replace") as file:
                parsed: list[Any] = [parse_json(line) for line in file if line.strip()]
        else:
            document: Any = parse_json(path.read_bytes())
            lists = [each for each in document.values() if isinstance(each, list)] if isinstance(document, dict) else []
            parsed = document if isinstance(document, list) else lists[0] if len(lists) == 1 else []
    except ValueError:
        return
    for record in parsed:
        if isinstance(record, dict):
            yield cast(Mapping[str, Any], record)


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int | float | bool) else ""
