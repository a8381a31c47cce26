"""Many requests in flight at a server that fails on demand: what is asked again, what ends the run, what is settled."""

import asyncio
import json

import pytest
from gmai_formats.chat.addresses import Address
from gmai_formats.chat.client import Client
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.driver import Driver, GaveUpError, RefusedError
from gmai_formats.chat.pool import Endpoint, Pool
from gmai_formats.errors import UserError

PROMPT = "Modality: CT\nRegion: chest\nLabels: cyst\nWrite a conversation of exactly one turn."


class Question:
    """A call with books of its own."""

    def __init__(self, number=0, image="", holds=0):
        self.number, self.image, self.holds = number, image, holds
        self.settled, self.bodies = [], []

    def body(self, dialect):
        self.bodies.append(dialect)
        user = {"role": "user", "content": f"{PROMPT}\nNumber: {self.number}{self.image}"}
        messages = [{"role": "system", "content": "s"}, user]
        return dialect.head("m", 300, temperature=0.7) + b', "messages": ' + json.dumps(messages).encode() + b"}"

    def reserve(self):
        self.holds -= 1
        return self.holds < 0

    def settle(self, completion, *, lost=False):
        self.settled.append("answer" if completion else "lost" if lost else "nothing")


@pytest.fixture(autouse=True)
def key(openai_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)


def ask(url, questions, *, concurrency=16, timeout_s=5.0, dialect=None, adaptable=lambda _: True, urls=()):
    """Return (answers by number, failures by number, driver)."""
    answers, failures, news = {}, {}, []

    async def run():
        clients = [Client(Address(url=each), "m", timeout_s=timeout_s) for each in (url, *urls)]
        endpoints = [Endpoint(client, dialect or Dialect()) for client in clients]
        pool = Pool(endpoints, concurrency)

        async def one(question):
            try:
                answers[question.number] = await driver.ask(question)
            except (RefusedError, GaveUpError) as error:
                failures[question.number] = error

        async with Driver(pool, backoff_s=0.01, adaptable=adaptable, news=news.append) as driver:
            driver.told = news
            await driver.run(questions, one)
        return driver

    return answers, failures, asyncio.run(run())


def test_every_request_is_asked_once_and_many_at_once(openai_server):
    questions = [Question(number) for number in range(100)]
    with openai_server.Server(latency_s=0.02) as server:
        answers, failures, driver = ask(server.url, questions, concurrency=32)
        assert set(server.books.asked.values()) == {1}
        assert server.books.most_in_flight <= 32
    assert (len(answers), failures, driver.requests, driver.answered) == (100, {}, 100, 100)
    assert all(question.settled == ["answer"] for question in questions)
    assert driver.pool.most_in_flight > 4


@pytest.mark.parametrize(
    ("fault", "reason", "first"),
    [
        ("500", "HTTP 500", "nothing"),
        ("503", "HTTP 503", "nothing"),
        ("429", "HTTP 429", "nothing"),
        ("529", "HTTP 529", "nothing"),
        ("milliseconds", "HTTP 429", "nothing"),
        ("garbage", "no chat completion in the answer", "lost"),
        ("drop", "connection lost", "lost"),
        ("drop after", "connection lost", "lost"),
    ],
)
def test_what_passes_is_asked_again_and_what_may_be_paid_is_in_the_books(openai_server, fault, reason, first):
    questions = [Question(number) for number in range(6)]
    with openai_server.Server(lambda _, times: fault if times == 0 else None) as server:
        answers, failures, driver = ask(server.url, questions)
        assert set(server.books.asked.values()) == {2}
        paid_and_lost = sum(server.books.paid.values()) - sum(server.books.delivered.values())
    assert (len(answers), failures, dict(driver.retried)) == (6, {}, {reason: 6})
    assert all(question.settled == [first, "answer"] for question in questions)
    assert paid_and_lost <= sum(question.settled.count("lost") for question in questions)


def test_a_server_s_own_words_are_in_what_is_given_up(openai_server):
    with openai_server.Server(lambda body, _: "500" if "Number: 3" in str(body) else None) as server:
        answers, failures, _ = ask(server.url, [Question(number) for number in range(8)])
    assert sorted(answers) == [0, 1, 2, 4, 5, 6, 7]
    assert isinstance(failures[3], GaveUpError)
    assert str(failures[3]) == "HTTP 500: boom, 6 times"


