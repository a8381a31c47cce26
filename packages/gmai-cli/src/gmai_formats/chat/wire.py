"""The wire under the openai library: aiohttp, without redirects and cookies, and sure of whether a request was sent."""

import ipaddress
import os
import ssl
import urllib.request
from urllib.parse import urlsplit

import aiohttp
import httpx2

from gmai_formats.errors import UserError

CONNECT_S = 30.0
"""Longest wait for a connection."""


class NotSentError(httpx2.ConnectError):
    """No connection: the server has seen nothing of the request, and nothing of it is paid."""


class LostError(httpx2.ReadError):
    """The request went out and no whole answer came back; an answer may have been made, and paid."""


class Wire(httpx2.AsyncBaseTransport):
    """Sends requests of one endpoint; connections are kept open, and there are as many as requests in flight."""

    def __init__(self, url: str, timeout_s: float | None) -> None:
        """Take the address; the connection is made with the first request.

        Args:
            url: Base URL of the endpoint, which decides about the proxy.
            timeout_s: Longest wait for a whole answer; None waits as long as bytes come.

        Raises:
            UserError: The proxy of the environment is of a kind that cannot be used.
        """
        self._proxy = proxy_of(url)
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_s, sock_connect=CONNECT_S, sock_read=300.0 if timeout_s is None else None
        )
        self._secure = url.startswith("https")
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=_trusted() if self._secure else True)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=self._timeout, auto_decompress=False
            )
        return self._session

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer, read to its end.

        Raises:
            NotSentError: Nothing was sent.
            LostError: Something was, and no answer came.
        """
        content = await request.aread()
        try:
            async with self._open().request(
                request.method,
                str(request.url),
                data=content or None,
                headers=request.headers,
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                body = await response.read()
        except aiohttp.ClientHttpProxyError as error:
            raise NotSentError(f"the proxy answers HTTP {error.status}") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise NotSentError(f"no connection: {_cause(error)}") from error
        except TimeoutError as error:
            raise LostError("no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise LostError("connection lost") from error
        return httpx2.Response(response.status, headers=response.raw_headers, content=body, request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()


def _cause(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "its certificate is not trusted; $SSL_CERT_FILE names a bundle of certificates that are"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "no host of this name is known"
    if isinstance(error, aiohttp.ClientConnectorError):
        at = "the proxy " if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
        why = os.strerror(error.errno) if error.errno else error.strerror or str(error)
        return f"{at}{error.host}:{error.port}: {why}"
    return type(error).__name__


def _trusted() -> ssl.SSLContext:
    """Return the certificates to trust: the usual ones, $SSL_CERT_FILE, $SSL_CERT_DIR, and those for curl."""
    context = httpx2.create_ssl_context()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if os.environ.get(name):
            context.load_verify_locations(cafile=os.environ[name])
    return context


def proxy_of(url: str) -> str | None:
    """Return the proxy for a URL by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or None.

    Raises:
        UserError: It is a SOCKS proxy, which the transport does not speak.
    """
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or _excepted(parts.hostname or "", parts.netloc.rpartition("@")[2], proxies.get("no", "")):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise UserError(
            f"${parts.scheme.upper()}_PROXY: a proxy of the kind {urlsplit(proxy).scheme} is set for {url}. Only http "
            "and https proxies are spoken. Name one, or put the host into $NO_PROXY."
        )
    return proxy


def _excepted(host: str, host_and_port: str, exceptions: str) -> bool:
    """Return whether $NO_PROXY names a host: by name, suffix, `*`, with a port, or by a network such as 10.0.0.0/8."""
    if urllib.request.proxy_bypass(host_and_port):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in exceptions.split(","):
        try:
            if address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
