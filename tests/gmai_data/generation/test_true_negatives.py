"""What is not certain is not asked: incomplete labels, names within names, small regions, boxes within boxes."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.sources.cards.catalogue import resolve
from PIL import Image

MASKS = {"kind": "image_mask", "images": "images/*.png", "masks": "masks/{stem}.png"}


def noise(shape):
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def pictures(folder, masks):
    for name, mask in masks.items():
        for of, pixels in (("images", noise(mask.shape)), ("masks", mask)):
            (folder / of).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / of / f"{name}.png")


def perception(card, source, out):
    """Return the records by id, and (record, what was asked, question, answer) of every perception sample."""
    assert build(resolve([str(card)], source), out, BuildSettings(chinese_share=0)) == 0
    read = pq.read_table(next((out / "annotations").glob("*.parquet")), columns=["id", "labels", "absent"]).to_pylist()
    records = {row["id"]: row for row in read}
    asked = []
    for path in (out / "samples" / "percept").glob("*.parquet"):
        for row in pq.read_table(path, columns=["messages", "provenance"]).to_pylist():
            told = json.loads(row["provenance"])
            question, answer = (message["content"] for message in row["messages"])
            asked.append((records[told["annotation"]], told["asked"], question, answer))
    return records, asked


def test_a_tumour_of_an_organ_leaves_it_open_whether_the_organ_is_labelled(card_file, tmp_path):
    tumour = np.zeros((64, 64), np.uint8)
    tumour[20:40, 20:40] = 2
    pictures(tmp_path / "source", {"only_tumour": tumour})
    names = {"1": "liver", "2": "liver tumor", "3": "spleen", "4": "large liver tumor"}
    card = card_file(task="2d_segmentation", layout=MASKS, labels=names, within={"2": ["1"], "4": ["2"]})
    records, asked = perception(card, tmp_path / "source", tmp_path / "out")
    (record,) = records.values()
    assert record["labels"] == ["liver tumor"]
    assert record["absent"] == ["spleen", "large liver tumor"], "a liver tumor is in a liver, and the label said no"
    assert not any(answer == "No" and " liver " in question.replace("?", " ") for _, _, question, answer in asked
                   if "tumor" not in question)  # fmt: skip


def test_a_class_that_denies_another_leaves_it_absent(card_file, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "source" / name).mkdir(parents=True)
        Image.fromarray(noise((64, 64 + 8 * len(name) + ord(name) % 2))).save(tmp_path / "source" / name / "x.png")
    card = card_file(labels={"a": "no pneumonia", "b": "pneumonia", "c": "non-enhancing tumor", "d": "enhancing tumor"})
    records, _ = perception(card, tmp_path / "source", tmp_path / "out")
    absent = {row["labels"][0]: row["absent"] for row in records.values()}
    assert "pneumonia" in absent["no pneumonia"]
    assert "no pneumonia" in absent["pneumonia"]


def test_a_region_too_small_in_space_is_still_there(card_file, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    mask = np.zeros((40, 40, 6), np.uint8)
    mask[5:25, 5:25, 1:5] = 1
    mask[30:35, 30:35, 2] = 2  # 25 mm³
    mask[20:35, 5:20, 4] = 2  # 225 mm³
    (tmp_path / "source").mkdir()
    for name, array in (("image", noise(mask.shape).astype(np.int16)), ("mask", mask)):
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / "source" / f"{name}.nii.gz")
    card = card_file(
        modality="MR", task="3d_segmentation",
        layout={"kind": "volume", "image": "image.nii.gz", "mask": "mask.nii.gz"},
        labels={"1": "alpha", "2": "beta", "3": "gamma"}, boxes={"per": "component_3d", "min_mm3": 100.0},
    )  # fmt: skip
    records, asked = perception(card, tmp_path / "source", tmp_path / "out")
    slice_2 = next(row for name, row in records.items() if "axial_0002" in name)
    assert slice_2["labels"] == ["alpha", "beta"]
    assert slice_2["absent"] == ["gamma"]
    account = json.loads((tmp_path / "out" / "manifest.json").read_text())["recipes"]["toy"]["boxes"]
    assert account["dropped"] == {"smaller than 100 mm³": 1}
    assert not any(what in ("counting", "localisation") and "beta" in question
                   for record, what, question, _ in asked if record is slice_2)  # fmt: skip
