"""The look before money is spent: what it fixes, shows, asks and remembers."""

import dataclasses
import json
import sys

import pytest
from gmai_data.annotation import Annotation
from gmai_data.generation import preflight as look
from gmai_data.generation.preflight import preflight
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writing import WriteJob
from gmai_data.tables import ANNOTATIONS, TableFiles
from gmai_formats.chat.addresses import Address
from gmai_formats.chat.client import Client
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.pool import Endpoint
from gmai_formats.chat.prices import budget_for, load_table
from gmai_formats.errors import UserError

ONE_FORM = {"report_share": 0.0, "reasoning_share": 0.0}
"""Every free instruction is asked for by the same prompt."""

KINDS = {"image_caption", "free_instruction", "dialogue"}


@pytest.fixture(autouse=True)
def key(openai_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)


@pytest.fixture
def job(recipe, annotation, tmp_path):
    def make(**settings):
        folder = tmp_path / "shard"
        records: list[Annotation] = [annotation(number, boxes=()) for number in range(5)]
        if not folder.exists():
            with TableFiles(folder, "annotations", ANNOTATIONS, single=True) as table:
                table.add_rows([record.row() for record in records])
        writing = WritingSettings(
            **{"writer": "openai", "model": "gpt-4o", **ONE_FORM, "reasoning_tokens": 2000, **settings}
        )
        prompts = load_prompts()
        return WriteJob(recipe, 0, 1, folder, tmp_path / "journal", "ab", writing, prompts, 0.0, 0), writing

    return make


def run(job, settings, urls, tmp_path, **more):
    endpoints = [Endpoint(Client(Address(url=url), "gpt-4o", timeout_s=5.0), settings.dialect()) for url in urls]
    budget = budget_for(["gpt-4o"], load_table(), cap_usd=None, batch=False)
    options = {"yes": True, "backoff_s": 0.01, **more}
    return preflight([job], settings, endpoints, budget, tmp_path / "preflight.json", **options), endpoints


def test_one_record_of_each_kind_fixes_the_parameters_and_is_kept(job, tmp_path, openai_server, capsys):
    made, settings = job()
    with openai_server.Server(behaviour="reasoning") as server:
        usd, (endpoint,) = run(made, settings, [server.url], tmp_path)
        assert sum(server.books.delivered.values()) == len(KINDS)
        assert (endpoint.dialect.limit_field, endpoint.dialect.temperature) == ("max_completion_tokens", False)
        told = capsys.readouterr().err
        assert "max_completion_tokens  not taken" in told
        assert "gpt-4o-0613" in told
        assert all(f"{kind}: What can be seen" in told for kind in KINDS)
        assert "About 15 requests" in told
        assert f"about ${usd:,.2f}" in told
        asked = sum(server.books.asked.values())
        again, (endpoint,) = run(made, settings, [server.url], tmp_path)
        assert again == usd
        assert (endpoint.dialect.limit_field, endpoint.dialect.temperature) == ("max_completion_tokens", False)
        assert sum(server.books.asked.values()) == asked, "the same command does not look again"
    journal = made.journal()
    assert len(journal.replies) == len(KINDS), "what was paid is used"
    assert 0 < journal.spent_usd < usd
    assert usd == pytest.approx(5 * journal.spent_usd, rel=0.01)


def test_every_endpoint_is_looked_at_with_records_of_its_own(job, tmp_path, openai_server):
    made, settings = job()
    with openai_server.Server() as one, openai_server.Server(behaviour="reasoning") as other:
        _, (first, second) = run(made, settings, [one.url, other.url], tmp_path)
        assert sum(one.books.delivered.values()) == sum(other.books.delivered.values()) == len(KINDS)
        assert not set(one.books.delivered) & set(other.books.delivered)
    assert (first.dialect.limit_field, second.dialect.limit_field) == ("max_tokens", "max_completion_tokens")


@pytest.mark.parametrize(
    ("behaviour", "words"), [("no usage", "not reported: cost and cap by estimate"), ("", "reported")]
)
def test_what_a_server_does_not_tell_is_said(job, tmp_path, openai_server, capsys, behaviour, words):
    made, settings = job()
    with openai_server.Server(behaviour=behaviour) as server:
        usd, _ = run(made, settings, [server.url], tmp_path)
    assert words in capsys.readouterr().err
    assert usd > 0


def test_a_model_that_takes_nothing_ends_the_run_and_nothing_is_final(job, tmp_path, openai_server):
    made, settings = job()
    server = openai_server.Server(lambda *_: "400")
    with server, pytest.raises(UserError, match="to none of 3 requests, one of each kind: HTTP 400"):
        run(made, settings, [server.url], tmp_path)
    assert not (tmp_path / "preflight.json").exists()
    assert not made.journal().failures


def test_a_kind_that_is_refused_is_told_and_the_others_go_on(job, tmp_path, openai_server, capsys):
    made, settings = job()
    with openai_server.Server() as server:
        server.faults = lambda body, _: "filtered" if "exactly one turn" not in openai_server.prompt_of(body) else None
        run(made, settings, [server.url], tmp_path)
    assert "dialogue: no answer: HTTP 400: The prompt was filtered" in capsys.readouterr().err


def test_a_reply_that_cannot_be_used_is_shown_with_what_is_wrong(job, tmp_path, openai_server, capsys):
    made, settings = job()
    with openai_server.Server(lambda *_: "invalid") as server:
        run(made, settings, [server.url], tmp_path)
    assert "image_caption (not usable: unusable reply: turns.0.answer: Field required)" in capsys.readouterr().err


class Terminal:
    def __init__(self, line):
        self.line = line

    def isatty(self):
        return True

    def readline(self):
        return self.line


@pytest.mark.parametrize(
    ("line", "goes_on"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_on_a_terminal_the_cost_is_confirmed(monkeypatch, line, goes_on):
    monkeypatch.setattr(sys, "stdin", Terminal(line))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    if goes_on:
        look._confirm(3.0, yes=False)
        return
    with pytest.raises(UserError, match="Not confirmed: nothing more is asked"):
        look._confirm(3.0, yes=False)
    look._confirm(3.0, yes=True)
    look._confirm(0.0, yes=False)
    look._confirm(None, yes=False)


def test_without_a_terminal_the_build_goes_on_and_says_so(capsys):
    look._confirm(3.0, yes=False)
    assert "No terminal to ask at: the build goes on" in capsys.readouterr().err


def test_other_settings_are_looked_at_anew(job, tmp_path, openai_server):
    made, settings = job()
    with openai_server.Server() as server:
        run(made, settings, [server.url], tmp_path)
        asked = sum(server.books.asked.values())
        colder = settings.model_copy(update={"temperature": 0.1})
        run(dataclasses.replace(made, settings=colder), colder, [server.url], tmp_path)
        assert sum(server.books.asked.values()) == 2 * asked
    kept = json.loads((tmp_path / "preflight.json").read_text())
    assert Dialect.model_validate(kept["dialects"][server.url]) == colder.dialect()
