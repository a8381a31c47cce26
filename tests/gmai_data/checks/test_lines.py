"""Is a clause one of a line of knowledge, or another one made of its words?"""

import pytest
from gmai_data.checks.facts import Known
from gmai_data.checks.lines import (
    becomes_other_zh,
    is_of,
    of_other_matter,
    of_other_matter_zh,
    pairs_of,
    stem_of,
    turned_zh,
)


@pytest.mark.parametrize(
    ("one", "other"), [("filtering", "filters"), ("carries", "transport"), ("produced", "makes"), ("houses", "stores")]
)
def test_forms_and_synonyms_have_one_stem(one, other):
    assert stem_of(one) == stem_of(other)
    assert stem_of(one) != stem_of("kidney")


def test_words_of_a_line_are_of_it_in_any_form():
    known = Known("left kidney", "function", "filters the blood; makes urine")
    assert is_of("filtering", known)
    assert not is_of("bile", known)


def test_words_of_one_meaning_make_the_same_pairs():
    assert pairs_of("运送氧") == pairs_of("运输氧")
    assert pairs_of("a, b") == frozenset()


@pytest.mark.parametrize(
    ("line", "said", "other"),
    [
        ("carries air to the lungs", "carries food to the lungs", True),
        ("carries air to the lungs", "carries air and food to the lungs", False),
        ("carries air to the lungs", "lies above the lungs", False),
    ],
)
def test_another_matter(line, said, other):
    assert of_other_matter(line, said, "trachea") == other


@pytest.mark.parametrize(
    ("line", "said", "other"),
    [("胸膜腔内的液体积聚", "胸膜腔内的气体积聚", True), ("胸膜腔内的液体积聚", "胸膜腔内的积聚", False)],
)
def test_another_matter_in_chinese(line, said, other):
    assert of_other_matter_zh(line, said) == other


@pytest.mark.parametrize(
    ("said", "other"), [("进入组织后成为浆细胞", True), ("进入组织后变成巨噬细胞", False), ("吞噬碎屑", False)]
)
def test_what_something_becomes(said, other):
    assert becomes_other_zh("进入组织成为巨噬细胞；吞噬微生物", said) == other


def test_another_direction_in_chinese():
    assert turned_zh("将血液从视网膜带走", "为视网膜供血")
    assert not turned_zh("将血液从视网膜带走", "把血液带离视网膜")
