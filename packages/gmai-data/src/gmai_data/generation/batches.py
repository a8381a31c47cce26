"""Tasks ▶ replies in the journal by the Batch API: split, submit, poll, collect; what failed goes into the next round.

A batch's record is written before it is submitted, and its digest goes along as metadata: a run that was killed between
the two finds the batch at the provider instead of paying for it again.
"""

import asyncio
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import pydantic_core
from gmai_cli.console import say
from gmai_formats.chat.completion import completion_of
from gmai_formats.chat.control import patiently
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.driver import stop
from gmai_formats.chat.pool import Endpoint
from gmai_formats.chat.prices import Budget, OutOfBudgetError, used_tokens
from gmai_formats.chat.refusals import refusal_of
from gmai_formats.errors import UserError
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_data.generation.asking import FILTERED, Usable
from gmai_data.generation.journal import Journal, Reply
from gmai_data.generation.pending import Asked, Limits, Pending, settle
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import input_tokens

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_ROUNDS = 5
"""A request that failed in so many batches gets no reply in this run."""
_DIALECTS = 8
"""Fields that are sent otherwise before the requests themselves are taken for wrong."""
_ENDED = ("completed", "expired", "cancelled")
_QUEUE_FULL = "token_limit_exceeded"
"""The provider holds as many tokens of this account as it takes at a time."""
_METADATA = "gmai"


