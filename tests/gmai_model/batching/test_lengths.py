import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gmai_formats.errors import UserError
from gmai_model.batching import lengths
from gmai_model.batching.lengths import (
    CUT,
    MEASURED,
    REJECTED,
    UNMEASURED,
    WHOLE,
    in_processes,
    measure,
    own_cores,
    reasons,
)
from gmai_model.batching.samples import SampleSource
from gmai_model.batching.team import Team
from gmai_model.batching.tokens import REASONS, Measured, Rejected


class Table:
    """Rows that are numbers, in files of some lengths."""

    def __init__(self, *counts: int) -> None:
        self.digests = [f"file{number}" for number in range(len(counts))]
        self.starts = np.concatenate([[0], np.cumsum(counts)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def read(self, rows: np.ndarray) -> list[int]:
        return rows.tolist()


class Encoder:
    """A row takes as many tokens as its number and 3; all but the first two are learned."""

    digest = "e1"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def measure(self, rows: list[int]) -> list[Measured | Rejected]:
        return [self._measure(row) for row in rows]

    def _measure(self, row: int) -> Measured | Rejected:
        self.seen.append(row)
        return Rejected(REASONS[4]) if row == 5 else Measured(row + 3, row + 1, row % 2, is_cut=row == 4)


def source(table: Any, rows: list[int]) -> SampleSource:
    return SampleSource([table], np.zeros(len(rows), int), np.array(rows))


def measured(table: Any, rows: list[int], cache: Path, encoder: Encoder) -> list[tuple[int, ...]]:
    found = measure(source(table, rows), encoder, cache, Team(), shown=False)  # type: ignore[arg-type]
    assert found.dtype == MEASURED
    return [tuple(one) for one in found.tolist()]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "CHUNK_ROWS", 3)


def test_samples_are_measured_once_in_any_order(tmp_path: Path) -> None:
    encoder = Encoder()
    assert measured(Table(4, 3), [6, 0, 4, 5, 0], tmp_path, encoder) == [
        (9, 7, 0, WHOLE), (3, 1, 0, WHOLE), (7, 5, 0, CUT), (0, 0, 0, REJECTED + 4), (3, 1, 0, WHOLE),
    ]  # fmt: skip
    assert encoder.seen == [0, 4, 5, 6]
    again = Encoder()
    assert measured(Table(4, 3), [1, 0], tmp_path, again) == [(4, 2, 1, WHOLE), (3, 1, 0, WHOLE)]
    assert again.seen == [1]


def test_another_encoder_measures_anew(tmp_path: Path) -> None:
    measured(Table(2), [0, 1], tmp_path, Encoder())
    other = Encoder()
    other.digest = "e2"
    measured(Table(2), [0, 1], tmp_path, other)
    assert other.seen == [0, 1]


def test_rows_that_are_read_in_another_way_are_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(Table(2), [0, 1], tmp_path, Encoder())
    monkeypatch.setattr(lengths.index, "VERSION", lengths.index.VERSION + 1)
    again = Encoder()
    measured(Table(2), [0, 1], tmp_path, again)
    assert again.seen == [0, 1]


@pytest.mark.parametrize("content", [b"", b"damaged", b"\x93NUMPY"])
def test_a_damaged_chunk_is_measured_again(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    due = measured(Table(2), [0, 1], tmp_path, Encoder())
    (path,) = (tmp_path / "lengths").rglob("*.npy")
    whole = path.read_bytes()
    path.write_bytes(content or whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    assert measured(Table(2), [0, 1], tmp_path, Encoder()) == due
    assert f"{path} is damaged; its samples are measured again" in capsys.readouterr().err


def test_a_cache_of_one_node_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "_measure", lambda *_: 1)
    with pytest.raises(UserError, match=r"lengths lacks lengths that other processes .* Set GMAI_CACHE to one"):
        measured(Table(2), [0], tmp_path, Encoder())


def test_only_rank_0_gets_the_measurements(tmp_path: Path) -> None:
    team = Team()
    team.rank = 1
    assert len(measure(source(Table(2), [0]), Encoder(), tmp_path, team, shown=False)) == 0  # type: ignore[arg-type]


def test_samples_left_out_are_counted_by_reason() -> None:
    outcomes = np.array([WHOLE, CUT, UNMEASURED, REJECTED, REJECTED + 2, REJECTED + 2])
    assert reasons(outcomes) == {REASONS[0]: 1, REASONS[2]: 2}
    assert sum(reasons(np.array([WHOLE])).values()) == 0


def test_work_is_done_in_this_process_where_it_is_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "ProcessPoolExecutor", SimpleNamespace)
    assert list(in_processes(lambda item: item + 1, [1, 2], alone=True)) == [2, 3]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "100000")
    assert list(in_processes(lambda item: item + 1, [1, 2], alone=False)) == [2, 3]


@pytest.mark.parametrize(
    ("bound", "of_job", "ranks", "cores"),
    [
        (16, "", "", 16), (16, "", "8", 2), (4, "", "8", 1),
        (8, "64", "8", 8),  # srun binds each task to its own
        (128, "64", "8", 8),  # tasks that nothing binds
        (16, "16", "8", 2),  # torchrun in one task
        (16, "x", "4", 4),
    ],
)  # fmt: skip
def test_ranks_of_a_node_share_its_cores(
    monkeypatch: pytest.MonkeyPatch, bound: int, of_job: str, ranks: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(bound)))
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", of_job)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", ranks)
    assert own_cores() == cores
