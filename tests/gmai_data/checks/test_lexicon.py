"""The word lists: what passes anywhere, what is a claim, and that the files are what they say."""

import pytest
from gmai_data.checks.lexicon import (
    claims,
    clear_lungs,
    is_plain,
    is_thing,
    matters_zh,
    plain_words,
    regions,
    visual_chinese,
)
from gmai_data.vocabulary import Language


@pytest.mark.parametrize(
    "word", ["the", "bright", "brighter", "rounded", "outlined", "textures", "greyish", "gallbladder"]
)
def test_plain_and_visual_words_pass_in_every_form(word):
    assert is_plain(word) == (word != "gallbladder")


@pytest.mark.parametrize("word", ["liver", "ureter", "hydronephrosis", "woman", "surgery", "cirrhotic", "gallstones"])
def test_words_of_medicine_are_not_plain(word):
    assert not is_plain(word)


def test_the_lists_hold_what_the_rules_need():
    assert 4000 < len(plain_words()) < 12000
    assert visual_chinese().search("边缘光滑").group() == "边缘"
    assert set(claims(Language.EN)) <= set(claims(Language.ZH))
    for language in Language:
        assert all(isinstance(forms, list) for forms in regions(language).values())


@pytest.mark.parametrize(
    ("name", "text"),
    [("person", "a young woman"), ("hedge", "it might be"), ("acquisition", "t2 weighted"), ("finding", "steatosis")],
)
def test_claims_are_found(name, text):
    assert claims(Language.EN)[name][1].search(text)


@pytest.mark.parametrize(
    ("language", "text", "says"),
    [
        (Language.EN, "the lungs are clear", True), ("en", "both lung fields appear quite clear.", True),
        ("en", "clear lungs", True), ("en", "the airways are clear", True), ("en", "the lungs are clearly seen", False),
        ("en", "the image is clear", False), (Language.ZH, "双肺野清晰", True), ("zh", "图像清晰", False),
    ],
)  # fmt: skip
def test_what_says_that_lungs_are_clear(language, text, says):
    pattern, labels = clear_lungs(Language(language))
    assert (pattern.search(text) is not None) == says
    assert {"no finding", "normal chest"} <= labels
    assert not {"no tumor", "normal fundus", "clear cell carcinoma"} & labels


def test_things_to_compare_with_are_no_plain_words_and_nothing_that_is_found_in_a_patient():
    assert is_thing("loaves") or is_thing("loaf")
    assert is_thing("walnuts")
    assert not is_plain("walnut")
    assert not any(map(is_thing, ("bullet", "screw", "catheter", "cyst", "femur", "barium", "tapeworm")))


@pytest.mark.parametrize(
    ("text", "matter"),
    [
        ("肺与胸壁之间的气体积聚", {"气体"}),
        ("输送二氧化碳", {"二氧化碳"}),
        ("分泌消化液", set()),
        ("送回血液", {"血液"}),
    ],
)
def test_what_a_chinese_text_says_that_a_structure_moves(text, matter):
    assert {name for name, said in matters_zh() if said.search(text)} == matter
