"""Names in a table beside names on disk."""

import unicodedata

import pytest
from gmai_data.imaging.source_files import as_on_disk

COMPOSED = "L\u00e4sion_\u00e9"


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / unicodedata.normalize("NFD", "d\u00e4") / "x"
    folder.mkdir(parents=True)
    for name in (unicodedata.normalize("NFD", COMPOSED) + ".png", "plain.JPG", "two.png", "two.PNG", "TWO.tif"):
        (folder / name).write_bytes(b"x")
    return tmp_path


def test_composed_and_decomposed_names_are_one(root):
    found = as_on_disk(root, f"d\u00e4/x/{COMPOSED}.png")
    assert (root / found).is_file()
    assert found == unicodedata.normalize("NFD", f"d\u00e4/x/{COMPOSED}.png")
    assert as_on_disk(root, found) == found


@pytest.mark.parametrize("name", ["plain.jpg", "plain.JPG", "plain.Jpg", "plain.jpg ", " plain.jpg"])
def test_an_ending_in_another_case_and_blanks_are_the_same_name(root, name):
    folder = unicodedata.normalize("NFD", "d\u00e4/x")
    assert as_on_disk(root, f"{folder}/{name}") == f"{folder}/plain.JPG"


@pytest.mark.parametrize("name", ["two.Png", "Plain.jpg", "absent.png", "plain.png"])
def test_nothing_is_guessed(root, name):
    folder = unicodedata.normalize("NFD", "d\u00e4/x")
    assert as_on_disk(root, f"{folder}/{name}") == f"{folder}/{name}"
    assert as_on_disk(root, f"{folder}/two.PNG") == f"{folder}/two.PNG"
