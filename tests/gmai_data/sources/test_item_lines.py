"""Items as lines: what is written comes back, and the digest sees what an item is, not where it lies."""

import pytest
from gmai_data.sources.item_lines import decoded, digest_line, encoded
from gmai_data.sources.items import Item
from gmai_data.vocabulary import Split


@pytest.mark.parametrize(
    "item",
    [
        Item("a.png", ("a.png",)),
        Item("a.png", ("b.png",), raw_labels=("x", "y"), split=Split.VALIDATION),
        Item("a", ("a", "b"), "p\n1", Split.HELD_OUT, ("x", "é\u2028"), 3, "part", "{label}", ("s", "t"), ("u",)),
        Item("k", (), problem=("rule", 'a "detail"\r\n'), set_aside="why", masks=("m",), structures=()),
    ],
)
def test_an_item_is_one_line_and_comes_back(item):
    line = encoded(item)
    assert line.count(b"\n") == 1
    assert decoded(line) == item
    assert decoded(line, 5) == item._replace(group_number=5)


def test_half_of_a_surrogate_pair_in_a_label_is_written_as_an_escape():
    line = encoded(Item("a", ("a",), raw_labels=("mass \ud83d",)))
    assert decoded(line).raw_labels == ("mass \\ud83d",)


def test_sizes_count_and_words_of_problems_do_not(tmp_path):
    (tmp_path / "a.png").write_bytes(b"12345")
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1.dcm").write_bytes(b"123")

    def line(item):
        return digest_line(item, encoded(item), tmp_path)

    one = Item("a.png", ("a.png",))
    assert line(one).startswith(b"5 ")
    assert line(Item("s", ("series", "none"), masks=("a.png",))).startswith(b"3,-1,5 ")
    assert line(one._replace(problem=("rule", "detail"))) == line(one)
    changed = ({"uncertain": ("u",)}, {"part": "p"}, {"group": "g"}, {"split": Split.TRAIN}, {"raw_labels": ("a",)})
    assert len({line(one._replace(**change)) for change in changed} | {line(one)}) == 6
