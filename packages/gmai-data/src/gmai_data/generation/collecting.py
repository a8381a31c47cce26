"""Shards ▶ all of their answers in the journals, live or by the Batch API, with what they cost."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gmai_cli.console import Progress, progress, say
from gmai_formats.chat.addresses import addresses
from gmai_formats.chat.client import Client
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.pool import Endpoint, Pool
from gmai_formats.chat.prices import Budget, OutOfBudgetError, budget_for, load_table
from gmai_formats.errors import UserError

from gmai_data.generation.asking import Asker
from gmai_data.generation.batches import BatchAsker
from gmai_data.generation.offline import OfflineAsker
from gmai_data.generation.pending import Asked, Pending
from gmai_data.generation.preflight import preflight
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writers import WriterOptions
from gmai_data.generation.writing import OpenShards, WriteJob, tasks_of

_SHARDS_AT_ONCE = 256
"""Shards whose requests go into batches together; the replies of all of them are in memory meanwhile."""
_REASONS = 6
"""So many reasons for a drop are named in the line of progress."""
_SHOWN_S = 0.5
"""How often the line of progress changes."""


def ask(jobs: Sequence[WriteJob], settings: WritingSettings, options: WriterOptions, work: Path, tasks: int) -> bool:
    """Get every reply that the shards need.

    Args:
        jobs: Finished shards; those that are assembled have their answers.
        settings: See `WritingSettings`.
        options: See `WriterOptions`.
        work: Folder of what a killed run needs to go on.
        tasks: Tasks of a job array that ask at the same time; each takes its share of the limits.

    Returns:
        Whether all of them are there; False when the next request could pass the cap.

    Raises:
        UserError: An endpoint is not set up, refuses everything or is down, or its replies cannot be used.
    """
    missing = [job for job in jobs if not job.done]
    if settings.writer == "vllm":
        return _offline(missing, settings, options)
    batch = settings.writer == "openai-batch"
    cap_usd = None if options.max_cost_usd is None else options.max_cost_usd / tasks
    models = [settings.model, *([settings.judge] if settings.judge else [])]
    budget = budget_for(models, load_table(options.prices), cap_usd=cap_usd, batch=batch)
    budget.spent_usd = sum(job.spent_usd() for job in jobs)  # before the first request: the cap counts what was paid
    endpoints = connect(settings, options)
    if batch and len(endpoints) > 1:
        raise UserError(f"--writer openai-batch: {len(endpoints)} endpoints are named. Batches go to one; name one.")
    try:
        if batch:
            asked = _by_batches(missing, endpoints[0], budget, options, work)
        else:
            judges = connect_judge(settings, options)
            usd = preflight(
                missing, settings, endpoints, budget, work / "preflight.json",
                judges=judges, yes=options.yes, backoff_s=options.backoff_s,
            )  # fmt: skip
            concurrency = max(1, options.concurrency // tasks)
            pools = Pool(endpoints, concurrency), Pool(judges, concurrency) if judges else None
            asked = _live(missing, *pools, budget, options, usd)
    except OutOfBudgetError:
        say(
            f"--max-cost-usd: ${budget.spent_usd:.2f} are spent{_by_estimate(budget)}, and the next request could pass "
            f"the cap of ${budget.cap_usd:.2f}{' of this task' if tasks > 1 else ''}. What was answered is kept; the "
            "same command with a higher cap goes on."
        )
        return False
    retried = ", ".join(f"{reason}: {count}" for reason, count in sorted(asked.retried.items()))
    say(
        f"{asked.requests} requests, {asked.answered} answers, ${budget.spent_usd:.2f} in all{_by_estimate(budget)}"
        + (f"; tried again: {retried}" if retried else "")
    )
    return True


def connect(settings: WritingSettings, options: WriterOptions) -> list[Endpoint]:
    """Return the endpoints, each with its key and with what it takes otherwise than the build says.

    Raises:
        UserError: None is named, or one is wrong.
    """
    # A batch's file takes as long as it takes; a live answer has its limit.
    timeout_s = None if settings.writer == "openai-batch" else options.timeout_s
    named = addresses(options.endpoints)
    if any(address.system for address in named):
        raise UserError(
            "--endpoint: `system` is for benchmarks. A build takes its system message from the prompt files."
        )
    return [
        Endpoint(
            Client(address, settings.model, timeout_s=timeout_s),
            settings.dialect().model_copy(
                update={name: getattr(address.parameters, name) for name in address.parameters.model_fields_set}
            ),
        )
        for address in named
    ]


def connect_judge(settings: WritingSettings, options: WriterOptions) -> list[Endpoint]:
    """Return the judge's own endpoints; none where it is asked at those of the writer.

    Raises:
        UserError: One is wrong.
    """
    if not options.judge_endpoints:
        return []
    base = Dialect(response_format=settings.response_format)
    return [
        Endpoint(
            Client(address, settings.judge, timeout_s=options.timeout_s),
            base.model_copy(
                update={name: getattr(address.parameters, name) for name in address.parameters.model_fields_set}
            ),
        )
        for address in addresses(options.judge_endpoints, "writing.judge_endpoints")
    ]


def _by_estimate(budget: Budget) -> str:
    return f" ({budget.estimated} answers by estimate: the server reports no usage)" if budget.estimated else ""


@dataclass
class _Shown:
    """What a live run shows: counts, cost, and the last text of each kind."""

    bar: Progress
    budget: Budget
    expected_usd: float | None
    """What the replies that are missing cost."""
    before_usd: float
    """Spent when the first of them was asked for."""
    asker: Asker = field(init=False)
    _last_s: float = 0.0

    def closed(self) -> None:
        """Count a shard that has all its outcomes."""
        self.bar.advance(note=self._note(), details=self.asker.asked.texts())

    def done(self) -> None:
        """Show where the run stands, a few times a second at most."""
        if (now_s := time.monotonic()) - self._last_s >= _SHOWN_S:
            self._last_s = now_s
            self.bar.advance(0, note=self._note(), details=self.asker.asked.texts())

    def _note(self) -> str:
        spent_usd, expected_usd = self.budget.spent_usd, self.expected_usd
        to_come_usd = None if expected_usd is None else max(0.0, expected_usd - (spent_usd - self.before_usd))
        coming = "" if to_come_usd is None else f", about ${to_come_usd:.2f} to come"
        return f"{_counts(self.asker.asked)}, {self.asker.in_flight} in flight, ${spent_usd:.2f} so far{coming}"


def _live(
    jobs: Sequence[WriteJob],
    pool: Pool,
    judges: Pool | None,
    budget: Budget,
    options: WriterOptions,
    expected_usd: float | None,
) -> Asked:
    with progress("write", len(jobs), unit="shards") as bar:
        shown = _Shown(bar, budget, expected_usd, budget.spent_usd)
        asker = shown.asker = Asker(pool, budget, judges=judges, backoff_s=options.backoff_s, news=say)
        shards = OpenShards(shown.closed)

        def done(pending: Pending) -> None:
            shards.done(pending)
            shown.done()

        asyncio.run(asker.run(shards.pending(jobs), done, shards.journals))
    return asker.asked


def _offline(jobs: Sequence[WriteJob], settings: WritingSettings, options: WriterOptions) -> bool:
    """Get every reply by vLLM's engine in this process."""
    asker = OfflineAsker(settings, options.engine)
    with progress("write", len(jobs), unit="shards") as bar:

        def note() -> str:
            return f"{_counts(asker.asked)}, {asker.in_flight} in flight"

        shards = OpenShards(lambda: bar.advance(note=note(), details=asker.asked.texts()))
        asker.run(
            shards.pending(jobs), shards.done, shards.journals,
            lambda: bar.advance(0, note=note(), details=asker.asked.texts()),
        )  # fmt: skip
    say(f"{asker.asked.requests} requests, {asker.asked.answered} answers by vLLM")
    return True


