"""Small JPEGs in a folder per class ▶ Parquet: images per CPU second of the whole build beside a loop by hand.

    OMP_NUM_THREADS=1 python benchmarks/data_pictures.py [--pictures 2000] [--side 224]

Each way runs in a process of its own with one thread and reads the same files; imports are not counted.

- whole: `gmai data build` with samples, the search for duplicates, the benchmark and everything that it publishes.
- records: pictures read, judged, hashed and written as records (`annotations`), without any sample text.
- by hand: Pillow decodes each file, SHA-256 names it, and rows of bytes, size and class go into one Parquet file.
"""

import argparse
import hashlib
import io
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CLASSES = 8


def draw(root, pictures, side):
    """Write smooth random pictures with noise; no two are alike."""
    import cv2

    rng = np.random.default_rng(0)
    for number in range(pictures):
        coarse = rng.integers(0, 255, (7, 7, 3), dtype=np.uint8)
        pixels = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.int16)
        pixels = np.clip(pixels + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
        folder = root / f"class{number % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number:07d}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])


def recipe():
    from gmai_data.sources.cards.recipe import Recipe

    return Recipe.model_validate({
        "name": "small", "title": "Small", "homepage": "https://example.org", "citation": "None.", "license": "CC0-1.0",
        "modality": "X-ray", "department": "Urology", "clinical_task": "Disease Diagnosis", "anatomy": "chest",
        "task": "2d_classification", "layout": {"kind": "folder_per_class"},
        "labels": {f"class{number}": f"finding {number}" for number in range(CLASSES)},
    })  # fmt: skip


def whole(data, out):
    from gmai_data.build import BuildSettings, build
    from gmai_data.sources.cards.catalogue import Source

    build([Source(recipe(), data)], out, BuildSettings())


def records(data, out):
    from gmai_data.annotating import annotations_of
    from gmai_data.ledger import Ledger
    from gmai_data.sources.cards.catalogue import Source
    from gmai_data.sources.listing import listed_items
    from gmai_data.tables import ANNOTATIONS, TableFiles

    card = recipe()
    with TableFiles(out, "annotations", ANNOTATIONS) as files:
        for item in listed_items(Source(card, data)):
            files.add_rows([annotation.row() for annotation in annotations_of(item, card, data, Ledger(), None)])


def by_hand(data, out):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    rows = []
    for path in sorted(data.rglob("*.jpg")):
        encoded = path.read_bytes()
        pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
        digest = hashlib.sha256(encoded).hexdigest()
        rows.append({"image": encoded, "height": pixels.shape[0], "class": path.parent.name, "sha256": digest})
    out.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), out / "all.parquet")


WAYS = {"by hand": by_hand, "records": records, "whole": whole}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--way")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.way:
        import cv2
        import pyarrow as pa

        cv2.setNumThreads(1)
        pa.set_cpu_count(1)
        import gmai_data.annotating
        import gmai_data.build
        import gmai_data.sources.listing  # noqa: F401 - what a program needs before it reads anything

        before = time.process_time()
        WAYS[options.way](options.folder / "data", options.folder / options.way.replace(" ", "_"))
        used_s = time.process_time() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{options.way:8} {options.pictures / used_s:8.0f} images/CPU s {used_s:8.2f} CPU s {peak:6} MiB")
        return
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder) / "data", options.pictures, options.side)
        for way in WAYS:
            given = ["--way", way, "--folder", folder, "--pictures", str(options.pictures)]
            subprocess.run([sys.executable, __file__, *given], check=True)


if __name__ == "__main__":
    main()
