"""The local backend, batched by length, beside a loop of one `generate` per question, on a small random LLaVA.

    python benchmarks/bench_local.py --model CKPT

CKPT is any image-text-to-text checkpoint; `gmai model init --preset tiny --out CKPT` makes one. The answers must agree.
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np
from gmai_bench.backends.asks import Ask
from gmai_bench.backends.local import LocalModel
from PIL import Image

WORDS = ("which", "finding", "modality", "organ", "is", "seen", "in", "this", "image", "of", "the", "chest", "patient")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    arguments = parser.parse_args()
    draw = random.Random(0)  # noqa: S311 - test data
    noise = np.random.default_rng(0).integers(0, 256, size=(8, 64, 64, 3), dtype=np.uint8)
    pictures = {str(i): Image.fromarray(pixels) for i, pixels in enumerate(noise)}
    asks = [
        Ask(str(i), " ".join(draw.choices(WORDS, k=draw.randint(4, 60))) + "?", (str(i % 8),))
        for i in range(arguments.questions)
    ]
    seconds: dict[int, float] = {}
    answers: dict[int, dict[str, str]] = {}
    for size in (1, arguments.batch_size):
        model = LocalModel(str(arguments.model), batch_size=size, max_new_tokens=arguments.max_new_tokens)
        list(model.answers(asks[:2], pictures.__getitem__))
        begin = time.perf_counter()
        answers[size] = {answer.id: answer.response for answer in model.answers(asks, pictures.__getitem__)}
        seconds[size] = time.perf_counter() - begin
        print(f"batch size {size:3}: {arguments.questions / seconds[size]:7.1f} questions/s")
    alone, batched = answers[1], answers[arguments.batch_size]
    same = sum(alone[identity] == batched[identity] for identity in alone)
    print(f"batched is {seconds[1] / seconds[arguments.batch_size]:.1f} ×; {same} of {len(alone)} answers are the same")


if __name__ == "__main__":
    main()
