"""Everything that comes before the model: samples, tokens and the plan, the same on every rank."""

from pathlib import Path
from typing import Any

import torch.distributed as dist
from gmai_cli.errors import UserError
from transformers import AutoProcessor

from gmai_model.batching.collate import Collator
from gmai_model.batching.mixture import load_mixture
from gmai_model.batching.plan import Lengths, Plan, make_plan, measure
from gmai_model.batching.samples import SampleSource
from gmai_model.batching.tokens import Encoder
from gmai_model.training.config import TrainConfig


class Inputs:
    """The samples of a stage and of its held-out loss, measured and planned.

    Args:
        config: The resolved settings.
        model: The checkpoint whose tokenizer and image processor are used.
        data: The mixture.
        out: The run's folder, for the memory-mapped cache.
        is_main: Whether this rank fills the cache and shows progress.

    Raises:
        UserError: The mixture is unusable, or not one of its samples is.
    """

    def __init__(self, config: TrainConfig, *, model: Path, data: Path, out: Path, is_main: bool) -> None:
        mixture, root = load_mixture(data)
        self.processor: Any = AutoProcessor.from_pretrained(model, local_files_only=True)
        image_processor = self.processor.image_processor
        self.image_size: int = image_processor.crop_size["height"]
        tokens_per_image = self.processor._get_num_multimodal_tokens([(self.image_size,) * 2]).num_image_tokens[0]
        self.encoder = Encoder(
            self.processor.tokenizer, tokens_per_image=tokens_per_image, max_tokens=config.pack_tokens
        )
        cache = out / "cache"
        # The first process fills the memory-mapped cache, the others find it there.
        if not is_main:
            dist.barrier()
        self.source = SampleSource(mixture, root, stage=config.stage, split="train", seed=config.seed, cache=cache)
        self.held_out = SampleSource(
            mixture, root, stage=config.stage, split="validation", seed=config.seed, cache=cache
        )
        if is_main:
            dist.barrier()
        self.lengths = measure(self.source, self.encoder, shown=is_main)
        self.plan = self._plan(config, self.lengths, config.epochs)
        if not self.plan.packs:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in self.lengths.rejected.most_common())
            raise UserError(f"none of the {len(self.source)} samples can be used: {reasons}.")
        self.held_out_lengths = measure(self.held_out, self.encoder, shown=False)
        self.held_out_plan = self._plan(config, self.held_out_lengths, 1)

    def _plan(self, config: TrainConfig, lengths: Lengths, epochs: int) -> Plan:
        return make_plan(
            lengths, pack_tokens=config.pack_tokens, packs_per_step=config.global_batch_size,
            method=config.packing, epochs=epochs, seed=config.seed,
        )  # fmt: skip

    def record(self) -> dict[str, Any]:
        """Return what was taken, what was left out and why, and how it is packed."""

        def of(source: SampleSource, lengths: Lengths, plan: Plan) -> dict[str, Any]:
            return {
                "datasets": [vars(share) for share in source.shares],
                "samples": len(source),
                "left_out": dict(lengths.rejected.most_common()),
                "cut": lengths.cut,
                "tokens": int(lengths.tokens.sum(dtype="int64")),
                "supervised_tokens": int(lengths.supervised.sum(dtype="int64")),
                "packs": len(plan.packs),
                "fill": round(plan.fill, 4),
                "steps": plan.steps,
            }

        return {
            "train": of(self.source, self.lengths, self.plan),
            "validation": of(self.held_out, self.held_out_lengths, self.held_out_plan),
        }

    def collator(self, source: SampleSource) -> Collator:
        """Return what turns sample numbers into rows."""
        return Collator(source, self.encoder, self.processor.image_processor, image_size=self.image_size)
