"""A 512×512×120 CT with 41 labels ▶ slices, boxes, PNG, Parquet: ours beside two ways of doing it by hand.

    python benchmarks/data_volume.py [--slices 120] [--loop-slices 30] [--cubic-slices 3] [--cases 4]

Each way runs in a process of its own, so that its peak memory is its own. CPU seconds are what is compared: the machine
may be busy. "By hand" is nibabel + numpy window + scipy label per label + Pillow PNG + one Parquet; "cubic" is what
MedSAM's preparation does, a cubic resize of every slice and mask to 1024² in float64. Neither copies their code.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def phantom(slices, size=512, labels=41):
    """Return (HU volume, label volume), `[z, y, x]`: noise with 41 ellipsoids of varied size, some in two pieces."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[:slices, :size, :size]
    volume = rng.normal(-30, 40, (slices, size, size)).astype(np.float32)
    mask = np.zeros((slices, size, size), np.uint8)
    for label in range(1, labels + 1):
        for _ in range(1 + label % 2):
            centre = rng.uniform((0, 60, 60), (slices, size - 60, size - 60))
            radius = rng.uniform((slices / 6, 8, 8), (slices / 2, 55, 55))
            parts = zip((z, y, x), centre, radius, strict=True)
            inside = sum(((axis - c) / r) ** 2 for axis, c, r in parts) <= 1
            mask[inside] = label
            volume[inside] += 10 * label
    return np.clip(volume, -1024, 3000).astype(np.int16), mask


def write_cases(folder, slices, cases):
    """Write the phantom as NIfTI, once per case."""
    import nibabel

    volume, mask = phantom(slices)
    affine = np.diag([-0.8, -0.8, 2.5, 1.0])
    for case in range(cases):
        (folder / f"case{case}").mkdir(parents=True)
        for name, array in (("ct", volume), ("seg", mask)):
            nibabel.Nifti1Image(array.transpose(2, 1, 0), affine).to_filename(folder / f"case{case}" / f"{name}.nii.gz")


def recipe():
    """Return the card of the phantom."""
    from gmai_data.sources.recipe import Recipe

    return Recipe.model_validate(
        {
            "name": "bench", "title": "Benchmark", "homepage": "none", "citation": "none", "license": "CC0-1.0",
            "modality": "CT", "department": "General Surgery", "clinical_task": "Organ Recognition - Abdomen",
            "anatomy": "trunk", "task": "3d_segmentation",
            "layout": {"kind": "volume", "image": "*/ct.nii.gz", "mask": "{parent}/seg.nii.gz"},
            "labels": {number: f"structure {number}" for number in range(1, 42)},
            "split": {"fractions": {"train": 1.0}},
        }
    )  # fmt: skip


def ours(data, out, workers):
    """Build everything, samples included."""
    from gmai_data.build import BuildSettings, build
    from gmai_data.sources.catalogue import Source

    build([Source(recipe(), data)], out, BuildSettings(), workers=workers)
    return json.loads((out / "manifest.json").read_text())["recipes"]["bench"]["images"]["kept"]


def annotations_only(data, out):
    """Read, window, find boxes, encode and write the records, without any sample text."""
    from gmai_data.generation.template_writer import TemplateWriter
    from gmai_data.publishing.tables import ANNOTATIONS, TableFiles
    from gmai_data.shards import ShardJob, Spill, _annotations
    from gmai_data.sources.problems import Ledger
    from gmai_data.sources.readers import READERS

    card, count = recipe(), 0
    items = tuple(READERS["volume"].list_items(card, data))
    job = ShardJob(card, data, 0, items, out, TemplateWriter(0, 0, (), 0))
    with TableFiles(out, "annotations", ANNOTATIONS) as files:
        for item in items:
            for annotation in Spill(_annotations(item, job, Ledger())):
                files.add_rows([annotation.row()])
                count += 1
    return count


def by_hand(data, out, limit):
    """Do it as one writes it in an afternoon."""
    import nibabel
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image
    from scipy import ndimage

    rows = []
    volume = nibabel.load(data / "case0" / "ct.nii.gz").get_fdata()
    mask = nibabel.load(data / "case0" / "seg.nii.gz").get_fdata().astype(np.int32)
    for index in range(0, volume.shape[2], max(volume.shape[2] // limit, 1)):
        grey = np.clip((volume[:, :, index].T + 160) / 400 * 255, 0, 255).astype(np.uint8)
        labels, boxes = mask[:, :, index].T, []
        for label in np.unique(labels):
            if label == 0:
                continue
            components, count = ndimage.label(labels == label, structure=np.ones((3, 3)))
            for component in range(1, count + 1):
                y, x = np.where(components == component)
                if len(y) >= 16:
                    boxes.append([int(label), int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1])
        buffer = io.BytesIO()
        Image.fromarray(grey).save(buffer, format="PNG")
        rows.append({"image": buffer.getvalue(), "boxes": boxes})
    out.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), out / "rows.parquet")
    return len(rows)


