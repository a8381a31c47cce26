"""Each check on a text: what it refuses, in words, and what it lets pass."""

import dataclasses

import pytest
from gmai_data.checks.written import CHECKS, checks_digest, first_complaint
from gmai_data.vocabulary import Kind, Language

LEFT = "<ref>left kidney</ref><box>[[0, 100, 500, 600]]</box>"


def test_a_text_without_a_modality_may_speak_of_any(facts):
    told = facts(kind=Kind.TEXT_ONLY, boxes=(), references=(), positions=())
    said = "The left kidney is seen well on ultrasound."
    assert verdict(told, said)[0] == "modality contradicted"
    free = dataclasses.replace(told, annotation=dataclasses.replace(told.annotation, modality=None))
    assert verdict(free, said) is None


def verdict(facts, answer, question="What does it show here?"):
    return first_complaint(facts, ((question, answer),))


GOOD = "A CT image of the abdomen in which the left kidney is sharply outlined."


def test_a_good_text_passes(facts):
    assert verdict(facts(), GOOD) is None
    assert verdict(facts(), "Here the kidney of the left side is sharply outlined.") is None, "a synonym of the card"
    assert verdict(facts(), f"One sees {LEFT} with a sharp outline here.") is None
    chinese = facts(language=Language.ZH, references=(LEFT.replace("left kidney", "左肾"),))
    assert verdict(chinese, "这是一张腹部的CT图像，可见左肾轮廓清楚。", "图中显示了什么结构？") is None


@pytest.mark.parametrize(
    ("check", "answer", "detail"),
    [
        ("refusal", "I'm sorry, but I cannot assist with this left kidney.", "i'm sorry"),
        ("language", "这张图像显示左肾轮廓清楚。", "not in English"),
        ("placeholder", f"{GOOD} <image>", "holds <image>"),
        ("boxes", "The left kidney lies in <box>[[0, 100, 500, 601]]</box> of it.", "not one of those given"),
        ("boxes", "The left kidney lies in <box>[0, 100, 500, 600]</box> of it.", "not of the form"),
        ("boxes", LEFT.replace("left kidney", "liver") + " is the left kidney.", "not one of those given"),
        ("length", "Left kidney.", "2 words, not 4 to 200"),
        ("repetition", f"{GOOD} {GOOD}", "more than once"),
        ("repetition", "the left kidney is here " * 5, "times"),
        ("meta talk", "According to the annotation this is the left kidney.", "annotation"),
        ("meta talk", "The left kidney is labeled as present here.", "is labeled as"),
        ("advice", f"{GOOD} Please consult a doctor.", "consult a doctor"),
        ("identifier", f"{GOOD} Seen on 2019-03-14.", "at character"),
        ("label not mentioned", "A CT image of some organ with a sharp outline.", 'such as "left kidney"'),
        ("label contradicted", "The left kidney and the liver are visible here.", 'states "liver"'),
        ("label contradicted", "There is no left kidney to be seen in it.", 'denies "left kidney"'),
        ("modality contradicted", "This MRI shows the left kidney quite clearly.", '"mri" (MR)'),
        ("number invented", "The left kidney measures 11.2 across in it.", 'number "11.2"'),
        ("number invented", "The left kidney is two centimetres wide in it.", "two centimetres"),
        ("side invented", "Both halves, bilateral, and the left kidney are seen.", "bilateral"),
    ],
)
def test_what_each_check_refuses(facts, check, answer, detail):
    name, complaint = verdict(facts(), answer)
    assert name == check
    assert detail in complaint


def test_negated_absent_labels_and_offered_modalities_are_no_contradiction(facts):
    assert verdict(facts(), "The left kidney is visible, without any part of the liver.") is None
    assert verdict(facts(), "It is CT, and the left kidney is visible.", "Is this MRI or CT?") is None
    assert (
        verdict(facts(), "The left kidney is well visible.", "What does this MRI show?")[0] == "modality contradicted"
    )


def test_sides_come_from_labels_and_given_boxes_alone(facts):
    sided = facts(positions=("lower right",), boxes=(), references=())
    assert verdict(sided, "To the right there is the left kidney.") is None
    unsided = facts(positions=(), boxes=(), references=())
    assert verdict(unsided, "To the right there is the left kidney.")[0] == "side invented"


def test_region_captions_name_every_box_unchanged(facts):
    assert verdict(facts(Kind.REGION_CAPTION), "The left kidney is sharply outlined in it.")[1].endswith("is missing")
    assert verdict(facts(Kind.REGION_CAPTION), f"Sharply outlined there is this: {LEFT}.") is None


def test_texts_speak_of_no_image_and_may_speak_of_a_record(facts):
    text = facts(Kind.TEXT_ONLY, boxes=(), references=(), positions=())
    assert verdict(text, "In this image one can see the left kidney.")[0] == "image talk"
    assert verdict(text, "The record says that the left kidney is shown.") is None


def test_turns_are_counted(facts):
    name, complaint = first_complaint(facts(turns=(1, 1)), (("What is it?", GOOD), ("And what else is there?", GOOD)))
    assert (name, complaint) == ("turns", "it has 2 turns, not 1")


def test_labels_of_an_image_caption_are_all_named_unless_they_are_many(facts):
    base = facts(Kind.IMAGE_CAPTION)
    assert verdict(base, "A CT image of the abdomen and its organs.")[0] == "label not mentioned"


def test_every_check_is_described_and_the_digest_is_stable():
    assert len(CHECKS) == 17
    assert checks_digest() == checks_digest()
