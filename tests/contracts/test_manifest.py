"""The account of a build, as docs/reference/formats.md describes it."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from .conftest import run_gmai


@pytest.fixture(scope="session")
def manifest(build: Path) -> dict:
    return json.loads((build / "manifest.json").read_text("utf-8"))


def test_what_is_read_is_kept_dropped_or_quarantined(manifest: dict) -> None:
    for name, recipe in manifest["recipes"].items():
        for of in ("items", "images", "boxes", "samples"):
            line = recipe[of]
            assert set(line) == {"read", "kept", "dropped", "quarantined"}
            assert line["read"] == line["kept"] + sum(line["dropped"].values()) + line["quarantined"], (name, of)


def test_the_counts_are_those_of_the_files(build: Path, manifest: dict) -> None:
    rows = sum(pq.read_metadata(file).num_rows for file in build.glob("samples/*/*.parquet"))
    assert rows == sum(recipe["samples"]["kept"] for recipe in manifest["recipes"].values())
    images = sum(pq.read_metadata(file).num_rows for file in build.glob("annotations/*.parquet"))
    assert images == sum(recipe["images"]["kept"] for recipe in manifest["recipes"].values())
    for recipe in manifest["recipes"].values():
        for counts in (recipe["samples_by_kind"], *recipe["samples_by"].values()):
            assert sum(counts.values()) == recipe["samples"]["kept"]


def test_the_benchmark_is_accounted_for(build: Path, manifest: dict) -> None:
    entry = manifest["benchmark"]
    assert set(entry) == {"offered", "questions", "dropped", "chance", "prior_accuracy", "text_only"}
    assert entry["offered"] == entry["questions"] + sum(entry["dropped"].values())
    assert entry["questions"] == pq.read_metadata(build / "benchmarks" / "held_out.parquet").num_rows


def test_a_build_without_room_for_questions_says_so(build: Path, tmp_path: Path) -> None:
    phantoms = build.parent / "phantoms"
    run_gmai("data", "build", "phantom-text", "--root", phantoms / "phantom-text", "--out", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["benchmark"]["questions"] == 0
    assert not (tmp_path / "out" / "benchmarks").exists()
