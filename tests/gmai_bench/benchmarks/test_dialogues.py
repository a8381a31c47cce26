from typing import Any

import pytest
from gmai_bench.benchmarks.dialogues import conversation_of, rubric_of, tagged
from gmai_formats.errors import UserError


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (None, r"row 1: found None, not a list of messages"),
        ("hello", r"not a list of messages \{role, content\}"),
        ([], r"not a list of messages"),
        ([{"role": "tool", "content": "x"}], r"A message has a role \(system, user, assistant\) and a text"),
        ([{"role": "user", "content": ["x"]}], r"and a text as content"),
        ([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], r"does not end with the user's"),
    ],
)
def test_what_is_no_conversation_is_refused(cell: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        conversation_of(cell, "row 1")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"criterion": "x"}, r"not a list of criteria"),
        ([{"criterion": " ", "points": 1}], r"A criterion has a text and a number of points"),
        ([{"criterion": "x", "points": "5"}], r"a number of points"),
        ([{"criterion": "x", "points": True}], r"a number of points"),
        ([{"criterion": "x", "points": float("nan")}], r"a number of points"),
        ([{"criterion": "x", "points": -5}], r"no criterion has points above 0"),
    ],
)
def test_what_is_no_rubric_is_refused(cell: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        rubric_of(cell, "row 1")


def test_a_criterion_may_have_no_tags_and_each_tag_once() -> None:
    cell = [{"criterion": "x", "points": 1.5}, {"criterion": "y", "points": 2, "tags": ["a", "b", "a"]}]
    assert rubric_of(cell, "") == (("x", 1.5, ()), ("y", 2.0, ("a", "b")))


def test_the_first_tag_of_a_group_counts() -> None:
    assert tagged("theme", ["axis:a", "theme:b", "theme:c"]) == "b"
    assert tagged("theme", ["axis:a"]) == tagged("theme", None) == "(none)"
