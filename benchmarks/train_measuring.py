"""Token measuring: rows a second of the first start of a run, beside the chat template of transformers row by row.

    OMP_NUM_THREADS=1 python benchmarks/train_measuring.py [--rows 20000]

Rows of about 120 tokens of text (the pages in docs/, cut at random) with one image each, a vocabulary of 2,048. CPU
seconds of this process for one core; the wall clock for all cores, whose processes are started inside.
"""

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from gmai_formats.rows.mixtures import load_mixture
from gmai_model.assembly.presets import init_preset
from gmai_model.batching import lengths
from gmai_model.batching.prepare import open_source
from gmai_model.batching.samples import SampleSource
from gmai_model.batching.team import Team
from gmai_model.batching.texts import iterate_texts
from gmai_model.batching.tokens import Encoder
from transformers import AutoProcessor  # noqa: TID253

TEXTS = Path(__file__).parents[1] / "docs"
MEDIAN_WORDS, SIGMA = 55, 0.6


def write_rows(file: Path, count: int) -> None:
    """Write conversations of one question and one answer."""
    rng = np.random.default_rng(0)
    pages = " ".join(path.read_text("utf-8") for path in sorted(TEXTS.rglob("*.md")))
    words = re.findall(r"\b[A-Za-z0-9]+[.,]?(?=\s)", pages)

    def text(length: int) -> str:
        start = int(rng.integers(0, len(words) - length))
        return " ".join(words[start : start + length])

    with file.open("w", encoding="utf-8") as lines:
        for number in range(count):
            answer = text(int(np.clip(rng.lognormal(np.log(MEDIAN_WORDS), SIGMA), 5, 400)))
            messages = [{"role": "user", "content": f"<image>\n{text(12)}"}, {"role": "assistant", "content": answer}]
            lines.write(json.dumps({"id": str(number), "images": [f"{number}.png"], "messages": messages}) + "\n")


def row_by_row(source: SampleSource, tokenizer: Any, count: int) -> float:
    """Return the CPU seconds of a row, as a trainer that maps its tokeniser over rows takes them."""
    started = time.process_time()
    for number in range(count):
        tokenizer.apply_chat_template(
            source[number].messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
    return (time.process_time() - started) / count


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=32_768)
    count = parser.parse_args().rows
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["GMAI_CACHE"] = str(folder / "texts")
        write_rows(folder / "train.jsonl", count)
        init_preset("tiny", iterate_texts(folder / "train.jsonl"), folder / "tiny", image_mode="pad", seed=0)
        mixture, root = load_mixture(folder / "train.jsonl")
        source = open_source(mixture, root, stage=3, split="train", seed=0, cache=folder / "cache")
        tokenizer = AutoProcessor.from_pretrained(folder / "tiny").tokenizer
        encoder = Encoder(tokenizer, tokens_per_image=64, max_tokens=4096)
        started = time.process_time()
        for start in range(0, count, 256):
            encoder.measure(source.tables[0].read(np.arange(start, min(start + 256, count))))
        own = (time.process_time() - started) / count
        other = row_by_row(source, tokenizer, count // 4)
        started = time.monotonic()
        measured = lengths.measure(source, encoder, folder / "cache", Team(), shown=False)
        wall = time.monotonic() - started
        started = time.monotonic()
        lengths.measure(source, encoder, folder / "cache", Team(), shown=False)
        again = time.monotonic() - started
        print(
            f"{count:,} rows of {measured['tokens'].mean() - 64:.0f} tokens of text\n"
            f"| way | rows/s |\n|---|---:|\n"
            f"| ours, one core (CPU seconds) | {1 / own:,.0f} |\n"
            f"| `apply_chat_template` row by row, one core (CPU seconds) | {1 / other:,.0f} |\n"
            f"| ours, {len(os.sched_getaffinity(0))} cores (wall clock) | {count / wall:,.0f} |\n"
            f"| ours, from the cache | {count / again:,.0f} |"
        )


if __name__ == "__main__":
    main()
