"""The Batch API, whoever asks: a killed run collects what was submitted, and pays for nothing twice."""

import asyncio
import json

import pytest
from gmai_formats.chat.addresses import Address
from gmai_formats.chat.batches import Batches, Line
from gmai_formats.chat.client import Client
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.limits import Limits
from gmai_formats.chat.pool import Endpoint
from gmai_formats.chat.prices import Budget, OutOfBudgetError, load_table


@pytest.fixture(autouse=True)
def key(openai_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)
    monkeypatch.setattr(openai_server, "answer", lambda _prompt, _variant: "CT")


class Keeper:
    """Asks so many questions and keeps the answers in memory; `dies` ends it as a kill would, before they are kept."""

    def __init__(self, count, endpoint, dies=False):
        self.waiting = {f"key-{number}" for number in range(count)}
        self.endpoint, self.dies = endpoint, dies
        self.answers, self.failures = {}, {}
        self.kept = 0

    def lines(self, asked):
        for key in sorted(self.waiting - asked):
            head = self.endpoint.dialect.head("m", 20, temperature=0)
            messages = [{"role": "system", "content": "s"}, {"role": "user", "content": f"Modality: CT {key}"}]
            yield Line(key, head + b', "messages": ' + json.dumps(messages).encode() + b"}", 0.01)

    def waits(self, key=None):
        return bool(self.waiting) if key is None else key in self.waiting

    def take(self, key, completion):
        self.waiting.discard(key)
        self.answers[key] = completion.text
        return ""

    def failed(self, key, reason, *, passing):
        self.waiting.discard(key)
        self.failures[key] = (reason, passing)

    async def keep(self):
        if self.dies:
            raise KeyboardInterrupt
        self.kept += 1


def ask(url, folder, count=5, *, requests=50, cap_usd=None, dies=False, adaptable=lambda _: True, budget=None):
    endpoint = Endpoint(Client(Address(url=url), "m", timeout_s=None), Dialect())
    keeper = Keeper(count, endpoint, dies)
    budget = budget or Budget({"m": load_table().price("gpt-4o")}, batch=True, cap_usd=cap_usd)
    batches = Batches(endpoint, budget, folder, Limits(requests=requests, poll_s=0.001), adaptable=adaptable)
    asyncio.run(batches.run(keeper))
    return keeper, batches


def test_limits_are_those_of_the_batch_api():
    assert (Limits().requests, Limits().size_bytes, Limits().poll_s) == (50_000, 200_000_000, 60.0)


def test_every_request_is_answered_and_kept_batch_by_batch(tmp_path, openai_server):
    with openai_server.Server() as server:
        keeper, batches = ask(server.url, tmp_path, requests=2)
        assert len(server.batches) == 3
    assert sorted(keeper.answers) == [f"key-{n}" for n in range(5)]
    assert (keeper.kept, batches.requests, keeper.failures) == (3, 5, {})


def test_what_was_collected_and_not_kept_is_collected_again_and_not_paid_again(tmp_path, openai_server):
    with openai_server.Server() as server:
        with pytest.raises(KeyboardInterrupt):
            ask(server.url, tmp_path, dies=True)
        keeper, batches = ask(server.url, tmp_path)
        assert len(server.batches) == 1
        assert max(server.books.asked.values()) == 1
    assert (len(keeper.answers), batches.requests) == (5, 0)


def test_a_batch_above_the_cap_is_not_submitted(tmp_path, openai_server):
    with openai_server.Server() as server:
        with pytest.raises(OutOfBudgetError):
            ask(server.url, tmp_path, cap_usd=0.04)
        assert not server.batches
    assert not list(tmp_path.iterdir())


def test_a_refused_request_is_told_with_its_reason(tmp_path, openai_server):
    with openai_server.Server(faults=lambda body, times: "400" if "key-3" in str(body) else None) as server:
        keeper, _ = ask(server.url, tmp_path)
    assert len(keeper.answers) == 4
    ((name, (reason, passing)),) = keeper.failures.items()
    assert (name, passing) == ("key-3", False)
    assert reason.startswith("HTTP 400")


def test_a_field_is_sent_otherwise_only_where_that_may_be(tmp_path, openai_server):
    class NoError(Exception):
        pass

    def refuse(field):
        raise NoError(field)

    with openai_server.Server(behaviour="reasoning") as server, pytest.raises(NoError, match="limit_field"):
        ask(server.url, tmp_path, adaptable=refuse)
