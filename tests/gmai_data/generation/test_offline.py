"""Writing by vLLM's offline engine, against a stand-in of its documented interface (tests/servers/vllm_engine.py)."""

import json
import os
import sys

import pytest
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.generation.offline import OfflineAsker, require_asked, require_vllm
from gmai_data.generation.pending import Pending, settle
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writers import WriterOptions
from gmai_data.sources.cards.catalogue import resolve
from gmai_data.untyped import pq
from gmai_formats.chat.dialect import Dialect
from gmai_formats.errors import UserError

SETTINGS = {"writer": "vllm", "model": "Qwen/Qwen2.5-VL-7B-Instruct"}


@pytest.fixture
def vllm(openai_server, vllm_engine, monkeypatch):
    """Return a function that puts the stand-in in the place of vLLM; it returns (LLM, engines made)."""

    def make(**changes):
        module, parameters, engines = vllm_engine.module(openai_server, **changes)
        monkeypatch.setitem(sys.modules, "vllm", module)
        monkeypatch.setitem(sys.modules, "vllm.sampling_params", parameters)
        return module.LLM, engines

    return make


@pytest.fixture
def tasks(maker, annotation, journal):
    """Return a function that gives the tasks of so many records."""

    def make(count=3, **settings):
        made = maker(**{**SETTINGS, **settings})
        records = [annotation(number) for number in range(count)]
        return [Pending(task, journal, made) for each in records for task in made.tasks(each, each.sha256)]

    return make


def asker(engine=None, at_once=512, **settings):
    return OfflineAsker(WritingSettings(**{**SETTINGS, **settings}), engine or {}, at_once=at_once)


def outcomes(tasks):
    return [(each.task.id, state.state, state.check) for task in tasks for each, state in settle(task)]


def test_every_task_has_its_outcome_and_the_engine_is_loaded_once(vllm, tasks, journal):
    _, engines = vllm()
    given, done, shown = tasks(), [], []
    made = asker({"tensor_parallel_size": 2, "max_model_len": 8192}, at_once=5)
    made.run(given, done.append, {1: journal}, lambda: shown.append(made.in_flight))
    assert done == given
    assert {state for _, state, _ in outcomes(given)} == {"accepted"}
    (engine,) = engines
    assert (engine.model, engine.arguments) == (SETTINGS["model"], {"tensor_parallel_size": 2, "max_model_len": 8192})
    assert engine.calls == [5, 5, 2]
    assert shown == [5, 0, 5, 0, 2, 0]
    assert (made.asked.requests, made.asked.answered, made.asked.outcomes) == (12, 12, {"kept": 12})
    reply = journal.replies[given[0].task.key]
    assert (reply.model, reply.cut) == (SETTINGS["model"], False)
    assert reply.input_tokens > 50
    assert reply.output_tokens > 10


def test_the_body_of_the_live_writer_becomes_messages_and_parameters(vllm, tasks, journal):
    _, engines = vllm()
    extra = {"top_p": 0.9, "chat_template_kwargs": {"enable_thinking": False}}
    asker(extra_body=extra, temperature=0.25, reasoning_tokens=100).run(
        tasks(1, extra_body=extra, temperature=0.25, reasoning_tokens=100), lambda _: None, {1: journal}
    )
    given = engines[0].asked[0]
    assert (given["temperature"], given["top_p"], given["seed"]) == (0.25, 0.9, 0)
    assert given["max_tokens"] == 600, "the limit of the prompt and the room to think"
    assert given["template"] == {"enable_thinking": False}
    assert given["structured_outputs"].json["required"] == ["turns"]


@pytest.mark.parametrize(
    ("name", "form", "field"),
    [
        ("guided_decoding", "json_schema", "guided_decoding"),
        ("", "json_schema", None),
        ("structured_outputs", "none", None),
        ("structured_outputs", "json_object", "structured_outputs"),
    ],
)
def test_a_schema_is_asked_for_as_the_version_has_it(vllm, tasks, journal, name, form, field):
    _, engines = vllm(name=name)
    asker(response_format=form).run(tasks(1, response_format=form), lambda _: None, {1: journal})
    found = {"structured_outputs", "guided_decoding"} & engines[0].asked[0].keys()
    assert found == ({field} if field else set())
    if form == "json_object":
        assert engines[0].asked[0]["structured_outputs"].json == {"type": "object"}


def test_what_is_known_is_not_asked_again_and_loads_nothing(vllm, tasks, journal):
    _, engines = vllm()
    asker().run(tasks(), lambda _: None, {1: journal})
    again = asker()
    again.run(tasks(), lambda _: None, {1: journal})
    assert len(engines) == 1
    assert again.asked.requests == 0
    assert again.asked.outcomes == {"kept": 12}


def test_one_prompt_that_the_engine_refuses_costs_that_one(vllm, tasks, journal):
    llm, engines = vllm()
    given = tasks(3)
    sent = [each.task.request(0, None, each.task.key).body(each.task.parameters, Dialect()) for each in given]
    llm.longest = max(len(json.dumps(json.loads(body)["messages"][1])) for body in sent) - 1
    asker().run(given, lambda _: None, {1: journal})
    states = outcomes(given)
    refused = [state for state in states if state[1] == "quarantined"]
    assert 0 < len(refused) < len(states)
    assert {check for _, _, check in refused} == {"no reply"}
    assert all("the engine refuses it: The decoder prompt" in reason for reason in journal.failures.values())
    assert not journal.passing
    assert sum(engines[0].calls) == len(states) - len(refused)


