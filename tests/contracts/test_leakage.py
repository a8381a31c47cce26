"""gmai-bench lists the images of a benchmark; gmai-data builds without them."""

import json
import subprocess
import sys
from pathlib import Path

GMAI = "from gmai_cli.main import main; main()"


def run_gmai(*words: object) -> None:
    subprocess.run([sys.executable, "-c", GMAI, *map(str, words)], check=True, capture_output=True)


def test_a_build_leaves_out_what_gmai_bench_lists(build: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.jsonl"
    benchmark = build / "benchmarks" / "held_out.yaml"
    run_gmai("bench", "fingerprints", "--benchmarks", benchmark, "--out", listed, "--thumbnails")
    images = {image["sha256"] for line in listed.read_text().splitlines() for image in json.loads(line)["images"]}
    out, root = tmp_path / "out", build.parent / "phantoms"
    run_gmai("data", "build", "phantoms", "--root", root, "--out", out, "--leakage-list", listed)
    recipes = json.loads((out / "manifest.json").read_text())["recipes"].values()
    dropped = [recipe["images"]["dropped"].get("image of a benchmark: held_out/option-text", 0) for recipe in recipes]
    assert sum(dropped) >= len(images) > 0
    assert not any("hash alone" in check for recipe in recipes for check in recipe["images"]["dropped"])
    before = json.loads((build / "manifest.json").read_text())["recipes"].values()
    kept = sum(recipe["images"]["kept"] for recipe in before)
    assert sum(recipe["images"]["kept"] for recipe in recipes) == kept - sum(dropped)
