"""What the guard around decoders costs good images, beside the same work without it.

    OMP_NUM_THREADS=1 python benchmarks/guarded_decoding.py

In a process that reads for training: images decoded, made square, resized to 336 px and normalised, with and without
limits and notes for each. In one that has no such processes (chat, benchmarks, validation): the same, with pixels that
come from a process of their own. CPU seconds of both processes together; the ways take turns, and the least of each
counts.
"""

import os
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from gmai_formats import limits
from gmai_formats.pictures.guarded import _idle, read_guarded
from gmai_formats.pictures.read import read_picture
from gmai_model.batching.pixels import Pixels
from PIL import Image
from train_loading import CASES, SIDE, encode  # beside this file
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil  # noqa: TID253

IMAGES, ROUNDS = 12, 12


def spent_s() -> float:
    """Return the processor time of this process and of those that read for it."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    total = own.ru_utime + own.ru_stime
    for reader in _idle:
        # Nanoseconds on a processor, https://docs.kernel.org/scheduler/sched-stats.html
        total += int(Path(f"/proc/{reader._process.pid}/schedstat").read_text().split()[0]) / 1e9
    return total


def limited(data: bytes) -> Image.Image:
    """Decode as a training's worker does."""
    limits.begin(len(data))
    try:
        return read_picture(data).image
    finally:
        limits.end()


def main() -> None:
    """Print a table."""
    square = {"height": SIDE, "width": SIDE}
    pixels = Pixels(LlavaImageProcessorPil(do_pad=True, size=square, crop_size=square, do_center_crop=False), size=SIDE)
    ways: dict[str, Callable[[bytes], Image.Image]] = {
        "unguarded": lambda data: read_picture(data).image, "within limits": limited,
        "in a process of its own": lambda data: read_guarded(data).image,
    }  # fmt: skip
    rng = np.random.default_rng(0)
    print(f"| image | {' | '.join(f'{way}, ms' for way in ways)} | {' | '.join(list(ways)[1:])} |")
    print("|---|" + "---:|" * 5)
    whole = dict.fromkeys(ways, 0.0)
    for name, width, height, kind, mode in CASES:
        images = [encode(width, height, kind, mode, rng) for _ in range(IMAGES)]
        least = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            for way, read in ways.items():
                least[way] = min(least[way], seconds(images, lambda data, read=read: pixels([read(data)])))
        for way in ways:
            whole[way] += least[way]
        print(line(name, least))
    print(line("all together", {way: value / len(CASES) for way, value in whole.items()}))


def seconds(images: Sequence[bytes], work: Callable[[bytes], object]) -> float:
    """Return the seconds for an image."""
    before = spent_s()
    for data in images:
        work(data)
    return (spent_s() - before) / len(images)


def line(name: str, least: dict[str, float]) -> str:
    """Return a line of the table."""
    first, *others = least.values()
    times = " | ".join(f"{value * 1000:.2f}" for value in least.values())
    return f"| {name} | {times} | {' | '.join(f'{value / first:.3f}' for value in others)} |"


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s, load average {os.getloadavg()[0]:.1f}")
