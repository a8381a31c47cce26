"""Calls of the Hugging Face client: patient where the Hub asks, one line where it refuses, never a secret."""

import contextlib
import email.utils
import importlib
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

from gmai_formats.errors import UserError

from gmai_cli.console import say

RepoType = Literal["model", "dataset"]
_T = TypeVar("_T")


class UnreachableError(UserError):
    """There is no way to the Hub."""


TRIES = 6
"""How often a call is made before its failure counts."""
FIRST_WAIT_S = 1.0
"""Wait before the second try; it doubles from try to try."""
LONGEST_WAIT_S = 900.0
"""A Hub that asks for more patience than this ends the command."""

_TRANSIENT = frozenset({408, 412, 429, 500, 502, 503, 504})
"""412: somebody else committed in between; the next try looks at the repository anew."""


def library() -> Any:
    """Return `huggingface_hub`, told to print nothing that could hold a secret.

    Raises:
        UserError: It is not installed.
    """
    try:
        hub: Any = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise UserError(
            "huggingface_hub, the client of the Hub, is not installed. Install it with: pip install huggingface_hub"
        ) from error
    for handler in logging.getLogger("huggingface_hub").handlers:
        if not any(isinstance(each, _Discreet) for each in handler.filters):
            handler.addFilter(_Discreet())
    if not sys.stderr.isatty():
        importlib.import_module("huggingface_hub.utils").disable_progress_bars()
    return hub


