"""`gmai data recipes new` and `check`: a draft of every layout, completed, reads the folder it was drawn from."""

import hashlib
import json
import re

import nibabel as nib
import numpy as np
import pydicom
import pytest
import yaml
from gmai_data.imaging.raster import encode_png
from gmai_data.sources.cards.drafts import draft, draft_like
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.cards.summaries import find_known
from gmai_data.sources.compare import check_against_folder
from gmai_data.sources.files import folder as folder_module
from gmai_data.sources.joined import with_joined_facts
from gmai_data.sources.splits import group_of
from gmai_data.vocabulary import ClinicalTask, Department, Modality
from gmai_formats.errors import UserError
from PIL import Image

from ...dicom_objects import noise, write, write_series

KNOWN = {"modality": "CT", "department": "Oncology", "clinical_task": "Bone", "license": "MIT"}


def put(path, text=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    path.write_bytes(encode_png(pixels) if text is None else text.encode())


def volume(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ones((8, 8, 4), np.int16), np.eye(4)), path)


def yolo_by_kind(root):
    for split in ("train", "val"):
        put(root / "images" / split / f"{split}.jpg")
        put(root / "labels" / split / f"{split}.txt", "0 0.5 0.5 0.5 0.5\n")


def yolo_by_split(root):
    for split in ("train", "test"):
        put(root / split / "images" / f"{split}.jpg")
        put(root / split / "labels" / f"{split}.txt", "0 0.5 0.5 0.5 0.5\n")


