"""What is said of an image is what its record holds."""

import re
from dataclasses import replace

import pytest
from gmai_data.annotation import Box
from gmai_data.generation.describing import caption, details
from gmai_data.generation.wording import Words
from gmai_data.vocabulary import Language, Modality

ORGANS = {"a": {"en": "liver", "zh": "肝脏"}, "b": {"en": "spleen", "zh": "脾脏"}, "c": {"en": "stomach", "zh": "胃"}}


@pytest.fixture
def card(toy):
    return toy(
        task="2d_segmentation", modality="CT", labels=ORGANS, anatomy={"en": "abdomen", "zh": "腹部"},
        label_noun={"en": "organ", "zh": "器官"},
    )  # fmt: skip


@pytest.fixture
def record(annotation):
    """A liver on the left of the image and a small spleen on its right; the stomach is known to be absent."""
    return annotation(
        labels=("liver", "spleen"), absent=("stomach",), modality=Modality.CT,
        boxes=(Box("liver", (0, 20, 50, 80)), Box("spleen", (70, 40, 90, 60))),
        provenance={"window": "soft_tissue 40/400", "spacing_mm": [2.0, 5.0], "axis": "axial"},
    )  # fmt: skip


def said(record, card, language=Language.EN, seeds=60):
    """Return all sentences that are ever said."""
    found = set()
    for seed in range(seeds):
        found.update(details(record, Words(record, card, language, seed), "x"))
    return found


@pytest.mark.parametrize(
    ("pattern", "right"),
    [
        (r"soft-tissue window", True),
        (r"liver (?:lies|is) to the left of the spleen|To the left of the spleen .* lies the liver", True),
        (r"liver (?:lies|is) to the right|To the right of the spleen", False),
        (r"spleen (?:lies|is) to the right of the liver|To the right of the liver", True),
        (r"liver .*largest|largest .*liver", True),
        (r"spleen .*largest|largest .*spleen", False),
        (r"(?i)stomach .*(?:not|cannot)|not show the stomach|cannot see the stomach", True),
        (r"(?i)the (?:liver|spleen) (?:is not|cannot)", False),
        (r"liver .*100 .*120", True),
        (r"spleen .*40 .*40", True),
        (r"spleen .*middle right|middle right .*spleen", True),
        (r"Dermatology", True),
    ],
)
def test_details_are_true(record, card, pattern, right):
    assert any(re.search(pattern, each) for each in said(record, card)) == right


def test_what_is_not_known_is_not_said(record, card):
    everything = " ".join(said(record, card))
    assert "mm" in everything
    assert "mm" not in " ".join(said(replace(record, provenance={}), card))
    assert "window" not in " ".join(said(replace(record, provenance={}), card))
    assert "stomach" not in " ".join(said(replace(record, absent=()), card))
    half = " ".join(said(replace(record, incomplete=("liver",)), card))
    assert not re.search(r"largest|liver", half)
    unmarked = " ".join(said(replace(record, boxes=()), card))
    assert not re.search(r"liver|spleen", unmarked)


def test_where_only_some_was_marked_no_place_is_told(record, toy):
    some = toy(task="2d_detection", labels=ORGANS, exhaustive=False)
    assert not re.search(r"left|right|largest|mm", " ".join(said(replace(record, absent=()), some)))


@pytest.mark.parametrize("label", ["no tumor", "normal chest", "Kellgren–Lawrence grade 2", "other cell"])
def test_labels_whose_absence_is_no_sentence(record, card, label):
    assert label not in " ".join(said(replace(record, absent=(label,)), card)).lower()


def test_regions_near_to_one_another_are_not_beside(record, card):
    near = replace(record, boxes=(Box("liver", (0, 0, 50, 50)), Box("spleen", (5, 5, 60, 60))))
    assert not re.search(r"left of|right of|above|below", " ".join(said(near, card)))


def test_a_caption_says_the_view_and_what_is_shown(record, card):
    for seed in range(40):
        text = caption(record, Words(record, card, Language.EN, seed))
        assert re.search(r"axial CT (?:image|slice)", text)
        assert re.search(r"the liver and spleen", text, re.IGNORECASE)
        assert text[0].isupper()
        assert text.endswith(".")
        assert not re.search(r"[{}]|  |\.\.|\b(?:a [aeiou]|an [^aeiouAEIOULMNRSXFH])", text)
        chinese = caption(record, Words(record, card, Language.ZH, seed))
        assert "腹部轴位CT图像" in chinese
        assert "肝脏和脾脏" in chinese
        assert chinese.endswith("。")


def test_another_purpose_gives_another_text_and_the_same_one_the_same(record, card):
    words = Words(record, card, Language.EN, 0)
    assert caption(record, words) == caption(record, words)
    assert len({caption(record, words, str(number)) for number in range(40)}) > 20


def test_without_labels_only_the_view_is_told(record, card):
    bare = replace(record, labels=(), boxes=(), absent=("liver",), provenance={})
    for seed in range(20):
        text = caption(bare, Words(bare, card, Language.EN, seed))
        assert "liver" not in text
        assert "CT image of the abdomen" in text
