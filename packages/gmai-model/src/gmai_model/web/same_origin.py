"""Who may talk to the page: a browser that has opened it by a name of this machine, and no other site in that browser.

Without it any site that the browser visits could fill the disk with uploads, and one that lets its own name point to
127.0.0.1 (DNS rebinding) could read what is answered.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any
from urllib.parse import urlsplit

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class SameOrigin:
    """An ASGI middleware: answers 403 to what comes by another name, or from another site.

    Args:
        app: What is asked behind it.
        hosts: Names, without ports, that the page is asked by; none takes any name, where a password protects it.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], hosts: Collection[str] = ()) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] in {"http", "websocket"} and (problem := refusal(scope["headers"], self._hosts)):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": problem.encode()})
            return
        await self._app(scope, receive, send)


def refusal(headers: Collection[tuple[bytes, bytes]], hosts: Collection[str]) -> str:
    """Return why a request is refused by its headers; nothing where it is not.

    Args:
        headers: Names in small letters and values, as ASGI has them.
        hosts: See `SameOrigin`.
    """
    named = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(named) != 1:
        return "One Host header is needed."
    if hosts and _name(named[0]) not in hosts:
        return f"This page is asked by {', '.join(sorted(hosts))} only. Open it by one of these names."
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    if any(urlsplit(origin).netloc.lower() != named[0].lower() for origin in origins):
        return "This page is asked from its own site only."
    return ""


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
