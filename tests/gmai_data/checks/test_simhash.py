import pytest
from gmai_data.checks.simhash import simhash

WORDS = "the left kidney has a smooth even outline and lies beside a darker band of tissue in this image of the abdomen"
LONG = f"{WORDS} while {WORDS.replace('left', 'other')}"


def bits(one, other):
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_texts_bear_a_comma_and_a_word_and_are_told_apart():
    one = simhash([("What is seen?", LONG)])
    assert bits(one, simhash([("What is seen?", LONG.replace("darker", "darker,"))])) == 0
    assert bits(one, simhash([("WHAT is seen?", LONG)])) == 0
    other = simhash([("What is seen?", "Erythrocytes of even size surround one large lobed nucleus.")])
    assert bits(one, other) > 10


def test_what_is_in_tags_is_no_part_of_the_text():
    plain, tagged = "a kidney lies here", "a kidney <ref>kidney</ref><box>[[1, 2, 3, 4]]</box> lies here"
    assert simhash([("q", plain)]) == simhash([("q", tagged)])


def test_chinese_counts_by_its_characters():
    assert simhash([("这是什么", "左肾")]) != simhash([("这是什么", "右肾")])


@pytest.mark.parametrize("turns", [[], [("", "")]])
def test_an_empty_text_has_a_hash(turns):
    assert len(simhash(turns)) == 16
