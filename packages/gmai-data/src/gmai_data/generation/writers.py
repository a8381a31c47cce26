"""The writers, and one way to run them: `template` needs nothing, `openai` asks live, `openai-batch` by the Batch API.

What they answer goes into the shards' journals; `writing.assemble` makes samples of it.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gmai_cli.console import progress, say
from gmai_cli.errors import UserError, did_you_mean, explain_validation
from gmai_cli.files import write_json
from pydantic import ValidationError

from gmai_data.generation.asking import Asked, Asker, OutOfBudgetError, Pending
from gmai_data.generation.batches import BatchAsker, Limits
from gmai_data.generation.endpoints import Pool, connect
from gmai_data.generation.journal import Journal
from gmai_data.generation.prices import Budget, budget_for, load_table
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import WRITTEN_KINDS, WritingSettings
from gmai_data.generation.writing import OpenShards, WriteJob, tasks_of
from gmai_data.vocabulary import Kind

WRITERS = ("template", "openai", "openai-batch")
_SHARDS_AT_ONCE = 256
"""Shards whose requests go into batches together; the replies of all of them are in memory meanwhile."""


@dataclass(frozen=True)
class WriterOptions:
    """What a run of a writer is given and the samples do not depend on.

    Attributes:
        endpoints: See `endpoints.addresses`.
        concurrency: Most requests in flight, over all endpoints and all tasks of a job array.
        max_cost_usd: Most that the whole build may cost.
        prices: A price table in place of the bundled one.
        cache: Folder of journals that several builds share; without it the build keeps its own.
        timeout_s: Longest wait for one answer.
        limits: Of the Batch API.
        backoff_s: First wait after a failure.
    """

    endpoints: tuple[str, ...] = ()
    concurrency: int = 64
    max_cost_usd: float | None = None
    prices: Path | None = None
    cache: Path | None = None
    timeout_s: float = 300.0
    limits: Limits = field(default_factory=Limits)
    backoff_s: float = 0.5


def writing_settings(
    writer: str,
    *,
    model: str,
    temperature: float,
    detail: str,
    response_format: str,
    translate: Sequence[str],
    chinese_share: float,
    judge: str,
    judge_share: float,
    prompts: Path | None,
) -> WritingSettings | None:
    """Return the settings of a model that writes, or None for the offline writer.

    Args:
        writer: One of `WRITERS`.
        model: See `WritingSettings`, as the others are.
        temperature: See there.
        detail: See there.
        response_format: See there.
        translate: `KIND=SHARE`, for kinds of which another share than `chinese_share` is translated.
        chinese_share: Share of each written kind that is translated.
        judge: See there.
        judge_share: See there.
        prompts: Folder of prompts in place of the bundled ones.

    Raises:
        UserError: An option is unknown, or one is given that the writer does not have.
    """
    if writer not in WRITERS:
        raise UserError(f"--writer {writer}: no such writer.{did_you_mean(writer, WRITERS)}")
    if writer == "template":
        if model or judge or prompts is not None or translate:
            raise UserError(
                "--model, --judge, --prompts, --translate: the writer `template` asks no model. Give --writer openai "
                "or openai-batch, or leave them out."
            )
        return None
    if not model:
        raise UserError(f"--writer {writer}: no model is named. Give --model NAME, as the endpoint knows it.")
    shares: dict[Kind, float] = dict.fromkeys(WRITTEN_KINDS, chinese_share)
    for entry in translate:
        kind, _, share = entry.partition("=")
        if kind not in WRITTEN_KINDS or not re.fullmatch(r"0(\.\d+)?|1(\.0+)?", share):
            known = did_you_mean(kind, WRITTEN_KINDS)
            raise UserError(f"--translate {entry}: it is KIND=SHARE, the share from 0 to 1.{known}")
        shares[Kind(kind)] = float(share)
    try:
        return WritingSettings.model_validate(
            {
                "writer": writer,
                "model": model,
                "temperature": temperature,
                "detail": detail,
                "response_format": response_format,
                "translate": shares,
                "judge": judge,
                "judge_share": judge_share,
                "prompts": {name: prompt.digest for name, prompt in load_prompts(prompts).items()},
            }
        )
    except ValidationError as error:
        raise explain_validation(error, where="gmai data build", known_fields=WritingSettings.model_fields) from error


def ask(jobs: Sequence[WriteJob], settings: WritingSettings, options: WriterOptions, work: Path, tasks: int) -> bool:
    """Get every reply that the shards need.

    Args:
        jobs: Finished shards.
        settings: See `WritingSettings`.
        options: See `WriterOptions`.
        work: Folder of what a killed run needs to go on.
        tasks: Tasks of a job array that ask at the same time; each takes its share of the limits.

    Returns:
        Whether all of them are there; False when the next request could pass the cap.

    Raises:
        UserError: An endpoint is not set up, refuses everything or is down.
    """
    missing = [job for job in jobs if not job.done and not job.asked]
    if not missing:
        return True
    batch = settings.writer == "openai-batch"
    cap_usd = None if options.max_cost_usd is None else options.max_cost_usd / tasks
    models = [settings.model, *([settings.judge] if settings.judge else [])]
    budget = budget_for(models, load_table(options.prices), cap_usd=cap_usd, batch=batch)
    budget.spent_usd = sum(job.spent_usd() for job in jobs if job.asked or job.done)
    endpoints = connect(options.endpoints, settings.model)
    if batch and len(endpoints) > 1:
        raise UserError(f"--writer openai-batch: {len(endpoints)} endpoints are named. Batches go to one; name one.")
    with progress("write", len(missing), unit="shards") as bar:

        def closed(job: WriteJob, journal: Journal) -> None:
            write_json(job.folder / "asked.json", {"spent_usd": journal.spent_usd})
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


def _ask_batches(
    jobs: Sequence[WriteJob], asker: BatchAsker, budget: Budget, closed: Callable[[WriteJob, Journal], None]
) -> None:
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
    for job, journal in zip(jobs, journals, strict=True):
        closed(job, journal)


def _report(asked: Asked, budget: Budget) -> None:
    retried = ", ".join(f"{reason}: {count}" for reason, count in sorted(asked.retried.items()))
    say(
        f"{asked.requests} requests, {asked.answered} answers, ${budget.spent_usd:.2f} in all"
        + (f"; tried again: {retried}" if retried else "")
    )
