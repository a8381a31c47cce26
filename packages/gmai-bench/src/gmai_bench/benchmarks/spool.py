"""Questions on disk, read when they are looked at: half a million of them need no memory but for where each begins."""

import json
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, overload

from gmai_bench.benchmarks.question import Question

IN_MEMORY = 20_000
"""Questions that are kept in memory; of more than that all are read from disk."""


class QuestionFile(Sequence[Question]):
    """The questions of a file, one JSON object a line."""

    def __init__(self, path: Path, parse: Callable[[dict[str, Any]], Question], *, spool: Any = None) -> None:
        """Find where each question begins.

        Args:
            path: The file; it must stay as it is.
            parse: Fields ▶ question.
            spool: A temporary file that lives as long as this object.
        """
        self.path, self._parse, self._spool = path, parse, spool
        self._starts = array("Q")
        self._file: IO[bytes] | None = None
        start = 0
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    self._starts.append(start)
                start += len(line)

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> Question: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Question]: ...

    def __getitem__(self, index: int | slice) -> Question | Sequence[Question]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        self._file = self._file or self.path.open("rb")
        self._file.seek(self._starts[index])
        return self._parse(json.loads(self._file.readline()))

    def __iter__(self) -> Iterator[Question]:
        with self.path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield self._parse(json.loads(line))


class ById(Mapping[str, Question]):
    """The questions of a file by their ids, each read when it is looked at."""

    def __init__(self, questions: QuestionFile) -> None:
        """Read the ids."""
        self._questions = questions
        self._places = {question.id: place for place, question in enumerate(questions)}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, identity: object) -> bool:
        return identity in self._places

    def __getitem__(self, identity: str) -> Question:
        return self._questions[self._places[identity]]


def as_line(fields: dict[str, Any]) -> bytes:
    """Return a question's fields as a line."""
    return (json.dumps(fields, ensure_ascii=False) + "\n").encode("utf-8")


def held(
    questions: Iterable[Question], as_fields: Callable[[Question], dict[str, Any]], parse: Callable[..., Question]
) -> Sequence[Question]:
    """Return questions in memory, or from a temporary file where there are more than `IN_MEMORY`."""
    read = iter(questions)
    first: list[Question] = []
    for question in read:
        first.append(question)
        if len(first) > IN_MEMORY:
            break
    else:
        return tuple(first)
    spool = tempfile.NamedTemporaryFile(prefix="gmai-questions-", suffix=".jsonl")  # noqa: SIM115 - lives on
    spool.writelines(as_line(as_fields(question)) for question in first)
    del first
    spool.writelines(as_line(as_fields(question)) for question in read)
    spool.flush()
    return QuestionFile(Path(spool.name), parse, spool=spool)
