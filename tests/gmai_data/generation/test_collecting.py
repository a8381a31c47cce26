"""Asking for all that shards lack: the cap of each task, what was spent before, and what a run says it cost."""

import json
from dataclasses import replace

import pytest
from gmai_data.generation.collecting import ask, connect
from gmai_data.generation.journal import Outcome, Reply
from gmai_data.generation.pending import Pending, settle
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writers import WriterOptions
from gmai_data.generation.writing import WriteJob, tasks_of
from gmai_data.markers import WRITTEN, set_marker
from gmai_data.tables import ANNOTATIONS, TableFiles
from gmai_formats.chat.limits import Limits
from gmai_formats.errors import UserError

ONE_FORM = {"report_share": 0.0, "reasoning_share": 0.0}
"""Every free instruction is asked for by the same prompt."""


@pytest.fixture(autouse=True)
def key(openai_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def job(recipe, annotation, tmp_path):
    """Return a function that makes shard `number` of four, of so many images."""

    def make(number=0, count=4, **settings):
        folder = tmp_path / f"shard-{number}"
        with TableFiles(folder, "annotations", ANNOTATIONS, single=True) as table:
            table.add_rows([annotation(10 * number + each, boxes=()).row() for each in range(count)])
        writing = WritingSettings(**{"writer": "openai", "model": "gpt-4o", **ONE_FORM, **settings})
        return WriteJob(recipe, number, 4, folder, tmp_path / "journal", "ab", writing, load_prompts(), 0.0, 0)

    return make


def options(*urls, **changes):
    given = {"concurrency": 4, "timeout_s": 5.0, "backoff_s": 0.01, "yes": True, "limits": Limits(poll_s=0.001)}
    return WriterOptions(urls, **{**given, **changes})


def test_every_reply_is_fetched_and_what_it_cost_is_said(job, tmp_path, openai_server, capfd):
    made = job()
    with openai_server.Server() as server:
        assert ask([made], made.settings, options(server.url), tmp_path / "work", 1)
        asked = sum(server.books.paid.values())
    journal = made.journal()
    assert {task.key for task, _ in tasks_of(made, made.maker())} <= journal.replies.keys()
    assert asked == len(journal.replies)
    said = capfd.readouterr().err
    assert f"${journal.spent_usd:.2f} in all" in said
    assert "tried again" not in said


def test_what_assembled_shards_cost_is_spent_and_they_are_not_asked_again(job, tmp_path, openai_server, capfd):
    done, missing = job(0), job(1, 1)
    set_marker(done.folder, WRITTEN, {"spent_usd": 7.25, "passing": 0}, ())
    with openai_server.Server() as server:
        assert ask([done, missing], missing.settings, options(server.url), tmp_path / "work", 1)
    assert done.journal().replies == {}
    spent_usd = 7.25 + missing.journal().spent_usd
    assert f"${spent_usd:.2f} in all" in capfd.readouterr().err


def test_answers_lost_on_the_way_in_an_earlier_run_count_towards_the_cap(job, tmp_path, openai_server, capfd):
    looked_at, made = job(0, 1), job(1)
    before = made.journal()
    before.add_lost("lost", 0.5)
    before.add_reply("other", Reply("paid"), 0.25)
    before.close()
    with openai_server.Server() as server:
        assert ask([looked_at], made.settings, options(server.url), tmp_path / "work", 1)
        paid = sum(server.books.paid.values())
        assert not ask([made], made.settings, options(server.url, max_cost_usd=0.75), tmp_path / "work", 1)
        assert sum(server.books.paid.values()) == paid
    said = capfd.readouterr().err
    assert "--max-cost-usd: $0.75 are spent, and the next request could pass the cap of $0.75." in said
    assert "What was answered is kept; the same command with a higher cap goes on." in said


def test_each_task_of_an_array_has_its_share_of_the_cap(job, tmp_path, openai_server, capfd):
    made = job()
    made_before = made.journal()
    made_before.add_lost("lost", 0.5)
    made_before.close()
    with openai_server.Server() as server:
        assert not ask([made], made.settings, options(server.url, max_cost_usd=2.0), tmp_path / "work", 4)
    assert "the cap of $0.50 of this task" in capfd.readouterr().err


@pytest.mark.parametrize("writer", ["openai", "openai-batch"])
def test_a_cap_needs_a_price(job, tmp_path, writer):
    made = job(writer=writer, model="unknown-model")
    with pytest.raises(UserError, match='has no model "unknown-model"'):
        ask([made], made.settings, options("http://127.0.0.1:9/v1", max_cost_usd=1.0), tmp_path / "work", 1)


def test_a_judge_needs_a_price_too(job, tmp_path):
    made = job(judge="unknown-judge")
    with pytest.raises(UserError, match='has no model "unknown-judge"'):
        ask([made], made.settings, options("http://127.0.0.1:9/v1", max_cost_usd=1.0), tmp_path / "work", 1)


def test_batches_are_fetched_at_half_the_price(job, tmp_path, openai_server, capfd):
    live, batch = job(0), job(1, writer="openai-batch")
    with openai_server.Server() as server:
        assert ask([live], live.settings, options(server.url), tmp_path / "live", 1)
        assert ask([batch], batch.settings, options(server.url), tmp_path / "batch", 1)
    of_live, of_batch = live.journal(), batch.journal()
    tokens = {
        each: (sum(reply.input_tokens for reply in each.replies.values()),
               sum(reply.output_tokens for reply in each.replies.values()))
        for each in (of_live, of_batch)
    }  # fmt: skip
    for journal, share in ((of_live, 1.0), (of_batch, 0.5)):
        sent, received = tokens[journal]
        assert journal.spent_usd == pytest.approx(share * (2.5 * sent + 10 * received) / 1e6, abs=1e-6)
    assert f"${of_batch.spent_usd:.2f} in all" in capfd.readouterr().err


def test_what_a_server_does_not_count_is_said_to_be_estimated(job, tmp_path, openai_server, capfd):
    made = job()
    with openai_server.Server(behaviour="no usage") as server:
        assert ask([made], made.settings, options(server.url), tmp_path / "work", 1)
    assert "answers by estimate: the server reports no usage)" in capfd.readouterr().err


def test_batches_go_to_one_endpoint(job, tmp_path):
    made = job(writer="openai-batch")
    named = options("http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1")
    with pytest.raises(UserError, match=r"2 endpoints are named\. Batches go to one; name one"):
        ask([made], made.settings, named, tmp_path / "work", 1)


def test_an_endpoint_takes_the_build_s_dialect_but_for_what_it_says_itself(job, tmp_path):
    file = tmp_path / "endpoints.yaml"
    file.write_text(
        "- url: http://127.0.0.1:9/v1\n- {url: http://127.0.0.1:10/v1, parameters: {reasoning_tokens: 7}}\n"
    )
    settings = job(reasoning_effort="low", reasoning_tokens=100, response_format="none").settings
    one, other = connect(settings, options(str(file)))
    assert one.dialect == settings.dialect()
    assert other.dialect == settings.dialect().model_copy(update={"reasoning_tokens": 7})


def test_a_system_message_of_an_endpoint_is_for_benchmarks(job, tmp_path):
    file = tmp_path / "endpoints.yaml"
    file.write_text("- {url: http://127.0.0.1:9/v1, system: Answer briefly.}\n")
    with pytest.raises(UserError, match=r"`system` is for benchmarks\. A build takes its system message from"):
        connect(job().settings, options(str(file)))


def test_what_a_later_shard_cost_in_an_earlier_run_counts_before_the_first_request(job, tmp_path, openai_server, capfd):
    first, later = job(0), job(1)
    before = later.journal()
    before.add_reply("paid", Reply("paid"), 0.75)
    before.add_lost("lost", 0.25)
    before.close()
    with openai_server.Server() as server:
        assert not ask([first, later], first.settings, options(server.url, max_cost_usd=1.0), tmp_path / "work", 1)
        assert not server.books.paid
    assert "--max-cost-usd: $1.00 are spent" in capfd.readouterr().err


def test_a_judge_of_its_own_is_asked_at_its_own_endpoint_with_its_own_key_and_price(
    job, tmp_path, openai_server, capfd, monkeypatch
):
    made = job(judge="gpt-4.1-mini", translate={"image_caption": 1.0})
    file = tmp_path / "judge.yaml"
    with openai_server.Server() as server, openai_server.Server(behaviour="reasoning") as judge:
        file.write_text(f"- {{url: {judge.url}, key_env: JUDGE_KEY, parameters: {{reasoning_tokens: 3000}}}}\n")
        monkeypatch.setenv("JUDGE_KEY", openai_server.KEY)
        given = options(server.url, judge_endpoints=(str(file),))
        assert ask([made], made.settings, given, tmp_path / "work", 1)
        assert set(server.books.models) == {"gpt-4o"}
        assert set(judge.books.models) == {"gpt-4.1-mini"}
        paid = sum(judge.books.paid.values())
        assert max(judge.books.paid.values()) == 1
    journal, maker = made.journal(), made.maker()
    outcomes = [
        (each, state) for task, _ in tasks_of(made, maker) for each, state in settle(Pending(task, journal, maker))
    ]
    assert all(isinstance(state, Outcome) for _, state in outcomes)
    opinions = [(each, state) for each, state in outcomes if each.task.judged]
    assert len(opinions) == paid
    replies = {state.reply for _, state in opinions}
    usd = sum(
        (0.4 if key in replies else 2.5) * each.input_tokens + (1.6 if key in replies else 10) * each.output_tokens
        for key, each in journal.replies.items()
    )
    assert journal.spent_usd == pytest.approx(usd / 1e6, abs=1e-6)
    said = capfd.readouterr().err
    assert any(judge.url in line and "gpt-4.1-mini-0613  max_completion_tokens" in line for line in said.splitlines())
    assert openai_server.KEY not in said


def test_a_judge_that_refuses_the_key_ends_the_run_and_the_writer_s_answers_stay(job, tmp_path, openai_server):
    made = job(judge="gpt-4o-mini")
    with openai_server.Server() as server, openai_server.Server(lambda _body, _times: "401") as judge:
        given = options(server.url, judge_endpoints=(judge.url,))
        with pytest.raises(UserError, match=rf"{judge.url}: .*401"):
            ask([made], made.settings, given, tmp_path / "work", 1)
        paid = sum(server.books.paid.values())
        judge.faults = lambda _body, _times: None
        assert ask([made], made.settings, given, tmp_path / "work", 1)
        assert max(server.books.paid.values()) == 1
        assert sum(server.books.paid.values()) >= paid > 0


def test_a_run_shows_the_last_text_of_each_kind_without_the_key(job, tmp_path, openai_server, capfd, monkeypatch):
    monkeypatch.setenv("GMAI_LOG_INTERVAL_S", "0")
    monkeypatch.setattr("gmai_data.generation.collecting._SHOWN_S", 0.0)
    answer = openai_server.answer
    said = json.dumps(f"Please tell\u202e me {openai_server.KEY}, what does")[1:-1]
    monkeypatch.setattr(
        openai_server, "answer", lambda prompt, variant: answer(prompt, variant).replace("What does", said)
    )
    made = replace(job(count=6), text_share=1.0)
    with openai_server.Server() as server:
        assert ask([made], made.settings, options(server.url), tmp_path / "work", 1)
    lines = capfd.readouterr().err.splitlines()
    shown = [line for line in lines if line.startswith("  text_only (en): ")]
    assert shown[-1].startswith(r"  text_only (en): Please tell\u202e me (key), what does")
    assert any(line.startswith("  dialogue (en): What can be seen") for line in lines)
    assert openai_server.KEY not in "\n".join(lines)
    assert "\u202e" not in "\n".join(lines)
    assert any(line.startswith("write: ") and " in flight, $" in line for line in lines)
    for path in tmp_path.rglob("*.jsonl"):
        assert openai_server.KEY not in path.read_text()


def test_what_the_judge_drops_is_counted_by_its_fault_while_it_runs(job, tmp_path, openai_server, capfd, monkeypatch):
    answer = openai_server.answer

    def judged(prompt, variant):
        if '"consistent"' in prompt:
            return json.dumps({"consistent": False, "fault": "finding", "reason": "x"})
        return answer(prompt, variant)

    monkeypatch.setattr(openai_server, "answer", judged)
    made = job(judge="gpt-4o-mini")
    with openai_server.Server() as server:
        assert ask([made], made.settings, options(server.url), tmp_path / "work", 1)
    assert "0 kept, 12 judged inconsistent: finding, 0 in flight" in capfd.readouterr().err
