"""The settings of stage 4: defaults, a YAML file over them, `--set key=value` over that."""

from pathlib import Path
from typing import Any, Literal

from gmai_formats import settings
from gmai_formats.errors import UserError, did_you_mean
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gmai_model import stages

METHODS = ("dpo", "grpo")


class TuneConfig(BaseModel):
    """Resolved settings; `gmai train --stage 4 --method dpo --print-config` shows them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    stage: Literal[4] = 4
    method: Literal["dpo", "grpo"]
    """`dpo` learns to prefer the right answer to the wrong one beside it; `grpo` finds answers, and a reward judges."""
    trainable: frozenset[stages.Part] = frozenset({"language_model"})
    """Parts that train where `lora_rank` is 0."""
    lora_rank: int = Field(16, ge=0)
    """Rank of the language model's adapters, merged on export; 0 trains all weights of `trainable`."""
    lora_alpha: float = Field(32.0, gt=0)
    """Adapters are scaled by `lora_alpha / lora_rank`."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate; rises linearly, then falls to 0 along a cosine. Whole weights (`lora_rank` 0): `1e-06`."""
    warmup_ratio: float = Field(stages.WARMUP_RATIO, ge=0, lt=1)
    """Share of the steps with rising learning rate."""
    max_grad_norm: float = Field(stages.MAX_GRAD_NORM, gt=0)
    """Gradients are scaled down to this norm."""
    beta: float = Field(ge=0)
    """How much the model is held to the one it started from; with `grpo` and 0 nothing holds it, nor takes memory."""
    global_batch_size: int = Field(16, gt=0)
    """Questions per optimiser step."""
    micro_batch_size: int = Field(8, gt=0)
    """Pairs (dpo) or answers (grpo) that the device computes at once."""
    answers_per_question: int = Field(8, ge=2)
    """`grpo`: answers drawn to each question, which are judged beside one another."""
    answer_tokens: int = Field(128, gt=0)
    """Longest drawn answer in tokens; also of the held-out answers."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of the training answers; held-out questions are answered greedily."""
    max_steps: int = Field(200, gt=0)
    """Optimiser steps; questions repeat when there are fewer."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """`bf16` keeps weights that train in fp32 and computes in bf16."""
    activation_checkpointing: bool = True
    """Recompute activations in the backward pass: less memory, a third more compute."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seed of the order, the sampled answers and the adapters' initial weights."""
    device: Literal["auto", "cpu"] = "auto"
    """`auto` takes a GPU; where a GPU was given that torch cannot use, it stops, and only `cpu` trains without one."""
    save_every_steps: int = Field(50, gt=0)
    """Steps between two checkpoints to resume from."""
    keep_checkpoints: int = Field(2, gt=0)
    """Resume checkpoints kept."""
    held_out_questions: int = Field(300, gt=0)
    """Most validation questions that are answered before and after: a fixed draw."""

    @model_validator(mode="after")
    def _check(self) -> "TuneConfig":
        if self.lora_rank and sorted(self.trainable) != ["language_model"]:
            raise ValueError("adapters are trained in the language model alone. Set lora_rank=0 to train other parts.")
        if self.method == "dpo" and self.beta == 0:
            raise ValueError("dpo needs a beta above 0.")
        if self.at_once % self.micro_batch_size:
            raise ValueError(
                f"a step has {self.at_once} {'pairs' if self.method == 'dpo' else 'answers'}, which is no multiple of "
                f"micro_batch_size {self.micro_batch_size}."
            )
        return self

    @property
    def at_once(self) -> int:
        """Pairs or answers in an optimiser step."""
        return self.global_batch_size * (self.answers_per_question if self.method == "grpo" else 1)


MAY_CHANGE = frozenset({"activation_checkpointing", "device", "save_every_steps", "keep_checkpoints"})
"""Settings that leave the result as it is, but for rounding."""


def resolve(method: str | None, file: Path | None, overrides: list[str]) -> TuneConfig:
    """Return the settings of stage 4.

    Args:
        method: A name of `METHODS`.
        file: A YAML mapping over the defaults, or none.
        overrides: `key=value`, values in YAML, over both.

    Raises:
        UserError: An unknown method or key, or a value out of range.
    """
    if method is None:
        raise UserError("--stage 4 needs --method dpo (preferences) or --method grpo (verifiable rewards).")
    if method not in METHODS:
        raise UserError(f"--method {method}: no such method.{did_you_mean(method, METHODS)}")

    def resolved(learning_rate: float) -> TuneConfig:
        defaults: dict[str, Any] = {"beta": {"dpo": 0.1, "grpo": 0.0}[method], "learning_rate": learning_rate}
        return settings.resolve(TuneConfig, file, overrides, defaults={"method": method, **defaults})

    # 1e-6 is TRL's own, for whole weights; its guide gives adapters about ten times as much. Not measured here:
    # https://www.mintlify.com/huggingface/trl/peft-integration
    found = resolved(1e-5)
    if found.method != method:
        raise UserError(f"settings: method: {found.method}, and --method is {method}. Leave it out.")
    return found if found.lora_rank else resolved(1e-6)
