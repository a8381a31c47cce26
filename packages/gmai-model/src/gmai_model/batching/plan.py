"""The plan of a stage: which pack is trained at which step, known before the first step and the same on every rank."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from gmai_cli.console import progress

from gmai_model.batching.packing import Method, pack
from gmai_model.batching.samples import SampleSource
from gmai_model.batching.tokens import Encoder, Rejected


@dataclass(frozen=True)
class Lengths:
    """What planning needs to know of the samples."""

    tokens: np.ndarray
    """int32 per sample; 0 for a rejected one."""
    supervised: np.ndarray
    """int32 per sample: tokens that the loss counts."""
    rejected: Counter[str] = field(default_factory=Counter[str])
    """Reason ▶ number of samples left out."""
    cut: int = 0
    """Samples that lost turns at their end to fit."""


def measure(source: SampleSource, encoder: Encoder, *, shown: bool) -> Lengths:
    """Tokenise every sample once and note its lengths; `shown` draws a progress bar."""
    tokens = np.zeros(len(source), dtype=np.int32)
    supervised = np.zeros(len(source), dtype=np.int32)
    rejected: Counter[str] = Counter()
    cut = 0
    with progress("measuring samples", len(source), unit="samples", shown=shown) as bar:
        for number in range(len(source)):
            bar.advance()
            try:
                encoded = encoder(source[number])
            except Rejected as reason:
                rejected[str(reason)] += 1
                continue
            tokens[number] = len(encoded.input_ids)
            # The first token of a segment has nothing before it to be predicted from.
            supervised[number] = int(encoded.supervised[1:].sum())
            cut += encoded.cut_turns > 0
    return Lengths(tokens, supervised, rejected, cut)


@dataclass(frozen=True)
class Plan:
    """Packs in training order.

    `step(s)` is a function of the seed and the data only. Pack k of a step goes to rank `k mod world`, so the plan is
    the same for any number of ranks, and resuming needs the number of the step and nothing else.
    """

    packs: list[np.ndarray]
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


def make_plan(
    lengths: Lengths, *, pack_tokens: int, packs_per_step: int, method: Method, epochs: int, seed: int
) -> Plan:
    """Shuffle and pack the usable samples, epoch by epoch, from the seed."""
    usable = np.flatnonzero(lengths.tokens)
    packs: list[np.ndarray] = []
    for epoch in range(epochs):
        order = np.random.default_rng((seed, epoch)).permutation(usable)
        packs += [order[positions] for positions in pack(lengths.tokens[order], pack_tokens, method)]
    total_tokens = int(lengths.tokens.sum(dtype=np.int64)) * epochs
    return Plan(packs, packs_per_step, pack_tokens, total_tokens)
