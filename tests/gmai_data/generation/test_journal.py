"""What a journal remembers, of which build, and for how long."""

import pytest
from gmai_data.generation.journal import Journal, Outcome, Reply, spent_before_usd
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import advance


@pytest.fixture
def task(maker, annotation):
    return next(iter(maker().tasks(annotation(), "digest")))


def test_a_failure_counts_for_its_build_alone(task, journal, tmp_path):
    journal.add_failure(task.key, "HTTP 400: no")
    assert advance(task, journal).detail == "HTTP 400: no"
    journal.close()
    assert isinstance(advance(task, Journal(tmp_path, "toy", 0, 4, "ab")), Outcome)
    assert isinstance(advance(task, Journal(tmp_path, "toy", 0, 4, "cd")), Request)


def test_a_failure_that_may_pass_counts_until_it_is_asked_again(task, journal, tmp_path):
    journal.add_failure(task.key, "HTTP 500, 6 times", passing=True)
    journal.close()
    assembled = Journal(tmp_path, "toy", 0, 4, "ab")
    assert advance(task, assembled).detail == "HTTP 500, 6 times"
    assert assembled.passing == {task.key}
    again = Journal(tmp_path, "toy", 0, 4, "ab", retry=True)
    assert isinstance(advance(task, again), Request)
    again.add_reply(task.key, Reply("{}"))
    again.close()
    later = Journal(tmp_path, "toy", 0, 4, "ab")
    assert (later.failures, later.passing) == ({}, set())
    assert task.key in later.replies


def test_a_reply_that_is_set_aside_is_paid_and_asked_for_anew(journal, tmp_path):
    journal.add_reply("k", Reply("sorry"), 0.5)
    journal.add_outcome("k", Outcome("dropped", reply="k", check="refusal"))
    journal.set_aside("k")
    journal.set_aside("unknown")
    journal.close()
    again = Journal(tmp_path, "toy", 0, 4, "ab")
    assert (dict(again.replies), again.outcome("k"), again.spent_usd) == ({}, None, 0.5)
    again.add_reply("k", Reply("better"), 0.25)
    again.close()
    for _ in range(2):
        later = Journal(tmp_path, "toy", 0, 4, "ab")
        assert (later.replies["k"].text, later.spent_usd) == ("better", 0.75)


def test_lost_answers_cost_their_build(journal, tmp_path):
    journal.add_lost("k", 0.125)
    journal.close()
    assert Journal(tmp_path, "toy", 0, 4, "ab").spent_usd == 0.125
    assert Journal(tmp_path, "toy", 0, 4, "cd").spent_usd == 0


def test_journals_are_found_whatever_the_number_of_shards_and_torn_lines_are_asked_again(journal, tmp_path):
    journal.add_reply("k1", Reply("one", seconds=1.5))
    journal.add_reply("k2", Reply("two"))
    journal.close()
    (path,) = tmp_path.rglob("*.jsonl")
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    torn = Journal(tmp_path, "toy", 0, 4, "ab")
    assert (set(torn.replies), torn.torn) == ({"k1"}, 1)
    assert torn.replies["k1"] == Reply("one", seconds=1.5)
    assert set(Journal(tmp_path, "toy", 1, 8, "cd").replies) == {"k1"}
    assert not Journal(tmp_path, "toy", 2, 8, "cd").replies, "another range of items"
    assert not Journal(tmp_path, "other", 0, 4, "cd").replies
    assert set(Journal(tmp_path, "toy", 0, 2, "cd").replies) == {"k1"}


def test_what_a_build_spent_is_known_without_opening_its_journal(tmp_path):
    journal = Journal(tmp_path, "toy", 1, 4, "0123abcd")
    journal.add_reply("a", Reply('an answer about usd"'), 0.5)
    journal.add_reply("free", Reply("nothing"))
    journal.add_lost("b", 0.25)
    journal.close()
    other = Journal(tmp_path, "toy", 1, 4, "4567abcd")
    other.add_reply("c", Reply("of another build"), 7.0)
    other.close()
    assert spent_before_usd(tmp_path, "toy", 1, 4, "0123abcd") == journal.spent_usd == 0.75
    assert spent_before_usd(tmp_path, "toy", 2, 4, "0123abcd") == 0.0
