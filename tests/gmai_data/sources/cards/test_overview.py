"""docs/reference/catalogue.md is what the cards say, and the cards cover the vocabularies."""

import re
from pathlib import Path

from gmai_data.sources.cards.overview import overview, real_recipes
from gmai_data.vocabulary import ClinicalTask, Department, Modality


def test_the_page_is_up_to_date():
    page = Path(__file__).parents[4] / "docs" / "reference" / "catalogue.md"
    assert page.read_text(encoding="utf-8") == overview(), "run: python -m gmai_data.sources.cards.overview"


def test_the_counts_add_up_to_the_cards():
    recipes = real_recipes()
    text = overview()
    sections = dict(zip(*[iter(re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:])] * 2, strict=True))
    for name in ("Departments", "Clinical tasks", "Annotations"):
        assert sum(map(int, re.findall(r"\| (\d+) \|$", sections[name], re.MULTILINE))) == len(recipes), name
    assert sections["Cards"].count("| `") == len(recipes)


def test_the_cards_cover_the_vocabularies():
    recipes = real_recipes()
    assert len(recipes) >= 219
    assert {recipe.modality for recipe in recipes} == set(Modality)
    assert {recipe.department for recipe in recipes} == set(Department)
    assert {recipe.clinical_task for recipe in recipes} == set(ClinicalTask)


def test_the_page_says_how_each_licence_was_read():
    recipes = {recipe.name: recipe for recipe in real_recipes()}
    rows = {row.split("`")[1]: row for row in overview().splitlines() if row.startswith("| `")}
    assert f"[CC-BY-SA-4.0]({recipes['isles22'].license_source}) |" in rows["isles22"]
    assert f"[CC-BY-4.0]({recipes['brain-tumor-mri'].license_source})* |" in rows["brain-tumor-mri"]
    assert "| not stated |" in rows["glas"]
    assert f"[354 MB]({recipes['mhist'].download.source})* |" in rows["mhist"]
    sizes = re.search(r"^(\d+) cards state how much .* (\d+) at the publisher's, (\d+) second hand", overview(), re.M)
    assert sizes is not None
    known, own, second = map(int, sizes.groups())
    assert known == own + second == sum(recipe.download.bytes is not None for recipe in recipes.values())
    counts = re.search(r"^(\d+) cards name a licence .* (\d+) at the publisher's, (\d+) second hand", overview(), re.M)
    assert counts is not None
    stated, own, second = map(int, counts.groups())
    assert stated == sum(recipe.license != "not stated" for recipe in recipes.values())
    assert own + second == sum(bool(recipe.license_source) for recipe in recipes.values())
