"""`gmai train --dry-run`: what a run would train, need and take, without training or writing to its folder."""

import os
import tempfile
from pathlib import Path

from gmai_cli.console import say, table
from gmai_formats.errors import UserError
from gmai_formats.rows.mixtures import load_mixture

from gmai_model.batching.caches import cache_folder
from gmai_model.flops import Flops
from gmai_model.stages import STAGES, Part
from gmai_model.training import estimate, preflight, preview
from gmai_model.training.callbacks import speed
from gmai_model.training.config import TrainConfig
from gmai_model.training.given import check_inputs
from gmai_model.training.inputs import Inputs

SAMPLES = 3


def dry_run(config: TrainConfig, *, model: Path, data: Path, gpu: str, gpus: int, mfu: float) -> None:
    """Print parameters, memory, packs, steps, operations, hours and a few samples.

    Every sample is read and tokenised as the run would do it; with `GMAI_CACHE` set the run finds that work done.
    No weight is read, so that an 8 B checkpoint needs no more memory than its tokenizer.

    Args:
        config: The resolved settings.
        model: A checkpoint folder; its weights may be absent.
        data: What `load_mixture` takes.
        gpu: Name of the GPU to reckon with.
        gpus: How many of them.
        mfu: Share of their peak that the run is taken to reach.

    Raises:
        UserError: What would end the run before its first step.
    """
    check_inputs(model, data)
    peak = estimate.gpu_peak(gpu)
    accumulation, left = divmod(config.global_batch_size, gpus * config.micro_batch_size)
    if left:
        raise UserError(
            f"global_batch_size {config.global_batch_size} is no multiple of {gpus} GPUs × micro_batch_size "
            f"{config.micro_batch_size}. Every GPU must compute equally many packs per step. Set --gpus or "
            f"micro_batch_size to a divisor."
        )
    hubs = [entry.name for entry in load_mixture(data)[0].datasets if entry.hub and entry.share(config.stage) > 0]
    if hubs and not os.environ.get("GMAI_CACHE"):
        raise UserError(
            f"{', '.join(hubs)}: a dry run reads whole datasets of the Hub and keeps nothing of its own. Set "
            f"GMAI_CACHE to a folder, so that they are downloaded once."
        )
    llava = estimate.load_on_meta(model)
    counts = estimate.trained_parameters(llava, config)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(config.samples, model=model, data=data, out=Path(folder), is_main=True, with_images=False)
        inputs.announce(listed=False)
        if problem := preflight.image_problem(inputs, copied=False):
            raise UserError(problem)
        stage = STAGES[config.stage]
        say("")
        rows = [(part, f"{total:,}", f"{train:,}" if train else "frozen") for part, (total, train) in counts.items()]
        table(("part", "parameters", "trainable"), rows, title=f"stage {stage.number} ({stage.name})")
        _print_packs(config, inputs, gpus=gpus, accumulation=accumulation)
        full = _per_full_pack(config, inputs)
        activations = estimate.activation_bytes(llava, config, supervised=full["supervised"], images=full["images"])
        quantized = estimate.quantized_parameters(llava, config)
        _print_memory(config, counts, activations, quantized=quantized, gpus=gpus)
        _print_disk(config, inputs, counts, model)
        meter = speed.of_model(
            llava, trainable=config.trained_whole, pack_tokens=config.pack_tokens, device_name=gpu, world=gpus
        )
        _print_hours(config, inputs, meter.flops, peak=peak, gpu=gpu, gpus=gpus, mfu=mfu)
        _print_samples(inputs)


def _print_packs(config: TrainConfig, inputs: Inputs, *, gpus: int, accumulation: int) -> None:
    plan = inputs.plan
    steps = min(plan.steps, config.max_steps or plan.steps)
    print(
        f"\n{len(plan.packs):,} packs of {config.pack_tokens:,} tokens, {plan.fill:.1%} full ({config.packing}), in "
        f"{steps:,} steps of {config.global_batch_size} packs = {gpus} GPUs × {config.micro_batch_size} packs × "
        f"{accumulation} accumulated\n"
    )


