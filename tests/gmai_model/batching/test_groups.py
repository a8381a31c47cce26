import pytest
from gmai_model.batching.groups import KINDS, by_kind, by_source, groups_of, kind_of, number_of


@pytest.mark.parametrize(
    ("sample_id", "kind"),
    [
        ("2d#cls#ct#set#cyst#a.png#image_caption#0", "image_caption"),
        ("none#none#none#texts#none#x#text_only#12", "text_only"),
        ("2d#dialogue#3#a.png", ""),
        ("dialogue#3", ""),
        ("x#dialogue#3", "dialogue"),
        ("x#dialogue#", ""),
        ("000123", ""),
        ("", ""),
    ],
)
def test_the_kind_is_read_from_the_end_of_an_id(sample_id: str, kind: str) -> None:
    assert KINDS[kind_of(sample_id)] == kind


def test_every_source_and_kind_has_a_number() -> None:
    groups = groups_of(["a", "b"])
    assert groups[number_of(1, "x#dialogue#3")].source == "b"
    assert groups[number_of(1, "x#dialogue#3")].kind == "dialogue"
    assert groups[number_of(0, "plain")].kind == ""


def test_means_are_weighted_by_targets() -> None:
    groups = groups_of(["a", "b"])
    losses = [(0.0, 0)] * len(groups)
    losses[0], losses[1], losses[len(KINDS)] = (1.0, 3), (2.0, 1), (4.0, 1)
    assert by_source(groups, losses) == {"a": 1.25, "b": 4.0}
    assert by_kind(groups, losses) == {"other": 1.75, "image_caption": 2.0}
