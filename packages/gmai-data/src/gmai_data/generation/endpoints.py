"""OpenAI-compatible endpoints: where they are, whose key opens them, and how much each bears at the moment."""

import asyncio
import os
import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import yaml
from gmai_formats.errors import UserError, explain_validation
from pydantic import BaseModel, ConfigDict, Field, ValidationError

BASE_URL, KEY, ORGANISATION = "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_ORG_ID"
AZURE_ENDPOINT, AZURE_KEY, AZURE_VERSION = "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "OPENAI_API_VERSION"
"""Environment variables, named as the openai library names them."""
_COOL_DOWN_S = 1.0
_START = 16
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Address(BaseModel):
    """One entry of an endpoints file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    """Base URL such as http://node7:8000/v1."""
    weight: float = Field(default=1.0, gt=0)
    """Share of the requests, relative to the others."""
    key_env: str = KEY
    """Environment variable that holds the key; without one none is sent."""


@dataclass
class Endpoint:
    """An endpoint and what it bears: one more request in flight per round trip, half after a refusal (AIMD)."""

    url: str
    headers: Mapping[str, str]
    secret: str
    weight: float = 1.0
    query: str = ""
    most: int = 64
    in_flight: int = 0
    paused_until_s: float = 0.0
    answered: int = 0
    allowance: float = float("inf")
    """Requests left until `x-ratelimit-reset-requests`, by the last answer."""
    _size: float = float(_START)
    _doubling: bool = True
    _last_cut_s: float = field(default=float("-inf"))

    @property
    def size(self) -> int:
        """Requests that may be in flight now."""
        return max(1, min(self.most, int(self._size)))

    def chat_url(self) -> str:
        """Return the URL of chat completions."""
        return f"{self.url}/chat/completions{self.query}"

    def succeeded(self) -> None:
        """Grow after an answer."""
        self.answered += 1
        self._size = min(self.most, self._size + (1.0 if self._doubling else 1.0 / self._size))

    def refused(self, wait_s: float | None) -> None:
        """Shrink after a refusal, at most once a second, and send nothing for as long as it asks."""
        now_s = time.monotonic()
        if now_s - self._last_cut_s >= _COOL_DOWN_S:
            self._last_cut_s, self._doubling = now_s, False
            self._size = max(1.0, min(self._size, self.most) / 2)
        if wait_s:
            self.paused_until_s = max(self.paused_until_s, now_s + wait_s)

    def heed(self, headers: Mapping[str, str]) -> None:
        """Take what the rate-limit headers of an answer say: with nothing left, wait for the reset."""
        for what in ("requests", "tokens"):
            left, reset = headers.get(f"x-ratelimit-remaining-{what}"), headers.get(f"x-ratelimit-reset-{what}")
            if left is None or not left.strip().isdigit():
                continue
            if what == "requests":
                self.allowance = float(left)
            if int(left) == 0 and reset is not None:
                self.paused_until_s = max(self.paused_until_s, time.monotonic() + span_s(reset))
                self.allowance = float("inf")

    def scrub(self, text: str) -> str:
        """Return text of a server without the key and without images that it echoes."""
        text = re.sub(r"[A-Za-z0-9+/=]{200,}", "(image)", text)
        return text.replace(self.secret, "(key)") if self.secret else text


