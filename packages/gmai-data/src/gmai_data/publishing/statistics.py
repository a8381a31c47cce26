"""What a build holds, as tables: by recipe, task, modality, department and kind."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmai_cli.console import say, say_next, table
from gmai_formats.chat.prices import load_table
from gmai_formats.files import write_text
from gmai_formats.pages.charts import Bar, bar_chart
from gmai_formats.pages.shell import page, text

from gmai_data.generation.estimate import ASSUMED_S, Line, measured_seconds
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writers import WriterOptions
from gmai_data.publishing.record import read_manifest
from gmai_data.sources.cards.summaries import NO_PUBLIC_DATASET, summaries
from gmai_data.untyped import pq
from gmai_data.vocabulary import Split


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
    _print_left_open(manifest)
    benchmark = manifest["benchmark"]
    if benchmark["questions"]:
        odds = f"chance {benchmark['chance']:.1%}, best guess from the options alone {benchmark['prior_accuracy']:.1%}"
        print(f"held-out questions: {benchmark['questions']} ({odds})")
    else:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in benchmark["dropped"].items())
        print(f"held-out questions: none ({reasons or 'no image is held out'})")
    kinds = ("items", "boxes", "samples")
    if any(entry[of]["quarantined"] for entry in manifest["recipes"].values() for of in kinds):
        say(f"Some input could not be used: see {out / 'quarantine.jsonl'} for files and reasons.")
    _warn_of_nothing(manifest)
    say_next("data", "view", out)


def _warn_of_nothing(manifest: dict[str, Any]) -> None:
    """Name each recipe of which there is nothing to train on though items were read, and why."""
    for name, entry in manifest["recipes"].items():
        if entry["items"]["read"] and not entry["samples"]["kept"]:
            reasons = {
                reason: count for of in ("items", "images", "samples") for reason, count in entry[of]["dropped"].items()
            }
            what = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
            why = what or ("its input could not be used" if entry["items"]["quarantined"] else "all of it is held out")
            say(f"warning: {name}: no sample to train on ({why}).")


def _print_left_open(manifest: dict[str, Any]) -> None:
    for name, entry in manifest["recipes"].items():
        if entry["uncertain"]:
            labels = ", ".join(f"{label} {count}" for label, count in entry["uncertain"].items())
            print(f"{name}: left open by the source, so neither present nor absent, in so many images: {labels}")


def print_statistics(out: Path) -> None:
    """Print the images of a build as Fig. 3 does, and its samples by kind, language and sub-dataset."""
    manifest = read_manifest(out)
    print_fig3(fig3(out), "images")
    for of in ("kind", "modality", "language", "sub_dataset"):
        counts: Counter[str] = Counter()
        for entry in manifest["recipes"].values():
            counts.update(entry["samples_by"].get(of, {}))
        total = counts.total()
        rows = [(name, count, f"{count / total:.1%}") for name, count in counts.most_common()]
        table((of.replace("_", " "), "samples", "share"), rows)
        print()
    _print_left_open(manifest)


PAPER_SHARES: dict[str, dict[str, float]] = {
    "task": {"2d_classification": 50.4, "3d_segmentation": 30.3, "2d_segmentation": 12.7, "2d_detection": 6.6},
    "modality": {
        "CT": 26.8, "MR": 24.7, "X-ray": 12.6, "Histopathology": 11.2, "Dermoscopy": 3.5, "Microscopy": 2.4, "PET": 0.2,
    },
    "department": {
        "Orthopedic Surgery": 12.9, "General Surgery": 10.3, "Endocrinology": 1.3, "Infectious Diseases": 0.8,
        "Urology": 0.7,
    },
    "clinical_task": {
        "Disease Diagnosis": 40.4, "Organ Recognition (all four)": 16.0, "Muscle": 3.3, "Nervous Tissue": 1.5,
        "Microorganism Recognition": 1.2,
    },
}  # fmt: skip
"""Fig. 3 of the paper, in per cent of its data: all of (a), and of (b), (c) and (d) what its caption names."""


Rings = dict[str, list[tuple[str, int, float, float | None]]]
"""For each ring of Fig. 3: (name, count, per cent of all, per cent of the paper or None)."""


def fig3(out: Path) -> Rings:
    """Return the rings of a build, counted in images."""
    counts: dict[str, Counter[str]] = {of: Counter() for of in RINGS}
    for path in sorted((out / "annotations").glob("*.parquet")):
        table = pq.read_table(path, columns=list(RINGS))
        for of in RINGS:
            counts[of].update(table[of].to_pylist())
    return _rings(counts)


def catalogue_fig3() -> Rings:
    """Return the rings of the bundled cards of public datasets, counted in cards."""
    cards = [card for card in summaries() if not card.name.startswith(NO_PUBLIC_DATASET)]
    return _rings({of: Counter(str(getattr(card, of)) for card in cards) for of in RINGS})


def _rings(counts: Mapping[str, Counter[str]]) -> Rings:
    rings: Rings = {}
    for of, counter in counts.items():
        paper, total = PAPER_SHARES.get(of, {}), max(counter.total(), 1)
        if of == "clinical_task":
            counter["Organ Recognition (all four)"] = sum(
                count for name, count in counter.items() if name.startswith("Organ Recognition - ")
            )
        names = [name for name, _ in counter.most_common()] + [name for name in paper if name not in counter]
        rings[of] = [(name, counter[name], 100 * counter[name] / total, paper.get(name)) for name in names]
    return rings


def untrained_labels(out: Path) -> dict[str, list[str]]:
    """Return, for each source with training images, its labels that stand in none of them, in order."""
    trained: dict[str, set[str]] = defaultdict(set)
    elsewhere: dict[str, set[str]] = defaultdict(set)
    for path in sorted((out / "annotations").glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(columns=["source", "split", "labels"]):
            for row in batch.to_pylist():
                (trained if row["split"] == Split.TRAIN else elsewhere)[row["source"]].update(row["labels"])
    missing = {source: sorted(elsewhere[source] - trained[source]) for source in sorted(trained)}
    return {source: labels for source, labels in missing.items() if labels}


def print_fig3(rings: Rings, counted: str) -> None:
    """Print what was counted by original task, modality, department and clinical task, next to the paper's shares."""
    for of, rows in rings.items():
        cells = [
            (name, count, f"{share:.1f}%", "" if paper is None else f"{paper:.1f}%")
            for name, count, share, paper in rows
        ]
        table((RINGS[of], counted, "share", "paper"), cells, title=f"Fig. 3: {RINGS[of]}")
        print()


