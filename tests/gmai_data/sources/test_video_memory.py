"""The memory that a video takes does not grow with its length."""

import json
import subprocess
import sys

import av
import numpy as np

DECODED_MIB = 480 * 640 * 1.5 / 2**20
"""Of one frame, as a decoder holds it (YUV 4:2:0)."""
BUILD = """
import re, sys
from pathlib import Path
from gmai_cli.main import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text()).group(1), file=sys.stderr)
"""


def write_video(path, frames):
    picture = np.tile(np.arange(640, dtype=np.uint8), (480, 1))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 8 * number, axis=1), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def peak_mib(folder, card, frames):
    (folder / "data").mkdir(parents=True)
    write_video(folder / "data" / "1.mp4", frames)
    words = ["data", "build", str(card), "--root", str(folder / "data"), "--out", str(folder / "out")]
    done = subprocess.run([sys.executable, "-c", BUILD, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["recipes"]["toy"]["images"]["kept"] == frames // 10
    return int(done.stderr.split()[-1]) / 1024


def test_twice_the_frames_take_no_more_memory(card_file, tmp_path):
    layout = {"kind": "video", "files": "*.mp4", "every_s": 0.4}
    card = card_file(layout=layout, labels_of_every_image=["a"], modality="Ultrasound")
    short, long = (peak_mib(tmp_path / str(frames), card, frames) for frames in (200, 400))
    # Kept in memory, 200 more frames would be 88 MiB; the 20 more pictures that wait to be written are 2.
    assert long - short < 100 * DECODED_MIB, f"{short:.0f} MiB with 200 frames, {long:.0f} MiB with 400"
