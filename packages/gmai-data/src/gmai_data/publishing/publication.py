"""`gmai data publish`: a finished build ▶ a release, a folder to be handed on, if every source's licence allows it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from gmai_cli.console import progress, say, say_next
from gmai_cli.folders import check_new, new_folder
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file, write_json, write_text
from gmai_formats.safe_yaml import load_yaml
from gmai_formats.state import write_state

from gmai_data.publishing.card import dataset_card
from gmai_data.publishing.croissant import croissant
from gmai_data.publishing.dataset_info import NAME as DATASET_INFO
from gmai_data.publishing.dataset_info import dataset_info
from gmai_data.publishing.facts import ReleaseFacts, count_release
from gmai_data.publishing.licences import reason_to_refuse
from gmai_data.publishing.record import build_record, read_manifest, refuse_damaged
from gmai_data.publishing.statistics import RINGS, fig3
from gmai_data.publishing.sub_datasets import TABLE_6
from gmai_data.tables import ANNOTATIONS, QUESTIONS, SAMPLES, TableFiles
from gmai_data.untyped import pa, pc, pq

RELEASE_FORMAT = "gmai-data-release/1"

_SCHEMAS = {"annotations": ANNOTATIONS, "samples": SAMPLES, "benchmarks": QUESTIONS}
_OF_A_SOURCE = ("title", "homepage", "citation", "license", "license_source", "license_second_hand", "redistribution")


def publish_build(out: Path, target: Path, *, leave_out_unlicensed: bool, accept_second_hand: bool = False) -> None:
    """Copy what may be passed on, with a card, Croissant metadata and `release.json`, which names every file.

    The folder appears whole or not at all; the same build gives the same bytes.

    Args:
        out: A finished build.
        target: A new or empty folder.
        leave_out_unlicensed: Leave the refused sources out instead of refusing the whole.
        accept_second_hand: Publish sources whose licence was not read at their publisher's; each is named.

    Raises:
        UserError: Not a finished build, `target` holds something, or a source may not be published.
    """
    manifest = read_manifest(out)
    record = build_record(out)
    kept = _allowed(out, record["recipes"], leave_out=leave_out_unlicensed, accept_second_hand=accept_second_hand)
    refuse_damaged(out)
    with new_folder(target) as folder:
        _copy_tables(out, folder, sorted(kept) if len(kept) < len(record["recipes"]) else None)
        _copy_mixture(out, folder)
        if (folder / "benchmarks").is_dir():
            shutil.copyfile(out / "benchmarks" / "held_out.yaml", folder / "benchmarks" / "held_out.yaml")
        facts = count_release(folder, kept, manifest, record)
        if facts.questions and len(kept) < len(record["recipes"]):
            _correct_benchmark(folder / "benchmarks" / "held_out.yaml", facts.questions, kept)
            facts = count_release(folder, kept, manifest, record)
        rings = {RINGS[of]: rows for of, rows in fig3(folder).items()}
        write_text(folder / "README.md", dataset_card(facts, rings))
        write_json(folder / "croissant.json", croissant(facts))
        write_json(folder / DATASET_INFO, dataset_info(facts))
        write_state(folder / "release.json", _release_record(folder, facts))
    for name, entry in facts.guessable.items():
        say(
            f"held-out questions about {name}: {entry['prior_accuracy']:.1%} can be guessed from the options alone "
            f"(chance {entry['chance']:.1%}) without the sources that were left out. README.md says so."
        )
    for name, recipe in kept.items():
        if recipe.get("license_second_hand"):
            say(
                f"{name}: its licence ({recipe['license']}) is what {recipe['license_source']} says: ask its publisher."
            )
        elif not recipe.get("license_source") and _is_elsewhere(recipe):
            say(
                f"{name}: its card does not say where its licence ({recipe['license']}) was read. Write the address as "
                "license_source into the card."
            )
    say(f"{target}: {facts.total} samples, {facts.annotations} images of {len(kept)} sources, with README.md.")
    say_next("data", "push", target, "OWNER/NAME")


def check_release(where: Path, recipes: Mapping[str, Mapping[str, Any]], target: Path) -> None:
    """Raise what `publish_build` would raise after a build of these sources, before it begins.

    Raises:
        UserError: A source may not be published, or `target` holds something.
    """
    _allowed(where, recipes, leave_out=False, accept_second_hand=False)
    check_new(target)


def _allowed(
    out: Path, recipes: Mapping[str, Mapping[str, Any]], *, leave_out: bool, accept_second_hand: bool
) -> dict[str, Mapping[str, Any]]:
    refused = {} if accept_second_hand else _second_hand(recipes)
    refused |= refusals(recipes)
    if refused and not leave_out:
        lines = "".join(f"\n  {name}: {reason}" for name, reason in refused.items())
        raise UserError(
            f"{out}: {len(refused)} of {len(recipes)} sources may not be published:{lines}\n"
            "Build without them, or publish the others with --leave-out-unlicensed."
        )
    kept = {name: recipe for name, recipe in recipes.items() if name not in refused}
    if not kept:
        raise UserError(f"{out}: no source of this build may be published: {', '.join(refused)}. Build from others.")
    for name, reason in refused.items():
        say(f"left out: {name}: {reason}")
    return kept


def _second_hand(recipes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the sources whose licence somebody else than their publisher states, each with what to do."""
    return {
        name: f"its licence ({recipe['license']}) is what {recipe['license_source']} says, not its publisher. Ask the "
        "publisher; then write into a card of your own where you read it, or give --accept-second-hand"
        for name, recipe in recipes.items()
        if recipe.get("license_second_hand")
    }