def coco(root):
    put(root / "images" / "1.png")
    document = {"images": [{"id": 1, "file_name": "1.png"}], "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    put(root / "annotations" / "all.json", json.dumps(document))


def nnunet(root):
    volume(root / "imagesTr" / "case_0000.nii.gz")
    volume(root / "labelsTr" / "case.nii.gz")
    put(root / "dataset.json", json.dumps({"labels": {"background": 0, "a": 1}}))


def one_hot(root):
    put(root / "images" / "x1.png")
    put(root / "labels.csv", "image;MEL;NV\nx1;1.0;0.0\n")


def masks_beside(root):
    put(root / "benign" / "benign (1).png")
    put(root / "benign" / "benign (1)_mask.png")


def masks_elsewhere(root):
    put(root / "Images" / "ISIC_1.jpg")
    put(root / "GroundTruth" / "ISIC_1_segmentation.png")


def arrays(root):
    images, labels = np.zeros((2, 8, 8), np.uint8), np.zeros((2, 1), np.uint8)
    np.savez(root / "mnist.npz", train_images=images, train_labels=labels)


def dicom(root):
    put(root / "scan", "\0" * 128 + "DICM")


def split_folders(root):
    for split in ("train", "test"):
        for name in ("a", "b"):
            put(root / split / name / "1.png")


def hub(root):
    datasets = pytest.importorskip("datasets", reason="pip install 'gmai-data[hub]'")
    pixels = encode_png(np.zeros((8, 8), np.uint8))
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    rows = {"image": [{"bytes": pixels, "path": None}], "label": ["a"]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(root)


@pytest.mark.parametrize(
    ("make", "kind", "items"),
    [
        ("phantom-ct", "dicom_series", 5), ("phantom-mr", "volume", 5), ("phantom-xray", "csv_labels", 12),
        ("phantom-microscopy", "voc", 12), ("phantom-dermoscopy", "image_mask", 12),
        ("phantom-fundus", "folder_per_class", 12), ("phantom-text", "qa_text", 10),
        ("phantom-ultrasound", "video", 12), (yolo_by_kind, "yolo", 2), (yolo_by_split, "yolo", 2), (coco, "coco", 1),
        (nnunet, "nnunet", 1), (one_hot, "csv_labels", 1), (masks_beside, "image_mask", 1),
        (masks_elsewhere, "image_mask", 1), (arrays, "arrays", 2), (dicom, "dicom", 1),
        (split_folders, "folder_per_class", 4), (hub, "hf_dataset", 1),
    ],
)  # fmt: skip
def test_a_draft_completed_lists_what_is_there(make, kind, items, phantoms, tmp_path):
    root = tmp_path / "data" if callable(make) else phantoms / make
    if callable(make):
        root.mkdir()
        make(root)
    _, text = draft(root)
    assert "TODO" in text
    card = yaml.safe_load(text) | KNOWN
    assert card["layout"]["kind"] == kind
    if kind == "coco":
        card["layout"]["images"] = "images"
    recipe = Recipe.model_validate(card)
    found = list(recipe.layout.list_items(recipe, root))
    assert len(found) == items
    assert all((root / file).exists() for item in found for file in item.files if make != masks_beside)


def test_the_draft_of_a_table_with_paths_keeps_patients_together(tmp_path):
    root = tmp_path / "data"
    paths = [f"Chest/train/patient{person:03d}/study{study}/view1.png" for person in range(3) for study in (1, 2)]
    for path in paths:
        put(root / path)
    rows = "".join(f"{path},F,1.0,{-1.0 if number else 0.0}\n" for number, path in enumerate(paths))
    put(root / "Chest" / "train.csv", f"Path,Sex,Edema,Effusion\n{rows}")
    layout = {"kind": "csv_labels", "images": ".", "label_columns": ["Edema", "Effusion"]}
    above = {"Path": r"(?:\.?/)*(?:[^/]+/){1}(?P<place_in_path>.+)"}
    for place, read in (
        (root, {"table": "Chest/train.csv", "image_column": "Path"}),
        (root / "Chest", {"table": "train.csv", "image_column": "place_in_path", "parts": above}),
    ):
        card = yaml.safe_load(draft(place)[1])
        assert card["layout"] == layout | read
        assert card["split"] == {"group_pattern": r"(patient\d+)"}
        recipe = Recipe.model_validate(card | KNOWN)
        items = list(recipe.layout.list_items(recipe, place))
        assert {group_of(item, recipe) for item in items} == {"patient000", "patient001", "patient002"}
        assert all((place / file).is_file() for item in items for file in item.files)


def test_the_draft_of_a_table_takes_its_column_of_patients(tmp_path):
    root = tmp_path / "data"
    for number in (1, 2):
        put(root / f"x{number}.png")
    put(root / "labels.csv", "image,Patient ID,dx\nx1.png,7,a\nx2.png,7,b\n")
    layout = yaml.safe_load(draft(root)[1])["layout"]
    assert (layout["group_column"], layout["label_column"]) == ("Patient ID", "dx")


def test_the_index_of_an_export_is_no_slice(tmp_path):
    root = tmp_path / "export"
    for name in (
        "DICOMDIR",
        *(f"PAT{person}/ST0/SE{series}/IM{slice_}" for person in (1, 2) for series in (0, 1) for slice_ in (0, 1)),
    ):
        put(root / name, "\0" * 128 + "DICM")
    assert yaml.safe_load(draft(root)[1])["layout"] == {"kind": "dicom_series", "series": "*/*/*"}


def test_the_draft_of_texts_asks_for_no_modality(phantoms):
    card = yaml.safe_load(draft(phantoms / "phantom-text")[1])
    assert "modality" not in card
    assert Recipe.model_validate(card | {**KNOWN, "modality": None}).modality is None


def test_the_draft_of_cine_videos_names_their_frames(phantoms):
    layout = yaml.safe_load(draft(phantoms / "phantom-ultrasound")[1])["layout"]
    assert layout == {
        "kind": "video", "files": "**/*.avi", "table": "frames.csv", "video_column": "video", "frame_column": "frame",
        "label_column": "finding",
    }  # fmt: skip


@pytest.mark.parametrize("make", [coco, arrays, "phantom-text"])
def test_check_takes_nothing_but_labels_for_labels(make, phantoms, card_file, tmp_path, capsys):
    root = phantoms / make if isinstance(make, str) else tmp_path / "data"
    if callable(make):
        root.mkdir()
        make(root)
    card = yaml.safe_load(draft(root)[1]) | {"labels": {"0": "alpha", "a": "alpha"}}
    if make is coco:
        card["layout"]["images"] = "images"
    path = card_file(layout=card["layout"], task=card["task"], labels=card["labels"])
    check_against_folder(str(path), root)
    assert "turns" not in capsys.readouterr().out


def test_check_names_what_is_missing_and_compares_digests(card_file, tmp_path, capsys):
    root = tmp_path / "data"
    put(root / "1.png")
    put(root / "labels.csv", "image,dx\n1.png,a\n2.png,b\n")
    layout = {"kind": "csv_labels", "table": "labels.csv", "image_column": "image", "label_column": "dx"}
    card = str(card_file(layout=layout))
    check_against_folder(card, root)
    assert "1 files that toy names are not there:\n  2.png" in capsys.readouterr().out
    put(root / "2.png")
    digest = hashlib.sha256((root / "labels.csv").read_bytes()).hexdigest()
    check_against_folder(str(card_file(layout=layout, checksums={"labels.csv": digest}, expected={"items": 2})), root)
    assert "2 items, as published" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"labels\.csv: missing, or not the published file \(0000000"):
        check_against_folder(str(card_file(layout=layout, checksums={"labels.csv": "0" * 64})), root)
    with pytest.raises(UserError, match="2 items, but toy has 1 published ones"):
        check_against_folder(str(card_file(layout=layout, expected={"items": 1})), root)


def test_check_names_labels_that_card_and_folder_do_not_share_and_tries_to_read(card_file, tmp_path, capsys):
    root = tmp_path / "data"
    put(root / "a" / "1.png")
    put(root / "a" / "2.png", "no picture")
    put(root / "other" / "3.png")
    with pytest.raises(UserError) as caught:
        check_against_folder(str(card_file(layout={"kind": "folder_per_class"})), root)
    assert capsys.readouterr().out.endswith(
        "no item has these labels of the card:\n  b\n  c\n  d\ntoy: every item is a group of its own.\ntoy: train 3.\n"
        "toy: read 3 items, 1 image: alpha 1.\n"
    )
    first, *rest = str(caught.value).splitlines()
    assert first == f"{root}: labels that are not in the card: 1; a build would quarantine their items:"
    assert rest[0] == '  "other" (1 items)'
    assert any(line.startswith(f"{root}: a/2.png: image unreadable: ") for line in rest)
    assert any("label not in the map" in line for line in rest)


def test_a_draft_like_a_known_dataset_takes_its_facts_and_the_folders_layout(tmp_path):
    root = tmp_path / "data"
    put(root / "a" / "1.png")
    put(root / "b" / "1.png")
    known = find_known("chexpert")
    _, text = draft_like(known, root)
    card = yaml.safe_load(text)
    assert (card["name"], card["modality"], card["department"]) == ("chexpert", "X-ray", "Pulmonary Medicine")
    assert (card["layout"]["kind"], card["citation"], card["license"]) == ("folder_per_class", "TODO", "TODO")
    assert yaml.safe_load(draft_like(known, None)[1])["layout"] == {"kind": "TODO"}
    assert "# samples: 224316" in text


def test_a_table_that_the_draft_does_not_read_is_named(tmp_path):
    for name in ("1", "2"):
        put(tmp_path / "images" / f"{name}.png")
        put(tmp_path / "masks" / f"{name}.png")
    put(tmp_path / "cases.csv", "ID,Case\n1,A\n2,A\n")
    _, text = draft(tmp_path)
    assert "# Tables that this draft does not read: cases.csv." in text


@pytest.mark.parametrize("name", ["labels.txt", "p1/labels.txt"])
def test_values_of_masks_get_the_names_that_a_file_gives(tmp_path, name):
    for case in ("p1", "p2"):
        volume(tmp_path / case / "ct.nii.gz")
        nib.save(nib.Nifti1Image(np.arange(256, dtype=np.uint8).reshape(8, 8, 4) % 3, np.eye(4)),
                 tmp_path / case / "seg.nii.gz")  # fmt: skip
    put(tmp_path / name, '# ITK-SnAP Label Description File\n1 255 0 0 1 1 1 "liver"\n2 0 255 0 1 1 1 "tumor"\n')
    _, text = draft(tmp_path)
    card = yaml.safe_load(text)
    assert {raw: label["en"] for raw, label in card["labels"].items()} == {"1": "liver", "2": "tumor"}
    assert f"# labels: the names of the values are from {name}." in text


def test_why_tables_are_not_read_is_said(tmp_path):
    put(tmp_path / "a.png")
    put(tmp_path / "t.csv", "image,label,label\na.png,x,y\n")
    with pytest.raises(UserError, match=r't\.csv:1: two columns are called "label"\. Rename one of them\.'):
        draft(tmp_path)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["Benign", "benign", "BENIGN", "malignant"], {"benign", "malignant"}),
        (["Mass", "MASS", "no mass"], {"Mass", "no mass"}),
        (["left  lung", "Left lung", "right_lung"], {"left lung", "right lung"}),
    ],
)
def test_spellings_of_one_label_have_one_name(tmp_path, labels, names):
    for number in range(len(labels)):
        put(tmp_path / "i" / f"{number}.png")
    lines = "".join(f"{number}.png,{label}\n" for number, label in enumerate(labels))
    put(tmp_path / "t.csv", "image,diagnosis\n" + lines)
    card = yaml.safe_load(draft(tmp_path)[1])
    assert {name["en"] for name in card["labels"].values()} == names
    assert len(card["labels"]) == len(labels)


