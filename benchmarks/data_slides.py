"""A whole slide of two gigapixels ▶ tiles with boxes: memory and CPU of reading, beside the size of the slide.

    python benchmarks/data_slides.py [--side 45056] [--tiles 200]

The slide is a tiled TIFF without smaller levels, the hardest kind: its overview is made from the finest pixels. It is
written tile by tile, and read in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

CARD = {
    "name": "slide", "title": "Slide", "homepage": "x", "citation": "x", "license": "CC0-1.0",
    "modality": "Histopathology", "department": "Laboratory Medicine and Pathology",
    "clinical_task": "Disease Diagnosis", "anatomy": "tissue", "task": "2d_detection", "labels": {"tumour": "tumour"},
}  # fmt: skip


def write_slide(path, side, tile=512):
    rng = np.random.default_rng(0)
    pattern = (np.array([190, 110, 180]) + rng.integers(-30, 30, (16, 16, 3))).astype(np.uint8)
    stained = np.tile(pattern, (tile // 16, tile // 16, 1))
    glass = np.full_like(stained, 245)
    count = side // tile
    tiles = (stained if (row // 8 + column // 8) % 2 else glass for row in range(count) for column in range(count))
    tifffile.imwrite(path, tiles, shape=(side, side, 3), dtype=np.uint8, tile=(tile, tile), compression="zlib",
                     photometric="rgb", resolution=(40_000, 40_000), resolutionunit="CENTIMETER")  # fmt: skip


def read_slide(folder, tiles):
    from gmai_data.ledger import Ledger
    from gmai_data.sources.cards.recipe import Recipe

    layout = {"kind": "slides", "files": "{id}.tif", "regions": "{id}.geojson", "mpp": 0.5, "max_tiles": tiles}
    card = Recipe.model_validate({**CARD, "layout": layout})
    (item,) = card.layout.list_items(card, folder)
    ledger = Ledger()
    start = time.process_time()
    count = sum(1 for _ in card.layout.read(item, card, folder, ledger))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"tiles": count, "boxes": ledger.boxes.kept, "cpu_s": round(time.process_time() - start, 1),
                      "peak_mb": peak_mb}))  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=45_056)
    parser.add_argument("--tiles", type=int, default=200)
    parser.add_argument("--read", type=Path)
    options = parser.parse_args()
    if options.read:
        read_slide(options.read, options.tiles)
        return
    with tempfile.TemporaryDirectory() as name:
        folder, side = Path(name), options.side // 512 * 512
        write_slide(folder / "a.tif", side)
        turn = np.linspace(0, 2 * np.pi, 5000)
        outline = np.stack([np.cos(turn), np.sin(turn)], axis=1) * side / 4 + side / 2
        shape = {"type": "Polygon", "coordinates": [[*outline.tolist(), outline[0].tolist()]]}
        feature = {"type": "Feature", "geometry": shape, "properties": {"classification": {"name": "tumour"}}}
        (folder / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        size_mb = os.path.getsize(folder / "a.tif") // 2**20  # noqa: PTH202
        pixels_mb = side * side * 3 / 1e6
        print(f"slide: {side}×{side} px, {side**2 / 1e9:.2f} gigapixels, {pixels_mb:,.0f} MB, {size_mb} MB on disk")
        command = [sys.executable, __file__, "--read", folder, "--tiles", str(options.tiles)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(run.stdout.splitlines()[-1])
        print(
            f"read:  {found['tiles']} tiles, {found['boxes']} boxes, {found['cpu_s']} CPU s, peak {found['peak_mb']} MB"
        )


if __name__ == "__main__":
    main()
