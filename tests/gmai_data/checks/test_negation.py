"""What is denied, though it is there, and what of other labels of the card may be; see `masked` in conftest.py."""

from dataclasses import replace

from gmai_data.checks.facts import LabelNames
from gmai_data.checks.negation import ASKS_WHETHER, has_finding, is_of_others, is_other_denied, what_is_denied, words_of
from gmai_data.vocabulary import Language


def test_a_label_that_is_there_is_not_denied(masked):
    facts, text = masked("there is no liver on this slice")
    assert what_is_denied(facts, text, "there is no liver on this slice") == "liver"
    facts, text = masked("the liver is seen")
    assert what_is_denied(facts, text, "the liver is seen") is None


def test_the_nucleus_of_a_cell_may_be_denied(toy, facts):
    recipe = toy(labels={"1": {"en": "red blood cell", "zh": "红细胞"}})
    smear = facts(language=Language.ZH, names=LabelNames(recipe, Language.ZH))
    smear = replace(smear, annotation=replace(smear.annotation, labels=("red blood cell",), absent=()))
    for said, denied in (("红细胞没有细胞核", None), ("图中没有细胞", "细胞")):
        assert what_is_denied(smear, smear.names.masked(said), said) == denied


def test_words_of_other_labels_of_the_card_may_be_denied(masked):
    facts, _ = masked("the liver")
    other = facts.annotation.absent[0]
    assert is_of_others(facts, other, other)
    assert is_other_denied(facts, "there is no ", other, f"there is no {other}")
    assert not is_other_denied(facts, "there is a ", other, f"there is a {other}")
    assert not is_of_others(facts, "pneumonia", "pneumonia")


def test_a_question_that_no_answers_asks_whether():
    assert ASKS_WHETHER.search("q: is this a mole?")
    assert ASKS_WHETHER.search("这是正常的吗？")
    assert not ASKS_WHETHER.search("the lesion is a mole")


def test_labels_of_a_diagnosis_are_findings(masked):
    facts, _ = masked("the liver")
    assert has_finding(facts)


def test_words_are_in_lower_case():
    assert words_of(("Left Kidney",)) == {"left", "kidney"}
