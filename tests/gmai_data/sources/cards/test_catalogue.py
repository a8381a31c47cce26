"""Recipes by name, groups of them, and where each one's files are."""

import csv
import re
from importlib import resources
from pathlib import Path

import pytest
import yaml
from gmai_data.sources.cards.catalogue import GROUPS, bundled_names, find_recipe, resolve
from gmai_formats.errors import UserError


def fill(root, *names):
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "x").touch()
    return root


def test_names_are_sorted_and_each_is_the_recipes_own():
    names = bundled_names()
    assert names == sorted(names)
    assert {"bccd", "phantom-ct", "totalsegmentator-ct"} <= set(names)
    assert all(find_recipe(name).name == name for name in names)


def test_an_unknown_name_has_a_hint(card_file):
    with pytest.raises(UserError, match=r'unknown recipe "bcdc"\. Did you mean "bccd"\? Give a bundled name'):
        find_recipe("bcdc")
    with pytest.raises(UserError, match=r'Did you mean "phantoms"\?'):
        find_recipe("phantomss")
    assert find_recipe(str(card_file())).name == "toy"


def test_one_recipe_takes_the_root_itself_and_several_take_folders_below(tmp_path):
    fill(tmp_path, "bccd", "phantom-ct", "own")
    (source,) = resolve(["bccd"], tmp_path)
    assert (source.recipe.name, source.root) == ("bccd", tmp_path)
    found = resolve(["bccd", "phantom-ct"], tmp_path)
    assert [source.root for source in found] == [tmp_path / "bccd", tmp_path / "phantom-ct"]
    found = resolve(["bccd", f"phantom-ct={tmp_path / 'own'}"], tmp_path)
    assert [source.root for source in found] == [tmp_path, tmp_path / "own"]


def test_a_group_is_all_of_its_recipes(tmp_path):
    members = [name for name in bundled_names() if name.startswith("phantom-")]
    fill(tmp_path, "bccd", *members)
    assert GROUPS == {"phantoms": "phantom-"}
    for request in (["phantoms"], [f"phantoms={tmp_path}"]):
        found = resolve(request, tmp_path if request == ["phantoms"] else None)
        assert [(source.recipe.name, source.root) for source in found] == [(name, tmp_path / name) for name in members]
    assert resolve(["bccd", "phantoms"], tmp_path)[0].root == tmp_path / "bccd"


def test_a_group_leaves_out_what_was_not_drawn_and_says_so(tmp_path, capsys):
    fill(tmp_path, "phantom-ct", "phantom-mr")
    assert [source.recipe.name for source in resolve(["phantoms"], tmp_path)] == ["phantom-ct", "phantom-mr"]
    assert "phantoms: without phantom-dermoscopy, phantom-fundus" in capsys.readouterr().err


def test_the_name_of_a_card_without_its_ending(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans.yaml").write_text("name: scans")
    with pytest.raises(UserError, match=r'unknown recipe "scans"\. scans\.yaml is here'):
        find_recipe("scans")
    (tmp_path / "notes.txt").write_text("name: scans")
    with pytest.raises(UserError, match=r"notes\.txt: no card\. A card is a file that ends in `\.yaml`"):
        find_recipe("notes.txt")


def test_mistakes_are_named(tmp_path):
    fill(tmp_path, "phantom-ct")
    with pytest.raises(UserError, match=r"recipe bccd has no folder\. Give --root DIR, or write bccd=DIR\."):
        resolve(["bccd"], None)
    with pytest.raises(UserError, match=r"recipe bccd is named 2 times\. Each recipe has one folder per build"):
        resolve([f"bccd={tmp_path}", f"bccd={tmp_path}"], None)
    with pytest.raises(UserError, match=r"gone: no such folder, but recipe bccd reads there\. Download the dataset fr"):
        resolve([f"bccd={tmp_path / 'gone'}"], None)
    with pytest.raises(UserError, match=r"no such folder, .* Draw it with `gmai data phantoms DIR`\."):
        resolve(["phantom-mr"], tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: the folder is empty\. Recipe bccd expects data from http"):
        resolve(["bccd"], tmp_path / "empty")


def test_cards_say_what_was_read_at_their_sources():
    """A line of `card_facts.tsv`: a place in a card, what it must say, and where that was read."""
    with (Path(__file__).parent / "card_facts.tsv").open(encoding="utf-8", newline="") as file:
        facts = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(facts) >= 60
    wrong: list[str] = []
    for fact in facts:
        found = yaml.safe_load((resources.files("gmai_data.recipes") / f"{fact['card']}.yaml").read_text("utf-8"))
        for step in fact["place"].split("."):
            found = found[step]
        if fact["place"] == "labels":
            found = "; ".join(f"{raw}={name['en']}" for raw, name in found.items())
        if str(found) != fact["value"]:
            wrong.append(f"{fact['card']}: {fact['place']} is {found}, due {fact['value']} ({fact['source']})")
    assert not wrong


def test_a_folder_is_no_recipe_and_a_file_no_folder(tmp_path):
    fill(tmp_path, "scans")
    with pytest.raises(UserError, match=r"scans: a folder, where a recipe is due\. Give .* with --root"):
        resolve([str(tmp_path / "scans")], None)
    file = tmp_path / "scans/x"
    for requests in (["bccd"], ["phantoms"], ["bccd", "phantom-ct"]):
        with pytest.raises(UserError, match=rf"^{re.escape(str(file))}: a file, but recipe .* reads a folder"):
            resolve(requests, file)
    (tmp_path / "scans.zip").touch()
    with pytest.raises(UserError, match=r"reads a folder\. Unpack it first: archives are not read\. Give the folder"):
        resolve(["bccd"], tmp_path / "scans.zip")


def of_public_datasets():
    return [find_recipe(name) for name in bundled_names() if not name.startswith("phantom-")]


def test_every_card_says_where_its_licence_was_read_or_sought():
    for recipe in of_public_datasets():
        if recipe.license == "not stated":
            assert recipe.license_sought, recipe.name
        else:
            assert recipe.license_source, recipe.name
        for address in (recipe.license_source, *recipe.license_sought):
            assert not address or re.match(r"https?://\S+$", address), (recipe.name, address)


def test_every_card_says_how_much_there_is_to_download_or_where_that_was_sought():
    for recipe in of_public_datasets():
        found = recipe.download
        if recipe.name.startswith("pydicom-"):
            continue
        assert bool(found.source) != bool(found.sought), recipe.name
        assert (found.bytes is not None) == bool(found.source), recipe.name
        for address in (found.source, *found.sought):
            assert not address or re.match(r"https?://\S+$", address), (recipe.name, address)


def test_a_name_that_several_cards_begin_with_names_them_all():
    with pytest.raises(UserError, match="So begin: kvasir-capsule, kvasir-instrument, kvasir-seg, kvasir-v2"):
        find_recipe("kvasir")
