"""The Batch API: submitted once, collected whole, with the queue of the provider and the dialect of the model."""

import asyncio
import json

import pytest
from gmai_data.generation.asking import FILTERED
from gmai_data.generation.batches import BatchAsker
from gmai_data.generation.journal import Journal
from gmai_data.generation.pending import Pending
from gmai_formats.chat.addresses import Address
from gmai_formats.chat.client import Client
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.limits import Limits
from gmai_formats.chat.pool import Endpoint
from gmai_formats.chat.prices import Budget, OutOfBudgetError, load_table
from gmai_formats.errors import UserError


@pytest.fixture(autouse=True)
def key(openai_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)


@pytest.fixture
def ask(maker, annotation, tmp_path):
    """Return a function that asks about 20 captions (or 40) by batches and returns the journal and the asker."""
    made = maker()
    tasks = [next(iter(made.tasks(annotation(number, boxes=()), str(number)))) for number in range(40)]

    def run(url, *, count=20, requests=50, cap_usd=None, dialect=None, azure=False):
        journal = Journal(tmp_path / "journal", "toy", 0, 4, "ab", retry=True)
        budget = Budget({"m": load_table().price("gpt-4o")}, batch=True, cap_usd=cap_usd)
        address = Address(url=url.removesuffix("/v1") if azure else url, azure=azure)
        endpoint = Endpoint(Client(address, "m", timeout_s=None), dialect or Dialect(response_format="json_schema"))
        asker = BatchAsker(endpoint, budget, tmp_path / "batches", Limits(requests=requests, poll_s=0.001))
        try:
            asyncio.run(asker.run(lambda: [Pending(task, journal, made) for task in tasks[:count]]))
        finally:
            journal.close()
        return journal, asker, budget

    run.tasks = tasks
    return run


def left(tmp_path):
    return sorted(path.suffix for path in (tmp_path / "batches").iterdir())


def test_batches_are_within_the_limits_and_their_input_is_removed(ask, tmp_path, openai_server):
    with openai_server.Server() as server:
        server.batch_polls = 2
        journal, asker, budget = ask(server.url, requests=7)
        assert [server.files[each["input_file_id"]].count(b"\n") for each in server.batches.values()] == [7, 7, 6]
        assert max(server.books.asked.values()) == 1
    assert (len(journal.replies), asker.asked.requests, asker.asked.answered) == (20, 20, 20)
    assert left(tmp_path) == [".json"] * 3
    assert budget.spent_usd == pytest.approx(journal.spent_usd)
    assert journal.spent_usd > 0
    assert budget.reserved_usd == pytest.approx(0)


@pytest.mark.parametrize("queue", [20, 14, 7])
def test_batches_wait_for_the_queue_of_the_provider(ask, tmp_path, openai_server, capfd, queue):
    with openai_server.Server() as server:
        server.queue_most, server.batch_polls = queue, 2
        journal, _, budget = ask(server.url, requests=7)
        assert max(server.books.asked.values()) == 1, "what the queue refused was not paid"
        assert (server.queue_refused > 0) == (queue < 20)
    assert len(journal.replies) == 20
    assert ("queue of batches is full" in capfd.readouterr().err) == (queue < 20)
    assert budget.reserved_usd == pytest.approx(0)
    assert ".jsonl" not in left(tmp_path)


def test_batches_that_never_fit_are_made_smaller(ask, tmp_path, openai_server, capfd):
    with openai_server.Server() as server:
        server.queue_most = 3
        journal, _, _ = ask(server.url, requests=20)
    assert len(journal.replies) == 20
    assert "at most 10 requests" in capfd.readouterr().err
    assert ".jsonl" not in left(tmp_path)


