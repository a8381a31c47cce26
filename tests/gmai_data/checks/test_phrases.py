"""Phrases that give a text away, each by an example, and texts that only sound like them."""

import pytest
from gmai_data.checks.phrases import find_phrase
from gmai_data.vocabulary import Language

EN, ZH = Language.EN, Language.ZH


def found(group, text, language=EN):
    return find_phrase(group, (("what is it?", text),), language)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("i'm sorry, but no", "i'm sorry"),
        ("i am unable to do so", "i am unable"),
        ("i cannot assist", "i cannot assist"),
        ("i can't analyse this", "i can't analyse"),
        ("i won't provide it", "i won't provide"),
        ("it is unable to process it", "unable to process"),
        ("as an ai, i see", "as an ai"),
        ("as a language model", "as a language model"),
        ("without access to the image", "without access to the image"),
        ("i cannot open the image", "cannot open the image"),
        ("against my policy", "against my policy"),
        ("i apologise", "i apologise"),
        ("the image cannot be viewed", "image cannot be viewed"),
        ("this picture could not be opened", "picture could not be opened"),
        ("the scan can't be loaded here", "scan can't be loaded"),
        ("the image appears to be unavailable", "image appears to be unavailable"),
        ("the file failed to load", "file failed to load"),
        ("i do not have access", "i do not have access"),
        ("i apologize", "i apologize"),
        ("no image was provided", "no image was provided"),
        ("the patient was sorry and unable to walk", None),
        ("as an aide, it shows", None),
        ("edges that cannot be seen", None),
    ],
)
def test_refusals_in_english(text, phrase):
    assert found("refusal", text) == phrase


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("很抱歉，我看不到。", "抱歉"),
        ("对不起", "对不起"),
        ("我无法诊断", "我无法诊断"),
        ("作为一个人工智能", "作为一个人工智能"),
        ("作为ai", "作为ai"),
        ("无法查看该图", "无法查看该图"),
        ("没有提供任何图", "没有提供任何图"),
        ("i'm sorry", "i'm sorry"),
        ("患者无法行走", None),
    ],
)
def test_refusals_in_chinese_texts_are_found_in_either_language(text, phrase):
    assert found("refusal", text, ZH) == phrase


def test_chinese_phrases_are_not_looked_for_in_english_texts():
    assert found("refusal", "抱歉") is None


@pytest.mark.parametrize(
    ("group", "text", "phrase"),
    [
        ("meta_talk", "the annotators drew it", "annotators"),
        ("meta_talk", "the ground-truth says", "ground-truth"),
        ("meta_talk", "the record states it", "the record states"),
        ("meta_talk", "according to the labels", "according to the labels"),
        ("meta_talk", "based on the given image", None),
        ("meta_talk", "it is tagged as liver", "is tagged as"),
        ("meta_talk", "the provided boxes", "provided boxes"),
        ("meta_talk", "in this dataset", "dataset"),
        ("meta_talk", "the cell membrane is labelled by a dye", None),
        ("advice", "you should consult them", "you should consult"),
        ("advice", "patients must see a dermatologist", "patients must see a dermatologist"),
        ("advice", "please see a doctor", "please see a doctor"),
        ("advice", "we recommend it", "we recommend"),
        ("advice", "a biopsy is advised", "is advised"),
        ("advice", "seek medical help", "seek medical"),
        ("advice", "further imaging may be of use", "further imaging may be"),
        ("advice", "you should see a round shadow", None),
        ("image_talk", "this image shows a lung", "this image shows"),
        ("image_talk", "in the above scan", "in the above scan"),
        ("image_talk", "as visible here", "visible here"),
        ("image_talk", "imaging shows a lung", None),
    ],
)
def test_talk_of_annotations_advice_and_images(group, text, phrase):
    assert found(group, text) == phrase


@pytest.mark.parametrize(
    ("group", "text", "phrase"),
    [
        ("meta_talk", "根据提供的标签", "根据提供的标签"),
        ("meta_talk", "标注显示", "标注"),
        ("advice", "建议进一步检查", "建议进一步"),
        ("advice", "请及时就医", "请及时就医"),
        ("image_talk", "如图", "如图"),
        ("image_talk", "这张图像显示肝脏", "这张图像显示"),
    ],
)
def test_the_same_in_chinese(group, text, phrase):
    assert found(group, text, ZH) == phrase
    assert found(group, text, EN) is None


def test_questions_are_looked_at_where_a_group_says_so():
    asked = (("does the annotation show it, and i'm sorry, do you advise? in this image?", "yes"),)
    assert find_phrase("meta_talk", asked, EN) == "annotation"
    assert find_phrase("image_talk", asked, EN) == "in this image"
    assert find_phrase("refusal", asked, EN) is None
    assert find_phrase("advice", ((("we advise it"), "yes"),), EN) is None


def test_every_turn_is_looked_at_and_no_phrase_runs_over_two():
    assert find_phrase("refusal", (("a?", "yes"), ("b?", "i'm sorry")), EN) == "i'm sorry"
    assert find_phrase("refusal", (("a?", "it says i'm"), ("b?", "not able")), EN) is None
