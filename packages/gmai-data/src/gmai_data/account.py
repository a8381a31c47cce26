"""The account of a finished build: items read = kept + dropped + quarantined, and what was set aside, by recipe."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmai_cli.exit_codes import EXIT_OK, EXIT_PARTIAL
from gmai_formats.files import write_json, write_text

from gmai_data.checks.duplicates import left_out
from gmai_data.ledger import add_counts, add_up, without
from gmai_data.markers import BUILT, WRITTEN, read_marker
from gmai_data.shards import ShardJob


def account(jobs: Sequence[ShardJob], out: Path, benchmark: dict[str, Any]) -> dict[str, Any]:
    """Write what was kept, dropped, quarantined and judged into OUT, and return the manifest.

    Args:
        jobs: Every shard of the build.
        out: Output folder.
        benchmark: What `publish` says of the held-out questions.
    """
    manifest = _manifest(jobs, benchmark)
    _write_lines(out / "quarantine.jsonl", manifest, "quarantine")
    _write_lines(out / "dropped.jsonl", manifest, "dropped", empty=False)
    _write_lines(out / "judged.jsonl", {"recipes": _judged(jobs)}, "judged", empty=False)
    write_json(out / "manifest.json", manifest)
    return manifest


def _manifest(jobs: Sequence[ShardJob], benchmark: dict[str, Any]) -> dict[str, Any]:
    by_recipe: dict[str, list[dict[str, Any]]] = defaultdict(list)
    written: dict[str, dict[str, Any]] = {}
    for job in jobs:
        name = job.recipe.name
        done = read_marker(job.folder, BUILT)
        by_recipe[name].append(without(done["account"], left_out(job.folder)))
        if (job.folder / WRITTEN).is_file():
            part = read_marker(job.folder, WRITTEN)
            by_recipe[name].append(part["account"])
            total = written.setdefault(name, {"by_kind": {}, "opinions": {}, "sentences": {}})
            for kind, counts in part["by_kind"].items():
                add_counts(total["by_kind"].setdefault(kind, {}), counts)
            add_counts(total["opinions"], part["opinions"])
            add_counts(total["sentences"], part.get("sentences", {}))
    recipes: dict[str, Any] = {}
    for name, accounts in by_recipe.items():
        total = add_up(accounts)
        listed = sum(len(job.items) for job in jobs if job.recipe.name == name)
        if total["items"]["read"] != listed:
            raise RuntimeError(f"{name}: {listed} items were listed, but {total['items']['read']} are accounted for")
        tallies = total.pop("tallies")
        recipes[name] = {**total, "samples_by_kind": tallies.get("kind", {}), "samples_by": tallies}
        if name in written:
            recipes[name]["written"] = written[name]
    return {"recipes": recipes, "benchmark": benchmark}


def _judged(jobs: Sequence[ShardJob]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return what a second model called inconsistent, by recipe."""
    recipes: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for job in jobs:
        entries = recipes.setdefault(job.recipe.name, {"judged": []})["judged"]
        path = job.folder / "judged.jsonl"
        if path.is_file():
            entries += map(json.loads, path.read_bytes().splitlines())
    return recipes


def _write_lines(path: Path, manifest: dict[str, Any], name: str, *, empty: bool = True) -> None:
    """Move what each recipe set aside out of the manifest into a file of its own."""
    lines = [
        json.dumps({"recipe": recipe, **entry}, ensure_ascii=False)
        for recipe, account in manifest["recipes"].items()
        for entry in account.pop(name)
    ]
    if lines or empty:
        write_text(path, "".join(f"{line}\n" for line in lines))


def spent_usd(jobs: Sequence[ShardJob]) -> float:
    """Return what the model's answers cost."""
    return sum(read_marker(job.folder, WRITTEN)["spent_usd"] for job in jobs)


def exit_code(manifest: dict[str, Any]) -> int:
    """Return `EXIT_PARTIAL` when something stands in the quarantine, else `EXIT_OK`."""
    kinds = ("items", "boxes", "samples")
    quarantined = sum(recipe[of]["quarantined"] for recipe in manifest["recipes"].values() for of in kinds)
    return EXIT_PARTIAL if quarantined else EXIT_OK
