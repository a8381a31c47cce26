"""Repeated ids are found with their first place, in little memory."""

import tracemalloc
from collections import defaultdict

from gmai_data.validation.ids import Ids
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.tuples(st.text(max_size=2), st.sampled_from(["a", "b"])), max_size=60))
def test_as_a_dictionary_finds_them(entries):
    entries.sort(key=lambda entry: entry[1])  # a file is read to its end before the next
    ids, places = Ids(), defaultdict(list)
    for number, (name, file) in enumerate(entries):
        ids.add(name, file, number)
        places[name].append((file, number))
    expected = {place: found[0] for found in places.values() for place in found[1:]}
    repeated = list(ids.repeated())
    assert dict(repeated) == expected
    assert [place for place, _ in repeated] == sorted(expected, key=lambda place: place[1])


def test_a_million_ids_take_less_than_40_megabytes():
    tracemalloc.start()
    ids = Ids()
    for number in range(200_000):
        ids.add(f"3d#seg#ct#dataset#patient{number:012d}#axial_0001#image_caption#0", "x", number)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < 40_000_000 / 5
    ids.add("3d#seg#ct#dataset#patient000000000007#axial_0001#image_caption#0", "y", 3)
    assert list(ids.repeated()) == [(("y", 3), ("x", 7))]
