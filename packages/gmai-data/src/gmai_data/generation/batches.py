"""Tasks ▶ replies in the journal by the Batch API (`gmai_formats.chat.batches`)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gmai_cli.console import say
from gmai_formats.chat.batches import Batches, Line
from gmai_formats.chat.completion import Completion
from gmai_formats.chat.limits import Limits
from gmai_formats.chat.pool import Endpoint
from gmai_formats.chat.prices import Budget, used_tokens

from gmai_data.generation.asking import FILTERED, Usable
from gmai_data.generation.journal import Journal, Reply
from gmai_data.generation.pending import Asked, Pending, settle
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import input_tokens


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
        self._endpoint, self._budget = endpoint, budget
        self._batches = Batches(endpoint, budget, folder, limits, news=say)
        self._tasks: Callable[[], Iterable[Pending]] = tuple
        self._missing: dict[str, _Missing] = {}
        self._worked = False
        self._usable = Usable()
        self._answered = 0

    @property
    def asked(self) -> Asked:
        """What was asked so far."""
        return Asked(self._batches.requests, self._answered, self._batches.retried)

    async def run(self, tasks: Callable[[], Iterable[Pending]]) -> None:
        """Bring every task to its outcome, round by round; the tasks are derived anew in each.

        Args:
            tasks: Gives all of them, images included, one after another.

        Raises:
            UserError: The endpoint refuses the files or the batches, or a batch failed as a whole.
            OutOfBudgetError: The next batch could pass the cap; nothing of it was submitted.
        """
        self._tasks = tasks
        await self._batches.run(self)

    def lines(self, asked: set[str]) -> Iterator[Line]:
        """Note every request without a reply, and yield those that are in no batch yet."""
        self._missing = {}
        for first in self._tasks():
            for pending, state in settle(first):
                if self._worked and (reply := pending.journal.replies.get(pending.task.key)) is not None:
                    self._usable.judge(pending, pending.task.key, reply)
                if not isinstance(state, Request):
                    continue
                known = self._missing.get(state.key)
                if known is not None:
                    if pending.journal not in known.journals:
                        known.journals.append(pending.journal)
                    continue
                parameters, dialect = pending.task.parameters, self._endpoint.dialect
                price = self._budget.prices[parameters.model]
                sent = input_tokens(pending.task, state, price)
                self._missing[state.key] = _Missing([pending.journal], parameters.model, sent)
                if state.key not in asked:
                    most_tokens = state.prompt.specific.max_tokens + dialect.reasoning_tokens
                    yield Line(state.key, state.body(parameters, dialect), price.usd(sent, most_tokens, batch=True))
        self._worked = self._worked or bool(self._missing)

    def waits(self, key: str | None = None) -> bool:
        """Return whether a request, or any, has no reply."""
        return bool(self._missing) if key is None else key in self._missing

    def take(self, key: str, completion: Completion) -> str:
        """Write a reply into the journals that wait for it; return why it is none, where it is."""
        missing = self._missing[key]
        sent, received, estimated = used_tokens(completion, missing.sent_tokens)
        self._budget.estimated += estimated
        usd = self._budget.settle(0.0, missing.model, sent, received)
        if completion.filtered:
            missing.journals[0].add_lost(key, usd)
            return FILTERED
        text = completion.text or ("" if completion.cut else completion.reasoning)
        text = self._endpoint.client.scrub.secrets(text)
        for journal in missing.journals:
            journal.add_reply(key, Reply(text, completion.cut, completion.model, sent, received), usd)
            usd = 0.0  # paid once, whoever waits for it
        self._answered += 1
        return ""

    def failed(self, key: str, reason: str, *, passing: bool) -> None:
        """Write a failure into the journals."""
        for journal in self._missing[key].journals:
            journal.add_failure(key, reason, passing=passing)

    async def keep(self) -> None:
        """Close the journals, which brings them to the disk."""
        for journal in {id(each): each for missing in self._missing.values() for each in missing.journals}.values():
            journal.close()