def radiographs(root, places):
    for number, place in enumerate(places):
        write(root / place, "DX", noise(seed=number), patient=f"P{number}")


@pytest.mark.parametrize(
    ("places", "kind", "labels"),
    [
        ([f"{name}/{number}.dcm" for name in ("normal", "fracture") for number in range(3)], "folder_per_class",
         ["fracture", "normal"]),
        ([f"d/{name}/{number}.dcm" for name in ("a", "b") for number in range(3)], "folder_per_class", ["a", "b"]),
        ([f"images/{number}.dcm" for number in range(4)], "dicom", []),
    ],
)  # fmt: skip
def test_radiographs_are_no_series(tmp_path, places, kind, labels):
    radiographs(tmp_path, places)
    card = yaml.safe_load(draft(tmp_path)[1])
    assert (card["layout"]["kind"], list(card["labels"])) == (kind, labels)


def test_slices_in_folders_are_a_series(tmp_path):
    for name in "ab":
        write_series(tmp_path / name, series=name)
    assert yaml.safe_load(draft(tmp_path)[1])["layout"]["kind"] == "dicom_series"


@pytest.mark.parametrize("name", ["images.zip", "part/data.tar.gz", "x.7z", "x.RAR"])
def test_archives_are_named(tmp_path, name):
    put(tmp_path / name, "x")
    with pytest.raises(UserError, match=rf"no layout recognised .* Unpack {name}: archives are not read"):
        draft(tmp_path)


