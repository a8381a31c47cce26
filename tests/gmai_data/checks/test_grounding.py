"""A text against its record: each thing that may not be said has its words, and its lawful neighbour."""

from dataclasses import replace

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.facts import LabelNames
from gmai_data.checks.grounding import (
    boxes_changed,
    labels_contradicted,
    labels_mentioned,
    modality_contradicted,
    numbers_invented,
    sides_invented,
)
from gmai_data.vocabulary import Kind, Language

LEFT = "<ref>left kidney</ref><box>[[0, 100, 500, 600]]</box>"
BOX = "<box>[[0, 100, 500, 600]]</box>"


def of_record(facts, **changes):
    return replace(facts, annotation=replace(facts.annotation, **changes))


def test_a_caption_names_every_label_and_a_question_one(facts):
    for kind, complaint in (
        (Kind.IMAGE_CAPTION, 'it does not name "liver"'),
        (Kind.DIALOGUE, None),
        (Kind.TEXT_ONLY, None),
    ):
        told = of_record(facts(kind), labels=("left kidney", "liver"))
        assert labels_mentioned(told, "the left kidney") == complaint
        assert labels_mentioned(told, "a liver and the left kidney") is None
    assert labels_mentioned(of_record(facts(), labels=("left kidney", "liver")), "an organ") == (
        'it names none of the labels, such as "left kidney"'
    )
    assert labels_mentioned(of_record(facts(Kind.IMAGE_CAPTION), labels=()), "an organ") is None


def test_a_region_caption_names_the_labels_of_its_boxes(facts):
    boxes = (Box("left kidney", (0, 0, 1, 1)), Box("liver", (0, 0, 1, 1)))
    told = of_record(facts(Kind.REGION_CAPTION, boxes=boxes), labels=("left kidney", "right kidney", "liver"))
    assert labels_mentioned(told, "the left kidney") == 'it does not name "liver"'
    assert labels_mentioned(told, "the left kidney and liver") is None


def test_of_more_than_six_labels_six_are_enough(facts, toy):
    names = [f"part {letter}" for letter in "abcdefgh"]
    recipe = toy(labels={name: name for name in names})

    def told(count, said):
        made = of_record(facts(Kind.IMAGE_CAPTION, names=LabelNames(recipe, Language.EN)), labels=tuple(names[:count]))
        return labels_mentioned(made, ", ".join(names[:said]))

    assert told(8, 6) is None
    assert told(8, 5) == "it names fewer than 6 labels"
    assert told(7, 6) is None
    assert told(6, 5) == 'it does not name "part f"'


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ("the left kidney is large", None),
        ("there is no left kidney", 'it denies "left kidney", which the image shows'),
        ("the left kidney is not visible", 'it denies "left kidney", which the image shows'),
        ("the left kidney is not enlarged", None),
        ("the liver is large", 'it states "liver", which the record does not have'),
        ("no liver is seen", None),
        ("unlike a liver, it is small", None),
        ("both kidneys", 'it states "right kidney", which the record does not have'),
    ],
)
def test_what_is_there_is_not_denied_and_nothing_else_stated(facts, answers, complaint):
    assert labels_contradicted(facts(), answers) == complaint


def test_a_region_of_the_name_and_a_longer_label_are_no_other_label(facts):
    assert labels_contradicted(of_record(facts(), anatomy="the liver"), "the liver is large") is None
    assert labels_contradicted(of_record(facts(), labels=("left kidney", "cirrhotic liver")), "the liver") is None


def test_the_opposite_of_a_label_is_held_to_the_record_too(facts, toy):
    names = LabelNames(toy(labels={"a": "no tumor", "b": "liver"}), Language.EN)
    healthy = of_record(facts(names=names), labels=("no tumor",), absent=())
    assert labels_contradicted(healthy, "a tumor is seen") == 'it states "tumor", which the record does not have'
    assert labels_contradicted(healthy, "without a tumor") is None
    assert labels_mentioned(healthy, "without a tumor") is None
    ill = of_record(facts(names=names), labels=("liver",), absent=("no tumor",))
    assert labels_contradicted(ill, "without a tumor") == 'it denies "tumor", which the image shows'


@pytest.mark.parametrize(
    ("question", "answer", "found"),
    [
        ("what is it?", "it is an mri of it", "mri"),
        ("what does this mri show?", "a kidney", "mri"),
        ("is it ct or mri?", "a ct", None),
        ("what is it?", "not an mri but ct", None),
        ("what is it?", "a ct rather than an mri", None),
        ("what is it?", "it is ct, unlike an mri; the mri shows it", "mri"),
        ("what is it?", "pet and ct", None),
        ("what is it?", "the x-ray attenuation is high", None),
    ],
)
def test_no_other_modality_is_named(facts, question, answer, found):
    complaint = found and f'it speaks of "{found}" (MR), but the image is CT'
    assert modality_contradicted(facts(), ((question, answer),)) == complaint


