"""How much each endpoint bears at the moment, and slots for requests in flight, shared out by weight."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gmai_formats.chat.client import Client
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.refusals import LONGEST_WAIT_S, span_s
from gmai_formats.errors import UserError

_COOL_DOWN_S = 1.0
"""Refusals so soon after a cut belong to requests that were sent before it."""
_START = 16
KEPT = "give the same command again: the answers so far are kept."


@dataclass
class Endpoint:
    """An endpoint and what it bears: one more request in flight per round trip, half after a refusal (AIMD)."""

    client: Client
    dialect: Dialect = field(default_factory=Dialect)
    """What its requests look like; replaced when the server refuses a field."""
    most: int = 64
    in_flight: int = 0
    paused_until_s: float = 0.0
    paused_for: str = ""
    answered: int = 0
    allowance: float = float("inf")
    """Requests left until `x-ratelimit-reset-requests`, by the last answer."""
    left_out: list[str] = field(default_factory=list[str])
    """What the server refused and is sent otherwise, in words."""
    size_at_start: float = float(_START)

    def __post_init__(self) -> None:
        """Begin small and double until the first refusal."""
        self._size, self._doubling, self._last_cut_s = self.size_at_start, True, float("-inf")

    @property
    def url(self) -> str:
        """Its base URL."""
        return self.client.url

    @property
    def weight(self) -> float:
        """Its share of the requests."""
        return self.client.address.weight

    @property
    def size(self) -> int:
        """Requests that may be in flight now."""
        return max(1, min(self.most, int(self._size)))

    def succeeded(self) -> None:
        """Grow after an answer."""
        self.answered += 1
        self._size = min(self.most, self._size + (1.0 if self._doubling else 1.0 / self._size))

    def refused(self, wait_s: float | None, reason: str = "") -> None:
        """Shrink after a refusal, at most once a second, and send nothing for as long as it asks."""
        now_s = time.monotonic()
        if now_s - self._last_cut_s >= _COOL_DOWN_S:
            self._last_cut_s, self._doubling = now_s, False
            self._size = max(1.0, min(self._size, self.most) / 2)
        if wait_s:
            self._pause(wait_s, reason)

    def _pause(self, wait_s: float, reason: str) -> None:
        self.paused_until_s = max(self.paused_until_s, time.monotonic() + wait_s)
        self.paused_for = reason

    def heed(self, headers: Mapping[str, str]) -> None:
        """Take what the rate-limit headers of an answer say: with nothing left, wait for the reset."""
        for what in ("requests", "tokens"):
            left, reset = headers.get(f"x-ratelimit-remaining-{what}"), headers.get(f"x-ratelimit-reset-{what}")
            if left is None or not left.strip().isdigit():
                continue
            if what == "requests":
                self.allowance = float(left)
            if int(left) == 0 and reset is not None:
                self._pause(span_s(reset), f"its limit of {what} is used up")
                self.allowance = float("inf")


def too_long(endpoint: Endpoint, reason: str, wait_s: float) -> UserError:
    """Return the error that ends a run which would have to wait for hours."""
    hours, minutes = divmod(round(wait_s / 60), 60)
    return UserError(
        f"{endpoint.url}: {reason}. It asks for a wait of {hours} h {minutes:02d} min; more than "
        f"{LONGEST_WAIT_S / 60:.0f} minutes are not waited. After that time {KEPT}"
    )


class Pool:
    """Hands out slots of several endpoints by their weights; a request that waits for another try holds none."""

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
        """How many of those that waited were called and are not back yet."""
        self.most_in_flight = 0
        self.stopped: BaseException | None = None
        """Why the run ends; no slot is given out any more."""

    @property
    def answered(self) -> int:
        """Answers of all endpoints so far."""
        return sum(endpoint.answered for endpoint in self.endpoints)

    @property
    def in_flight(self) -> int:
        """Requests in flight at the moment."""
        return sum(endpoint.in_flight for endpoint in self.endpoints)

    async def acquire(self) -> Endpoint:
        """Wait until an endpoint may be asked, and take a slot of it.

        Raises:
            UserError: Every endpoint asks for a wait of more than `LONGEST_WAIT_S`.
        """
        while self.stopped is None:
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
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                return chosen
            pauses = [each.paused_until_s - now_s for each in self.endpoints if each.paused_until_s > now_s]
            if len(pauses) == len(self.endpoints) and min(pauses) > LONGEST_WAIT_S:
                soonest = min(self.endpoints, key=lambda each: each.paused_until_s)
                raise too_long(soonest, soonest.paused_for, min(pauses))
            # An allowance of a server that sends no further answer must not hold the queue for ever.
            if not await self._wait(min([*pauses, 5.0])):
                for each in self.endpoints:
                    if each.allowance <= 0 and not each.in_flight and each.paused_until_s <= time.monotonic():
                        each.allowance = float("inf")
        raise self.stopped

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
