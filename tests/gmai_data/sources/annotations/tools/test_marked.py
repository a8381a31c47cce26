"""What every tool's reader shares."""

import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.tools.marked import (
    Marked,
    corners,
    load_entries,
    load_json,
    load_xml,
    of_every,
    pairs,
    size_of,
)


@pytest.mark.parametrize(
    ("given", "size"),
    [((8, 6), (8, 6)), (("8", "6.0"), (8, 6)), ((0, 6), None), ((None, 6), None), (("x", 6), None), ((-3, 6), None)],
)
def test_sizes(given, size):
    assert size_of(*given) == size


def test_points_and_boxes():
    assert corners("1", 2, 3.5, 4) == ((1, 2), (4.5, 6))
    assert pairs([[1, 2], {"x": "3", "y": 4}]) == [(1, 2), (3, 4)]
    with pytest.raises(IndexError):
        pairs([[1]])


def test_json_and_lines_of_json(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[1, 2]")
    (tmp_path / "a.ndjson").write_text('{"a": 1}\n\n{"a": 2}\n')
    assert load_json(tmp_path / "a.json", "a.json") == [1, 2]
    assert load_json(tmp_path / "a.ndjson", "a.ndjson") == [{"a": 1}, {"a": 2}]
    (tmp_path / "b.json").write_text("[" * 100_000)
    with pytest.raises(SourceError, match="annotation unreadable: not JSON"):
        load_json(tmp_path / "b.json", "b.json")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<a>", "XML unreadable: no element found"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "XML unreadable: declares entities"),
        ('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a/>'.encode("utf-16"), "declares ent"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "XML unreadable"),
    ],
)
def test_xml_that_is_none(tmp_path, data, reason):
    (tmp_path / "a.xml").write_bytes(data)
    with pytest.raises(SourceError, match=reason):
        load_xml(tmp_path / "a.xml", "a.xml")


def test_a_list_is_of_a_tool_where_each_entry_is(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"name": "1.png"}\n{"name": "2.png"}\n')
    (tmp_path / "b.json").write_text('{"name": "1.png"}')
    entries = load_entries(tmp_path / "a.jsonl", "a.jsonl")
    assert load_entries(tmp_path / "b.json", "b.json") == []
    assert [each.name for each in of_every(entries, lambda entry: Marked(entry["name"]))] == ["1.png", "2.png"]
    assert of_every(entries, lambda entry: Marked("1.png") if entry["name"] == "1.png" else None) == []
