"""Training of a tiny LLaVA beside peers that read the same files: CPU seconds of the training loop, one thread.

    OMP_NUM_THREADS=1 python benchmarks/train_peers.py [--samples 200] [--words 150] [--python llamafactory=LF/python …]

The same rows for all (log-normal lengths of --words in the median, a fifth of them the answer; 70 % with an image of
112 px), one epoch, AdamW at 1e-5, fp32, all parts train, no checkpointing of activations. Each way runs in a process of
its own; the seconds are those around `Loop.run` and around transformers' `Trainer.train`, tokenising and decoding
included where the way does them there: LLaMA-Factory tokenises before. A peer that is not installed is named and left
out. LLaMA-Factory and ms-swift name other versions of transformers than gmai, so that each has an environment of its
own, given by --python.
"""

import argparse
import io
import json
import os
import shutil
import statistics
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
PEERS = {"ours": "gmai_model", "trl": "trl", "llamafactory": "llamafactory", "swift": "swift"}
"""Way ▶ the module that it needs."""
NAMES = {
    "ours": "ours", "trl": "TRL SFTTrainer, padded, batches of 8",
    "llamafactory": "LLaMA-Factory, padded, batches of 8",
    "swift": "ms-swift, padded, grouped by length, batches of 8",
}  # fmt: skip
PACKAGES = {"ours": "gmai-model", "trl": "trl", "llamafactory": "llamafactory", "swift": "ms-swift"}