@dataclass
class _Missing:
    """A request without a reply: the journals that wait for it (equal records of two shards ask the same)."""

    journals: list[Journal]
    model: str
    sent_tokens: int


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
        self._queue_full = self._answered = False
        self._usable = Usable()
        self._stopped: UserError | None = None
        """Raised once the batch whose lines were refused for the account is collected; they are asked again later."""
        self._sdk = cast("AsyncOpenAI", None)
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
        async with self._endpoint.client as client:
            self._sdk = client.sdk
            while True:
                waiting = [record for record in self._records() if not record.get("collected")]
                asked = {key for record in waiting for key in record["keys"]}
                self._missing = {}
                new = list(self._split(self._requests(tasks(), asked)))
                if not self._missing:
                    return
                await self._work([*waiting, *new])
                self._answered = True

    async def _work(self, records: Sequence[dict[str, Any]]) -> None:
        """Submit batches and collect their answers; where the provider's queue is full, one after another."""
        active = [record for record in records if "id" in record]
        queue = deque(record for record in records if "id" not in record)
        self._budget.reserved_usd = sum(record["most_usd"] for record in active)
        refused = 0
        while queue or active:
            while queue and not (self._queue_full and active):
                record = queue.popleft()
                await self._submit(record)
                active.append(record)
            still: list[dict[str, Any]] = []
            for record in active:
                batch = await patiently(
                    self._endpoint, "look at the batch", lambda batch=record["id"]: self._sdk.batches.retrieve(batch)
                )
                if batch.status in _ENDED:
                    await self._collect(record, batch)
                    refused = 0
                elif batch.status != "failed":
                    still.append(record)
                elif _code(batch) == _QUEUE_FULL:
                    self._take_back(record)
                    queue.append(record)
                    refused += not still
                else:
                    raise self._failed_whole(record, batch)
            active = still
            if refused > 1 and not active:
                self._halve(queue)
                return
            if queue or active:
                await asyncio.sleep(self._limits.poll_s)

    def _take_back(self, record: dict[str, Any]) -> None:
        if not self._queue_full:
            say("The provider's queue of batches is full. The rest is submitted one after another as it empties.")
        self._queue_full = True
        del record["id"]
        self._budget.reserved_usd -= record["most_usd"]
        write_state(self._folder / f"batch-{record['name']}.json", record)

    def _halve(self, queue: Iterable[dict[str, Any]]) -> None:
        """Make batches smaller: one alone was refused again, so that the queue never holds it."""
        for record in queue:
            for suffix in ("json", "jsonl"):
                (self._folder / f"batch-{record['name']}.{suffix}").unlink(missing_ok=True)
        most = max(1, max(len(record["keys"]) for record in queue) // 2)
        self._limits = replace(self._limits, requests=most)
        say(f"The provider's queue takes no batch of this size. They have at most {most} requests from here on.")

    def _requests(self, tasks: Iterable[Pending], asked: set[str]) -> Iterator[tuple[Pending, Request]]:
        """Note every request without a reply, and yield those that are in no batch yet."""
        for first in tasks:
            for pending, state in settle(first):
                if self._answered and (reply := pending.journal.replies.get(pending.task.key)) is not None:
                    self._usable.judge(pending, pending.task.key, reply)
                if not isinstance(state, Request):
                    continue
                known = self._missing.get(state.key)
                if known is not None:
                    if pending.journal not in known.journals:
                        known.journals.append(pending.journal)
                    continue
                model = pending.task.parameters.model
                sent = input_tokens(pending.task, state, self._budget.prices[model])
                self._missing[state.key] = _Missing([pending.journal], model, sent)
                if state.key not in asked:
                    yield pending, state

    def _records(self) -> list[dict[str, Any]]:
        for lines in self._folder.glob("batch-*.jsonl"):
            if not lines.with_suffix(".json").is_file():
                lines.unlink()  # a run ended while it wrote; nothing of it was submitted
        records = map(self._record, sorted(self._folder.glob("batch-*.json")))
        return [record for record in records if record is not None]

    def _record(self, path: Path) -> dict[str, Any] | None:
        """Return what is known of a batch; of a damaged record, what its requests tell, so that it is looked for."""
        try:
            return read_state(path)
        except DamagedError as error:
            lines = path.with_suffix(".jsonl")
            if not lines.is_file():
                say(f"{error}; its answers are in the journals, so that nothing is lost.")
                path.unlink()
                return None
            say(f"{error}; the batch is looked for at the provider.")
        keys = [str(pydantic_core.from_json(line)["custom_id"]) for line in lines.read_bytes().splitlines()]
        dialect = self._endpoint.dialect.model_dump()
        name = path.stem.removeprefix("batch-")
        return {"name": name, "keys": keys, "most_usd": 0.0, "dialect": dialect, "submitting": True}

    def _split(self, requests: Iterable[tuple[Pending, Request]]) -> Iterator[dict[str, Any]]:
        """Write input files within the limits and yield the record of each."""
        file: IO[bytes] | None = None
        record: dict[str, Any] = {}
        size_bytes = 0
        for pending, request in requests:
            line = self._line(pending, request)
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
                record["dialect"] = self._endpoint.dialect.model_dump()
            file.write(line)
            size_bytes += len(line)
            price = self._budget.prices[pending.task.parameters.model]
            record["keys"].append(request.key)
            most_tokens = request.prompt.specific.max_tokens + self._endpoint.dialect.reasoning_tokens
            record["most_usd"] += price.usd(self._missing[request.key].sent_tokens, most_tokens, batch=True)
        if file is not None:
            file.close()
            yield record

    def _line(self, pending: Pending, request: Request) -> bytes:
        """Return a line of an input file."""
        body = request.body(pending.task.parameters, self._endpoint.dialect)
        head = json.dumps({"custom_id": request.key, "method": "POST", "url": self._path})[:-1].encode()
        return head + b', "body": ' + body + b"}\n"

    @property
    def _path(self) -> Any:
        return "/chat/completions" if self._endpoint.client.address.azure else "/v1/chat/completions"

    async def _submit(self, record: dict[str, Any]) -> None:
        path = self._folder / f"batch-{record['name']}.json"
        # Where a run ended while it submitted, the provider knows whether it came that far.
        batch = await self._find(record["name"]) if record.get("submitting") else None
        if batch is None:
            budget, lines = self._budget, path.with_suffix(".jsonl")
            cap_usd = budget.cap_usd
            if cap_usd is not None and budget.spent_usd + budget.reserved_usd + record["most_usd"] > cap_usd:
                path.unlink(missing_ok=True)
                lines.unlink(missing_ok=True)
                raise OutOfBudgetError
            write_state(path, record | {"submitting": True})
            content = lines.read_bytes()
            named = (lines.name, content, "application/jsonl")
            uploaded = await patiently(
                self._endpoint, "send the file", lambda: self._sdk.files.create(file=named, purpose="batch")
            )
            batch = await patiently(
                self._endpoint,
                "submit the batch",
                lambda: self._sdk.batches.create(
                    input_file_id=uploaded.id, endpoint=self._path, completion_window="24h",
                    metadata={_METADATA: record["name"]},
                ),
                once=True,
            )  # fmt: skip
            self.asked.requests += len(record["keys"])
            say(f"batch {batch.id}: {len(record['keys'])} requests submitted.")
        self._budget.reserved_usd += record["most_usd"]
        record["id"] = batch.id
        write_state(path, record)

    async def _find(self, name: str) -> Any:
        """Return the batch that carries a name, or None where it never came to be, or was refused as a whole."""

        async def found() -> Any:
            async for batch in self._sdk.batches.list(limit=100):
                if (batch.metadata or {}).get(_METADATA) == name and batch.status != "failed":
                    return batch
            return None

        return await patiently(self._endpoint, "list the batches", found)

    async def _collect(self, record: dict[str, Any], batch: Any) -> None:
        """Write the replies of a batch into the journals; what has none failed once more."""
        seen: set[str] = set()
        dialect = Dialect.model_validate(record.get("dialect", {}))
        for file in (batch.output_file_id, batch.error_file_id):
            if file:
                content = await patiently(
                    self._endpoint, "read the answers", lambda file=file: self._sdk.files.content(file)
                )
                seen.update(self._take(line, dialect) for line in content.content.splitlines() if line.strip())
        for key in record["keys"]:
            if key not in seen:
                self._fail(key, f"no line in a batch that is {batch.status}")
        for journal in {id(each): each for missing in self._missing.values() for each in missing.journals}.values():
            journal.close()
        self._budget.reserved_usd -= record["most_usd"]
        path = self._folder / f"batch-{record['name']}.json"
        write_state(path, record | {"collected": True})
        path.with_suffix(".jsonl").unlink(missing_ok=True)
        if self._stopped is not None:
            raise self._stopped

    def _take(self, line: bytes, dialect: Dialect) -> str:
        """Write the reply or the failure of one line down, and return its request's key.

        Args:
            line: Of an output or error file.
            dialect: That its body was written in.
        """
        entry = pydantic_core.from_json(line)
        key = str(entry["custom_id"])
        missing = self._missing.get(key)
        if missing is None:
            return key
        response = cast("Mapping[str, Any]", entry.get("response") or {})
        status, body = int(response.get("status_code") or 0), response.get("body") or {}
        if status != 200:
            error = json.dumps({"error": entry.get("error") or body.get("error") or body}).encode()
            refusal = refusal_of(status, {}, error, self._endpoint.client.scrub)
            if refusal.of_account and status:
                self._stopped = stop(self._endpoint, refusal)
                return key
            field = dialect.refused_field(refusal.param, refusal.words) if status in (400, 422) else ""
            if field and len(self._endpoint.left_out) < _DIALECTS:
                self._reword(dialect, field, refusal.words)
                return key
            reason = refusal.reason if status else refusal.words or "no answer in its line"
            self._fail(key, reason, for_good=bool(status) and not refusal.passing)
            return key
        try:
            completion = completion_of(body)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            self._fail(key, "no chat completion in the answer")
            return key
        sent, received, estimated = used_tokens(completion, missing.sent_tokens)
        self._budget.estimated += estimated
        usd = self._budget.settle(0.0, missing.model, sent, received)
        if completion.filtered:
            missing.journals[0].add_lost(key, usd)
            self._fail(key, FILTERED, for_good=True)
            return key
        text = completion.text or ("" if completion.cut else completion.reasoning)
        for journal in missing.journals:
            journal.add_reply(key, Reply(text, completion.cut, completion.model, sent, received), usd)
            usd = 0.0  # paid once, whoever waits for it
        self.asked.answered += 1
        return key

    def _reword(self, dialect: Dialect, field: str, words: str) -> None:
        """Send a refused field otherwise in the next round, which asks again; many lines say the same."""
        if getattr(self._endpoint.dialect, field) == getattr(dialect, field):
            self._endpoint.dialect = dialect.without(field)
            self._endpoint.left_out.append(field)
            say(f"{self._endpoint.url}: {field} is sent otherwise in the next batches, for: {words}")

    def _fail(self, key: str, reason: str, *, for_good: bool = False) -> None:
        self._failed[key] = self._failed.get(key, 0) + 1
        self.asked.retried[reason.partition(":")[0]] += 1
        if (for_good or self._failed[key] >= _ROUNDS) and key in self._missing:
            said = reason if for_good else f"{reason}, in {_ROUNDS} batches"
            for journal in self._missing[key].journals:
                journal.add_failure(key, said, passing=not for_good)

    def _failed_whole(self, record: Mapping[str, Any], batch: Any) -> UserError:
        errors = (batch.errors.data if batch.errors else None) or []
        words = self._endpoint.client.scrub(str(errors[0].message if errors else "no reason"))[:200]
        for suffix in ("json", "jsonl"):
            (self._folder / f"batch-{record['name']}.{suffix}").unlink(missing_ok=True)
        return UserError(
            f"{self._endpoint.url}: batch {record['id']} failed as a whole: {words}. Nothing of it was answered. Mend "
            "the cause, then give the same command again."
        )


def _code(batch: Any) -> str:
    errors = (batch.errors.data if batch.errors else None) or []
    return str(errors[0].code or "") if errors else ""
