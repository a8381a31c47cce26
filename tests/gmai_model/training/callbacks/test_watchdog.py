"""Who is waited for, who is gone and who has left, told by the store that the ranks met at."""

import time
from signal import SIGINT, SIGTERM
from typing import Any

import pytest
from gmai_model.training.callbacks import watchdog as module
from gmai_model.training.callbacks.watchdog import Watchdog


class Store:
    """A key-value store in this process."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def set(self, key: str, value: str) -> None:
        self.values[key] = value

    def get(self, key: str) -> bytes:
        return self.values[key].encode()

    def check(self, keys: list[str]) -> bool:
        return all(key in self.values for key in keys)


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    codes: list[int] = []
    monkeypatch.setattr(module.os, "_exit", codes.append)
    monkeypatch.setattr(module, "BEAT_S", 0.02)
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    return codes


def dog(store: Any, *, rank: int = 0, world: int = 2, silence_s: float = 60.0, stall_s: float = 60.0) -> Watchdog:
    return Watchdog(store, rank=rank, world=world, silence_s=silence_s, stall_s=stall_s, on_exit=lambda: None)


def until(exits: list[int], watched: Watchdog, *, beats: Any = None) -> None:
    deadline = time.monotonic() + 600
    with watched:
        while not exits and time.monotonic() < deadline:
            if beats is not None:
                beats()
            time.sleep(0.01)
    assert exits


def test_a_rank_without_a_sign_of_life_is_named_while_samples_are_read(
    exits: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store()
    store.set("gmai/1", "1|7|node08|reading the samples")
    watched = dog(store, silence_s=0.3)
    watched.begin("reading the samples", limited=False)
    until(exits, watched)
    assert exits[0] == 2
    assert "no sign of life for 0.3 s from rank 1 on node08, last reading the samples" in capsys.readouterr().err


def test_a_rank_that_beats_may_take_its_time_over_the_samples(exits: list[int]) -> None:
    store, count = Store(), iter(range(10_000))
    watched = dog(store, silence_s=0.6, stall_s=0.1)
    with watched:
        watched.begin("reading the samples", limited=False)
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            store.set("gmai/1", f"1|{next(count)}|node08|reading the samples")
            time.sleep(0.01)
    assert exits == []


def test_a_stall_at_the_start_is_no_reason_to_be_requeued(exits: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    store = Store()
    store.set("gmai/1", "9|7|node08|computing, step 3")
    watched = dog(store, stall_s=0.1)
    watched.begin("loading the model", limited=True)
    until(exits, watched)
    assert exits[0] == 2
    assert "the run has stood still for 0 s. Waited for: rank 0 on" in capsys.readouterr().err


def test_a_stall_behind_a_step_is(exits: list[int]) -> None:
    store = Store()
    store.set("gmai/1", "1|7|node08|computing, step 3")
    watched = dog(store, stall_s=0.1)
    watched.at(3, "computing")
    watched.at(4, "computing")
    until(exits, watched)
    assert exits[0] == 75


@pytest.mark.parametrize(("number", "code"), [(SIGTERM, 75), (SIGINT, 130)])
def test_a_rank_that_a_signal_ended_takes_the_others_along(
    exits: list[int], capsys: pytest.CaptureFixture[str], number: Any, code: int
) -> None:
    store = Store()
    dog(store, rank=1).leave(number)
    until(exits, dog(store))
    assert exits[0] == code
    assert f"stopped by {number.name} on rank 1; the same command goes on" in capsys.readouterr().err
    assert dog(store).left() == f"{number.name} on rank 1"


def test_alone_nobody_has_left(exits: list[int]) -> None:
    assert dog(Store(), world=1).left() == ""


def test_a_failed_rank_ends_the_others(exits: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    store = Store()
    with pytest.raises(ValueError, match="boom"), dog(store, rank=1):
        raise ValueError("boom")
    until(exits, dog(store))
    assert exits[0] == 2
    assert "ended by rank 1: boom" in capsys.readouterr().err


def test_a_store_that_is_gone_is_said_within_the_limit(exits: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    class Gone(Store):
        def set(self, key: str, value: str) -> None:
            raise RuntimeError("connection lost")

    watched = dog(Gone(), silence_s=0.1)
    watched.begin("reading the samples", limited=False)
    until(exits, watched)
    assert "no rank can be asked where it stands, and this one has been reading the samples" in capsys.readouterr().err
