"""What is read of a card without validating it is what the card says; known datasets and the cards they have."""

import re

import pytest
import yaml
from gmai_data.sources.cards.catalogue import bundled_names, find_recipe
from gmai_data.sources.cards.summaries import (
    bundled_folder,
    card_of,
    cards_by_name,
    find_known,
    known_datasets,
    summaries,
)
from gmai_data.vocabulary import Modality, Task
from gmai_formats.errors import UserError

CARDS = summaries()


def words(text):
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def test_every_card_is_summed_up_as_it_is_validated():
    assert [card.name for card in CARDS] == bundled_names()
    for card in CARDS:
        recipe = find_recipe(card.name)
        document = yaml.safe_load((bundled_folder() / f"{card.name}.yaml").read_text(encoding="utf-8"))
        for field in (
            "title",
            "homepage",
            "license",
            "redistribution",
            "access",
            "department",
            "clinical_task",
            "task",
        ):
            assert getattr(card, field) == getattr(recipe, field), (card.name, field)
        assert card.modality == (recipe.modality or "")
        assert (card.layout, card.anatomy, card.items) == (recipe.layout.kind, recipe.anatomy.en, recipe.expected.items)
        assert card.verified == str(recipe.verified)
        size = recipe.download
        assert (card.download, card.download_bytes) == (size.size, size.bytes), card.name
        assert card.download_second_hand == size.second_hand
        for name in (recipe.anatomy, *recipe.labels.values()):
            assert words(name.en) in words(card.spoken), (card.name, name.en)
            assert name.zh is None or name.zh in card.spoken
        assert "zh:" not in card.spoken
        assert document["name"] == card.name


def test_a_thousand_datasets_are_known_and_each_once():
    known = list(known_datasets())
    assert len(known) > 1300
    facts = [each for each in known if each.task in list(Task)]
    assert len(facts) > 290
    assert all(set(each.modality) <= set(Modality) for each in facts)
    assert all(each.name and each.slug for each in known)


def test_no_shipped_file_is_large():
    for path in bundled_folder().with_name("known").iterdir():
        assert path.stat().st_size <= 100_000, path.name


def test_a_known_dataset_finds_its_card():
    cards = cards_by_name(CARDS)
    for name, card in (
        ("ACDC", "acdc"),
        ("CVC-ClinicDB", "cvc-clinicdb"),
        ("KiTS19", "kits19"),
        ("PROMISE12", "promise12"),
    ):
        assert card_of(find_known(name), cards) == card
    assert card_of(find_known("chexpert"), cards) in ("", "chexpert")


def test_an_unknown_name_has_a_hint():
    with pytest.raises(UserError, match=r'no known dataset is called "cheexpert"\. Did you mean "chexpert'):
        find_known("cheexpert")