@pytest.mark.parametrize("ending", [".ome.tif", ".ome.tiff"])
def test_small_microscopes_pictures_are_no_slides(tmp_path, ending):
    for name in "ab":
        for number in range(3):
            put(tmp_path / name / f"{number}.png")
        pixels = np.random.default_rng(1).integers(0, 255, (32, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name / f"9{ending}", format="TIFF")
    assert yaml.safe_load(draft(tmp_path)[1])["layout"]["kind"] == "folder_per_class"
    Image.new("L", (4096, 4096)).save(tmp_path / "a" / f"large{ending}", format="TIFF", compression="tiff_lzw")
    assert yaml.safe_load(draft(tmp_path)[1])["layout"]["kind"] == "slides"


@pytest.mark.parametrize(
    ("name", "document", "tool"),
    [
        ("v.json", {"assets": {"a": {"asset": {"name": "1.png", "state": 2, "type": 1}, "regions": []}}}, "vott"),
        ("p.jsonl", {"image": "1.png", "answer": "accept", "spans": [{"label": "a", "points": [[1, 2], [3, 4], [5, 1]]}]
                     }, "prodigy"),
        ("c.json", [{"image": "1.png", "annotations": [{"label": "a", "coordinates": {"x": 1, "y": 2, "width": 2,
                                                                                     "height": 2}}]}], "createml"),
        ("metadata.jsonl", {"file_name": "1.png", "objects": {"bbox": [[1, 2, 3, 4]], "categories": ["a"]}},
         "imagefolder"),
        ("1.geojson", {"type": "FeatureCollection", "features": [
            {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[1, 2], [9, 2], [9, 9], [1, 2]]]},
             "properties": {"classification": {"name": "a"}}}]}, "regions"),
    ],
)  # fmt: skip
def test_exports_of_tools_are_known(tmp_path, name, document, tool):
    put(tmp_path / "1.png")
    put(tmp_path / name, json.dumps(document))
    layout = yaml.safe_load(draft(tmp_path)[1])["layout"]
    assert (layout["kind"], layout["tool"]) == ("labelling_tool", tool)


