"""Finished shards ▶ the files of docs/reference/formats.md."""

import functools
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from gmai_cli.console import Progress
from gmai_formats.files import write_text

from gmai_data.checks.duplicates import left_out
from gmai_data.publishing.held_out import HeldOut, odds, select, write_card
from gmai_data.tables import ANNOTATIONS, QUESTIONS, SAMPLES, Image, TableFiles
from gmai_data.untyped import pa, pc, pq
from gmai_data.vocabulary import STAGE_SHARES, Kind, Split, SubDataset

_BESIDE = ("manifest.json", "mix.yaml", "quarantine.jsonl", "dropped.jsonl", "judged.jsonl")
_PUBLISHED = ("annotations", "samples", "benchmarks")
_ANNOTATIONS = "annotations"
_HELD_GROUPS = 4
"""Row groups of images in memory; a sample about two images has the second from one of the last."""
STEPS = len(SubDataset) + 2
"""The annotations, each sub-dataset, and the benchmark."""

_Written = dict[str, list[Split]]
Runner = Callable[[Callable[[Sequence[str]], _Written], Sequence[Sequence[str]]], Iterable[_Written]]
"""Calls a function with each of some arguments, in other processes or (`map`) here; the results are in order."""


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
    names = [_ANNOTATIONS, *map(str, SubDataset)]
    together = [names] if run is map else [[name] for name in names]  # one process reads each shard once
    for written in run(functools.partial(_publish_some, shards, out), together):
        for name, splits in written.items():
            if Split.TRAIN in splits:
                ratio = dict(enumerate(STAGE_SHARES[SubDataset(name)], start=1))
                entries.append({"name": name, "path": f"samples/{name}", "ratio": ratio})
            progress.advance()
    write_text(out / "mix.yaml", yaml.safe_dump({"datasets": entries}, sort_keys=False))
    benchmark = _publish_benchmark(shards, out, seed)
    progress.advance()
    return benchmark


def published_files(out: Path) -> list[str]:
    """Return the files of a build that was published, by their paths in OUT."""
    written = [path for name in _PUBLISHED for path in sorted((out / name).rglob("*")) if path.is_file()]
    return [*_BESIDE, *(str(path.relative_to(out)) for path in written)]


def _publish_some(shards: Sequence[Path], out: Path, names: Sequence[str]) -> dict[str, list[Split]]:
    """Write the annotations and sub-datasets of these names, in one pass; return the splits that have samples."""
    with ExitStack() as stack:
        annotations = None
        if _ANNOTATIONS in names:
            annotations = stack.enter_context(TableFiles(out / _ANNOTATIONS, "part", ANNOTATIONS))
        files = {
            name: {
                split: stack.enter_context(TableFiles(out / "samples" / name, split, SAMPLES))
                for split in (Split.TRAIN, Split.VALIDATION)
            }
            for name in map(SubDataset, (name for name in names if name != _ANNOTATIONS))
        }
        for shard in shards:
            unused = _unused(shard)
            if annotations is not None:
                _add_annotations(shard, unused, annotations)
            if files:
                _add_samples(shard, unused, files)
        found = {str(name): [split for split, file in each.items() if file.rows] for name, each in files.items()}
        return {name: found.get(name, []) for name in names}


def _add_annotations(shard: Path, unused: Any, file: TableFiles) -> None:
    start = 0
    for table in _tables(shard / "annotations.parquet"):
        rows = pa.array(range(start, start + table.num_rows), pa.int64())
        file.add(table.filter(pc.invert(pc.is_in(rows, value_set=unused))))
        start += table.num_rows


def _add_samples(shard: Path, unused: Any, files: Mapping[SubDataset, Mapping[Split, TableFiles]]) -> None:
    images = _Images(shard / "annotations.parquet")
    for table in itertools.chain(_balanced(shard), _tables(shard / "written.parquet")):
        used = pc.invert(
            pc.or_(
                pc.is_in(table["annotation"], value_set=unused, skip_nulls=True),
                pc.is_in(table["beside"], value_set=unused, skip_nulls=True),
            )
        )
        for name, of_split in files.items():
            belongs = pc.and_(used, _belongs(table, name))
            for split, file in of_split.items():
                rows = table.filter(pc.and_(belongs, pc.equal(table["split"], str(split))))
                if rows.num_rows:
                    shown = zip(rows["annotation"].to_pylist(), rows["beside"].to_pylist(), strict=True)
                    file.add(rows, [[*images.of(one), *images.of(other)] for one, other in shown])


