"""Peak memory of `gmai data build` on a volume of 2 GB and on a video of ten minutes (asked: below 2 GB each).

    python benchmarks/data_memory.py [--minutes 10] [--gigabytes 2]

The volume is an uncompressed NIfTI of 16-bit numbers with a mask of its own size, once as it is and once packed as
`.nii.gz`; the video is H.264 of 640×480 at 25 frames per second, one frame a second exported. Each is built by the real
command in a process of its own.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
import yaml

CARD = {
    "name": "bench",
    "title": "Benchmark",
    "homepage": "none",
    "citation": "none",
    "license": "CC0-1.0",
    "modality": "CT",
    "department": "General Surgery",
    "clinical_task": "Organ Recognition - Abdomen",
    "anatomy": "trunk",
    "task": "3d_segmentation",
    "labels": {"1": "structure"},
    "split": {"fractions": {"train": 1.0}},
}


def write_volume(folder, gigabytes, ending):
    """Write a CT of 512×512 voxels a slice, noise in every slice, and a mask of the same type."""
    folder.mkdir(parents=True)
    slices = round(gigabytes * 1e9 / (512 * 512 * 2))
    header = nibabel.Nifti1Header()
    header.set_data_shape((512, 512, slices))
    header.set_data_dtype(np.int16)
    header.set_sform(np.diag([-0.8, -0.8, 0.5, 1.0]), 1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    rng = np.random.default_rng(0)
    noise = rng.normal(40, 60, (512, 512)).astype(np.int16)
    mask = np.zeros((512, 512), np.int16)
    mask[200:300, 200:300] = 1
    for name, picture in (("ct", noise), ("seg", mask)):
        path = folder / f"{name}{ending}"
        with gzip.open(path, "wb", compresslevel=1) if ending.endswith(".gz") else path.open("wb") as file:
            file.write(header.binaryblock + bytes(4))
            for index in range(slices):
                file.write(np.roll(picture, index % 512, axis=1).tobytes())
    return slices


def write_video(path, minutes):
    """Write H.264: noise that moves."""
    import av

    path.parent.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (480, 640), dtype=np.uint8)
    frames = round(minutes * 60 * 25)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "35"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "gray"
        for index in range(frames):
            picture = np.roll(noise, index, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode(None))
    return frames


def build(card, folder, data):
    """Run the command and return (peak RSS in MiB, seconds, pictures)."""
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    command = ["data", "build", str(folder / "card.yaml"), "--root", str(data), "--out", str(folder / "out")]
    code = "import sys, resource\nfrom gmai_cli.main import main\ntry:\n    main()\nfinally:\n    "
    code += "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    peak_kib = int(done.stderr.split("peak ")[-1].split()[0])
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    return peak_kib / 1024, seconds, manifest["recipes"]["bench"]["images"]["read"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    for ending in (".nii", ".nii.gz"):
        with tempfile.TemporaryDirectory(prefix="gmai-bench-") as name:
            folder = Path(name)
            slices = write_volume(folder / "data" / "case", options.gigabytes, ending)
            layout = {"kind": "volume", "image": f"*/ct{ending}", "mask": f"{{parent}}/seg{ending}"}
            card = {**CARD, "layout": layout, "slices": {"rule": "every_n", "n": 40}}
            peak_mib, seconds, pictures = build(card, folder, folder / "data")
            print(
                f"512×512×{slices} int16 as {ending}, mask of the same size: {peak_mib:.0f} MiB peak, {seconds:.0f} s, "
                f"{pictures} pictures"
            )
    with tempfile.TemporaryDirectory(prefix="gmai-bench-") as name:
        folder = Path(name)
        frames = write_video(folder / "data" / "video.mp4", options.minutes)
        layout = {"kind": "video", "files": "*.mp4"}
        card = {**CARD, "modality": "Endoscopy", "task": "2d_classification", "layout": layout}
        card["labels_of_every_image"] = ["1"]
        peak_mib, seconds, pictures = build(card, folder, folder / "data")
        print(
            f"640×480 video of {options.minutes:g} minutes, {frames} frames: {peak_mib:.0f} MiB peak, {seconds:.0f} s, "
            f"{pictures} pictures"
        )


if __name__ == "__main__":
    main()
