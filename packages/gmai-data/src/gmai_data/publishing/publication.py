"""`gmai data publish`: a finished build ▶ a folder to be handed on, if every source's licence allows it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from gmai_cli.console import progress, say
from gmai_cli.errors import UserError
from gmai_cli.files import write_text

from gmai_data.publishing.licences import reason_to_refuse
from gmai_data.publishing.tables import ANNOTATIONS, QUESTIONS, SAMPLES, TableFiles
from gmai_data.statistics import read_manifest
from gmai_data.untyped import pa, pc, pq


def publish_build(out: Path, target: Path, *, leave_out_unlicensed: bool) -> None:
    """Copy what may be passed on, with a card that names every source, its licence and its citation.

    Args:
        out: A finished build.
        target: A new or empty folder.
        leave_out_unlicensed: Leave the refused sources out instead of refusing the whole.

    Raises:
        UserError: Not a finished build, `target` holds something, or a source may not be published.
    """
    read_manifest(out)
    recipes = build_recipes(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target}: not empty. What is published goes into a new folder. Give another one.")
    refused = {name: reason for name, recipe in recipes.items() if (reason := reason_to_refuse(recipe)) is not None}
    if refused and not leave_out_unlicensed:
        lines = "".join(f"\n  {name}: {reason}" for name, reason in refused.items())
        raise UserError(
            f"{out}: {len(refused)} of {len(recipes)} sources may not be published:{lines}\n"
            "Build without them, or publish the others with --leave-out-unlicensed."
        )
    kept = {name: recipe for name, recipe in recipes.items() if name not in refused}
    if not kept:
        raise UserError(f"{out}: no source of this build may be published: {', '.join(refused)}.")
    for name, reason in refused.items():
        say(f"left out: {name}: {reason}")
    rows = _copy_tables(out, target, sorted(kept))
    for file in ("mix.yaml", "benchmarks/held_out.yaml"):
        if (out / file).is_file() and (file == "mix.yaml" or (target / "benchmarks").is_dir()):
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(out / file, target / file)
    if refused and (target / "benchmarks" / "held_out.yaml").is_file():
        _correct_benchmark(target / "benchmarks" / "held_out.yaml", rows.get("benchmarks", 0), kept)
    write_text(target / "README.md", _card(kept, rows))
    say(f"{target}: {sum(rows.values())} rows of {len(kept)} sources, with README.md.")


def build_recipes(out: Path) -> dict[str, dict[str, Any]]:
    """Return the cards of a build, as they were when it began.

    Raises:
        UserError: The build's record is gone.
    """
    path = out / ".build" / "build.json"
    if not path.is_file():
        raise UserError(f"{path}: no such file. It holds the sources' licences; copy `.build` along with the build.")
    return json.loads(path.read_text(encoding="utf-8"))["recipes"]


def _copy_tables(out: Path, target: Path, sources: list[str]) -> dict[str, int]:
    files = sorted(out.glob("**/*.parquet"))
    wanted = pa.array(sources)
    rows: dict[str, int] = {}
    with progress("publish", len(files), unit="files") as bar:
        for path in files:
            relative = path.relative_to(out)
            schema = {"annotations": ANNOTATIONS, "samples": SAMPLES, "benchmarks": QUESTIONS}[relative.parts[0]]
            # Each file is filtered into one of its own name, so that the cut does not depend on what was left out.
            with TableFiles(target / relative.parent, path.stem, schema) as written:
                with pq.ParquetFile(path) as file:
                    for batch in file.iter_batches(batch_size=256):
                        table = pa.Table.from_batches([batch])
                        written.add(table.filter(pc.is_in(table["source"], value_set=wanted)))
                rows[relative.parts[0]] = rows.get(relative.parts[0], 0) + written.rows
            single = target / relative.parent / f"{path.stem}-00000.parquet"
            if single.is_file():
                single.rename(target / relative)
            bar.advance(note=str(relative))
    return rows


def _correct_benchmark(path: Path, questions: int, kept: Mapping[str, Mapping[str, Any]]) -> None:
    card = yaml.safe_load(path.read_text(encoding="utf-8"))
    card["expected"] = {"total": questions}
    card["license"] = " AND ".join(sorted({str(recipe["license"]) for recipe in kept.values()}))
    write_text(path, yaml.safe_dump(card, sort_keys=False, allow_unicode=True))


def _card(recipes: Mapping[str, Mapping[str, Any]], rows: Mapping[str, int]) -> str:
    licences = sorted({str(recipe["license"]) for recipe in recipes.values()})
    head = {"license": "other", "license_name": "per-source", "tags": ["medical", "image-text-to-text"]}
    lines = [
        "---",
        yaml.safe_dump(head, sort_keys=False).strip(),
        "---",
        "",
        "# Medical images with instruction samples",
        "",
        f"{rows.get('samples', 0)} samples and {rows.get('annotations', 0)} annotated images from {len(recipes)} "
        f"sources, made with gmai-data. Each row names its source and licence. Licences: {', '.join(licences)}.",
        "",
        "| source | licence | modality | department | citation |",
        "|---|---|---|---|---|",
    ]
    for recipe in recipes.values():
        title = f"[{recipe['title']}]({recipe['homepage']})"
        cells = (title, recipe["license"], recipe["modality"], recipe["department"], recipe["citation"])
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
