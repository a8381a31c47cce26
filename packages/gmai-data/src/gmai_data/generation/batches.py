"""Tasks ▶ replies in the journal by the Batch API: split, submit, poll, collect; what failed goes into the next round.

A batch's record is written before it is submitted, and its digest goes along as metadata: a run that was killed between
the two finds the batch at the provider instead of paying for it again.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import aiohttp
import pydantic_core
from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.files import write_json

from gmai_data.generation.asking import reply_of
from gmai_data.generation.endpoints import Endpoint
from gmai_data.generation.journal import Journal
from gmai_data.generation.pending import Asked, Limits, Pending, settle
from gmai_data.generation.prices import Budget, OutOfBudgetError
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import input_tokens

_ROUNDS = 5
"""A request that failed in so many batches gets no reply."""
_ENDED = ("completed", "expired", "cancelled")
_FOR_GOOD = (400, 413, 422)
_PASSING = (429, 500, 502, 503, 504)
_METADATA = "gmai"
_PATIENCE_S = 600.0
"""A call that is refused for the moment is repeated for so long."""


@dataclass
class _Missing:
    """A request without a reply: the journals that wait for it (equal records of two shards ask the same)."""

    journals: list[Journal]
    model: str


class BatchAsker:
    """Asks whatever the tasks still need by batches of one endpoint."""

    def __init__(self, endpoint: Endpoint, budget: Budget, folder: Path, limits: Limits) -> None:
        """Take the endpoint; nothing is sent yet.

        Args:
            endpoint: That of the batches.
            budget: Counts the cost and holds the cap.
            folder: Keeps the record of every batch.
            limits: See `Limits`.
        """
        self._endpoint, self._budget, self._folder, self._limits = endpoint, budget, folder, limits
        self._missing: dict[str, _Missing] = {}
        self._failed: dict[str, int] = {}
        self.asked = Asked()

    async def run(self, tasks: Callable[[], Iterable[Pending]]) -> None:
        """Bring every task to its outcome, round by round; the tasks are derived anew in each.

        Args:
            tasks: Gives all of them, images included, one after another.

        Raises:
            UserError: The endpoint refuses the files or the batches, or a batch failed as a whole.
            OutOfBudgetError: The next batch could pass the cap; nothing of it was submitted.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=300)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._endpoint.headers) as session:
            while True:
                waiting = [record for record in self._records() if not record.get("collected")]
                asked = {key for record in waiting for key in record["keys"]}
                self._missing = {}
                new = list(self._split(self._requests(tasks(), asked)))
                if not self._missing:
                    return
                for record in [*waiting, *new]:
                    if "id" not in record:
                        await self._submit(session, record)
                await self._wait([*waiting, *new], session)

    def _requests(self, tasks: Iterable[Pending], asked: set[str]) -> Iterator[tuple[Pending, Request]]:
        """Note every request without a reply, and yield those that are in no batch yet."""
        for first in tasks:
            for pending, state in settle(first):
                if not isinstance(state, Request):
                    continue
                known = self._missing.get(state.key)
                if known is not None:
                    if pending.journal not in known.journals:
                        known.journals.append(pending.journal)
                    continue
                self._missing[state.key] = _Missing([pending.journal], pending.task.parameters.model)
                if state.key not in asked:
                    yield pending, state

    def _records(self) -> list[dict[str, Any]]:
        for lines in self._folder.glob("batch-*.jsonl"):
            if not lines.with_suffix(".json").is_file():
                lines.unlink()  # a run ended while it wrote; nothing of it was submitted
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(self._folder.glob("batch-*.json"))]

    def _split(self, requests: Iterable[tuple[Pending, Request]]) -> Iterator[dict[str, Any]]:
        """Write input files within the limits and yield the record of each."""
        file: IO[bytes] | None = None
        record: dict[str, Any] = {}
        size_bytes = 0
        for pending, request in requests:
            line = _line(pending, request)
            if len(line) > self._limits.size_bytes:
                self._fail(request.key, f"its {len(line)} bytes are more than a batch may have", for_good=True)
                continue
            full = (
                len(record.get("keys", ())) == self._limits.requests or size_bytes + len(line) > self._limits.size_bytes
            )
            if file is not None and full:
                file.close()
                yield record
                file = None
            if file is None:
                name = hashlib.sha256(f"{time.time_ns()} {request.key}".encode()).hexdigest()[:24]
                file = (self._folder / f"batch-{name}.jsonl").open("wb")
                record, size_bytes = {"name": name, "keys": [], "most_usd": 0.0}, 0
            file.write(line)
            size_bytes += len(line)
            price = self._budget.prices[pending.task.parameters.model]
            record["keys"].append(request.key)
            tokens = input_tokens(pending.task, request, price)
            record["most_usd"] += price.usd(tokens, request.prompt.specific.max_tokens, batch=True)
        if file is not None:
            file.close()
            yield record

    async def _submit(self, session: aiohttp.ClientSession, record: dict[str, Any]) -> None:
        path = self._folder / f"batch-{record['name']}.json"
        lines = path.with_suffix(".jsonl")
        # Where a run ended while it submitted, the provider knows whether it came that far.
        batch = await self._find(session, record["name"]) if record.get("submitting") else None
        if batch is None:
            budget = self._budget
            if (
                budget.cap_usd is not None
                and budget.spent_usd + budget.reserved_usd + record["most_usd"] > budget.cap_usd
            ):
                path.unlink(missing_ok=True)
                lines.unlink(missing_ok=True)
                raise OutOfBudgetError
            write_json(path, record | {"submitting": True})

            def form() -> aiohttp.FormData:
                data = aiohttp.FormData({"purpose": "batch"})
                data.add_field("file", lines.read_bytes(), filename=lines.name, content_type="application/jsonl")
                return data

            uploaded = await self._call(session, "POST", "/files", form=form)
            asked = {
                "input_file_id": uploaded["id"],
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
                "metadata": {_METADATA: record["name"]},
            }
            batch = await self._call(session, "POST", "/batches", json=asked)
            self.asked.requests += len(record["keys"])
            say(f"batch {batch['id']}: {len(record['keys'])} requests submitted.")
        record["id"] = batch["id"]
        write_json(path, record)
        lines.unlink(missing_ok=True)

    async def _find(self, session: aiohttp.ClientSession, name: str) -> dict[str, Any] | None:
        """Return the batch that carries a name, or None where it never came to be."""
        after = ""
        while True:
            page = await self._call(session, "GET", f"/batches?limit=100{after}")
            listed = cast("list[dict[str, Any]]", page["data"])
            for batch in listed:
                if (batch.get("metadata") or {}).get(_METADATA) == name:
                    return batch
            if not page.get("has_more") or not listed:
                return None
            after = f"&after={listed[-1]['id']}"

    async def _wait(self, records: list[dict[str, Any]], session: aiohttp.ClientSession) -> None:
        self._budget.reserved_usd = sum(record["most_usd"] for record in records)
        while records:
            still: list[dict[str, Any]] = []
            for record in records:
                batch = await self._call(session, "GET", f"/batches/{record['id']}")
                if batch["status"] in _ENDED:
                    await self._collect(session, record, batch)
                elif batch["status"] == "failed":
                    raise self._failed_whole(record, batch)
                else:
                    still.append(record)
            records = still
            if records:
                await asyncio.sleep(self._limits.poll_s)

    async def _collect(self, session: aiohttp.ClientSession, record: dict[str, Any], batch: Mapping[str, Any]) -> None:
        """Write the replies of a batch into the journals; what has none failed once more."""
        told: set[str] = set()
        for name in ("output_file_id", "error_file_id"):
            if batch.get(name):
                content = await self._call(session, "GET", f"/files/{batch[name]}/content", raw=True)
                told.update(self._take(line) for line in cast(bytes, content).splitlines() if line.strip())
        for key in record["keys"]:
            if key not in told:
                self._fail(key, f"no line in a batch that is {batch['status']}")
        for journal in {id(each): each for missing in self._missing.values() for each in missing.journals}.values():
            journal.close()
        self._budget.reserved_usd -= record["most_usd"]
        write_json(self._folder / f"batch-{record['name']}.json", record | {"collected": True})

    def _take(self, line: bytes) -> str:
        """Write the reply or the failure of one line down, and return its request's key."""
        entry = pydantic_core.from_json(line)
        key = str(entry["custom_id"])
        missing = self._missing.get(key)
        if missing is None:
            return key
        response = cast("Mapping[str, Any]", entry.get("response") or {})
        status, body = int(response.get("status_code") or 0), response.get("body") or {}
        if status != 200:
            error = entry.get("error") or body.get("error") or {}
            told = self._endpoint.scrub(str(error.get("message", "no answer in its line")))[:200]
            self._fail(key, f"HTTP {status}: {told}" if status else told, for_good=status in _FOR_GOOD)
            return key
        try:
            reply = reply_of(body, 0.0)
        except (KeyError, IndexError, TypeError):
            self._fail(key, "no chat completion in the answer")
            return key
        usd = self._budget.settle(0.0, missing.model, reply.input_tokens, reply.output_tokens)
        for journal in missing.journals:
            journal.add_reply(key, reply, usd)
            usd = 0.0  # paid once, whoever waits for it
        self.asked.answered += 1
        return key

    def _fail(self, key: str, reason: str, *, for_good: bool = False) -> None:
        self._failed[key] = self._failed.get(key, 0) + 1
        self.asked.retry(reason.split(":")[0])
        if (for_good or self._failed[key] >= _ROUNDS) and key in self._missing:
            told = reason if for_good else f"{reason}, in {_ROUNDS} batches"
            for journal in self._missing[key].journals:
                journal.add_failure(key, told)

    async def _call(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        *,
        raw: bool = False,
        form: Callable[[], aiohttp.FormData] | None = None,
        json: Any = None,
    ) -> Any:
        """Return the JSON of an answer, or its bytes; refusals that pass are waited for."""
        base, _, query = path.partition("?")
        joined = "&".join(part for part in (self._endpoint.query.removeprefix("?"), query) if part)
        url = f"{self._endpoint.url}{base}{'?' + joined if joined else ''}"
        wait_s, deadline_s = 1.0, time.monotonic() + _PATIENCE_S
        while True:
            try:
                data = form() if form is not None else None
                # No redirect: it would take the key to a host that nobody named.
                async with session.request(method, url, data=data, json=json, allow_redirects=False) as response:
                    content, status = await response.read(), response.status
                told = self._endpoint.scrub(" ".join(content[:2000].decode("utf-8", errors="replace").split()))[:200]
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                told, status, content = type(error).__name__, 0, b""
            if status == 200:
                return content if raw else pydantic_core.from_json(content)
            # A POST that was lost is not repeated: the next run asks the provider whether it arrived.
            passing = status in _PASSING or (status == 0 and method == "GET")
            if not passing or time.monotonic() > deadline_s:
                raise UserError(
                    f"{self._endpoint.url}{base}: HTTP {status or 'without an answer'}: {told}. The Batch API must "
                    "take files and batches. Check the key and the URL, then give the same command again: what was "
                    "submitted and answered is kept."
                )
            await asyncio.sleep(wait_s)
            wait_s = min(60.0, wait_s * 2)

    def _failed_whole(self, record: Mapping[str, Any], batch: Mapping[str, Any]) -> UserError:
        errors = (batch.get("errors") or {}).get("data") or [{}]
        told = self._endpoint.scrub(str(errors[0].get("message", "no reason")))[:200]
        (self._folder / f"batch-{record['name']}.json").unlink(missing_ok=True)
        return UserError(
            f"{self._endpoint.url}: batch {record['id']} failed as a whole: {told}. Nothing of it was answered. Mend "
            "the cause, then give the same command again."
        )


def _line(pending: Pending, request: Request) -> bytes:
    """Return a line of an input file."""
    body = request.body(pending.task.parameters)
    head = json.dumps({"custom_id": request.key, "method": "POST", "url": "/v1/chat/completions"})[:-1].encode()
    return head + b', "body": ' + body + b"}\n"
