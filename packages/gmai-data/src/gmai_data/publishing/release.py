"""Finished shards ▶ the files of docs/reference/formats.md."""

import functools
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from gmai_cli.console import Progress
from gmai_formats.files import write_text

from gmai_data.checks.duplicates import left_out
from gmai_data.generation.wording import wording
from gmai_data.publishing.held_out import HeldOut, odds, select
from gmai_data.tables import ANNOTATIONS, QUESTIONS, SAMPLES, Image, TableFiles
from gmai_data.untyped import pa, pc, pq
from gmai_data.vocabulary import STAGE_SHARES, Kind, Language, Split, SubDataset

_BESIDE = ("manifest.json", "mix.yaml", "quarantine.jsonl", "dropped.jsonl", "judged.jsonl")
_PUBLISHED = ("annotations", "samples", "benchmarks")
_ANNOTATIONS = "annotations"
STEPS = len(SubDataset) + 2
"""The annotations, each sub-dataset, and the benchmark."""

Runner = Callable[[Callable[[str], list[Split]], Sequence[str]], Iterable[list[Split]]]
"""Calls a function with each of some arguments, here or in other processes; the results are in order, as of `map`."""


def publish(shards: Sequence[Path], out: Path, seed: int, run: Runner, progress: Progress) -> dict[str, Any]:
    """Write annotations, samples, the benchmark and the mixture from finished shards, in the order given.

    A kill in here leaves the shards; the next run publishes anew.

    Args:
        shards: Folders of finished shards.
        out: Output folder of the build.
        seed: Draws the questions of the benchmark.
        run: Writes the annotations and the sub-datasets, each on its own.
        progress: Advances `STEPS` times.

    Returns:
        The manifest's entry about the benchmark.
    """
    for name in _PUBLISHED:
        shutil.rmtree(out / name, ignore_errors=True)
    for left in (*out.glob(".*.tmp"), *out.glob(".build/.*.json.*.tmp")):
        left.unlink()  # a kill between writing and renaming leaves it
    entries: list[dict[str, Any]] = []
    names = [_ANNOTATIONS, *SubDataset]
    for name, splits in zip(names, run(functools.partial(_publish_one, shards, out), names), strict=True):
        if Split.TRAIN in splits:
            ratio = dict(enumerate(STAGE_SHARES[SubDataset(name)], start=1))
            entries.append({"name": str(name), "path": f"samples/{name}", "ratio": ratio})
        progress.advance()
    write_text(out / "mix.yaml", yaml.safe_dump({"datasets": entries}, sort_keys=False))
    benchmark = _publish_benchmark(shards, out, seed)
    progress.advance()
    return benchmark


def published_files(out: Path) -> list[str]:
    """Return the files of a build that was published, by their paths in OUT."""
    written = [path for name in _PUBLISHED for path in sorted((out / name).rglob("*")) if path.is_file()]
    return [*_BESIDE, *(str(path.relative_to(out)) for path in written)]


def _publish_one(shards: Sequence[Path], out: Path, name: str) -> list[Split]:
    """Write the annotations, or a sub-dataset, of which the splits that have samples are returned."""
    with ExitStack() as stack:
        if name == _ANNOTATIONS:
            annotations = stack.enter_context(TableFiles(out / name, "part", ANNOTATIONS))
            for shard in shards:
                unused, start = _unused(shard), 0
                for table in _tables(shard / "annotations.parquet"):
                    rows = pa.array(range(start, start + table.num_rows), pa.int64())
                    annotations.add(table.filter(pc.invert(pc.is_in(rows, value_set=unused))))
                    start += table.num_rows
            return []
        files = {
            split: stack.enter_context(TableFiles(out / "samples" / name, split, SAMPLES))
            for split in (Split.TRAIN, Split.VALIDATION)
        }
        for shard in shards:
            images = _Images(shard / "annotations.parquet")
            unused = _unused(shard)
            for table in itertools.chain(_balanced(shard), _tables(shard / "written.parquet")):
                used = pc.invert(pc.is_in(table["annotation"], value_set=unused, skip_nulls=True))
                belongs = pc.and_(used, _belongs(table, SubDataset(name)))
                for split, file in files.items():
                    rows = table.filter(pc.and_(belongs, pc.equal(table["split"], str(split))))
                    file.add(rows, [images.of(number) for number in rows["annotation"].to_pylist()])
        return [split for split, file in files.items() if file.rows]


def _unused(shard: Path) -> Any:
    """Return the row numbers of the annotations that a check of the whole build left out."""
    return pa.array([int(number) for number in left_out(shard)["rows"]], pa.int64())


def _balanced(shard: Path) -> Iterator[Any]:
    """Yield the row groups of a shard's samples without the questions that were left out for balance."""
    gone = pa.array(left_out(shard).get("unbalanced", []), pa.int64())
    start = 0
    for table in _tables(shard / "samples.parquet"):
        rows = pa.array(range(start, start + table.num_rows), pa.int64())
        start += table.num_rows
        yield table.filter(pc.invert(pc.is_in(rows, value_set=gone)))


def _tables(path: Path) -> Iterator[Any]:
    """Yield the row groups of a shard's file; a file without rows was not written."""
    if path.is_file():
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group)


class _Images:
    """The images of a shard's annotations by row number; one row group is held, since samples come in their order."""

    def __init__(self, path: Path) -> None:
        self._path, self._held = path, range(0)
        self._images: list[Image] = []

    def of(self, number: int | None) -> list[Image]:
        """Return the image of a row, or nothing for a text."""
        if number is None:
            return []
        if number not in self._held:
            self._load(number)
        return [self._images[number - self._held.start]]

    def _load(self, number: int) -> None:
        with pq.ParquetFile(self._path) as file:
            start = group = 0
            while number >= start + file.metadata.row_group(group).num_rows:
                start += file.metadata.row_group(group).num_rows
                group += 1
            column: list[dict[str, Any]] = file.read_row_group(group, columns=["image"])["image"].to_pylist()
        self._held = range(start, start + len(column))
        self._images = [(image["bytes"], image["path"]) for image in column]


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
    offers: list[dict[str, Any]] = []
    for shard in shards:
        unused = set(left_out(shard)["ids"])
        lines = (shard / "offers.jsonl").read_text("utf-8").splitlines()
        offers += [offer for offer in map(json.loads, lines) if offer["annotation"] not in unused]
    held_out = select(offers, seed)
    if held_out.questions:
        _write_questions(held_out, shards, out / "benchmarks")
    return {
        "offered": len(offers),
        "questions": len(held_out.questions),
        "dropped": dict(sorted(held_out.dropped.items())),
        **odds(held_out.questions),
    }


def _write_questions(held_out: HeldOut, shards: Sequence[Path], folder: Path) -> None:
    wanted = {question["annotation"] for question in held_out.questions}
    by_image: dict[str, list[dict[str, Any]]] = {}
    for question in held_out.questions:
        by_image.setdefault(question["annotation"], []).append(question)
    with TableFiles(folder, "held_out", QUESTIONS, single=True) as questions:  # its YAML names one file
        for shard in shards:
            for table in _tables(shard / "annotations.parquet"):
                chosen = table.filter(pc.is_in(table["id"], value_set=pa.array(sorted(wanted))))
                for row in chosen.select(["id", "image"]).to_pylist():
                    named = [{**question, "images": [row["image"]]} for question in by_image[row["id"]]]
                    questions.add_rows([{name: question[name] for name in QUESTIONS.names} for question in named])
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
