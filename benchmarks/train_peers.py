"""Training of a tiny LLaVA beside peers that read the same files: CPU seconds of the training loop, one thread.

    OMP_NUM_THREADS=1 python benchmarks/train_peers.py [--samples 200]

The same rows for all (questions and answers of log-normal length, 70 % with an image of 112 px), one epoch, AdamW at
1e-5, fp32, all parts train, no checkpointing of activations. Each way runs in a process of its own; the seconds are
those around `Loop.run` and around transformers' `Trainer.train`, tokenising and decoding included where the way does
them there. A peer that is not installed is named and left out.
"""

import argparse
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PACK_TOKENS = 2048
BATCH = 8
PEERS = {"ours": "gmai_model", "TRL SFTTrainer, padded": "trl"}
"""Way ▶ the module that it needs."""


def write_rows(folder: Path, count: int) -> None:
    """Write the samples as JSON Lines with their images beside them."""
    rng = np.random.default_rng(0)
    words = ["".join(chr(97 + letter) for letter in rng.integers(0, 26, rng.integers(2, 9))) for _ in range(500)]
    with (folder / "train.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(count):
            has_image = bool(rng.random() < 0.7)
            length = int(np.clip(rng.lognormal(4.0, 0.8), 8, 400))
            question, answer = (" ".join(rng.choice(words, size)) for size in (length * 4 // 5, length // 5 + 1))
            if has_image:
                buffer = io.BytesIO()
                Image.fromarray(rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)).save(buffer, "PNG")
                (folder / f"{number}.png").write_bytes(buffer.getvalue())
            messages = [{"role": "user", "content": "<image>\n" * has_image + question},
                        {"role": "assistant", "content": answer}]  # fmt: skip
            row = {"id": str(number), "images": [f"{number}.png"] * has_image, "messages": messages}
            lines.write(json.dumps(row) + "\n")


def ours(folder: Path) -> float:
    """Return the CPU seconds of `Loop.run`."""
    from gmai_model.training import run
    from gmai_model.training.config import resolve
    from gmai_model.training.signals import StopRequest

    took: list[float] = []

    class Timed(run.Loop):
        def run(self, title: str) -> None:
            started = time.process_time()
            super().run(title)
            took.append(time.process_time() - started)

    run.Loop = Timed
    settings = ["precision=fp32", f"pack_tokens={PACK_TOKENS}", "global_batch_size=1", "micro_batch_size=1",
                "loader_workers=0", "answers=0", "activation_checkpointing=false", "save_every_steps=100000",
                "device=cpu"]  # fmt: skip
    run.train(resolve(3, None, settings), StopRequest(), model=folder / "tiny", data=folder / "train.jsonl",
              out=folder / "ours")  # fmt: skip
    return took[0]


def trl_padded(folder: Path) -> float:
    """Return the CPU seconds of TRL's trainer, batches of 8 padded to their longest."""
    import torch
    from datasets import Dataset
    from transformers import AutoProcessor, LlavaForConditionalGeneration
    from trl import SFTConfig, SFTTrainer

    rows: list[dict[str, Any]] = []
    for line in (folder / "train.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        question, answer = (message["content"].replace("<image>\n", "") for message in row["messages"])
        image = [{"type": "image"}] if row["images"] else []
        rows.append({
            "images": [Image.open(folder / name).convert("RGB") for name in row["images"]],
            "prompt": [{"role": "user", "content": [*image, {"type": "text", "text": question}]}],
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": answer}]}],
        })  # fmt: skip
    torch.set_num_threads(1)
    processor = AutoProcessor.from_pretrained(folder / "tiny")
    llava = LlavaForConditionalGeneration.from_pretrained(folder / "tiny", dtype=torch.float32)
    arguments = SFTConfig(
        output_dir=str(folder / "trl"), num_train_epochs=1, learning_rate=1e-5, per_device_train_batch_size=BATCH,
        max_length=None, gradient_checkpointing=False, bf16=False, use_cpu=True, report_to="none", save_strategy="no",
        logging_strategy="no", disable_tqdm=True, seed=0, dataset_kwargs={"skip_prepare_dataset": True},
    )  # fmt: skip
    trainer = SFTTrainer(llava, arguments, train_dataset=Dataset.from_list(rows), processing_class=processor)
    started = time.process_time()
    trainer.train()
    return time.process_time() - started


WAYS = {"ours": ours, "TRL SFTTrainer, padded": trl_padded}


def main() -> None:
    """Run every way and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--way")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(WAYS[arguments.way](arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu",
                       "GMAI_CACHE": str(folder / "cache")}  # fmt: skip
        write_rows(folder, arguments.samples)
        _make_model(folder)
        took: dict[str, float] = {}
        for way, module in PEERS.items():
            if importlib.util.find_spec(module) is None:
                print(f"{way}: {module} is not installed; left out", file=sys.stderr)
                continue
            command = [sys.executable, __file__, "--way", way, "--folder", scratch]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{way}: {done.stderr[-3000:]}")
            took[way] = float(done.stdout.strip().splitlines()[-1])
    print(f"{arguments.samples} samples\n| way | CPU s | ratio |\n|---|---:|---:|")
    for way, seconds in took.items():
        print(f"| {way} | {seconds:.1f} | {seconds / took['ours']:.2f} |")


def _make_model(folder: Path) -> None:
    from gmai_model.assembly.presets import init_preset

    texts = [json.loads(line)["messages"][0]["content"].replace("<image>", "")
             for line in (folder / "train.jsonl").read_text("utf-8").splitlines()]  # fmt: skip
    init_preset("tiny", texts, folder / "tiny", image_mode="pad", seed=0)


if __name__ == "__main__":
    main()
