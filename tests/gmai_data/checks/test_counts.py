"""Counts beside the boxes; see `masked` in conftest.py for the record."""

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.counts import (
    how_many,
    kinds_of_label,
    without_marks,
    wrong_count,
    wrong_count_of,
    wrong_number_of_names,
    wrong_only_one,
)
from gmai_data.vocabulary import Language


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the slice shows two livers", False),
        ("a single liver is seen", True),
        ("several livers are seen", False),
        ("the liver appears exactly once", True),
        ("the liver appears twice", False),
        ("liver: 1", True),
        ("liver: 3", False),
        ("on slice 84 the liver is seen", True),
        ("three quarters of the way down", True),
        ("they are two, and both below the liver", True),
        ("both dark livers", False),
    ],
)
def test_counts(masked, text, good):
    assert (wrong_count(*masked(text)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("two organs are shown, namely the liver and the left kidney", True),
        ("three organs are shown, namely the liver and the left kidney", False),
        ("one gland and three organs are shown, namely the liver and the left kidney", True),
        ("three organs and a gland are shown, namely the liver and the left kidney", True),
    ],
)
def test_a_number_is_held_to_the_names_behind_it_unless_it_is_a_part_of_their_sum(masked, text, good):
    assert (wrong_number_of_names(*masked(text)) is None) == good


def test_a_measure_that_nobody_took_is_no_count(masked):
    assert wrong_count_of(*masked("the liver measures 3 cm"))[0] == "size invented"


def test_one_of_several_is_held_to_the_regions_with_that_word(masked):
    facts, _ = masked("the liver")
    assert wrong_only_one(facts, "only one kidney is seen") is None
    assert how_many(facts, "liver") == 1


def test_a_label_is_of_its_words_and_their_kinds():
    assert {"femur", "bone"} <= kinds_of_label("left femur")
    assert "left" not in kinds_of_label("left femur")


def test_marks_are_dots_in_a_complaint():
    assert without_marks("two \ue000") == "two …"


@pytest.mark.parametrize(("text", "good"), [("肝脏仅一个。", False), ("肝脏只见一处。", False), ("左肾仅一个。", True)])
def test_the_only_one_in_chinese(masked, text, good):
    two = (Box("liver", (5, 5, 25, 25)), Box("liver", (30, 5, 45, 25)), Box("left kidney", (70, 70, 90, 85)))
    assert (wrong_count_of(*masked(text, Language.ZH, two)) is None) == good
