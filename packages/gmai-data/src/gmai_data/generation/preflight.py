"""The look before money is spent: one record per kind at each endpoint, what its model takes, what all of it will cost.

The records are those of the build and their replies stay in its journals: nothing is paid for the look alone.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, cast

from gmai_cli.console import say, table
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.driver import Driver, GaveUpError, RefusedError
from gmai_formats.chat.pool import Endpoint, Pool
from gmai_formats.chat.prices import Budget
from gmai_formats.errors import UserError
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_data.generation.asking import Call
from gmai_data.generation.estimate import Line, expected_requests
from gmai_data.generation.journal import Reply
from gmai_data.generation.pending import Pending, settle
from gmai_data.generation.replies import UnusableReplyError
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writing import WriteJob, tasks_of

_ROWS_LOOKED_AT = 400
_QUOTED = 240


class Record(TypedDict):
    """What is kept of the look, so that a run that goes on does not repeat it."""

    settings: str
    dialects: dict[str, dict[str, Any]]
    usd: float | None


@dataclass
class _Look:
    """What one endpoint did with one record of each kind."""

    endpoint: Endpoint
    replies: dict[str, tuple[Pending, Reply]] = field(default_factory=dict[str, tuple[Pending, Reply]])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    counted: bool = True
    thinks: bool = False
    model: str = ""


def preflight(
    jobs: Sequence[WriteJob],
    settings: WritingSettings,
    endpoints: Sequence[Endpoint],
    budget: Budget,
    record: Path,
    *,
    judges: Sequence[Endpoint] = (),
    yes: bool,
    backoff_s: float,
) -> float | None:
    """Ask each endpoint about one record of each kind, fix its dialect, show what came, and have the cost confirmed.

    Args:
        jobs: Shards that lack replies.
        settings: See `WritingSettings`.
        endpoints: Their dialects are what the servers take afterwards.
        budget: Counts the cost and holds the cap.
        record: File that keeps what was found; with the same settings and endpoints it is read and nothing is asked.
        judges: The judge's own endpoints, if it has any; likewise.
        yes: The cost is not asked about.
        backoff_s: First wait after a failure.

    Returns:
        About what all replies cost, in dollars; None where that is not known.

    Raises:
        UserError: An endpoint refuses key, account or model, answers nothing, or the user does not want to pay.
    """
    named = {**{each.url: each for each in endpoints}, **{f"judge {each.url}": each for each in judges}}
    asked = settings.model_dump_json() + "".join(
        f"\n{name} {each.client.address.model_dump_json()}" for name, each in named.items()
    )
    if record.is_file():
        known = read_record(record)
        if known is not None and known["settings"] == asked:
            for name, endpoint in named.items():
                endpoint.dialect = Dialect.model_validate(known["dialects"][name])
            return known["usd"]
    firsts = list(_first_of_each_kind(jobs, len(endpoints)))
    looks = asyncio.run(_look_at_all(endpoints, firsts, budget, backoff_s))
    looks += asyncio.run(_look_at_all(judges, list(_opinions(looks)), budget, backoff_s))
    if not any(look.replies for look in looks):
        return None  # everything that was looked at is known
    _show(looks)
    usd = _estimate(jobs, settings, looks, budget)
    _confirm(usd, yes=yes)
    dialects = {name: each.dialect.model_dump(mode="json") for name, each in named.items()}
    write_state(record, Record(settings=asked, dialects=dialects, usd=usd))
    return usd


def read_record(path: Path) -> Record | None:
    """Return what an earlier look found, or None where that is damaged, so that one looks again."""
    try:
        return cast("Record", read_state(path))
    except DamagedError as error:
        say(f"{error}; the endpoints are looked at again.")
        return None


def _first_of_each_kind(jobs: Sequence[WriteJob], count: int) -> Iterator[tuple[Pending, Request]]:
    """Yield the first `count` tasks of each prompt whose first request has no reply."""
    found: dict[str, int] = {}
    looked_at = 0
    for job in jobs:
        journal, maker = job.journal(retry=True), job.maker()
        for task, _ in tasks_of(job, maker):
            looked_at += 1
            name = task.prompt.name
            if found.get(name, 0) < count:
                pending = Pending(task, journal, maker)
                state = next(settle(pending))[1]
                if isinstance(state, Request) and state.repair is None:
                    found[name] = found.get(name, 0) + 1
                    yield pending, state
        journal.close()
        if looked_at >= _ROWS_LOOKED_AT:
            return


def _opinions(looks: Sequence[_Look]) -> Iterator[tuple[Pending, Request]]:
    """Yield what the judge is asked about the texts of a look."""
    for look in looks:
        for pending, _ in look.replies.values():
            for each, state in settle(pending):
                if each.task.judged and isinstance(state, Request):
                    yield each, state


async def _look_at_all(
    endpoints: Sequence[Endpoint], firsts: Sequence[tuple[Pending, Request]], budget: Budget, backoff_s: float
) -> list[_Look]:
    looks: list[_Look] = []
    known = any(pending.journal.replies and not pending.task.judged for pending, _ in firsts)
    """Whether an earlier run had answers: then the endpoint works, and what is left may be what no model takes."""
    for endpoint in endpoints:
        look, seen = _Look(endpoint), set[str]()
        async with Driver(Pool([endpoint], 1), backoff_s=backoff_s, news=say) as driver:
            for pending, request in firsts:
                name = pending.task.prompt.name
                if name not in seen and request.key not in pending.journal.replies:
                    seen.add(name)
                    await _look(driver, look, name, Call(pending, request, budget, [endpoint]))
        if look.refused and not look.replies and not known:
            reason = next(iter(look.refused.values()))
            raise UserError(
                f"{endpoint.url}: gives no answer, to none of {len(look.refused)} requests, one of each kind: "
                f"{reason}. Check --model, writing.response_format and that the model takes images, then give the same "
                "command again: nothing is lost."
            )
        looks.append(look)
    return looks


async def _look(driver: Driver, look: _Look, name: str, call: Call) -> None:
    try:
        completion = await driver.ask(call)
    except (RefusedError, GaveUpError) as error:
        look.refused[name] = str(error)
        return
    finally:
        call.pending.journal.close()
    look.counted &= completion.input_tokens is not None
    look.thinks |= bool(completion.reasoning_tokens or completion.reasoning or "</think>" in completion.text)
    look.model = completion.model
    if call.reply is not None:
        look.replies[name] = (call.pending, call.reply)


def _show(looks: Sequence[_Look]) -> None:
    """Print what each endpoint takes, and a text of each kind."""
    rows = [
        (
            look.endpoint.url,
            look.model or "not said",
            look.endpoint.dialect.limit_field,
            "sent" if look.endpoint.dialect.temperature is not False else "not taken",
            "sent" if look.endpoint.dialect.seed else "not taken",
            look.endpoint.dialect.response_format or "none",
            "yes" if look.thinks else "no",
            "reported" if look.counted else "not reported: cost and cap by estimate",
            _images(look),
        )
        for look in looks
        if look.replies
    ]
    columns = ("endpoint", "model", "limit", "temperature", "seed", "format", "thinks", "usage", "images")
    table(columns, rows, title="What the endpoints take, by one record of each kind:", news=True)
    for look in looks:
        for name, reason in look.refused.items():
            say(f"{look.endpoint.url}: {name}: no answer: {reason}")
        for name, (pending, reply) in look.replies.items():
            complaint = pending.task.complaint(reply)
            used = f" (not usable: {': '.join(complaint)})" if complaint else ""
            say(f"{name}{used}: {_sample(pending, reply)}")


def _images(look: _Look) -> str:
    if any(pending.task.image for pending, _ in look.replies.values()):
        return "taken"
    return "refused" if look.refused else "none asked about"


def _sample(pending: Pending, reply: Reply) -> str:
    try:
        text = " ▸ ".join(part for turn in pending.task.turns(reply.text)[:1] for part in turn)
    except UnusableReplyError:
        text = repr(reply.text)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def _estimate(
    jobs: Sequence[WriteJob], settings: WritingSettings, looks: Sequence[_Look], budget: Budget
) -> float | None:
    """Say how many requests there are and what they cost, by what those of the look used, and return the cost."""
    used: dict[str, Reply] = {name: reply for look in looks for name, (_, reply) in look.replies.items()}
    total = Line()
    priced = True
    for name, count in expected_requests(jobs, settings).items():
        reply = used.get(name) or next(iter(used.values()))
        sent, received = reply.input_tokens, reply.output_tokens
        price = budget.prices[settings.judge if name == "judge" else settings.model]
        priced &= bool(price.input_usd or price.output_usd)
        total.add(count, sent, received, price.usd(sent, received, batch=budget.batch))
    tokens = f"{total.input_tokens / 1e6:,.2f} M tokens in, {total.output_tokens / 1e6:,.2f} M out"
    cost = f"about ${total.usd:,.2f}" if priced else "no price is known for the model (--prices)"
    say(f"About {total.requests:,.0f} requests, {tokens}, {cost}; repairs come on top.")
    return total.usd if priced else None


def _confirm(usd: float | None, *, yes: bool) -> None:
    if yes or not usd:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        say("No terminal to ask at: the build goes on, as with --yes. --max-cost-usd sets a limit.")
        return
    say(f"Go on and spend about ${usd:,.2f}? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UserError(
            "Not confirmed: nothing more is asked. What was answered is kept; --yes goes on without asking."
        )
