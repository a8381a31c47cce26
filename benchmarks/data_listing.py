"""Listing a source: CPU seconds and memory beside `os.walk` and beside a loop by hand, each in a process of its own.

    python benchmarks/data_listing.py --files 1000000

`and stat` takes the size of each file beside its name, as a listing does. `kept` is what array tasks, resumes and the
question whether a build is complete pay once the listing is written.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLASSES = 8
PER_FOLDER = 5_000


def draw(root, files):
    for number in range(files):
        folder = root / f"class{number % CLASSES}" / f"{number // (CLASSES * PER_FOLDER):05d}"
        if number % (CLASSES * PER_FOLDER) < CLASSES:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:09d}.png").touch()


def walk(root, _work):
    return sum(len(files) for _, _, files in os.walk(root))


def walk_and_look(root, _work):
    """The least that notices another download: every name and every size."""
    looks = (os.stat(f"{folder}/{file}") for folder, _, files in os.walk(root) for file in files)  # noqa: PTH116
    return sum(about.st_size >= 0 for about in looks)


def by_hand(root, _work):
    """What a script does: every image with its class, sorted."""
    return len(sorted((str(path), path.parts[-3]) for path in Path(root).rglob("*.png")))


def ours(root, work):
    from gmai_data.shards import shard_count, shard_of
    from gmai_data.sources.cards.catalogue import Source
    from gmai_data.sources.cards.recipe import Recipe
    from gmai_data.sources.kept_listing import keep_listing

    labels = {f"class{number}": f"class {number}" for number in range(CLASSES)}
    card = Recipe.model_validate({
        "name": "many", "title": "Many", "homepage": "https://example.org", "citation": "None.", "license": "CC0-1.0",
        "modality": "X-ray", "department": "Urology", "clinical_task": "Disease Diagnosis", "anatomy": "chest",
        "task": "2d_classification", "layout": {"kind": "folder_per_class"}, "labels": labels,
    })  # fmt: skip
    return keep_listing(Source(card, Path(root)), None, Path(work), shard_count, shard_of).used


WAYS = {"os.walk": walk, "and stat": walk_and_look, "by hand": by_hand, "listed": ours, "kept": ours}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--way")
    parser.add_argument("--root")
    parser.add_argument("--work")
    options = parser.parse_args()
    if options.way:
        if WAYS[options.way] is ours:
            import gmai_data.shards
            import gmai_data.sources.kept_listing  # noqa: F401 - what a program needs before it lists anything
        before = time.process_time()
        count = WAYS[options.way](options.root, options.work)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{options.way:8} {count:9} files {time.process_time() - before:8.2f} CPU s {peak:6} MiB")
        return
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder) / "data", options.files)
        for way in WAYS:
            command = [
                sys.executable,
                __file__,
                "--way",
                way,
                "--root",
                f"{folder}/data",
                "--work",
                f"{folder}/work/.build",
            ]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
