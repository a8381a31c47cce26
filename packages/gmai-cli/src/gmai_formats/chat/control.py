"""Calls of a provider beside chat completions (files, batches, models): patient where it asks, never paid twice."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gmai_formats.chat.driver import stop
from gmai_formats.chat.pool import KEPT, Endpoint
from gmai_formats.chat.refusals import refusal_of
from gmai_formats.chat.wire import NotSentError
from gmai_formats.errors import UserError

_PATIENCE_S = 600.0
"""A call that is refused for the moment is repeated for so long."""
T = TypeVar("T")


async def patiently(endpoint: Endpoint, what: str, call: Callable[[], Awaitable[T]], *, once: bool = False) -> T:
    """Return what a call brings; refusals that pass are waited for.

    Args:
        endpoint: That is called.
        what: The call does, for messages.
        call: One of `endpoint.client.sdk`.
        once: It makes something, and is not repeated where its answer is lost: the caller looks what became of it.

    Raises:
        UserError: It is refused for good, or for too long.
    """
    from openai import APIConnectionError, APIStatusError

    wait_s, deadline_s = 1.0, time.monotonic() + _PATIENCE_S
    while True:
        try:
            return await call()
        except APIStatusError as error:
            answer = error.response
            refusal = refusal_of(error.status_code, answer.headers, answer.content, endpoint.client.scrub)
            if refusal.of_account or refusal.of_address:
                raise stop(endpoint, refusal) from None
            passing, reason = refusal.passing, refusal.reason
            wait_s = max(wait_s, refusal.wait_s or 0.0)
        except APIConnectionError as error:
            passing, reason = not once or isinstance(error.__cause__, NotSentError), str(error.__cause__ or error)
        if not passing or time.monotonic() + wait_s > deadline_s:
            raise UserError(
                f"{endpoint.url}: could not {what}: {reason}. The endpoint must take files and batches. Check the key "
                f"and the URL, then {KEPT}"
            )
        await asyncio.sleep(wait_s)
        wait_s = min(60.0, wait_s * 2)