def test_an_engine_that_stops_ends_the_run_and_keeps_what_it_answered(vllm, tasks, journal):
    llm, _ = vllm()
    llm.stops_after = 1
    with pytest.raises(UserError, match=r"the engine stopped: RuntimeError: CUDA out of memory.*goes on"):
        asker(at_once=4).run(tasks(), lambda _: None, {1: journal})
    assert len(journal.replies) == 4
    llm.stops_after = 99
    made = asker(at_once=4)
    made.run(tasks(), lambda _: None, {1: journal})
    assert made.asked.requests == 8


def test_an_engine_whose_every_reply_is_useless_is_stopped_after_32(vllm, tasks, journal):
    llm, _ = vllm()
    llm.behaviour = "useless"
    with pytest.raises(UserError, match="32 of the first 32 replies cannot be used"):
        asker().run(tasks(20), lambda _: None, {1: journal})


def test_thinking_aloud_is_read_and_a_cut_reply_is_asked_for_again(vllm, tasks, journal):
    llm, _ = vllm()
    llm.behaviour = "thinking aloud"
    given = tasks()
    asker().run(given, lambda _: None, {1: journal})
    assert {state for _, state, _ in outcomes(given)} == {"accepted"}


def test_the_engine_judges_its_own_texts_where_it_is_asked_to(vllm, tasks, journal):
    vllm()
    given = tasks(judge=SETTINGS["model"])
    made = asker(judge=SETTINGS["model"])
    made.run(given, lambda _: None, {1: journal})
    assert made.asked.requests > 12
    assert sum(made.asked.outcomes.values()) == 12


def test_what_does_not_load_is_said_with_the_engine_s_words(vllm, tasks, journal):
    vllm()
    with pytest.raises(UserError, match=r"vLLM does not load it: TypeError: .*tensor_paralel_size"):
        asker({"tensor_paralel_size": 2}).run(tasks(1), lambda _: None, {1: journal})


def test_vllm_s_report_of_its_use_is_switched_off(vllm, monkeypatch):
    monkeypatch.delenv("VLLM_NO_USAGE_STATS", raising=False)
    vllm()
    require_vllm()
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"


def test_without_vllm_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserError, match=r"--writer vllm: vLLM does not load .*separate environment"):
        require_vllm()


@pytest.mark.parametrize(
    ("settings", "engine", "message"),
    [
        ({"reasoning_effort": "low"}, {}, "writing.reasoning_effort: a field of providers"),
        (
            {"extra_body": {"top_pp": 1}},
            {},
            'extra_body: top_pp: the offline engine takes no such field. Did you mean "top_p"',
        ),
        ({}, {"trust_remote_code": True}, "code of checkpoints is never run"),
        ({}, {"model": "x"}, "give the model as --model"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_before_it_is_loaded(settings, engine, message):
    with pytest.raises(UserError, match=message):
        require_asked(WritingSettings(**{**SETTINGS, **settings}), engine)


def run(phantoms, out, *, share=None, model="m"):
    named = [f"{name}={phantoms / name}" for name in ("phantom-microscopy", "phantom-text")]
    writing = WritingSettings(writer="vllm", model=model, translate={"image_caption": 0.5})
    settings = BuildSettings(writing=writing, text_share=0.5)
    return build(resolve(named, None), out, settings, options=RunOptions(share=share, writer=WriterOptions()))


def rows(out):
    found = [row for path in sorted(out.glob("samples/*/*.parquet")) for row in pq.read_table(path).to_pylist()]
    return {row["id"]: json.dumps(row["messages"]) for row in found if row["kind"] != "visual_perception"}


def test_a_build_of_an_array_is_that_of_one_process_and_its_books_balance(phantoms, tmp_path, vllm, capfd):
    llm, engines = vllm()
    assert run(phantoms, tmp_path / "one") == 0
    assert len(engines) == 1
    assert run(phantoms, tmp_path / "array", share=(0, 2)) == 0
    assert len(engines) == 1, "where pictures of other tasks are missing, no model is loaded"
    llm.stops_after = 1
    with pytest.raises(UserError, match="the engine stopped"):
        run(phantoms, tmp_path / "array", share=(1, 2))
    del engines[1:]
    llm.stops_after = 99
    for task in (1, 0, 1):
        assert run(phantoms, tmp_path / "array", share=(task, 2)) == 0
    assert len(engines) == 3, "each task has an engine of its own, and one that is done loads none"
    assert run(phantoms, tmp_path / "array") == 0
    assert len(engines) == 3
    assert rows(tmp_path / "one") == rows(tmp_path / "array") != {}
    for name in ("one", "array"):
        for recipe in json.loads((tmp_path / name / "manifest.json").read_text())["recipes"].values():
            samples = recipe["samples"]
            assert samples["read"] == samples["kept"] + sum(samples["dropped"].values()) + samples["quarantined"]
    said = capfd.readouterr().err
    assert "answers by vLLM" in said
