"""Finished shards ▶ the files of docs/reference/formats.md."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from gmai_cli.console import Progress
from gmai_cli.files import write_text

from gmai_data.generation.wording import wording
from gmai_data.publishing.held_out import HeldOut, prior_accuracy, select
from gmai_data.publishing.tables import ANNOTATIONS, QUESTIONS, SAMPLES, TableFiles
from gmai_data.untyped import pa, pc, pq
from gmai_data.vocabulary import STAGE_SHARES, Kind, Language, Split, SubDataset

_PUBLISHED = ("annotations", "samples", "benchmarks")


def publish(shards: Sequence[Path], out: Path, seed: int, progress: Progress) -> dict[str, Any]:
    """Write annotations, samples, the benchmark and the mixture from finished shards, in the order given.

    A kill in here leaves the shards; the next run publishes anew.

    Returns:
        The manifest's entry about the benchmark.
    """
    for name in _PUBLISHED:
        shutil.rmtree(out / name, ignore_errors=True)
    for left in out.glob(".*.tmp"):
        left.unlink()  # a kill between writing and renaming leaves it
    with TableFiles(out / "annotations", "part", ANNOTATIONS) as annotations:
        for shard in shards:
            for batch in _tables(shard, "annotations"):
                annotations.add(batch)
            progress.advance()
    _publish_samples(shards, out)
    return _publish_benchmark(shards, out, seed)


def _tables(shard: Path, stem: str) -> Iterator[Any]:
    for path in sorted(shard.glob(f"{stem}-*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                yield pa.Table.from_batches([batch])


def _publish_samples(shards: Sequence[Path], out: Path) -> None:
    with ExitStack() as stack:
        files = {
            (name, split): stack.enter_context(TableFiles(out / "samples" / name, split, SAMPLES))
            for name in SubDataset
            for split in (Split.TRAIN, Split.VALIDATION)
        }
        for shard in shards:
            for table in _tables(shard, "samples"):
                for (name, split), file in files.items():
                    rows = table.filter(pc.and_(_belongs(table, name), pc.equal(table["split"], str(split))))
                    if rows.num_rows:
                        file.add(rows)
        trained = [name for name in SubDataset if files[name, Split.TRAIN].rows]
    entries = [
        {
            "name": str(name),
            "path": f"samples/{name}",
            "ratio": dict(enumerate(STAGE_SHARES[name], start=1)),
        }
        for name in trained
    ]
    write_text(out / "mix.yaml", yaml.safe_dump({"datasets": entries}, sort_keys=False))


def _belongs(table: Any, name: SubDataset) -> Any:
    kinds = {
        SubDataset.CAPTION: [Kind.IMAGE_CAPTION, Kind.REGION_CAPTION],
        SubDataset.INSTRUCT: [Kind.FREE_INSTRUCTION, Kind.DIALOGUE],
        SubDataset.PERCEPT: [Kind.VISUAL_PERCEPTION],
        SubDataset.TEXT_SINGLE: [Kind.TEXT_ONLY],
        SubDataset.TEXT_MULTI: [Kind.TEXT_ONLY],
    }[name]
    of_kind = pc.is_in(table["kind"], value_set=pa.array([str(kind) for kind in kinds]))
    single = pc.less_equal(pc.list_value_length(table["messages"]), 2)
    if name == SubDataset.TEXT_SINGLE:
        return pc.and_(of_kind, single)
    if name == SubDataset.TEXT_MULTI:
        return pc.and_(of_kind, pc.invert(single))
    return of_kind


def _publish_benchmark(shards: Sequence[Path], out: Path, seed: int) -> dict[str, Any]:
    offers = [json.loads(line) for shard in shards for line in (shard / "offers.jsonl").read_text("utf-8").splitlines()]
    held_out = select(offers, seed)
    if held_out.questions:
        _write_questions(held_out, shards, out / "benchmarks")
    return {
        "offered": len(offers),
        "questions": len(held_out.questions),
        "dropped": dict(sorted(held_out.dropped.items())),
        "chance": round(held_out.chance, 4),
        "prior_accuracy": round(prior_accuracy(held_out.questions), 4),
    }


def _write_questions(held_out: HeldOut, shards: Sequence[Path], folder: Path) -> None:
    wanted = {question["annotation"] for question in held_out.questions}
    by_image: dict[str, list[dict[str, Any]]] = {}
    for question in held_out.questions:
        by_image.setdefault(question["annotation"], []).append(question)
    with TableFiles(folder, "held_out", QUESTIONS) as questions:
        for shard in shards:
            for table in _tables(shard, "annotations"):
                chosen = table.filter(pc.is_in(table["id"], value_set=pa.array(sorted(wanted))))
                for row in chosen.select(["id", "image"]).to_pylist():
                    named = [{**question, "images": [row["image"]]} for question in by_image[row["id"]]]
                    questions.add_rows([{name: question[name] for name in QUESTIONS.names} for question in named])
    # One file: a benchmark is small, and its YAML names it.
    (folder / "held_out-00000.parquet").rename(folder / "held_out.parquet")
    licenses = sorted({question["license"] for question in held_out.questions})
    card = {
        "name": "held_out",
        "title": "Held-out questions of this build",
        "protocol": "held_out/option-text",
        "questions": "held_out.parquet",
        "columns": {
            "id": "id",
            "images": "images",
            "question": "question",
            "choices": "choices",
            "reference": "reference",
            "cluster": "image_id",
        },
        "groups": ["modality", "department", "source"],
        "prompt": wording(Language.EN)["perception"]["option_text"].replace("{options}", "{choices}"),
        "choices_style": "text",
        "expected": {"total": len(held_out.questions)},
        "license": licenses[0] if len(licenses) == 1 else " AND ".join(licenses),
    }
    write_text(folder / "held_out.yaml", yaml.safe_dump(card, sort_keys=False, allow_unicode=True))
