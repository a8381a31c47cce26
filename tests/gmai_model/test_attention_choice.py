"""The back end by a measurement: on a device whose speed is made up, for no GPU is needed to choose."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from gmai_model import attention
from gmai_model.attention_choice import Choice, Heads, choose, milliseconds

HEADS = Heads(tokens=64, heads=4, key_value_heads=2, size=8)
MACHINE = {"device": "H100", "torch": "2.15.0"}


@pytest.mark.parametrize(
    ("speeds", "chosen"),
    [
        ({"flash": 0.5, "cudnn": 0.3}, "cudnn"), ({"flash": 0.5, "cudnn": 42.0}, "flash"),
        ({"flash": 0.5, "cudnn": 0.5}, "flash"), ({"flash": None, "cudnn": 2.0}, "cudnn"),
        ({"flash": None, "cudnn": None}, None),
    ],
)  # fmt: skip
def test_the_faster_one_that_runs_is_taken_and_remembered(
    tmp_path: Path, speeds: dict[str, float | None], chosen: str | None
) -> None:
    asked: list[str] = []

    def measure(backend: str) -> float | None:
        asked.append(backend)
        return speeds[backend]

    first = choose(HEADS, MACHINE, measure, tmp_path)
    assert first.backend == chosen
    assert choose(HEADS, MACHINE, measure, tmp_path) == first
    assert asked == ["flash", "cudnn"]
    choose(HEADS, {**MACHINE, "torch": "2.16.0"}, measure, tmp_path)
    choose(Heads(128, 4, 2, 8), MACHINE, measure, tmp_path)
    assert len(asked) == 6


@pytest.mark.parametrize("damage", ["", "{", json.dumps({"milliseconds": 3})])
def test_a_damaged_memory_is_measured_again(tmp_path: Path, damage: str) -> None:
    choose(HEADS, MACHINE, lambda backend: 1.0, tmp_path)
    (file,) = tmp_path.rglob("*.json")
    file.write_text(damage)
    assert choose(HEADS, MACHINE, {"flash": 2.0, "cudnn": 1.0}.get, tmp_path).backend == "cudnn"


def test_what_is_said() -> None:
    said = Choice("flash", {"flash": 0.251, "cudnn": 42.0}).line()
    assert said == "attention by flash (flash 0.25 ms, cudnn 42.00 ms a call forwards and backwards)"
    assert "torch chooses" in Choice(None, {}).line()


def test_every_row_has_other_segments_and_the_first_one_is_not_counted() -> None:
    seen: list[tuple[int, ...]] = []
    ticks = iter([0.0, 9.0, 10.0, 10.1, 20.0, 20.2, 30.0, 30.3])

    def attend(query: Any, key: Any, value: Any, ends: Any, longest: int, *, scaling: Any, backend: str) -> Any:
        assert (query.shape, key.shape, value.shape) == ((64, 4, 8), (64, 2, 8), (64, 2, 8))
        assert query.dtype == torch.bfloat16
        assert longest == max(ends.diff().tolist())
        seen.append(tuple(ends.tolist()))
        return query * 1

    waits: list[int] = []
    took = milliseconds("flash", HEADS, torch.device("cpu"), attend=attend, synchronize=lambda: waits.append(1),
                        clock=lambda: next(ticks))  # fmt: skip
    assert took == pytest.approx(200.0)
    assert len(set(seen)) == 4
    assert all(ends[0] == 0 and ends[-1] == 64 for ends in seen)
    assert len(waits) == 8


def test_a_back_end_that_fails_has_no_time() -> None:
    def attend(*_: Any, **__: Any) -> Any:
        raise RuntimeError("No available kernel. Aborting execution.")

    assert milliseconds("cudnn", HEADS, torch.device("cpu"), attend=attend, synchronize=lambda: None) is None


def test_the_chosen_one_is_set_around_the_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.backends import cuda
    from torch.nn.attention import varlen

    def state() -> tuple[bool, bool]:
        return cuda.flash_sdp_enabled(), cuda.cudnn_sdp_enabled()

    seen: list[tuple[bool, bool]] = []

    def call(query: Any, *_: Any, **options: Any) -> Any:
        seen.append(state())
        assert options == {"scale": 0.5, "window_size": (-1, 0), "enable_gqa": True}
        return query

    monkeypatch.setattr(varlen, "varlen_attn", call)
    before, one = state(), torch.zeros(4, 2, 8)
    ends = torch.tensor([0, 4], dtype=torch.int32)
    for backend in ("flash", "cudnn", None):
        attention.attend_packed(one, one, one, ends, 4, scaling=0.5, backend=backend)
    assert seen == [(True, False), (False, True), before]
    assert state() == before
