"""READ THIS FIRST: requests ▶ completions, as many in flight as the endpoints bear, and nothing lost on the way.

    address ▶ client ▶ wire         where, with which key, and the bytes             addresses.py, client.py, wire.py
    pool                            one slot per request in flight, AIMD, pauses     pool.py
    dialect                         which fields the model takes                     dialect.py
    answer ▶ completion or refusal  what came back, and what it means                completion.py, refusals.py

A request ends in a completion, or in one of three refusals: `RefusedError` (this request, for good), `GaveUpError` (it
may pass, and did not), `UserError` (key, quota, model, address, server: the run ends, and the same command goes on).
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from gmai_formats.chat.client import Response
from gmai_formats.chat.completion import Completion, completion_of
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.pool import KEPT, Endpoint, Pool, too_long
from gmai_formats.chat.refusals import LONGEST_WAIT_S, OVERLOADED, Refusal, refusal_of
from gmai_formats.chat.wire import LostError, NotSentError
from gmai_formats.errors import UserError

ATTEMPTS = 6
"""Tries of one request that fail without naming a wait."""
NAMED_WAITS = 100
"""Refusals with Retry-After that one request bears."""
_LONGEST_BACKOFF_S = 30.0
_DIALECTS = 8
"""Fields that one request may be sent without, one after another."""
_HELD_S = 1.0
"""A request that is held back looks again after the next answer, or after so long."""
T = TypeVar("T")


class RefusedError(Exception):
    """The server takes this request for wrong (content, size, form); asking again would not help."""


class GaveUpError(Exception):
    """Every try failed in a way that may pass."""


class Call(Protocol):
    """One request, and its books."""

    def body(self, dialect: Dialect) -> bytes:
        """Return the JSON body in the dialect of an endpoint."""
        ...

    def reserve(self) -> bool:
        """Set aside what a try may cost; False where what is in flight may use the budget up, and it has to wait."""
        ...

    def settle(self, completion: Completion | None, *, lost: bool = False) -> None:
        """Write down what a try brought and cost, before its slot is free.

        Args:
            completion: The answer, if it came.
            lost: None came, and one may have been made and paid.
        """
        ...


class _Retry(Exception):  # noqa: N818 - a signal between two functions, no error a caller sees
    def __init__(self, reason: str, wait_s: float | None = None, *, status: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.wait_s, self.status = reason, wait_s, status


class _Reworded(Exception):  # noqa: N818 - likewise
    """The server refused a field; the endpoint's dialect does without it now."""


