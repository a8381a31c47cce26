"""What a sentence names of its record, as one character each."""

import re
from dataclasses import replace

import pytest
from gmai_data.checks import masking
from gmai_data.checks.lexicon import LABEL, WORD
from gmai_data.checks.masking import OWN, label_words, low, masked, with_labels
from gmai_data.vocabulary import ClinicalTask, Language


def test_labels_their_words_their_kinds_and_the_modality_are_masked(facts):
    text = masked(facts(), "The left kidney, an organ of the abdominal CT: renal, and a meniscus.")
    assert text.count(WORD) == 3
    assert OWN in text
    assert "meniscus" in text
    assert low("A “Left_kidney’s”") == "a “left kidney's”"


def test_only_labels_are_masked_where_all_other_words_are_compared(facts):
    text = with_labels(facts(), "The left-kidney, an organ of the abdominal CT.")
    assert re.fullmatch(rf"the {LABEL}, an organ of the abdominal ct\.", text)


@pytest.mark.parametrize(
    ("text", "there"),
    [("骨", True), ("两骨之间", True), ("骨髓", False), ("髌骨", False), ("肾脏可见", True)],
)
def test_a_single_character_is_no_part_of_another_name(facts, text, there):
    told = facts(language=Language.ZH)
    words = label_words(("left kidney",), told.names, Language.ZH)
    assert words is not None
    assert bool(words.search(text.replace("骨", "肾"))) == there


def test_how_a_modality_renders_what_every_body_has_is_said_of_no_body(facts):
    assert "bone" not in masked(facts(), "On CT, bone and metal appear white, and air is black.")
    assert "fluid" in masked(facts(), "Fluid is bright in the pelvis.")
    assert "骨" not in masked(facts(language=Language.ZH), "骨质呈白色、气体呈黑色。")


def test_what_any_label_is_names_none(facts):
    words = label_words(("left kidney",), facts().names, Language.EN)
    assert words is not None
    assert words.search("an organ") is None


def test_the_last_word_of_a_name_stands_for_the_label_where_no_other_has_it(masked):
    told, _ = masked("")
    assert "\ue000" <= masking.masked(told, "The kidney is small.")[4] <= "\uf7ff"
    assert WORD not in masking.masked(told, "The kidney is small.")


def test_an_operation_is_at_work_where_the_task_is_one(facts):
    record = facts()
    operation = replace(record, annotation=replace(record.annotation, clinical_task=ClinicalTask.SURGEON_ACTION))
    assert "surgeon" not in masked(operation, "The surgeon is at work.")
    assert "surgery" in masked(operation, "It was taken after surgery.")
    assert "surgeon" in masked(record, "The surgeon is at work.")


@pytest.mark.parametrize("noun", ["a kidney bean", "kidney-beans", "a kidney dish"])
def test_a_noun_of_another_thing_names_no_part_of_the_body(masked, noun):
    told, _ = masked("")
    assert re.search(LABEL, masking.masked(told, f"It has the shape of {noun}.")) is None
    assert "serrated" in masking.masked(told, "Saw-tooth outline.")
