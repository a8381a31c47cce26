"""Pictures with numbered objects, as nuclei are published."""

import cv2
import numpy as np
import pytest
from gmai_data.ledger import Ledger
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.instance_mask import InstanceMask
from pydantic import ValidationError

LAYOUT = {"kind": "instance_mask", "images": "Images/{id}.png", "masks": "Labels/{id}.mat", "numbers": "inst_map"}
LABELS = {"1": "alpha", "2": "beta"}


@pytest.fixture
def numbers():
    mask = np.zeros((24, 32), np.int32)
    mask[2:8, 3:9], mask[10:16, 10:20], mask[18:23, 3:9] = 1, 700, 2
    return mask


BOXES = [(3, 2, 9, 8), (10, 10, 20, 16), (3, 18, 9, 23)]


def found(read, toy, layout, **changes):
    pictures, reasons = read(toy(layout={**LAYOUT, **layout}, labels=LABELS, task="2d_detection", **changes))
    boxes = {key: [(box.label, box.xyxy) for box in each[0].boxes] for key, each in pictures.items()}
    return boxes, reasons


@pytest.mark.parametrize("listed", [None, "type_map", "inst_type", "class"])
def test_matlab_files_of_nuclei(put, read, toy, tmp_path, numbers, listed):
    scipy_io = pytest.importorskip("scipy.io")
    put("Images/a.png")
    (tmp_path / "Labels").mkdir()
    kinds = np.where(numbers == 700, 2, np.where(numbers > 0, 1, 0))
    if listed == "inst_type":
        numbers = np.where(numbers == 700, 3, numbers)
    arrays = {"inst_map": numbers.astype(float), "type_map": kinds.astype(float)}
    arrays |= {"inst_type": np.array([[1], [1], [2]])}
    arrays |= {"id": np.array([[700, 1, 2]]), "class": np.array([[2], [1], [1]])}
    scipy_io.savemat(tmp_path / "Labels/a.mat", arrays)
    layout = {"classes": listed, "listed": "id" if listed == "class" else None}
    boxes, reasons = found(read, toy, layout)
    assert reasons == {}
    names = ["alpha", "beta", "alpha"] if listed else ["alpha"] * 3
    assert sorted(boxes["Images/a.png"]) == sorted(zip(names, BOXES, strict=True))


@pytest.mark.parametrize("ending", [".png", ".tif", ".npy", ".npz", ".h5"])
def test_masks_of_every_kind(put, read, toy, tmp_path, numbers, ending):
    put("Images/a.png")
    path = tmp_path / "Labels" / f"a{ending}"
    path.parent.mkdir()
    if ending in (".png", ".tif"):
        cv2.imwrite(str(path), numbers.astype(np.uint16))
    elif ending == ".h5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            file["inst_map"] = numbers
    elif ending == ".npy":
        np.save(path, numbers)
    else:
        np.savez(path, inst_map=numbers)
    boxes, reasons = found(read, toy, {"masks": f"Labels/{{id}}{ending}"})
    assert reasons == {}
    assert sorted(boxes["Images/a.png"]) == sorted(("alpha", box) for box in BOXES)


def test_small_objects_are_dropped_and_empty_masks_are_kept(put, read, toy, tmp_path, numbers):
    for name in "ab":
        put(f"Images/{name}.png")
    (tmp_path / "Labels").mkdir()
    numbers[0, 31] = 9
    np.save(tmp_path / "Labels/a.npy", numbers)
    np.save(tmp_path / "Labels/b.npy", numbers * 0)
    ledger = Ledger()
    card = toy(layout={**LAYOUT, "masks": "Labels/{id}.npy"}, labels=LABELS, task="2d_detection")
    pictures, _ = read(card, ledger)
    assert dict(ledger.boxes.dropped) == {"smaller than 16 px": 1}
    assert (pictures["Images/a.png"][0].incomplete, pictures["Images/b.png"][0].labels) == (("alpha",), ())


def test_masks_that_do_not_fit(put, read, toy, tmp_path, numbers):
    for name in "abc":
        put(f"Images/{name}.png")
    (tmp_path / "Labels").mkdir()
    np.save(tmp_path / "Labels/a.npy", numbers[1:])
    np.save(tmp_path / "Labels/b.npy", np.array([{}], object), allow_pickle=True)
    _, reasons = found(read, toy, {"masks": "Labels/{id}.npy"})
    assert [reason.split(":")[0] for reason in reasons.values()] == [
        "image and mask sizes differ", "array file unreadable", "file missing"
    ]  # fmt: skip


def test_settings(tmp_path):
    with pytest.raises(ValidationError, match="is for image_mask"):
        InstanceMask.model_validate({**LAYOUT, "masks": "{label}/{id}.png"})
    assert InstanceMask.recognise(Folder(tmp_path)) is None
