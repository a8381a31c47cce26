"""What turns a line of knowledge round, or tells it of another label; see `told` in conftest.py for the record."""

import pytest
from gmai_data.checks.contrary import clauses_about, contrary, of_another
from gmai_data.checks.masking import with_labels
from gmai_data.vocabulary import Language

EN, ZH = Language.EN, Language.ZH


@pytest.mark.parametrize(
    ("text", "turned"),
    [
        ("The left kidney does not filter the blood or make urine.", True),
        ("The liver never makes bile.", True),
        ("The left kidney filters the blood and makes urine.", False),
        ("The left kidney is not sharply outlined.", False),
    ],
)
def test_the_contrary_of_a_line_is_found(told, text, turned):
    facts = told()
    assert (contrary(facts, with_labels(facts, text), ()) is not None) == turned


@pytest.mark.parametrize(
    ("language", "text", "passes"),
    [
        (EN, "The left kidney, which filters the blood, is seen at the lower right.", True),
        (EN, "The left kidney stores food, and it mixes and churns it.", False),
        (EN, "The gallbladder releases enzymes for digestion into the duodenum.", False),
        (ZH, "左肾过滤血液，并生成尿液。", True),
        (ZH, "左肾储存食物。", False),
        (ZH, "胆囊分泌胰岛素等激素。", False),
        (ZH, "图像右侧为左肾，作用是储存胆汁。", False),
    ],
)
def test_the_line_of_a_label_that_the_image_does_not_show_is_told_of_none(told, language, text, passes):
    facts = told(language)
    assert (contrary(facts, with_labels(facts, text), ()) is None) == passes


def test_a_clause_is_about_what_it_names_or_what_was_named_before_it(told):
    facts = told()
    said = with_labels(facts, "the liver lies above the gallbladder, which is small; it holds bile")
    assert [labels for _, labels in clauses_about(facts, said, ())] == [
        ("liver", "gallbladder"), ("gallbladder",), ("gallbladder",),
    ]  # fmt: skip
    said = with_labels(facts, "the liver, dark and to the left of the gallbladder, makes bile")
    assert {labels for _, labels in clauses_about(facts, said, ())} == {("liver",)}
    assert list(clauses_about(facts, "smooth and grey", ("liver",))) == []
    assert [labels for _, labels in clauses_about(facts, "it is grey", ("liver",))] == [("liver",)]
    assert [labels for _, labels in clauses_about(facts, "the abdomen is shown", ("liver",))] == [("abdomen",)]


def test_the_own_line_comes_before_one_that_shares_its_words(told):
    facts = told()
    assert of_another(facts, "removes waste by filtering blood", ("left kidney",)) is None
    assert of_another(facts, "stores and concentrates bile", ("left kidney",)).label == "gallbladder"
    assert of_another(facts, "stores and concentrates bile", ("left kidney", "liver")) is None