def _per_full_pack(config: TrainConfig, inputs: Inputs) -> dict[str, float]:
    shares = inputs.shares
    room = config.pack_tokens / max(sum(share.tokens for share in shares), 1)
    return {
        "supervised": room * sum(share.supervised_tokens for share in shares),
        "images": room * sum(share.images for share in shares),
    }


def _print_memory(
    config: TrainConfig, counts: dict[Part, tuple[int, int]], activations: float, *, quantized: int, gpus: int
) -> None:
    total, trainable = (sum(pair[i] for pair in counts.values()) for i in (0, 1))
    rows: list[tuple[str, ...]] = []
    for zero_stage in (0, 1, 2, 3):
        need = estimate.memory(config, zero_stage=zero_stage, world=gpus, parameters=total, trainable=trainable,
                               activations=activations, quantized=quantized)  # fmt: skip
        mark = " (set)" if zero_stage == config.zero_stage else ""
        sizes = (need.weights, need.gradients, need.optimizer, need.activations, need.context, need.total)
        rows.append((f"{zero_stage}{mark}", *(f"{size / 2**30:.1f}" for size in sizes)))
    four_bits = f", {quantized:,} weights in 4 bits" if quantized else ""
    offload = "" if config.offload == "none" else f", offload {config.offload}"
    table(
        ("ZeRO stage", "weights", "gradients", "optimiser", "activations", "context", "sum"), rows,
        title=f"memory per GPU in GiB, estimated, on {gpus} GPUs with {config.precision}{four_bits}{offload}",
    )  # fmt: skip


def _print_disk(config: TrainConfig, inputs: Inputs, counts: dict[Part, tuple[int, int]], model: Path) -> None:
    trainable = sum(train for _, train in counts.values())
    weights = sum(file.stat().st_size for file in model.glob("*.safetensors"))
    kept = (config.keep_checkpoints + 1) * 12 * trainable
    copied, in_place = inputs.image_bytes()
    lie = f"; those of {in_place} more are read where they lie" if in_place else ""
    print(
        f"\ndisk: {kept / 2**30:.1f} GiB for {config.keep_checkpoints} checkpoints and one being written, "
        f"{weights / 2**30:.1f} GiB for the model, both in --out; {copied / 2**30:.2f} GiB for the images of "
        f"compressed Parquet files, once for all stages and runs, in {cache_folder()}{lie}"
    )


def _print_hours(
    config: TrainConfig, inputs: Inputs, flops: Flops, *, peak: float, gpu: str, gpus: int, mfu: float
) -> None:
    done = min(inputs.plan.steps, config.max_steps or inputs.plan.steps) / inputs.plan.steps * config.epochs
    tokens, supervised, images = (
        done * sum(getattr(share, name) for share in inputs.shares)
        for name in ("tokens", "supervised_tokens", "images")
    )
    count = flops.count(tokens=tokens, supervised=supervised, images=images)
    hours = count / (peak * gpus * mfu) / 3600
    print(
        f"\n{tokens:,.0f} tokens, {supervised:,.0f} of them supervised, and {images:,.0f} images: {count:.3g} FLOPs "
        f"({flops.factor('language_model')}N per token in the language model, "
        f"{flops.factor('vision_encoder')}N per patch in the vision encoder)\n"
        f"{hours:,.3g} hours on {gpus} × {gpu} at an assumed MFU of {mfu:.0%} of {peak / 1e12:,.0f} TFLOP/s (dense "
        "bf16)"
    )


def _print_samples(inputs: Inputs) -> None:
    shown = 0
    for number in range(len(inputs.source)):
        if inputs.lengths.tokens[number]:
            sample = inputs.source[number]
            preview.show(sample.id, inputs.encoder(sample), inputs.processor.tokenizer)
            shown += 1
        if shown == SAMPLES:
            return
