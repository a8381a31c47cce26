"""Any OpenAI-compatible chat endpoint (vLLM, `transformers serve`, OpenAI, Azure), with as many requests as it bears.

The event loop runs inside the iterator and only while an answer is awaited, so the caller writes each answer down
before the next is taken, and a run that is stopped leaves no thread behind.
"""

import asyncio
import base64
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_formats.chat.addresses import KEY, addresses
from gmai_formats.chat.client import Client
from gmai_formats.chat.completion import Completion
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.driver import Driver, GaveUpError, RefusedError
from gmai_formats.chat.pool import KEPT, Pool
from gmai_formats.chat.pool import Endpoint as Server
from gmai_formats.chat.prices import UNPRICED, Budget, budget_for, load_table, text_tokens, used_tokens
from gmai_formats.errors import UserError

from gmai_bench.backends.asks import Answer, Ask, OpenImage

FILTERED = "the provider's content filter ended the answer"
_LARGEST_PX = 2048
"""Side of the picture for which is set aside before an answer says what it took."""
_ENCODED_BYTES = 256 << 20
"""Encoded images kept for the next question about the same image."""


Arrived = asyncio.Queue[Answer | Exception | asyncio.Event | None]
"""Answers on their way to the caller; an event is set once all before it are written down, `None` ends them."""


@dataclass
class _Call:
    """One question, and its books: `gmai_formats.chat.driver.Call`."""

    model: "Endpoint"
    ask: Ask
    open_image: OpenImage
    budget: Budget
    reserved_usd: float = 0.0

    def __post_init__(self) -> None:
        """Count the most that the question can send and bring back."""
        self.sent_tokens = self.model.sent_tokens(self.ask)

    def body(self, dialect: Dialect) -> bytes:
        """Return the JSON body."""
        return self.model.body(dialect, self.ask, self.open_image)

    def reserve(self) -> bool:
        """Set the most that a try can cost aside."""
        reserved_usd = self.budget.reserve(self.model.name, self.sent_tokens, self.model.most_tokens)
        if reserved_usd is None and not self.budget.in_use:
            raise over_budget(self.budget, "question")
        self.reserved_usd = reserved_usd or 0.0
        return reserved_usd is not None

    def settle(self, completion: Completion | None, *, lost: bool = False) -> None:
        """Count what the server says it used; of a lost answer the most that it can have cost."""
        used = (self.sent_tokens, self.model.most_tokens) if lost else (0, 0)
        if completion is not None:
            self.model.used.add(completion)
            used = used_tokens(completion, self.sent_tokens)[:2]
        self.budget.settle(self.reserved_usd, self.model.name, *used)


def over_budget(budget: Budget, what: str) -> UserError:
    """Return the error that ends a run at its cap, before the next question or batch."""
    return UserError(
        f"--max-cost-usd: ${budget.spent_usd:.2f} are spent in this run, and the next {what} could pass "
        f"${budget.cap_usd:.2f}. The answers so far are kept; the same command with a higher cap goes on."
    )


@dataclass
class Used:
    """What the answers of a run took, as far as the server tells."""

    answers: int = 0
    uncounted: int = 0
    """Answers without `usage`."""
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    seconds: float = 0.0

    def add(self, completion: Completion) -> None:
        """Add one answer."""
        self.answers += 1
        self.uncounted += completion.input_tokens is None
        self.input_tokens += completion.input_tokens or 0
        self.output_tokens += completion.output_tokens or 0
        self.reasoning_tokens += completion.reasoning_tokens
        self.seconds += completion.seconds

    def line(self) -> str:
        """Return it in words."""
        thought = f" ({self.reasoning_tokens:,} of them thinking)" if self.reasoning_tokens else ""
        without = f"; {self.uncounted} answers came without usage" if self.uncounted else ""
        mean_s = self.seconds / max(1, self.answers)
        tokens = f"{self.input_tokens:,} tokens in, {self.output_tokens:,} out{thought}"
        return f"{self.answers} answers, {mean_s:.1f} s each, {tokens}{without}"


def answer_of(ask: Ask, completion: Completion) -> Answer:
    """Return a completion as the answer to a question; what the server filtered is refused."""
    refusal = FILTERED if completion.filtered else ""
    return Answer(ask.id, completion.text, completion.cut, refusal, usage_of(completion))


def usage_of(completion: Completion) -> dict[str, float]:
    """Return what an answer took; what the server does not count is left out."""
    counted = {
        "input_tokens": completion.input_tokens,
        "output_tokens": completion.output_tokens,
        "reasoning_tokens": completion.reasoning_tokens or None,
        "seconds": round(completion.seconds, 3),
    }
    return {name: value for name, value in counted.items() if value is not None}


