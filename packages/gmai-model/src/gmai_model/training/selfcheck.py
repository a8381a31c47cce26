"""`gmai train --selfcheck`: on the real model and samples, packed rows against one sample at a time."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from gmai_cli.console import say, table
from gmai_formats.errors import UserError
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlavaForConditionalGeneration

from gmai_model.batching.collate import Row
from gmai_model.packed import PackedLlava
from gmai_model.training import parts
from gmai_model.training.config import TrainConfig
from gmai_model.training.inputs import Inputs

TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2}
"""Largest difference that counts as rounding, relative to the largest value compared. fp32 rounds at 1e-7 and bf16 at
8e-3 per operation, and sums over many thousand of them in another order."""


def selfcheck(config: TrainConfig, *, model: Path, data: Path, out: Path | None) -> bool:
    """Compare the fullest pack of the first step, packed, with its samples one by one through stock transformers.

    Prints the greatest differences of logits, loss and gradients, and beside them the difference that samples seeing
    each other would make.

    Args:
        config: The resolved settings.
        model: The checkpoint to check.
        data: The mixture.
        out: The run's folder, whose plan and cache are made here and serve the run; a temporary one without it.

    Returns:
        Whether packed and separate agree to rounding.

    Raises:
        UserError: Unusable input.
    """
    with tempfile.TemporaryDirectory(prefix="gmai-selfcheck-") as scratch:
        inputs = Inputs(config.samples, model=model, data=data, out=out or Path(scratch), is_main=True)
        pack = max(inputs.plan.step(0), key=len)
        if len(pack) < 2:
            raise UserError(
                f"the packs of the first step hold one sample each, so that there is nothing to compare. Raise "
                f"pack_tokens ({config.pack_tokens}), or give more samples."
            )
        collator = inputs.collator(inputs.source)
        together = collator(pack)
        alone = [collator(pack[i : i + 1]) for i in range(len(pack))]
    if together.unreadable:
        raise UserError(
            f"the first step has an image that does not decode: {together.unreadable[0]}. Leave it out; `gmai data "
            "validate` lists such images."
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    llava = _load(model, config, device)
    parts.set_trainable(llava, config.trainable)
    say(
        f"{len(pack)} samples in one row of {together.input_ids.shape[1]} tokens, {config.precision}, on {device}; "
        f"stage {config.stage} trains {', '.join(sorted(config.trainable))}"
    )
    expected, gradients = _separate(llava, [row.to(device) for row in alone])
    found, own_gradients, mixed = _packed(llava, together.to(device))
    gap = _norm({name: own_gradients[name].float() - gradients[name].float() for name in gradients})
    rows = [
        _compare("logits at the targets", found, expected),
        _compare("loss, summed", _loss(found, together), _loss(expected, together)),
        _compare("norm of all gradients", _norm(own_gradients), _norm(gradients)),
        (
            "all gradients, norm of the difference",
            float(_norm(gradients)),
            float(gap),
            float(gap / _norm(gradients)),
        ),
    ]
    allowed = TOLERANCE[config.precision]
    table(
        ("compared", "greatest value", "greatest difference", "relative", "allowed"),
        [(name, f"{value:.4g}", f"{difference:.2e}", f"{relative:.1e}", f"{allowed:.0e}")
         for name, value, difference, relative in rows],
    )  # fmt: skip
    difference = _compare("", mixed, expected)[2]
    print(f"without the boundaries between samples the logits would differ by {difference:.2e}")
    good = all(relative <= allowed for *_, relative in rows)
    print("packed == separate" if good else "FAILED: packed rows do not give what separate samples give")
    return good


def _load(model: Path, config: TrainConfig, device: torch.device) -> LlavaForConditionalGeneration:
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    llava: Any = LlavaForConditionalGeneration.from_pretrained(
        model, dtype=dtype, local_files_only=True, use_safetensors=True, attn_implementation="sdpa"
    )
    return llava.to(device).train()


def _separate(llava: LlavaForConditionalGeneration, rows: list[Row]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return logits at the targets and gradients of stock transformers, one sample at a time."""
    logits: list[Tensor] = []
    for row in rows:
        output: Any = llava(
            input_ids=row.input_ids, use_cache=False,
            pixel_values=row.pixels.to(llava.dtype) if row.has_images else None,
        )  # fmt: skip
        predicted = output.logits[0][row.predicts]
        if predicted.requires_grad:  # a sample without an image reaches nothing that stage 1 trains
            cross_entropy(predicted.float(), row.targets, reduction="sum").backward()
        logits.append(predicted.detach())
    return torch.cat(logits), _take_gradients(llava)


def _packed(llava: LlavaForConditionalGeneration, row: Row) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Return ours, and the logits of the same row taken for one single sample."""
    packed = PackedLlava(llava)
    logits = packed.logits(row)
    cross_entropy(logits.float(), row.targets, reduction="sum").backward()
    gradients = _take_gradients(llava)
    tokens = row.input_ids.shape[1]
    ends = torch.tensor([0, tokens], dtype=torch.int32, device=row.cu_seq_lens.device)
    with torch.no_grad():
        mixed = packed.logits(replace(row, cu_seq_lens=ends, max_length=tokens))
    llava.set_attn_implementation({"text_config": "sdpa", "vision_config": "sdpa"})
    return logits.detach(), gradients, mixed


def _take_gradients(llava: LlavaForConditionalGeneration) -> dict[str, Tensor]:
    taken = {name: p.grad for name, p in llava.named_parameters() if p.requires_grad and p.grad is not None}
    llava.zero_grad(set_to_none=True)
    return taken


def _loss(logits: Tensor, row: Row) -> Tensor:
    return cross_entropy(logits.float(), row.targets.to(logits.device), reduction="sum")


def _norm(gradients: dict[str, Tensor]) -> Tensor:
    return torch.stack([gradient.float().norm() for gradient in gradients.values()]).norm()


def _compare(name: str, found: Tensor, expected: Tensor) -> tuple[str, float, float, float]:
    greatest = float(expected.float().abs().max())
    difference = float((found.float() - expected.float()).abs().max())
    return name, greatest, difference, difference / max(greatest, 1e-12)
