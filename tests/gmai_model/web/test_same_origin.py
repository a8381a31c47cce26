"""Requests by other names and from other sites are refused before anything reads them."""

import asyncio
from typing import Any

import pytest
from gmai_model.web.same_origin import SameOrigin, refusal

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def headers(host: str | None = "127.0.0.1:7860", *origins: str) -> list[tuple[bytes, bytes]]:
    named = [] if host is None else [(b"host", host.encode())]
    return [*named, (b"accept", b"*/*"), *((b"origin", origin.encode()) for origin in origins)]


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]:7860"])
def test_the_page_itself_is_answered(host: str) -> None:
    assert refusal(headers(host), HOSTS) == ""
    assert refusal(headers(host, f"http://{host}"), HOSTS) == ""
    assert refusal(headers(host, f"https://{host}"), HOSTS) == ""


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.", "", "127.0.0.1@evil.example", "[::1",
     "user@127.0.0.2:7860"],
)  # fmt: skip
def test_another_name_is_refused(host: str) -> None:
    assert "127.0.0.1, ::1, localhost only" in refusal(headers(host), HOSTS)
    assert refusal(headers("lab.example:7860"), ()) == ""


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://localhost:7860", "http://127.0.0.1:9999", "http://127.0.0.1",
     "file://", "http://127.0.0.1:7860.evil.example", "http://127.0.0.1:7860@evil.example"],
)  # fmt: skip
def test_another_site_is_refused(origin: str) -> None:
    assert refusal(headers("127.0.0.1:7860", origin), HOSTS) == "This page is asked from its own site only."
    assert refusal(headers("127.0.0.1:7860", "http://127.0.0.1:7860", origin), ()) != ""


def test_one_host_is_needed() -> None:
    assert refusal(headers(None), HOSTS) == "One Host header is needed."
    assert refusal([*headers(), (b"host", b"evil.example")], HOSTS) == "One Host header is needed."


@pytest.mark.parametrize(("kind", "sent"), [("http", "http.response.start"), ("websocket", "websocket.close")])
def test_what_is_refused_does_not_reach_the_page(kind: str, sent: str) -> None:
    asked: list[str] = []
    answered: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["type"])

    async def send(message: dict[str, Any]) -> None:
        answered.append(message)

    async def receive() -> None:
        raise AssertionError("read")

    middleware = SameOrigin(app, HOSTS)
    asyncio.run(middleware({"type": kind, "headers": headers("evil.example")}, receive, send))
    assert (asked, answered[0]["type"]) == ([], sent)
    assert answered[0].get("status", 403) == 403
    asyncio.run(middleware({"type": kind, "headers": headers()}, receive, send))
    asyncio.run(middleware({"type": "lifespan"}, receive, send))
    assert asked == [kind, "lifespan"]
