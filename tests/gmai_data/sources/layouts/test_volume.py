"""Volumes with masks: healthy cases, one-hot and float masks, missing masks, classes of whole volumes."""

import nibabel
import numpy as np
import pytest
from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.sources.reading import read_pictures

MASK = np.zeros((32, 24, 8), np.uint8)
MASK[4:12, 4:12, 2:5], MASK[16:24, 4:12, 3:6] = 1, 2


@pytest.fixture
def volumes(tmp_path, toy):
    """Return a function of masks by case: pictures by case, and the reasons of the others."""

    def make(masks, **changes):
        for number, (case, mask) in enumerate(masks.items()):
            (tmp_path / case).mkdir(exist_ok=True)
            image = np.random.default_rng(number).normal(40, 60, MASK.shape).astype(np.int16)
            for name, array in (("img", image), ("seg", mask)):
                if array is not None:
                    nibabel.save(
                        nibabel.Nifti1Image(array, np.diag([-1.0, -1, 3, 1])), tmp_path / case / f"{name}.nii.gz"
                    )
        layout = {"kind": "volume", "image": "*/img.nii.gz", "mask": "{parent}/seg.nii.gz", **changes.pop("layout", {})}
        labels = changes.pop("labels", {"1": "alpha", "2": "beta"})
        card = toy(layout=layout, task="3d_segmentation", modality="MR", labels=labels, **changes)
        found, reasons = {}, {}
        for item in card.layout.list_items(card, tmp_path):
            try:
                found[item.key.split("/")[0]] = list(read_pictures(item, card, tmp_path, Ledger()))
            except (SourceError, SetAside) as problem:
                reasons[item.key.split("/")[0]] = (type(problem), str(problem))
        return found, reasons

    return make


@pytest.mark.parametrize(("negatives", "slices"), [(0.0, 1), (0.25, 2), (1.0, 8)])
def test_a_healthy_case_is_a_negative(volumes, negatives, slices):
    found, reasons = volumes({"ill": MASK, "healthy": MASK * 0}, slices={"negatives": negatives})
    assert reasons == {}
    assert len(found["healthy"]) == slices
    assert {(picture.labels, picture.boxes) for picture in found["healthy"]} == {((), ())}


def test_an_empty_mask_says_nothing_where_not_everything_was_looked_for(volumes):
    found, reasons = volumes({"ill": MASK, "open": MASK * 0}, exhaustive=False)
    assert reasons == {"open": (SetAside, "no voxel is labelled")}
    assert len(found["ill"]) == 4


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_one_hot_masks(volumes, background, kind):
    planes = [MASK == 0, MASK == 1, MASK == 2] if background else [MASK == 1, MASK == 2]
    found, reasons = volumes({"plain": MASK, "hot": np.stack(planes, axis=-1).astype(kind)})
    assert reasons == {}
    assert [each.boxes for each in found["hot"]] == [each.boxes for each in found["plain"]]
    assert found["hot"][1].labels == ("alpha", "beta")


def test_a_fourth_axis_that_is_not_one_hot_is_refused(volumes):
    hot = np.stack([MASK == 1, MASK == 2], axis=-1).astype(np.uint8)
    overlap = hot.copy()
    overlap[4, 4, 2] = 1
    _, reasons = volumes({"frames": hot * 3, "overlap": overlap})
    assert "not one-hot; say in the layout which `frames`" in reasons["frames"][1]
    assert reasons["overlap"][1].startswith("channels of a mask overlap: 2 channels, of which several are set in one")


def test_ids_that_are_nearly_whole(volumes):
    found, _ = volumes({"plain": MASK, "near": MASK * np.float32(0.99999994)})
    assert [each.boxes for each in found["near"]] == [each.boxes for each in found["plain"]]
    _, reasons = volumes({"soft": MASK * np.float32(0.4)})
    assert reasons["soft"][1].startswith("mask is not a label mask")


def test_cases_that_were_published_without_a_mask(volumes):
    found, reasons = volumes({"a": MASK, "b": None}, layout={"without_mask": "leave_out"})
    assert (list(found), reasons) == (["a"], {"b": (SetAside, "published without a mask")})
    _, reasons = volumes({"a": MASK, "b": None})
    assert reasons["b"][1].startswith("file missing")


