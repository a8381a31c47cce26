"""Endpoints: how they are named, what they bear, and what rate limits they state."""

import asyncio
import time

import pytest
from gmai_data.generation.endpoints import Endpoint, Pool, addresses, connect, retry_after_s, span_s
from gmai_formats.errors import UserError


def test_endpoints_come_from_options_files_and_the_environment(tmp_path):
    named = addresses(["http://a:8000/v1", "http://b:8000/v1=2.5"], {})
    assert [(each.url, each.weight) for each in named] == [("http://a:8000/v1", 1.0), ("http://b:8000/v1", 2.5)]
    (tmp_path / "nodes.yaml").write_text("- {url: http://c/v1, weight: 3, key_env: MINE}\n- {url: http://d/v1/}\n")
    listed = addresses([str(tmp_path / "nodes.yaml")], {})
    assert [(each.url, each.key_env) for each in listed] == [("http://c/v1", "MINE"), ("http://d/v1", "OPENAI_API_KEY")]
    assert addresses([], {"OPENAI_BASE_URL": "http://e/v1"})[0].url == "http://e/v1"
    assert addresses([], {"OPENAI_API_KEY": "k"})[0].url == "https://api.openai.com/v1"


def test_keys_go_into_headers_and_azure_has_its_own():
    (plain,) = connect(["http://a/v1"], "m", {"OPENAI_API_KEY": "k"})
    assert plain.headers == {"Authorization": "Bearer k"}
    assert plain.chat_url() == "http://a/v1/chat/completions"
    azure = {
        "AZURE_OPENAI_ENDPOINT": "https://x.azure.com/",
        "AZURE_OPENAI_API_KEY": "z",
        "OPENAI_API_VERSION": "2024-10-21",
    }
    (endpoint,) = connect([], "gpt-4o", azure)
    assert endpoint.headers == {"api-key": "z"}
    assert endpoint.chat_url() == (
        "https://x.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
    )


@pytest.mark.parametrize(
    ("given", "environment", "message"),
    [
        ([], {}, "no endpoint. Set .OPENAI_BASE_URL"),
        (["ftp://a"], {}, "no http URL"),
        (["http://me:secret@a/v1"], {}, "holds a user or password"),
        (["nodes.yaml"], {}, "not readable as YAML"),
        ([], {"AZURE_OPENAI_ENDPOINT": "https://x"}, "AZURE_OPENAI_API_KEY is not"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(given, environment, message):
    with pytest.raises(UserError, match=message) as caught:
        connect(given, "m", environment)
    assert "secret" not in str(caught.value)


def test_what_a_server_echoes_is_told_without_key_and_images():
    told = Endpoint("http://a/v1", {}, "sk-1").scrub(f"bad sk-1 data:image/png;base64,{'iVBORw0KGgo' * 40}")
    assert told == "bad (key) data:image/png;base64,(image)"


def test_limit_grows_with_answers_and_halves_with_refusals_once_a_second():
    endpoint = Endpoint("http://a/v1", {}, "", most=100)
    start = endpoint.size
    for _ in range(10):
        endpoint.succeeded()
    assert endpoint.size == start + 10
    for _ in range(5):
        endpoint.refused(None)
    assert endpoint.size == (start + 10) // 2
    for _ in range(5):
        endpoint.succeeded()
    assert endpoint.size == (start + 10) // 2, "one more only per round trip now"


def test_headers_of_rate_limits_are_heeded():
    endpoint = Endpoint("http://a/v1", {}, "")
    endpoint.heed({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1s"})
    assert endpoint.allowance == 3
    assert endpoint.paused_until_s == 0
    endpoint.heed({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"})
    assert 350 < endpoint.paused_until_s - time.monotonic() <= 360


def test_spans_and_waits():
    assert [span_s(text) for text in ("1s", "6m0s", "20ms", "1h2m", "7", "soon")] == [1, 360, 0.02, 3720, 7, 0]
    assert retry_after_s("2.5") == 2.5
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_s("soon") is None


def test_slots_follow_the_weights_and_a_paused_endpoint_gets_none():
    async def run():
        light, heavy, paused = (Endpoint(f"http://{name}/v1", {}, "", weight) for name, weight in
                                (("l", 1.0), ("h", 3.0), ("p", 1.0)))  # fmt: skip
        pool = Pool([light, heavy, paused], 20)
        paused.refused(60)
        taken = [await pool.acquire() for _ in range(8)]
        assert (taken.count(light), taken.count(heavy), taken.count(paused)) == (2, 6, 0)
        for endpoint in (light, heavy):
            endpoint.most = endpoint.in_flight
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        pool.release(heavy)
        assert await waiting is heavy

    asyncio.run(run())


def test_freed_slots_are_called_out_in_order_and_never_to_one_who_left():
    async def run():
        endpoint = Endpoint("http://a/v1", {}, "", _size=1)
        pool = Pool([endpoint], 4)
        got: list[str] = []

        async def take(name):
            await pool.acquire()
            got.append(name)

        await take("first")
        waiting = {name: asyncio.create_task(take(name)) for name in "abcde"}
        await asyncio.sleep(0)
        waiting["a"].cancel()
        await asyncio.sleep(0)
        endpoint.succeeded()  # room for one more
        pool.release(endpoint)
        waiting["b"].cancel()  # called, and gone before it could take the slot
        await asyncio.sleep(0.01)
        pool.release(endpoint)
        await asyncio.sleep(0.01)
        assert got == ["first", "c", "d", "e"]
        assert pool.most_in_flight == 2

    asyncio.run(run())
