"""Questions that a held-out image could be asked: one of the modality, one of each label, one of each boxed label."""

import dataclasses
import json

from gmai_data.annotation import Box
from gmai_data.generation.held_out_offers import held_out_offers
from gmai_data.vocabulary import Modality, Split

OWN = ("id", "asks", "question", "answer", "wrong")
MODALITIES = (Modality.CT, Modality.DERMOSCOPY, Modality.MR)


MANY = ("modality", "label", "region")
"""Kinds of questions with as many answers as a source has labels."""


def every_offer(annotation, recipe, modalities=MODALITIES, seed=0, earlier=()):
    return [json.loads(line) for line in held_out_offers(annotation, recipe, modalities, seed, earlier)]


def offers(annotation, recipe, modalities=MODALITIES, seed=0):
    return [offer for offer in every_offer(annotation, recipe, modalities, seed) if offer["asks"] in MANY]


def test_questions_with_two_answers_say_what_they_are_about(annotation, recipe):
    record = annotation()
    found = {offer["asks"]: offer for offer in every_offer(record, recipe) if offer["asks"] not in MANY}
    assert {"presence alpha", "presence beta", "side alpha"} <= set(found)
    assert (found["presence alpha"]["answer"], found["presence alpha"]["wrong"]) == ("Yes", ["No"])
    assert (found["presence beta"]["answer"], found["presence beta"]["wrong"]) == ("No", ["Yes"])
    assert (found["side alpha"]["answer"], found["side alpha"]["wrong"]) == ("Left half", ["Right half"])


def test_two_images_are_compared_and_each_is_named(annotation, recipe):
    record, other = annotation(), annotation(labels=("beta",), absent=("alpha",), boxes=())
    other = dataclasses.replace(other, id="other")
    found = [
        each for each in every_offer(record, recipe, earlier=[(0, other)]) if each["asks"].startswith("two_images")
    ]
    assert found
    for each in found:
        assert (each.get("before"), each.get("behind")).count("other") == 1
        label = each["asks"].removeprefix("two_images which_shows ")
        own_first, own_shows = "behind" in each, label == "alpha"
        assert each["answer"] == ("First image" if own_first == own_shows else "Second image")
    alone = every_offer(record, recipe, earlier=[(0, dataclasses.replace(other, split=Split.TRAIN))])
    assert record.split == Split.TRAIN or not any("before" in each or "behind" in each for each in alone)


def test_one_line_a_question_with_the_record_beside_it(annotation, recipe):
    record = annotation()
    made = offers(record, recipe)
    assert [offer["asks"] for offer in made] == ["modality", "label", "region"]
    assert [offer["id"] for offer in made] == [f"{record.id}#held_out#{number}" for number in range(3)]
    for offer in made:
        assert offer["question"]
        shared = {
            name: value for name, value in offer.items() if name not in ("id", "asks", "question", "answer", "wrong")
        }
        assert shared == {
            "annotation": record.id, "image_id": record.image_id, "modality": "Dermoscopy",
            "department": "Dermatology", "source": "toy", "license": "CC0-1.0",
        }  # fmt: skip


def test_answers_are_the_records_and_wrong_ones_are_known_to_be_wrong(annotation, recipe):
    modality, label, region = offers(annotation(), recipe)
    assert (modality["answer"], modality["wrong"]) == ("Dermoscopy", ["CT", "MR"])
    assert (label["answer"], label["wrong"]) == ("alpha", ["beta"])
    assert (region["answer"], region["wrong"]) == ("alpha", ["beta"])
    assert "<box>[[100, 100, 500, 500]]</box>" in region["question"]


def test_no_modality_is_offered_that_the_build_does_not_have(annotation, recipe):
    assert offers(annotation(), recipe, (Modality.DERMOSCOPY,))[0]["wrong"] == []


def test_each_label_is_asked_for_and_a_region_only_where_it_has_a_box(annotation, recipe):
    boxes = (Box("beta", (0, 0, 5, 5)), Box("beta", (50, 50, 90, 90)))
    made = offers(annotation(labels=("alpha", "beta"), absent=(), boxes=boxes), recipe)
    assert [(offer["asks"], offer["answer"]) for offer in made[1:]] == [
        ("label", "alpha"), ("label", "beta"), ("region", "beta"),
    ]  # fmt: skip
    assert made[3]["wrong"] == [], "alpha has no box, and may lie in this region, too"
    assert len(offers(annotation(labels=(), boxes=()), recipe)) == 1


def test_another_seed_draws_other_questions(annotation, recipe):
    drawn = {tuple(offer["question"] for offer in offers(annotation(), recipe, seed=seed)) for seed in range(8)}
    assert len(drawn) > 1
    assert offers(annotation(), recipe) == offers(annotation(), recipe)
