"""Shards ▶ all of their answers in the journals, live or by the Batch API, with what they cost."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gmai_cli.console import progress, say
from gmai_formats.errors import UserError

from gmai_data.generation.asking import Asker
from gmai_data.generation.batches import BatchAsker
from gmai_data.generation.endpoints import Pool, connect
from gmai_data.generation.pending import Asked, Pending
from gmai_data.generation.prices import Budget, OutOfBudgetError, budget_for, load_table
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writers import WriterOptions
from gmai_data.generation.writing import OpenShards, WriteJob, tasks_of

_SHARDS_AT_ONCE = 256
"""Shards whose requests go into batches together; the replies of all of them are in memory meanwhile."""


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
        UserError: An endpoint is not set up, refuses everything or is down.
    """
    missing = [job for job in jobs if not job.done]
    batch = settings.writer == "openai-batch"
    cap_usd = None if options.max_cost_usd is None else options.max_cost_usd / tasks
    models = [settings.model, *([settings.judge] if settings.judge else [])]
    budget = budget_for(models, load_table(options.prices), cap_usd=cap_usd, batch=batch)
    budget.spent_usd = sum(job.spent_usd() for job in jobs if job.done)
    endpoints = connect(options.endpoints, settings.model)
    if batch and len(endpoints) > 1:
        raise UserError(f"--writer openai-batch: {len(endpoints)} endpoints are named. Batches go to one; name one.")
    with progress("write", len(missing), unit="shards") as bar:

        def closed() -> None:
            bar.advance(note=f"{asker.asked.answered} answers, ${budget.spent_usd:.2f}")

        try:
            if batch:
                asker = BatchAsker(endpoints[0], budget, work / "batches", options.limits)
                for start in range(0, len(missing), _SHARDS_AT_ONCE):
                    _ask_batches(missing[start : start + _SHARDS_AT_ONCE], asker, budget, closed)
            else:
                concurrency = max(1, options.concurrency // tasks)
                asker = Asker(
                    Pool(endpoints, concurrency), budget, timeout_s=options.timeout_s, backoff_s=options.backoff_s
                )
                shards = OpenShards(closed, budget)
                asyncio.run(asker.run(shards.pending(missing), shards.done, shards.journals))
        except OutOfBudgetError:
            say(
                f"--max-cost-usd: ${budget.spent_usd:.2f} are spent, and the next request could pass the cap of "
                f"${budget.cap_usd:.2f}{' of this task' if tasks > 1 else ''}. What was answered is kept; the same "
                "command with a higher cap goes on."
            )
            return False
    _report(asker.asked, budget)
    return True


def _ask_batches(jobs: Sequence[WriteJob], asker: BatchAsker, budget: Budget, closed: Callable[[], None]) -> None:
    journals = [job.journal() for job in jobs]
    budget.spent_usd += sum(journal.spent_usd for journal in journals)
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


def _report(asked: Asked, budget: Budget) -> None:
    retried = ", ".join(f"{reason}: {count}" for reason, count in sorted(asked.retried.items()))
    say(
        f"{asked.requests} requests, {asked.answered} answers, ${budget.spent_usd:.2f} in all"
        + (f"; tried again: {retried}" if retried else "")
    )
