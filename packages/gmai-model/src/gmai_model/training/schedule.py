"""The learning rate as a function of the step, so that resuming needs no scheduler state."""

import math


def learning_rate(step: int, *, steps: int, peak: float, warmup_ratio: float) -> float:
    """Return the learning rate of step `step` (from 0): a linear rise, then a cosine to 0 (Table 8)."""
    warmup = math.ceil(steps * warmup_ratio)
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(steps - warmup, 1)
    return peak * 0.5 * (1.0 + math.cos(math.pi * progress))