@pytest.mark.parametrize(
    ("fault", "words"), [("filtered", "HTTP 400: The prompt was filtered"), ("too large", "HTTP 413: image too large")]
)
def test_a_refused_request_is_refused_alone(openai_server, fault, words):
    with openai_server.Server(lambda body, _: fault if "Number: 3" in str(body) else None) as server:
        answers, failures, _ = ask(server.url, [Question(number) for number in range(8)])
        assert max(server.books.asked.values()) == 1
    assert len(answers) == 7
    assert isinstance(failures[3], RefusedError)
    assert str(failures[3]).startswith(words)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("quota", r"HTTP 429: You exceeded your current quota.*Fill or change the account, then give the same command"),
        ("401", r"HTTP 401: boom\. It is not retried\. Export a valid key in \$OPENAI_API_KEY, then"),
        ("404", r"HTTP 404: boom.*Check the URL .* and the model's name"),
        ("a day", r"HTTP 429: daily limit\. It asks for a wait of 24 h 00 min"),
    ],
)
def test_account_and_long_waits_end_the_run_at_once(openai_server, fault, message):
    with openai_server.Server(lambda *_: fault) as server:
        with pytest.raises(UserError, match=message):
            ask(server.url, [Question(number) for number in range(64)], concurrency=4)
        assert sum(server.books.asked.values()) <= 4


def test_those_in_flight_come_home_when_the_run_ends(openai_server):
    questions = [Question(number) for number in range(40)]
    with openai_server.Server(lambda body, _: "quota" if "Number: 2" in str(body) else None, latency_s=0.05) as server:
        with pytest.raises(UserError, match="quota"):
            ask(server.url, questions, concurrency=8)
        assert sum(server.books.delivered.values()) == sum(each.settled == ["answer"] for each in questions) >= 7


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_ends_the_run_and_nothing_is_sent_there(openai_server, status):
    with openai_server.Server() as elsewhere, openai_server.Server() as server:
        server.route = lambda *_: (status, {"Location": f"{elsewhere.url}/chat/completions"}, b"", False)
        with pytest.raises(UserError, match=rf"HTTP {status}.*Name the address that it points to"):
            ask(server.url, [Question()])
        assert not elsewhere.books.targets


@pytest.mark.parametrize("in_flight", [1, 2, 16])
def test_none_in_flight_is_lost_when_a_field_is_refused(openai_server, in_flight):
    questions = [Question(number) for number in range(3 * in_flight)]
    with openai_server.Server(latency_s=0.05, behaviour="reasoning") as server:
        answers, failures, driver = ask(
            server.url, questions, concurrency=in_flight, dialect=Dialect(reasoning_tokens=2000)
        )
    assert (len(answers), failures) == (3 * in_flight, {})
    (endpoint,) = driver.pool.endpoints
    assert (endpoint.dialect.limit_field, endpoint.dialect.temperature) == ("max_completion_tokens", False)
    assert len(driver.told) == 2, "each field is told of once, whoever found out"
    assert all(answer.reasoning_tokens == openai_server.THOUGHT_TOKENS for answer in answers.values())
    assert all(question.settled[-1] == "answer" and "lost" not in question.settled for question in questions)


def test_a_field_that_must_stay_is_not_dropped(openai_server):
    def only_the_limit(field):
        if field != "limit_field":
            raise UserError(f"{field} stays")
        return True

    with openai_server.Server(behaviour="reasoning") as server, pytest.raises(UserError, match="temperature stays"):
        ask(server.url, [Question()], adaptable=only_the_limit)
    with openai_server.Server(behaviour="reasoning") as server:
        _, failures, _ = ask(server.url, [Question()], adaptable=lambda _: False)
    assert "max_completion_tokens" in str(failures[0])


def test_a_server_that_is_down_is_told_from_a_bad_request(openai_server):
    with openai_server.Server() as server:
        url = server.url
    with pytest.raises(UserError, match=r"6 tries ended with: no connection.*must be up.*give the same command again"):
        ask(url, [Question(number) for number in range(5)])


def test_a_request_that_is_held_back_waits_and_holds_no_slot(openai_server):
    held = Question(0, holds=2)
    others = [Question(number) for number in range(1, 6)]
    with openai_server.Server(latency_s=0.01) as server:
        answers, _, _ = ask(server.url, [held, *others], concurrency=1)
    assert len(answers) == 6
    assert held.settled == ["answer"]


def test_keys_and_echoed_images_are_in_no_message(openai_server):
    question = Question(image=f" data:image/png;base64,{'iVBORw0KGgo' * 60}")
    with openai_server.Server(lambda *_: "400") as server:
        _, failures, _ = ask(server.url, [question])
    assert openai_server.KEY not in str(failures[0])
    assert "iVBORw0KGgo" not in str(failures[0])


def test_a_bug_ends_the_run_and_is_shown(openai_server):
    class Broken(Question):
        def body(self, dialect):
            raise ZeroDivisionError

    with openai_server.Server() as server, pytest.raises(ZeroDivisionError):
        ask(server.url, [Broken(), *(Question(number) for number in range(1, 9))], concurrency=2)