class Driver:
    """Sends requests to the endpoints of a pool; use it in an `async with` block."""

    def __init__(
        self,
        pool: Pool,
        *,
        backoff_s: float = 0.5,
        adaptable: Callable[[str], bool] = lambda _: True,
        news: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the endpoints; nothing is sent yet.

        Args:
            pool: The endpoints.
            backoff_s: First wait after a failure; each further one is twice as long.
            adaptable: Whether a field that a server refuses may be sent otherwise or left out.
            news: Told what was learnt of an endpoint, and of long waits.
        """
        self.pool, self._backoff_s, self._adaptable, self._news = pool, backoff_s, adaptable, news
        self.requests = self.answered = 0
        self.retried: Counter[str] = Counter()
        """Reason ▶ tries that failed."""
        self._next_answer, self._ending = asyncio.Event(), asyncio.Event()
        self._resources = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Driver":
        await self._resources.__aenter__()
        for endpoint in self.pool.endpoints:
            await self._resources.enter_async_context(endpoint.client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def run(self, jobs: Iterable[T], one: Callable[[T], Awaitable[None]]) -> None:
        """Run one coroutine per job, taking jobs as fast as they are done.

        The first error ends the run: no further request is sent, those in flight come home, and it is raised.

        Args:
            jobs: At most twice the concurrency of them are at work.
            one: Asks for one job; it raises nothing but what ends the run.
        """
        room = asyncio.Semaphore(2 * sum(endpoint.most for endpoint in self.pool.endpoints))
        running: set[asyncio.Task[None]] = set()

        async def guarded(job: T) -> None:
            try:
                await one(job)
            except Exception as error:
                self.pool.stopped = self.pool.stopped or error
                self._ending.set()
            finally:
                room.release()

        try:
            for number, job in enumerate(jobs):
                if number % 256 == 255:
                    await asyncio.sleep(0)  # a long run of jobs that ask nothing must not hold up the answers
                await room.acquire()
                if self.pool.stopped is not None:
                    break
                task = asyncio.create_task(guarded(job))
                running.add(task)
                task.add_done_callback(running.discard)
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        if self.pool.stopped is not None:
            raise self.pool.stopped

    async def ask(self, call: Call) -> Completion:
        """Return the completion of one request.

        Raises:
            RefusedError: The server refuses it for good.
            GaveUpError: It kept failing, while the endpoint answered others.
            UserError: The endpoint refuses key, account, model or address, is down, or asks for a long wait.
        """
        failed = named_waits = reworded = 0
        answered_before = self.pool.answered
        while True:
            endpoint = await self.pool.acquire()
            wait_s, held = 0.0, False
            try:
                if call.reserve():
                    return await self._once(endpoint, call)
                held = True
            except _Reworded as refusal:
                reworded += 1
                if reworded > _DIALECTS:
                    raise RefusedError(str(refusal)) from refusal
            except _Retry as retry:
                self.retried[retry.reason.partition(":")[0]] += 1
                named = retry.wait_s is not None
                failed, named_waits = failed + (not named), named_waits + named
                if failed >= ATTEMPTS or named_waits > NAMED_WAITS:
                    if not retry.status and self.pool.answered == answered_before:
                        raise _down(endpoint, retry.reason) from retry
                    raise GaveUpError(f"{retry.reason}, {failed + named_waits} times") from retry
                backoff_s = min(_LONGEST_BACKOFF_S, self._backoff_s * 2 ** max(0, failed - 1))
                # After a named wait the endpoint is paused, and the next slot may be one of another endpoint.
                paused = named and retry.status in OVERLOADED
                wait_s = 0.0 if paused else retry.wait_s or backoff_s * random.uniform(0.75, 1.25)  # noqa: S311
            finally:
                self.pool.release(endpoint)
            if held:
                await self.wait_for_an_answer(_HELD_S)
            elif wait_s:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), wait_s)

    async def wait_for_an_answer(self, most_s: float) -> None:
        """Wait for the next answer to any request, or so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._next_answer.wait(), most_s)

    async def _once(self, endpoint: Endpoint, call: Call) -> Completion:
        """Send one try and settle it, whatever it brings."""
        self.requests += 1
        dialect = endpoint.dialect
        try:
            answer = await endpoint.client.post(call.body(dialect))
            completion = self._read(endpoint, dialect, answer)
        except BaseException as error:
            # An answer may have been made and paid where none arrived, or no completion, or the run was cancelled.
            unread = isinstance(error, _Retry) and error.status == 200
            call.settle(None, lost=unread or isinstance(error, LostError | asyncio.CancelledError))
            if isinstance(error, NotSentError | LostError):
                raise _Retry(str(error)) from error
            raise
        call.settle(completion)
        self.answered += 1
        endpoint.succeeded()
        self._next_answer.set()
        self._next_answer = asyncio.Event()
        return completion

    def _read(self, endpoint: Endpoint, dialect: Dialect, answer: Response) -> Completion:
        """Return the completion of an answer, or raise what it means instead."""
        endpoint.heed(answer.headers)
        if answer.status == 200:
            with contextlib.suppress(ValueError, KeyError, IndexError, TypeError, AttributeError):
                return completion_of(answer.content, answer.seconds)
        refusal = refusal_of(answer.status, answer.headers, answer.content, endpoint.client.scrub)
        if refusal.of_address or refusal.of_account:
            raise stop(endpoint, refusal)
        if refusal.status == 200:
            words = f": {refusal.words[:100]}" if refusal.words else ""
            raise _Retry(f"no chat completion in the answer{words}", status=200)
        if refusal.passing:
            if refusal.status in OVERLOADED:
                endpoint.refused(refusal.wait_s, refusal.reason)
            elif (refusal.wait_s or 0.0) > LONGEST_WAIT_S:
                raise too_long(endpoint, refusal.reason, refusal.wait_s or 0.0)
            raise _Retry(refusal.reason, refusal.wait_s, status=refusal.status)
        if refusal.status in (400, 422):
            self._reword(endpoint, dialect, refusal)
        raise RefusedError(refusal.reason)

    def _reword(self, endpoint: Endpoint, dialect: Dialect, refusal: Refusal) -> None:
        """Learn from a refusal what the model does not take.

        The refusal is about the dialect of the body that was sent: others in flight were sent in it too, and each of
        them comes back and is sent again.

        Raises:
            _Reworded: The request is worth another try.
        """
        field = dialect.refused_field(refusal.param, refusal.words)
        if not field or not self._adaptable(field):
            return
        now = endpoint.dialect
        if getattr(now, field) == getattr(dialect, field):
            endpoint.dialect = now.without(field)
            after = getattr(endpoint.dialect, field)
            message = (
                f"{field.replace('limit_field', 'the limit')} is sent as {after}" if after else f"{field} is not sent"
            )
            endpoint.left_out.append(message)
            self._news(f"{endpoint.url}: {message}, for the server says: {refusal.words}")
        raise _Reworded(refusal.reason)


def stop(endpoint: Endpoint, refusal: Refusal) -> UserError:
    """Return the error that ends a run: nothing of it is final, and the same command goes on."""
    client = endpoint.client
    if refusal.of_address:
        remedy = "A redirect takes key and image elsewhere. Name the address that it points to, if you trust it"
    elif refusal.status == 404 or "model" in refusal.code or "deployment" in refusal.code:
        remedy = "Check the URL (it usually ends in /v1) and the model's name in --model"
    elif refusal.status == 401:
        unset = "" if client.has_key else " (it is not set)"
        remedy = f"Export a valid key in ${client.key_name}{unset}"
    elif refusal.status == 403:
        remedy = f"Export a key that may use this model in ${client.key_name}"
    else:
        remedy = "Fill or change the account"
    return UserError(f"{endpoint.url}: {refusal.reason}. It is not retried. {remedy}, then {KEPT}")


def _down(endpoint: Endpoint, reason: str) -> UserError:
    return UserError(
        f"{endpoint.url}: {ATTEMPTS} tries ended with: {reason}; nothing else was answered meanwhile. The endpoint "
        f"must be up, and reached as $HTTPS_PROXY and $NO_PROXY say. Start or repair it, then {KEPT}"
    )
