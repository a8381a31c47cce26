"""From a record to its outcome: what is asked, in which order, and what is kept of it."""

import json

import pytest
from gmai_data.generation.journal import Reply
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import WritingSettings, advance
from gmai_data.vocabulary import Kind, Split
from gmai_formats.chat.dialect import Dialect

ANSWER = "A Dermoscopy image of the skin, on which alpha stands out with a smooth and dark texture."
GOOD = json.dumps({"turns": [{"question": "What is seen here?", "answer": ANSWER}]})
DIALECT = WritingSettings(writer="openai", model="m").dialect()
REFERENCE = "<ref>alpha</ref><box>[[100, 100, 500, 500]]</box>"


def by_kind(maker, annotation):
    return {task.facts.kind: task for task in maker.tasks(annotation, "digest")}


def test_one_task_per_kind_and_none_for_what_is_held_out(maker, annotation):
    tasks = by_kind(maker(1.0), annotation())
    assert set(tasks) == set(Kind) - {Kind.VISUAL_PERCEPTION}
    assert not tasks[Kind.TEXT_ONLY].image
    assert tasks[Kind.DIALOGUE].image
    assert REFERENCE in tasks[Kind.REGION_CAPTION].text
    assert Kind.REGION_CAPTION not in by_kind(maker(), annotation(boxes=()))
    assert not list(maker(1.0).tasks(annotation(split=Split.HELD_OUT), "digest"))


def test_the_prompt_holds_the_record_and_the_rules(maker, annotation):
    task = by_kind(maker(), annotation())[Kind.IMAGE_CAPTION]
    body = json.loads(task.request(0, None, task.key).body(task.parameters, DIALECT))
    assert "never weaken" in body["messages"][0]["content"]
    image, text = body["messages"][1]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    for fact in ("Modality: Dermoscopy", "Region: skin", "Department: Dermatology", "Labels: alpha", REFERENCE):
        assert fact in text["text"]
    assert body["response_format"]["json_schema"]["strict"] is True
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["turns"]


def test_the_key_covers_everything_that_shapes_the_reply(maker, annotation, recipe):
    def key(made=None, digest="digest", record=None, kind=Kind.IMAGE_CAPTION):
        tasks = (made or maker()).tasks(record or annotation(), digest)
        return next(task.key for task in tasks if task.facts.kind == kind)

    keys = [
        key(), key(kind=Kind.DIALOGUE), key(digest="other"), key(maker(model="n")), key(maker(temperature=0.1)),
        key(maker(detail="low")), key(record=annotation(labels=())), key(maker(response_format="none")),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert key() == key()


def test_first_repair_again_and_then_no_more(maker, annotation, journal):
    task = by_kind(maker(), annotation())[Kind.IMAGE_CAPTION]
    first = advance(task, journal)
    assert isinstance(first, Request)
    assert (first.attempt, first.repair) == (0, None)
    journal.add_reply(first.key, Reply("no json"))
    repair = advance(task, journal)
    assert repair.repair.reply == "no json"
    messages = json.loads(repair.body(task.parameters, DIALECT))["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "no JSON" in messages[-1]["content"]
    journal.add_reply(repair.key, Reply(GOOD.replace("alpha", "beta")))
    again = advance(task, journal)
    assert (again.attempt, again.repair) == (1, None)
    assert (
        json.loads(again.body(task.parameters, DIALECT))["seed"]
        == json.loads(first.body(task.parameters, DIALECT))["seed"] + 1
    )
    journal.add_reply(again.key, Reply("no json either"))
    outcome = advance(task, journal)
    assert (outcome.state, outcome.check) == ("quarantined", "unusable reply")
    assert len({first.key, repair.key, again.key}) == 3


@pytest.mark.parametrize(
    ("reply", "state", "check"),
    [
        (Reply(GOOD), "accepted", ""),
        (Reply(f"```json\n{GOOD}\n```"), "accepted", ""),
        (Reply(GOOD[:60], cut=True), "quarantined", "cut at the token limit"),
        (Reply('{"turns": []}'), "quarantined", "unusable reply"),
        (Reply("I'm sorry, I can't assist with that."), "dropped", "refusal"),
        (Reply(GOOD.replace("alpha", "beta")), "dropped", "label not mentioned"),
    ],
)
def test_where_a_reply_that_always_comes_ends(maker, annotation, journal, reply, state, check):
    task = by_kind(maker(), annotation())[Kind.IMAGE_CAPTION]
    while isinstance(request := advance(task, journal), Request):
        journal.add_reply(request.key, reply)
    assert (request.state, request.check) == (state, check)


def test_records_that_say_the_same_are_asked_for_different_texts(maker, annotation):
    """Without their images two records of one label would be one request, asked and paid in every shard."""
    made = maker(1.0)
    one, other = (by_kind(made, annotation(number)) for number in (1, 2))
    texts = [
        each[Kind.TEXT_ONLY].request(0, None, "k").body(each[Kind.TEXT_ONLY].parameters, Dialect())
        for each in (one, other)
    ]
    seeds = [json.loads(body)["seed"] for body in texts]
    assert seeds[0] != seeds[1]
    assert one[Kind.TEXT_ONLY].key != other[Kind.TEXT_ONLY].key
    assert one[Kind.TEXT_ONLY].key == by_kind(made, annotation(1))[Kind.TEXT_ONLY].key, "the same in every run"
    assert one[Kind.DIALOGUE].parameters.seed == 0