def _unused(shard: Path) -> Any:
    """Return the row numbers of the annotations that a check of the whole build left out."""
    return pa.array([int(number) for number in left_out(shard)["rows"]], pa.int64())


def _balanced(shard: Path) -> Iterator[Any]:
    """Yield the row groups of a shard's samples without the questions that were left out for balance."""
    dropped = pa.array(left_out(shard).get("unbalanced", []), pa.int64())
    start = 0
    for table in _tables(shard / "samples.parquet"):
        rows = pa.array(range(start, start + table.num_rows), pa.int64())
        start += table.num_rows
        yield table.filter(pc.invert(pc.is_in(rows, value_set=dropped)))


def _tables(path: Path, columns: list[str] | None = None) -> Iterator[Any]:
    """Yield the row groups of a shard's file, or some columns of them; a file without rows was not written."""
    if path.is_file():
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns)


class _Images:
    """The images of a shard's annotations by row number; few row groups are held, since samples come in their order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[int, tuple[int, list[Image]]] = {}
        """Row group ▶ its first row and images, the one used last at the end."""

    def of(self, number: int | None) -> list[Image]:
        """Return the image of a row, or nothing for a text."""
        if number is None:
            return []
        group = next((each for each, (start, held) in self._held.items() if 0 <= number - start < len(held)), None)
        if group is None:
            group = self._load(number)
        start, images = self._held[group] = self._held.pop(group)
        return [images[number - start]]

    def _load(self, number: int) -> int:
        with pq.ParquetFile(self._path) as file:
            start = group = 0
            while number >= start + file.metadata.row_group(group).num_rows:
                start += file.metadata.row_group(group).num_rows
                group += 1
            column: list[dict[str, Any]] = file.read_row_group(group, columns=["image"])["image"].to_pylist()
        if len(self._held) == _HELD_GROUPS:
            del self._held[next(iter(self._held))]
        self._held[group] = (start, [(image["bytes"], image["path"]) for image in column])
        return group


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
        lines = (shard / "offers.jsonl").read_bytes().splitlines()
        offers += [offer for offer in map(json.loads, lines) if unused.isdisjoint(_images_of(offer))]
    held_out = select(offers, seed)
    if held_out.questions:
        _write_questions(held_out, shards, out / "benchmarks")
    return {
        "offered": len(offers),
        "questions": len(held_out.questions),
        "dropped": dict(sorted(held_out.dropped.items())),
        **odds(held_out.questions),
    }


def _images_of(question: Mapping[str, Any]) -> list[str]:
    """Return the ids of the images of a question, in their order."""
    names = (question.get("before"), question["annotation"], question.get("behind"))
    return [name for name in names if name]


def _write_questions(held_out: HeldOut, shards: Sequence[Path], folder: Path) -> None:
    by_image: dict[str, list[dict[str, Any]]] = {}
    for question in held_out.questions:
        by_image.setdefault(question["annotation"], []).append(question)
    wanted = pa.array(sorted({name for question in held_out.questions for name in _images_of(question)}))
    with TableFiles(folder, "held_out", QUESTIONS, single=True) as questions:  # its YAML names one file
        for shard in shards:
            # The images of a question lie in one shard, whose held-out ones are few.
            images: dict[str, Any] = {}
            for table in _tables(shard / "annotations.parquet", ["id", "image"]):
                chosen = table.filter(pc.is_in(table["id"], value_set=wanted))
                images.update((row["id"], row["image"]) for row in chosen.to_pylist())
            for question in (each for name in images for each in by_image.get(name, ())):
                written = {**question, "images": [images[name] for name in _images_of(question)]}
                questions.add_rows([{name: written[name] for name in QUESTIONS.names}])
    licenses = sorted({question["license"] for question in held_out.questions})
    write_card(
        folder, "held_out.parquet", len(held_out.questions), title="Held-out questions of this build",
        groups=("modality", "department", "source"), license_name=" AND ".join(licenses),
    )  # fmt: skip
