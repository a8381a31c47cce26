"""What a build holds, as tables: by recipe, task, modality, department and kind."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmai_cli.console import say, table
from gmai_cli.errors import UserError

from gmai_data.build import list_sources
from gmai_data.sources.catalogue import bundled_names, find_recipe, resolve


def read_manifest(out: Path) -> dict[str, Any]:
    """Return the manifest of a finished build.

    Raises:
        UserError: There is none.
    """
    path = out / "manifest.json"
    if not path.is_file():
        raise UserError(f"{path}: no such file. A finished build has one; run `gmai data build … --out {out}`.")
    return json.loads(path.read_text(encoding="utf-8"))


def print_build(out: Path) -> None:
    """Print one line per recipe: what was read and what became of it."""
    manifest = read_manifest(out)
    rows = [
        (
            name,
            entry["items"]["read"],
            entry["items"]["kept"],
            sum(entry["items"]["dropped"].values()),
            entry["items"]["quarantined"],
            entry["images"]["kept"],
            entry["boxes"]["kept"],
            entry["boxes"]["quarantined"],
            entry["samples"]["kept"],
        )
        for name, entry in manifest["recipes"].items()
    ]
    columns = ("recipe", "items", "kept", "dropped", "quarantined", "images", "boxes", "bad boxes", "samples")
    table(columns, rows)
    benchmark = manifest["benchmark"]
    print(
        f"held-out questions: {benchmark['questions']} (chance {benchmark['chance']:.1%}, "
        f"best guess from the options alone {benchmark['prior_accuracy']:.1%})"
    )
    if any(entry["items"]["quarantined"] + entry["boxes"]["quarantined"] for entry in manifest["recipes"].values()):
        say(f"Some input could not be used: see {out / 'quarantine.jsonl'} for files and reasons.")


def print_statistics(out: Path) -> None:
    """Print the samples of a build by task, modality, department, clinical task, kind and language."""
    manifest = read_manifest(out)
    for of in ("task", "modality", "department", "clinical_task", "kind", "language", "sub_dataset"):
        counts: Counter[str] = Counter()
        for entry in manifest["recipes"].values():
            counts.update(entry["samples_by"].get(of, {}))
        total = counts.total()
        rows = [(name, count, f"{count / total:.1%}") for name, count in counts.most_common()]
        table((of.replace("_", " "), "samples", "share"), rows)
        print()


def print_preview(rows: Sequence[tuple[str, int, int, int, dict[str, int]]]) -> None:
    """Print what `--dry-run` found."""
    cells = [
        (name, items, groups, shards, ", ".join(f"{split} {count}" for split, count in splits.items()))
        for name, items, groups, shards, splits in rows
    ]
    table(("recipe", "items", "groups", "shards", "items by split"), cells)


def print_recipes() -> None:
    """Print the bundled recipes."""
    recipes = [find_recipe(name) for name in bundled_names()]
    rows = [(each.name, each.modality, each.task, each.layout.kind, each.license, each.title) for each in recipes]
    table(("recipe", "modality", "task", "layout", "licence", "title"), rows)


def check_against_folder(name: str, root: Path | None) -> None:
    """Validate a card and compare a folder's item count with the published one.

    Raises:
        UserError: The card is not valid, the folder is not what it describes, or the counts differ.
    """
    recipe = find_recipe(name)
    print(f"{recipe.name}: the card is valid ({len(recipe.labels)} labels, layout {recipe.layout.kind}).")
    if root is None:
        return
    (listing,) = list_sources(resolve([f"{name}={root}"], None), None)
    found, expected = len(listing.items), recipe.expected.get("items")
    if expected is not None and found != expected:
        raise UserError(
            f"{root}: {found} items, but {recipe.name} has {expected} published ones. Complete the download, or "
            "correct `expected` in a copy of the card."
        )
    print(f"{root}: {found} items" + (", as published." if expected is not None else "."))
