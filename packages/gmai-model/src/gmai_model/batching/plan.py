"""The plan of a stage: which pack is trained at which step, known before the first step and the same on every rank."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gmai_formats.files import replace_atomically

from gmai_model.batching.packing import Method, Packs, pack


@dataclass(frozen=True)
class Plan:
    """Packs in training order.

    `step(s)` is a function of the seed and the data only. Pack k of a step goes to rank `k mod world`, so the plan is
    the same for any number of ranks, and resuming needs the number of the step and nothing else.
    """

    packs: Packs
    """Sample numbers of each pack, all epochs one after the other."""
    packs_per_step: int
    pack_tokens: int
    total_tokens: int

    @property
    def steps(self) -> int:
        """Optimiser steps; the last one may hold fewer packs."""
        return -(-len(self.packs) // self.packs_per_step)

    @property
    def fill(self) -> float:
        """Share of the packs' room that holds tokens."""
        return self.total_tokens / max(len(self.packs) * self.pack_tokens, 1)

    def step(self, number: int) -> list[np.ndarray]:
        """Return the packs of one step."""
        return self.packs[number * self.packs_per_step : (number + 1) * self.packs_per_step]

    def samples(self, steps: int) -> np.ndarray:
        """Return the numbers of the samples of the first `steps` steps, repeated where an epoch repeats them."""
        packs = min(steps * self.packs_per_step, len(self.packs))
        return self.packs.order[: self.packs.starts[packs]]


def make_plan(
    tokens: np.ndarray, *, pack_tokens: int, packs_per_step: int, method: Method, epochs: int, seed: int
) -> Plan:
    """Shuffle and pack the usable samples, epoch by epoch, from the seed.

    Args:
        tokens: Length of each sample; 0 for one that is left out.
        pack_tokens: Room of a pack in tokens.
        packs_per_step: Packs of an optimiser step.
        method: How samples share packs.
        epochs: Passes over the samples.
        seed: Of the order.
    """
    usable = np.flatnonzero(tokens).astype(np.int32)
    orders: list[np.ndarray] = []
    starts: list[np.ndarray] = [np.zeros(1, dtype=np.int64)]
    for epoch in range(epochs):
        shuffled = np.random.default_rng((seed, epoch)).permutation(usable)
        packs = pack(tokens[shuffled], pack_tokens, method)
        orders.append(shuffled[packs.order])
        starts.append(packs.starts[1:] + epoch * len(usable))
    total_tokens = int(tokens.sum(dtype=np.int64)) * epochs
    return Plan(Packs(np.concatenate(orders), np.concatenate(starts)), packs_per_step, pack_tokens, total_tokens)


def save_array(folder: Path, name: str, values: np.ndarray) -> None:
    """Write one array of the plan's folder, whole or not at all."""
    with replace_atomically(folder / f"{name}.npy") as file:
        np.save(file, values)


def load_array(folder: Path, name: str) -> np.ndarray:
    """Map one array of the plan's folder: nothing is read until it is used."""
    return np.load(folder / f"{name}.npy", mmap_mode="r")
