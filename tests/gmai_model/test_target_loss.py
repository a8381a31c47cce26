"""The losses of targets a few rows at a time, against torch's own over all of them."""

import pytest
import torch
from gmai_model import target_loss
from gmai_model.target_loss import target_losses
from torch import Tensor
from torch.nn.functional import log_softmax, nll_loss


def drawn(rows: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    logits = 8 * torch.randn(rows, 523, generator=generator)
    return logits.to(dtype), torch.randint(0, 523, (rows,), generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("rows", "at_once"), [(1, 64), (64, 64), (65, 64), (300, 64), (300, 1024)])
def test_losses_and_gradients_are_those_of_torch_bit_for_bit(
    rows: int, at_once: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_loss, "ROWS_AT_ONCE", at_once)
    logits, targets = drawn(rows, dtype)
    one, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    expected = log_softmax(one.float(), dim=-1)
    found = target_losses(other, targets)
    assert found.dtype == torch.float32
    assert torch.equal(found, -expected.gather(1, targets[:, None])[:, 0])
    total = nll_loss(expected, targets, reduction="sum")
    of_found = nll_loss(-found[:, None], torch.zeros_like(targets), reduction="sum")
    assert torch.equal(of_found, total)
    (total * 0.37).backward()
    (of_found * 0.37).backward()
    assert one.grad is not None
    assert other.grad is not None
    assert other.grad.dtype == dtype
    assert torch.equal(one.grad, other.grad)


def test_the_backward_pass_keeps_the_logits_alone() -> None:
    logits, targets = drawn(300, torch.bfloat16)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        target_losses(logits.requires_grad_(), targets)
    assert {tensor.data_ptr() for tensor in kept} == {logits.data_ptr(), targets.data_ptr()}
    assert sum(tensor.numel() * tensor.element_size() for tensor in kept) == logits.numel() * 2 + 8 * len(targets)
