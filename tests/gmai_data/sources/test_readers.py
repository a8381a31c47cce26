"""Readers by layout, on small files with known faults: each fault has its reason, nothing is lost."""

import json

import numpy as np
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger
from gmai_data.sources.cards.catalogue import Source, resolve
from gmai_formats.errors import UserError


def noise(seed=0, shape=(24, 32, 3)):
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


def png(path, seed=0, shape=(24, 32, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(noise(seed, shape)))


def run(recipe, root, tmp_path, **settings):
    out = tmp_path / "out"
    code = build([Source(recipe, root)], out, BuildSettings(**settings))
    manifest = json.loads((out / "manifest.json").read_text())["recipes"][recipe.name]
    reasons = {entry["file"]: entry["reason"] for entry in map(json.loads, (out / "quarantine.jsonl").open())}
    return code, manifest, reasons


def test_folder_per_class(tmp_path, toy):
    root = tmp_path / "root"
    png(root / "a" / "1.png")
    png(root / "z" / "2.png")
    (root / "b").mkdir()
    (root / "b" / "3.png").write_bytes(encode_png(np.full((9, 9), 7, np.uint8)))
    code, manifest, reasons = run(toy(), root, tmp_path)
    assert code == 3
    assert manifest["items"] == {"read": 3, "kept": 1, "dropped": {"no picture left": 1}, "quarantined": 1}
    assert manifest["images"]["dropped"] == {"near-constant image": 1}
    assert reasons == {"z/2.png": 'label not in the map: "z" is not in the labels of toy. Known: a, b, c, d.'}


def test_folder_without_images(tmp_path, toy):
    with pytest.raises(UserError, match="no images with the endings"):
        list(toy().layout.list_items(toy(), tmp_path))


def test_csv_labels(tmp_path, toy):
    root = tmp_path / "root"
    for name in ("1", "2", "3"):
        png(root / "img" / f"{name}.png", int(name))
    table = "file,label,who\n1.png,a|b,p1\n2.png,,p1\n../../3.png,a,p2\n4.png,a,p3\n"
    (root / "labels.csv").write_text(table)
    layout = {
        "kind": "csv_labels", "table": "labels.csv", "images": "img", "image_column": "file",
        "label_column": "label", "group_column": "who", "separator": "|",
    }  # fmt: skip
    code, manifest, reasons = run(toy(layout=layout), root, tmp_path)
    assert (code, manifest["items"]["kept"], manifest["items"]["quarantined"]) == (3, 1, 3)
    assert reasons["img/2.png"] == "row without a label: data row 2; fill the label"
    assert reasons["img/../../3.png"].startswith("path outside the root")
    assert reasons["img/4.png"].startswith("file missing")
    wrong = toy(layout={**layout, "label_column": "lable"})
    with pytest.raises(UserError, match=r'labels\.csv:1: no column "lable".* Did you mean "label"\?'):
        list(wrong.layout.list_items(wrong, root))


def voc_xml(name, *boxes):
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        "</bndbox></object>"
        for label, x1, y1, x2, y2 in boxes
    )
    return f"<annotation><filename>{name}</filename>{objects}</annotation>"


def test_voc_keeps_the_image_and_quarantines_the_box(tmp_path, toy):
    root = tmp_path / "root"
    (root / "Annotations").mkdir(parents=True)
    for stem in ("1", "2", "3"):
        png(root / "JPEGImages" / f"{stem}.png", int(stem))
    xml = voc_xml("1.png", ("a", 1, 1, 32, 24), ("b", 5, 5, 5, 9), ("a", 2, 2, 40, 9))
    (root / "Annotations" / "1.xml").write_text(xml)
    (root / "Annotations" / "2.xml").write_text("<annotation><object>")
    (root / "Annotations" / "3.xml").write_text('<!DOCTYPE a [<!ENTITY x "y">]><annotation/>')
    code, manifest, _ = run(toy(layout={"kind": "voc"}, task="2d_detection"), root, tmp_path)
    assert code == 3
    assert manifest["boxes"] == {"read": 3, "kept": 1, "dropped": {}, "quarantined": 2}
    assert manifest["items"] == {"read": 3, "kept": 1, "dropped": {}, "quarantined": 2}
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "out" / "quarantine.jsonl").open()]
    assert any("degenerate box: object 2 (b) has xmin 5" in reason for reason in reasons)
    assert any("box outside the image: object 3 (a)" in reason and "32×24" in reason for reason in reasons)
    assert any("XML unreadable: declares entities" in reason for reason in reasons)


