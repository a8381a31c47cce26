"""What is not certain is not asked: incomplete labels, names within names, small regions, boxes within boxes."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.build import BuildSettings, build
from gmai_data.generation.perception import perception_turns, region_offer
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.generation.wording import Words
from gmai_data.sources.catalogue import resolve
from gmai_data.vocabulary import Kind, Language, Split
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


@pytest.mark.parametrize("per", ["class", "component_3d"])
def test_regions_are_counted_only_where_each_has_its_box(toy, per):
    made = {rule: toy(task="2d_segmentation", boxes={"per": rule}) for rule in (per, "component")}
    annotation = _annotation(made[per], Box("alpha", (0, 0, 10, 10)), Box("beta", (20, 20, 40, 40)))
    asked = {
        rule: {turn[3] for turn in perception_turns(annotation, Words(annotation, recipe, Language.EN, 0), (), 0)}
        for rule, recipe in made.items()
    }
    assert "counting" in asked["component"]
    assert "counting" not in asked[per], "one box may hold several regions of the picture"
    assert "localisation" in asked[per]


@pytest.mark.parametrize("exhaustive", [True, False])
def test_where_only_some_was_marked_nothing_is_asked_for_completely(toy, exhaustive):
    recipe = toy(task="2d_detection", exhaustive=exhaustive)
    annotation = replace(_annotation(recipe, Box("alpha", (0, 0, 10, 10))), absent=())
    asked = {turn[3] for turn in perception_turns(annotation, Words(annotation, recipe, Language.EN, 0), (), 0)}
    assert ({"counting", "localisation"} <= asked) == exhaustive
    writer = TemplateWriter(0.0, 0.0, (), 0, (Kind.FREE_INSTRUCTION,))
    records = [replace(annotation, id=str(number)) for number in range(40)]
    questions = {sample.turns[0][0] for record in records for sample in writer.samples(record, recipe)}
    assert any("every" in question or "each visible" in question for question in questions) == exhaustive


def test_what_lies_within_a_region_is_no_wrong_answer_about_it(toy):
    recipe = toy(task="2d_detection")
    outer, inner, apart = Box("alpha", (0, 0, 50, 50)), Box("beta", (10, 10, 20, 20)), Box("gamma", (60, 60, 80, 80))
    annotation = _annotation(recipe, outer, inner, apart)
    words = Words(annotation, recipe, Language.EN, 0)
    assert set(region_offer(annotation, words, outer, "x").wrong) == {"gamma", "delta"}
    assert set(region_offer(annotation, words, inner, "x").wrong) == {"gamma", "delta"}
    assert set(region_offer(annotation, words, apart, "x").wrong) == {"alpha", "beta", "delta"}
    touching = _annotation(recipe, outer, Box("beta", (40, 40, 90, 90)))
    words = Words(touching, recipe, Language.EN, 0)
    assert set(region_offer(touching, words, outer, "x").wrong) == {"beta", "gamma", "delta"}, "4 % are common"
    unboxed = _annotation(recipe, outer, apart, incomplete=("gamma",), labels=("alpha", "gamma", "beta"))
    words = Words(unboxed, recipe, Language.EN, 0)
    assert set(region_offer(unboxed, words, outer, "x").wrong) == {"delta"}, "gamma and beta may lie anywhere"


def _annotation(recipe, *boxes, incomplete=(), labels=()):
    labels = labels or tuple(dict.fromkeys(box.label for box in boxes))
    return Annotation(
        id="a", image=b"", width_px=100, height_px=100, modality=recipe.modality, department=recipe.department,
        clinical_task=recipe.clinical_task, anatomy="skin", task=recipe.task, labels=labels,
        absent=tuple(name for name in recipe.label_names if name not in labels), incomplete=incomplete, boxes=boxes,
        split=Split.TRAIN, group="g", source="toy", license="CC0-1.0", provenance={},
    )  # fmt: skip
