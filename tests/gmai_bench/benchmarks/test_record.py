from collections.abc import Iterator
from pathlib import Path

import pytest
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.question import Card, KeepImage, Question
from gmai_formats.errors import UserError


class Made:
    """A benchmark of some questions, half of them of group a."""

    def __init__(self, count: int, **fields: object) -> None:
        self._count = count
        about = {"name": "own", "title": "", "protocol": "own/p", "protocol_version": 1, "scoring": "exact",
                 "expected": 4, "groups": ("g",), "source": "s", "license": "", **fields}  # fmt: skip
        self.card = Card(**about)  # type: ignore[arg-type]

    def questions(self, keep_image: KeepImage) -> Iterator[Question]:
        for n in range(self._count):
            groups = {"g": "ab"[n % 2]}
            yield Question(str(n), "?\u2028", "?", (), ("x", "y"), "x", "", alternatives=("y",), groups=groups)


def load(benchmark: Made, limit: int | None = None, **settings: object) -> record.Record:
    return record.load(benchmark, lambda _, __: "", **{"limit": limit, "allow_partial": False, **settings})  # type: ignore[arg-type]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    item = load(Made(4))
    record.write(item, tmp_path)
    assert record.read(tmp_path) == item
    (tmp_path / "questions.jsonl").write_text("{")
    with pytest.raises(UserError, match=r"benchmark\.json or questions\.jsonl cannot be used"):
        record.read(tmp_path)


def test_counts_are_held(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found 3 questions, own/p is due 4"):
        load(Made(3))
    with pytest.raises(UserError, match=r"holds no question"):
        load(Made(0))
    assert load(Made(3), allow_partial=True).coverage.partial
    assert load(Made(9), limit=2).coverage == record.Coverage(2, 4, 2)
    with pytest.raises(UserError, match=r"by g are not those of own/p: a 2 \(due 3\), b 2 \(due 1\)"):
        load(Made(4, expected_groups={"g": {"a": 3, "b": 1}}))


def test_only_an_unverified_count_can_be_given() -> None:
    with pytest.raises(UserError, match=r"--expect own/p=3: the count of own/p is 4"):
        load(Made(3), expect={"own/p": 3})
    given = load(Made(3, count_verified=False), expect={"own/p": 3})
    assert (given.coverage.expected, given.coverage.partial) == (3, False)
    with pytest.raises(UserError, match=r"pass --expect own/p=N"):
        load(Made(3, count_verified=False))