def write_rows(folder: Path, count: int, median: int) -> None:
    """Write the samples as JSON Lines with their images beside them."""
    rng = np.random.default_rng(0)
    words = ["".join(chr(97 + letter) for letter in rng.integers(0, 26, rng.integers(2, 9))) for _ in range(500)]
    with (folder / "train.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(count):
            has_image = bool(rng.random() < 0.7)
            length = int(np.clip(rng.lognormal(np.log(median), 0.8), 8, 1800))
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


def llamafactory_padded(folder: Path) -> float:
    """Return the CPU seconds of LLaMA-Factory's trainer, with the turns of the checkpoint's own template."""
    import torch
    from llamafactory.data.formatter import EmptyFormatter, StringFormatter
    from llamafactory.data.mm_plugin import get_mm_plugin
    from llamafactory.data.template import register_template
    from llamafactory.train.tuner import run_exp

    torch.set_num_threads(1)
    user = "<|im_start|>user\n{{content}}<|im_end|>\n<|im_start|>assistant\n"
    register_template(
        name="gmai", format_user=StringFormatter(slots=[user]), format_assistant=StringFormatter(
            slots=["{{content}}<|im_end|>\n"]), format_prefix=EmptyFormatter(slots=[]),
        stop_words=["<|im_end|>"], mm_plugin=get_mm_plugin(name="llava", image_token="<image>"),  # noqa: S106
    )  # fmt: skip
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entry = {"file_name": "train.jsonl", "formatting": "sharegpt", "tags": tags,
             "columns": {"messages": "messages", "images": "images"}}  # fmt: skip
    (folder / "dataset_info.json").write_text(json.dumps({"peers": entry}))
    took = _time_trainer()
    run_exp({
        "stage": "sft", "do_train": True, "model_name_or_path": str(folder / "tiny"), "dataset": "peers",
        "dataset_dir": str(folder), "media_dir": str(folder), "template": "gmai", "finetuning_type": "full",
        "freeze_vision_tower": False, "freeze_multi_modal_projector": False, "cutoff_len": 4096,
        "per_device_train_batch_size": BATCH, "gradient_accumulation_steps": 1, "learning_rate": 1e-5,
        "num_train_epochs": 1, "bf16": False, "use_cpu": True, "disable_gradient_checkpointing": True,
        "flash_attn": "sdpa", "report_to": "none", "save_strategy": "no", "logging_strategy": "no", "seed": 0,
        "output_dir": str(folder / "llamafactory"), "trust_remote_code": False, "optim": "adamw_torch",
        "preprocessing_num_workers": 1, "dataloader_num_workers": 0,
    })  # fmt: skip
    return took[0]


def swift_grouped(folder: Path) -> float:
    """Return the CPU seconds of ms-swift's trainer, with batches of samples of like length."""
    import torch
    from swift import SftArguments, sft_main

    torch.set_num_threads(1)
    os.chdir(folder)  # where the paths of images begin
    took = _time_trainer()
    sft_main(SftArguments(
        model=str(folder / "tiny"), model_type="llava1_5_hf", template="llava1_5_hf", tuner_type="full",
        dataset=["train.jsonl"], torch_dtype="float32", freeze_vit=False, freeze_aligner=False, freeze_llm=False,
        max_length=4096, per_device_train_batch_size=BATCH, gradient_accumulation_steps=1, learning_rate=1e-5,
        num_train_epochs=1, gradient_checkpointing=False, group_by_length=True, attn_impl="sdpa", report_to=["none"],
        save_strategy="no", logging_steps=100000, seed=0, output_dir=str(folder / "swift"), optim="adamw_torch",
        dataloader_num_workers=0, dataset_num_proc=1, use_cpu=True, bf16=False, fp16=False, split_dataset_ratio=0,
        lazy_tokenize=False, eval_strategy="no",
    ))  # fmt: skip
    return took[0]


def _time_trainer() -> list[float]:
    """Return a list that gets the CPU seconds of the training loop of transformers' Trainer."""
    from transformers import Trainer

    took: list[float] = []
    train = Trainer.train

    def timed(self: Any, *arguments: Any, **more: Any) -> Any:
        started = time.process_time()
        result = train(self, *arguments, **more)
        took.append(time.process_time() - started)
        return result

    Trainer.train = timed
    return took


WAYS = {"ours": ours, "trl": trl_padded, "llamafactory": llamafactory_padded, "swift": swift_grouped}


def main() -> None:
    """Run every way and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--words", type=int, default=150, help="Of a row, in the median; no row has more than 1,800.")
    parser.add_argument("--way")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--python", action="append", default=[], help="WAY=PATH: the interpreter of a peer.")
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(WAYS[arguments.way](arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu",
                       "GMAI_CACHE": str(folder / "cache")}  # fmt: skip
        write_rows(folder, arguments.samples, arguments.words)
        _make_model(folder)
        took: list[tuple[str, str, float]] = []
        for way in (*PEERS, "ours"):  # ours twice, at both ends: the load of the machine may change
            python = dict(each.split("=", 1) for each in arguments.python).get(way, sys.executable)
            if (version := _version(python, way)) is None:
                print(f"{way}: {PEERS[way]} is not installed for {python}; left out", file=sys.stderr)
                continue
            command = [python, __file__, "--way", way, "--folder", scratch]
            shutil.rmtree(folder / "ours", ignore_errors=True)
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{way}: {done.stderr[-3000:]}", file=sys.stderr)
                continue
            took.append((way, version, float(done.stdout.strip().splitlines()[-1])))
    own = statistics.mean(seconds for way, _, seconds in took if way == "ours")
    title = f"{arguments.samples} samples of {arguments.words} words in the median"
    print(f"{title}\n\n| way | CPU s | ratio |\n|---|---:|---:|")
    for way, version, seconds in took:
        print(f"| {NAMES[way]} ({version}) | {seconds:.1f} | {seconds / own:.2f} |")


def _version(python: str, way: str) -> str | None:
    """Return the versions of a peer and of its transformers; None where it is not installed."""
    code = "import importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in (%r, 'transformers')), sep=', ')"
    done = subprocess.run([python, "-c", code % PACKAGES[way]], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _make_model(folder: Path) -> None:
    from gmai_model.assembly.presets import init_preset

    texts = [json.loads(line)["messages"][0]["content"].replace("<image>", "")
             for line in (folder / "train.jsonl").read_text("utf-8").splitlines()]  # fmt: skip
    init_preset("tiny", texts, folder / "tiny", image_mode="pad", seed=0)


if __name__ == "__main__":
    main()
