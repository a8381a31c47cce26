"""Tasks at a live server: what is asked, what is written down, and when a run ends."""

import asyncio
import json

import pytest
from gmai_data.generation.asking import FILTERED, Asker, Call
from gmai_data.generation.journal import Journal
from gmai_data.generation.pending import Pending
from gmai_formats.chat.addresses import Address
from gmai_formats.chat.client import Client
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.pool import Endpoint, Pool
from gmai_formats.chat.prices import Budget, OutOfBudgetError, budget_for, load_table
from gmai_formats.errors import UserError


@pytest.fixture(autouse=True)
def key(openai_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)


@pytest.fixture
def captions(maker, annotation):
    """Return a function that makes the caption tasks of so many records."""

    def make(count):
        made = maker()
        records = [annotation(number, boxes=()) for number in range(count)]
        return made, [next(iter(made.tasks(record, record.id))) for record in records]

    return make


def ask(url, made, tasks, journal, *, concurrency=16, budget=None, backoff_s=0.01, dialect=None):
    budget = budget or budget_for(["m"], load_table(), cap_usd=None, batch=False)
    endpoint = Endpoint(Client(Address(url=url), "m", timeout_s=5.0), dialect or Dialect())
    asker = Asker(Pool([endpoint], concurrency), budget, backoff_s=backoff_s)
    waiting = [Pending(task, journal, made) for task in tasks]
    try:
        asyncio.run(asker.run(waiting, lambda _: None, {0: journal}))
    finally:
        journal.close()
    return asker


def test_a_waiting_request_frees_its_slot(captions, journal, openai_server):
    arrived = []

    def faults(body, times):
        arrived.append(body["messages"][1]["content"][0]["image_url"]["url"][-8:])
        return "500" if len(arrived) == 1 else None

    with openai_server.Server(faults) as server:
        asker = ask(server.url, *captions(3), journal, concurrency=1, backoff_s=0.3)
    assert len(arrived) == 4
    assert arrived[3] == arrived[0], "the one that waited came last"
    assert asker.asked.retried == {"HTTP 500": 1}


def test_the_same_request_of_two_records_is_asked_once(maker, annotation, journal, openai_server):
    made = maker()
    twins = [annotation(number, id="twin") for number in (1, 1)]
    tasks = [task for twin in twins for task in made.tasks(twin, "digest")]
    with openai_server.Server(latency_s=0.05) as server:
        ask(server.url, made, tasks, journal, concurrency=32)
        assert sum(server.books.asked.values()) == len(tasks) / 2


def test_rate_limit_headers_hold_the_queue_back(captions, journal, openai_server):
    with openai_server.Server() as server:
        server.rate_headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "150ms"}
        ask(server.url, *captions(8), journal, concurrency=2)
        arrived_s = server.books.arrived_s
    assert len(arrived_s) == 8
    assert arrived_s[-1] - arrived_s[0] > 3 * 0.15 - 0.05, "two at once, and a wait after each pair"


@pytest.mark.parametrize(
    ("fault", "reason", "again"),
    [
        ("500", "HTTP 500: boom, 6 times", 1),
        ("filtered", "HTTP 400: The prompt was filtered", 0),
        ("too large", "HTTP 413", 0),
    ],
)
def test_only_what_the_server_refuses_for_good_is_final(
    captions, journal, tmp_path, openai_server, fault, reason, again
):
    made, tasks = captions(12)
    bad = tasks[5].key

    def faults(body, _times):
        return fault if body["messages"][1]["content"][0]["image_url"]["url"].endswith(mark) else None

    with openai_server.Server(lambda *_: None) as server:
        body = json.loads(tasks[5].request(0, None, bad).body(tasks[5].parameters, Dialect()))
        mark = body["messages"][1]["content"][0]["image_url"]["url"][-8:]
        server.faults = faults
        asker = ask(server.url, made, tasks, journal)
        assert journal.failures[bad].startswith(reason)
        assert asker.asked.outcomes == {"kept": 11, "no reply": 1}
        server.faults = lambda *_: None
        before = sum(server.books.asked.values())
        ask(server.url, made, tasks, Journal(tmp_path, "toy", 0, 4, "ab", retry=True))
        assert sum(server.books.asked.values()) - before == again
    now = Journal(tmp_path, "toy", 0, 4, "ab")
    assert (bad in now.replies, bad in now.failures) == (bool(again), not again)


