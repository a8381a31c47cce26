"""Requests ▶ answers by the Batch API: split, submit, poll, collect; what failed goes into the next round.

A batch's record is written before it is submitted, and its digest goes along as metadata: a run that was killed between
the two finds the batch at the provider instead of paying for it again.
"""

import asyncio
import hashlib
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import pydantic_core

from gmai_formats.chat.completion import Completion, completion_of
from gmai_formats.chat.control import patiently
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.driver import stop
from gmai_formats.chat.limits import Limits
from gmai_formats.chat.pool import Endpoint
from gmai_formats.chat.prices import Budget, OutOfBudgetError
from gmai_formats.chat.refusals import refusal_of
from gmai_formats.errors import UserError
from gmai_formats.state import DamagedError, read_state, write_state

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_ROUNDS = 5
"""A request that failed in so many batches gets no answer in this run."""
_DIALECTS = 8
"""Fields that are sent otherwise before the requests themselves are taken for wrong."""
_ENDED = ("completed", "expired", "cancelled")
_QUEUE_FULL = "token_limit_exceeded"
"""The provider holds as many tokens of this account as it takes at a time."""
_METADATA = "gmai"


class Line(NamedTuple):
    """One request.

    Attributes:
        key: Its name among all of the folder: the same request, the same key.
        body: In the dialect of the endpoint.
        most_usd: What it can cost.
    """

    key: str
    body: bytes
    most_usd: float


class Keeper(Protocol):
    """Who has the requests, and keeps the answers."""

    def lines(self, asked: set[str]) -> Iterator[Line]:
        """Yield the requests that have no answer yet, but for those that wait in a batch.

        Args:
            asked: Keys of the requests that do.
        """
        ...

    def waits(self, key: str | None = None) -> bool:
        """Return whether a request has no answer, or any, as of the last `lines`."""
        ...

    def take(self, key: str, completion: Completion) -> str:
        """Take an answer and settle its price; return why it is none after all, which asking again would not mend."""
        ...

    def failed(self, key: str, reason: str, *, passing: bool) -> None:
        """Take note of a request that gets no answer in this run; `passing` says that a later one may."""
        ...

    async def keep(self) -> None:
        """Bring what was taken to the disk; the batch counts as collected after that."""
        ...


class Batches:
    """Asks whatever a keeper still needs by batches of one endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        budget: Budget,
        folder: Path,
        limits: Limits,
        *,
        adaptable: Callable[[str], bool] = lambda _: True,
        news: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the endpoint; nothing is sent yet.

        Args:
            endpoint: That of the batches.
            budget: Counts the cost and holds the cap.
            folder: Keeps the record of every batch.
            limits: See `Limits`.
            adaptable: Whether a field that the server refuses may be sent otherwise or left out.
            news: Told what is submitted, and what was learnt of the endpoint.
        """
        self._endpoint, self._budget, self._folder, self._limits = endpoint, budget, folder, limits
        self._adaptable, self._news = adaptable, news
        self._failed: dict[str, int] = {}
        self._queue_full = False
        self._stopped: UserError | None = None
        """Raised once the batch whose lines were refused for the account is collected; they are asked again later."""
        self._sdk = cast("AsyncOpenAI", None)
        self._keeper = cast("Keeper", None)
        self.requests = 0
        """Submitted."""
        self.retried: Counter[str] = Counter()
        """Reason ▶ tries that failed."""

    async def run(self, keeper: Keeper) -> None:
        """Bring every request to its answer, round by round.

        Args:
            keeper: Of the requests.

        Raises:
            UserError: The endpoint refuses the files or the batches, or a batch failed as a whole.
            OutOfBudgetError: The next batch could pass the cap; nothing of it was submitted.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._keeper = keeper
        async with self._endpoint.client as client:
            self._sdk = client.sdk
            while True:
                waiting = [record for record in self._records() if not record.get("collected")]
                asked = {key for record in waiting for key in record["keys"]}
                new = list(self._split(keeper.lines(asked)))
                if not keeper.waits():
                    return
                await self._work([*waiting, *new])

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
            self._news(
                "The provider's queue of batches is full. The rest is submitted one after another as it empties."
            )
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
        self._news(f"The provider's queue takes no batch of this size. They have at most {most} requests from here on.")

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
                self._news(f"{error}; its answers were collected, so that nothing is lost.")
                path.unlink()
                return None
            self._news(f"{error}; the batch is looked for at the provider.")
        keys = [str(pydantic_core.from_json(line)["custom_id"]) for line in lines.read_bytes().splitlines()]
        dialect = self._endpoint.dialect.model_dump()
        name = path.stem.removeprefix("batch-")
        return {"name": name, "keys": keys, "most_usd": 0.0, "dialect": dialect, "submitting": True}

    def _split(self, requests: Iterable[Line]) -> Iterator[dict[str, Any]]:
        """Write input files within the limits and yield the record of each."""
        file: IO[bytes] | None = None
        record: dict[str, Any] = {}
        size_bytes = 0
        for request in requests:
            line = self._line(request)
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
            record["keys"].append(request.key)
            record["most_usd"] += request.most_usd
        if file is not None:
            file.close()
            yield record

    def _line(self, request: Line) -> bytes:
        """Return a line of an input file."""
        head = json.dumps({"custom_id": request.key, "method": "POST", "url": self._path})[:-1].encode()
        return head + b', "body": ' + request.body + b"}\n"

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
            self.requests += len(record["keys"])
            self._news(f"batch {batch.id}: {len(record['keys'])} requests submitted.")
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
        """Take the answers of a batch; what has none failed once more."""
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
        await self._keeper.keep()
        self._budget.reserved_usd -= record["most_usd"]
        path = self._folder / f"batch-{record['name']}.json"
        write_state(path, record | {"collected": True})
        path.with_suffix(".jsonl").unlink(missing_ok=True)
        if self._stopped is not None:
            raise self._stopped

    def _take(self, line: bytes, dialect: Dialect) -> str:
        """Take the answer or the failure of one line, and return its request's key.

        Args:
            line: Of an output or error file.
            dialect: That its body was written in.
        """
        entry = pydantic_core.from_json(line)
        key = str(entry["custom_id"])
        if not self._keeper.waits(key):
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
            if field and len(self._endpoint.left_out) < _DIALECTS and self._adaptable(field):
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
        if reason := self._keeper.take(key, completion):
            self._fail(key, reason, for_good=True)
        return key

    def _reword(self, dialect: Dialect, field: str, words: str) -> None:
        """Send a refused field otherwise in the next round, which asks again; many lines say the same."""
        if getattr(self._endpoint.dialect, field) == getattr(dialect, field):
            self._endpoint.dialect = dialect.without(field)
            self._endpoint.left_out.append(field)
            self._news(f"{self._endpoint.url}: {field} is sent otherwise in the next batches, for: {words}")

    def _fail(self, key: str, reason: str, *, for_good: bool = False) -> None:
        self._failed[key] = self._failed.get(key, 0) + 1
        self.retried[reason.partition(":")[0]] += 1
        if (for_good or self._failed[key] >= _ROUNDS) and self._keeper.waits(key):
            full_reason = reason if for_good else f"{reason}, in {_ROUNDS} batches"
            self._keeper.failed(key, full_reason, passing=not for_good)

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
