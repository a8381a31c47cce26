"""512×512×120 CTs with 41 labels ▶ slices, boxes, PNG, Parquet: ours beside two ways of doing it by hand.

    python benchmarks/data_volume.py [--cases 4] [--cubic-slices 6] [--pair-cases 48] [--pair-rounds 3]

Each way runs in a process of its own, so that its peak memory is its own, and reads the same files. CPU seconds are
what is compared, imports and loading included. One process is compared with two by the wall clock, so the machine must
be idle: they run by turns, and the best of each counts.

- ours: `gmai data build` as a whole, and the same without any sample text.
- by hand: nibabel + numpy window + `scipy.ndimage.label` per label + Pillow PNG + one Parquet file, all slices.
- cubic: what MedSAM's `pre_CT_MR.py` does with each slice: skimage's `transform.resize` of three equal channels to
  1024² (order 3, anti-aliasing), of the mask (order 0), and an `.npy` of each. Only `--cubic-slices` are resized; their
  time stands for the others. It needs scikit-image: `uv sync --group benchmarks`.

Neither copies its code.
"""

import argparse
import importlib.util
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from isal import igzip


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
    """Write the phantom as NIfTI, turned, mirrored and shifted: equal cases would be left out as duplicates."""
    import nibabel

    affine = np.diag([-0.8, -0.8, 2.5, 1.0])
    arrays = phantom(slices)
    for case in range(cases):
        (folder / f"case{case:02d}").mkdir(parents=True)
        for name, array in zip(("ct", "seg"), arrays, strict=True):
            turned = np.rot90(array, case % 4, axes=(1, 2))
            turned = turned[:, ::-1] if case // 4 % 2 else turned
            turned = np.roll(turned, (case // 8) * 37, axis=2)
            header = nibabel.Nifti1Image(turned.transpose(2, 1, 0), affine)
            with igzip.open(folder / f"case{case:02d}" / f"{name}.nii.gz", "wb", compresslevel=2) as file:
                file.write(header.to_bytes())


def recipe():
    """Return the card of the phantom."""
    from gmai_data.sources.cards.recipe import Recipe

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
    from gmai_data.build import BuildSettings, RunOptions, build
    from gmai_data.sources.cards.catalogue import Source

    build([Source(recipe(), data)], out, BuildSettings(), RunOptions(workers=workers))
    return json.loads((out / "manifest.json").read_text())["recipes"]["bench"]["images"]["kept"]


def annotations_only(data, out):
    """Read, window, find boxes, encode and write the records, without any sample text."""
    from gmai_data.annotating import annotations_of
    from gmai_data.ledger import Ledger
    from gmai_data.spill import Spill
    from gmai_data.tables import ANNOTATIONS, TableFiles

    card, count = recipe(), 0
    with TableFiles(out, "annotations", ANNOTATIONS) as files:
        for item in card.layout.list_items(card, data):
            for annotation in Spill(annotations_of(item, card, data, Ledger(), None)):
                files.add_rows([annotation.row()])
                count += 1
    return count


def volumes_by_hand(data):
    import nibabel

    for case in sorted(data.iterdir()):
        yield [nibabel.load(case / f"{name}.nii.gz").get_fdata() for name in ("ct", "seg")]


def by_hand(data, out):
    """Do it as one writes it in an afternoon."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image
    from scipy import ndimage

    count = 0
    out.mkdir(parents=True)
    for number, (volume, mask) in enumerate(volumes_by_hand(data)):
        rows, mask = [], mask.astype(np.int32)
        for index in range(volume.shape[2]):
            grey = np.clip((volume[:, :, index].T + 160) / 400 * 255, 0, 255).astype(np.uint8)
            labels, boxes = mask[:, :, index].T, []
            for label in np.unique(labels):
                if label == 0:
                    continue
                components, found = ndimage.label(labels == label, structure=np.ones((3, 3)))
                for component in range(1, found + 1):
                    y, x = np.where(components == component)
                    if len(y) >= 16:
                        boxes.append([int(label), int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1])
            buffer = io.BytesIO()
            Image.fromarray(grey).save(buffer, format="PNG")
            rows.append({"image": buffer.getvalue(), "boxes": boxes})
        pq.write_table(pa.Table.from_pylist(rows), out / f"rows{number}.parquet")
        count += len(rows)
    return count


def cubic(data, out, limit):
    """Resize slices and masks to 1024² with cubic splines; return the slices and the time of those not resized."""
    from skimage import transform

    volume, mask = next(volumes_by_hand(data))
    mask, slices = mask.astype(np.uint8), volume.shape[2] * len(list(data.iterdir()))
    out.mkdir(parents=True)
    indices = np.linspace(0, volume.shape[2] - 1, limit).astype(int)
    start = time.process_time()
    for index in indices:
        grey = np.clip((volume[:, :, index].T + 160) / 400 * 255, 0, 255)
        rgb = np.repeat(grey[:, :, None], 3, axis=2)
        large = transform.resize(rgb, (1024, 1024), order=3, preserve_range=True, mode="constant", anti_aliasing=True)
        large = (large - large.min()) / max(large.max() - large.min(), 1e-8)
        np.save(out / f"image{index}.npy", large)
        labels = transform.resize(
            mask[:, :, index].T, (1024, 1024), order=0, preserve_range=True, mode="constant", anti_aliasing=False
        )
        np.save(out / f"mask{index}.npy", labels.astype(np.uint8))
    resizing_s = time.process_time() - start
    return slices, resizing_s * (slices - limit) / limit


def measure(way, data, out, number):
    """Run one way in a process of its own and return its report."""
    command = [sys.executable, __file__, "--way", way, "--data", str(data), "--out", str(out), "--number", str(number)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_way(options):
    ways = {
        "ours": lambda: ours(options.data, options.out, options.number),
        "annotations": lambda: annotations_only(options.data, options.out),
        "by hand": lambda: by_hand(options.data, options.out),
        "cubic": lambda: cubic(options.data, options.out, options.number),
    }
    start = time.perf_counter()
    done = ways[options.way]()
    wall_s = time.perf_counter() - start
    slices, not_run_s = done if isinstance(done, tuple) else (done, 0)
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime + not_run_s
    peak_mib = max(own.ru_maxrss, ended.ru_maxrss) / 1024
    print(json.dumps({"slices": slices, "cpu_s": cpu_s, "wall_s": wall_s, "peak_mib": peak_mib}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=120)
    parser.add_argument("--cubic-slices", type=int, default=6)
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--pair-cases", type=int, default=48, help="cases of the comparison of one process with two")
    parser.add_argument("--pair-rounds", type=int, default=3, help="times that each of the two runs")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        run_way(options)
        return
    if importlib.util.find_spec("skimage") is None:
        sys.exit("scikit-image is not installed: uv sync --group benchmarks")
    with tempfile.TemporaryDirectory(prefix="gmai-bench-") as folder:
        few, many = Path(folder) / "few", Path(folder) / "many"
        write_cases(few, options.slices, options.cases)
        write_cases(many, options.slices, options.pair_cases)
        reports = {
            "whole build with samples (ours)": measure("ours", few, Path(folder) / "b", 1),
            "without samples (ours)": measure("annotations", few, Path(folder) / "a", 1),
            "by hand": measure("by hand", few, Path(folder) / "c", 0),
            "cubic resize to 1024²": measure("cubic", few, Path(folder) / "d", options.cubic_slices),
        }
        rates = [report["slices"] / report["cpu_s"] for report in reports.values()]
        for (name, report), rate in zip(reports.items(), rates, strict=True):
            print(
                f"{name:34} {report['slices']:4} slices  {report['cpu_s']:7.2f} s CPU  {rate:6.2f} slices/s/core  "
                f"{report['peak_mib']:5.0f} MiB peak"
            )
        for name, rate in zip(("whole build", "without samples"), rates, strict=False):
            print(f"{name}: {rate / rates[2]:.1f} × by hand (asked: 5), {rate / rates[3]:.0f} × cubic (asked: 50)")
        best: dict[int, dict[str, float]] = {}
        for _ in range(options.pair_rounds):
            for workers in (1, 2):
                out = Path(folder) / "pair"
                report = measure("ours", many, out, workers)
                shutil.rmtree(out)
                os.sync()  # the next run must not wait for the disk to take this one's files
                print(f"{options.pair_cases} cases, {workers} at work: {report['wall_s']:.1f} s")
                best[workers] = min(report, best.get(workers, report), key=lambda each: each["wall_s"])
        single, double = best[1], best[2]
        print(
            f"{options.pair_cases} cases, whole build: one process {single['wall_s']:.1f} s "
            f"({single['slices'] / single['cpu_s']:.1f} slices/s/core, {single['peak_mib']:.0f} MiB), two "
            f"{double['wall_s']:.1f} s: ×{single['wall_s'] / double['wall_s']:.2f} (asked: 1.8)"
        )


if __name__ == "__main__":
    main()
