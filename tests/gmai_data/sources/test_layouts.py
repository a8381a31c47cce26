"""The layouts that real datasets come in, each as its publisher writes it, with the faults they have."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.cards.catalogue import find_recipe


def noise(seed=0, shape=(24, 32, 3)):
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else encode_png(data))


def read(recipe, root, ledger=None):
    """Return the pictures of all items, by item key."""
    reader, ledger = recipe.layout, ledger or Ledger()
    return {item.key: list(reader.read(item, recipe, root, ledger)) for item in reader.list_items(recipe, root)}


def boxes(picture):
    return [(box.label, box.xyxy) for box in picture.boxes]


def coco(root, *annotations):
    put(root / "images" / "1.png", noise())
    document = {
        "images": [{"id": 7, "file_name": "1.png", "patient": "p1"}],
        "categories": [{"id": 3, "name": "a"}, {"id": 4, "name": "b"}],
        "annotations": [{"id": n, "image_id": 7, **entry} for n, entry in enumerate(annotations)],
    }
    put(root / "train.json", json.dumps(document).encode())


def test_coco_boxes(tmp_path, toy):
    coco(
        tmp_path,
        {"category_id": 3, "bbox": [1.2, 2, 5.5, 4]},
        {"category_id": 4, "bbox": [30, 2, 9, 4]},
        {"category_id": 4, "bbox": [3, 2, 0, 4]},
        {"category_id": 4, "bbox": None},
    )
    layout = {"kind": "coco", "annotations": "*.json", "images": "images", "group_field": "patient"}
    recipe, ledger = toy(layout=layout, task="2d_detection"), Ledger()
    ((picture,),) = read(recipe, tmp_path, ledger).values()
    assert boxes(picture) == [("alpha", (1, 2, 7, 6))]
    assert picture.incomplete == ("beta",)
    reasons = [entry["reason"].split(":")[0] for entry in ledger.quarantine]
    assert reasons == ["box outside the image", "degenerate box", "box unreadable"]
    (item,) = recipe.layout.list_items(recipe, tmp_path)
    assert (item.group, item.split) == ("p1", "train")


def test_coco_polygons_and_run_lengths(tmp_path, toy):
    mask = np.zeros((24, 32), np.uint8)
    mask[3:9, 4:20], mask[15:20, 2:9] = 1, 1
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    coco(
        tmp_path,
        {"category_id": 3, "segmentation": {"size": [24, 32], "counts": counts}},
        {"category_id": 4, "segmentation": [[2, 2, 12, 2, 12, 9, 2, 9]]},
        {"category_id": 4, "segmentation": {"size": [24, 31], "counts": counts}},
        {"category_id": 4, "segmentation": [[2, 2, 90, 2, 12, 9]]},
    )
    layout = {"kind": "coco", "annotations": "*.json", "images": "images", "use": "segmentation"}
    ledger = Ledger()
    ((picture,),) = read(toy(layout=layout, task="2d_segmentation"), tmp_path, ledger).values()
    assert boxes(picture) == [("alpha", (2, 3, 20, 20)), ("beta", (2, 2, 12, 9))]  # one object in two parts
    assert [entry["reason"].split(":")[0] for entry in ledger.quarantine] == [
        "mask of another size", "polygon outside the image",
    ]  # fmt: skip


@pytest.mark.parametrize(("missing", "uncertain"), [({}, ("gamma",)), ({"missing": "absent"}, ())])
def test_a_structure_without_a_file_is_left_open(tmp_path, toy, missing, uncertain):
    values, mask = volume_pair()
    put(tmp_path / "1.png", values[..., 4].astype(np.uint8))
    nifti(tmp_path / "ct.nii.gz", values)
    for name, value in (("a", 1), ("b", 9)):  # alpha is there, beta was looked for and is not
        put(tmp_path / f"1_{name}.png", (mask[..., 4] == value) * np.uint8(255))
        nifti(tmp_path / f"{name}.nii.gz", (mask == value).astype(np.uint8))
    base = {"labels": {"a": "alpha", "b": "beta", "c": "gamma"}, "modality": "CT"}
    rasters = {"kind": "image_mask", "images": "1.png", "masks": "{stem}_{label}.png", **missing}
    volumes = {"kind": "volume", "image": "ct.nii.gz", "mask": "{label}.nii.gz", **missing}
    for recipe in (
        toy(layout=rasters, task="2d_segmentation", **base),
        toy(layout=volumes, task="3d_segmentation", **base),
    ):
        ((picture, *_),) = read(recipe, tmp_path).values()
        assert (picture.labels, picture.uncertain) == (("alpha",), uncertain)


def volume_pair(shape=(20, 24, 10)):
    mask = np.zeros(shape, np.uint16)
    mask[4:12, 5:15, 3:6], mask[14:19, 15:22, 2:9] = 1, 300
    values = np.random.default_rng(0).integers(-200, 200, shape).astype(np.int16)
    return values, mask


def nifti(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(array, np.diag([-1.0, -1.0, 2.0, 1.0])).to_filename(path)


SEGMENTED = {"modality": "CT", "task": "3d_segmentation", "labels": {1: "alpha", 300: "beta"}}


def test_volume_formats_agree(tmp_path, toy):
    import SimpleITK

    values, mask = volume_pair()
    nifti(tmp_path / "nii" / "x.nii.gz", values)
    nifti(tmp_path / "nii" / "m.nii", mask)
    for ending in ("nrrd", "mha", "mhd"):
        folder = tmp_path / ending
        folder.mkdir()
        for name, array in (("x", values), ("m", mask)):
            image = SimpleITK.GetImageFromArray(array.transpose(2, 1, 0))
            image.SetSpacing((1.0, 1.0, 2.0))
            SimpleITK.WriteImage(image, str(folder / f"{name}.{ending}"))
    np.savez_compressed(tmp_path / "z.npz", imgs=values.transpose(2, 1, 0), gts=mask.transpose(2, 1, 0))
    layouts = [("nii/x.nii.gz", "nii/m.nii"), ("z.npz", "z.npz")]
    layouts += [(f"{end}/x.{end}", f"{end}/m.{end}") for end in ("nrrd", "mha", "mhd")]
    results = []
    for image, label in layouts:
        ((*pictures,),) = read(
            toy(layout={"kind": "volume", "image": image, "mask": label}, **SEGMENTED), tmp_path
        ).values()
        results.append([(picture.pixels.tobytes(), boxes(picture)) for picture in pictures])
    assert len(results[0]) == 7
    assert all(result == results[0] for result in results[1:])
    assert ("beta", (14, 15, 19, 22)) in results[0][0][1]


def test_cine_and_channels(tmp_path, toy):
    values, mask = volume_pair()
    nifti(tmp_path / "x.nii.gz", np.stack([values, values + 5, values], axis=3) - 50)
    nifti(tmp_path / "m.nii.gz", mask)
    layout = {"kind": "volume", "image": "x.nii.gz", "mask": "m.nii.gz"}
    with pytest.raises(SourceError, match="say in the layout which `frames`"):
        read(toy(layout=layout, **SEGMENTED), tmp_path)
    ((*pictures,),) = read(toy(layout={**layout, "frames": "all"}, **SEGMENTED), tmp_path).values()
    assert len(pictures) == 21
    assert pictures[-1].geometry["frame"] == 2


def test_structure_files_give_the_boxes_of_the_single_file(real_data, toy):
    root = real_data / "totalsegmentator"
    together = np.asarray(nib.load(root / "example_seg_fast.nii.gz").dataobj)
    single, many = {}, {}
    for path in sorted((root / "example_seg_fast").glob("*.nii.gz")):
        own = np.asarray(nib.load(path).dataobj) > 0
        raw = path.name.removesuffix(".nii.gz")
        many[raw] = raw
        if own.any():
            single[int(np.unique(together[own])[0])] = raw
    assert (len(single), len(many)) == (40, 117)
    base = {"modality": "CT", "task": "3d_segmentation"}
    layout = {"kind": "volume", "image": "example_ct_sm.nii.gz", "mask": "example_seg_fast.nii.gz"}
    ((*one,),) = read(toy(layout=layout, labels=single, **base), root).values()
    layout["mask"] = "example_seg_fast/{label}.nii.gz"
    ((*other,),) = read(toy(layout=layout, labels=many, **base), root).values()
    assert [sorted(boxes(picture)) for picture in one] == [sorted(boxes(picture)) for picture in other]
    assert sum(len(picture.boxes) for picture in one) == 573


def test_dicom_seg_lies_where_the_nifti_mask_lies(tmp_path, phantoms):
    import highdicom as hd
    import pydicom
    from gmai_data.imaging.dicom_series import load_series
    from gmai_data.sources.files.volume_files import load_volumes

    case = sorted((phantoms / "phantom-ct").iterdir())[0]
    shutil.copytree(case, tmp_path / case.name)
    (image,) = load_series(tmp_path, [f"{case.name}/dicom"])
    ((_, mask),) = load_volumes(tmp_path, f"{case.name}/mask.nii.gz", key="", frames="none")
    series = [pydicom.dcmread(path) for path in sorted((tmp_path / case.name / "dicom").iterdir())]
    for header in series:
        header.PatientBirthDate = header.PatientSex = header.StudyDate = header.StudyTime = header.AccessionNumber = ""
        header.ReferringPhysicianName = header.StudyID = header.PositionReferenceIndicator = ""
    code = hd.sr.CodedConcept("49755003", "SCT", "Morphologically abnormal structure")
    described = [
        hd.seg.SegmentDescription(number, f"part {number}", code, code, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
        for number in (1, 2)
    ]
    pixels = np.stack([mask.array == 1, mask.array == 2], axis=-1).astype(np.uint8)
    hd.seg.Segmentation(
        series, pixels, hd.seg.SegmentationTypeValues.BINARY, described, hd.UID(), 1, hd.UID(), 1,
        "maker", "model", "1", "1",
    ).save_as(tmp_path / case.name / "seg.dcm")  # fmt: skip
    recipe = find_recipe("phantom-ct")
    names = [recipe.labels[str(number)].en for number in (1, 2)]
    layout = recipe.layout.model_copy(update={"mask": "{parent}/seg.dcm"})
    update = {"layout": layout, "labels": {f"part {n}": recipe.labels[str(n)] for n in (1, 2)}}
    ((*by_seg,),) = read(recipe.model_copy(update=update), tmp_path).values()
    ((*by_nifti,),) = read(recipe, tmp_path).values()
    expected = {p.name: sorted(b for b in boxes(p) if b[0] in names) for p in by_nifti}
    found = {p.name: sorted(boxes(p)) for p in by_seg}
    common = found.keys() & expected.keys()
    assert common
    assert all(found[name] == expected[name] for name in common)
    assert image.array.shape == mask.array.shape
