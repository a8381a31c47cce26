"""What the guard around decoders costs good images, beside the same work without it.

    OMP_NUM_THREADS=1 python benchmarks/guarded_decoding.py

In a process of a build: shards of pictures, with and without limits and a word to the command for each. In a process
that reads for training: images decoded, made square, resized to 336 px and normalised, with and without
limits and notes for each. In one that has no such processes (chat, benchmarks, validation): the same, with pixels that
come from a process of their own. CPU seconds of both processes together; the ways take turns, and the least of each
counts.
"""

import multiprocessing
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import yaml
from gmai_data.build import BuildSettings, plan
from gmai_data.shards import build_shard
from gmai_data.sources.cards.catalogue import resolve
from gmai_data.sources.items import Item
from gmai_data.sources.listing import list_sources
from gmai_formats import limits
from gmai_formats.pictures.guarded import _idle, read_guarded
from gmai_formats.pictures.read import read_picture
from gmai_model.batching.pixels import Pixels
from PIL import Image
from train_loading import CASES, SIDE, encode  # beside this file
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil  # noqa: TID253

IMAGES, ROUNDS = 12, 12
SHARD = 60
CARD = {
    "name": "guarded", "title": "Guarded", "homepage": "https://example.org", "citation": "None.",
    "license": "CC0-1.0", "modality": "X-ray", "department": "Pulmonary Medicine",
    "clinical_task": "Disease Diagnosis", "anatomy": "chest", "task": "2d_classification",
    "layout": {"kind": "folder_per_class"}, "labels": {"a": "mass", "b": "nodule"},
    "split": {"fractions": {"train": 1.0}},
}  # fmt: skip


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


def build_costs(folder: Path) -> None:
    """Print what limits for each picture, and a word to the command of which is read, cost a build."""
    rng = np.random.default_rng(0)
    for number in range(SHARD):
        _, width, height, kind, mode = CASES[number % len(CASES)]
        place = folder / "data" / "ab"[number % 2] / f"{number}.{'jpg' if kind == 'JPEG' else 'png'}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encode(width, height, kind, mode, rng))
    card = folder / "card.yaml"
    card.write_text(yaml.safe_dump(CARD))
    sources = resolve([f"{card}={folder / 'data'}"], None)
    jobs = plan(list_sources(sources, None), folder / "work", BuildSettings())
    ours, theirs = multiprocessing.Pipe()

    def watched(item: Item) -> None:
        theirs.send(("item", item.key))
        limits.begin(sum((folder / "data" / file).stat().st_size for file in item.files))
        ours.recv()  # counted too, though the command does it

    def unwatched(_: Item) -> None:
        pass

    ways = {"unguarded": unwatched, "guarded": watched}
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for way, begin in ways.items():
            before = time.process_time()
            for job in jobs:
                shutil.rmtree(job.folder, ignore_errors=True)
                build_shard(job, begin)
            limits.end()
            least[way] = min(least[way], (time.process_time() - before) / SHARD)
    unguarded, guarded = least.values()
    print(f"a build: {unguarded * 1000:.2f} ms a picture unguarded, {guarded * 1000:.2f} ms guarded: "
          f"{guarded / unguarded:.3f}")  # fmt: skip


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder:
        build_costs(Path(folder))
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
