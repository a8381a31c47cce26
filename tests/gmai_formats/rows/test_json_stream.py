"""Entries of a JSON list, read in portions, are those of `json.load`."""

import json
import tracemalloc

from gmai_formats.rows import json_stream
from gmai_formats.rows.json_stream import LONGEST_ENTRY, json_lines, json_list, lenient_object, load_strictly
from gmai_formats.rows.rules import Problem
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(values=st.lists(VALUES, max_size=6), chunk=st.integers(1, 40), indent=st.sampled_from([None, 0, 3]))
def test_any_list_in_portions_of_any_size(values, chunk, indent, tmp_path_factory):
    path = tmp_path_factory.mktemp("json") / "x.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=False), encoding="utf-8", newline="")
    before = json_stream._CHUNK
    json_stream._CHUNK = chunk
    try:
        assert list(json_list(path)) == list(enumerate(values))
    finally:
        json_stream._CHUNK = before


def test_a_cut_list_gives_what_it_has_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", 7)
    values = [{"a": number, "b": "text"} for number in range(20)]
    text = json.dumps(values)
    for length in range(1, len(text)):
        (tmp_path / "x.json").write_text(text[:length])
        *sound, (_, last) = json_list(tmp_path / "x.json")
        assert isinstance(last, Problem)
        assert [value for _, value in sound] == values[: len(sound)]


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "x.json"
    with path.open("w") as file:
        file.write("[")
        for number in range(60_000):
            file.write(("," if number else "") + json.dumps({"id": number, "text": "x" * 400}))
        file.write("]")
    assert path.stat().st_size > 25_000_000
    tracemalloc.start()
    assert sum(1 for _ in json_list(path)) == 60_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000


def test_last_commas_are_overlooked_but_not_in_text(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": {"b": "x,}", "c": [1, 2,],},}')
    assert lenient_object(path) == ({"a": {"b": "x,}", "c": [1, 2]}}, True)
    path.write_text('{"a": ,}')
    assert isinstance(lenient_object(path)[0], Problem)


def test_a_line_without_end_takes_no_memory(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"a": 1}\n{"b": "')
        file.truncate(2**36)
    tracemalloc.start()
    found = list(json_lines(path))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [(1, {"a": 1}), (2, Problem("json", "a line of more than 256 MB", ends=True))]
    assert most < 3 * LONGEST_ENTRY
    assert lenient_object(path) == (Problem("json", "one object of more than 256 MB"), False)


def test_a_key_that_is_given_twice_is_named_and_the_next_entry_read(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", 7)
    twice = '{"a": {"answer": "one", "answer": "two"}}'
    (tmp_path / "a.json").write_text(f'[{twice}, {{"b": 1}}, {twice}]')
    problem = Problem("json", "`answer` is given twice")
    assert list(json_list(tmp_path / "a.json")) == [(0, problem), (1, {"b": 1}), (2, problem)]
    (tmp_path / "a.jsonl").write_text(f'{twice}\n{{"b": 1}}\n')
    assert list(json_lines(tmp_path / "a.jsonl")) == [(1, problem), (2, {"b": 1})]
    (tmp_path / "list.json").write_text('{"one": {"annotations": "x"}, "one": {"annotations": "y"},}')
    assert lenient_object(tmp_path / "list.json") == (Problem("json", "`one` is given twice"), False)


def test_equal_keys_of_two_objects_are_two_keys():
    assert load_strictly('[{"a": 1, "b": {"a": 2}}, {"a": 3}]') == [{"a": 1, "b": {"a": 2}}, {"a": 3}]