def test_structures_of_any_two_values_and_no_more(volumes, tmp_path):
    found, _ = volumes({"a": MASK})
    for name, array in (("x", (MASK == 1) * 38), ("y", (MASK == 2) * 255)):
        image = nibabel.Nifti1Image(array.astype(np.uint8), np.diag([-1.0, -1, 3, 1]))
        nibabel.save(image, tmp_path / "a" / f"s_{name}.nii.gz")
    labels, layout = {"x": "alpha", "y": "beta"}, {"mask": "{parent}/s_{label}.nii.gz"}
    split, _ = volumes({"a": MASK}, labels=labels, layout=layout)
    assert [sorted(each.boxes, key=str) for each in split["a"]] == [sorted(each.boxes, key=str) for each in found["a"]]
    nibabel.save(nibabel.Nifti1Image(MASK, np.diag([-1.0, -1, 3, 1])), tmp_path / "a" / "s_x.nii.gz")
    _, reasons = volumes({"a": MASK}, labels=labels, layout=layout)
    assert reasons["a"][1].startswith("mask has several values: 3 values (0, 1, 2)")


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_a_class_of_a_volume_holds_for_its_slices(tmp_path, toy, kind):
    for number, case in enumerate(("zero", "one")):
        (tmp_path / case).mkdir()
        image = np.random.default_rng(number).normal(40, 60, MASK.shape).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(image, np.diag([-1.0, -1, 3, 1])), tmp_path / case / f"v{number}.nii.gz")
    (tmp_path / "t.csv").write_text("file,grade\nzero/v0.nii.gz,zero\none/v1.nii.gz,one\n")
    layout = {
        "folder": {"kind": "folder_per_class", "extensions": [".nii.gz"]},
        "table": {"kind": "csv_labels", "table": "t.csv", "image_column": "file", "label_column": "grade"},
    }[kind]
    labels = {"zero": "CT-0", "one": "CT-1"}
    card = toy(layout=layout, task="3d_classification", modality="MR", labels=labels, slices={"rule": "top_k", "k": 3})
    found = {
        item.key: [picture.labels for picture in read_pictures(item, card, tmp_path, Ledger())]
        for item in card.layout.list_items(card, tmp_path)
    }
    assert found == {"zero/v0.nii.gz": [("CT-0",)] * 3, "one/v1.nii.gz": [("CT-1",)] * 3}


def test_a_sparse_one_hot_mask_whose_name_has_the_shape(read, toy, tmp_path):
    """As M3D-Seg is published: `image.npy` and `mask_(classes, z, y, x).npz` of scipy."""
    sparse = pytest.importorskip("scipy.sparse")
    mask = np.zeros((2, 4, 24, 32), np.uint8)
    mask[0, 1:3, 4:12, 5:15], mask[1, 2, 15:20, 20:30] = 1, 1
    folder = tmp_path / "case1"
    folder.mkdir()
    np.save(folder / "image.npy", np.random.default_rng(0).integers(0, 255, (4, 24, 32)).astype(np.float32))
    sparse.save_npz(folder / "mask_(2, 4, 24, 32).npz", sparse.csr_matrix(mask.reshape(2, -1)))
    layout = {"kind": "volume", "image": "*/image.npy", "mask": "{parent}/mask_*.npz"}
    pictures, reasons = read(toy(layout=layout, task="3d_segmentation", modality="MR",
                                 labels={"1": "alpha", "2": "beta"}))  # fmt: skip
    assert reasons == {}
    ((first, second),) = pictures.values()
    assert [(box.label, box.xyxy) for box in first.boxes] == [("alpha", (5, 4, 15, 12))]
    assert [(box.label, box.xyxy) for box in second.boxes] == [
        ("alpha", (5, 4, 15, 12)), ("beta", (20, 15, 30, 20))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shear", "axes", "refused"),
    [
        ((0, 1, 0.3), ["axial"], "rows and columns of axial slices meet at 73.3 degrees"),
        ((0, 2, 1.5), ["axial"], None),
        ((0, 2, 1.5), ["coronal"], "rows and columns of coronal slices meet at 63.4 degrees"),
        ((1, 2, -1.5), ["sagittal"], "rows and columns of sagittal slices meet at 63.4 degrees"),
        ((0, 1, 0.02), ["axial"], None),
    ],
)
def test_slices_whose_pixels_are_no_rectangles_are_refused(volumes, tmp_path, monkeypatch, shear, axes, refused):
    affine = np.diag([-1.0, -1, 3, 1])
    affine[shear[0], shear[1]] = shear[2]
    monkeypatch.setattr(nibabel, "Nifti1Image", lambda array, _, make=nibabel.Nifti1Image: make(array, affine))
    found, reasons = volumes({"c1": MASK}, slices={"axes": axes})
    if refused:
        assert refused in reasons["c1"][1]
    else:
        assert found["c1"][0].geometry["flags"][0].startswith("sheared: ")
