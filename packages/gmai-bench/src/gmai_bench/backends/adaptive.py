"""How many requests are in flight: one more per round trip while all goes well, half of them after a refusal (AIMD)."""

import asyncio
from collections import deque

COOL_DOWN_S = 1.0
"""Refusals so soon after a cut belong to requests sent before it."""


class AdaptiveLimit:
    """A semaphore whose size follows what the server bears."""

    def __init__(self, *, start: int, most: int) -> None:
        """Begin with `start` requests in flight and never pass `most`; until the first refusal the size doubles."""
        self._size, self._most = float(min(start, most)), most
        self._doubling = True
        self._in_flight = 0
        self._last_cut_s = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def size(self) -> int:
        """Requests allowed in flight now."""
        return max(1, int(self._size))

    async def acquire(self) -> None:
        """Wait for a free slot and take it."""
        while self._in_flight >= self.size:
            free = asyncio.get_running_loop().create_future()
            self._waiting.append(free)
            await free
        self._in_flight += 1

    def release(self) -> None:
        """Give a slot back."""
        self._in_flight -= 1
        self._wake()

    def succeeded(self) -> None:
        """Grow after an answer."""
        self._size = min(self._most, self._size + (1.0 if self._doubling else 1.0 / self._size))
        self._wake()

    def refused(self) -> None:
        """Halve after a refusal, at most once in `COOL_DOWN_S`."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._last_cut_s >= COOL_DOWN_S:
            self._last_cut_s, self._doubling = now_s, False
            self._size = max(1.0, self._size / 2)

    def _wake(self) -> None:
        for _ in range(self.size - self._in_flight):
            if not self._waiting:
                return
            free = self._waiting.popleft()
            if not free.done():
                free.set_result(None)