def test_the_draft_lists_the_closed_vocabularies_and_what_it_leaves_unread(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        put(tmp_path / name)
    (tmp_path / "scan.nii.gz").write_bytes(b"")
    _, text = draft(tmp_path)
    comments = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    for words in (Modality, Department, ClinicalTask):
        assert ", ".join(words) in comments
    assert "Images that this draft does not read: 3 (a/1.png, a/2.png, b/3.png)." in text


def test_a_number_is_no_name_of_a_label(tmp_path):
    for name in ("0/1.png", "0/2.png", "1/3.png"):
        put(tmp_path / name)
    _, text = draft(tmp_path)
    assert yaml.safe_load(text)["labels"]["1"]["en"] == "TODO"


@pytest.mark.parametrize(("image", "mask"), [("img/img{:03d}", "seg/seg-{}"), ("img/a{:02d}", "gt/z-{}")])
@pytest.mark.parametrize("ending", [".png", ".bmp"])
def test_masks_that_no_pattern_pairs_are_no_class(tmp_path, image, mask, ending):
    marked = np.zeros((24, 32), np.uint8)
    marked[2:9, 3:12] = 255
    for number in range(1, 5):
        put(tmp_path / f"{image.format(number)}.png")
        path = tmp_path / f"{mask.format(number)}{ending}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(marked).save(path)
    _, text = draft(tmp_path)
    layout = yaml.safe_load(text)["layout"]
    assert (layout["kind"], layout["masks"]) == ("image_mask", "TODO")
    assert "no pattern pairs the 4 pictures" in text
    assert "list the pairs in a JSON file for `kind: datalist`" in text


@pytest.mark.parametrize(
    ("labels", "raw"),
    [([[0], [2], [1]], ["0", "1", "2"]), ([3, 1, 1], ["1", "3"]), ([[0, 1, 0], [1, 0, 0], [0, 0, 1]], ["0", "1", "2"])],
)
def test_labels_of_arrays(tmp_path, labels, raw):
    np.savez(tmp_path / "d.npz", train_images=np.zeros((3, 8, 8), np.uint8), train_labels=np.array(labels))
    assert list(yaml.safe_load(draft(tmp_path)[1])["labels"]) == raw


def test_sex_and_age_are_no_labels(tmp_path):
    for number in range(4):
        put(tmp_path / "i" / f"{number}.png")
    put(tmp_path / "t.csv", "id,age,male\n0,24,True\n1,31,False\n2,60,True\n3,99,False\n")
    assert yaml.safe_load(draft(tmp_path)[1])["layout"]["label_column"] == "TODO"


def test_a_panoptic_file_is_refused_by_name(tmp_path):
    put(tmp_path / "i" / "1.png")
    segments = {"image_id": 1, "file_name": "1.png", "segments_info": [{"id": 5, "category_id": 1}]}
    document = {"images": [{"id": 1, "file_name": "1.png"}], "categories": [{"id": 1, "name": "a"}]}
    document["annotations"] = [segments]
    put(tmp_path / "p.json", json.dumps(document))
    with pytest.raises(UserError, match=r"p\.json: a panoptic file"):
        draft(tmp_path)


def test_one_number_that_a_table_marks_with_boxes_is_at_least_a_finding(tmp_path):
    for name in ("a", "b"):
        put(tmp_path / "images" / f"{name}.png")
    put(tmp_path / "t.csv", "patientId,x,y,width,height,Target\na,1,1,2,2,1\nb,,,,,0\n")
    _, text = draft(tmp_path)
    assert yaml.safe_load(text)["labels"] == {"1": {"en": "finding", "zh": "TODO"}}
    assert "no names for the labels 1: write what they mean." in text


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["0.0.Normal", "0.1.Tessellated fundus", "10.0.Possible glaucoma"],
         ["Normal", "Tessellated fundus", "Possible glaucoma"]),
        (["01_TUMOR", "02_STROMA"], ["TUMOR", "STROMA"]),
        (["1) mild", "2) severe"], ["mild", "severe"]),
        (["3D scan", "2D scan"], ["3D scan", "2D scan"]),
        (["1st degree", "2nd degree"], ["1st degree", "2nd degree"]),
        (["0_benign", "1_benign"], ["0 benign", "1 benign"]),
        (["1_benign", "malignant"], ["1 benign", "malignant"]),
    ],
)  # fmt: skip
def test_numbered_classes_are_named_without_their_numbers(tmp_path, folders, names):
    for folder in folders:
        for number in range(2):
            put(tmp_path / folder / f"{number}.png")
    card = yaml.safe_load(draft(tmp_path)[1])
    assert {raw: name["en"] for raw, name in card["labels"].items()} == dict(zip(folders, names, strict=True))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("train.json", '[{"name": "x1.jpg", "label": 0}, {"name": "x2.jpg", "label": 1}]',
         "train.json is a list of objects with name, label: save it as CSV"),
        ("labels.json", '[{"id": 7, "cls": "a", "fold": 1}]', "labels.json is a list of objects with id, cls, fold"),
        ("train.csv", "id,class,segmentation\ncase1_day2_slice_0001,bowel,1 3\n",
         "train.csv has the columns id, class, segmentation: none names the pictures"),
    ],
)  # fmt: skip
def test_a_folder_that_no_layout_recognises_says_what_its_tables_hold(tmp_path, name, text, said):
    put(tmp_path / "day2/scans/a_266.png")
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=re.escape(said)):
        draft(tmp_path)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".TIF"])
