import json

import pytest
from gmai_formats.json_text import parse_json


def test_a_value_is_read() -> None:
    assert parse_json('{"a": [1, "é"]}') == {"a": [1, "é"]}
    assert parse_json(b"[]") == []


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "[" * 200_000 + "]" * 200_000, '{"a":' * 200_000 + "1" + "}" * 200_000]
)
def test_what_is_nested_too_deeply_is_no_json(text: str) -> None:
    with pytest.raises(json.JSONDecodeError, match=r"nested too deeply|Expecting value"):
        parse_json(text)
