"""Perception is true: what is answered yes is there, what is answered no is not, and no wrong option is right."""

import json
import re
from collections import Counter
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.generation.naming import named
from gmai_data.generation.perception import (
    LETTER_SHARE,
    MAX_COUNT,
    label_offer,
    modality_offer,
    perception_turns,
    region_offer,
)
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.generation.wording import Words
from gmai_data.vocabulary import Kind, Language, Modality, Split


@pytest.fixture(scope="module")
def perception(phantom_build):
    records = {}
    for path in sorted((phantom_build / "annotations").glob("*.parquet")):
        columns = ["id", "labels", "absent", "modality", "boxes", "source"]
        records |= {row["id"]: row for row in pq.read_table(path, columns=columns).to_pylist()}
    samples = []
    for path in sorted((phantom_build / "samples" / "percept").glob("*.parquet")):
        for row in pq.read_table(path, columns=["messages", "provenance", "language"]).to_pylist():
            told = json.loads(row["provenance"])
            question, answer = (message["content"] for message in row["messages"])
            if row["language"] == "en":
                samples.append((records[told["annotation"]], told["asked"], question, answer))
    return samples


def test_negatives_are_true_negatives(perception):
    asked = [(record, question, answer) for record, what, question, answer in perception if what == "presence"]
    answers = {"Yes": 0, "No": 0}
    for record, question, answer in asked:
        answers[answer] += 1
        found = [
            label for label in (*record["labels"], *record["absent"]) if re.search(rf"\b{named(label).any}\b", question)
        ]
        label = max(found, key=len)
        assert (label in record["labels"]) == (answer == "Yes")
        assert (label in record["absent"]) == (answer == "No")
    assert min(answers.values()) > 3


def test_no_wrong_option_is_right(perception):
    checked = 0
    for record, what, question, answer in perception:
        if what != "label option_text":
            continue
        options = question.split("Options: ")[1].split(".\n")[0].split("; ")
        assert answer in options
        assert answer in record["labels"]
        assert not {option for option in options if option != answer} & set(record["labels"])
        checked += 1
    assert checked > 4


def test_modalities_and_counts_are_those_of_the_record(perception):
    counted = 0
    for record, what, question, answer in perception:
        if what in ("modality", "modality option_text"):
            assert answer == record["modality"]
        if what == "counting":
            counts = {label: sum(box["label"] == label for box in record["boxes"]) for label in record["labels"]}
            label = max((label for label in counts if named(label).any in question), key=len)
            assert int(answer) == counts[label]
            counted += 1
    assert counted > 4


@pytest.mark.parametrize("per", ["class", "component_3d"])
def test_regions_are_counted_only_where_each_has_its_box(toy, per):
    made = {rule: toy(task="2d_segmentation", boxes={"per": rule}) for rule in (per, "component")}
    annotation = _annotation(made[per], Box("alpha", (0, 0, 10, 10)), Box("beta", (20, 20, 40, 40)))
    asked = {
        rule: {turn[3] for turn in perception_turns(annotation, Words(annotation, recipe, Language.EN, 0), (), 0)}
        for rule, recipe in made.items()
    }
    assert "counting" in asked["component"]
    assert "counting" not in asked[per], "one box may hold several regions of the picture"
    assert "localisation" in asked[per]


@pytest.mark.parametrize("exhaustive", [True, False])
def test_where_only_some_was_marked_nothing_is_asked_for_completely(toy, exhaustive):
    recipe = toy(task="2d_detection", exhaustive=exhaustive)
    annotation = replace(_annotation(recipe, Box("alpha", (0, 0, 10, 10))), absent=())
    asked = {turn[3] for turn in perception_turns(annotation, Words(annotation, recipe, Language.EN, 0), (), 0)}
    assert ({"counting", "localisation"} <= asked) == exhaustive
    writer = TemplateWriter(0.0, 0.0, (), 0, (Kind.FREE_INSTRUCTION,))
    records = [replace(annotation, id=str(number)) for number in range(40)]
    questions = {sample.turns[0][0] for record in records for sample in writer.samples(record, recipe)}
    assert any("every" in question or "each visible" in question for question in questions) == exhaustive


