"""What is read out of a chat completion."""

import json

import pytest
from gmai_formats.chat.completion import completion_of


def answer(message, end="stop", **more):
    return json.dumps({"model": "m-1", "choices": [{"message": message, "finish_reason": end}], **more}).encode()


def tool(arguments):
    return {"function": {"name": "reply", "arguments": arguments}}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": " yes \n"}, "yes"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "b"}]}, "b"),
        ({"content": None, "refusal": "I must not"}, "I must not"),
        ({"content": None, "tool_calls": [tool('{"turns": []}')]}, '{"turns": []}'),
        ({"content": "", "tool_calls": [tool("one"), tool("two")]}, ""),
        ({"content": None, "function_call": {"arguments": "old"}}, "old"),
        ({"content": None, "reasoning_content": "thought"}, ""),
        ({}, ""),
    ],
)
def test_the_text_is_found_wherever_servers_put_it(message, text):
    assert completion_of(answer(message)).text == text


def test_ends_usage_and_thinking_are_read():
    details = {"reasoning_tokens": 60}
    usage = {"prompt_tokens": "12", "completion_tokens": 70, "completion_tokens_details": details}
    found = completion_of(answer({"content": "x", "reasoning": "why"}, "length", usage=usage), 1.5)
    assert (found.cut, found.filtered, found.model, found.reasoning) == (True, False, "m-1", "why")
    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens, found.seconds) == (12, 70, 60, 1.5)
    assert completion_of(answer({"content": "x"}, "content_filter")).filtered


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": "?"}])
def test_usage_that_is_not_told_is_unknown_and_not_zero(usage):
    found = completion_of(answer({"content": "x"}, usage=usage))
    assert (found.input_tokens, found.output_tokens) == (None, None)


def test_broken_characters_are_replaced_and_not_asked_for_again():
    surrogate = answer({"content": "a B"}).replace(b"a B", rb"a \ud83d B")
    assert completion_of(surrogate).text == "a � B"
    assert completion_of(answer({"content": "a B"}).replace(b"a B", b"a \xff B")).text == "a � B"
    assert completion_of(answer({"content": "a\0B"})).text == "aB"
    assert completion_of(answer({"content": "左肾 😀"})).text == "左肾 😀"


@pytest.mark.parametrize(
    "content",
    [b"<html>", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b'{"choices": [{"message": {"content": 5}}]}'],
)
def test_what_is_no_completion_is_an_error(content):
    with pytest.raises((ValueError, KeyError, IndexError, TypeError)):
        completion_of(content)
