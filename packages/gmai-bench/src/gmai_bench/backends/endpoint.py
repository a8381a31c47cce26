"""Any OpenAI-compatible chat endpoint (vLLM, `transformers serve`, OpenAI), with as many requests at once as it bears.

The event loop runs inside the iterator and only while an answer is awaited, so the caller writes each answer down
before the next is taken, and a run that is stopped leaves no thread behind.
"""

import asyncio
import base64
import contextlib
import json
import os
import random
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from gmai_formats.errors import UserError

from gmai_bench.backends.adaptive import AdaptiveLimit
from gmai_bench.backends.asks import Answer, Ask, OpenImage

KEY_VARIABLE = "OPENAI_API_KEY"
_RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)
_ATTEMPTS = 6
"""Tries of one question before the run stops; a refusal that names its wait does not count as one."""
_NAMED_WAITS = 100
"""Refusals with Retry-After that one question bears."""
_LONGEST_BACKOFF_S = 30.0
_ENCODED_BYTES = 256 << 20
"""Encoded images kept for the next question about the same image."""
_START = 16


class _Retry(Exception):  # noqa: N818 - a signal between two functions, no error a caller sees
    def __init__(self, reason: str, wait_s: float | None, *, refused: bool) -> None:
        super().__init__(reason)
        self.reason, self.wait_s, self.refused = reason, wait_s, refused


