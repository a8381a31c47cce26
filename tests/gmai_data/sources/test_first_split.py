"""A first split of one's own data holds enough out."""

import pytest
import yaml
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.cards.recipe import load_recipe
from gmai_data.sources.first_split import complete_split
from gmai_data.sources.listing import list_sources
from gmai_data.sources.splits import split_of
from gmai_data.vocabulary import Split
from PIL import Image

FACTS = {
    "name": "own", "title": "Own", "homepage": "not stated", "citation": "not stated", "license": "not stated",
    "modality": "X-ray", "department": "Oncology", "clinical_task": "Disease Diagnosis", "anatomy": "chest",
    "task": "2d_classification", "labels": {"a": "alpha", "b": "beta"},
}  # fmt: skip


def card_of(root, places, count, layout, **more):
    for place in places:
        for number in range(count):
            for label in "ab":
                path = root / "data" / place.replace("{label}", label) / f"{place[:2]}{number}{label}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (4, 4)).save(path)
    card = root / "card.yaml"
    card.write_text(yaml.safe_dump({**FACTS, "layout": layout, **more}))
    return card


def parts(card, root):
    recipe = load_recipe(card)
    (listing,) = list_sources([Source(recipe, root / "data")], None)
    return [split_of(item, recipe) for item in listing.items]


def test_of_few_pictures_a_fifth_or_more_is_held_out(tmp_path):
    card = card_of(tmp_path, ["{label}"], 40, {"kind": "folder_per_class"})
    (said,) = complete_split(card, tmp_path / "data")
    assert said.startswith("split: of 80 patients or pictures ")
    assert 16 <= parts(card, tmp_path).count(Split.HELD_OUT) <= 48
    assert complete_split(card, tmp_path / "data") == [], "what the card says stays"


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_a_validation_part_stands_in_for_a_test_part_that_is_not_there(tmp_path, held_out):
    layout = {"kind": "folder_per_class", "split_folder": True}
    card = card_of(tmp_path, ["train/{label}", f"{held_out}/{{label}}"], 3, layout)
    said = complete_split(card, tmp_path / "data")
    assert bool(said) == (held_out == "val")
    assert parts(card, tmp_path).count(Split.HELD_OUT) == 6


def test_lists_of_the_publisher_without_a_test_list(tmp_path):
    lists = {"official": {"train": "train.txt", "validation": "val.txt"}}
    card = card_of(tmp_path, ["{label}"], 2, {"kind": "folder_per_class"}, split=lists)
    (tmp_path / "data/train.txt").write_text("{l0a\n{l0b\n")
    (tmp_path / "data/val.txt").write_text("{l1a\n{l1b\n")
    assert complete_split(card, tmp_path / "data")
    assert yaml.safe_load(card.read_text())["split"]["official"] == {"train": "train.txt", "held_out": "val.txt"}
    assert parts(card, tmp_path).count(Split.HELD_OUT) == 2
