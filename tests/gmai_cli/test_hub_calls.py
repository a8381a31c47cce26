"""How calls of the Hub's client fail, wait and are explained; `test_hub.py` makes real ones."""

import logging
from collections.abc import Callable
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_cli import hub_calls
from gmai_cli.hub_calls import TRIES, UnreachableError, _Discreet, _retry_after_s, discreet, library, patiently
from gmai_formats.errors import UserError


class TransportError(Exception):
    """Named as the one of the client's HTTP library."""


class OfflineModeIsEnabled(TransportError):  # noqa: N818 (the client's own name)
    """Named as the client's own."""


class HFValidationError(ValueError):
    """Named as the client's own."""


class RevisionNotFoundError(Exception):
    """Named as the client's own."""


def answered(status: int, message: str = "", **headers: str) -> Exception:
    """An error of the client about an answer of the Hub."""
    error: Any = RuntimeError("hf_secret00000 refused")
    error.response = SimpleNamespace(
        status_code=status, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    error.server_message = message
    return error


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(hub_calls.time, "sleep", waited.append)
    monkeypatch.setattr(library(), "get_token", lambda: "hf_given0000000")
    return waited


def failing(*errors: Exception) -> Callable[[], str]:
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


def attempt(*errors: Exception) -> str:
    return patiently(failing(*errors), what="push me/m", where="model me/m")


def test_failures_that_pass_are_waited_out_twice_as_long_each_time(
    waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    assert attempt(answered(500), answered(408), TransportError("reset"), answered(412), answered(504)) == "done"
    assert waits == [1, 2, 4, 8, 16]
    news = capsys.readouterr().err.splitlines()
    assert news[0] == "push me/m: the Hub answered 500; trying again in 1 s"
    assert news[2] == "push me/m: TransportError: reset; trying again in 4 s"


def test_the_last_try_is_the_sixth(waits: list[float]) -> None:
    assert TRIES == 6
    with pytest.raises(UserError, match=r"^push me/m: the Hub answered 502\. Run the same command again later"):
        attempt(*[answered(502)] * 6)
    assert waits == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(("asked", "waited"), [("900", [900.0]), ("901", [])])
def test_the_hub_may_ask_for_a_quarter_of_an_hour(waits: list[float], asked: str, waited: list[float]) -> None:
    if waited:
        assert attempt(answered(429, Retry_After=asked)) == "done"
    else:
        with pytest.raises(UserError, match=rf"fewer requests \(429\)\. Run the same command in {asked} s"):
            attempt(answered(429, Retry_After=asked))
    assert waits == waited


def test_retry_after_counts_for_429_and_503_only(waits: list[float]) -> None:
    attempt(answered(503, Retry_After="7"), answered(500, Retry_After="7"))
    assert waits == [7, 2]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (answered(401, "Invalid"), r"the Hub does not accept the token \(Invalid\)\. Run `hf auth login` with a valid"),
        (answered(403), r"the token may not do this with model me/m\. Use a token with write access"),
        (answered(404), r"the Hub knows no model me/m, or the token may not see it\. Check the name"),
        (answered(418, "x" * 200), r"the Hub answered 418 \(x{160}\)\. Run the same command again later"),
        (RevisionNotFoundError(), r"model me/m has no such revision\. Name a branch, a tag or a commit"),
        (HFValidationError("bad"), r'"model me/m" is no repository id\. It must read owner/name'),
        (OfflineModeIsEnabled("x"), r"HF_HUB_OFFLINE is set, so nothing goes to the Hub"),
        (ValueError("hf_secret00000  is\nodd"), r"the Hub's client failed \(ValueError: <token> is odd\)"),
    ],
)
def test_a_refusal_is_explained_at_once(waits: list[float], error: Exception, message: str) -> None:
    with pytest.raises(UserError, match=rf"^push me/m: {message}") as refused:
        attempt(error)
    assert waits == []
    assert "hf_secret" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_missing_token_is_told_from_a_false_one(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library(), "get_token", lambda: None)
    with pytest.raises(UserError, match=r"model me/m needs a token and there is none\. Run `hf auth login`, or export"):
        attempt(answered(401))


def test_what_still_fails_at_the_last_try_is_explained(waits: list[float]) -> None:
    with pytest.raises(UserError, match=r"changed by somebody else at every try"):
        attempt(*[answered(412)] * 6)
    with pytest.raises(UserError, match=r"the Hub at http\S+ cannot be reached \(TransportError: no route\)"):
        attempt(*[TransportError("no route")] * 6)


def test_a_hub_without_a_way_to_it_is_not_waited_for_at_the_first_contact(waits: list[float]) -> None:
    with pytest.raises(UnreachableError, match="cannot be reached"):
        patiently(failing(TransportError("no route")), what="push", where="me/m", first_contact=True)
    assert waits == []
    assert patiently(failing(answered(503)), what="push", where="me/m", first_contact=True) == "done"
    assert waits == [1]


def test_the_cause_of_an_error_counts(waits: list[float]) -> None:
    outer = RuntimeError("wrapped")
    outer.__cause__ = TransportError("reset")
    assert attempt(outer) == "done"
    assert waits == [1]


def test_an_error_of_ours_is_passed_on(waits: list[float]) -> None:
    with pytest.raises(UserError, match=r"^mine$"):
        attempt(UserError("mine"))
    assert waits == []


def test_a_date_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_calls.time, "time", lambda: 1_000_000_000.0)
    assert _retry_after_s({"Retry-After": formatdate(1_000_000_040, usegmt=True)}) == 40


def test_the_clients_log_holds_no_token() -> None:
    record = logging.LogRecord(
        "x", logging.INFO, "x.py", 1, "GET %s with hf_secret00000", ("https://s3/a?sig=1",), None
    )
    assert _Discreet().filter(record)
    assert record.getMessage() == "GET https://s3/a with <token>"


@pytest.mark.parametrize("token", ["short", "       ", ""])
def test_a_token_too_short_to_be_one_takes_nothing_out(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert discreet("a short       text") == "a short       text"


@pytest.mark.parametrize(
    ("headers", "due"),
    [
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"RateLimit": '"api";r=0;t=55'}, 55),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_the_hub_asks_to_wait(headers: dict[str, str], due: float | None) -> None:
    assert _retry_after_s(headers) == due


def test_what_counts_as_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "not-of-the-usual-form")
    text = (
        "token not-of-the-usual-form, hf_abcdefghijk, Bearer xyz, PUT https://s3.eu/a/b?X-Amz-Signature=9f&x=1 failed"
    )
    assert discreet(text) == "token <token>, <token>, Bearer <token>, PUT https://s3.eu/a/b failed"
