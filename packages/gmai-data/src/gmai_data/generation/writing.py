"""READ THIS FIRST: how a model writes the samples of finished shards, in order.

    1. derive    records of a shard ▶ tasks, the same in every run        tasks.py, prompts.py
    2. look up   what the journal knows already is not asked again        journal.py
    3. ask       live or by the Batch API; every reply is written down    collecting.py, asking.py, batches.py
    4. judge     parse ▶ schema ▶ checks ▶ one repair ▶ one more try      tasks.py, ../checks/written.py
    5. assemble  outcomes ▶ samples, dropped, quarantined: each in one    assembling.py

What the journals know is assembled first, without asking. A kill repeats at most the requests in flight; what is
assembled depends on the records and the journal alone.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmai_cli.console import say

from gmai_data.annotation import Annotation, annotation_of
from gmai_data.checks.duplicates import left_out
from gmai_data.generation.journal import Journal, spent_before_usd
from gmai_data.generation.knowledge import load_knowledge
from gmai_data.generation.pending import Pending
from gmai_data.generation.prompts import Prompt
from gmai_data.generation.tasks import TaskMaker, WritingSettings, WritingTask
from gmai_data.markers import WRITTEN, has_marker, read_marker
from gmai_data.sample import turns_of
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.untyped import pq
from gmai_data.vocabulary import Kind, Language, Split
from gmai_data.vocabulary import Task as SourceTask

NEAR_DUPLICATE, OF_DROPPED = "near-duplicate text", "of a dropped sample"


@dataclass(frozen=True)
class WriteJob:
    """A finished shard whose samples a model writes; it is sent to another process as it is."""

    recipe: Recipe
    number: int
    count: int
    folder: Path
    journals: Path
    build: str
    settings: WritingSettings
    prompts: Mapping[str, Prompt]
    text_share: float
    seed: int
    leakage: Path | None = None
    """See `ShardJob`."""
    knowledge: Path | None = None
    """A file of knowledge of the user's own; see `load_knowledge`."""

    @property
    def assembled(self) -> bool:
        """Return whether the samples of this shard are written."""
        return has_marker(self.folder, WRITTEN)

    @property
    def done(self) -> bool:
        """Return whether it is assembled, and nothing of it is left that may still get a reply."""
        return self.assembled and not self.passing()

    def passing(self) -> int:
        """Return how many requests of the assembled shard got no reply for a reason that may pass."""
        return read_marker(self.folder, WRITTEN).get("passing", 0)

    def spent_usd(self) -> float:
        """Return what the shard has cost so far."""
        if not self.done:
            return spent_before_usd(self.journals, self.recipe.name, self.number, self.count, self.build)
        return read_marker(self.folder, WRITTEN)["spent_usd"]

    @property
    def known(self) -> bool:
        """Return whether a journal may know something of the shard: of an earlier run, or of another build."""
        folder = self.journals / self.recipe.name
        if not folder.is_dir():
            return False
        with os.scandir(folder) as entries:
            return next(entries, None) is not None

    def journal(self, *, retry: bool = False) -> Journal:
        """Open the shard's journal; `retry` asks again for what failed in a way that may pass."""
        journal = Journal(self.journals, self.recipe.name, self.number, self.count, self.build, retry=retry)
        if retry and journal.damaged:
            say(
                f"{self.journals / self.recipe.name}: {journal.damaged} lines of the journal of shard {self.number} "
                "are damaged; what they said is asked again, and what it cost is not counted."
            )
        return journal

    def maker(self) -> TaskMaker:
        """Return what derives the tasks of this shard's records."""
        known = load_knowledge(self.knowledge)
        return TaskMaker(self.recipe, self.settings, self.prompts, self.text_share, self.seed, known)


@dataclass
class _Open:
    left: int = 0
    all_given: bool = False


@dataclass
class OpenShards:
    """The shards whose tasks are being asked: a journal is open from a shard's first task to its last answer."""

    closed: Callable[[], None]
    """Called when a shard has all its outcomes."""
    journals: MutableMapping[int, Journal] = field(default_factory=dict[int, Journal])
    """Those in use, by identity."""
    _open: dict[int, _Open] = field(default_factory=dict[int, _Open])

    def pending(self, jobs: Sequence[WriteJob]) -> Iterator[Pending]:
        """Yield the tasks of the shards, one shard after another."""
        for job in jobs:
            journal, maker = job.journal(retry=True), job.maker()
            state = self._open[id(journal)] = _Open()
            self.journals[id(journal)] = journal
            for task, _ in tasks_of(job, maker):
                state.left += 1
                yield Pending(task, journal, maker)
            state.all_given = True
            self._close_if_done(journal)

    def done(self, pending: Pending) -> None:
        """Take note that a task has its outcome."""
        self._open[id(pending.journal)].left -= 1
        self._close_if_done(pending.journal)

    def _close_if_done(self, journal: Journal) -> None:
        state = self._open[id(journal)]
        if state.all_given and not state.left:
            journal.close()
            del self.journals[id(journal)], self._open[id(journal)]
            self.closed()


def tasks_of(job: WriteJob, maker: TaskMaker, *, images: bool = True) -> Iterator[tuple[WritingTask, int | None]]:
    """Yield the tasks of a shard, each with the row number of its annotation, if it is about an image.

    Args:
        job: The shard.
        maker: Of its card.
        images: False where the tasks are only looked up: reading the images would take most of the time.
    """
    unused = set(left_out(job.folder)["rows"])
    for number, row in _rows(job.folder / "annotations.parquet", leave_out="" if images else "image"):
        if row["split"] != Split.HELD_OUT and str(number) not in unused:
            for task in maker.tasks(annotation_of(row), row["sha256"]):
                yield task, number if task.facts.kind != Kind.TEXT_ONLY else None
    if job.recipe.task != SourceTask.TEXT:
        return
    for _, row in _rows(job.folder / "samples.parquet"):
        annotation, turns = _text_record(row, job.recipe), turns_of(row["messages"])
        if (task := maker.text_task(annotation, row["id"], turns, Language(row["language"]))) is not None:
            yield task, None
        if row["language"] == Language.EN:
            translation = maker.translation(maker.source_facts(annotation), row["id"], turns)
            if translation is not None:
                yield translation, None


def _rows(path: Path, leave_out: str = "") -> Iterator[tuple[int, dict[str, Any]]]:
    if not path.is_file():
        return  # a file without rows was not written
    number = 0
    with pq.ParquetFile(path) as file:
        columns = [name for name in file.schema_arrow.names if name != leave_out]
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group, columns=columns).to_pylist():
                yield number, row
                number += 1


def _text_record(row: Mapping[str, Any], recipe: Recipe) -> Annotation:
    """Return the record of a source's conversation, which has no image."""
    item = json.loads(row["provenance"])["item"]
    return Annotation(
        id=row["id"].rsplit("#", 2)[0], image=b"", width_px=0, height_px=0, modality=recipe.modality,
        department=recipe.department, clinical_task=recipe.clinical_task, anatomy=recipe.anatomy.en,
        task=SourceTask.TEXT, labels=(), absent=(), incomplete=(), boxes=(), split=Split(row["split"]),
        group="", source=row["source"], license=row["license"], provenance={"item": item},
    )  # fmt: skip
