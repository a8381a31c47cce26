"""An endpoint's Batch API: all questions of a benchmark in files of up to 50,000, answered within a day, cheaper.

The books of the batches lie beside the answers: a run that was killed, or waits too long for one's patience, collects
what was submitted when the same command is given again, and submits nothing twice. Requests, prices, refusals and their
share are those of `Endpoint`; a run may begin live and go on by batches.
"""

import asyncio
import copy
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from gmai_cli.console import say
from gmai_formats.chat.batches import Batches, Line
from gmai_formats.chat.completion import Completion
from gmai_formats.chat.limits import Limits
from gmai_formats.chat.pool import Endpoint as Server
from gmai_formats.chat.prices import OutOfBudgetError, used_tokens
from gmai_formats.errors import UserError

from gmai_bench.answers.predictions import request_digest
from gmai_bench.backends.asks import Answer, Ask, OpenImage
from gmai_bench.backends.endpoint import Arrived, Endpoint, answer_of, over_budget


class BatchEndpoint(Endpoint):
    """A model behind the Batch API of one OpenAI-compatible URL."""

    def __init__(self, url: str, model: str, *, limits: Limits | None = None, **settings: Any) -> None:
        """Take the address; nothing is sent before the first question.

        Args:
            url: As of `Endpoint`, of one address.
            model: Name that the server knows the model by.
            limits: Of a batch.
            settings: As of `Endpoint`.

        Raises:
            UserError: As of `Endpoint`, or there are several addresses.
        """
        given: dict[str, Any] = settings | {"timeout_s": None}
        super().__init__(url, model, batch=True, **given)
        if len(self._addresses) > 1:
            raise UserError(f"--batch: {url} names {len(self._addresses)} endpoints. Batches go to one; name one.")
        self._limits, self._folder = limits or Limits(), Path()

    def in_folder(self, folder: Path) -> Self:
        """Return it with the folder of one benchmark, beside whose answers the books of its batches lie."""
        placed = copy.copy(self)
        placed._folder = folder / "batches"
        placed._encoded, placed._encoded_bytes = OrderedDict(), 0
        return placed

    async def _ask_all(self, asks: Sequence[Ask], open_image: OpenImage, arrived: Arrived) -> Sequence[Answer]:
        server = Server(self._clients[0], self._dialect)
        keeper = _Asks(self, server, asks, open_image, arrived)
        batches = Batches(server, self._budget, self._folder, self._limits, adaptable=self._adaptable, news=say)
        try:
            await batches.run(keeper)
        except OutOfBudgetError as error:
            raise over_budget(self._budget, "batch") from error
        if len(keeper.refused) > self._max_errors * len(asks):
            raise self._too_many(keeper.refused, len(asks), keeper.answered)
        if keeper.lost:
            ask, reason = next(iter(keeper.lost.items()))
            raise UserError(
                f'{server.url}: {len(keeper.lost)} questions have no answer, such as "{ask}": {reason}. The same '
                "command asks them again; the answers so far are kept."
            )
        return keeper.refused


class _Asks:
    """The questions of one benchmark, and their answers on the way to the file: `gmai_formats.chat.batches.Keeper`."""

    def __init__(
        self, model: BatchEndpoint, server: Server, asks: Sequence[Ask], open_image: OpenImage, arrived: Arrived
    ) -> None:
        self._model, self._server, self._open_image, self._arrived = model, server, open_image, arrived
        self._waiting = {_key(model, ask): ask for ask in asks}
        self.answered = 0
        self.refused: list[Answer] = []
        self.lost: dict[str, str] = {}
        """Question ▶ why it has no answer, which a later run may bring."""

    def lines(self, asked: set[str]) -> Iterator[Line]:
        """Yield the questions without an answer that are in no batch yet."""
        for key, ask in list(self._waiting.items()):
            if key not in asked:
                yield Line(
                    key, self._model.body(self._server.dialect, ask, self._open_image), self._model.most_usd(ask)
                )

    def waits(self, key: str | None = None) -> bool:
        """Return whether a question, or any, has no answer."""
        return bool(self._waiting) if key is None else key in self._waiting

    def take(self, key: str, completion: Completion) -> str:
        """Send an answer on its way to the file."""
        ask = self._waiting.pop(key)
        model, budget = self._model, self._model.budget
        model.used.add(completion)
        sent, received, _ = used_tokens(completion, model.sent_tokens(ask))
        budget.settle(0.0, model.name, sent, received)
        self.answered += 1
        self._arrived.put_nowait(answer_of(ask, completion))
        return ""

    def failed(self, key: str, reason: str, *, passing: bool) -> None:
        """Take note of a question that the server refuses, or did not answer in this run."""
        ask = self._waiting.pop(key)
        if passing:
            self.lost[ask.id] = reason
        else:
            self.refused.append(Answer(ask.id, "", cut=False, refused=reason))

    async def keep(self) -> None:
        """Wait until every answer taken is written down."""
        written = asyncio.Event()
        self._arrived.put_nowait(written)
        await written.wait()


def _key(model: Endpoint, ask: Ask) -> str:
    """Return the name of a question's request, the same in every run under these settings."""
    return request_digest(
        ask.prompt, ask.images, {"id": ask.id, "seed": ask.seed, "turns": ask.turns, **model.generation}
    )