def test_texts_may_compare_and_sources_may_name_other_modalities(facts):
    said = (("what is it?", "a ct, and an mri would show it better"),)
    assert modality_contradicted(facts(), said) is not None
    assert modality_contradicted(facts(Kind.TEXT_ONLY), said) is None
    assert modality_contradicted(facts(source="An MRI was made."), said) is None
    assert modality_contradicted(of_record(facts(), modality=None), said) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"here {LEFT}", None),
        (f"here {BOX}", None),
        (f"here {BOX.replace('600', '601')}", f"the box {BOX.replace('600', '601')} is not one of those given"),
        ("here <box>[0, 1, 2, 3]</box>", "a box tag is not of the form <box>[[x1, y1, x2, y2]]</box>"),
        (f"here {BOX}</box>", "a box tag is not of the form <box>[[x1, y1, x2, y2]]</box>"),
        ("here <box>", "a box tag is not of the form <box>[[x1, y1, x2, y2]]</box>"),
        (
            LEFT.replace("left", "right"),
            f"the reference {LEFT.replace('left', 'right')} is not one of those given",
        ),
        ("<ref>left kidney</ref>", "the reference <ref>left kidney</ref> is not one of those given"),
        (f"{LEFT} <ref>", "a ref tag is not of the form <ref>label</ref><box>…</box>"),
        (f"{LEFT} </ref>", "a ref tag is not of the form <ref>label</ref><box>…</box>"),
        ("no tag", None),
    ],
)
def test_boxes_and_references_are_those_given(facts, text, complaint):
    assert boxes_changed(facts(), text) == complaint


def test_a_region_caption_has_every_reference(facts):
    other = LEFT.replace("600", "700")
    told = facts(Kind.REGION_CAPTION, references=(LEFT, other))
    assert boxes_changed(told, LEFT) == f"the reference {other} is missing"
    assert boxes_changed(told, LEFT + other) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("3 lesions", 'the number "3" is not in the record'),
        ("1,200 hu", 'the number "1,200" is not in the record'),
        ("11.2 across", 'the number "11.2" is not in the record'),
        ("a 2d picture in 4d", 'the number "4" is not in the record'),
        ("a 2d picture, 3-d, 3 dimensions", None),
        ("a t2 image", None),
        (LEFT, None),
        ("two kidneys", None),
        ("two cm wide", '"two cm" is neither in the record nor measurable in the image'),
        ("half a cm", '"half a cm" is neither in the record nor measurable in the image'),
        ("a three-year-old", '"three-year" is neither in the record nor measurable in the image'),
        ("３ 个", 'the number "3" is not in the record'),
        ("宽三毫米", '"三毫米" is neither in the record nor measurable in the image'),
        ("肾四周清楚", None),
        ("孕十二周", '"十二周" is neither in the record nor measurable in the image'),
        ("共有3个", 'the number "3" is not in the record'),
    ],
)
def test_numbers_come_from_the_record(facts, text, complaint):
    assert numbers_invented(facts(), text) == complaint


@pytest.mark.parametrize(
    ("source", "text", "known"),
    [
        ("3 weeks", "three weeks", True),
        ("three weeks", "3 of them", True),
        ("十二岁", "12", True),
        ("二十三", "23", True),
        ("两个", "2", True),
        ("13 mm", "3", False),
        ("four weeks", "three weeks", False),
        ("3.5 cm", "3", False),
        ("12岁", "十二岁", True),
        ("one week", "one weeks", True),
    ],
)
def test_a_number_of_the_source_may_be_said_in_words_or_digits(facts, source, text, known):
    assert (numbers_invented(facts(source=source), text) is None) == known


@pytest.mark.parametrize(("source", "known"), [("", False), ("a ratio of 1:2", True)])
def test_a_ratio_is_no_pair_of_known_numbers(facts, source, known):
    told = of_record(facts(source=source), labels=("grade 1 tumor", "grade 2 tumor"))
    assert (numbers_invented(told, "a ratio of 1:2") is None) == known
    assert numbers_invented(told, "grade 1: the first; 2 labels") is None


def test_a_number_of_a_label_may_be_said(facts):
    assert numbers_invented(of_record(facts(), labels=("grade 3 tumor",)), "grade 3") is None
    assert numbers_invented(of_record(facts(), absent=("rib 4",)), "no rib 4") is None
    assert numbers_invented(of_record(facts(), anatomy="level 2"), "level 2") is None


@pytest.mark.parametrize(
    ("positions", "source", "text", "side"),
    [
        ((), "", "the left kidney", None),
        ((), "", "to the right", "right"),
        (("upper right",), "", "to the right", None),
        ((), "on the right", "to the right", None),
        ((), "", "bilateral", "bilateral"),
        (("upper right",), "", "bilaterally", None),
        ((), "", "bright and cleft", None),
        ((), "", f"{LEFT.replace('left', 'right')}", None),
    ],
)
def test_sides_are_those_of_labels_and_given_boxes(facts, positions, source, text, side):
    complaint = side and f'"{side}" is said of no label and of no given box'
    assert sides_invented(facts(positions=positions, source=source), text) == complaint


@pytest.mark.parametrize(("text", "side"), [("左肾", None), ("右上", "右"), ("两侧", "两侧"), ("双侧", "双侧")])
def test_sides_in_chinese(facts, text, side):
    complaint = side and f'"{side}" is said of no label and of no given box'
    assert sides_invented(facts(language=Language.ZH, positions=()), text) == complaint


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("A CT measures how rays are weakened on their way.", True),
        ("A CT image of some organ with a sharp outline.", False),
        ("How is it made? A computer works it out.", False),
    ],
)
def test_a_text_without_a_label_explains_how_the_image_is_made(facts, answer, named):
    assert (labels_mentioned(facts(), answer.lower()) is None) == named


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        ("CT uses X-rays from many sides.", True), ("An X-ray of the left kidney.", False),
        ("CT works unlike an ultrasound.", True), ("The ultrasound shows the left kidney.", False),
    ],
)  # fmt: skip
def test_what_an_image_is_made_with_or_likened_to_is_no_other_modality(facts, answer, good):
    assert (modality_contradicted(facts(), (("", answer.lower()),)) is None) == good