def test_dicom_files_that_are_called_as_pictures_are_drafted_where_no_layout_of_pictures_fits(tmp_path, ending):
    for number in range(3):
        write(tmp_path / f"{number}{ending}", "DX", noise())
    _, text = draft(tmp_path)
    assert yaml.safe_load(text)["layout"] == {"kind": "dicom", "files": f"**/*{ending}"}
    assert "does not read" not in text


@pytest.mark.parametrize("name", ["IM{}", "1.2.840.113.{}", "a/b/IM{}"])
def test_a_draft_asks_each_file_once_whether_it_is_dicom(tmp_path, monkeypatch, name):
    for number in range(3):
        path = tmp_path / name.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, "DX", noise())
    asked = []
    ask = folder_module.is_dicom_file
    monkeypatch.setattr(folder_module, "is_dicom_file", lambda path: asked.append(path) or ask(path))
    _, text = draft(tmp_path)
    assert yaml.safe_load(text)["layout"]["kind"] == "dicom"
    assert sorted(asked) == sorted(tmp_path / name.format(number) for number in range(3))


@pytest.mark.parametrize("name", ["IM{}", "1.2.840.113.{}", "E1S1I{}.MR"])
def test_folders_of_classes_hold_dicom_files_of_any_name(tmp_path, name):
    for number in range(6):
        write(tmp_path / "ab"[number % 2] / name.format(number), "DX", noise(), patient=f"P{number // 3}")
    _, text = draft(tmp_path)
    card = yaml.safe_load(text)
    recipe = Recipe.model_validate(card | KNOWN)
    assert card["layout"] == {"kind": "folder_per_class", "extensions": [""]}
    assert len(list(recipe.layout.list_items(recipe, tmp_path))) == 6


