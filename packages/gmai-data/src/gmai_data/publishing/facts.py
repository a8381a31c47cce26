"""What a release holds, counted from its own files: the card, the Croissant file and `release.json` are made of it."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmai_formats.files import sha256_file

from gmai_data.publishing.blind import text_only
from gmai_data.publishing.held_out import guessable, odds
from gmai_data.publishing.sub_datasets import sample_files
from gmai_data.untyped import pq
from gmai_data.vocabulary import SubDataset

GENERATOR = ("writer", "model", "served_by", "prompt", "templates")
"""Keys of a sample's provenance that say who wrote its text, and from what wording."""


@dataclass(frozen=True)
class ReleaseFacts:
    """The counts of a release.

    Attributes:
        recipes: Source ▶ its card as it was when the build began.
        samples: Sub-dataset ▶ split ▶ samples; what is empty is left out.
        counted: `kind`, `language` and `source` ▶ value ▶ samples.
        generators: What the samples' provenance says under the keys of `GENERATOR` ▶ samples.
        annotations: Annotated images.
        questions: Held-out questions.
        odds: Of those: `chance` and `prior_accuracy`, the accuracy of the best guess from the options alone.
        guessable: Sets of them that such a guess wins (held_out.py).
        account: Source ▶ `items`, `images`, … ▶ read, kept, dropped by reason, quarantined.
        opinions: A second model's verdict on samples that were drawn for it ▶ how often.
        sentences: Of a model's texts: `resolved` against the record, `left out`, or `of no image` ▶ how many.
        files: Path relative to the release ▶ (bytes, SHA-256).
        text_only: Family of perception ▶ how often the words of its questions alone are right (blind.py).
        build: The build's `build.json`: versions, settings, digests of the sources.
    """

    recipes: Mapping[str, Mapping[str, Any]]
    samples: Mapping[SubDataset, Mapping[str, int]]
    counted: Mapping[str, Counter[str]]
    generators: Counter[tuple[tuple[str, str], ...]]
    annotations: int
    questions: int
    odds: Mapping[str, float]
    guessable: Mapping[str, Mapping[str, float]]
    account: Mapping[str, Mapping[str, Any]]
    opinions: Counter[str]
    files: Mapping[str, tuple[int, str]]
    build: Mapping[str, Any]
    sentences: Counter[str] = field(default_factory=Counter[str])
    text_only: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])

    @property
    def total(self) -> int:
        """Return the number of samples."""
        return sum(sum(splits.values()) for splits in self.samples.values())


def count_release(
    folder: Path, recipes: Mapping[str, Mapping[str, Any]], manifest: Mapping[str, Any], build: Mapping[str, Any]
) -> ReleaseFacts:
    """Count a release from the Parquet files that lie in it; nothing but small columns is read.

    Args:
        folder: The release, without card.
        recipes: The cards of the sources that are in it.
        manifest: The build's `manifest.json`.
        build: The build's `build.json`.
    """
    samples: dict[SubDataset, dict[str, int]] = {}
    counted = {column: Counter[str]() for column in ("kind", "language", "source")}
    generators: Counter[tuple[tuple[str, str], ...]] = Counter()
    for name, split, files in sample_files(folder):
        rows = 0
        for path in files:
            with pq.ParquetFile(path) as file:
                rows += file.metadata.num_rows
                for batch in file.iter_batches(batch_size=8192, columns=[*counted, "provenance"]):
                    for column, counter in counted.items():
                        counter.update(batch[column].to_pylist())
                    generators.update(map(_generator, batch["provenance"].to_pylist()))
        samples.setdefault(name, {})[str(split)] = rows
    questions = _questions(folder / "benchmarks")
    opinions: Counter[str] = Counter()
    sentences: Counter[str] = Counter()
    for source in recipes:
        of_model = manifest["recipes"][source].get("written", {})
        opinions.update(of_model.get("opinions", {}))
        sentences.update(of_model.get("sentences", {}))
    return ReleaseFacts(
        recipes=recipes,
        samples=samples,
        counted=counted,
        generators=generators,
        annotations=_rows(folder / "annotations"),
        questions=len(questions),
        odds=odds(questions),
        guessable=guessable(questions),
        account={
            source: {what: line for what, line in entry.items() if isinstance(line, Mapping) and "quarantined" in line}
            for source, entry in manifest["recipes"].items()
            if source in recipes
        },
        opinions=opinions,
        sentences=sentences,
        text_only=text_only(folder),
        files={
            path.relative_to(folder).as_posix(): (path.stat().st_size, sha256_file(path))
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
        build=build,
    )


def grounded(sentences: Mapping[str, int]) -> str:
    """Say how many of the sentences that a model wrote about images the records hold; nothing where it wrote none."""
    resolved, left_out = sentences.get("resolved", 0), sentences.get("left out", 0)
    if not resolved + left_out:
        return ""
    share = f"{100 * resolved / (resolved + left_out):.1f} %"
    text = (
        f"Of {resolved + left_out:,} sentences that a model wrote about images in the texts kept, {resolved:,} "
        f"({share}) are resolved against the record, {left_out:,} were left out of their texts."
    )
    alone = sentences.get("of no image", 0)
    return text + (f" {alone:,} more are of texts without an image and are held against no record." if alone else "")


def _generator(provenance: str) -> tuple[tuple[str, str], ...]:
    facts = json.loads(provenance)
    return tuple((key, str(facts[key])) for key in GENERATOR if facts.get(key) is not None)


def _questions(folder: Path) -> list[dict[str, Any]]:
    columns = ["choices", "reference", "source", "asks"]
    return [
        row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path, columns=columns).to_pylist()
    ]


def _rows(folder: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in folder.glob("*.parquet"))
