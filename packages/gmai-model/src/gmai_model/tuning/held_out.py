"""Held-out questions, answered greedily and judged by their rewards, before stage 4 and after it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gmai_cli.console import progress
from gmai_formats.checkpoints import naming_files, naming_template
from gmai_formats.rewards import reward

from gmai_model.tuning.tasks import Tasks

DRAWS = 10_000
"""Resamples of the bootstrap."""
_AT_ONCE = 16


@dataclass(frozen=True)
class Gain:
    """Mean reward before and after, on the same questions."""

    reward: str
    questions: int
    before: float
    after: float
    low: float
    high: float
    """95 % interval of the difference: bootstrap over the questions, both answers of a question drawn together."""


@torch.no_grad()
def ask(model: Any, processor: Any, tasks: Tasks, *, answer_tokens: int, title: str) -> list[str]:
    """Return the greedy answers to the questions.

    Args:
        model: What generates; put into evaluation and back.
        processor: Of the checkpoint.
        tasks: The questions.
        answer_tokens: Longest answer.
        title: Of the progress bar.
    """
    was_training = model.training
    model.eval()
    answers: list[str] = []
    with progress(title, len(tasks.rows), unit="questions") as bar:
        for start in range(0, len(tasks.rows), _AT_ONCE):
            rows = [tasks.readable(number) for number in range(start, min(start + _AT_ONCE, len(tasks.rows)))]
            with naming_files("the checkpoint"):
                inputs = encode(processor, rows).to(model.device)
                made = model.generate(
                    **inputs, do_sample=False, max_new_tokens=answer_tokens,
                    pad_token_id=processor.tokenizer.pad_token_id,
                )  # fmt: skip
            answers += processor.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            bar.advance(len(rows))
    model.train(was_training)
    return answers


def encode(processor: Any, rows: Sequence[dict[str, Any]]) -> Any:
    """Return the prompts of rows as a batch, padded on the left."""
    with naming_template("the checkpoint"):
        prompts = [processor.apply_chat_template(row["prompt"], add_generation_prompt=True) for row in rows]
    images = [image for row in rows for image in row["images"]]
    return processor(
        text=prompts, images=images or None, padding=True, padding_side="left", return_tensors="pt",
        add_special_tokens=False,
    )  # fmt: skip


def scores(tasks: Tasks, answers: Sequence[str]) -> list[float]:
    """Return what each answer earns."""
    return [reward(row["reward"], json.loads(row["truth"]), answer)
            for row, answer in zip(tasks.rows, answers, strict=True)]  # fmt: skip


def gains(tasks: Tasks, before: Sequence[float], after: Sequence[float], *, seed: int) -> list[Gain]:
    """Return the gain over all questions, then of each reward."""
    kinds = np.array([row["reward"] for row in tasks.rows])
    one, other = np.asarray(before), np.asarray(after)
    chosen = [
        ("all", np.ones(len(kinds), dtype=bool)),
        *((kind, kinds == kind) for kind in sorted(set(kinds.tolist()))),
    ]
    return [_gain(name, one[mask], other[mask], seed) for name, mask in chosen if mask.any()]


def _gain(name: str, before: np.ndarray, after: np.ndarray, seed: int) -> Gain:
    difference = after - before
    rng = np.random.default_rng(seed)
    means = np.array([difference[rng.integers(0, len(difference), len(difference))].mean() for _ in range(DRAWS)])
    low, high = np.percentile(means, [2.5, 97.5])
    return Gain(name, len(difference), float(before.mean()), float(after.mean()), float(low), float(high))
