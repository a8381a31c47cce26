"""A task and what follows from it: what is yielded, and what the journal is told."""

import json

import pytest
from gmai_data.generation.journal import Outcome, Reply
from gmai_data.generation.pending import Asked, Pending, fault_of, settle
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import FAILED
from gmai_data.vocabulary import Kind

ANSWER = "A Dermoscopy image of the skin, on which alpha stands out with a smooth and dark texture."
GOOD = json.dumps({"turns": [{"question": "What is seen here?", "answer": ANSWER}]})


@pytest.fixture
def pending(maker, annotation, journal):
    def make(**settings):
        made = maker(**settings)
        return Pending(next(iter(made.tasks(annotation(), "digest"))), journal, made)

    return make


def test_a_run_begins_with_nothing():
    one, other = Asked(), Asked()
    one.retried["timeout"] += 1
    assert (other.requests, other.answered, other.retried, other.outcomes) == (0, 0, {}, {})


def test_a_missing_reply_is_a_request(pending):
    first = pending()
    ((of, state),) = settle(first)
    assert of is first
    assert isinstance(state, Request)
    assert state.key == first.task.key
    assert first.journal.outcome(first.task.key) is None


def test_an_outcome_is_written_down_once(pending, tmp_path):
    first = pending()
    first.journal.add_reply(first.task.key, Reply(GOOD))
    for _ in range(2):
        ((_, state),) = settle(first)
        assert isinstance(state, Outcome)
        assert (state.state, state.reply) == ("accepted", first.task.key)
    first.journal.close()
    (path,) = tmp_path.rglob("*.jsonl")
    assert [json.loads(line).get("state") for line in path.read_text().splitlines()] == [None, "accepted"]


def test_a_failure_is_no_outcome_that_stays(pending):
    first = pending()
    first.journal.add_failure(first.task.key, "HTTP 500", passing=True)
    ((_, state),) = settle(first)
    assert (state.state, state.check, state.detail) == ("quarantined", FAILED, "HTTP 500")
    assert first.journal.outcome(first.task.key) is None


def test_an_accepted_text_is_followed_by_its_translation_and_opinion(pending):
    first = pending(translate={Kind.IMAGE_CAPTION: 1.0}, judge="j", judge_share=1.0)
    first.journal.add_reply(first.task.key, Reply(GOOD))
    states = [(each.task.id.removeprefix(first.task.id), type(state)) for each, state in settle(first)]
    assert states == [("", Outcome), ("#opinion", Request)], "nothing is translated before the judge has said its word"
    counted = pending(translate={Kind.IMAGE_CAPTION: 1.0}, judge="j", judge_filters=False)
    counted.journal.add_reply(counted.task.key, Reply(GOOD))
    states = [(each.task.id.removeprefix(first.task.id), type(state)) for each, state in settle(counted)]
    assert states == [("", Outcome), ("#opinion", Request), ("#zh", Request)]


@pytest.mark.parametrize(
    ("said", "follows", "fault"),
    [
        ({"consistent": True, "fault": "none", "reason": "fits"}, ["", "#opinion", "#zh"], None),
        ({"consistent": False, "fault": "place", "reason": "left"}, ["", "#opinion"], ("place", "left")),
        ({"consistent": False, "fault": "Weird", "reason": "x"}, ["", "#opinion"], ("other", "x")),
        ({"consistent": False, "reason": "x"}, ["", "#opinion"], ("other", "x")),
    ],
)
def test_what_the_judge_says_decides_on_the_translation(pending, said, follows, fault):
    first = pending(translate={Kind.IMAGE_CAPTION: 1.0}, judge="j")
    first.journal.add_reply(first.task.key, Reply(GOOD))
    *_, (_, request) = settle(first)
    first.journal.add_reply(request.key, Reply(json.dumps(said)))
    states = list(settle(first))
    assert [
        each.task.id.removeprefix(first.task.id) for each, _ in states if not each.task.id.endswith("#zh#opinion")
    ] == follows
    assert fault_of(*states[1]) == fault


def test_without_a_usable_opinion_the_text_is_kept_and_translated(pending):
    first = pending(translate={Kind.IMAGE_CAPTION: 1.0}, judge="j")
    first.journal.add_reply(first.task.key, Reply(GOOD))
    *_, (about, request) = settle(first)
    first.journal.add_failure(request.key, "HTTP 500", passing=True)
    states = list(settle(first))
    assert [each.task.id.removeprefix(first.task.id) for each, _ in states] == ["", "#opinion", "#zh"]
    assert fault_of(about, states[1][1]) is None


def test_nothing_follows_from_a_text_that_is_dropped(pending):
    first = pending(translate={Kind.IMAGE_CAPTION: 1.0}, judge="j", judge_share=1.0)
    said = json.dumps({"turns": [{"question": "What?", "answer": ANSWER.replace("alpha", "a sorry sight")}]})
    for _ in range(3):
        *_, (_, state) = settle(first)
        if isinstance(state, Request):
            first.journal.add_reply(state.key, Reply(said))
    ((_, state),) = settle(first)
    assert (state.state, state.check) == ("dropped", "label not mentioned")
