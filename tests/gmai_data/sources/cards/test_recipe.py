"""Cards: every bundled one is valid, and a wrong one is explained with file, line and remedy."""

import nibabel as nib
import numpy as np
import pytest
from gmai_data.sources.cards.catalogue import bundled_names, find_recipe, resolve
from gmai_data.sources.cards.recipe import load_recipe
from gmai_data.vocabulary import CHINESE, Department, Modality
from gmai_formats.errors import UserError


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_cards_are_valid_and_named_like_their_file(name):
    assert find_recipe(name).name == name


def test_vocabularies_have_the_papers_sizes_clinical_photographs_and_chinese_names():
    assert (len(set(Modality) - {Modality.PHOTOGRAPHY}), len(Department)) == (13, 18)
    assert set(CHINESE) == {*Modality, *Department}


def test_unknown_key_has_line_and_suggestion(card_file):
    path = card_file(licence="MIT")
    line = path.read_text().splitlines().index("licence: MIT") + 1
    with pytest.raises(UserError) as caught:
        load_recipe(path)
    assert str(caught.value) == f'{path}:{line}: licence: unknown key. Did you mean "license"?'


def test_unknown_modality_and_window_have_suggestions(card_file):
    with pytest.raises(
        UserError, match=r'card.yaml:\d+: modality: "Dermatoscopy" is unknown\. Did you mean "Dermoscopy"\?$'
    ):
        load_recipe(card_file(modality="Dermatoscopy"))
    with pytest.raises(UserError, match=r'windows: unknown window "lungs"\. Did you mean "lung"\?'):
        load_recipe(card_file(windows=["lungs"]))


def test_a_todo_left_in_a_draft_is_named_with_its_line(card_file):
    path = card_file(license="TODO", labels={"a": {"en": "alpha", "zh": "TODO"}})
    lines = path.read_text().splitlines()
    numbers = ", ".join(str(number) for number, line in enumerate(lines, 1) if "TODO" in line)
    with pytest.raises(UserError, match=rf"card.yaml: TODO in line {numbers}\. "):
        load_recipe(path)


def test_only_texts_may_name_no_modality(card_file):
    path = card_file()
    path.write_text(path.read_text().replace("modality: Dermoscopy\n", ""))
    line = path.read_text().splitlines().index("task: 2d_classification") + 1
    with pytest.raises(UserError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(
        f"{path}:{line}: task: a card of images names their modality; add `modality:`, one of CT, MR, X-ray, "
    )
    text = {"task": "text", "layout": {"kind": "qa_text"}}
    assert load_recipe(card_file(**text)).modality == Modality.DERMOSCOPY
    path = card_file(**text)
    path.write_text(path.read_text().replace("modality: Dermoscopy\n", ""))
    assert load_recipe(path).modality is None
    assert find_recipe("phantom-text").modality is None


def test_texts_are_read_as_texts_and_images_as_images(card_file):
    with pytest.raises(UserError, match=r"card.yaml:\d+: layout: task text and layout folder_per_class do not go"):
        load_recipe(card_file(task="text"))
    with pytest.raises(UserError, match=r"layout: task 2d_classification and layout qa_text do not go"):
        load_recipe(card_file(layout={"kind": "qa_text"}))


def test_layout_settings_are_checked(card_file):
    with pytest.raises(UserError, match=r'card.yaml:\d+: .*imagse: unknown key\. Did you mean "images"\?'):
        load_recipe(card_file(layout={"kind": "folder_per_class", "imagse": "x"}))


def test_missing_license_and_fractions(card_file):
    path = card_file(split={"fractions": {"train": 0.5}})
    path.write_text(path.read_text().replace("license: CC0-1.0\n", ""))
    with pytest.raises(UserError) as caught:
        load_recipe(path)
    assert "license: Field required" in str(caught.value)
    assert "the fractions add up to 0.5; they must add up to 1" in str(caught.value)


def test_no_yaml_and_no_file(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(UserError, match="not readable as YAML"):
        load_recipe(tmp_path / "bad.yaml")
    with pytest.raises(UserError, match="no such recipe file"):
        load_recipe(tmp_path / "none.yaml")


def test_names_must_not_hold_separators(card_file):
    with pytest.raises(UserError, match="they separate options"):
        load_recipe(card_file(labels={"a": "one; two"}))


def test_resolve_roots(phantoms, tmp_path):
    assert {source.root.name for source in resolve(["phantoms"], phantoms)} == {
        path.name for path in phantoms.iterdir()
    }
    (only,) = resolve(["phantom-ct"], phantoms / "phantom-ct")
    assert only.root == phantoms / "phantom-ct"
    pair = resolve([f"phantom-ct={phantoms / 'phantom-ct'}", "phantom-mr"], phantoms / "phantom-mr")
    assert [source.root.name for source in pair] == ["phantom-ct", "phantom-mr"]
    with pytest.raises(UserError, match=r'unknown recipe "phantom-cd"\. Did you mean "phantom-ct"\?'):
        resolve(["phantom-cd"], phantoms)
    with pytest.raises(UserError, match="recipe bccd has no folder"):
        resolve(["bccd"], None)
    with pytest.raises(UserError, match="no such folder, but recipe bccd reads there"):
        resolve(["bccd"], tmp_path / "no")
    with pytest.raises(UserError, match="the folder is empty"):
        resolve(["bccd"], tmp_path)
    with pytest.raises(UserError, match="is named 2 times"):
        resolve(["phantom-ct", "phantoms"], phantoms)


def test_totalsegmentator_names_agree_with_its_own_files(real_data):
    folder = real_data / "totalsegmentator"
    together = np.asarray(nib.load(folder / "example_seg_fast.nii.gz").dataobj)
    labels = find_recipe("totalsegmentator-ct").labels
    checked = 0
    for path in (folder / "example_seg_fast").glob("*.nii.gz"):
        own = np.asarray(nib.load(path).dataobj) > 0
        if own.any():
            (label,) = np.unique(together[own])
            words = set(path.name.removesuffix(".nii.gz").replace("vertebrae", "vertebra").split("_"))
            assert words <= {*labels[str(label)].en.split(), "autochthon"}, (path.name, label)
            checked += 1
    assert checked == 40


@pytest.mark.parametrize(("given", "meant"), [("CSV_labels", "csv_labels"), ("folder-per-class", "folder_per_class")])
def test_a_layout_that_is_none_is_said_to_be_unknown(card_file, given, meant):
    with pytest.raises(
        UserError, match=rf'card.yaml:\d+: layout.kind: "{given}" is unknown. Did you mean "{meant}"\?$'
    ):
        load_recipe(card_file(layout={"kind": given}))
