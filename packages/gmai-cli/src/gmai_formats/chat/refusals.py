"""An answer that is no completion ▶ what it is about: the request, the moment, the account, or the address."""

import contextlib
import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, cast

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
OVERLOADED = frozenset({429, 503, 529})
"""Refusals that ask for fewer requests."""
LONGEST_WAIT_S = 600.0
"""A server that asks for more patience ends the run, which the same command takes up."""
_ACCOUNT_CODES = frozenset(
    {
        "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "account_deactivated",
        "invalid_api_key", "invalid_organization", "model_not_found", "deploymentnotfound", "access_terminated",
        "insufficient_balance", "insufficient_credits", "unsupported_country_region_territory",
        "insufficient_user_quota", "exceeded_current_quota_error", "budget_exceeded", "arrearage",
    }
)  # fmt: skip
_ACCOUNT_WORDS = re.compile(
    r"exceeded your current quota|insufficient[ _](?:quota|balance|credit|fund)|credit balance is too low|"
    r"(?:incorrect|invalid) api key|billing (?:hard )?limit|"
    r"(?:reached|exceeded|over) (?:\S+ ){0,3}spending limit|budget has been exceeded|payment required|"
    r"used all available credits|no resource package|in good standing|overdue (?:account|bill|payment)|"
    r"account (?:\S+ ){0,3}is (?:not active|suspended|deactivated|overdue)|欠费|余额不足|请充值|"
    r"model (?:[`'\"]?[\w./:-]+[`'\"]? )?(?:does not exist|was not found|not found)",
    re.IGNORECASE,
)
_CONTENT_WORDS = re.compile(r"flagged|moderation|content[ _](?:polic|filter|management)|safety", re.IGNORECASE)
_LATER = re.compile(
    r"(?:try again|retry)(?: your request)? (?:in|after) "
    r"((?:\d+(?:\.\d+)? ?(?:ms|milliseconds?|s(?:ec\w*)?|m(?:in\w*)?|h(?:(?:ou)?rs?)?|d(?:ays?)?)\b"
    r"(?:,? (?:and )?)?)+|"
    r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)",
    re.IGNORECASE,
)
"""A wait that stands in the words alone, as of Azure, Gemini, Groq and Moonshot."""
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SAID_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]+)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Refusal(NamedTuple):
    """What a server says where it gives no completion.

    Attributes:
        status: HTTP status; that of the error inside where a gateway wraps it into a 200.
        code: Machine-readable code or type, in lower case.
        param: Field of the request that it is about.
        words: The server's own words, without key and images, at most 300 characters.
        wait_s: That it asks for.
    """

    status: int
    code: str
    param: str
    words: str
    wait_s: float | None = None

    @property
    def reason(self) -> str:
        """Return status and words, as they stand in messages and in the quarantine."""
        return f"HTTP {self.status}: {self.words}" if self.words else f"HTTP {self.status}"

    @property
    def of_account(self) -> bool:
        """Return whether key, money or model are refused: no other request fares better, and no waiting helps."""
        if self.status in (401, 402, 404):
            return True
        if self.status == 403:
            return not _CONTENT_WORDS.search(f"{self.code} {self.words}")
        named = self.code in _ACCOUNT_CODES or bool(_ACCOUNT_WORDS.search(self.words))
        return named and self.wait_s is None and self.status in (400, 422, 429, 503)

    @property
    def of_address(self) -> bool:
        """Return whether the server points elsewhere."""
        return 300 <= self.status < 400

    @property
    def passing(self) -> bool:
        """Return whether the same request may be taken later."""
        return self.status in RETRIED or self.status >= 500


