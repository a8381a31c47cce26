"""The loader: rows from any position without passing the others, and what a dead worker leaves."""

import contextlib
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from gmai_formats import limits
from gmai_formats.errors import UserError
from gmai_formats.state import DamagedError
from gmai_model.batching.collate import Collator, make_row
from gmai_model.batching.plan import make_plan
from gmai_model.training.loader import MicroBatches, _worker_is_gone, iterate

from .conftest import Train
from .test_run import metrics


class Asked(Collator):
    """Notes which samples are asked for; its rows are empty."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, numbers: np.ndarray):
        self.asked.append(numbers.tolist())
        return make_row([], None, image_size=4, unreadable=[])


def rows(collator: Collator, *, rank: int = 0, world: int = 1) -> MicroBatches:
    plan = make_plan(np.full(50, 40), pack_tokens=100, packs_per_step=8, method="best_fit", epochs=1, seed=0)
    assert len(plan.packs) == 25
    return MicroBatches(plan, collator, rank=rank, world=world, micro_batch_size=2, accumulation=4 // world)


def test_a_position_is_reached_without_passing_the_others() -> None:
    everything, late = Asked(), Asked()
    list(iterate(rows(everything), start=0, workers=0))
    list(iterate(rows(late), start=10, workers=0))
    assert late.asked == everything.asked[10:]


class Failing(Asked):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def __call__(self, numbers: np.ndarray):
        raise self._error


class Standing(Asked):
    """Reads one row, and the next one without end."""

    def __call__(self, numbers: np.ndarray):
        if self.asked:
            time.sleep(600)
        return super().__call__(numbers)


@pytest.mark.parametrize("collator", [Asked, Standing])
def test_workers_end_with_the_run_while_its_error_is_still_held(collator: type[Asked]) -> None:
    reading, others = iterate(rows(collator()), start=0, workers=1), set(multiprocessing.active_children())
    with pytest.raises(RuntimeError, match="gone") as held, contextlib.closing(reading):  # noqa: PT012
        next(reading)
        (worker,) = set(multiprocessing.active_children()) - others
        raise RuntimeError("another rank is gone")
    assert held.tb is not None, "it holds on to every frame, as the interpreter does while it shuts down"
    assert not worker.is_alive()


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), EOFError(), FileNotFoundError(2, "socket")])
def test_a_row_that_went_with_its_worker_is_a_dead_worker(error: Exception) -> None:
    assert _worker_is_gone(error)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_of_the_reading_itself_is_not_taken_for_one(workers: int) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        list(iterate(rows(Failing(FileNotFoundError(2, "missing"))), start=0, workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_damaged_is_said_in_its_own_words(workers: int) -> None:
    with pytest.raises(DamagedError) as found:
        list(iterate(rows(Failing(DamagedError("a.bin is damaged"))), start=0, workers=workers))
    assert str(found.value) == "a.bin is damaged"


@pytest.mark.parametrize("world", [2, 4])
def test_pack_k_goes_to_rank_k_mod_world_whatever_the_world(world: int) -> None:
    """Every rank has as many rows as the others, and a step has the same packs on any number of ranks."""
    alone = Asked()
    list(iterate(rows(alone), start=0, workers=0))
    ranks = [Asked() for _ in range(world)]
    for rank, collator in enumerate(ranks):
        list(iterate(rows(collator, rank=rank, world=world), start=0, workers=0))
    assert len({len(collator.asked) for collator in ranks}) == 1
    micro_steps = 4 // world
    for step in range(4):
        of_alone = {n for numbers in alone.asked[step * 4 : step * 4 + 4] for n in numbers}
        of_ranks = [
            n for c in ranks for numbers in c.asked[step * micro_steps : (step + 1) * micro_steps] for n in numbers
        ]
        assert len(of_ranks) == len(set(of_ranks))
        assert set(of_ranks) == of_alone
    pack = rows(alone)._plan.step(1)[5].tolist()
    assert any(set(pack) <= set(numbers) for numbers in ranks[5 % world].asked)


class Harmful(Asked):
    """Says that a sample of the fifth row is read, and ends its process."""

    def __call__(self, numbers: np.ndarray):
        if FATAL in numbers and FATAL not in self.harmful and self._begins is not None:
            self._begins(FATAL)
            os.kill(os.getpid(), signal.SIGSEGV if self.by is None else self.by)
        return make_row([], None, image_size=4, unreadable=[str(sorted(numbers.tolist()))])

    def __init__(self, by: signal.Signals | None = None) -> None:
        super().__init__()
        self.by, self.harmful, self._begins = by, {}, None


FATAL = int(rows(Asked())._plan.step(1)[0][0])


@pytest.mark.parametrize("workers", [1, 2])
def test_an_image_that_ends_its_process_costs_its_sample_and_no_row(
    workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = [row.unreadable[0] for row in iterate(rows(Harmful()), start=0, workers=0)]
    collator = Harmful()
    found = list(iterate(rows(collator), start=0, workers=workers))
    assert [row.unreadable[0] for row in found] == whole
    problem = ": ".join(limits.of_its_item(-signal.SIGSEGV, stood_still=False) or ())
    assert collator.harmful == {FATAL: problem}
    assert f"({problem}); its sample is left out, and reading goes on" in capsys.readouterr().err


def test_a_process_that_no_image_ended_ends_the_run() -> None:
    with pytest.raises(UserError, match="a process that reads samples is gone"):
        list(iterate(rows(Harmful(signal.SIGKILL)), start=0, workers=1))


def workers_of(pid: int) -> list[int]:
    """Forked children, which have their parent's command line."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    return [child for child in children if Path(f"/proc/{child}/cmdline").read_bytes() == command]


@pytest.mark.e2e
def test_a_dead_data_worker_is_said_and_the_same_command_goes_on(
    train: Train, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    (process,) = train.ranks(1, checkpoint, out, 1, loader_workers=1, save_every_steps=1, epochs=60)
    train.wait_for_steps(out, 2, process)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 2, said
    assert "a process that reads samples is gone: " in said  # torch may notice by its own check or by the closed pipe
    assert "Traceback" not in said
    done = metrics(out)[-1]["step"]
    (process,) = train.ranks(1, checkpoint, out, 1, loader_workers=0, save_every_steps=1, epochs=60)
    train.wait_for_steps(out, int(done) + 1, process)
    process.kill()
    _, said = process.communicate(timeout=600)
    assert "resumed from step-" in said
