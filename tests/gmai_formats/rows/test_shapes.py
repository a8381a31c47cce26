from typing import Any

import pytest
from gmai_formats.rows.rules import CAPTIONED
from gmai_formats.rows.shapes import (
    CHATS,
    PAIRS,
    ROLES,
    TOOLS,
    Refused,
    changes_row,
    is_row,
    kind_of,
    shape_of,
    turns_of,
)


def chat(*texts: Any, **more: Any) -> dict[str, Any]:
    return {
        "messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)],
        **more,
    }


def said(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in turns_of(row).messages]


@pytest.mark.parametrize(
    ("columns", "shape"),
    [
        (["messages", "question", "answer"], "messages"),
        (["conversatons", "image"], "conversatons"),
        (["question", "answer", "text", "image"], ("question", "answer")),
        (["image", "caption", "text"], "caption"),
        (["text"], None),
        (["data", "image", "text"], "text"),
        (["data"], "data"),
        (["question"], None),
        ([], None),
    ],
)
def test_turns_go_before_pairs_and_pairs_before_captions(columns: list[str], shape: object) -> None:
    assert shape_of(columns) == shape
    assert is_row(dict.fromkeys(columns)) == (shape is not None)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pair_is_a_question_and_its_answer(pair: tuple[str, str]) -> None:
    assert said({pair[0]: "Q", pair[1]: "A"}) == [("user", "Q"), ("assistant", "A")]


@pytest.mark.parametrize("column", CHATS)
def test_every_column_of_turns_is_read(column: str) -> None:
    assert said({column: chat("Q", "A")["messages"]}) == [("user", "Q"), ("assistant", "A")]


@pytest.mark.parametrize(("who", "role"), [*ROLES.items(), ("Human", "user"), ("GPT", "assistant")])
def test_speakers_have_many_names(who: str, role: str) -> None:
    assert said({"conversations": [{"from": who, "value": "x"}]}) == [(role, "x")]


@pytest.mark.parametrize("who", sorted(TOOLS))
def test_a_tool_is_no_speaker(who: str) -> None:
    with pytest.raises(Refused, match=rf"message 1 is of a tool \({who}\), which is not read"):
        turns_of({"conversations": [{"from": who, "value": "x"}]})


def test_a_pair_has_its_history_input_and_system_before_it() -> None:
    row = {"instruction": "Q", "input": "more", "output": "A", "history": [["q", "a"]], "system": "S"}
    assert said(row) == [("system", "S"), ("user", "q"), ("assistant", "a"), ("user", "Q\nmore"), ("assistant", "A")]


def test_a_caption_stands_for_its_image() -> None:
    turns = turns_of({"images": ["a.png", "b.png"], "caption": "Two."})
    assert turns.messages == [{"role": "user", "content": "<image><image>"}, {"role": "assistant", "content": "Two."}]
    assert (turns.images, turns.notes) == (["a.png", "b.png"], [CAPTIONED])


def test_parts_are_put_together_as_the_template_does_it() -> None:
    parts = [{"type": "image"}, "a", {"type": "text", "text": "b"}]
    turns = turns_of(chat(parts, "A", image="x.png"))
    assert turns.messages[0]["content"] == "<image>\nab"
    assert (turns.images, turns.images_are_of_column) == (["x.png"], True)
    held = turns_of(chat([{"type": "image_url", "image_url": {"url": "y.png"}}], "A"))
    assert (held.images, held.images_are_of_column) == (["y.png"], False)


def test_what_is_not_to_be_learned_moves_with_the_system_prompt() -> None:
    row = chat("Q", "A", "R", "B")
    row["messages"][1]["loss"] = False
    assert turns_of(row).unlearned == [1]
    assert turns_of({**row, "system": "S"}).unlearned == [2]
    assert turns_of({**row, "system": ""}).unlearned == [1]


@pytest.mark.parametrize(
    ("row", "rule", "found"),
    [
        ({"a": 1}, "columns", "the row has no messages, nor a question and its answer, but a"),
        ({}, "columns", "the row has no messages, nor a question and its answer, but nothing"),
        ({"messages": 3}, "columns", "`messages` is a number, not a list of messages"),
        ({"messages": "x"}, "columns", "`messages` is text, not a list of messages"),
        ({"messages": [3]}, "messages", "message 1 is a number, not a message"),
        ({"messages": [{"x": 1}]}, "messages", "message 1 has no `role` and `content`"),
        ({"messages": [{"role": "judge", "content": "x"}]}, "roles", "message 1 is from 'judge'"),
        (chat("Q", None), "messages", "message 2 is missing, not text"),
        (chat([{"type": "audio"}]), "messages", "message 1 has a part of type 'audio', which is not read"),
        (chat("Q", "A", video="v.mp4"), "fields", "`video` is not read"),
        (chat("Q", "A", system=3), "fields", "`system` is a number, not text"),
        (chat("Q", "A", scan="x.PNG"), "fields", "`scan` looks like an image and is not read: call the column `image`"),
        (chat("Q", "A", scan=b"x"), "fields", "`scan` looks like an image and is not read: call the column `image`"),
        (
            {"query": "Q", "response": "A", "history": ["x"]},
            "fields",
            "`history` is no list of a question and an answer each",
        ),
        ({"question": "Q", "answer": "A", "options": ["x"]}, "fields", "`options` beside `question` is not read"),
        (
            {"prompt": "Q", "completion": "A", "label": True},
            "fields",
            "`label` says whether the answer is liked, which is not read",
        ),
        (
            {"messages": [{"role": "user", "content": "x", "loss": True}]},
            "fields",
            "`loss` asks to learn message 1, which is no answer",
        ),
        (
            {"messages": [{"role": "assistant", "content": "x", "weight": 2}]},
            "fields",
            "`weight` of message 1 is 2, neither true nor false",
        ),
        (
            chat([{"type": "image", "image": "y.png"}], "A", image="x.png"),
            "images",
            "message 1 holds an image itself: all images belong into `images`",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_rule(row: dict[str, Any], rule: str, found: str) -> None:
    with pytest.raises(Refused) as refused:
        turns_of(row)
    assert (refused.value.problem.rule, refused.value.problem.found) == (rule, found)


@pytest.mark.parametrize("end", ["", "options", "options?", "records", "table."])
def test_a_long_name_of_a_column_is_read_at_once(end: str) -> None:
    """Each of its words can be one or several to a pattern that is written carelessly, and all ways are tried."""
    assert changes_row("_".join(["a"] * 60 + [end])) == (end in ("options", "records"))


def test_a_system_prompt_that_stands_twice_is_one() -> None:
    row = {"system": "S", "messages": [{"role": "system", "content": "S"}, *chat("Q", "A")["messages"]]}
    assert said(row)[0] == ("system", "S")
    assert len(said(row)) == 3


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([], "a list"),
        ({}, "an object"),
        ("", "text"),
        (b"", "bytes"),
        (True, "true or false"),
        (None, "missing"),
        (1, "a number"),
        (1.5, "a number"),
    ],
)
def test_kinds_of_values_have_names(value: object, kind: str) -> None:
    assert kind_of(value) == kind