class Endpoint:
    """A model behind an OpenAI-compatible URL."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        max_new_tokens: int,
        concurrency: int = 128,
        revision: str = "",
        key_variable: str = KEY_VARIABLE,
        timeout_s: float = 300.0,
        backoff_s: float = 0.5,
    ) -> None:
        """Take the address; nothing is sent before the first question.

        Args:
            url: Base URL such as `http://127.0.0.1:8000/v1`.
            model: Name that the server knows the model by.
            max_new_tokens: Longest answer, in tokens.
            concurrency: Most requests in flight at once.
            revision: What the user says changes whenever the model behind the name does; without it answers are not
                taken from the cache.
            key_variable: Environment variable with the key; it is sent and never written anywhere.
            timeout_s: Longest wait for one answer.
            backoff_s: First wait after a failure; each further one is twice as long.

        Raises:
            UserError: The URL is none, or the variable was named and is empty.
        """
        self._base = _base_url(url)
        self._model, self._max_new_tokens, self._revision = model, max_new_tokens, revision
        self._concurrency, self._timeout_s, self._backoff_s = concurrency, timeout_s, backoff_s
        self._key_variable, self._key = key_variable, os.environ.get(key_variable, "")
        if key_variable != KEY_VARIABLE and not self._key:
            raise UserError(f"--api-key-env: ${key_variable} is not set. Export the key in it and run again.")
        self._limit_field = "max_tokens"
        self._encoded: OrderedDict[str, bytes] = OrderedDict()
        self._encoded_bytes = 0

    @property
    def name(self) -> str:
        """The model's name at the server."""
        return self._model

    @property
    def digest(self) -> str:
        """Address, model name and the revision that the user gave."""
        return f"endpoint:{self._base}#{self._model}" + (f"@{self._revision}" if self._revision else "")

    @property
    def cacheable(self) -> bool:
        """Whether the digest changes with the model: only where the user gave a revision."""
        return bool(self._revision)

    @property
    def generation(self) -> Mapping[str, Any]:
        """Greedy decoding and its token limit."""
        return {"temperature": 0, "max_new_tokens": self._max_new_tokens}

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        """Yield answers as they come.

        Raises:
            UserError: The endpoint is down, refuses the request, or keeps failing; answers so far have been yielded.
        """
        if any(ask.continuations for ask in asks):
            raise UserError(
                f"{self._base}: this protocol needs the likelihood of each option, which a chat endpoint does not "
                f"give. Ask a local checkpoint with --model, or choose another protocol of `gmai bench list`."
            )
        loop = asyncio.new_event_loop()
        arrived: asyncio.Queue[Answer | UserError | None] = asyncio.Queue()
        driver = loop.create_task(self._drive(asks, open_image, arrived))
        try:
            while (item := loop.run_until_complete(arrived.get())) is not None:
                if isinstance(item, UserError):
                    raise item
                yield item
            loop.run_until_complete(driver)
        finally:
            driver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(driver)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _drive(
        self, asks: Sequence[Ask], open_image: OpenImage, arrived: "asyncio.Queue[Answer | UserError | None]"
    ) -> None:
        """Send every question; at the first failure for good let those in flight come home, then report it."""
        limit = AdaptiveLimit(start=_START, most=self._concurrency)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        running: set[asyncio.Task[None]] = set()
        failures: list[UserError] = []
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:

            async def one(ask: Ask) -> None:
                try:
                    arrived.put_nowait(await self._ask(session, ask, open_image, limit))
                except UserError as error:
                    failures.append(error)

            try:
                for ask in asks:
                    # questions that wait for another try hold no slot, but no more of them than slots may pile up
                    while len(running) >= 2 * self._concurrency:
                        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    await limit.acquire()
                    if failures:
                        limit.release()
                        break
                    task = asyncio.create_task(one(ask))
                    running.add(task)
                    task.add_done_callback(running.discard)
                while running and not failures:
                    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                if running:
                    await asyncio.wait(running, timeout=_LONGEST_BACKOFF_S)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
        arrived.put_nowait(failures[0] if failures else None)

    async def _ask(
        self, session: aiohttp.ClientSession, ask: Ask, open_image: OpenImage, limit: AdaptiveLimit
    ) -> Answer:
        """Return the answer to one question; the caller has taken the first slot, later tries take their own."""
        failed = named_waits = 0
        while True:
            try:
                answer = await self._request(session, ask, open_image)
            except _Retry as retry:
                if retry.refused:
                    limit.refused()
                named = retry.wait_s is not None
                failed, named_waits = failed + (not named), named_waits + named
                if failed >= _ATTEMPTS or named_waits > _NAMED_WAITS:
                    raise self._failure(ask, retry.reason, failed + named_waits) from retry
                backoff_s = min(_LONGEST_BACKOFF_S, self._backoff_s * 2 ** max(0, failed - 1))
                wait_s = retry.wait_s if retry.wait_s is not None else backoff_s * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries
            else:
                limit.succeeded()
                return answer
            finally:
                limit.release()
            await asyncio.sleep(wait_s)
            await limit.acquire()

    async def _request(self, session: aiohttp.ClientSession, ask: Ask, open_image: OpenImage) -> Answer:
        try:
            async with session.post(f"{self._base}/chat/completions", data=self._body(ask, open_image)) as response:
                content = await response.read()
                status, retry_after = response.status, response.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _Retry(f"{type(error).__name__}: {error}"[:200], None, refused=False) from error
        if status in _RETRIED:
            raise _Retry(f"HTTP {status}: {self._excerpt(content)}", _wait_s(retry_after), refused=status != 500)
        if status == 400 and b"max_completion_tokens" in content and self._limit_field == "max_tokens":
            self._limit_field = "max_completion_tokens"  # newer OpenAI models refuse the older name
            return await self._request(session, ask, open_image)
        if status != 200:
            raise self._refusal(ask, status, content)
        try:
            choice = cast("dict[str, Any]", json.loads(content)["choices"][0])
            return Answer(ask.id, _text_of(choice["message"]).strip(), cut=choice.get("finish_reason") == "length")
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise _Retry(f"no chat completion in {self._excerpt(content)}", None, refused=False) from error

    def _body(self, ask: Ask, open_image: OpenImage) -> bytes:
        """Return the request; images go in as they were encoded once, past the JSON writer."""
        settings = {"model": self._model, "temperature": 0, self._limit_field: self._max_new_tokens}
        parts = [json.dumps(settings)[:-1].encode(), b', "messages": [{"role": "user", "content": [']
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

    def _excerpt(self, content: bytes) -> str:
        text = " ".join(content[:400].decode("utf-8", errors="replace").split())[:200] or "an empty answer"
        return text.replace(self._key, "(key)") if self._key else text

    def _failure(self, ask: Ask, reason: str, tries: int) -> UserError:
        return UserError(
            f'{self._base}: question "{ask.id}" failed {tries} times, at last with {reason}. The endpoint must be '
            f"up and answer chat completions. Start or repair it, then give the same command again: the answers so far "
            f"are kept."
        )

    def _refusal(self, ask: Ask, status: int, content: bytes) -> UserError:
        remedy = {
            401: f"Export a valid key in ${self._key_variable}" + ("" if self._key else " (it is not set)"),
            403: f"Export a key that may use this model in ${self._key_variable}",
            404: "Check the URL (it usually ends in /v1) and the model's name in --model",
            413: "The images are larger than the server takes; make them smaller or raise its limit",
        }.get(status, "Check the model's name, that it takes images, and its context length")
        return UserError(
            f'{self._base}: HTTP {status} to question "{ask.id}": {self._excerpt(content)}. It is not retried. '
            f"{remedy}, then give the same command again: the answers so far are kept."
        )


def _text_of(message: Mapping[str, Any]) -> str:
    content: Any = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in cast("list[dict[str, Any]]", content))
    if content is None:
        return str(message.get("refusal") or "")
    if not isinstance(content, str):
        raise TypeError("content")
    return content


def _wait_s(header: str | None) -> float | None:
    """Return the wait that a Retry-After header asks for, in seconds or as a date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(header))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    return None


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f'--endpoint "{url}": no http URL. Give the base, such as http://127.0.0.1:8000/v1.')
    if parts.username or parts.password:
        raise UserError(
            "--endpoint: the URL holds a user or password, which would stand in every report. "
            f"Take it out and export the key in ${KEY_VARIABLE}."
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
