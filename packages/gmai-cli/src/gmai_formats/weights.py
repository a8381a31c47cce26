"""Whether weights are numbers at all; of any tensor library whose tensors sum up."""

import math
from collections.abc import Iterable
from typing import Any


def not_finite(tensors: Iterable[tuple[str, Any]]) -> str:
    """Return which weights hold a NaN or an infinity, or nothing; one pass over the memory.

    Args:
        tensors: Name and tensor, such as torch's `named_parameters()`.
    """
    # A sum is finite only where every summand is; a finite sum may overflow, so the tensor itself has the last word.
    found = [name for name, tensor in tensors
             if not math.isfinite(float(tensor.detach().sum())) and not bool(tensor.isfinite().all())]  # fmt: skip
    if not found:
        return ""
    return (
        f"{len(found)} tensors hold values that are not finite (NaN or infinity), {found[0]} first. Such weights "
        f"answer nothing: a training diverged, or the file is damaged. Take an earlier one; `gmai model check` "
        f"says more."
    )