class Endpoint:
    """A model behind one or more OpenAI-compatible URLs."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        max_new_tokens: int,
        temperature: float = 0,
        concurrency: int = 128,
        revision: str = "",
        key_variable: str = KEY,
        timeout_s: float = 300.0,
        backoff_s: float = 0.5,
        max_errors: float = 0.1,
        max_cost_usd: float | None = None,
        prices: Path | None = None,
        batch: bool = False,
    ) -> None:
        """Take the address; nothing is sent before the first question.

        Args:
            url: Base URL such as `http://127.0.0.1:8000/v1`, or a YAML list of endpoints with their parameters and
                system message (`gmai_formats.chat.addresses.Address`).
            model: Name that the server knows the model by.
            max_new_tokens: Longest answer, in tokens; what a model may think comes on top (`reasoning_tokens`).
            temperature: Of every answer, unless the endpoints file says another; 0 is greedy.
            concurrency: Most requests in flight at once.
            revision: What the user says changes whenever the model behind the name does; without it answers are not
                taken from the cache.
            key_variable: Environment variable with the key; it is sent and never written anywhere.
            timeout_s: Longest wait for one answer.
            backoff_s: First wait after a failure; each further one is twice as long.
            max_errors: Share of the questions that the server may refuse before the run ends.
            max_cost_usd: The run ends before a question could pass it.
            prices: A price table in place of the bundled one.
            batch: Prices are those of the Batch API.

        Raises:
            UserError: The URL is none, an entry of the file is wrong, the variable was named and is empty, or there is
                a cap and the model has no price.
        """
        self._addresses = addresses([url])
        if key_variable != KEY:
            self._addresses = [each.model_copy(update={"key_env": key_variable}) for each in self._addresses]
        shaping = {(each.parameters.model_dump_json(exclude={"limit_field"}), each.system) for each in self._addresses}
        if len(shaping) > 1:
            raise UserError(
                f"--endpoint {url}: its endpoints have different parameters or system messages. One run is one model "
                "under one setting. Give all of them the same, or run them apart."
            )
        self._dialect, self._system = self._addresses[0].parameters, self._addresses[0].system
        self._model, self._max_new_tokens, self._revision = model, max_new_tokens, revision
        self._concurrency, self._timeout_s, self._backoff_s = concurrency, timeout_s, backoff_s
        self._max_errors, self._temperature = max_errors, temperature
        self._budget = budget_for([model], load_table(prices), cap_usd=max_cost_usd, batch=batch)
        self.most_tokens = max_new_tokens + self._dialect.reasoning_tokens
        self._clients = [Client(each, model, timeout_s=timeout_s) for each in self._addresses]
        self._encoded: OrderedDict[str, bytes] = OrderedDict()
        self._encoded_bytes = 0
        self.used = Used()

    @property
    def name(self) -> str:
        """The model's name at the server."""
        return self._model

    @property
    def digest(self) -> str:
        """Addresses, model name and the revision that the user gave."""
        urls = ",".join(sorted(each.url for each in self._addresses))
        return f"endpoint:{urls}#{self._model}" + (f"@{self._revision}" if self._revision else "")

    @property
    def cacheable(self) -> bool:
        """Whether the digest changes with the model: only where the user gave a revision."""
        return bool(self._revision)

    @property
    def generation(self) -> Mapping[str, Any]:
        """Temperature and token limit, and what the endpoints file says otherwise."""
        otherwise = self._dialect.model_dump(mode="json", exclude={"limit_field", "seed"}, exclude_defaults=True)
        system = {"system": self._system} if self._system else {}
        return {"temperature": self._temperature, "max_new_tokens": self._max_new_tokens, **otherwise, **system}

    def sent_tokens(self, ask: Ask) -> int:
        """Return about how many tokens a question sends; of an image as many as one of 2048 pixels takes."""
        image = self._budget.prices[self._model].image.tokens(_LARGEST_PX, _LARGEST_PX, "high")
        before = sum(text_tokens(text) for _, text in ask.turns)
        return text_tokens(self._system) + before + text_tokens(ask.prompt) + len(ask.images) * image

    @property
    def budget(self) -> Budget:
        """What the run has spent, and its cap."""
        return self._budget

    def most_usd(self, ask: Ask) -> float:
        """Return what a question can cost."""
        price = self._budget.prices[self._model]
        return price.usd(self.sent_tokens(ask), self.most_tokens, batch=self._budget.batch)

    def estimate(self, asks: Sequence[Ask]) -> str:
        """Return in words the most that these questions send, bring back and cost, without sending any."""
        sent = sum(map(self.sent_tokens, asks))
        back = len(asks) * self.most_tokens
        price = self._budget.prices[self._model]
        usd = price.usd(sent, back, batch=self._budget.batch)
        cost = "its price is not known (--prices FILE)" if price is UNPRICED else f"at most ${usd:,.2f}"
        return f"{len(asks):,} questions, about {sent:,} tokens in, at most {back:,} out, {cost}"

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        """Yield answers as they come; those that the server refused come last, with its reason.

        Raises:
            UserError: The endpoint is down, refuses the key or more questions than may be, or keeps failing; answers
                so far have been yielded.
        """
        if any(ask.continuations for ask in asks):
            raise UserError(
                f"{self._addresses[0].url}: this protocol needs the likelihood of each option, which a chat endpoint "
                f"does not give. Ask a local checkpoint with --model, or choose another protocol of `gmai bench list`."
            )
        loop = asyncio.new_event_loop()
        arrived: Arrived = asyncio.Queue()
        run = loop.create_task(self._run(asks, open_image, arrived))
        tasks: list[asyncio.Task[Any]] = [run]
        try:
            while True:
                tasks[1:] = [loop.create_task(arrived.get())]
                item = loop.run_until_complete(tasks[1])
                if item is None:
                    break
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, asyncio.Event):
                    item.set()  # all answers before it are written down
                    continue
                yield item
            loop.run_until_complete(run)
            cost = f", ${self._budget.spent_usd:.2f}" if self._budget.spent_usd else ""
            say(f"{self._model}: {self.used.line()}{cost}")
        finally:
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _run(self, asks: Sequence[Ask], open_image: OpenImage, arrived: Arrived) -> None:
        """Ask every question and hand the refused ones over last, or the failure that ended it."""
        try:
            refused = await self._ask_all(asks, open_image, arrived)
        except Exception as error:
            arrived.put_nowait(error)
            return
        for answer in refused:
            arrived.put_nowait(answer)
        arrived.put_nowait(None)

    async def _ask_all(self, asks: Sequence[Ask], open_image: OpenImage, arrived: Arrived) -> Sequence[Answer]:
        """Send every question, each answer on its way to the file as it comes, and return the refused ones.

        At the first failure for good those in flight come home before it is raised.
        """
        pool = Pool([Server(client, self._dialect) for client in self._clients], self._concurrency)
        refused: list[Answer] = []

        async def one(ask: Ask) -> None:
            try:
                completion = await driver.ask(_Call(self, ask, open_image, self._budget))
            except RefusedError as refusal:
                # Kept back: where too many are refused the cause may be mended, and they are asked again.
                refused.append(Answer(ask.id, "", cut=False, refused=str(refusal)))
                if len(refused) > self._max_errors * len(asks):
                    raise self._too_many(refused, len(asks), pool.answered) from refusal
            except GaveUpError as failure:
                raise UserError(
                    f'{self._addresses[0].url}: question "{ask.id}" failed: {failure}. The endpoint must be up and '
                    f"answer chat completions. Start or repair it, then {KEPT}"
                ) from failure
            else:
                arrived.put_nowait(answer_of(ask, completion))

        async with Driver(pool, backoff_s=self._backoff_s, adaptable=self._adaptable, news=say) as driver:
            await driver.run(asks, one)
        return refused

    def _adaptable(self, field: str) -> bool:
        """Return whether a refused field may be sent otherwise: only the name of the limit changes no answer."""
        if field == "limit_field":
            return True
        raise UserError(
            f"{self._addresses[0].url}: the model does not take `{field}` as it is sent, and a benchmark does not "
            f"change its settings by itself. Give --endpoint a YAML list with `parameters: {{{field}: false}}`, "
            "which the report then shows."
        )

    def _too_many(self, refused: Sequence[Answer], of: int, answered: int) -> UserError:
        return UserError(
            f"{self._addresses[0].url}: {len(refused)} of {of} questions are refused and {answered} answered; "
            f"the last refusal: {refused[-1].refused}. More than {self._max_errors:.0%} (--max-errors) end the run, "
            f"and none of these is recorded. Check the model's name, that it takes images, its context length, "
            f"then {KEPT}"
        )

    def body(self, dialect: Dialect, ask: Ask, open_image: OpenImage) -> bytes:
        """Return the request; images go in as they were encoded once, past the JSON writer."""
        before = [("system", self._system), *ask.turns] if self._system else ask.turns
        earlier = "".join(json.dumps({"role": role, "content": text}) + ", " for role, text in before)
        parts = [
            dialect.head(self._model, self._max_new_tokens, temperature=self._temperature, seed=ask.seed),
            f', "messages": [{earlier}{{"role": "user", "content": ['.encode(),
        ]
        for digest in ask.images:
            parts += (b'{"type": "image_url", "image_url": {"url": "', self._data_uri(digest, open_image), b'"}}, ')
        parts += (json.dumps({"type": "text", "text": ask.prompt}).encode(), b"]}]}")
        return b"".join(parts)

    def _data_uri(self, digest: str, open_image: OpenImage) -> bytes:
        if digest in self._encoded:
            self._encoded.move_to_end(digest)
            return self._encoded[digest]
        mime, encoded = open_image.encoded(digest)
        uri = f"data:{mime};base64,".encode() + base64.b64encode(encoded)
        self._encoded[digest] = uri
        self._encoded_bytes += len(uri)
        while self._encoded_bytes > _ENCODED_BYTES and len(self._encoded) > 1:
            self._encoded_bytes -= len(self._encoded.popitem(last=False)[1])
        return uri
