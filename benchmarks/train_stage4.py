"""Whether stage 4 mends what stage 3 learned wrong: coloured squares on the tiny model, on the CPU, some minutes each.

    OMP_NUM_THREADS=1 python benchmarks/train_stage4.py --out stage4 [--steps 30]

Stage 3 learns the colours of 1,200 squares, of which three fifths of the green ones are called blue: labels of which a
part is wrong, as in reports. Stage 4 has 400 other squares with their true colours, by both methods, and answers 200
more before and after. The commands are those that a user types; each prints its gain with the 95 % interval.
"""

import argparse
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 80, 230)}
CALLED = {"green": "blue"}
SHARE_WRONG = 0.6
QUESTION = "Which colour?"
PARTS = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", PARTS)]))
IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
TASKS = pa.schema([
    ("id", pa.string()), ("images", IMAGES), ("prompt", MESSAGES), ("chosen", MESSAGES), ("rejected", MESSAGES),
    ("reward", pa.string()), ("truth", pa.string()),
])  # fmt: skip
SETTINGS = {
    "3": ["pack_tokens=512", "global_batch_size=4", "micro_batch_size=4", "learning_rate=1e-3", "max_steps=120",
          "epochs=20", "answers=0", "loader_workers=0", "save_every_steps=1000"],
    "grpo": ["learning_rate=1e-3", "global_batch_size=8", "answer_tokens=6", "held_out_questions=200"],
    "dpo": ["learning_rate=3e-4", "answer_tokens=6", "held_out_questions=200"],
}  # fmt: skip


def draw(colour: str, rng: np.random.Generator) -> bytes:
    """Return the PNG of a square."""
    image = Image.new("RGB", (64, 64), (90, 90, 90))
    x, y = map(int, rng.integers(0, 12, 2))
    ImageDraw.Draw(image).rectangle((x, y, x + 50, y + 50), fill=COLOURS[colour])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def sample(number: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return a sample of stage 3, its label perhaps wrong."""
    colour = str(rng.choice(list(COLOURS)))
    said = CALLED.get(colour, colour) if rng.random() < SHARE_WRONG else colour
    messages = [{"role": "user", "content": f"<image>\n{QUESTION}"}, {"role": "assistant", "content": said}]
    return {"id": f"s{number}", "images": [{"bytes": draw(colour, rng), "path": None}], "messages": messages}


def task(number: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return a question of stage 4 with its truth."""
    colour = str(rng.choice(list(COLOURS)))

    def said(text: str) -> list[dict[str, Any]]:
        return [{"role": "assistant", "content": [{"type": "text", "text": text}]}]

    prompt = [{"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": QUESTION}]}]
    wrong = {"green": "blue", "blue": "green", "red": "blue"}[colour]
    return {"id": f"t{number}", "images": [{"bytes": draw(colour, rng), "path": None}], "prompt": prompt,
            "chosen": said(colour), "rejected": said(wrong), "reward": "option_text",
            "truth": json.dumps({"answer": colour, "options": list(COLOURS)})}  # fmt: skip


def main() -> None:
    """Write the data and run the three commands."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    out: Path = arguments.out
    from gmai_model.assembly.presets import init_preset

    rng = np.random.default_rng(0)
    for folder in ("samples", "tasks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([sample(n, rng) for n in range(1200)]), out / "samples" / "train-0.parquet")
    for split, count in (("train", 400), ("validation", 200)):
        rows = [task(number, rng) for number in range(count)]
        pq.write_table(pa.Table.from_pylist(rows, TASKS), out / "tasks" / f"squares-{split}.parquet")
    init_preset("tiny", [QUESTION, *COLOURS] * 20, out / "tiny", image_mode="pad", seed=0)
    for name, settings in SETTINGS.items():
        stage = ["--stage", "3"] if name == "3" else ["--stage", "4", "--method", name]
        model, data = ("tiny", "samples") if name == "3" else ("run-3/model", "tasks")
        more = [] if name == "3" else [f"max_steps={arguments.steps}"]
        words = [
            "train",
            *stage,
            "--model",
            str(out / model),
            "--data",
            str(out / data),
            "--out",
            str(out / f"run-{name}"),
        ]
        common = ["precision=fp32", "activation_checkpointing=false", "device=cpu", *settings, *more]
        command = [sys.executable, "-m", "gmai_cli", *words, *(f"--set={setting}" for setting in common)]
        subprocess.run(command, check=True, env={**os.environ, "GMAI_CACHE": str(out / "cache")})


if __name__ == "__main__":
    main()
