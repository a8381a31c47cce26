import json
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_formats.json_text import parse_json, read_json_object


def test_a_value_is_read() -> None:
    assert parse_json('{"a": [1, "é"]}') == {"a": [1, "é"]}
    assert parse_json(b"[]") == []


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "[" * 200_000 + "]" * 200_000, '{"a":' * 200_000 + "1" + "}" * 200_000]
)
def test_what_is_nested_too_deeply_is_no_json(text: str) -> None:
    with pytest.raises(json.JSONDecodeError, match=r"nested too deeply|Expecting value"):
        parse_json(text)


@pytest.mark.parametrize("text", ["9" * 1_000_000, '{"a": -' + "1" * 4301 + "}"])
def test_a_number_without_end_is_no_json(text: str) -> None:
    with pytest.raises(json.JSONDecodeError, match="a number of more than 4300 digits"):
        parse_json(text)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[1]", r"holds \[1\], where an object is due"), (b"null", "holds null"), (b"", "not JSON"),
        (b'{"a": "\xe9"}', "not JSON"), (None, "cannot be read"),
    ],
)  # fmt: skip
def test_a_file_without_an_object_is_one_line(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"config\.json: {why}.*\. Download it again\.$") as caught:
        read_json_object(path, remedy="Download it again.")
    assert "\n" not in str(caught.value)
    path.write_text('{"a": 1}')
    assert read_json_object(path, remedy="") == {"a": 1}