def write_fig3(rings: Rings, counted: str, name: str, file: Path) -> None:
    """Draw what `print_fig3` prints into a self-contained page."""
    body = [f"<p>Upper bar: {text(name)}. Lower bar: the paper's Fig. 3, where it gives a number.</p>"]
    for of, rows in rings.items():
        widest = max([1.0, *(max(share, paper or 0) for _, _, share, paper in rows)])
        body += [f"<h2>{text(RINGS[of])} ({counted})</h2>", bar_chart(_bar(*row, widest) for row in rows)]
    title = f"Dataset composition of {name} beside the paper's Fig. 3"
    write_text(file, page(title, body))
    say(f"{file}: drawn.")


def _bar(name: str, count: int, share: float, paper: float | None, widest: float) -> Bar:
    words = f"{share:.1f} % ({count})" + ("" if paper is None else f", paper {paper:.1f} %")
    return Bar(name, share / widest, words, second=0.0 if paper is None else paper / widest)


RINGS = {
    "task": "original task", "modality": "modality", "department": "department", "clinical_task": "clinical task",
}  # fmt: skip
"""Column of the annotations ▶ the title of its ring in Fig. 3."""


def print_preview(rows: Sequence[tuple[str, int, int, int, dict[str, int]]]) -> None:
    """Print what `--dry-run` found."""
    cells = [
        (name, items, groups, shards, ", ".join(f"{split} {count}" for split, count in splits.items()))
        for name, items, groups, shards, splits in rows
    ]
    table(("recipe", "items", "groups", "shards", "items by split"), cells)


def print_estimate(
    lines: Sequence[tuple[str, Line]], writing: WritingSettings, options: WriterOptions, out: Path
) -> None:
    """Print what a model would be asked, kind by kind, with tokens, time and money.

    Args:
        lines: From `preview.preview_writing`.
        writing: The model.
        options: Its limits and prices.
        out: Its journals tell how long answers take.
    """
    prices = load_table(options.prices)
    measured = measured_seconds(options.cache or out / ".build" / "journal")
    seconds = measured or ASSUMED_S
    rows = [
        (
            name,
            round(line.requests),
            round(line.input_tokens),
            round(line.output_tokens),
            f"{line.requests * seconds / options.concurrency / 3600:.2f}",
            f"{line.usd:.2f}",
        )
        for name, line in lines
    ]
    total = Line()
    for _, line in lines:
        total.sum_with(line)
    hours = total.requests * seconds / options.concurrency / 3600
    rows.append(
        ("all", round(total.requests), round(total.input_tokens), round(total.output_tokens), f"{hours:.2f}",
         f"{total.usd:.2f}")
    )  # fmt: skip
    table(("prompt", "requests", "input tokens", "output tokens", "hours", "US dollars"), rows)
    known = [model for model in (writing.model, writing.judge) if model and prices.price(model) is not None]
    unknown = [model for model in (writing.model, writing.judge) if model and prices.price(model) is None]
    print(
        f"From a few items of each source, without repairs. {options.concurrency} requests in flight, "
        f"{seconds:.1f} s each ({'measured' if measured else 'assumed'}). Prices as of {prices.as_of}"
        + (f": {', '.join(known)}." if known else ".")
        + (f" No price is known of {', '.join(unknown)}; give --prices." if unknown else "")
    )