def test_one_enhanced_file_of_each_patient_is_a_series_and_no_class(tmp_path):
    for name in "ab":
        place = pydicom.Dataset()
        place.PlanePositionSequence = [pydicom.Dataset()]
        fields = {"PerFrameFunctionalGroupsSequence": [place, place], "NumberOfFrames": 2}
        write(tmp_path / name / "e.dcm", "CT", noise(), patient=name, **fields)
    _, text = draft(tmp_path)
    assert yaml.safe_load(text)["layout"] == {"kind": "dicom_series", "series": "*"}


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("masks/1.svg", "export the masks as PNG"), ("t.xls", "save them as CSV"), ("a.pkl", "are never read")],
)
def test_formats_that_are_not_read_are_named(tmp_path, name, remedy):
    put(tmp_path / name, "x")
    with pytest.raises(UserError, match=f"1 files such as {name}: .*{remedy}"):
        draft(tmp_path)
    for label in "ab":
        put(tmp_path / label / f"{label}.png")
    assert remedy in draft(tmp_path)[1].replace("\n# ", " ")


@pytest.mark.parametrize(
    ("folders", "split"),
    [
        (("Training_dataset", "Testing_dataset"), {
            "pattern": "^([^/]+)(?:/|$)", "names": {"Testing_dataset": "held_out", "Training_dataset": "train"},
        }),
        (("data/train", "data/val"), {"pattern": "^(?:[^/]+/){1}([^/]+)(?:/|$)"}),
        (("site_a", "site_b"), None),
        (("train", "other"), None),
    ],
)  # fmt: skip
def test_folders_of_series_that_are_called_like_splits_are_the_split(tmp_path, folders, split):
    for at, folder in enumerate(folders):
        for case in (1, 2):
            write_series(tmp_path / folder / f"{at}{case}", 3, series=f"{at}{case}", patient=f"P{at}{case}")
    card = yaml.safe_load(draft(tmp_path)[1])
    assert card["layout"]["kind"] == "dicom_series"
    assert card.get("split") == split


def test_a_series_may_lie_in_the_folder_of_the_split_itself(tmp_path):
    for name in ("train", "test"):
        write_series(tmp_path / "p" / name, 3, series=name, patient=name)
    named = KNOWN | {"labels": {"a": {"en": "a"}}, "labels_of_every_image": ["a"]}
    recipe = Recipe.model_validate(yaml.safe_load(draft(tmp_path)[1]) | named)
    items = with_joined_facts(recipe.layout.list_items(recipe, tmp_path), recipe, tmp_path)
    assert {item.key: str(item.split) for item in items} == {"p/train": "train", "p/test": "held_out"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"A1.JPG": "", "t.csv": "f,dx\na1.jpg,p\n"}, '"a1.jpg" is A1.JPG on disk: give both the same capital letters'),
        ({"1.png": "", "1.txt": "nodule 0.5 0.5 0.2 0.2"}, '1.txt:1: "nodule 0.5 0.5 0.2 0.2" is no line of YOLO'),
        ({"1.png": "", "1.txt": "0,0.5,0.5,0.2,0.2"}, '1.txt:1: "0,0.5,0.5,0.2,0.2" is no line of YOLO'),
        ({"1.png": "", "r.json": '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]'},
         "r.json holds results of a model"),
        ({"d.zip.001": "", "d.zip.002": ""}, "Unpack d.zip.001, d.zip.002: archives are not read. Parts belong to one"),
        ({"d.z01": "", "d.zip": ""}, "Unpack d.zip, d.z01: archives are not read. Parts belong to one"),
        ({"d.part1.rar": "", "d.r00": ""}, "Unpack d.part1.rar, d.r00: archives are not read."),
    ],
)  # fmt: skip
def test_what_is_in_the_way_of_a_draft_is_named(tmp_path, files, words):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=re.escape(words)):
        draft(tmp_path)


def test_archives_beside_pictures_are_told(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(encode_png(np.random.default_rng(0).integers(0, 255, (9, 9), dtype=np.uint8)))
    (tmp_path / "more.zip").touch()
    assert "# Unpack more.zip: archives are not read." in draft(tmp_path)[1]
