"""Tasks ▶ replies in the journal, live; what a reply says is judged by `tasks.advance`, here its delivery counts."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gmai_formats.chat.completion import Completion
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.driver import Driver, GaveUpError, RefusedError
from gmai_formats.chat.pool import Endpoint, Pool
from gmai_formats.chat.prices import Budget, OutOfBudgetError, used_tokens
from gmai_formats.errors import UserError

from gmai_data.generation.journal import Journal, Reply
from gmai_data.generation.pending import Asked, Pending, settle
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import input_tokens

FILTERED = "the provider's content filter ended the answer"
_SUSPECTS = 8
"""So many requests given up with no answer to any other between them: the endpoint is wrong, not the requests."""
_SUSPECTS_OF_A_GOOD_ENDPOINT = 128
"""The same where it has answered before: what is left at the end of a build may be what no model takes."""
_SUSPICION_S = 5.0
"""A request is given up when another one is answered, or after so long without one."""
_SYNC_S = 0.2
"""What is written becomes safe against a loss of power this soon; against a kill it is at once."""
_FIRST, _JUDGED = 32, 200
"""A run ends when none of its first replies can be used, and when fewer than a tenth of so many can."""


@dataclass
class Call:
    """One request of a task, and its books: `gmai_formats.chat.driver.Call`."""

    pending: Pending
    request: Request
    budget: Budget
    endpoints: Sequence[Endpoint] = ()
    """Those that may be asked; a key of theirs that a server puts into its reply is taken out."""
    reserved_usd: float = 0.0
    reply: Reply | None = None

    def __post_init__(self) -> None:
        """Count what the request sends, and the most that can come back."""
        self.model = self.pending.task.parameters.model
        self.sent_tokens = input_tokens(self.pending.task, self.request, self.budget.prices[self.model])
        self.most_tokens = self.request.prompt.specific.max_tokens

    def body(self, dialect: Dialect) -> bytes:
        """Return the JSON body."""
        self.most_tokens = self.request.prompt.specific.max_tokens + dialect.reasoning_tokens
        return self.request.body(self.pending.task.parameters, dialect)

    def reserve(self) -> bool:
        """Set the most that a try can cost aside."""
        reserved_usd = self.budget.reserve(self.model, self.sent_tokens, self.most_tokens)
        if reserved_usd is None and not self.budget.in_use:
            raise OutOfBudgetError
        self.reserved_usd = reserved_usd or 0.0
        return reserved_usd is not None

    def settle(self, completion: Completion | None, *, lost: bool = False) -> None:
        """Write the reply down with its price; of a lost answer the highest price counts."""
        budget, journal, key = self.budget, self.pending.journal, self.request.key
        if completion is None:
            used = (self.sent_tokens, self.most_tokens) if lost else (0, 0)
            if usd := budget.settle(self.reserved_usd, self.model, *used):
                journal.add_lost(key, usd)
            return
        sent, received, estimated = used_tokens(completion, self.sent_tokens)
        budget.estimated += estimated
        usd = budget.settle(self.reserved_usd, self.model, sent, received)
        if completion.filtered:
            journal.add_lost(key, usd)
            return
        text = completion.text or ("" if completion.cut else completion.reasoning)
        for endpoint in self.endpoints:
            text = endpoint.client.scrub.secrets(text)
        self.reply = Reply(text, completion.cut, completion.model, sent, received, completion.seconds)
        journal.add_reply(key, self.reply, usd)


@dataclass
class Usable:
    """Watches whether what comes back can be used at all."""

    unusable: list[tuple[Pending, str, str]] = field(default_factory=list[tuple[Pending, str, str]])
    """Task, key and complaint of each reply that could not be used."""
    judged: int = 0

    def judge(self, pending: Pending, key: str, reply: Reply) -> None:
        """Look at one of the first replies.

        Raises:
            UserError: None of the first ones can be used, or nearly none of many.
        """
        if self.judged >= _JUDGED:
            return
        self.judged += 1
        if complaint := pending.task.complaint(reply):
            self.unusable.append((pending, key, ": ".join(complaint)))
        bad = len(self.unusable)
        if not (bad == self.judged == _FIRST or (self.judged == _JUDGED and bad > 0.9 * _JUDGED)):
            return
        for each, of_request, _ in self.unusable:
            each.journal.set_aside(of_request)
            each.journal.close()
        quoted = reply.text if len(reply.text) <= 300 else f"{reply.text[:300]}…"
        raise UserError(
            f"{pending.task.parameters.model}: {bad} of the first {self.judged} replies cannot be used; nothing more "
            f"is asked. What is wrong with the last one: {self.unusable[-1][2]}. It reads: {quoted!r}. A reply must be "
            "the JSON that the prompt asks for. Check the model, its chat template, the response format and reasoning, "
            "then give the same command again: these replies are asked for anew, the others are kept."
        )


class Asker:
    """Asks the endpoints whatever the tasks still need."""

    def __init__(
        self,
        pool: Pool,
        budget: Budget,
        *,
        judges: Pool | None = None,
        backoff_s: float = 0.5,
        news: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the endpoints; nothing is sent yet.

        Args:
            pool: The endpoints.
            budget: Counts the cost and holds the cap.
            judges: Endpoints of the judge; without them it is asked at those of the writer.
            backoff_s: First wait after a failure; each further one is twice as long.
            news: Told what is learnt of the endpoints.
        """
        self.pool, self._budget, self._backoff_s, self._news = pool, budget, backoff_s, news
        self.judges = judges
        self._suspects = 0
        self._asking: dict[tuple[int, str], asyncio.Future[None]] = {}
        self.asked, self.usable = Asked(), Usable()

    async def run(
        self, tasks: Iterable[Pending], done: Callable[[Pending], None], journals: Mapping[int, Journal]
    ) -> None:
        """Bring every task to its outcome.

        Args:
            tasks: Taken as fast as they are answered; at most twice the concurrency are in memory.
            done: Called for each task when it and all that follows from it has its outcome.
            journals: Those in use; whoever gives the tasks keeps it up to date.

        Raises:
            UserError: An endpoint refuses the key or the model, none answers, or no reply can be used.
            OutOfBudgetError: The cap is reached; no request is in flight any more.
        """
        pools = [self.pool, *([self.judges] if self.judges is not None else [])]
        self._drivers = [Driver(pool, backoff_s=self._backoff_s, news=self._news) for pool in pools]

        async def bring(pending: Pending) -> None:
            try:
                while missing := self._missing(pending):
                    if len(missing) == 1:
                        await self._ask_once(*missing[0])
                    else:
                        await asyncio.gather(*(self._ask_once(*each) for each in missing))
            except Exception as error:
                for pool in pools:  # what ends the run at the writer's endpoints ends it at the judge's, too
                    pool.stopped = pool.stopped or error
                raise
            done(pending)

        async with contextlib.AsyncExitStack() as stack:
            for driver in self._drivers:
                await stack.enter_async_context(driver)
            await stack.enter_async_context(_synced(journals))
            try:
                await self._drivers[0].run(tasks, bring)
            finally:
                for driver in self._drivers:
                    self.asked.requests += driver.requests
                    self.asked.answered += driver.answered
                    self.asked.retried.update(driver.retried)

    @property
    def in_flight(self) -> int:
        """Return how many requests are in flight at the moment."""
        return self.pool.in_flight + (0 if self.judges is None else self.judges.in_flight)

    def _driver(self, pending: Pending) -> Driver:
        """Return what asks the endpoints of a task's model."""
        return self._drivers[-1 if pending.task.judged else 0]

    def _missing(self, pending: Pending) -> Sequence[tuple[Pending, Request]]:
        """Return the requests that a task and what follows from it still lack; without any, count its outcomes."""
        states = list(settle(pending))
        missing = [(each, state) for each, state in states if isinstance(state, Request)]
        if not missing:
            self.asked.note(states)
        return missing

    async def _ask_once(self, pending: Pending, request: Request) -> None:
        """Ask, or wait for the reply where another record of the shard asks the very same."""
        key = (id(pending.journal), request.key)
        if key in self._asking:
            await self._asking[key]
            return
        future = self._asking[key] = asyncio.get_running_loop().create_future()
        try:
            await self._ask(pending, request)
        finally:
            del self._asking[key]
            future.set_result(None)

    async def _ask(self, pending: Pending, request: Request) -> None:
        """Put one reply, or the reason why there is none, into the journal."""
        driver = self._driver(pending)
        call = Call(pending, request, self._budget, driver.pool.endpoints)
        try:
            completion = await driver.ask(call)
        except RefusedError as refusal:
            await self._suspect(pending, str(refusal))
            pending.journal.add_failure(request.key, str(refusal))
            return
        except GaveUpError as failure:
            await self._suspect(pending, str(failure))
            pending.journal.add_failure(request.key, str(failure), passing=True)
            return
        self._suspects = 0
        if completion.filtered:
            pending.journal.add_failure(request.key, FILTERED)
        elif call.reply is not None:
            self.usable.judge(pending, request.key, call.reply)

    async def _suspect(self, pending: Pending, reason: str) -> None:
        """Return when it is clear that a request is at fault and not the endpoint."""
        self._suspects += 1
        driver = self._driver(pending)
        good = driver.pool.answered or pending.journal.replies
        if self._suspects >= (_SUSPECTS_OF_A_GOOD_ENDPOINT if good else _SUSPECTS):
            urls = ", ".join(endpoint.url for endpoint in driver.pool.endpoints)
            raise UserError(
                f"{urls}: gives no answer, to none of {self._suspects} requests: {reason}. Check --model, "
                "writing.response_format and that the model takes images, then give the same command again: the "
                "answers so far are kept."
            )
        await driver.wait_for_an_answer(_SUSPICION_S)
        if driver.pool.stopped is not None:
            raise driver.pool.stopped


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
