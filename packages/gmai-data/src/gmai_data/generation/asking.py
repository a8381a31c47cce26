"""Tasks ▶ replies in the journal, live: as many requests in flight as the endpoints bear, and nothing lost on the way.

A request that waits for another try holds no slot. What a reply says is judged by `tasks.advance`; here only its
delivery counts.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import aiohttp
import pydantic_core
from gmai_formats.errors import UserError

from gmai_data.generation.endpoints import Endpoint, Pool, retry_after_s
from gmai_data.generation.journal import Journal, Reply
from gmai_data.generation.pending import Asked, Pending, settle
from gmai_data.generation.prices import Budget, OutOfBudgetError
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import Task, input_tokens

_RETRIED = (408, 409, 425, 429, 500, 502, 503, 504, 529)
_REFUSALS = (429, 503, 529)
_ATTEMPTS = 6
"""Tries of one request that fail without naming a wait."""
_NAMED_WAITS = 100
"""Refusals with Retry-After that one request bears."""
_LONGEST_BACKOFF_S = 30.0
_SUSPECTS = 8
"""So many requests given up with no answer to any other between them: the endpoint is wrong, not the requests."""
_SUSPECTS_OF_A_GOOD_ENDPOINT = 128
"""The same where it has answered before: what is left at the end of a build may be what no model takes."""
_SUSPICION_S = 5.0
"""A request is given up when another one is answered, or after so long without one."""
_HELD_S = 1.0
"""A request that the budget holds back looks again after the next answer, or after so long."""
_SYNC_S = 0.2
"""What is written becomes safe against a loss of power this soon; against a kill it is at once."""


class _Retry(Exception):  # noqa: N818 - a signal between two functions, no error a caller sees
    """A try that failed.

    Args:
        reason: Under which it is counted.
        wait_s: That the endpoint asks for.
        status: HTTP status, 0 where no answer came.
        sent: An answer may have been made, and paid, and lost.
    """

    def __init__(self, reason: str, wait_s: float | None = None, *, status: int = 0, sent: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.wait_s, self.sent = reason, wait_s, sent
        self.refused, self.answered = status in _REFUSALS, status > 0


class _Held(Exception):  # noqa: N818 - likewise
    """What is in flight could use the budget up; when it comes home it will have cost less."""


class _RejectedError(Exception):
    """The endpoint takes the request for wrong; asking again would not help."""


def _missing(pending: Pending) -> list[tuple[Pending, Request]]:
    """Return the requests that a task and what follows from it still lack."""
    return [(each, state) for each, state in settle(pending) if isinstance(state, Request)]


class Asker:
    """Asks the endpoints whatever the tasks still need."""

    def __init__(self, pool: Pool, budget: Budget, *, timeout_s: float = 300.0, backoff_s: float = 0.5) -> None:
        """Take the endpoints; nothing is sent yet.

        Args:
            pool: The endpoints.
            budget: Counts the cost and holds the cap.
            timeout_s: Longest wait for one answer.
            backoff_s: First wait after a failure; each further one is twice as long.
        """
        self._pool, self._budget = pool, budget
        self._timeout_s, self._backoff_s = timeout_s, backoff_s
        self._limit_field = "max_tokens"
        self._suspects = 0
        self._next_answer = asyncio.Event()
        self._asking: dict[tuple[int, str], asyncio.Future[None]] = {}
        self._stopped: BaseException | None = None
        self.asked = Asked()

    async def run(
        self, tasks: Iterable[Pending], done: Callable[[Pending], None], journals: Mapping[int, Journal]
    ) -> None:
        """Bring every task to its outcome.

        Args:
            tasks: Taken as fast as they are answered; at most twice the concurrency are in memory.
            done: Called for each task when it and all that follows from it has its outcome.
            journals: Those in use; whoever gives the tasks keeps it up to date.

        Raises:
            UserError: An endpoint refuses the key or the model, or none answers.
            OutOfBudgetError: The cap is reached; no request is in flight any more.
        """
        room = asyncio.Semaphore(2 * sum(endpoint.most for endpoint in self._pool.endpoints))
        running: set[asyncio.Task[None]] = set()
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=30)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
            _synced(journals),
        ):
            try:
                for number, pending in enumerate(tasks):
                    if self._stopped is not None:
                        break
                    missing = _missing(pending)
                    if not missing:
                        done(pending)
                        if number % 256 == 255:
                            await asyncio.sleep(0)  # a long run of known tasks must not hold up the answers
                        continue
                    await room.acquire()
                    task = asyncio.create_task(self._bring(session, pending, missing, done))
                    running.add(task)
                    task.add_done_callback(running.discard)
                    task.add_done_callback(lambda _: room.release())
                await asyncio.gather(*running)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
        if self._stopped is not None:
            raise self._stopped

    async def _bring(
        self,
        session: aiohttp.ClientSession,
        pending: Pending,
        missing: Sequence[tuple[Pending, Request]],
        done: Callable[[Pending], None],
    ) -> None:
        try:
            while self._stopped is None:
                if len(missing) == 1:
                    await self._ask_once(session, *missing[0])
                else:
                    await asyncio.gather(*(self._ask_once(session, each, request) for each, request in missing))
                missing = _missing(pending)
                if not missing:
                    done(pending)
                    return
        except (UserError, OutOfBudgetError) as stop:
            self._stopped = self._stopped or stop
        except Exception as bug:  # shown with its traceback once those in flight have come home
            self._stopped = bug

    async def _ask_once(self, session: aiohttp.ClientSession, pending: Pending, request: Request) -> None:
        """Ask, or wait for the reply where another record of the shard asks the very same."""
        key = (id(pending.journal), request.key)
        if key in self._asking:
            await self._asking[key]
            return
        future = self._asking[key] = asyncio.get_running_loop().create_future()
        try:
            await self._ask(session, pending, request)
        finally:
            del self._asking[key]
            future.set_result(None)

    async def _ask(self, session: aiohttp.ClientSession, pending: Pending, request: Request) -> None:
        """Put one reply, or the reason why there is none, into the journal."""
        task, journal = pending.task, pending.journal
        model = task.parameters.model
        sent_tokens = input_tokens(task, request, self._budget.prices[model])
        most_tokens = task.prompt.specific.max_tokens
        failed = named_waits = 0
        answered_before = self._pool.answered
        while self._stopped is None:
            endpoint = await self._pool.acquire()
            reserved_usd: float | None = None
            gave_up, wait_s, held = "", 0.0, False
            try:
                if self._stopped is not None:
                    return
                reserved_usd = self._budget.reserve(model, sent_tokens, most_tokens)
                if reserved_usd is None and not self._budget.in_use:
                    raise OutOfBudgetError
                if reserved_usd is None:
                    raise _Held
                self.asked.requests += 1
                reply = await self._post(session, endpoint, request, task)
            except _Retry as retry:
                self.asked.retry(retry.reason)
                paid = (sent_tokens, most_tokens) if retry.sent else (0, 0)
                usd = self._budget.settle(reserved_usd or 0.0, model, *paid)
                if usd:
                    journal.add_lost(request.key, usd)
                if retry.refused:
                    endpoint.refused(retry.wait_s)
                named = retry.wait_s is not None
                failed, named_waits = failed + (not named), named_waits + named
                if failed >= _ATTEMPTS or named_waits > _NAMED_WAITS:
                    if not retry.answered and self._pool.answered == answered_before:
                        raise self._down(endpoint, retry.reason) from retry
                    gave_up = f"{retry.reason}, {failed + named_waits} times"
                backoff_s = min(_LONGEST_BACKOFF_S, self._backoff_s * 2 ** max(0, failed - 1))
                # After a named wait the endpoint is paused, and the next slot may be one of another endpoint.
                wait_s = 0.0 if named and retry.refused else retry.wait_s or backoff_s * random.uniform(0.75, 1.25)  # noqa: S311
            except _Held:
                held = True
            except _RejectedError as rejected:
                self._budget.settle(reserved_usd or 0.0, model, 0, 0)
                gave_up = str(rejected)
            else:
                usd = self._budget.settle(reserved_usd, model, reply.input_tokens, reply.output_tokens)
                journal.add_reply(request.key, reply, usd)
                self.asked.answered += 1
                endpoint.succeeded()
                self._suspects = 0
                self._next_answer.set()
                self._next_answer = asyncio.Event()
                return
            finally:
                self._pool.release(endpoint)
            if held:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._next_answer.wait(), _HELD_S)
                continue
            if gave_up:
                await self._suspect(endpoint, journal, gave_up)
                journal.add_failure(request.key, gave_up)
                return
            await asyncio.sleep(wait_s)

    async def _suspect(self, endpoint: Endpoint, journal: Journal, reason: str) -> None:
        """Return when it is clear that a request is at fault and not the endpoint."""
        self._suspects += 1
        good = self._pool.answered or journal.replies
        if self._suspects >= (_SUSPECTS_OF_A_GOOD_ENDPOINT if good else _SUSPECTS):
            raise UserError(
                f"{endpoint.url}: gives no answer, to none of {self._suspects} requests: {reason}. Check --model, "
                "--response-format and that the model takes images, then give the same command again: the answers so "
                "far are kept."
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._next_answer.wait(), _SUSPICION_S)
        if self._stopped is not None:
            raise OutOfBudgetError if isinstance(self._stopped, OutOfBudgetError) else UserError(str(self._stopped))

    async def _post(self, session: aiohttp.ClientSession, endpoint: Endpoint, request: Request, task: Task) -> Reply:
        headers = {"Content-Type": "application/json", **endpoint.headers}
        body = request.body(task.parameters, self._limit_field)
        start_s = time.monotonic()
        try:
            # A redirect would take the key and the image to a host that nobody named.
            async with session.post(endpoint.chat_url(), data=body, headers=headers, allow_redirects=False) as response:
                content = await response.read()
                status, told = response.status, response.headers
        except aiohttp.ClientConnectorError as error:
            raise _Retry("no connection") from error
        except TimeoutError as error:
            raise _Retry("no answer in time", sent=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _Retry("connection lost", sent=True) from error
        endpoint.heed(told)
        if status in _RETRIED:
            wait_s = retry_after_s(told.get("Retry-After"))
            raise _Retry(f"HTTP {status}", wait_s, status=status)
        if status == 400 and b"max_completion_tokens" in content and self._limit_field == "max_tokens":
            self._limit_field = "max_completion_tokens"  # newer OpenAI models refuse the older name
            return await self._post(session, endpoint, request, task)
        if status != 200:
            raise self._refusal(endpoint, status, content)
        try:
            return reply_of(pydantic_core.from_json(content), time.monotonic() - start_s)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise _Retry("no chat completion in the answer", status=status, sent=True) from error

    def _refusal(self, endpoint: Endpoint, status: int, content: bytes) -> Exception:
        told = endpoint.scrub(" ".join(content[:4000].decode("utf-8", errors="replace").split()))[:200]
        moved = "Name the address that it points to, if you trust it"
        remedy = {
            **dict.fromkeys((301, 302, 303, 307, 308), moved),
            401: "Export a valid key (OPENAI_API_KEY, or the key_env of the endpoints file)",
            403: "Export a key that may use this model",
            404: "Check the URL (it usually ends in /v1) and --model",
        }.get(status)
        if remedy is None:
            return _RejectedError(f"HTTP {status}: {told}")
        return UserError(
            f"{endpoint.url}: HTTP {status}: {told}. It is not retried. {remedy}, then give the same command again: "
            "the answers so far are kept."
        )

    def _down(self, endpoint: Endpoint, reason: str) -> UserError:
        return UserError(
            f"{endpoint.url}: {_ATTEMPTS} tries ended with: {reason}; nothing else was answered meanwhile. The "
            "endpoint must be up. Start or repair it, then give the same command again: the answers so far are kept."
        )


def reply_of(document: Any, seconds: float) -> Reply:
    """Return the reply of a chat completion.

    Raises:
        KeyError, IndexError, TypeError: It is none.
    """
    choice = cast("Mapping[str, Any]", document["choices"][0])
    message = cast("Mapping[str, Any]", choice["message"])
    content: Any = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in cast("list[Mapping[str, Any]]", content))
    if content is None:
        content = message.get("refusal") or ""
    if not isinstance(content, str):
        raise TypeError("content")
    usage = cast("Mapping[str, Any]", document.get("usage") or {})
    return Reply(
        content.strip(),
        choice.get("finish_reason") == "length",
        str(document.get("model") or ""),
        int(usage.get("prompt_tokens") or 0),
        int(usage.get("completion_tokens") or 0),
        seconds,
    )


@contextlib.asynccontextmanager
async def _synced(journals: Mapping[int, Journal]) -> AsyncGenerator[None]:
    """Sync what was written every `_SYNC_S`, beside the requests."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(_SYNC_S)
            for journal in [each for each in journals.values() if each.unsynced]:
                await asyncio.to_thread(journal.sync)

    keeper = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        for journal in journals.values():
            journal.close()
