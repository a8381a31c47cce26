"""docs/reference/recipes.md is what the models say."""

from pathlib import Path

from gmai_data.sources.cards.catalogue import bundled_names, find_recipe
from gmai_data.sources.cards.reference import reference
from gmai_data.vocabulary import Department, Modality


def test_reference_is_up_to_date():
    page = Path(__file__).parents[4] / "docs" / "reference" / "recipes.md"
    assert page.read_text(encoding="utf-8") == reference(), "run: python -m gmai_data.sources.cards.reference"


def test_bundled_cards_cover_the_vocabularies():
    cards = [find_recipe(name) for name in bundled_names() if not name.startswith(("phantom-", "pydicom-"))]
    assert len(cards) >= 60
    assert {card.modality for card in cards} == set(Modality)
    assert {card.department for card in cards} == set(Department)
    assert all(name.zh for card in cards for name in card.labels.values())
