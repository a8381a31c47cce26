"""The layouts that real datasets come in, each as its publisher writes it, with the faults they have."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.catalogue import find_recipe
from gmai_formats.errors import UserError


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
    assert boxes(picture) == [("alpha", (4, 3, 20, 9)), ("alpha", (2, 15, 9, 20)), ("beta", (2, 2, 12, 9))]
    assert [entry["reason"].split(":")[0] for entry in ledger.quarantine] == [
        "mask of another size", "polygon outside the image",
    ]  # fmt: skip


def test_one_hot_and_split_folders(tmp_path, toy):
    for name in "123":
        put(tmp_path / f"{name}.png", noise(int(name)))
    put(tmp_path / "t.csv", b"image;a;b\n1;1.0;1\n2;0;0\n3;0;1\n")
    layout = {
        "kind": "csv_labels", "table": "t.csv", "image_column": "image", "image_suffix": ".png",
        "label_columns": ["a", "b"], "delimiter": ";",
    }  # fmt: skip
    found = {key: pictures[0].labels for key, pictures in read(toy(layout=layout), tmp_path).items()}
    assert found == {"1.png": ("alpha", "beta"), "2.png": (), "3.png": ("beta",)}
    put(tmp_path / "set" / "train" / "a" / "1.png", noise(1))
    put(tmp_path / "set" / "test" / "b" / "2.png", noise(2))
    recipe = toy(layout={"kind": "folder_per_class", "images": "set", "split_folder": True})
    items = {item.raw_labels: item.split for item in recipe.layout.list_items(recipe, tmp_path)}
    assert items == {("a",): "train", ("b",): "held_out"}


def test_masks_in_colour_binary_inverted_and_one_per_structure(tmp_path, toy):
    put(tmp_path / "i" / "1.png", noise())
    colour = np.zeros((24, 32, 3), np.uint8)
    colour[2:9, 3:9], colour[12:20, 20:30] = (255, 0, 0), (0, 0, 255)
    put(tmp_path / "c" / "1.png", colour)
    base = {"kind": "image_mask", "images": "i/*.png"}
    recipe = toy(
        layout={**base, "masks": "c/{stem}.png", "encoding": "colour"},
        labels={"#ff0000": "alpha", "#0000ff": "beta"},
        task="2d_segmentation",
    )
    ((picture,),) = read(recipe, tmp_path).values()
    assert sorted(boxes(picture)) == [("alpha", (3, 2, 9, 9)), ("beta", (20, 12, 30, 20))]
    binary = np.full((24, 32), 255, np.uint8)
    binary[5:15, 5:15] = 0
    put(tmp_path / "b" / "1.png", binary)
    recipe = toy(layout={**base, "masks": "b/{stem}.png", "encoding": "binary", "inverted": True}, labels={1: "alpha"})
    ((picture,),) = read(recipe, tmp_path).values()
    assert boxes(picture) == [("alpha", (5, 5, 15, 15))]
    put(tmp_path / "s" / "1_a.png", colour[..., 0])
    put(tmp_path / "s" / "1_b.png", 255 - binary)
    ((picture,),) = read(toy(layout={**base, "masks": "s/{stem}_{label}.png"}), tmp_path).values()
    assert boxes(picture) == [("alpha", (3, 2, 9, 9)), ("beta", (5, 5, 15, 15))]


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


def test_nnunet_and_decathlon(tmp_path, toy):
    values, mask = volume_pair()
    nifti(tmp_path / "imagesTr" / "c1_0000.nii.gz", values)
    nifti(tmp_path / "imagesTr" / "c2.nii.gz", np.stack([values, values], axis=3))
    for case in ("c1", "c2"):
        nifti(tmp_path / "labelsTr" / f"{case}.nii.gz", mask)
    put(tmp_path / "labelsTr" / "._c1.nii.gz", b"Mac")
    put(tmp_path / "dataset.json", json.dumps({"labels": {"background": 0, "x": 1, "y": 300}}).encode())
    recipe = toy(layout={"kind": "nnunet"}, **SEGMENTED)
    found = read(recipe, tmp_path)
    assert {key: len(pictures) for key, pictures in found.items()} == {"c1": 7, "c2": 7}
    put(tmp_path / "dataset.json", json.dumps({"labels": {"0": "background", "9": "z"}}).encode())
    with pytest.raises(UserError, match=r"has the label\(s\) 9, which recipe toy does not name"):
        read(recipe, tmp_path)


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
    from gmai_data.sources.volume_files import load_volumes

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


def write_video(path, frames=50, rate=10):
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            pixels = np.full((48, 64, 3), 40, np.uint8)
            pixels[:, : number + 5] = 200
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def test_video_with_frame_labels(tmp_path, toy):
    write_video(tmp_path / "v" / "one.mp4")
    put(tmp_path / "one-phase.txt", b"Frame\tPhase\n0\ta\n25\tb\n")
    layout = {
        "kind": "video", "files": "v/*.mp4", "table": "{stem}-phase.txt", "frame_column": "Frame",
        "label_column": "Phase", "every_s": 1.0,
    }  # fmt: skip
    ((*pictures,),) = read(toy(layout=layout), tmp_path).values()
    assert [(p.geometry["frame"], p.labels) for p in pictures] == [
        (0, ("alpha",)), (10, ("alpha",)), (20, ("alpha",)), (30, ("beta",)), (40, ("beta",)),
    ]  # fmt: skip
    put(tmp_path / "one-late.txt", b"Frame\tPhase\n15\ta\n25\tb\n")
    ((*pictures,),) = read(toy(layout={**layout, "table": "{stem}-late.txt"}), tmp_path).values()
    assert [(p.labels, p.uncertain) for p in pictures[:3]] == [
        ((), ("alpha", "beta", "gamma", "delta")), ((), ("alpha", "beta", "gamma", "delta")), (("alpha",), ()),
    ]  # fmt: skip
    put(tmp_path / "v" / "one.mp4", b"not a video at all")
    with pytest.raises(SourceError, match="video unreadable"):
        read(toy(layout=layout), tmp_path)


def test_hub_dataset_from_a_folder(tmp_path, toy):
    datasets = pytest.importorskip("datasets", reason="pip install 'gmai-data[hub]'")
    rows = {
        "image": [{"bytes": encode_png(noise(n)), "path": None} for n in range(3)],
        "label": [0, 1, 1],
        "who": ["p", "p", "q"],
    }
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"]), "who": datasets.Value("string")}
    )
    datasets.DatasetDict({"test": datasets.Dataset.from_dict(rows, features=features)}).save_to_disk(tmp_path / "d")
    recipe = toy(layout={"kind": "hf_dataset", "path": "d", "group_column": "who"})
    found = read(recipe, tmp_path)
    assert [pictures[0].labels for pictures in found.values()] == [("alpha",), ("beta",), ("beta",)]
    items = list(recipe.layout.list_items(recipe, tmp_path))
    assert {(item.group, item.split) for item in items} == {("p", "held_out"), ("q", "held_out")}
