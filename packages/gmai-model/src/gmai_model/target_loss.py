"""What each target costs, computed some rows of logits at a time: the fp32 of all of them never exists at once."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, nll_loss

ROWS_AT_ONCE = 1024
"""Rows of logits that are held in fp32 together: 0.4 GB with 92,544 tokens."""


class _TargetLosses(torch.autograd.Function):
    """The negative log-probability of each target; keeps the logits as they came, and computes the rest again."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        ctx.save_for_backward(logits, targets)
        parts = zip(logits.split(ROWS_AT_ONCE), targets.split(ROWS_AT_ONCE), strict=True)
        return torch.cat([_losses(some.float(), targets_of) for some, targets_of in parts])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        logits, targets = ctx.saved_tensors
        found = torch.empty_like(logits)
        parts = (each.split(ROWS_AT_ONCE) for each in (logits, targets, gradients[0], found))
        for some, targets_of, gradient, to in zip(*parts, strict=True):
            with torch.enable_grad():
                values = some.detach().float().requires_grad_()
                losses = _losses(values, targets_of)
            to.copy_(torch.autograd.grad(losses, values, gradient)[0])
        return found, None


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    return nll_loss(log_softmax(logits, dim=-1), targets, reduction="none")


def target_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of every target in fp32, shape `(targets,)`.

    It has the gradient of `cross_entropy(logits.float(), targets, reduction="none")`, and keeps for the backward pass
    what the logits take alone: 2 bytes a value in bf16, where that would keep 6 and need 6 more at once.

    Args:
        logits: Shape `(targets, vocabulary)`, in any floating type.
        targets: Token ids, shape `(targets,)`.
    """
    return _TargetLosses.apply(logits, targets)  # pyright: ignore[reportReturnType]