def test_what_lies_within_a_region_is_no_wrong_answer_about_it(toy):
    recipe = toy(task="2d_detection")
    outer, inner, apart = Box("alpha", (0, 0, 50, 50)), Box("beta", (10, 10, 20, 20)), Box("gamma", (60, 60, 80, 80))
    annotation = _annotation(recipe, outer, inner, apart)
    words = Words(annotation, recipe, Language.EN, 0)
    assert set(region_offer(annotation, words, outer, "x").wrong) == {"gamma", "delta"}
    assert set(region_offer(annotation, words, inner, "x").wrong) == {"gamma", "delta"}
    assert set(region_offer(annotation, words, apart, "x").wrong) == {"alpha", "beta", "delta"}
    touching = _annotation(recipe, outer, Box("beta", (40, 40, 90, 90)))
    words = Words(touching, recipe, Language.EN, 0)
    assert set(region_offer(touching, words, outer, "x").wrong) == {"beta", "gamma", "delta"}, "4 % are common"
    unboxed = _annotation(recipe, outer, apart, incomplete=("gamma",), labels=("alpha", "gamma", "beta"))
    words = Words(unboxed, recipe, Language.EN, 0)
    assert set(region_offer(unboxed, words, outer, "x").wrong) == {"delta"}, "gamma and beta may lie anywhere"


def _annotation(recipe, *boxes, incomplete=(), labels=()):
    labels = labels or tuple(dict.fromkeys(box.label for box in boxes))
    return Annotation(
        id="a", image=b"", width_px=100, height_px=100, modality=recipe.modality, department=recipe.department,
        clinical_task=recipe.clinical_task, anatomy="skin", task=recipe.task, labels=labels,
        absent=tuple(name for name in recipe.label_names if name not in labels), incomplete=incomplete, boxes=boxes,
        split=Split.TRAIN, group="g", source="toy", license="CC0-1.0", provenance={},
    )  # fmt: skip


def asked(record, recipe, modalities=(), seed=0):
    """Return what is asked about a record ▶ its turns."""
    made = {}
    words = Words(record, recipe, Language.EN, seed)
    for turn in perception_turns(record, words, modalities, seed):
        made.setdefault(turn.asked, []).append((turn.question, turn.answer, turn.boxes))
    return made


def regions(count, label="alpha"):
    return tuple(Box(label, (number, 0, number + 1, 1)) for number in range(count))


@pytest.mark.parametrize(("count", "counted"), [(1, True), (MAX_COUNT, True), (MAX_COUNT + 1, False)])
def test_so_many_regions_are_counted_and_listed_and_no_more(toy, count, counted):
    recipe = toy(task="2d_detection")
    made = asked(_annotation(recipe, *regions(count)), recipe)
    assert MAX_COUNT == 30
    assert ("counting" in made) == ("localisation" in made) == counted
    if counted:
        ((question, answer, boxes),) = made["counting"]
        assert (answer, len(boxes)) == (str(count), count)
        assert "alpha" in question
        ((_, answer, boxes),) = made["localisation"]
        assert answer.startswith("<ref>alpha</ref><box>[[")
        assert boxes == regions(count)


def test_a_label_with_a_region_that_has_no_box_is_not_counted(toy):
    recipe = toy(task="2d_detection")
    made = asked(_annotation(recipe, *regions(2), incomplete=("alpha",)), recipe)
    assert not {"counting", "localisation"} & made.keys()


def test_presence_is_asked_both_ways_or_not_at_all(toy):
    recipe = toy(task="2d_detection")
    record = _annotation(recipe, *regions(1))
    yes, *noes = asked(record, recipe)["presence"]
    assert ("alpha" in yes[0], yes[1]) == (True, "Yes")
    assert [answer for _, answer, _ in noes] == ["No", "No"]
    assert all(any(label in question for label in record.absent) for question, _, _ in noes)
    assert "presence" not in asked(replace(record, absent=()), recipe)
    assert "presence" not in asked(replace(record, labels=(), boxes=()), recipe)


def test_the_open_question_is_for_the_label_only_where_there_is_one(toy):
    recipe = toy(task="2d_detection")
    record = _annotation(recipe, *regions(1))
    assert asked(record, recipe)["label"][0][1:] == ("alpha", ())
    for other in (replace(record, absent=()), replace(record, labels=("alpha", "beta"))):
        assert asked(other, recipe)["modality"][0][1:] == ("Dermoscopy", ())
        assert "label" not in asked(other, recipe)