class Pool:
    """Hands out slots of several endpoints by their weights; a request that waits holds none."""

    def __init__(self, endpoints: Sequence[Endpoint], concurrency: int) -> None:
        """Divide the requests that may be in flight.

        Args:
            endpoints: At least one.
            concurrency: Most requests in flight of this process, over all endpoints.
        """
        self.endpoints = list(endpoints)
        total = sum(endpoint.weight for endpoint in endpoints)
        for endpoint in endpoints:
            endpoint.most = max(1, round(concurrency * endpoint.weight / total))
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._called = 0
        """Of those that waited: called, and not back yet."""
        self.most_in_flight = 0

    @property
    def answered(self) -> int:
        """Answers of all endpoints so far."""
        return sum(endpoint.answered for endpoint in self.endpoints)

    async def acquire(self) -> Endpoint:
        """Wait until an endpoint may be asked, and take a slot of it."""
        while True:
            now_s = time.monotonic()
            free = [
                each
                for each in self.endpoints
                if each.in_flight < each.size and each.paused_until_s <= now_s and each.allowance > 0
            ]
            if free:
                chosen = min(free, key=lambda each: (each.in_flight + 1) / each.weight)
                chosen.in_flight += 1
                chosen.allowance -= 1
                self.most_in_flight = max(self.most_in_flight, sum(each.in_flight for each in self.endpoints))
                return chosen
            pauses = [each.paused_until_s - now_s for each in self.endpoints if each.paused_until_s > now_s]
            # An allowance of a server that sends no further answer must not hold the queue for ever.
            if not await self._wait(min([*pauses, 5.0])):
                for each in self.endpoints:
                    if each.allowance <= 0 and not each.in_flight and each.paused_until_s <= time.monotonic():
                        each.allowance = float("inf")

    async def _wait(self, most_s: float) -> bool:
        """Wait for a slot, and return whether one was called out rather than the time over."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(future)
        timer = loop.call_later(most_s, lambda: future.done() or future.set_result(False))
        try:
            return await future
        finally:
            timer.cancel()
            if future.done() and not future.cancelled() and future.result():
                self._called -= 1

    def release(self, endpoint: Endpoint) -> None:
        """Give a slot back, and call as many of those that wait as there is room for."""
        endpoint.in_flight -= 1
        room = sum(max(0, each.size - each.in_flight) for each in self.endpoints)
        while self._waiting and self._called < room:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(True)
                self._called += 1


def addresses(given: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[Address]:
    """Return the endpoints named by `--endpoint`, or by the environment where there is none.

    Args:
        given: `URL`, `URL=WEIGHT`, or the path of a YAML file with a list of `url`, `weight`, `key_env`.
        environment: Holds OPENAI_BASE_URL.

    Raises:
        UserError: No endpoint is named, an entry is wrong, or a URL holds a password.
    """
    found: list[Address] = []
    for entry in given:
        if entry.endswith((".yaml", ".yml")):
            found += _from_file(Path(entry))
            continue
        url, _, weight = entry.partition("=") if re.search(r"=[\d.]+$", entry) else (entry, "", "")
        found.append(_address({"url": url, **({"weight": weight} if weight else {})}, f"--endpoint {_safe(entry)}"))
    if not found:
        url = environment.get(BASE_URL, "")
        if not url and environment.get(KEY):
            url = "https://api.openai.com/v1"
        if not url:
            raise UserError(
                f"--writer openai: no endpoint. Set ${BASE_URL} (and ${KEY}), ${AZURE_ENDPOINT} and ${AZURE_KEY}, or "
                "give --endpoint http://HOST:PORT/v1."
            )
        found.append(_address({"url": url}, f"${BASE_URL}"))
    return found


def connect(given: Sequence[str], model: str, environment: Mapping[str, str] = os.environ) -> list[Endpoint]:
    """Return the endpoints with their headers; see `addresses`. Azure is used where it alone is set up.

    Args:
        given: See `addresses`.
        model: Azure's deployment.
        environment: Holds keys and addresses.

    Raises:
        UserError: See `addresses`; or Azure's variables are incomplete.
    """
    azure = environment.get(AZURE_ENDPOINT, "")
    if azure and not given and not environment.get(BASE_URL):
        key, version = environment.get(AZURE_KEY, ""), environment.get(AZURE_VERSION, "")
        if not key or not version:
            missing = AZURE_KEY if not key else AZURE_VERSION
            raise UserError(f"${AZURE_ENDPOINT} is set, but ${missing} is not. Azure needs both; export it.")
        url = f"{_checked_url(azure, f'${AZURE_ENDPOINT}')}/openai/deployments/{model}"
        return [Endpoint(url, {"api-key": key}, key, query=f"?api-version={version}")]
    endpoints: list[Endpoint] = []
    for address in addresses(given, environment):
        key = environment.get(address.key_env, "")
        if not key and address.key_env != KEY:
            raise UserError(f"endpoint {address.url}: ${address.key_env} is not set. Export the key in it.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if environment.get(ORGANISATION):
            headers["OpenAI-Organization"] = environment[ORGANISATION]
        endpoints.append(Endpoint(address.url, headers, key, address.weight))
    return endpoints


def _from_file(path: Path) -> list[Address]:
    try:
        listed: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not readable as YAML ({error}). --endpoint takes a URL or such a file.") from error
    if not isinstance(listed, list) or not listed:
        raise UserError(f"{path}: not a list. An endpoints file is a YAML list of {{url, weight, key_env}}.")
    return [
        _address(entry, f"{path}: entry {number}") for number, entry in enumerate(cast("list[Any]", listed), start=1)
    ]


def _address(entry: Any, where: str) -> Address:
    try:
        address = Address.model_validate(entry)
    except ValidationError as error:
        raise explain_validation(error, where=where, known_fields=Address.model_fields) from error
    return address.model_copy(update={"url": _checked_url(address.url, where)})


def _checked_url(url: str, where: str) -> str:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise UserError(f"{where}: the URL holds a user or password, which logs would show. Export the key in ${KEY}.")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f'{where}: "{url}" is no http URL. Give the base, such as http://127.0.0.1:8000/v1.')
    return url.rstrip("/").removesuffix("/chat/completions")


def _safe(entry: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", entry)


def retry_after_s(header: str | None) -> float | None:
    """Return the wait that a Retry-After header asks for: seconds or a date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def span_s(text: str) -> float:
    """Return the seconds of a span as OpenAI writes it: `1s`, `6m0s`, `20ms`, or a bare number of seconds."""
    parts = _SPAN.findall(text)
    if parts:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0