def test_bccd_gives_its_boxes_and_two_in_quarantine(tmp_path, real_data):
    out = tmp_path / "out"
    assert build(resolve(["bccd"], real_data / "bccd" / "BCCD"), out, BuildSettings()) == 3
    recipe = json.loads((out / "manifest.json").read_text())["recipes"]["bccd"]
    assert recipe["items"] == {"read": 364, "kept": 364, "dropped": {}, "quarantined": 0}
    assert recipe["boxes"] == {"read": 4888, "kept": 4886, "dropped": {}, "quarantined": 2}
    lines = [json.loads(line) for line in (out / "quarantine.jsonl").open()]
    assert [line["file"] for line in lines] == ["Annotations/BloodImage_00338.xml", "Annotations/BloodImage_00343.xml"]
    assert all(line["reason"].startswith("degenerate box: object") for line in lines)
    # Every smear shows red cells, so the questions of the official test list are about marked regions.
    benchmark = json.loads((out / "manifest.json").read_text())["benchmark"]
    assert benchmark["questions"] >= 60
    assert benchmark["prior_accuracy"] <= benchmark["chance"] + 0.15


def test_image_mask(tmp_path, toy):
    root = tmp_path / "root"
    for stem in ("1", "2", "3"):
        png(root / "images" / f"{stem}.png", int(stem))
    mask = np.zeros((24, 32), np.uint8)
    mask[2:10, 3:12], mask[20:22, 20:22] = 1, 2
    (root / "masks").mkdir()
    (root / "masks" / "1.png").write_bytes(encode_png(mask))
    (root / "masks" / "2.png").write_bytes(encode_png(mask[:10]))
    recipe = toy(
        layout={"kind": "image_mask", "images": "images/*.png", "masks": "masks/{stem}.png"},
        labels={1: "alpha", 2: "beta", 3: "gamma"},
        task="2d_segmentation",
    )
    _, manifest, reasons = run(recipe, root, tmp_path)
    assert manifest["boxes"] == {"read": 2, "kept": 1, "dropped": {"smaller than 16 px": 1}, "quarantined": 0}
    assert reasons["masks/2.png"].startswith("image and mask sizes differ: image 32×24, mask 32×10; they must be equal")
    assert reasons["masks/3.png"].startswith("file missing")


def test_nifti_faults(tmp_path, toy, phantoms):
    import shutil

    root = tmp_path / "root"
    cases = sorted((phantoms / "phantom-mr").iterdir())
    for case in cases:
        shutil.copytree(case, root / case.name)
    first, second = (root / case.name for case in cases[:2])
    (first / "mask.nii.gz").write_bytes((first / "mask.nii.gz").read_bytes()[:200])
    (second / "t1.nii.gz").write_text("version https://git-lfs.github.com/spec/v1\n")
    recipe = toy(
        layout={"kind": "volume", "image": "*/t1.nii.gz", "mask": "{parent}/mask.nii.gz"},
        labels={1: "alpha", 2: "beta", 3: "gamma", 4: "delta"},
        modality="MR",
        task="3d_segmentation",
    )
    _, manifest, reasons = run(recipe, root, tmp_path)
    assert reasons[f"{first.name}/mask.nii.gz"].startswith("NIfTI unreadable")
    assert reasons[f"{second.name}/t1.nii.gz"].startswith("Git LFS pointer")
    unknown = [reason for reason in reasons.values() if reason.startswith("label not in the map")]
    assert unknown
    assert manifest["items"]["quarantined"] == len(reasons) == len(cases)
    # What a case gave before its fault showed is taken back: nothing of it is counted or written.
    assert manifest["images"]["read"] == manifest["boxes"]["read"] == 0