def test_modalities_of_the_build_are_offered_first_and_filled_to_three(toy):
    recipe = toy(task="2d_detection")
    record = _annotation(recipe, *regions(1))
    words = Words(record, recipe, Language.EN, 0)
    few = modality_offer(record, words, (Modality.DERMOSCOPY, Modality.CT))
    assert (few.answer, few.wrong[0], len(few.wrong)) == ("Dermoscopy", "CT", 3)
    assert "Dermoscopy" not in few.wrong
    assert len(set(few.wrong)) == 3
    assert modality_offer(record, words, (Modality.CT,), only_these=True).wrong == ("CT",)
    many = (Modality.CT, Modality.MR, Modality.PET, Modality.OCT, Modality.DERMOSCOPY)
    assert modality_offer(record, words, many).wrong == ("CT", "MR", "PET", "OCT")


@pytest.mark.parametrize(("absent", "least"), [((), 1), (("beta",), 2), (("beta", "gamma"), 3), (("b", "c", "d"), 3)])
def test_with_a_small_vocabulary_fewer_options_will_do(toy, absent, least):
    recipe = toy(task="2d_detection")
    record = replace(_annotation(recipe, *regions(1)), absent=absent)
    words = Words(record, recipe, Language.EN, 0)
    offer = label_offer(record, words, "alpha", "x")
    assert (offer.answer, offer.wrong, offer.least_options) == ("alpha", absent, least)
    region = region_offer(record, words, record.boxes[0], "x")
    assert (region.answer, region.wrong, region.least_options) == ("alpha", absent, least)


@pytest.mark.parametrize(("edge", "wrong"), [(4, {"beta"}), (5, set()), (6, set())])
def test_half_of_the_smaller_box_in_common_is_too_much_for_a_wrong_answer(toy, edge, wrong):
    recipe = toy(task="2d_detection")
    outer, other = Box("alpha", (0, 0, 40, 10)), Box("beta", (0, 10 - edge, 20, 20 - edge))
    record = replace(_annotation(recipe, outer, other), absent=())
    assert set(region_offer(record, Words(record, recipe, Language.EN, 0), outer, "x").wrong) == wrong


def test_a_fifth_of_the_choices_is_answered_by_letter(toy):
    recipe = toy(task="2d_detection")
    record = _annotation(recipe, *regions(1))
    letters = texts = 0
    for number in range(300):
        each = replace(record, id=str(number))
        for question, answer, _, what, _ in perception_turns(each, Words(each, recipe, Language.EN, 0), (), 0):
            if what.endswith("option_letter"):
                letters += 1
                assert answer in "ABCD"
                assert f"{answer}. " in question
            elif what.endswith("option_text"):
                texts += 1
                assert answer in question
    assert LETTER_SHARE == 0.2
    assert 0.15 < letters / (letters + texts) < 0.25


def test_no_is_first_asked_of_the_other_side(toy):
    labels = {"a": "left kidney", "b": "right kidney", "c": "liver", "d": "spleen"}
    recipe = toy(task="2d_detection", labels=labels)
    record = replace(
        _annotation(recipe, *regions(1, "left kidney")), labels=("left kidney",),
        absent=("liver", "right kidney", "spleen"),
    )  # fmt: skip
    noes = [question for question, answer, _ in asked(record, recipe)["presence"] if answer == "No"]
    assert "right kidney" in noes[0]


def test_the_label_is_drawn_before_the_box(toy):
    recipe = toy(task="2d_detection")
    record = _annotation(recipe, *regions(20), Box("beta", (50, 50, 60, 60)))
    drawn = Counter()
    for number in range(200):
        each = replace(record, id=str(number))
        for turn in perception_turns(each, Words(each, recipe, Language.EN, 0), (), 0):
            if turn.asked.startswith("region"):
                drawn[turn.boxes[0].label] += 1
    assert 0.35 < drawn["beta"] / drawn.total() < 0.65


