"""The last step of writing: outcomes of a shard ▶ samples, dropped, quarantined, each task in exactly one."""

import contextlib
import gc
import json
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from gmai_formats.files import write_text
from gmai_formats.fingerprints.near import NearHashes

from gmai_data.checks.leakage import Benchmarks, load_benchmarks
from gmai_data.checks.samples import reason_to_drop
from gmai_data.checks.simhash import NEAR_BITS
from gmai_data.checks.statements import sentences
from gmai_data.checks.written import checks_digest
from gmai_data.generation.journal import Journal, Outcome
from gmai_data.generation.pending import JUDGED, Pending, fault_of, settle
from gmai_data.generation.tasks import CONSISTENT
from gmai_data.generation.writing import WriteJob, tasks_of
from gmai_data.ledger import Ledger
from gmai_data.markers import WRITTEN, set_marker
from gmai_data.sample import Sample, Tallies
from gmai_data.tables import SHARD_SAMPLES, TableFiles
from gmai_data.vocabulary import Kind, Language

NEAR_DUPLICATE, OF_DROPPED = "near-duplicate text", "of a dropped sample"
INCONSISTENT = "inconsistent"
_ROWS_PER_GROUP = 4096
"""Rows per group of a file without images, which is read as a whole."""


class _UnansweredError(Exception):
    """A task of the shard has no outcome yet."""


@dataclass
class _Written:
    """The account of one shard's written samples."""

    ledger: Ledger = field(default_factory=Ledger)
    states: Counter[tuple[Kind, Language, str]] = field(default_factory=Counter[tuple[Kind, Language, str]])
    """What became of the tasks of each kind."""
    opinions: Counter[str] = field(default_factory=Counter[str])
    sentences: Counter[str] = field(default_factory=Counter[str])
    """Sentences of kept texts on images: `resolved` against the record, `left out`; of texts alone: `of no image`."""
    judged: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    filtered: set[str] = field(default_factory=set[str])
    """Samples that the judge's opinion drops; that opinion counts."""
    tallies: Tallies = field(default_factory=Tallies)

    def keep(self, sample: Sample, left_out: int) -> None:
        """Account for a sample that is kept, with the number of sentences that were left out of it."""
        count = sum(len(sentences(part, sample.language)) for turn in sample.turns for part in turn)
        self.sentences["resolved" if sample.has_image else "of no image"] += count
        if left_out:
            self.sentences["left out"] += left_out
        self.ledger.samples.kept += 1
        self.states[sample.kind, sample.language, "kept"] += 1
        self.tallies.count(sample)

    def account(self) -> dict[str, Any]:
        """Return the whole account as plain JSON values, once every sum was checked."""
        self.ledger.check()
        self.tallies.add_to(self.ledger)
        by_kind: dict[str, dict[str, int]] = {}
        for (kind, language, state), count in sorted(self.states.items()):
            by_kind.setdefault(f"{kind}/{language}", {})[state] = count
        opinions = dict(sorted(self.opinions.items()))
        return {
            "account": self.ledger.to_json(), "by_kind": by_kind, "opinions": opinions,
            "sentences": dict(sorted(self.sentences.items())),
        }  # fmt: skip


def assemble(job: WriteJob) -> bool:
    """Write a shard's samples from its journal, account for every task, and mark the shard written.

    Returns:
        Whether it was done; not where a task has no outcome yet.

    Raises:
        RuntimeError: The sums do not add up; this is a bug and never the user's mistake.
    """
    journal, written = job.journal(), _Written()
    try:
        table = TableFiles(job.folder, "written", SHARD_SAMPLES, single=True, rows_per_group=_ROWS_PER_GROUP)
        with _uncollected(), table as samples:
            for sample, number in _outcomes(job, journal, written):
                samples.add_rows([sample.row(number)])
    except _UnansweredError:
        return False
    finally:
        journal.close()
    if written.judged:
        lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in written.judged)
        write_text(job.folder / "judged.jsonl", lines)
    account = {**written.account(), "spent_usd": journal.spent_usd, "passing": len(journal.passing)}
    set_marker(job.folder, WRITTEN, account, ("written.parquet", "judged.jsonl"))
    return True