def test_dicom_series_with_a_missing_slice_is_refused(tmp_path, phantoms, toy):
    import shutil

    root = tmp_path / "root"
    case = sorted((phantoms / "phantom-ct").iterdir())[0]
    shutil.copytree(case, root / case.name)
    (root / case.name / "dicom" / "005.dcm").unlink()
    recipe = toy(
        layout={"kind": "dicom_series", "series": "*/dicom", "mask": "{parent}/mask.nii.gz"}, task="3d_segmentation"
    )
    _, _, reasons = run(recipe, root, tmp_path)
    assert reasons[f"{case.name}/dicom"].startswith("uneven slice spacing: distances from 5.00 to 10.00 mm")


def test_qa_text(tmp_path, toy):
    root = tmp_path / "root"
    root.mkdir()
    good = {"turns": [{"question": "What is CT?", "answer": "It uses X-rays."}]}
    bad = {"turns": [{"question": "And <image>?", "answer": "No."}]}
    (root / "q.jsonl").write_text(f"{json.dumps(good)}\nnot json\n{json.dumps(bad)}\n{json.dumps({'turns': []})}\n")
    _, manifest, _ = run(toy(layout={"kind": "qa_text"}, task="text"), root, tmp_path)
    assert manifest["items"] == {"read": 4, "kept": 1, "dropped": {}, "quarantined": 3}
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "out" / "quarantine.jsonl").open()]
    assert {reason.split(":")[0] for reason in reasons} == {
        "text unreadable", "image placeholder in a text", "text without question or answer",
    }  # fmt: skip


def test_totalsegmentator_ct(tmp_path, real_data):
    out = tmp_path / "out"
    assert build(resolve(["totalsegmentator-ct"], real_data / "totalsegmentator"), out, BuildSettings()) == 0
    recipe = json.loads((out / "manifest.json").read_text())["recipes"]["totalsegmentator-ct"]
    assert (recipe["images"]["kept"], recipe["boxes"]["kept"]) == (30, 564)


def test_layout_must_stay_below_the_root_and_tables_must_be_text(tmp_path, toy):
    outside = toy(layout={"kind": "folder_per_class", "images": "../elsewhere"})
    with pytest.raises(UserError, match=r"layout names `\.\./elsewhere`\. Its paths are relative to --root"):
        list(outside.layout.list_items(outside, tmp_path))
    outside = toy(layout={"kind": "dicom", "files": "/etc/*"})
    with pytest.raises(UserError, match="layout names `/etc/"):
        list(outside.layout.list_items(outside, tmp_path))
    (tmp_path / "labels.csv").write_bytes(b"file,label\n\xff\xfe,a\n")
    layout = {"kind": "csv_labels", "table": "labels.csv", "image_column": "file", "label_column": "label"}
    with pytest.raises(UserError, match=r"labels\.csv: not UTF-8 text .* Save it as UTF-8"):
        list(toy(layout=layout).layout.list_items(toy(layout=layout), tmp_path))


def test_out_inside_the_data_is_refused(tmp_path, toy):
    png(tmp_path / "a" / "1.png")
    with pytest.raises(UserError, match=r"lies inside .* the data of toy"):
        build([Source(toy(), tmp_path)], tmp_path / "build", BuildSettings())


def test_several_windows_give_several_pictures(tmp_path, phantoms, toy):
    from gmai_data.sources.cards.catalogue import find_recipe

    recipe = find_recipe("phantom-ct").model_copy(update={"windows": ("soft_tissue", "lung")})
    items = list(recipe.layout.list_items(recipe, phantoms / "phantom-ct"))
    pictures = list(recipe.layout.read(items[0], recipe, phantoms / "phantom-ct", Ledger()))
    first, second = pictures[:2]
    assert (first.geometry["window"], second.geometry["window"]) == ("soft_tissue 40/400", "lung -600/1500")
    assert first.boxes == second.boxes
    assert not np.array_equal(first.pixels, second.pixels)
