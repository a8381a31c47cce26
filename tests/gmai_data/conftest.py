"""Shared inputs: phantoms drawn once, their build, and the real files where they are."""

import os
from pathlib import Path

import pytest
import yaml
from gmai_data.build import BuildSettings, build
from gmai_data.phantoms.draw import draw_all
from gmai_data.sources.cards.catalogue import resolve
from gmai_data.sources.cards.recipe import Recipe

REAL_DATA = Path(os.environ.get("GMAI_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))

CARD = {
    "name": "toy",
    "title": "Toy",
    "homepage": "https://example.org",
    "citation": "None.",
    "license": "CC0-1.0",
    "modality": "Dermoscopy",
    "department": "Dermatology",
    "clinical_task": "Disease Diagnosis",
    "anatomy": "skin",
    "task": "2d_classification",
    "layout": {"kind": "folder_per_class"},
    "labels": {"a": "alpha", "b": "beta", "c": "gamma", "d": "delta"},
    "split": {"fractions": {"train": 1.0}},
}


@pytest.fixture
def real_data():
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real files in {REAL_DATA}; set GMAI_REAL_DATA to a folder with totalsegmentator/ and bccd/")
    return REAL_DATA


@pytest.fixture(scope="session")
def phantoms(made_once):
    return made_once("phantoms", lambda folder: draw_all(folder, "small", 0))


@pytest.fixture(scope="session")
def phantom_build(phantoms, made_once):
    def make(folder):
        assert build(resolve(["phantoms"], phantoms), folder, BuildSettings()) == 0

    return made_once("phantom-build", make)


@pytest.fixture
def toy():
    """Return a function that makes a valid recipe with some fields changed."""

    def make(**changes):
        return Recipe.model_validate({**CARD, **changes})

    return make


@pytest.fixture
def card_file(tmp_path):
    """Return a function that writes a card with some fields changed and returns its path."""

    def write(**changes):
        path = tmp_path / "card.yaml"
        path.write_text(yaml.safe_dump({**CARD, **changes}, sort_keys=False))
        return path

    return write
