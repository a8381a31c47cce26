"""Draw the pictures of README and docs: pages of a finished demo, seen in a browser.

    uv run .ci/pictures.py gmai-demo [--to FOLDER]

Each is at most 100 kB. `made.json` beside them keeps a digest of the code that makes the pages; where the one of
docs/pictures is another, the last line says that they are older than the pages.
"""

import argparse
import asyncio
import contextlib
import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests/servers"))
from browser import visit  # noqa: E402

KEPT = REPOSITORY / "docs/pictures"
MOST_BYTES = 100_000
PAGES = {
    "demo": "index.html",
    "gallery": "build/gallery.html",
    "training": "runs/stage3/report.html",
    "benchmark": "bench/stage3/report.html",
}
SOURCES = (
    "packages/gmai-cli/src/gmai_formats/pages",
    "packages/gmai-cli/src/gmai_cli/demo/page.py",
    "packages/gmai-data/src/gmai_data/publishing/gallery.py",
    "packages/gmai-model/src/gmai_model/web",
    "packages/gmai-bench/src/gmai_bench/report",
)
ASK = """(async () => {
  const until = async (what) => { for (let i = 0; i < 3000; i++) { const v = what(); if (v) return v;
    await new Promise(r => setTimeout(r, 100)); } throw new Error("waited in vain for " + what); };
  const settle = () => new Promise(r => setTimeout(r, 1500));
  const button = await until(() => [...document.querySelectorAll("button")].find(e => /drawn-ct/.test(e.textContent)));
  await settle(); button.click();
  await until(() => document.body.innerText.includes("drawn-ct.png: ")); await settle();
  const area = document.querySelector("#question textarea");
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(area, "Which modality is this?");
  area.dispatchEvent(new Event("input", {bubbles: true})); await settle();
  document.querySelector("#ask").click();
  await until(() => !document.querySelector("#question textarea").value); await settle(); await settle();
  scrollTo(0, 0); return "";
})()"""


def digest() -> str:
    """Return the digest of the code that makes the pages."""
    found = hashlib.sha256()
    for source in SOURCES:
        root = REPOSITORY / source
        for file in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if file.suffix in (".py", ".css", ".js", ".html"):
                found.update(file.read_bytes())
    return found.hexdigest()


def small(png: bytes) -> bytes:
    """Return a picture as WebP of at most 100 kB, without loss where that fits."""
    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    for options in ({"lossless": True}, {"quality": 90}, {"quality": 75}, {"quality": 50}):
        written = io.BytesIO()
        picture.save(written, format="WEBP", method=6, **options)
        if written.tell() <= MOST_BYTES:
            return written.getvalue()
    raise SystemExit(f"a picture of {picture.size} has more than {MOST_BYTES} bytes at quality 50")


@contextlib.contextmanager
def chat(model: Path) -> Iterator[str]:
    """Serve the page of a checkpoint and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "gmai_cli", "model", "chat", os.fspath(model), "--web", "--device", "cpu",
               "--port", port]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            lines: list[str] = []
            for line in process.stdout or ():
                lines.append(line)
                if found := re.search(r"http://127\.0\.0\.1:\d+/?", line):
                    yield found.group()
                    return
            raise SystemExit(f"the page of the checkpoint does not start: {''.join(lines[-5:])}")
        finally:
            process.terminate()


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, help="folder of a finished `gmai demo`")
    parser.add_argument("--to", type=Path, default=KEPT)
    given = parser.parse_args()
    demo, to = given.demo.resolve(), given.to
    subprocess.run([sys.executable, "-m", "gmai_cli", "data", "view", os.fspath(demo / "build")], check=True)
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:

        def draw(name: str, url: str, script: str = "''") -> None:
            _, png = asyncio.run(visit(url, Path(scratch) / name, script=script, width=1200, height=760))
            written = small(png)
            (to / f"{name}.webp").write_bytes(written)
            print(f"{to / name}.webp: {len(written):,} bytes")

        for name, page in PAGES.items():
            draw(name, (demo / page).as_uri())
        with chat(demo / "runs/stage3/model") as url:
            draw("chat", url, ASK)
    (to / "made.json").write_text(json.dumps({"pages": digest()}) + "\n", encoding="utf-8")
    if json.loads((KEPT / "made.json").read_text("utf-8"))["pages"] != digest():
        print(f"NOTE: docs/pictures are older than the pages. Draw them again: uv run .ci/pictures.py {given.demo}")


if __name__ == "__main__":
    main()