def _counts(asked: Asked) -> str:
    """Return how many samples are kept, and dropped by reason."""
    reasons = [(reason, count) for reason, count in asked.outcomes.most_common() if reason != "kept"]
    dropped = "".join(f", {count} {reason}" for reason, count in reasons[:_REASONS])
    if others := sum(count for _, count in reasons[_REASONS:]):
        dropped += f", {others} for other reasons"
    return f"{asked.outcomes['kept']} kept{dropped}"


def _by_batches(
    jobs: Sequence[WriteJob], endpoint: Endpoint, budget: Budget, options: WriterOptions, work: Path
) -> Asked:
    asker = BatchAsker(endpoint, budget, work / "batches", options.limits)
    with progress("write", len(jobs), unit="shards") as bar:
        for start in range(0, len(jobs), _SHARDS_AT_ONCE):
            _ask_batches(
                jobs[start : start + _SHARDS_AT_ONCE], asker, budget,
                lambda: bar.advance(note=f"{asker.asked.answered} answers, ${budget.spent_usd:.2f}"),
            )  # fmt: skip
    return asker.asked


def _ask_batches(jobs: Sequence[WriteJob], asker: BatchAsker, budget: Budget, closed: Callable[[], None]) -> None:
    journals = [job.journal(retry=True) for job in jobs]
    makers = [job.maker() for job in jobs]

    def tasks() -> Iterator[Pending]:
        for job, journal, maker in zip(jobs, journals, makers, strict=True):
            for task, _ in tasks_of(job, maker):
                yield Pending(task, journal, maker)

    try:
        asyncio.run(asker.run(tasks))
    finally:
        for journal in journals:
            journal.close()
    for _ in jobs:
        closed()
