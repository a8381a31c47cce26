"""One endpoint by the openai library: its address, key and headers, bodies sent as the bytes they were built as.

The library's typed way of a request costs about three times the processor time; so it makes the headers once, and what
is sent with them goes past it. Files and batches, of which there are few, take its typed way (`Client.sdk`).
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from gmai_formats.chat.addresses import AZURE_ENDPOINT, AZURE_KEY, AZURE_TOKEN, AZURE_VERSION, Address
from gmai_formats.chat.refusals import Scrub
from gmai_formats.errors import UserError

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

_ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"


class Response(NamedTuple):
    """What came back, whole.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        content: Body.
        seconds: From sending to the last byte.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    seconds: float


class Client:
    """Asks one endpoint for chat completions; use it in an `async with` block."""

    def __init__(self, address: Address, model: str, *, timeout_s: float | None = 300.0) -> None:
        """Take the address; nothing is imported or sent yet.

        Args:
            address: See `Address`.
            model: Azure's deployment; elsewhere the bodies name it.
            timeout_s: Longest wait for one answer; None waits as long as bytes come, which suits large files.

        Raises:
            UserError: A named key is not set.
        """
        self.address, self._model, self._timeout_s = address, model, timeout_s
        self._key = address.key()
        self.scrub = Scrub(self._key)
        self._token: Callable[[], Awaitable[str]] | None = None
        self._headers: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """The base URL, without what stands behind a question mark."""
        return urlunsplit((*urlsplit(self.address.url)[:3], "", ""))

    @property
    def key_name(self) -> str:
        """The environment variable that holds the key."""
        return AZURE_KEY if self.address.azure else self.address.key_env

    @property
    def has_key(self) -> bool:
        """Whether a key or a token is sent."""
        return bool(self._key) or self.address.azure

    async def __aenter__(self) -> Self:
        import httpx2

        from gmai_formats.chat.wire import Wire

        refused = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        wire = Wire(self.address.url, self._timeout_s)
        http = httpx2.AsyncClient(transport=wire, cookies=refused, trust_env=False, follow_redirects=False)
        self.sdk = self._azure(http) if self.address.azure else self._openai(http)
        headers = {name: value for name, value in self.sdk.default_headers.items() if isinstance(value, str)}
        headers |= {"Content-Type": "application/json", **(self.sdk.auth_headers if self._token is None else {})}
        if not self._key and not self.address.azure:
            del headers["Authorization"]
        self._headers, self._http = list(headers.items()), http
        self._chat_url = httpx2.URL(f"{self.sdk.base_url}chat/completions").copy_merge_params(
            {name: str(value) for name, value in self.sdk.default_query.items()}
        )
        self._request = httpx2.Request
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sdk.close()

    def _openai(self, http: "httpx2.AsyncClient") -> "AsyncOpenAI":
        from openai import AsyncOpenAI

        query = dict(parse_qsl(urlsplit(self.address.url).query))
        return AsyncOpenAI(
            api_key=self._key or "none", base_url=self.url, default_query=query, http_client=http, max_retries=0
        )

    def _azure(self, http: "httpx2.AsyncClient") -> "AsyncOpenAI":
        import os

        from openai import AsyncAzureOpenAI

        token = os.environ.get(AZURE_TOKEN)
        self.scrub = Scrub(self._key, token or "")
        if not self._key and not token:
            self._token = _entra_tokens()
        return AsyncAzureOpenAI(
            azure_endpoint=self.url, azure_deployment=self._model, api_version=os.environ.get(AZURE_VERSION),
            api_key=self._key or None, azure_ad_token=None if self._key else token,
            azure_ad_token_provider=self._token, http_client=http, max_retries=0,
        )  # fmt: skip

    async def post(self, body: bytes) -> Response:
        """Send the body of a chat completion and return what comes back, whatever it is.

        Raises:
            NotSentError: There is no connection.
            LostError: The request went out, and no whole answer came.
        """
        headers = self._headers
        if self._token is not None:
            headers = [*headers, ("Authorization", f"Bearer {await self._token()}")]
        start_s = time.monotonic()
        answer = await self._http.send(self._request("POST", self._chat_url, headers=headers, content=body))
        return Response(answer.status_code, answer.headers, answer.content, time.monotonic() - start_s)


def _entra_tokens() -> Callable[[], Awaitable[str]]:
    """Return what gives the Entra token of whoever is signed in; the library of Azure keeps and renews it."""
    try:
        import importlib

        identity: Any = importlib.import_module("azure.identity.aio")
    except ImportError as error:
        raise UserError(
            f"${AZURE_ENDPOINT}: neither ${AZURE_KEY} nor ${AZURE_TOKEN} is set. Export one, or install azure-identity "
            "to use the Entra token of whoever is signed in: pip install azure-identity aiohttp"
        ) from error
    return identity.get_bearer_token_provider(identity.DefaultAzureCredential(), _ENTRA_SCOPE)
