"""Calls for files and batches: patient, and never made twice where the first may have arrived."""

import asyncio
import json

import pytest
from gmai_formats.chat import control
from gmai_formats.chat.addresses import Address
from gmai_formats.chat.client import Client
from gmai_formats.chat.control import patiently
from gmai_formats.chat.pool import Endpoint
from gmai_formats.errors import UserError


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(control.asyncio, "sleep", sleep)
    return slept


def retrieve(server, *, once=False):
    async def run():
        async with Client(Address(url=server.url), "m") as client:
            batches = client.sdk.batches

            def submit():
                return batches.create(input_file_id="f", endpoint="/v1/chat/completions", completion_window="24h")

            return await patiently(
                Endpoint(client), "look", submit if once else lambda: batches.retrieve("b1"), once=once
            )

    return asyncio.run(run())


def answers(server, *statuses):
    """Let the server answer with these one after another, then with a batch."""
    left = list(statuses)

    def route(*_):
        status, headers = left.pop(0) if left else (200, {})
        body = {"id": "b1", "status": "completed"} if status == 200 else {"error": {"message": "not now"}}
        return status, headers, json.dumps(body).encode(), status == 0

    server.route = route


def test_refusals_that_pass_are_waited_for(openai_server, quick):
    with openai_server.Server() as server:
        answers(server, (500, {}), (429, {"Retry-After": "30"}), (503, {}))
        assert retrieve(server).id == "b1"
    assert quick[:3] == [1.0, 30.0, 60.0]


def test_a_lost_answer_is_asked_for_again_unless_it_made_something(openai_server):
    with openai_server.Server() as server:
        answers(server, (0, {}))
        assert retrieve(server).id == "b1"
        answers(server, (0, {}))
        with pytest.raises(UserError, match="could not look: connection lost"):
            retrieve(server, once=True)


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (401, {}, "HTTP 401: not now"),
        (400, {}, "could not look: HTTP 400: not now"),
        (307, {"Location": "http://127.0.0.1:9/v1"}, "HTTP 307.*points to"),
        (429, {"Retry-After": "86400"}, "could not look: HTTP 429: not now"),
    ],
)
def test_what_does_not_pass_ends_with_the_server_s_words(openai_server, status, headers, message):
    with openai_server.Server() as server:
        answers(server, (status, headers))
        with pytest.raises(UserError, match=message):
            retrieve(server)
