"""Exports and `gmai data validate`: samples a CPU second and peak memory, beside the loop one writes with `datasets`.

python benchmarks/data_release.py [--samples 20000] [--image-px 336]

The loop is `for row in load_dataset(...)`: save the picture, collect the row, `json.dump` the list, as LLaVA JSON; the
other one writes the picture's bytes as they are instead of decoding and encoding them.
"""

import argparse
import functools
import json
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

HAND = ("by hand (datasets)", "by hand, bytes kept")
A_IMAGE = 8
"""Samples about one image, about as many as a build writes."""


def write_build(folder, samples, size_px):
    """Write one sub-dataset of samples with noisy pictures, as JPEG."""
    import cv2
    from gmai_data.tables import SAMPLES, TableFiles

    rng = np.random.default_rng(0)
    with TableFiles(folder / "samples" / "caption", "train", SAMPLES) as files:
        for number in range(0, samples, A_IMAGE):
            pixels = cv2.GaussianBlur(rng.integers(0, 256, (size_px, size_px, 3), np.uint8), (0, 0), 2)
            picture = cv2.imencode(".jpg", pixels)[1].tobytes()
            files.add_rows([row(each, picture) for each in range(number, min(number + A_IMAGE, samples))])


def row(number, picture):
    text = f"<ref>liver</ref><box>[[{number % 500}, 10, {number % 500 + 300}, 400]]</box>"
    return {
        "id": f"2d#det#ct#bench#{number:09d}#region_caption#0", "parent_id": None,
        "images": [{"bytes": picture, "path": f"{number // A_IMAGE}.jpg"}],
        "messages": [
            {"role": "user", "content": "<image>\nWhat is inside the box?"},
            {"role": "assistant", "content": f"The region {text} shows a part of the liver, seen from below."},
        ],
        "kind": "region_caption", "language": "en", "modality": "CT", "department": "General Surgery",
        "labels": ["liver"], "boxes": [{"label": "liver", "xyxy": [1, 2, 100, 120]}], "source": "bench",
        "license": "CC0-1.0", "split": "train", "provenance": json.dumps({"writer": "template", "slice": number}),
    }  # fmt: skip


def by_hand(build, target, *, decode):
    """Write LLaVA JSON as one does without gmai-data."""
    import datasets
    from PIL import Image

    files = str(build / "samples" / "caption" / "*.parquet")
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(target / "cache"))
    if not decode:
        rows = rows.cast_column("images", datasets.List(datasets.Image(decode=False)))
    (target / "images").mkdir()
    entries = []
    for each in rows:
        name = f"images/{len(entries)}.jpg"
        if decode:
            each["images"][0].save(target / name)
        else:
            (target / name).write_bytes(each["images"][0]["bytes"])
        turns = [
            {"from": {"user": "human", "assistant": "gpt"}[m["role"]], "value": m["content"]} for m in each["messages"]
        ]
        width, height = each["images"][0].size if decode else Image.open(target / name).size
        entries.append({"image": name, "conversations": turns, "id": each["id"], "width": width, "height": height})
    with (target / "rows.json").open("w") as file:
        json.dump(entries, file)


def work(name, build, target, pipe):
    """Do one thing and send (CPU seconds, peak RSS in MiB); in a process of its own."""
    os.environ["GMAI_LOG_INTERVAL_S"] = "600"
    if name in HAND:
        import datasets

        datasets.disable_progress_bars()
        target.mkdir()
        job = functools.partial(by_hand, decode=name == HAND[0])
    elif name.startswith("validate"):
        from gmai_data.validation.validate import validate

        def job(build, _):
            validate(build, images=None, report=None)
    else:
        from gmai_data.publishing.export import export

        def job(build, target):
            export(build, target, name)

    start = time.process_time()
    job(build, target)
    pipe.send((time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def measure(name, build, target):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(name, build, target, theirs))
    process.start()
    result = ours.recv()
    process.join()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--image-px", type=int, default=336)
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp())
    try:
        sizes = (options.samples // 4, options.samples)
        for samples in sizes:
            write_build(scratch / str(samples), samples, options.image_px)
        lines = []
        hand = 0.0
        for name in (
            *HAND,
            "llava",
            "ms-swift",
            "webdataset",
            "validate Parquet",
            "validate webdataset",
        ):
            source = "webdataset" if name == "validate webdataset" else ""
            results = []
            for samples in sizes:
                build = scratch / f"{source}{samples}" if source else scratch / str(samples)
                target = scratch / f"{name.split()[0] if name == 'webdataset' else 'out'}{samples}"
                results.append(measure(name, build, target))
                if name != "webdataset":
                    shutil.rmtree(target, ignore_errors=True)
            (_, small_mib), (cpu_s, mib) = results
            rate = options.samples / cpu_s
            hand = hand or rate
            lines.append(f"| {name} | {rate:,.0f} | {rate / hand:.1f} | {small_mib:.0f} | {mib:.0f} |")
        print(f"{options.samples} samples, {A_IMAGE} about each image of {options.image_px} px")
        print("| | samples/CPU s | ratio | peak MiB, a quarter of the samples | peak MiB |\n|---|---:|---:|---:|---:|")
        print("\n".join(lines))
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