def refusal_of(status: int, headers: Mapping[str, str], content: bytes, scrub: "Scrub") -> Refusal:
    """Return what an answer refuses, whatever form its error has.

    Args:
        status: HTTP status.
        headers: Of the answer, names in lower case.
        content: Of the answer.
        scrub: Takes secrets and images out.
    """
    text = content[:20_000].decode("utf-8", errors="replace")
    code = param = ""
    words: Any = text
    with contextlib.suppress(ValueError):
        document: Any = json.loads(content)
        if isinstance(document, list) and document:
            document = cast("list[Any]", document)[0]
        if isinstance(document, dict):
            fields = cast("dict[str, Any]", document)
            error: Any = fields.get("error", fields.get("detail", fields))
            if isinstance(error, list) and error:  # FastAPI's validation errors
                error = cast("list[Any]", error)[0]
            if isinstance(error, dict):
                inner = cast("dict[str, Any]", error)
                code = str(inner.get("code") or inner.get("type") or "").lower()
                loc: Any = inner.get("loc") or ()
                param = str(inner.get("param") or ".".join(map(str, loc)))
                words = inner.get("message") or inner.get("msg") or text
                known = str(inner.get("type") or "").lower()
                code = known if known in _ACCOUNT_CODES and code not in _ACCOUNT_CODES else code
            elif isinstance(error, str) and error:
                words = error
    if status == 200 and code.isdigit() and 400 <= int(code) < 600:
        status = int(code)  # OpenRouter and others send the status of the provider behind them in a 200
    elif status == 200 and (code in _ACCOUNT_CODES or _ACCOUNT_WORDS.search(str(words))):
        status = 429
    said = " ".join(f"{words} {_behind(words, text)}".split())
    asked = wait_s(headers)
    return Refusal(status, code, param, scrub(said)[:300], _said_s(said) if asked is None else asked)


_RAW = re.compile(r'"raw": ?"((?:[^"\\]|\\.)*)"')


def _behind(words: Any, text: str) -> str:
    """Return what the provider behind a gateway said, where the gateway says no more than that it did."""
    found = _RAW.search(text)
    if found is None or "provider" not in str(words).lower():
        return ""
    with contextlib.suppress(ValueError):
        return str(json.loads(f'"{found[1]}"'))
    return ""


def _said_s(words: str) -> float | None:
    """Return the wait that a server asks for in its words, or None."""
    found = _LATER.search(words)
    if found is None:
        return None
    parts = _SAID_SPAN.findall(found[1].lower())
    return sum(
        float(number) * _SECONDS["ms" if unit.startswith(("ms", "milli")) else unit[0]] for number, unit in parts
    )


class Scrub:
    """Takes the secrets of an endpoint, and the images that servers echo, out of their words."""

    def __init__(self, *secrets: str) -> None:
        """Take the secrets; empty ones are passed over."""
        self._secrets = [secret for secret in secrets if len(secret) > 3]

    def secrets(self, text: str) -> str:
        """Return the text without the secrets alone."""
        for secret in self._secrets:
            text = text.replace(secret, "(key)")
        return text

    def __call__(self, text: str) -> str:
        """Return the text without them."""
        text = self.secrets(text)
        return re.sub(r"[A-Za-z0-9+/=_-]{200,}", "(image)", text)


def wait_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait that `retry-after-ms` or `Retry-After` ask for: a number, or a date (RFC 9110, 10.2.3)."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(headers.get("retry-after-ms") or "none") / 1000)
    header = headers.get("retry-after") or ""
    with contextlib.suppress(ValueError):
        return max(0.0, float(header))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    return None


def span_s(text: str) -> float:
    """Return the seconds of a span: `1s`, `6m0s`, `20ms`, a number of seconds, or the date of its end."""
    parts = _SPAN.findall(text)
    if parts and not text.strip()[:4].isdigit():
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    with contextlib.suppress(ValueError):
        number = float(text)
        return max(0.0, number - time.time() if number > 1e9 else number)
    with contextlib.suppress(ValueError, TypeError):
        from datetime import datetime

        return max(0.0, datetime.fromisoformat(text.strip()).timestamp() - time.time())
    return 0.0
