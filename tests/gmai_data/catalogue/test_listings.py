"""Each card over a miniature of its publisher's folder: items, labels, boxes, groups and splits, without a leak.

What is asserted stands in `listings/NAME.yaml`, written from the publisher's source and not from the card; how to add
one is in docs/how-to/add-a-card.md.
"""

import itertools
import re
from collections import defaultdict
from pathlib import Path

import pytest
from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.sources.cards.catalogue import Source, bundled_names, find_recipe
from gmai_data.sources.cards.summaries import PHANTOM_PREFIX
from gmai_data.sources.listing import list_sources
from gmai_data.sources.reading import read_pictures
from gmai_data.sources.splits import split_of
from gmai_formats.safe_yaml import load_yaml

LISTINGS = sorted((Path(__file__).parent / "listings").glob("*.yaml"))
PICTURES = 60
"""So many pictures of an item are read at most."""
FACTS = {"labels", "group", "split", "boxes", "uncertain"}
FIELDS = {
    "card",
    "source",
    "note",
    "count",
    "names",
    "files",
    "arrays",
    "masks",
    "headers",
    "slides",
    "each",
    "items",
} | {
    "counts",
    "left_out",
    "refused",
}


def expected_items(listing):
    """Return item ▶ its facts, with those of `each` where it says nothing else."""
    each = listing.get("each", {})
    return {name: {**each, **(facts or {})} for name, facts in listing.get("items", {}).items()}


def built(recipe, root):
    """Return (item ▶ what became of it, items that were left out, items that were refused)."""
    (found,) = list_sources([Source(recipe, root)], None)
    kept, left_out, refused = {}, {}, {}
    for item in found.items:
        try:
            split = split_of(item, recipe)
            pictures = list(itertools.islice(read_pictures(item, recipe, root, Ledger()), PICTURES))
        except SourceError as problem:
            refused[item.key] = str(problem)
        except SetAside as reason:
            left_out[item.key] = reason.rule
        else:
            kept[item.key] = {
                "files": item.files,
                "group": item.group_number,
                "split": str(split),
                "pictures": pictures,
                "labels": {label for picture in pictures for label in picture.labels},
                "uncertain": {label for picture in pictures for label in picture.uncertain},
                "boxes": max((len(picture.boxes) for picture in pictures), default=0),
            }
    return kept, left_out, refused


@pytest.mark.parametrize("path", LISTINGS, ids=[path.stem for path in LISTINGS])
def test_the_card_builds_what_its_source_says(path, draw):
    listing = load_yaml(path.read_text(encoding="utf-8"))
    assert not set(listing) - FIELDS
    assert listing["source"].startswith("https://"), "the listing names the address that it was written from"
    recipe = find_recipe(listing.get("card", path.stem))
    assert recipe.verified in ("listing", "copy"), "a card with a listing says `verified: listing`"
    assert recipe.expected.items == listing.get("count")
    kept, left_out, refused = built(recipe, draw(listing))
    assert refused.keys() == set(listing.get("refused", [])), refused
    assert left_out.keys() == set(listing.get("left_out", [])), left_out
    if "counts" in listing:  # entries of one file, which have no names of their own
        found = defaultdict(int)
        for facts in kept.values():
            found[facts["split"]] += 1
            for label in facts["labels"]:
                found[label] += 1
        assert dict(found) == listing["counts"]
        return
    by_file = {key: key for key in kept} | {file: key for key, facts in kept.items() for file in facts["files"][:1]}
    expected = expected_items(listing)
    assert {by_file.get(name, name) for name in expected} == kept.keys()
    groups = defaultdict(set)
    for name, facts in expected.items():
        assert not set(facts) - FACTS, name
        found = kept[by_file[name]]
        for fact in ("labels", "uncertain"):
            assert found[fact] == set(facts.get(fact, [])), (name, fact)
        for fact in ("split", "boxes"):
            if fact in facts:
                assert found[fact] == facts[fact], (name, fact)
        groups[str(facts.get("group", name))].add(by_file[name])
    by_number = defaultdict(set)
    for key, facts in kept.items():
        by_number[facts["group"]].add(key)
    assert sorted(map(sorted, by_number.values())) == sorted(map(sorted, groups.values())), "groups"
    for group, keys in groups.items():
        assert len({kept[key]["split"] for key in keys}) == 1, f"{group} is on two sides of the split"


def test_every_card_of_a_public_dataset_has_a_listing_or_says_that_it_was_never_tried():
    of_cards = {load_yaml(path.read_text(encoding="utf-8")).get("card", path.stem) for path in LISTINGS}
    grades = {name: find_recipe(name).verified for name in bundled_names()}
    assert of_cards <= grades.keys()
    assert {name for name, grade in grades.items() if grade == "listing"} <= of_cards
    assert not {name for name in of_cards if grades[name] == "none"}


@pytest.mark.parametrize("name", [name for name in bundled_names() if not name.startswith(PHANTOM_PREFIX)])
def test_every_card_names_its_group_or_says_why_there_is_none(name):
    recipe = find_recipe(name)
    layout = recipe.layout.model_dump()
    patterns = str([layout.get(key) for key in ("images", "image", "files")])
    tells = [
        *(recipe.split.group_pattern, recipe.split.group_table, recipe.split.no_group),
        *(layout.get("group_column"), layout.get("group_field"), layout.get("group_of_header")),
        "{patient" in patterns,
        recipe.layout.kind in ("dicom", "dicom_series", "qa_text"),
    ]
    assert any(tells), "name the patient (split.group_pattern, {patient} in a pattern), or say why in split.no_group"


@pytest.mark.parametrize("name", [name for name in bundled_names() if not name.startswith(PHANTOM_PREFIX)])
def test_every_label_has_a_chinese_name_of_its_own_words(name):
    recipe = find_recipe(name)
    for label in (*recipe.labels.values(), recipe.anatomy):
        assert label.zh, label.en
        assert not re.search("[左右]侧(?!脑室)", label.zh), f"{label.zh}: 左肾, not 左侧肾"
        assert not re.search("第[一二三四五六七八九十]+[颈胸腰骶肋]", label.zh), f"{label.zh}: 第1颈椎, not 第一颈椎"
        assert not re.search("巴雷特|瓦特|凯利|卡洛", label.zh), f"{label.zh}: Barrett食管, as Vater壶腹"


MORE_THAN_ONE = {
    "brain": {"脑", "脑部"},  # the organ, and the part of the body
    "edema": {"水肿", "肺水肿"},  # about a tumor of the brain, and in a chest radiograph
    "kidneys": {"双肾", "肾脏"},
    "metal": {"金属", "金属影"},
}
"""English names that mean two things, which the card's anatomy tells apart."""


def test_one_english_name_has_one_chinese_name():
    chinese = defaultdict(set)
    for name in bundled_names():
        recipe = find_recipe(name)
        for label in (*recipe.labels.values(), recipe.anatomy, recipe.label_noun):
            chinese[label.en.lower()].add(label.zh)
    assert {en: zh for en, zh in chinese.items() if len(zh - {None}) > 1} == MORE_THAN_ONE
