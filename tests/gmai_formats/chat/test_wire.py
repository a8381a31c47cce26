"""Proxies, redirects, cookies, and whether a request that failed was sent."""

import asyncio
import socket
import ssl

import httpx2
import pytest
from gmai_formats.chat.wire import LostError, NotSentError, Wire, proxy_of
from gmai_formats.errors import UserError

PROXIES = [f"{kind}_{case}" for kind in ("http", "https", "all", "no") for case in ("proxy",)]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "http://h/v1", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://h/v1", "http://p:1"),
        ({"http_proxy": "p:1"}, "http://h/v1", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "https://h/v1", None),
        ({"HTTPS_PROXY": "http://me:pw@p:1"}, "https://h/v1", "http://me:pw@p:1"),
        ({"ALL_PROXY": "http://p:1"}, "https://h/v1", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "h"}, "http://h/v1", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": ".example.org"}, "http://a.example.org/v1", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "example.org"}, "http://a.example.org/v1", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "h:8000"}, "http://h:8000/v1", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "h:8000"}, "http://h:9000/v1", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, "http://h/v1", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8, x"}, "http://10.1.2.3:8000/v1", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, "http://11.1.2.3:8000/v1", "http://p:1"),
    ],
)
def test_the_proxy_of_a_url_is_the_one_that_curl_would_take(environment, variables, url, proxy):
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_of(url) == proxy


def test_a_socks_proxy_is_refused_with_the_remedy(environment):
    environment.setenv("HTTPS_PROXY", "socks5://p:1")
    with pytest.raises(UserError, match=r"HTTPS_PROXY: a proxy of the kind socks5 .*NO_PROXY"):
        proxy_of("https://h/v1")


def send(url, timeout_s=5.0, times=1):
    async def run():
        wire = Wire(url, timeout_s)
        try:
            for _ in range(times):
                answer = await wire.handle_async_request(
                    httpx2.Request("POST", f"{url}/chat/completions", content=b"{}")
                )
            return answer
        finally:
            await wire.aclose()

    return asyncio.run(run())


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_what_found_no_connection_was_not_sent(environment):
    with pytest.raises(NotSentError, match=r"no connection: 127.0.0.1:.*Connection refused"):
        send(f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(NotSentError, match="no host of this name"):
        send("http://nowhere.invalid/v1")
    environment.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotSentError, match=r"no connection: the proxy 127.0.0.1"):
        send("http://model.invalid/v1")


def test_what_went_out_and_brought_nothing_is_lost(openai_server):
    with openai_server.Server() as server:
        server.route = lambda *_: (0, {}, b"", True)
        with pytest.raises(LostError, match="connection lost"):
            send(server.url)
        server.route = lambda *_: (200, {}, b"{}", False)
        server.latency_s = 2.0
        with pytest.raises(LostError, match="no answer in time"):
            send(server.url, 0.1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(openai_server, status):
    with openai_server.Server() as elsewhere, openai_server.Server() as server:
        server.route = lambda *_: (status, {"Location": f"{elsewhere.url}/chat/completions"}, b"", False)
        assert send(server.url).status_code == status
        assert not elsewhere.books.targets


def test_cookies_are_not_kept(openai_server):
    with openai_server.Server() as server:
        server.route = lambda *_: (200, {"Set-Cookie": "stick=1; Path=/"}, b"{}", False)
        send(server.url.replace("127.0.0.1", "localhost"), times=2)
        assert len(server.books.heads) == 2
        assert not any("cookie:" in head.lower() for head in server.books.heads)


def test_a_plain_request_goes_through_the_proxy_with_its_password(environment, openai_server):
    with openai_server.Server() as proxy:
        proxy.route = lambda *_: (200, {}, b"{}", False)
        environment.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1").replace("//", "//me:pw@"))
        send("http://model.hospital.invalid/v1")
        assert list(proxy.books.targets) == ["http://model.hospital.invalid/v1/chat/completions"]
        assert "proxy-authorization: basic bwu6chc=" in proxy.books.heads[0].lower()


def test_a_proxy_that_refuses_the_tunnel_has_sent_nothing(environment, openai_server):
    with openai_server.Server() as proxy:
        proxy.route = lambda *_: (407, {}, b"", False)
        environment.setenv("HTTPS_PROXY", proxy.url.removesuffix("/v1"))
        with pytest.raises(NotSentError, match="the proxy answers HTTP 407"):
            send("https://model.hospital.invalid/v1")
        assert list(proxy.books.targets) == ["model.hospital.invalid:443"]


def test_a_certificate_bundle_of_the_site_is_trusted_too(environment, tmp_path):
    from gmai_formats.chat import wire

    before = len(wire._trusted().get_ca_certs())
    bundle = tmp_path / "site.pem"
    authority = next(iter(ssl.create_default_context().get_ca_certs(binary_form=True)), None)
    if authority is None:
        pytest.skip("no certificate authorities on this machine: install ca-certificates")
    bundle.write_text(ssl.DER_cert_to_PEM_cert(authority))
    environment.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    assert len(wire._trusted().get_ca_certs()) >= max(before, 1)
