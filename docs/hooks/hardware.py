"""MkDocs hook: the page about hardware and time, from the estimate of `gmai train --dry-run`."""

from collections.abc import Iterator
from typing import Any

from mkdocs.structure.files import File

EXAMPLE = {"tokens": 700.0, "supervised": 60.0, "images": 1.0}
"""One sample: 576 tokens of an image and 124 of text, of which the answer is 60."""
SAMPLES = 100_000
MFU = 0.4


def on_files(files: Any, config: Any) -> Any:
    """Add the page."""
    files.append(File.generated(config, "reference/hardware.md", content="\n".join(page()) + "\n"))
    return files


def page() -> Iterator[str]:
    """Yield the page, Markdown line by line."""
    from gmai_model.flops import peak_flops
    from gmai_model.training import estimate
    from gmai_model.training.callbacks import speed
    from gmai_model.training.config import resolve
    from gmai_model.training.presets import PRESETS

    yield from INTRODUCTION
    yield "| preset | GPUs | stage | trains | GiB a GPU | of | hours for 100,000 samples |"
    yield "|---|---|---|---|---|---|---|"
    for name, preset in PRESETS.items():
        for stage in (1, 2, 3):
            config = resolve(stage, None, [], name)
            llava = _paper_model()
            counts = estimate.trained_parameters(llava, config)
            total, trainable = (sum(pair[part] for pair in counts.values()) for part in (0, 1))
            per_pack = config.pack_tokens / EXAMPLE["tokens"]
            activations = estimate.activation_bytes(
                llava, config, supervised=EXAMPLE["supervised"] * per_pack, images=per_pack
            )
            memory = estimate.memory(
                config, zero_stage=config.zero_stage, world=preset.gpus, parameters=total, trainable=trainable,
                activations=activations, quantized=estimate.quantized_parameters(llava, config),
            )  # fmt: skip
            meter = speed.of_model(
                llava,
                trainable=config.trained_whole,
                pack_tokens=config.pack_tokens,
                device_name=preset.gpu,
                world=preset.gpus,
            )
            operations = meter.flops.count(**{key: SAMPLES * number for key, number in EXAMPLE.items()})
            hours = operations / ((peak_flops(preset.gpu) or 0) * preset.gpus * MFU) / 3600
            yield (
                f"| `{name}` | {preset.gpus} × {preset.gpu} | {stage} | {_trains(config)} | "
                f"{memory.total / 2**30:.0f} | {preset.memory_gib:.0f} | {hours:.2g} |"
            )
    yield from CLOSING


def _trains(config: Any) -> str:
    names = {"vision_encoder": "vision encoder", "projector": "projector", "language_model": "language model"}
    adapted = config.trainable - config.trained_whole
    parts = [names[part] + (" (adapters)" if part in adapted else "") for part in names if part in config.trainable]
    return ", ".join(parts) + ("; language model in 4 bits" if config.quantize != "none" else "")


def _paper_model() -> Any:
    """Return the paper's model without weights: CLIP ViT-L/14-336 and InternLM2.5-7B, by their published settings."""
    import torch
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, image_size=336,
        patch_size=14,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=92544, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8,
    )  # fmt: skip
    with torch.device("meta"):
        return LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text, image_seq_length=576))


INTRODUCTION = """\
# Hardware and time

What each machine can do, so that you choose before you queue.

## A laptop

**Measured** on two free cores without a GPU: `gmai demo` draws its data, builds, trains three stages of a model of 1.6
million parameters and runs its benchmarks in 2.9 minutes (2026-12-01), and asks for 250 MB of room. Building
datasets needs no GPU at all; `benchmarks/README.md` in the repository has slices and images a second.

## GPUs, for the paper's 8 B model

**Estimated**, none of it measured: the figures are those of `gmai train --dry-run --preset NAME` for a CLIP
ViT-L/14-336 with an InternLM2.5-7B, written from the code at every build of this page. A sample is taken as one image
(576 tokens) with 124 tokens of text, of which the answer has 60; a GPU is taken to reach 40 % of its dense bf16 peak.

""".splitlines()

CLOSING = """\

- Where the sum comes near to what a GPU has, start with `--set micro_batch_size=1`; `--set offload=optimizer` moves the
  optimiser's states to the memory of the host.
- Your own figures: `gmai train --stage N --model … --data … --preset NAME --dry-run` counts your samples and reads no
  weights; `--gpu`, `--gpus` and `--mfu` change what is assumed, and a run prints the share that it really reaches.
- [Train on a cluster](../how-to/train-on-a-cluster.md) has the job scripts, [resume](../how-to/resume.md) what a
  walltime limit does.
""".splitlines()