def _is_elsewhere(recipe: Mapping[str, Any]) -> bool:
    """Return whether somebody else publishes a source: who draws or collects the data grants the licence himself."""
    return str(recipe.get("homepage", "")).startswith(("https://", "http://"))


def refusals(recipes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the sources that must not be published, each with the reason."""
    return {name: reason for name, recipe in recipes.items() if (reason := reason_to_refuse(recipe)) is not None}


def _copy_mixture(out: Path, folder: Path) -> None:
    """Copy `mix.yaml` without the entries whose rows were all left out."""
    mixture = load_yaml((out / "mix.yaml").read_text(encoding="utf-8"))
    mixture["datasets"] = [entry for entry in mixture["datasets"] if (folder / entry["path"]).is_dir()]
    write_text(folder / "mix.yaml", yaml.safe_dump(mixture, sort_keys=False, allow_unicode=True))


def _release_record(folder: Path, facts: ReleaseFacts) -> dict[str, Any]:
    files = dict(facts.files)
    for name in ("README.md", "croissant.json", DATASET_INFO):
        files[name] = ((folder / name).stat().st_size, sha256_file(folder / name))
    return {
        "format": RELEASE_FORMAT,
        "samples": {TABLE_6[name][0]: splits for name, splits in facts.samples.items()},
        "annotations": facts.annotations,
        "questions": facts.questions,
        "odds": facts.odds,
        "guessable": facts.guessable,
        "account": facts.account,
        "sources": {name: {key: recipe.get(key) for key in _OF_A_SOURCE} for name, recipe in facts.recipes.items()},
        "files": {path: {"bytes": size, "sha256": digest} for path, (size, digest) in sorted(files.items())},
    }


def _copy_tables(out: Path, folder: Path, sources: list[str] | None) -> None:
    """Copy the Parquet files, and only the rows of `sources` where they are given."""
    files = [(path, schema) for name, schema in _SCHEMAS.items() for path in sorted((out / name).rglob("*.parquet"))]
    with progress("publish", len(files), unit="files") as bar:
        for path, schema in files:
            target = folder / path.relative_to(out)
            if sources is None:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            else:
                _copy_rows(path, target, schema, sources)
            bar.advance(note=target.name)


def _copy_rows(path: Path, target: Path, schema: Any, sources: list[str]) -> None:
    # A file of the same name for each, so that the cut does not depend on what was left out.
    with TableFiles(target.parent, path.stem, schema, single=True) as written, pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=256):
            table = pa.Table.from_batches([batch])
            written.add(table.filter(pc.is_in(table["source"], value_set=pa.array(sources))))


def _correct_benchmark(path: Path, questions: int, kept: Mapping[str, Mapping[str, Any]]) -> None:
    card = load_yaml(path.read_text(encoding="utf-8"))
    card["expected"] = {"total": questions}
    card["license"] = " AND ".join(sorted({str(recipe["license"]) for recipe in kept.values()}))
    write_text(path, yaml.safe_dump(card, sort_keys=False, allow_unicode=True))