def test_a_model_that_takes_other_fields_is_asked_again_with_them(ask, openai_server):
    with openai_server.Server(behaviour="reasoning") as server:
        journal, asker, _ = ask(server.url, requests=7, dialect=Dialect(reasoning_tokens=2000))
        assert len(server.batches) == 9, "limit and temperature, each found out by one round"
    assert (len(journal.replies), journal.failures) == (20, {})
    assert asker.asked.answered == 20


@pytest.mark.parametrize(("fault", "final"), [("filtered", True), ("too large", True), ("500", False)])
def test_what_a_line_fails_for_is_final_only_where_it_cannot_pass(ask, tmp_path, openai_server, fault, final):
    with openai_server.Server() as server:
        first = ask.tasks[0]
        body = json.loads(first.request(0, None, "k").body(first.parameters, Dialect(response_format="json_schema")))
        name = openai_server.digest(body)
        server.faults = lambda body, _: fault if openai_server.digest(body) == name else None
        journal, _, _ = ask(server.url)
        assert set(journal.failures) == {first.key}
        assert (first.key in journal.passing) != final
        assert server.books.asked[name] == (1 if final else 5)
        server.faults = lambda *_: None
        again, _, _ = ask(server.url)
    assert len(again.replies) == (19 if final else 20)


@pytest.mark.parametrize("fault", ["quota", "401"])
def test_a_refused_account_ends_the_run_and_nothing_is_final(ask, openai_server, fault):
    with openai_server.Server(lambda *_: fault) as server:
        with pytest.raises(UserError, match="give the same command again"):
            ask(server.url)
        server.faults = lambda *_: None
        journal, _, _ = ask(server.url)
    assert (len(journal.replies), journal.failures) == (20, {})


def test_lines_that_expired_are_asked_in_the_next_batch(ask, openai_server):
    with openai_server.Server(lambda _, times: "drop" if times == 0 else None) as server:
        journal, asker, _ = ask(server.url)
        assert len(server.batches) == 2
    assert len(journal.replies) == 20
    assert asker.asked.retried == {"no line in a batch that is completed": 20}


def test_nothing_is_submitted_that_could_pass_the_cap(ask, tmp_path, openai_server):
    with openai_server.Server() as server:
        with pytest.raises(OutOfBudgetError):
            ask(server.url, cap_usd=0.001)
        assert not server.batches
    assert left(tmp_path) == []


def test_without_usage_a_line_costs_its_estimate(ask, openai_server):
    with openai_server.Server(behaviour="no usage") as server:
        journal, _, budget = ask(server.url)
    assert budget.estimated == 20
    assert journal.spent_usd == pytest.approx(budget.spent_usd)
    assert journal.spent_usd > 0.001


def test_a_filtered_line_is_paid_and_final(ask, openai_server):
    with openai_server.Server() as server:
        real = server.chat

        def filtered(body):
            status, headers, content, broken = real(body)
            return status, headers, content.replace(b'"stop"', b'"content_filter"'), broken

        server.chat = filtered
        journal, _, _ = ask(server.url)
    assert set(journal.failures.values()) == {FILTERED}
    assert journal.spent_usd > 0


def test_azure_has_paths_of_its_own(ask, openai_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", openai_server.KEY)
    with openai_server.Server() as server:
        journal, _, _ = ask(server.url, azure=True)
        assert all(path.startswith("/openai/") and "api-version=" in path for path in server.books.targets)
        assert not any("deployments" in path for path in server.books.targets)
        assert {each["endpoint"] for each in server.batches.values()} == {"/chat/completions"}
    assert len(journal.replies) == 20


def test_a_model_whose_replies_cannot_be_used_is_not_asked_for_repairs(ask, openai_server):
    with openai_server.Server(lambda *_: "refusal") as server:
        with pytest.raises(UserError, match="32 of the first 32 replies cannot be used"):
            ask(server.url, count=40)
        assert len(server.batches) == 1
        server.faults = lambda *_: None
        journal, _, _ = ask(server.url, count=40)
    assert sum("turns" in reply.text for reply in journal.replies.values()) == 40
