"""The word lists: what passes anywhere, what is a claim, and that the files are what they say."""

import pytest
from gmai_data.checks.lexicon import claims, is_plain, plain_words, regions, visual_chinese
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
