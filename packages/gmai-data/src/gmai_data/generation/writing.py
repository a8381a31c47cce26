"""READ THIS FIRST: how a model writes the samples of finished shards, in order.

    1. derive    records of a shard ▶ tasks, the same in every run        tasks.py, prompts.py
    2. look up   what the journal knows already is not asked again        journal.py
    3. ask       live or by the Batch API; every reply is written down    asking.py, batches.py
    4. judge     parse ▶ schema ▶ checks ▶ one repair ▶ one more try      tasks.py, ../checks/written.py
    5. assemble  outcomes ▶ samples, dropped, quarantined: each in one    here

A kill repeats at most the requests in flight; what is assembled depends on the records and the journal alone.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmai_cli.files import sha256_file, write_json, write_text

from gmai_data.annotation import Annotation, annotation_of
from gmai_data.checks.duplicates import left_out
from gmai_data.checks.leakage import Benchmarks, load_benchmarks
from gmai_data.checks.near_hashes import NearHashes
from gmai_data.checks.samples import reason_to_drop
from gmai_data.checks.written import checks_digest
from gmai_data.generation.asking import Pending, settle
from gmai_data.generation.journal import Journal, Outcome
from gmai_data.generation.prices import Budget
from gmai_data.generation.prompts import Prompt
from gmai_data.generation.sample import Sample, tally, turns_of
from gmai_data.generation.tasks import Task, TaskMaker, WritingSettings
from gmai_data.publishing.tables import SHARD_SAMPLES, TableFiles
from gmai_data.sources.problems import Ledger
from gmai_data.sources.recipe import Recipe
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

    @property
    def done(self) -> bool:
        """Say whether an earlier run assembled this shard."""
        return (self.folder / "written.json").is_file()

    @property
    def asked(self) -> bool:
        """Say whether all of its outcomes are in the journal."""
        return (self.folder / "asked.json").is_file()

    def spent_usd(self) -> float:
        """Return what the shard cost, once it is asked."""
        return json.loads((self.folder / "asked.json").read_text(encoding="utf-8"))["spent_usd"]

    def journal(self) -> Journal:
        """Open the shard's journal."""
        return Journal(self.journals, self.recipe.name, self.number, self.count, self.build)

    def maker(self) -> TaskMaker:
        """Return what derives the tasks of this shard's records."""
        return TaskMaker(self.recipe, self.settings, self.prompts, self.text_share, self.seed)


@dataclass
class _Open:
    journal: Journal
    left: int = 0
    all_given: bool = False


@dataclass
class OpenShards:
    """The shards whose tasks are being asked: a journal is open from a shard's first task to its last answer."""

    closed: Callable[[WriteJob, Journal], None]
    """Called when a shard has all its outcomes."""
    budget: Budget
    """Learns what earlier runs spent on a shard."""
    journals: MutableMapping[int, Journal] = field(default_factory=dict[int, Journal])
    """Those in use, by identity."""
    _open: dict[int, tuple[WriteJob, _Open]] = field(default_factory=dict[int, tuple[WriteJob, _Open]])

    def pending(self, jobs: Sequence[WriteJob]) -> Iterator[Pending]:
        """Yield the tasks of the shards, one shard after another."""
        for job in jobs:
            journal, maker = job.journal(), job.maker()
            self.budget.spent_usd += journal.spent_usd
            state = _Open(journal)
            self.journals[id(journal)] = journal
            self._open[id(journal)] = (job, state)
            for task, _ in tasks_of(job, maker):
                state.left += 1
                yield Pending(task, journal, maker)
            state.all_given = True
            self._close_if_done(journal)

    def done(self, pending: Pending) -> None:
        """Take note that a task has its outcome."""
        self._open[id(pending.journal)][1].left -= 1
        self._close_if_done(pending.journal)

    def _close_if_done(self, journal: Journal) -> None:
        job, state = self._open[id(journal)]
        if state.all_given and not state.left:
            journal.close()
            del self.journals[id(journal)], self._open[id(journal)]
            self.closed(job, journal)


def tasks_of(job: WriteJob, maker: TaskMaker, *, images: bool = True) -> Iterator[tuple[Task, int | None]]:
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


@dataclass
class Written:
    """The account of one shard's written samples."""

    ledger: Ledger = field(default_factory=Ledger)
    by_kind: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    """Kind ▶ what became of its tasks."""
    opinions: Counter[str] = field(default_factory=Counter[str])
    judged: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def count(self, task: Task, state: str) -> None:
        """Count a task under its kind."""
        name = f"{task.facts.kind}/{task.facts.language}"
        self.by_kind.setdefault(name, Counter())[state] += 1