@pytest.mark.parametrize("fault", ["quota", "401", "a day"])
def test_nothing_is_final_when_the_account_is_refused(captions, journal, tmp_path, openai_server, fault):
    made, tasks = captions(20)
    with openai_server.Server(lambda *_: None) as server:
        server.faults = lambda *_: fault if sum(server.books.asked.values()) > 5 else None
        with pytest.raises(UserError, match="give the same command again"):
            ask(server.url, made, tasks, journal, concurrency=2)
        assert not journal.failures
        server.faults = lambda *_: None
        again = Journal(tmp_path, "toy", 0, 4, "ab", retry=True)
        asker = ask(server.url, made, tasks, again)
    assert asker.asked.outcomes == {"kept": 20}
    assert max(server.books.delivered.values()) == 1, "nothing is paid twice"


def test_a_model_whose_replies_cannot_be_used_stops_early_and_is_asked_anew(captions, journal, tmp_path, openai_server):
    made, tasks = captions(60)
    with openai_server.Server(lambda *_: "refusal") as server:
        with pytest.raises(
            UserError, match=r"32 of the first 32 replies cannot be used.*I'm sorry, but I cannot assist"
        ):
            ask(server.url, made, tasks, journal, concurrency=4)
        assert sum(server.books.paid.values()) <= 32 + 4
        server.faults = lambda *_: None
        again = Journal(tmp_path, "toy", 0, 4, "ab", retry=True)
        paid_usd = again.spent_usd
        asker = ask(server.url, made, tasks, again)
    assert asker.asked.outcomes == {"kept": 60}, "no record is lost to the replies that were set aside"
    assert again.spent_usd >= paid_usd


def test_a_model_that_is_nearly_always_wrong_stops_too(captions, journal, openai_server):
    made, tasks = captions(120)
    good = iter(["first"])
    server = openai_server.Server(lambda *_: None if next(good, "") else "refusal")
    with server, pytest.raises(UserError, match="199 of the first 200 replies cannot be used"):
        ask(server.url, made, tasks, journal)


def test_some_bad_replies_do_not_stop_a_run(captions, journal, openai_server):
    made, tasks = captions(60)
    with openai_server.Server() as server:
        server.faults = lambda body, _: "invalid" if int(openai_server.digest(body)[:2], 16) % 2 else None
        asker = ask(server.url, made, tasks, journal)
    assert sum(asker.asked.outcomes.values()) == 60
    assert asker.asked.outcomes["kept"] > 20


@pytest.mark.parametrize("behaviour", ["", "reasoning", "thinking aloud", "no usage"])
@pytest.mark.parametrize("faulty", [False, True])
def test_any_kind_of_model_ends_with_balanced_books(captions, journal, openai_server, behaviour, faulty):
    made, tasks = captions(40)
    passing = ["500", "429", "drop", "drop after", "garbage"]

    def faults(body, times):
        number = int(openai_server.digest(body)[:4], 16) % 10
        return passing[number] if faulty and times == 0 and number < len(passing) else None

    dialect = Dialect(reasoning_tokens=2000, response_format="json_schema")
    with openai_server.Server(faults, behaviour=behaviour) as server:
        asker = ask(server.url, made, tasks, journal, dialect=dialect)
        paid, delivered = sum(server.books.paid.values()), sum(server.books.delivered.values())
    assert asker.asked.outcomes == {"kept": 40}
    assert delivered == asker.asked.answered == len(journal.replies) == 40
    lost = sum(asker.asked.retried[each] for each in ("connection lost", "no chat completion in the answer"))
    assert delivered <= paid <= delivered + lost
    assert all(reply.input_tokens > 0 < reply.output_tokens for reply in journal.replies.values())


def test_a_server_without_usage_is_held_to_the_cap_by_the_estimate(captions, journal, openai_server):
    made, tasks = captions(60)
    budget = Budget({"m": load_table().price("gpt-4o")}, batch=False, cap_usd=0.03)
    with openai_server.Server(behaviour="no usage") as server:
        with pytest.raises(OutOfBudgetError):
            ask(server.url, made, tasks, journal, budget=budget)
        answered = sum(server.books.delivered.values())
    assert 0 < answered < 60
    assert 0.01 < budget.spent_usd <= 0.03
    assert budget.spent_usd == pytest.approx(journal.spent_usd)
    assert budget.estimated == answered


