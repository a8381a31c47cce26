"""Two images: both of one split and source, the answer true, and its place in the order not told by the words."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from gmai_data.annotation import Box
from gmai_data.build import BuildSettings, build
from gmai_data.generation.pairs import pair_turns, partner
from gmai_data.generation.wording import Words
from gmai_data.imaging.raster import encode_png
from gmai_data.sources.cards.catalogue import Source
from gmai_data.vocabulary import Language, Split


@pytest.fixture
def asked(recipe):
    def make(one, other, language=Language.EN, card=recipe, seeds=1):
        """Return (family, question, answer, whether the first image is that of `one`) of each question."""
        found = []
        for seed in range(seeds):
            words = Words(one, card, language, seed)
            turns = pair_turns(one, other, words, seed)
            found += [(turn.asked.split(" ")[1], turn.question, turn.answer, first) for turn, first in turns]
        return found

    return make


def of_volume(annotation, index, **changes):
    known = {"item": "v", "axis": "axial", "slice": index, "window": "w", "spacing_mm": [2.0, 5.0]}
    return annotation(index, provenance=known | changes, absent=())


@pytest.mark.parametrize(("index", "other", "higher"), [(9, 2, True), (2, 9, False), (0, 4, False)])
def test_the_slice_with_the_larger_number_is_nearer_to_the_head(annotation, asked, index, other, higher):
    one, two = of_volume(annotation, index), of_volume(annotation, other)
    found = asked(one, two, seeds=30)
    assert {family for family, *_ in found} == {"higher"}
    assert all((answer == "First image") == (higher == first) for _, _, answer, first in found)
    assert len({first for *_, first in found}) == 2


@pytest.mark.parametrize(
    "changes",
    [{"slice": 8}, {"item": "w"}, {"axis": "coronal"}, {"window": "x"}, {"spacing_mm": [2.0, 4.0]}, {"frame": 1}],
)
def test_slices_that_cannot_be_told_apart_or_compared_are_not_asked_about(annotation, asked, changes):
    index = changes.pop("slice", 1)
    assert asked(of_volume(annotation, 5), of_volume(annotation, index, **changes)) == []


def test_which_image_shows_a_label_known_to_be_absent_in_the_other(annotation, asked):
    one = annotation(1, labels=("alpha",), absent=("beta",), boxes=())
    two = annotation(2, labels=("beta",), absent=("alpha",), boxes=())
    for family, question, answer, first in asked(one, two, seeds=20):
        assert family == "which_shows"
        assert ("alpha" in question.lower()) == ((answer == "First image") == first)
    assert asked(one, replace(two, absent=())) == asked(one, replace(two, absent=()), seeds=1)
    assert asked(replace(one, absent=()), replace(two, absent=())) == [], "silence is not absence"


def cells(annotation, number, count, label="platelet"):
    boxes = tuple(Box(label, (each, 0, each + 1, 1)) for each in range(count))
    return annotation(number, labels=(label,), absent=(), boxes=boxes)


@pytest.mark.parametrize(
    ("count", "other", "more"), [(6, 2, True), (2, 6, False), (3, 2, None), (4, 4, None), (31, 2, None)]
)
def test_clearly_more_of_what_can_be_counted(annotation, toy, asked, count, other, more):
    card = toy(task="2d_detection", labels={"a": "platelet"})
    found = asked(cells(annotation, 1, count), cells(annotation, 2, other), card=card)
    if more is None:
        assert found == []
        return
    ((family, question, answer, first),) = found
    assert family == "more"
    assert "platelets" in question
    assert (answer == "First image") == (more == first)


@pytest.mark.parametrize("changes", [{"exhaustive": False}, {"boxes": {"per": "class"}, "task": "2d_segmentation"}])
def test_what_is_not_counted_is_not_compared(annotation, toy, asked, changes):
    card = toy(**{"task": "2d_detection", "labels": {"a": "platelet"}, **changes})
    assert asked(cells(annotation, 1, 6), cells(annotation, 2, 2), card=card) == []


def test_the_slice_in_which_a_structure_is_larger(annotation, toy, asked):
    card = toy(task="2d_detection", labels={"a": "alpha"})
    small, large = (of_volume(annotation, index) for index in (1, 2))
    large = replace(large, boxes=(Box("alpha", (0, 0, 90, 90)),))
    ((family, _, answer, first),) = asked(large, small, card=card)
    assert family == "larger"
    assert (answer == "First image") == first


def test_the_partner_is_of_the_same_split_and_rather_of_the_same_item(annotation):
    one = annotation(0, provenance={"item": "v"})
    same, other = annotation(1, provenance={"item": "v"}), annotation(2, provenance={"item": "w"})
    held = annotation(3, provenance={"item": "v"}, split=Split.VALIDATION)
    assert partner(one, [(1, same), (2, other), (3, held)], 0) == (1, same)
    assert partner(one, [(2, other), (3, held)], 0) == (2, other)
    assert partner(one, [(3, held)], 0) is None


def test_in_chinese(annotation, asked):
    one, two = of_volume(annotation, 9), of_volume(annotation, 1)
    for _, question, answer, first in asked(one, two, Language.ZH, seeds=4):
        assert "轴位" in question
        assert answer == ("第一张" if first else "第二张")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A build of 120 pictures of two classes, two a patient, three of which are copies; its rows about two images."""
    from gmai_data.sources.cards.recipe import Recipe

    root = tmp_path_factory.mktemp("pairs")
    for number in range(120):
        folder = root / "data" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        seed = number if number % 40 else 0
        pixels = np.random.default_rng(seed).integers(0, 255, (40, 40), np.uint8)
        (folder / f"p{number // 2:03d}_{number}.png").write_bytes(encode_png(pixels))
    card = Recipe.model_validate(
        {
            "name": "toy", "title": "Toy", "homepage": "https://example.org", "citation": "None.", "license": "CC0-1.0",
            "modality": "Dermoscopy", "department": "Dermatology", "clinical_task": "Disease Diagnosis",
            "anatomy": {"en": "skin", "zh": "皮肤"}, "label_noun": {"en": "lesion", "zh": "病变"},
            "task": "2d_classification", "layout": {"kind": "folder_per_class"},
            "labels": {"a": {"en": "melanoma", "zh": "黑色素瘤"}, "b": {"en": "nevus", "zh": "痣"}},
            "split": {
                "fractions": {"train": 0.6, "validation": 0.2, "held_out": 0.2}, "group_pattern": r"(p\d+)_",
            },
        }
    )  # fmt: skip
    assert build([Source(card, root / "data")], root / "out", BuildSettings(chinese_share=0.3)) == 0
    rows = [
        row
        for path in sorted((root / "out" / "samples" / "percept").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
        if len(row["images"]) == 2
    ]
    records = {}
    for path in sorted((root / "out" / "annotations").glob("*.parquet")):
        records |= {row["id"]: row for row in pq.read_table(path).to_pylist()}
    return rows, records


def test_a_build_has_rows_of_two_images_with_the_answer_of_their_records(pairs):
    rows, records = pairs
    assert len(rows) > 10
    answers = Counter()
    for row in rows:
        known = json.loads(row["provenance"])
        both = [records[known["annotation"]], records[known["beside"]["annotation"]]]
        assert [image["bytes"] for image in row["images"]] == [record["image"]["bytes"] for record in both]
        assert row["messages"][0]["content"].startswith("<image>\n<image>\n")
        assert row["boxes"] == []
        asked = known["balance"]["of"][1]
        shown = [asked in record["labels"] for record in both]
        assert shown == [known["balance"]["answer"] == "first", known["balance"]["answer"] == "second"]
        answers[known["balance"]["answer"]] += 1
    assert answers["first"] == answers["second"]


def test_both_images_are_of_the_split_of_the_row_and_no_duplicate_is_shown(pairs):
    rows, records = pairs
    for row in rows:
        known = json.loads(row["provenance"])
        both = {known["annotation"], known["beside"]["annotation"]}
        assert {records[name]["split"] for name in both} == {row["split"]}, "a picture that was left out has no record"
    groups = {}
    for record in records.values():
        groups.setdefault(record["group"], set()).add(record["split"])
    assert all(len(splits) == 1 for splits in groups.values())
