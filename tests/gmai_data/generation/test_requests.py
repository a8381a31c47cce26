"""One request: what its key covers, and what its body says."""

import base64
import json
from dataclasses import replace

import pytest
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.requests import Parameters, Repair, Request, conversation_text, later_key, request_key
from gmai_data.generation.tasks import WritingSettings

DIALECT = WritingSettings(writer="openai", model="m").dialect()
PARAMETERS = Parameters("m", 0.5, "low", "json_schema", 7)
PROMPT = load_prompts()["dialogue"]


def body(parameters=PARAMETERS, **changes):
    given = {"text": "Ask: é", "image": b"", "schema": {"type": "object"}, "attempt": 0, "repair": None, "key": "k"}
    return json.loads(Request(PROMPT, **{**given, **changes}).body(parameters, DIALECT))


def test_parameters_have_no_place_for_keys():
    assert set(Parameters.__dataclass_fields__) == {
        "model",
        "temperature",
        "detail",
        "response_format",
        "seed",
        "further",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"temperature": 0.6},
        {"detail": "high"},
        {"response_format": "none"},
        {"seed": 8},
        {"further": '{"reasoning_effort": "low"}'},
    ],
)
def test_each_parameter_makes_another_digest(change):
    assert replace(PARAMETERS, **change).digest() != PARAMETERS.digest()
    assert replace(PARAMETERS).digest() == PARAMETERS.digest()


def test_a_first_key_covers_parameters_prompt_image_and_text():
    keys = [
        request_key("p", PROMPT, "t", "i"), request_key("q", PROMPT, "t", "i"), request_key("p", PROMPT, "u", "i"),
        request_key("p", PROMPT, "t", "j"), request_key("p", load_prompts()["judge"], "t", "i"),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {32}
    assert request_key("p", PROMPT, "ab", "") != request_key("p", PROMPT, "b", "a")


def test_a_later_key_covers_the_attempt_and_the_repair():
    repair = Repair("said", "wrong")
    keys = [
        "first", later_key("first", 0, repair), later_key("first", 1, None), later_key("first", 0, None),
        later_key("other", 0, repair), later_key("first", 0, Repair("said", "worse")),
        later_key("first", 0, Repair("says", "wrong")),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)


def test_a_text_goes_without_an_image():
    sent = body()
    assert (sent["model"], sent["temperature"], sent["seed"]) == ("m", 0.5, 7)
    system, user = sent["messages"]
    assert system == {"role": "system", "content": PROMPT.general.rules}
    assert user == {"role": "user", "content": [{"type": "text", "text": "Ask: é"}]}
    assert PROMPT.specific.max_tokens in sent.values()


@pytest.mark.parametrize(("image", "kind"), [(b"\xff\xd8jpeg", "jpeg"), (b"\x89PNG", "png")])
def test_an_image_stands_before_the_text_with_its_detail(image, kind):
    picture, text = body(image=image)["messages"][1]["content"]
    url = f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
    assert picture == {"type": "image_url", "image_url": {"detail": "low", "url": url}}
    assert text["type"] == "text"


def test_another_attempt_has_another_seed_and_a_repair_shows_the_reply():
    assert body(attempt=1)["seed"] == 8
    last = body(repair=Repair('no "json"', "it has no turns"))["messages"][2:]
    assert last[0] == {"role": "assistant", "content": 'no "json"'}
    assert last[1] == {"role": "user", "content": PROMPT.general.repair.format(complaint="it has no turns")}


def test_turns_are_shown_as_json_with_their_own_letters():
    assert conversation_text([("何？", 'say "a"')]) == '[{"question": "何？", "answer": "say \\"a\\""}]'