def cubic(data, out, limit):
    """Resize every slice and mask to 1024² with splines, as preparation for a segmentation model does."""
    import nibabel
    from scipy import ndimage

    volume = nibabel.load(data / "case0" / "ct.nii.gz").get_fdata()
    mask = nibabel.load(data / "case0" / "seg.nii.gz").get_fdata().astype(np.uint8)
    out.mkdir(parents=True)
    count = 0
    for index in range(0, volume.shape[2], max(volume.shape[2] // limit, 1)):
        if count == limit:
            break
        grey = np.clip((volume[:, :, index].T + 160) / 400 * 255, 0, 255)
        rgb = np.repeat(grey[:, :, None], 3, axis=2)
        large = np.stack([ndimage.zoom(rgb[..., c], 1024 / 512, order=3) for c in range(3)], axis=2)
        large = (large - large.min()) / max(large.max() - large.min(), 1e-8)
        np.save(out / f"image{index}.npy", large)
        np.save(out / f"mask{index}.npy", ndimage.zoom(mask[:, :, index].T, 1024 / 512, order=0))
        count += 1
    return count


def measure(way, data, out, number):
    """Run one way in a process of its own and return its report."""
    command = [sys.executable, __file__, "--way", way, "--data", str(data), "--out", str(out), "--number", str(number)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout.splitlines()[-1])
    return {**report, "wall_s": time.perf_counter() - start}


def run_way(options):
    import cv2

    cv2.setNumThreads(1)
    ways = {
        "ours": lambda: ours(options.data, options.out, options.number),
        "annotations": lambda: annotations_only(options.data, options.out),
        "by hand": lambda: by_hand(options.data, options.out, options.number),
        "cubic": lambda: cubic(options.data, options.out, options.number),
    }
    if options.way in ("ours", "annotations"):
        pass  # imports are the same for one slice and for a million
    before = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    slices = ways[options.way]()
    wall_s = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cpu_s += ended.ru_utime + ended.ru_stime - children.ru_utime - children.ru_stime
    peak_mib = max(after.ru_maxrss, ended.ru_maxrss) / 1024
    print(json.dumps({"slices": slices, "cpu_s": cpu_s, "inner_wall_s": wall_s, "peak_mib": peak_mib}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=120)
    parser.add_argument("--loop-slices", type=int, default=30)
    parser.add_argument("--cubic-slices", type=int, default=3)
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--way")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--number", type=int)
    options = parser.parse_args()
    if options.way:
        run_way(options)
        return
    with tempfile.TemporaryDirectory(prefix="gmai-bench-") as folder:
        one, many = Path(folder) / "one", Path(folder) / "many"
        write_cases(one, options.slices, 1)
        write_cases(many, options.slices, options.cases)
        reports = {
            "images, boxes, PNG, Parquet (ours)": measure("annotations", one, Path(folder) / "a", 1),
            "whole build with samples (ours)": measure("ours", one, Path(folder) / "b", 1),
            "by hand": measure("by hand", one, Path(folder) / "c", options.loop_slices),
            "cubic resize to 1024²": measure("cubic", one, Path(folder) / "d", options.cubic_slices),
        }
        rates = {}
        for name, report in reports.items():
            # The two other ways load the whole volume for a part of its slices, so only their slices count for them:
            # loading is spread as if all of the slices had been done.
            rates[name] = report["slices"] / report["cpu_s"]
            print(
                f"{name:38} {report['slices']:4} slices  {report['cpu_s']:7.2f} s CPU  "
                f"{rates[name]:7.2f} slices/s/core  {report['peak_mib']:6.0f} MiB peak"
            )
        base = rates["images, boxes, PNG, Parquet (ours)"]
        print(f"ratio to by hand {base / rates['by hand']:.1f} (asked: 5)")
        print(f"ratio to cubic {base / rates['cubic resize to 1024²']:.0f} (asked: 50)")
        single = measure("ours", many, Path(folder) / "e", 1)
        double = measure("ours", many, Path(folder) / "f", 2)
        print(
            f"{options.cases} cases, whole build: one process {single['inner_wall_s']:.1f} s, "
            f"two {double['inner_wall_s']:.1f} s: ×{single['inner_wall_s'] / double['inner_wall_s']:.2f} "
            "(asked: 1.8, on two idle cores)"
        )


if __name__ == "__main__":
    main()
