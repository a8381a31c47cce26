"""Which of torch's back ends attends on a GPU: flash or cuDNN, by a measurement at the start, kept per machine.

Which one is faster depends on the card and on versions: cuDNN leads on some, and on others builds a graph anew for
every row, since every row has other segments (https://github.com/pytorch/pytorch/issues/191576: 42 ms a call instead of
0.25). So calls are timed on rows that differ, as those of training do.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from gmai_formats.state import DamagedError, read_state, write_state

BACKENDS = ("flash", "cudnn")
"""In this order where two are equally fast."""
_ROWS = 4


@dataclass(frozen=True)
class Heads:
    """The shape of a call."""

    tokens: int
    heads: int
    key_value_heads: int
    size: int
    """Width of a head."""


@dataclass(frozen=True)
class Choice:
    """What was measured."""

    backend: str | None
    """Of `BACKENDS`; none where neither runs, and torch chooses."""
    milliseconds: dict[str, float]
    """Of a call forwards and backwards, for each back end that runs."""

    def line(self) -> str:
        """Return what is told to the user."""
        if self.backend is None:
            return "attention: neither flash nor cuDNN runs on this GPU; torch chooses"
        times = ", ".join(f"{name} {value:.2f} ms" for name, value in self.milliseconds.items())
        return f"attention by {self.backend} ({times} a call forwards and backwards)"


def machine_of(device: torch.device) -> dict[str, str]:
    """Return what the measurement depends on beside the shape."""
    return {
        "device": torch.cuda.get_device_name(device),
        "capability": str(torch.cuda.get_device_capability(device)),
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
    }


def choose(heads: Heads, machine: Mapping[str, str], measure: Callable[[str], float | None], cache: Path) -> Choice:
    """Return the faster back end, from the cache where this machine has measured before.

    Args:
        heads: The shape of a call.
        machine: See `machine_of`.
        measure: Back end ▶ milliseconds of a call, or none where it does not run.
        cache: The cache folder.
    """
    asked = {**machine, **asdict(heads)}
    path = cache / "attention" / f"{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]}.json"
    try:
        kept = read_state(path)["milliseconds"]
        found = {name: float(kept[name]) for name in BACKENDS if name in kept}
    except (OSError, DamagedError, KeyError, TypeError, ValueError):
        measured = {name: measure(name) for name in BACKENDS}
        found = {name: round(value, 4) for name, value in measured.items() if value is not None}
        write_state(path, {"milliseconds": found, "measured_on": asked})
    return Choice(min(found, key=lambda name: found[name]) if found else None, found)


def milliseconds(
    backend: str, heads: Heads, device: torch.device, *, attend: Callable[..., Any], synchronize: Callable[[], None],
    clock: Callable[[], float] = time.perf_counter,
) -> float | None:  # fmt: skip
    """Return the time of a call forwards and backwards, over rows with other segments each, or none if it fails.

    Args:
        backend: Of `BACKENDS`.
        heads: The shape of a call.
        device: Where.
        attend: `attention.attend_packed`.
        synchronize: Waits for the device.
        clock: Seconds.
    """
    generator = torch.Generator(device).manual_seed(0)

    def made(count: int) -> torch.Tensor:
        shape = (heads.tokens, count, heads.size)
        return torch.randn(shape, dtype=torch.bfloat16, device=device, generator=generator).requires_grad_()

    query, key, value = made(heads.heads), made(heads.key_value_heads), made(heads.key_value_heads)
    took: list[float] = []
    for number in range(_ROWS):
        cuts = sorted({0, heads.tokens, *(heads.tokens * part // (number + 5) for part in range(1, number + 5))})
        ends = torch.tensor(cuts, dtype=torch.int32, device=device)
        longest = int(ends.diff().max())
        synchronize()
        started = clock()
        try:
            attend(query, key, value, ends, longest, scaling=None, backend=backend).float().sum().backward()
            synchronize()
        except (RuntimeError, ValueError):
            return None
        took.append((clock() - started) * 1000)
    # The first call loads and compiles what later ones have.
    return sum(took[1:]) / (_ROWS - 1)
