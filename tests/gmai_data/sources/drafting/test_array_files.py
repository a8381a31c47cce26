"""Drafts for files of arrays: what their arrays are by name and shape, and what the draft then reads."""

import numpy as np
import pytest
import yaml
from gmai_data.ledger import Ledger
from gmai_data.sources.cards.drafts import draft
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.reading import read_pictures
from gmai_data.sources.splits import group_of

KNOWN = {"modality": "MR", "department": "Oncology", "clinical_task": "Bone", "license": "MIT"}
MASK = np.zeros((32, 32), np.uint8)
MASK[5:15, 8:20] = 2
BOX = (8, 5, 20, 15)


def noise(*shape):
    return np.random.default_rng(sum(shape)).integers(0, 255, shape).astype(np.uint8)


def save(path, arrays):
    """Write a file of arrays by its ending: `.npz`, `.h5`, `.mat` (version 5), or `.7.mat` (version 7.3, HDF5)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, **{name.replace("/", "."): value for name, value in arrays.items()})
    elif path.suffix == ".mat" and ".7" not in path.name:
        pytest.importorskip("scipy")
        from scipy.io import savemat

        nested = {}
        for name, value in arrays.items():
            *above, last = name.split("/")
            (nested.setdefault(above[0], {}) if above else nested)[last] = value
        savemat(path, nested)
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            for name, value in arrays.items():
                if isinstance(value, str):
                    value = np.array([[ord(letter)] for letter in value], np.uint16)
                file[name] = np.asarray(value).T if path.suffix == ".mat" else value


def drafted(root):
    """Return (the draft's card, its text, the pictures that it reads, their groups)."""
    _, text = draft(root)
    card = yaml.safe_load(text)
    recipe = Recipe.model_validate(card | KNOWN)
    items = list(recipe.layout.list_items(recipe, root))
    pictures = [picture for item in items for picture in read_pictures(item, recipe, root, Ledger())]
    return card, text, pictures, [group_of(item, recipe) for item in items]


@pytest.mark.parametrize(
    ("name", "image", "mask", "patient"),
    [
        ("{}.mat", "cjdata/image", "cjdata/tumorMask", "cjdata/PID"),
        ("{}.7.mat", "cjdata/image", "cjdata/tumorMask", "cjdata/PID"),
        ("data/case{}.h5", "image", "label", None),
        ("train/{}.npz", "img", "gt", None),
        ("{}.hdf5", "scan/raw", "scan/seg", None),
    ],
)
def test_a_picture_in_each_file(tmp_path, name, image, mask, patient):
    for number in range(4):
        held = {image: noise(32, 32) // (number + 1), mask: MASK}
        save(tmp_path / name.format(number), held | ({patient: f"10{number // 2}"} if patient else {}))
    card, _, pictures, groups = drafted(tmp_path)
    assert (card["layout"]["kind"], card["layout"]["single"]) == ("arrays", True)
    assert list(card["labels"]) == ["2"]
    assert [[box.xyxy for box in picture.boxes] for picture in pictures] == [[BOX]] * 4
    assert len(set(groups)) == (2 if patient else 4)


@pytest.mark.parametrize("ending", [".h5", ".npz"])
def test_a_volume_and_its_mask_in_each_file(tmp_path, ending):
    inside = "data/" if ending == ".h5" else ""
    for number in range(2):
        held = {f"{inside}image": noise(5, 32, 32) // (number + 1), f"{inside}label": np.stack([MASK] * 5)}
        save(tmp_path / f"case{number}{ending}", held)
    card, _, pictures, groups = drafted(tmp_path)
    assert card["layout"]["kind"] == "volume"
    assert [[box.xyxy for box in picture.boxes] for picture in pictures] == [[BOX]] * 10
    assert len(set(groups)) == 2


@pytest.mark.parametrize("label", ["ans", "labels", "y"])
def test_pictures_in_one_array_and_their_labels_in_another(tmp_path, label):
    save(tmp_path / "set.h5", {"images": noise(6, 32, 32, 3), label: np.arange(6) % 3})
    card, _, pictures, _ = drafted(tmp_path)
    assert card["layout"] == {"kind": "arrays", "files": "set.h5", "images": "images", "labels": label}
    assert list(card["labels"]) == ["0", "1", "2"]
    assert np.array_equal(pictures[4].pixels, noise(6, 32, 32, 3)[4])


@pytest.mark.parametrize("names", [("a_{}_x.h5", "a_{}_y.h5"), ("X_{}.h5", "Y_{}.h5")])
def test_labels_in_files_beside(tmp_path, names):
    for split, count in (("train", 4), ("test", 3)):
        save(tmp_path / names[0].format(split), {"x": noise(count, 32, 32, 3)})
        save(tmp_path / names[1].format(split), {"y": np.arange(count).reshape(-1, 1, 1, 1) % 2})
    card, text, pictures, _ = drafted(tmp_path)
    assert list(card["labels"]) == ["0", "1"]
    assert len(pictures) == 7
    assert "of their own" not in text


def test_what_the_names_leave_open_is_listed(tmp_path):
    save(tmp_path / "a.npz", {"first": noise(20, 20), "second": noise(20, 20), "names": np.array([{}], object)})
    _, text = draft(tmp_path)
    assert yaml.safe_load(text)["layout"]["images"] == "TODO"
    assert "a.npz holds first (20×20, uint8), second (20×20, uint8), names (no numbers)" in text


def test_values_that_are_of_the_label_and_of_the_mask_are_told(tmp_path):
    save(tmp_path / "a.mat", {"s/image": noise(32, 32), "s/label": 2.0, "s/mask": MASK})
    card, text, _, _ = drafted(tmp_path)
    assert (card["layout"]["labels"], card["layout"]["masks"]) == (None, "s/mask")
    assert "2 are values of s/label and of s/mask" in text


def test_labels_are_of_the_array_itself(tmp_path):
    """Other names end in its name, too: `study` in `y`."""
    save(tmp_path / "a.npz", {"images": noise(4, 32, 32), "y": np.arange(4) % 2, "study": np.arange(71, 75)})
    card, _, _, _ = drafted(tmp_path)
    assert list(card["labels"]) == ["0", "1"]


@pytest.mark.parametrize("ending", [".npz", ".h5"])
def test_numbers_without_an_axis_are_the_label_and_the_patient_of_one_picture(tmp_path, ending):
    for number in range(4):
        held = {"image": noise(32, 32) // (number + 1), "label": number % 2, "patient_id": 1234567 + number // 2}
        save(tmp_path / f"{number}{ending}", held)
    card, _, pictures, groups = drafted(tmp_path)
    assert list(card["labels"]) == ["0", "1"]
    assert len(pictures) == 4
    assert len(set(groups)) == 2


def test_empty_arrays_tell_no_labels(tmp_path):
    save(tmp_path / "a.npz", {"image": noise(32, 32), "label": np.zeros(0)})
    assert "name one, or `labels_of_every_image`" in draft(tmp_path)[1]


def test_the_pattern_of_files_beside_other_ones(tmp_path):
    for number in range(3):
        save(tmp_path / f"case{number}_img.npz", {"image": noise(32, 32), "label": MASK})
    save(tmp_path / "zero.npz", {"weights": noise(3)})
    assert yaml.safe_load(draft(tmp_path)[1])["layout"]["files"] == "case*_img.npz"


def test_signs_of_patterns_in_names_stand_for_themselves(tmp_path):
    for number in range(3):
        save(tmp_path / f"set [1]/case{number}.npz", {"image": noise(32, 32) // (number + 1), "label": MASK})
    _, _, pictures, _ = drafted(tmp_path)
    assert len(pictures) == 3
