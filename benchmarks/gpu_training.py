"""One GPU: milliseconds of an attention call, tokens per second, MFU and peak memory of each stage beside the estimate.

The 8 B shape with random weights (`--shape tiny` to try the program), one micro-batch of full packs again and again,
with AdamW fused; no data, no DeepSpeed. Writes one JSON with device and versions.
It had no GPU when it was written.

    python benchmarks/gpu_training.py --out gpu.json
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch  # noqa: TID253

STEPS = 4
SHAPES = {
    "8b": ((1024, 4096, 24, 16, 336, 14), (92544, 4096, 14336, 32, 32, 8)),
    "tiny": ((64, 128, 3, 4, 56, 14), (1000, 64, 128, 2, 4, 2)),
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--shape", choices=SHAPES, default="8b")
    parser.add_argument("--micro-batch-size", type=int, default=1)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="`cpu` tries the program alone.")
    arguments = parser.parse_args()
    on_gpu = arguments.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        sys.exit("skipped: torch finds no CUDA device here; nothing was measured")
    result = {
        "device": torch.cuda.get_device_name() if on_gpu else "cpu, a trial",
        "memory_gib": torch.cuda.get_device_properties(0).total_memory / 2**30 if on_gpu else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda, "driver": _driver(), "cudnn": torch.backends.cudnn.version(),
        "shape": arguments.shape, "attention_ms": attention() if on_gpu else {}, "stages": {},
    }  # fmt: skip
    for stage in (1, 2, 3):
        overrides = [] if stage < 3 else ["lora_rank=16"]  # all weights of 8 B with AdamW need more than one card
        try:
            result["stages"][stage] = measure(
                arguments.shape, stage, arguments.micro_batch_size, overrides, arguments.device
            )
        except torch.cuda.OutOfMemoryError as error:
            result["stages"][stage] = {"out_of_memory": str(error).splitlines()[0]}
        if on_gpu:
            torch.cuda.empty_cache()
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def _driver() -> str:
    path = Path("/proc/driver/nvidia/version")
    return path.read_text("utf-8").splitlines()[0] if path.is_file() else "unknown"


def attention() -> dict[str, float]:
    """Return back end ▶ ms of forward and backward of 4,096 tokens in segments of about 1,000, 32 and 8 heads."""
    from gmai_model.attention import varlen_attention
    from torch.nn.attention import SDPBackend, sdpa_kernel

    shapes = ((1, 32, 4096, 128), (1, 8, 4096, 128), (1, 8, 4096, 128))
    inputs = [torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=True) for shape in shapes]
    ends = torch.tensor([0, 900, 2100, 3000, 4096], dtype=torch.int32, device="cuda")

    def once() -> None:
        found, _ = varlen_attention(torch.nn.Identity(), *inputs, None, cu_seq_lens_q=ends, max_length_q=1200)
        found.sum().backward()

    found: dict[str, float] = {}
    for name, backends in (("torch's choice", None), ("flash", [SDPBackend.FLASH_ATTENTION]),
                           ("cudnn", [SDPBackend.CUDNN_ATTENTION])):  # fmt: skip
        try:
            if backends is None:
                found[name] = _ms(once)
            else:
                with sdpa_kernel(backends):
                    found[name] = _ms(once)
        except RuntimeError as error:
            print(f"{name}: {str(error).splitlines()[0]}", file=sys.stderr)
    return found


def _ms(work) -> float:
    for _ in range(5):
        work()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(20):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / 20 * 1000


def measure(shape: str, stage: int, micro_batch_size: int, overrides: list[str], device: str) -> dict[str, float]:
    """Return what some steps of a stage take."""
    import numpy as np
    from gmai_model.batching.collate import make_row
    from gmai_model.batching.tokens import Encoded
    from gmai_model.packed import PackedLlava
    from gmai_model.training import estimate, lora, parts
    from gmai_model.training.callbacks import speed
    from gmai_model.training.config import resolve
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    config = resolve(stage, None, [f"micro_batch_size={micro_batch_size}", *overrides])
    (width, inner, layers, heads, size, patch), (vocabulary, hidden, middle, depth, queries, keys) = SHAPES[shape]
    made = LlavaConfig(
        vision_config=CLIPVisionConfig(hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
                                       num_attention_heads=heads, image_size=size, patch_size=patch),
        text_config=LlamaConfig(vocab_size=vocabulary, hidden_size=hidden, intermediate_size=middle,
                                num_hidden_layers=depth, num_attention_heads=queries, num_key_value_heads=keys),
        image_token_id=5,
    )  # fmt: skip
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        llava = LlavaForConditionalGeneration(made)
    torch.set_default_dtype(torch.float32)
    counts = estimate.trained_parameters(llava, config)
    whole = config.trainable - config.lora_parts if config.lora_rank else config.trainable
    meter = speed.of_model(
        llava,
        trainable=whole,
        pack_tokens=config.pack_tokens,
        world=1,
        device_name=torch.cuda.get_device_name() if device == "cuda" else "cpu",
    )
    parts.set_trainable(llava, config.trainable)
    if config.lora_rank:
        lora.add_adapters(llava, config.lora_parts, rank=config.lora_rank, alpha=config.lora_alpha, seed=0)
    llava.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    llava.train()
    of_image, rng = (size // patch) ** 2, np.random.default_rng(0)
    images = config.pack_tokens * micro_batch_size // (of_image * 2)
    samples = []
    for _ in range(images):
        ids = rng.integers(6, vocabulary, of_image * 2).astype(np.int32)
        ids[:of_image] = 5
        samples.append(Encoded(ids, np.arange(len(ids)) >= len(ids) * 3 // 4, 1))
    row = make_row(samples, torch.randn(images, 3, size, size), image_size=size, unreadable=[]).to(torch.device(device))
    packed = PackedLlava(llava)
    trained = [parameter for parameter in packed.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=device == "cuda")

    def step() -> None:
        loss, _ = packed(row)
        (loss / len(row.targets)).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(STEPS):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - started) / STEPS
    tokens = row.input_ids.shape[1]
    total, train = (sum(pair[i] for pair in counts.values()) for i in (0, 1))
    supervised = len(row.targets) / micro_batch_size
    activations = estimate.activation_bytes(llava, config, supervised=supervised, images=images / micro_batch_size)
    speeds = meter.of_step(tokens=tokens, supervised=len(row.targets), images=images, packs=micro_batch_size,
                           seconds=seconds, waited_s=0)  # fmt: skip
    return {
        "seconds": seconds, **speeds, "trainable": train,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0,
        "estimated_weights_and_activations_gib": (2 * total + activations) / 2**30,
    }  # fmt: skip


if __name__ == "__main__":
    main()