class _Discreet(logging.Filter):
    """Takes tokens and the signatures of upload addresses out of what the client logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = discreet(record.getMessage()), None
        return True


def discreet(text: str) -> str:
    """Return a text without access tokens and without the queries of its addresses, which carry signatures."""
    known = [os.environ.get("HF_TOKEN", ""), os.environ.get("HUGGING_FACE_HUB_TOKEN", "")]
    with contextlib.suppress(Exception):  # a broken token file is no reason not to print an error
        known.append(importlib.import_module("huggingface_hub").get_token() or "")
    for token in known:
        if len(token.strip()) >= 8:
            text = text.replace(token.strip(), "<token>")
    text = re.sub(r"\bhf_[A-Za-z0-9_]{8,}|(?i:(?<=bearer )[^\s,;]+)", "<token>", text)
    return re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\"]+", r"\1", text)


def patiently(call: Callable[[], _T], *, what: str, where: str, first_contact: bool = False) -> _T:
    """Return what a call of the client returns, trying again after failures that pass.

    The call must be one that can be made twice. A 429 waits as long as its Retry-After says, other failures that pass
    1, 2, 4, … seconds; each wait is a line on standard error.

    Args:
        call: What to do.
        what: Beginning of the messages, such as `push me/model`.
        where: The repository, for the remedies.
        first_contact: Whether nothing was asked before: then a Hub that cannot be reached is not waited for.

    Raises:
        UnreachableError: There is no way to the Hub.
        UserError: The Hub refuses, cannot be reached, or still fails after `TRIES` calls; one line, without secrets.
    """
    for number in range(TRIES):
        try:
            return call()
        except UserError:
            raise
        except Exception as error:  # the client lets the errors of its HTTP library through, whichever that is
            wait_s = _wait_s(error, number)
            unreachable = _response(error) is None and _is_a(error, "TransportError")
            last = number == TRIES - 1 or (first_contact and unreachable)
            if wait_s is None or last or wait_s > LONGEST_WAIT_S:
                kind = UnreachableError if unreachable else UserError
                raise kind(f"{what}: {_explain(error, where)}") from None  # its text may hold a token
            say(f"{what}: {_reason(error)}; trying again in {wait_s:.0f} s")
        time.sleep(wait_s)
    raise AssertionError  # the last try returns or raises


def not_a_repository(name: str) -> str:
    """Return the line about a name that no repository can have."""
    return (
        f'"{name}" is no repository id. It must read owner/name, of letters, digits, ".", "_" and "-", without "--", '
        '".git", a branch or an address. Correct it.'
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _response(error: BaseException) -> Any:
    found = (getattr(each, "response", None) for each in _chain(error))
    return next((each for each in found if hasattr(each, "status_code")), None)


def _is_a(error: BaseException, *names: str) -> bool:
    """Return whether a class of these names is behind an error; by name, as the client has changed its HTTP library."""
    return any(kind.__name__ in names for each in _chain(error) for kind in type(each).__mro__)


def _wait_s(error: BaseException, number: int) -> float | None:
    """Return how long to wait before the next try; None where another try would fail as well."""
    response = _response(error)
    backoff_s = FIRST_WAIT_S * 2**number
    if response is None:
        return backoff_s if _is_a(error, "TransportError") and not _is_a(error, "OfflineModeIsEnabled") else None
    if response.status_code not in _TRANSIENT:
        return None
    asked_s = _retry_after_s(response.headers) if response.status_code in (429, 503) else None
    return backoff_s if asked_s is None else asked_s


def _retry_after_s(headers: Any) -> float | None:
    """Read Retry-After (seconds or a date, RFC 9110 10.2.3) or the time to reset in the Hub's own RateLimit header."""
    text = str(headers.get("Retry-After") or "")
    if re.fullmatch(r"\d+", text):
        return float(text)
    with contextlib.suppress(ValueError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    reset = re.search(r"\bt=(\d+)", str(headers.get("RateLimit") or ""))
    return float(reset[1]) if reset else None


def _reason(error: BaseException) -> str:
    response = _response(error)
    if response is not None:
        return f"the Hub answered {response.status_code}"
    last = list(_chain(error))[-1]
    return discreet(f"{type(last).__name__}: {' '.join(str(last).split())[:160]}")


def _explain(error: BaseException, where: str) -> str:
    response = _response(error)
    status: int | None = response.status_code if response is not None else None
    text = " ".join(str(getattr(error, "server_message", None) or "").split())[:160]
    text = f" ({discreet(text)})" if text else ""
    if _is_a(error, "OfflineModeIsEnabled"):
        return "HF_HUB_OFFLINE is set, so nothing goes to the Hub. Unset it, or run this where there is a network."
    if _is_a(error, "HFValidationError"):
        return not_a_repository(where)
    if _is_a(error, "RevisionNotFoundError"):
        return f"{where} has no such revision{text}. Name a branch, a tag or a commit that the repository has."
    if status == 401 and not library().get_token():
        return f"{where} needs a token and there is none{text}. Run `hf auth login`, or export HF_TOKEN."
    if status == 401:
        return (
            f"the Hub does not accept the token{text}. Run `hf auth login` with a valid one, or export HF_TOKEN anew."
        )
    if status == 403:
        return (
            f"the token may not do this with {where}{text}. "
            f"Use a token with write access to that owner's repositories, or accept the terms on a gated one's page."
        )
    if status == 404:
        return f"the Hub knows no {where}, or the token may not see it{text}. Check the name and whose token it is."
    if status == 412:
        return f"{where} was changed by somebody else at every try. Run the same command again when they are done."
    if response is not None and status == 429:
        wait_s = _retry_after_s(response.headers)
        when = f"in {wait_s:.0f} s" if wait_s else "later"
        return f"the Hub asks for fewer requests (429){text}. Run the same command {when}; it goes on where it stopped."
    if status is not None:
        return f"the Hub answered {status}{text}. Run the same command again later; it goes on where it stopped."
    if _is_a(error, "TransportError"):
        return (
            f"the Hub at {library().constants.ENDPOINT} cannot be reached ({_reason(error)}). Check the network, the "
            f"proxy and HF_ENDPOINT, and run the same command again; it goes on where it stopped."
        )
    return f"the Hub's client failed ({_reason(error)}). Run the same command again; it goes on where it stopped."