@pytest.mark.parametrize(
    ("alpha", "beta", "answers"),
    [
        ((5, 5, 45, 45), (70, 70, 80, 80), {"left_of": "alpha", "above": "alpha", "larger": "alpha"}),
        ((60, 70, 70, 80), (0, 0, 40, 40), {"left_of": "beta", "above": "beta", "larger": "beta"}),
        ((0, 40, 10, 50), (2, 41, 12, 51), {}),
    ],
)
def test_places_and_sizes_are_those_of_the_boxes(toy, alpha, beta, answers):
    recipe = toy(task="2d_detection")
    made = asked(_annotation(recipe, Box("alpha", alpha), Box("beta", beta)), recipe)
    assert {name: made[name][0][1] for name in ("left_of", "above", "larger") if name in made} == answers


@pytest.mark.parametrize(
    ("xyxy", "side", "height"),
    [
        ((0, 0, 20, 20), "Left half", "Upper half"),
        ((80, 80, 90, 90), "Right half", "Lower half"),
        ((45, 45, 55, 55), None, None),
    ],
)
def test_halves_of_the_image(toy, xyxy, side, height):
    recipe = toy(task="2d_detection")
    made = asked(_annotation(recipe, Box("alpha", xyxy)), recipe)
    assert [made[name][0][1] if name in made else None for name in ("side", "height")] == [side, height]
    several = asked(_annotation(recipe, *regions(2)), recipe)
    assert "side" not in several


@pytest.mark.parametrize(("axis", "answer"), [("axial", "beta"), ("coronal", "beta"), ("sagittal", None)])
def test_the_patients_left_is_on_the_right_of_slices_seen_from_the_feet(toy, axis, answer):
    recipe = toy(task="2d_detection")
    record = _annotation(recipe, Box("alpha", (5, 5, 45, 45)), Box("beta", (70, 70, 80, 80)))
    made = asked(replace(record, provenance={"axis": axis}), recipe)
    assert ([turn[1] for turn in made["patient_left"]] if answer else made.get("patient_left")) == (answer and [answer])
    assert "patient_left" not in asked(record, recipe)


def test_one_of_two_regions_shows_the_label_and_the_other_has_none_of_it(toy):
    recipe = toy(task="2d_detection")
    record = _annotation(recipe, Box("alpha", (0, 0, 20, 20)), Box("beta", (60, 60, 90, 90)))
    answers = Counter()
    for number in range(60):
        ((question, answer, boxes),) = asked(replace(record, id=str(number)), recipe)["which_region"]
        first, second = boxes
        label = "alpha" if "alpha" in question.lower() else "beta"
        assert answer == ("Region A" if first.label == label else "Region B")
        assert question.index(f"[[{first.xyxy[0] * 10}, ") < question.index(f"[[{second.xyxy[0] * 10}, ")
        answers[answer] += 1
    assert min(answers.values()) > 15
    near = _annotation(recipe, Box("alpha", (0, 0, 20, 20)), Box("beta", (10, 10, 30, 30)))
    assert "which_region" not in asked(near, recipe)
    half = _annotation(recipe, *record.boxes, incomplete=("alpha", "beta"))
    assert "which_region" not in asked(half, recipe)


@pytest.mark.parametrize(
    ("pixel_mm", "shape", "said"),
    [
        (1.0, (40, 20), {"40 mm", "20 mm"}),
        (3.0, (41, 22), {"125 mm", "65 mm"}),
        (0.5, (40, 21), {"20 mm", "10 mm"}),
        (1.0, (3, 3), set()),
    ],
)
def test_sizes_in_millimetres_are_rounded_to_a_hundredth_of_the_image_and_more(toy, pixel_mm, shape, said):
    recipe = toy(task="2d_detection", modality="CT")
    record = _annotation(recipe, Box("alpha", (10, 10, 10 + shape[0], 10 + shape[1])))
    known = replace(record, provenance={"spacing_mm": [pixel_mm, 1.0]})
    found = set()
    for number in range(20):
        made = asked(replace(known, id=str(number)), recipe)
        for family in ("width_mm", "height_mm"):
            for question, answer, _ in made.get(family, ()):
                assert f"{100 * pixel_mm:.0f} mm" in question
                found.add(answer)
    assert found == said
    assert not {"width_mm", "height_mm"} & asked(record, recipe).keys(), "the spacing is not known"
    other = replace(known, modality=Modality.X_RAY)
    assert not {"width_mm", "height_mm"} & asked(other, recipe).keys(), "a projection is magnified"