@contextlib.contextmanager
def _uncollected() -> Generator[None]:
    """Spare a tenth of the time: nothing that is made of a shard refers back to itself."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _outcomes(job: WriteJob, journal: Journal, written: _Written) -> Iterator[tuple[Sample, int | None]]:
    """Yield the accepted samples of a shard in order, each with the row number of its annotation.

    Texts are compared within their shard and not over the build: what is assembled depends on the shard's records and
    journal alone, so that each task of an array assembles its shards while others are still asking. A model that says
    the same again and again is caught in every shard; one finding on pictures far apart may be told in like words.

    Args:
        job: The shard.
        journal: Has what was answered.
        written: Is told of every task.

    Raises:
        _UnansweredError: A task has no outcome.
    """
    maker, seen = job.maker(), NearHashes(NEAR_BITS)
    benchmarks = None if job.leakage is None else load_benchmarks(job.leakage)
    for first, number in tasks_of(job, maker, images=False):
        refused: set[str] = set()
        settled: list[tuple[Pending, Outcome]] = []
        for pending, outcome in settle(Pending(first, journal, maker)):
            if not isinstance(outcome, Outcome):
                raise _UnansweredError
            settled.append((pending, outcome))
        faults = {
            pending.task.parent_id: fault_of(pending, outcome) for pending, outcome in settled if pending.task.judged
        }
        for pending, outcome in settled:
            if pending.task.parent_id in refused:
                outcome = Outcome("dropped", check=OF_DROPPED)
            if pending.task.judged:
                _take_opinion(pending, outcome, written)
                continue
            if maker.filters and (fault := faults.get(pending.task.id)) is not None:
                outcome = Outcome("dropped", outcome.reply, check=f"{JUDGED}: {fault[0]}", detail=fault[1])
                written.filtered.add(pending.task.id)
            sample = _sample(pending, outcome, written, seen, benchmarks)
            if sample is not None:
                yield sample, number
            elif pending.task.id not in written.filtered:
                refused.add(pending.task.id)


def _sample(
    pending: Pending, outcome: Outcome, written: _Written, seen: NearHashes, benchmarks: Benchmarks | None
) -> Sample | None:
    """Return the sample of an accepted text, and account for the task whatever became of it."""
    task, ledger = pending.task, written.ledger
    ledger.samples.read += 1
    if outcome.state == "quarantined":
        ledger.quarantine_sample(task.id, f"{outcome.check}: {outcome.detail}")
        written.states[task.facts.kind, task.facts.language, "quarantined"] += 1
        return None
    sample, reason, detail = None, outcome.check, outcome.detail
    if outcome.state == "accepted":
        sample = _made(pending, outcome)
        reason, detail = reason_to_drop(sample, benchmarks) or ("", "")
        if not reason and (near := seen.near(int(outcome.print, 16))):
            reason, detail = NEAR_DUPLICATE, f"of {near[0]}"
        if not reason:
            seen.add(int(outcome.print, 16), task.id)
    if reason or sample is None:
        reply = pending.journal.replies.get(outcome.reply)
        text = "" if reply is None else reply.text
        ledger.drop_sample(task.id, str(task.facts.kind), str(task.facts.language), reason, detail, text)
        written.states[task.facts.kind, task.facts.language, "dropped"] += 1
        return None
    written.keep(sample, outcome.left_out)
    return sample


def _made(pending: Pending, outcome: Outcome) -> Sample:
    task, annotation, facts = pending.task, pending.task.facts.annotation, pending.task.facts
    reply = pending.journal.replies[outcome.reply]
    provenance = {
        "writer": pending.maker.writer,
        "model": task.parameters.model,
        "served_by": reply.model,
        "prompt": task.prompt.version,
        **task.told,
        "request": outcome.reply,
        **({"left_out": outcome.left_out} if outcome.left_out else {}),
        "checks": checks_digest(),
        "annotation": annotation.id,
        **annotation.provenance,
    }
    turns, boxes = task.turns(reply.text, shortened=bool(outcome.left_out)), facts.boxes
    if boxes:
        text = "\n".join(part for turn in turns for part in turn)
        tags = [reference[reference.index("<box>") :] for reference in facts.references]
        boxes = tuple(box for box, tag in zip(boxes, tags, strict=True) if tag in text)
    return Sample(task.id, annotation, turns, facts.kind, facts.language, boxes, provenance, task.parent_id)


def _take_opinion(pending: Pending, outcome: Outcome, written: _Written) -> None:
    if outcome.state != "accepted":
        written.opinions[OF_DROPPED if outcome.check == OF_DROPPED else "no opinion"] += 1
        return
    fault = fault_of(pending, outcome)
    written.opinions[CONSISTENT if fault is None else INCONSISTENT] += 1
    if fault is not None:
        opinion_fields = {"opinion": INCONSISTENT, "fault": fault[0], "reason": fault[1]}
        written.judged.append({"id": pending.task.parent_id or "", **opinion_fields})
