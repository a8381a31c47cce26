"""Entries of a JSON list, read in portions, are those of `json.load`."""

import json
import tracemalloc

from gmai_formats.rows import json_stream
from gmai_formats.rows.json_stream import json_list, lenient_object
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
