"""What goes into a body beside the messages, and what a refusal teaches."""

import json

import pytest
from gmai_formats.chat.dialect import Dialect

SCHEMA = {"type": "object"}


def head(dialect, **more):
    return json.loads(dialect.head("m", 100, **{"temperature": 0.7, "seed": 3, "schema": SCHEMA, **more}) + b"}")


def test_a_body_holds_what_the_model_takes():
    assert head(Dialect(response_format="json_object")) == {
        "model": "m", "temperature": 0.7, "max_tokens": 100, "seed": 3, "response_format": {"type": "json_object"},
    }  # fmt: skip
    strict = head(Dialect(response_format="json_schema"))["response_format"]
    assert strict == {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": SCHEMA}}
    assert "response_format" not in head(Dialect(response_format="none"))
    assert "response_format" not in head(Dialect(response_format="json_schema"), schema=None)
    assert "seed" not in head(Dialect(), seed=None)


def test_a_reasoning_model_gets_room_to_think_and_fields_of_its_own():
    dialect = Dialect(
        limit_field="max_completion_tokens", temperature=False, seed=False, reasoning_effort="low",
        reasoning_tokens=4000, extra_body={"chat_template_kwargs": {"enable_thinking": False}},
    )  # fmt: skip
    assert head(dialect, schema=None) == {
        "model": "m", "max_completion_tokens": 4100, "reasoning_effort": "low",
        "chat_template_kwargs": {"enable_thinking": False},
    }  # fmt: skip
    assert head(Dialect(temperature=1.0))["temperature"] == 1.0


@pytest.mark.parametrize(
    ("param", "words", "field"),
    [
        ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "limit_field"),
        ("", "Unsupported parameter: 'max_tokens' is not supported with this model.", "limit_field"),
        ("temperature", "'temperature' does not support 0.7 with this model. Only the default (1) is.", "temperature"),
        ("", "`temperature` is deprecated and not supported by this model", "temperature"),
        ("body.seed", "Extra inputs are not permitted", "seed"),
        ("response_format", "This model does not support response_format json_schema", "response_format"),
        ("", "Invalid schema for response_format 'reply'", "response_format"),
        ("", "guided decoding is not supported by this backend", "response_format"),
        ("max_tokens", "max_tokens is too large: 5000. This model supports at most 4096 tokens", ""),
        ("", "This model's maximum context length is 4096 tokens", ""),
        ("messages", "The image is too large", ""),
        ("reasoning_effort", "unsupported value", ""),
        ("", "The prompt was filtered: temperature chart of a patient", ""),
    ],
)
def test_a_refusal_names_a_field_that_can_be_sent_otherwise(param, words, field):
    assert Dialect(response_format="json_schema").refused_field(param, words) == field


def test_what_was_refused_is_not_sent_again():
    dialect = Dialect(response_format="json_schema")
    assert dialect.without("limit_field").limit_field == "max_completion_tokens"
    assert dialect.without("limit_field").without("limit_field").limit_field == "max_tokens"
    assert dialect.without("temperature").temperature is False
    assert dialect.without("seed").seed is False
    weaker = dialect.without("response_format")
    assert weaker.response_format == "json_object"
    assert weaker.without("response_format").response_format == "none"
    without = weaker.without("response_format").without("temperature").without("seed")
    for words in ("seed is not supported", "temperature is not supported", "response_format is not supported"):
        assert without.refused_field("", words) == ""
