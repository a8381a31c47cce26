"""Training steps of a tiny LLaVA, ours beside what users would pick instead: useful tokens per CPU second, one thread.

Every way trains the same samples for one epoch with AdamW, from the same weights, tokenised and decoded beforehand;
each in a process of its own, after a warm-up step. Useful tokens are those of the samples, never padding.

    OMP_NUM_THREADS=1 python benchmarks/train_step.py
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253

PACK_TOKENS = 2048
SAMPLES = 200
BATCH = 8
"""Samples of a padded batch: as many tokens as a pack holds, on average."""
LONG_ROW = 4096


def main() -> None:
    """Run every way and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--way")
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(WAYS[arguments.way](arguments.model)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "tiny"
        _make_model(model)
        rates = {way: _run(way, model) for way in WAYS}
    print(f"{'way':44} {'tokens/CPU s':>12} {'ours is':>8}")
    for way, rate in rates.items():
        ours = rates["row: ours" if way.startswith("row") else "epoch: ours"]
        print(f"{way:44} {rate:12,.0f} {ours / rate:7.2f}×")


def _run(way: str, model: Path) -> float:
    command = [sys.executable, __file__, "--way", way, "--model", str(model)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return result["tokens"] / result["cpu_s"]


def _make_model(out: Path) -> None:
    from gmai_model.assembly.presets import init_preset

    init_preset("tiny", ["one sample of text for the tokenizer " * 20] * 50, out, image_mode="pad", seed=0)


def _load(model: Path) -> Any:
    from transformers import LlavaForConditionalGeneration

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return LlavaForConditionalGeneration.from_pretrained(model, dtype=torch.float32, attn_implementation="sdpa").train()


def _samples(count: int = SAMPLES) -> list[dict[str, Any]]:
    """Return samples with the shape of stage III: 70 % with an image of 64 tokens, log-normal text, a fifth learned."""
    rng = np.random.default_rng(0)
    samples: list[dict[str, Any]] = []
    for _ in range(count):
        image = rng.random() < 0.7
        text = int(np.clip(rng.lognormal(5.0, 0.8), 16, PACK_TOKENS - 64))
        ids = np.concatenate([np.full(64 if image else 0, _image_id()), rng.integers(10, 300, text)])
        labels = np.where(np.arange(len(ids)) >= len(ids) - text // 5, ids, -100)
        pixels = torch.from_numpy(rng.random((1, 3, 112, 112), dtype=np.float32)) if image else None
        samples.append({"input_ids": ids.tolist(), "labels": labels.tolist(), "pixels": pixels})
    return samples


def _image_id() -> int:
    return _IMAGE_ID[0]


_IMAGE_ID = [0]


def _prepare(model: Path) -> tuple[Any, list[dict[str, Any]], int]:
    llava = _load(model)
    _IMAGE_ID[0] = llava.config.image_token_id
    samples = _samples()
    return llava, samples, sum(len(sample["input_ids"]) for sample in samples)


def _pad(batch: list[dict[str, Any]]) -> dict[str, Any]:
    longest = max(len(sample["input_ids"]) for sample in batch)

    def padded(key: str, value: int) -> torch.Tensor:
        return torch.tensor([sample[key] + [value] * (longest - len(sample[key])) for sample in batch])

    ids = padded("input_ids", 2)
    mask = torch.tensor([[1] * len(s["input_ids"]) + [0] * (longest - len(s["input_ids"])) for s in batch])
    return {"input_ids": ids, "attention_mask": mask, "labels": padded("labels", -100), **_pixels(batch)}


def _pixels(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    images = [sample["pixels"] for sample in batch if sample["pixels"] is not None]
    return {"pixel_values": torch.cat(images)} if images else {}


def _flatten(packs: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Return one packed row as transformers takes it: position ids that start anew, no attention mask."""
    (pack,) = packs
    labels = [[-100, *sample["labels"][1:]] for sample in pack]
    return {
        "input_ids": torch.tensor([[token for sample in pack for token in sample["input_ids"]]]),
        "position_ids": torch.cat([torch.arange(len(sample["input_ids"])) for sample in pack])[None],
        "labels": torch.tensor([[label for sample in labels for label in sample]]),
        **_pixels(pack),
    }


def _packs(samples: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    from gmai_model.batching.packing import pack

    lengths = np.array([len(sample["input_ids"]) for sample in samples])
    return [[samples[i] for i in positions] for positions in pack(lengths, PACK_TOKENS, "best_fit")]


def _trainer(llava: Any, data: list[Any], collate: Any, **options: Any) -> float:
    """Return the CPU seconds of one epoch of the HF Trainer."""
    from transformers import Trainer, TrainingArguments

    with tempfile.TemporaryDirectory() as out:
        arguments = {
            "output_dir": out, "num_train_epochs": 1, "learning_rate": 1e-5, "max_grad_norm": 1.0, "report_to": [],
            "save_strategy": "no", "logging_strategy": "no", "remove_unused_columns": False, "disable_tqdm": True,
            "use_cpu": True, "seed": 0, **options,
        }  # fmt: skip
        Trainer(llava, TrainingArguments(**{**arguments, "max_steps": 1}), train_dataset=data,
                data_collator=collate).train()  # fmt: skip
        trainer = Trainer(llava, TrainingArguments(**arguments), train_dataset=data, data_collator=collate)
        started = time.process_time()
        trainer.train()
        return time.process_time() - started


def _padded(model: Path) -> dict[str, float]:
    llava, samples, tokens = _prepare(model)
    return {"tokens": tokens, "cpu_s": _trainer(llava, samples, _pad, per_device_train_batch_size=BATCH)}


def _grouped(model: Path) -> dict[str, float]:
    llava, samples, tokens = _prepare(model)
    cpu_s = _trainer(llava, samples, _pad, per_device_train_batch_size=BATCH,
                     train_sampling_strategy="group_by_length")  # fmt: skip
    return {"tokens": tokens, "cpu_s": cpu_s}


def _hf_packed(model: Path) -> dict[str, float]:
    llava, samples, tokens = _prepare(model)
    llava.config.text_config.use_cache = False  # else transformers does not see the packs (tests/…/test_packed.py)
    return {"tokens": tokens, "cpu_s": _trainer(llava, _packs(samples), _flatten, per_device_train_batch_size=1)}


def _rows(packs: list[list[dict[str, Any]]]) -> list[Any]:
    from gmai_model.batching.collate import make_row
    from gmai_model.batching.tokens import Encoded

    return [
        make_row(
            [Encoded(np.array(s["input_ids"], dtype=np.int32), np.array(s["labels"]) != -100, 1) for s in pack],
            _pixels(pack).get("pixel_values"), image_size=112, unreadable=[],
        )
        for pack in packs
    ]  # fmt: skip


def _ours(model: Path) -> dict[str, float]:
    """Time the calls of `gmai_model.training.loop`, on the engine that `gmai train` makes."""
    import torch.distributed as dist
    from gmai_model.packed import PackedLlava
    from gmai_model.training import distributed, parts

    llava, samples, tokens = _prepare(model)
    parts.set_trainable(llava, ("vision_encoder", "projector", "language_model"))
    launch = distributed.read_launch()
    distributed.choose_device(launch, device="cpu", precision="fp32")
    settings = distributed.deepspeed_config(
        zero_stage=2, precision="fp32", micro_batch_size=1, accumulation=1, max_grad_norm=1.0, offload="none"
    )
    accelerator = distributed.start(launch, settings, on_gpu=False)
    packed = PackedLlava(llava)
    optimizer = torch.optim.AdamW([p for p in packed.parameters() if p.requires_grad], lr=1e-5)
    engine, _ = accelerator.prepare(packed, optimizer)
    rows = _rows(_packs(samples))

    def step(row: Any) -> None:
        loss, _ = engine(row)
        sums = torch.tensor([float(loss.detach())], dtype=torch.float64)
        engine.set_gradient_accumulation_boundary(True)
        engine.backward(loss / len(row.targets))
        engine.step()
        dist.all_reduce(sums)
        float(engine.get_global_grad_norm())

    step(rows[0])
    started = time.process_time()
    for row in rows:
        step(row)
    return {"tokens": tokens, "cpu_s": time.process_time() - started}


def _long_row(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    chosen: list[dict[str, Any]] = []
    for sample in samples:
        if sum(len(s["input_ids"]) for s in [*chosen, sample]) <= LONG_ROW:
            chosen.append(sample)
    return chosen


def _repeat(compute: Any, llava: Any, tokens: int) -> dict[str, float]:
    compute().backward()
    started = time.process_time()
    for _ in range(5):
        llava.zero_grad()
        compute().backward()
    return {"tokens": 5 * tokens, "cpu_s": time.process_time() - started}


def _hf_row(model: Path) -> dict[str, float]:
    llava, samples, _ = _prepare(model)
    llava.config.text_config.use_cache = False
    batch = _flatten([_long_row(samples)])
    return _repeat(lambda: llava(**batch, use_cache=False).loss, llava, batch["input_ids"].shape[1])


def _our_row(model: Path) -> dict[str, float]:
    from gmai_model.packed import PackedLlava

    llava, samples, _ = _prepare(model)
    packed = PackedLlava(llava)
    (row,) = _rows([_long_row(samples)])
    return _repeat(lambda: packed(row)[0], llava, row.input_ids.shape[1])


WAYS = {
    "epoch: ours": _ours,
    "epoch: HF Trainer, padded": _padded,
    "epoch: HF Trainer, padded, grouped by length": _grouped,
    "epoch: HF Trainer, packed, SDPA mask": _hf_packed,
    "row: ours": _our_row,
    "row: HF packed SDPA mask": _hf_row,
}

if __name__ == "__main__":
    main()
