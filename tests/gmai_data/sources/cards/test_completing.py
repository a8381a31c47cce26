"""What a draft leaves open, as questions, and the answers in the card's text."""

import pytest
from gmai_data.sources.cards.completing import answered, as_options, complete_own, in_words, questions, with_split
from gmai_formats.errors import UserError
from gmai_formats.safe_yaml import load_yaml

CARD = """\
# A draft from 90 files: images with masks.
# label/{id}.png: values in 12 masks: 0 (in 12), 1 (in 6), 2 (in 3)
# split: pictures begin alike, such as case00 (3 pictures): where that is a patient, a slide or a video, add \
`group_pattern: '(?:^|/)([^/_-]+)[_-][^/]*$'` to `split`, or both sides of the split have some of it.
# masks: candidates are label/{id}.png, other/{id}.png
name: own
title: TODO
homepage: TODO
citation: TODO
license: TODO
modality: TODO
department: TODO
clinical_task: TODO
anatomy:
  en: TODO
  zh: TODO
task: 2d_segmentation
layout:
  kind: image_mask
  images: image/{id}.png
  masks: TODO
labels:
  '1':
    en: glaucoma
    zh: TODO
  '2':
    en: TODO
    zh: TODO
"""


def test_a_draft_is_completed_by_the_folder_and_by_answers(tmp_path):
    text, said = complete_own(CARD, tmp_path)
    assert f"title: {tmp_path.name}" in said
    assert "zh" not in text
    assert any("can be published" in line for line in said)
    asked = {question.field: question for question in questions(text)}
    assert list(asked) == ["modality", "department", "clinical_task", "anatomy", "layout.masks", "labels.2", "patients"]
    assert asked["modality"].likely[0] == "Fundus photography", "bundled cards with glaucoma are of the eye"
    assert "(in 3)" in asked["labels.2"].asks
    assert "candidates are label/{id}.png" in asked["layout.masks"].asks
    assert "case00 (3 pictures)" in asked["patients"].asks
    options = as_options(asked.values())
    assert "--set modality='Fundus photography'" in options
    assert "--set labels.2=..." in options
    given = ["modality=fundus PHOTOGRAPHY", "department=Ophthalmology", "clinical_task=Disease Diagnosis",
             "anatomy=retina: left", "layout.masks=label/{id}.png", "labels.2=optic cup", "patients=yes"]  # fmt: skip
    whole = answered(text, given)
    assert questions(whole) == []
    card = load_yaml(whole)
    assert (card["modality"], card["anatomy"]) == ("Fundus photography", {"en": "retina: left"})
    assert card["labels"]["2"] == {"en": "optic cup"}
    assert card["split"] == {"group_pattern": "(?:^|/)([^/_-]+)[_-][^/]*$"}
    assert load_yaml(answered(text, ["patients=No"]))["split"].keys() == {"no_group"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("modality", "an answer is FIELD=VALUE"),
        ("modality=", "an answer is FIELD=VALUE"),
        ("modality=...", "the dots stand for your answer"),
        ("modality=MRI scan", "unknown"),
        ("department=Radiology", "Known: Cardiovascular Surgery"),
        ("labels.7=liver", "the card has no such field"),
        ("patients=perhaps", '"yes" where what begins alike'),
    ],
)
def test_an_answer_that_will_not_do(answer, words):
    with pytest.raises(UserError, match=words):
        answered(CARD, [answer])


def test_no_patients_are_asked_for_where_nothing_begins_alike():
    with pytest.raises(UserError, match="does not ask for patients"):
        answered("name: a\n", ["patients=yes"])


def test_a_split_is_added_and_replaced_and_keeps_what_stands_around_it():
    card = "name: a\nsplit:\n  names:\n    val: validation\ntask: text\n"
    assert load_yaml(with_split(card, {"no_group": "b"})) == {
        "name": "a", "split": {"names": {"val": "validation"}, "no_group": "b"}, "task": "text"
    }  # fmt: skip
    assert load_yaml(with_split("name: a", {"no_group": "b"})) == {"name": "a", "split": {"no_group": "b"}}
    assert load_yaml(with_split("split: {no_group: a}\n", {"no_group": "b"})) == {"split": {"no_group": "b"}}


def test_the_words_of_a_question():
    asked = next(each for each in questions(CARD) if each.field == "modality")
    first, *rest = in_words(asked)
    assert first == "modality: how were the images made?"
    assert any("likely: Fundus photography" in line for line in rest)
    assert any("one of: CT, MR" in line for line in rest)