def test_a_filtered_answer_is_paid_and_counted(captions, journal, openai_server):
    made, tasks = captions(1)
    choice = {"message": {"content": "half an"}, "finish_reason": "content_filter"}
    document = {"choices": [choice], "usage": {"prompt_tokens": 1000, "completion_tokens": 10}}
    budget = Budget({"m": load_table().price("gpt-4o")}, batch=False)
    with openai_server.Server() as server:
        server.route = lambda *_: (200, {}, json.dumps(document).encode(), False)
        ask(server.url, made, tasks, journal, budget=budget)
    assert journal.failures == {tasks[0].key: FILTERED}
    assert journal.spent_usd == pytest.approx(0.0026)


def test_thinking_in_a_field_of_its_own_is_read_where_there_is_no_content(captions, journal, openai_server):
    made, tasks = captions(1)
    text = openai_server.answer(tasks[0].text, "0123456789abcdef")
    message = {"content": None, "reasoning_content": f"I think it is this:\n{text}"}
    with openai_server.Server() as server:
        document = {"choices": [{"message": message, "finish_reason": "stop"}]}
        server.route = lambda *_: (200, {}, json.dumps(document).encode(), False)
        assert ask(server.url, made, tasks, journal).asked.outcomes == {"kept": 1}


@pytest.fixture
def call(captions, journal):
    """A request of a caption of an unknown size of answer, with something set aside for it."""
    made, (task,) = captions(1)
    budget = Budget({"m": load_table().price("gpt-4o")}, batch=False)
    pending = Pending(task, journal, made)
    made_call = Call(pending, task.request(0, None, task.key), budget)
    assert made_call.reserve()
    return made_call


def test_a_lost_answer_costs_the_most_that_it_can_have_cost(call, journal, tmp_path):
    most_tokens = call.request.prompt.specific.max_tokens
    usd = (2.5 * call.sent_tokens + 10 * most_tokens) / 1e6
    assert call.reserved_usd == call.budget.reserved_usd == pytest.approx(usd)
    call.settle(None, lost=True)
    assert call.budget.spent_usd == journal.spent_usd == pytest.approx(usd)
    assert call.budget.reserved_usd == pytest.approx(0)
    journal.close()
    again = Journal(tmp_path, "toy", 0, 4, "ab")
    assert again.spent_usd == pytest.approx(usd, abs=1e-8)
    assert again.replies == {}


def test_a_lost_answer_of_a_model_that_thinks_may_have_thought_all_it_may(call, journal):
    before = call.reserved_usd
    call.body(Dialect(reasoning_tokens=5000))
    call.settle(None, lost=True)
    assert journal.spent_usd == pytest.approx(before + 5000 * 10 / 1e6)


def test_what_was_refused_before_it_was_answered_costs_nothing(call, journal, tmp_path):
    call.settle(None)
    assert (call.budget.spent_usd, journal.spent_usd) == (0, 0)
    assert call.budget.reserved_usd == pytest.approx(0)
    journal.close()
    assert not list(tmp_path.rglob("*.jsonl"))


def test_an_answer_lost_between_server_and_run_is_counted_and_asked_again(captions, journal, openai_server):
    made, (task,) = captions(1)
    budget = Budget({"m": load_table().price("gpt-4o")}, batch=False)
    lost = Call(Pending(task, journal, made), task.request(0, None, task.key), budget)
    most_usd = (2.5 * lost.sent_tokens + 10 * lost.most_tokens) / 1e6
    with openai_server.Server(faults=lambda body, times: "drop after" if times == 0 else None) as server:
        ask(server.url, made, [task], journal, budget=budget)
        assert sum(server.books.paid.values()) == 2
    reply = journal.replies[task.key]
    paid_usd = (2.5 * reply.input_tokens + 10 * reply.output_tokens) / 1e6
    assert journal.spent_usd == budget.spent_usd == pytest.approx(most_usd + paid_usd)
    assert budget.reserved_usd == pytest.approx(0)
