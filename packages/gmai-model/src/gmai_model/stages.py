"""The three stages of the paper as ONE table (paper Table 8; what trains: Table 8 and section 4.2)."""

from dataclasses import dataclass
from typing import Literal

Part = Literal["vision_encoder", "projector", "language_model"]
PARTS: tuple[Part, ...] = ("vision_encoder", "projector", "language_model")


@dataclass(frozen=True)
class Stage:
    """One row of the table."""

    number: int
    name: str
    trainable: frozenset[Part]
    learning_rate: float
    micro_batch_size: int
    """Packs per device and step, as the paper ran it on 32 devices."""
    gradient_accumulation_steps: int


STAGES = {
    1: Stage(1, "shallow_alignment", frozenset({"projector"}), 1e-3, 8, 2),
    2: Stage(2, "deep_alignment", frozenset({"projector", "vision_encoder"}), 1e-4, 4, 4),
    3: Stage(3, "instruction_tuning", frozenset(PARTS), 1e-5, 4, 4),
}

GLOBAL_BATCH_SIZE = 512
"""Packs per optimiser step in every stage: 32×8×2 = 32×4×4 (Table 8)."""
ADAM_BETAS = (0.9, 0.999)
WARMUP_RATIO = 0.03
"""Share of the steps with rising learning rate: the default of the authors' launch script, not in the paper."""
MAX_GRAD_NORM = 1.0
"""From the authors' launch script, not in the paper."""