def assemble(job: WriteJob) -> None:
    """Write a shard's samples from its journal, account for every task, and mark the shard written.

    Raises:
        RuntimeError: A task has no outcome, or the sums do not add up; this is a bug and never the user's mistake.
    """
    journal = job.journal()
    written = Written()
    with TableFiles(job.folder, "written", SHARD_SAMPLES, single=True) as samples:
        for sample, number in outcomes(job, journal, written):
            samples.add_rows([{**sample.row(), "annotation": number}])
    written.ledger.check()
    lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in written.judged)
    write_text(job.folder / "judged.jsonl", lines)
    path = job.folder / "written.parquet"
    write_json(
        job.folder / "written.json",
        {
            "account": written.ledger.to_json(),
            "by_kind": {kind: dict(sorted(counts.items())) for kind, counts in sorted(written.by_kind.items())},
            "opinions": dict(sorted(written.opinions.items())),
            "files": {path.name: sha256_file(path)} if path.is_file() else {},
        },
    )


def outcomes(job: WriteJob, journal: Journal, written: Written) -> Iterator[tuple[Sample, int | None]]:
    """Yield the accepted samples of a shard in order, each with the row number of its annotation.

    Texts are compared within their shard and not over the build: what is assembled depends on the shard's records and
    journal alone, so that each task of an array assembles its shards while others are still asking. A model that says
    the same again and again is caught in every shard; one finding on pictures far apart may be told in like words.

    Args:
        job: The shard.
        journal: Has the outcome of every task.
        written: Is told of every task.

    Raises:
        RuntimeError: A task has no outcome.
    """
    maker, seen = job.maker(), NearHashes()
    benchmarks = None if job.leakage is None else load_benchmarks(job.leakage)
    for first, number in tasks_of(job, maker, images=False):
        refused: set[str] = set()
        for pending, outcome in settle(Pending(first, journal, maker), write=False):
            if not isinstance(outcome, Outcome):
                raise RuntimeError(f"{pending.task.id}: assembled before it was answered")  # noqa: TRY004 - a bug
            if pending.task.parent_id in refused:
                outcome = Outcome("dropped", check=OF_DROPPED)
            if pending.task.judged:
                _take_opinion(pending, outcome, written)
                continue
            sample = _sample(pending, outcome, written, seen, benchmarks)
            if sample is not None:
                yield sample, number
            else:
                refused.add(pending.task.id)


def _sample(
    pending: Pending, outcome: Outcome, written: Written, seen: NearHashes, benchmarks: Benchmarks | None
) -> Sample | None:
    """Return the sample of an accepted text, and account for the task whatever became of it."""
    task, ledger = pending.task, written.ledger
    ledger.samples.read += 1
    if outcome.state == "quarantined":
        ledger.quarantine_sample(task.id, f"{outcome.check}: {outcome.detail}")
        written.count(task, "quarantined")
        return None
    sample, reason, detail = None, outcome.check, outcome.detail
    if outcome.state == "accepted":
        sample = _made(pending, outcome)
        reason, detail = reason_to_drop(sample, benchmarks) or ("", "")
        print_ = int(outcome.print, 16)
        if not reason and (other := seen.find(print_)) is not None:
            reason, detail = NEAR_DUPLICATE, f"of {other}"
        if not reason:
            seen.add(print_, task.id)
    if reason or sample is None:
        reply = pending.journal.replies.get(outcome.reply)
        said = "" if reply is None else reply.text
        ledger.drop_sample(task.id, str(task.facts.kind), str(task.facts.language), reason, detail, said)
        written.count(task, "dropped")
        return None
    ledger.samples.kept += 1
    tally(sample, ledger)
    written.count(task, "kept")
    return sample


def _made(pending: Pending, outcome: Outcome) -> Sample:
    task, annotation = pending.task, pending.task.facts.annotation
    reply = pending.journal.replies[outcome.reply]
    provenance = {
        "writer": pending.maker.writer,
        "model": task.parameters.model,
        "served_by": reply.model,
        "prompt": task.prompt.version,
        "request": outcome.reply,
        "checks": checks_digest(),
        "annotation": annotation.id,
        **annotation.provenance,
    }
    facts, turns = task.facts, task.turns(reply.text)
    said = "\n".join(part for turn in turns for part in turn)
    tags = [reference[reference.index("<box>") :] for reference in facts.references]
    boxes = tuple(box for box, tag in zip(facts.boxes, tags, strict=True) if tag in said)
    return Sample(task.id, annotation, turns, facts.kind, facts.language, boxes, provenance, task.parent_id)


def _take_opinion(pending: Pending, outcome: Outcome, written: Written) -> None:
    if outcome.state != "accepted":
        written.opinions[OF_DROPPED if outcome.check == OF_DROPPED else "no opinion"] += 1
        return
    verdict, reason = pending.task.turns(pending.journal.replies[outcome.reply].text)[0]
    written.opinions[verdict] += 1
    if verdict != "consistent":
        written.judged.append({"id": pending.task.parent_id or "", "opinion": verdict, "reason": reason})
