"""A folder as a PACS exports it: eleven kinds of objects of three patients, read by a card of CT and one of MR."""

import json

import numpy as np
import pydicom
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.sources.cards.catalogue import Source
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from ...dicom_objects import AXIAL, SAGITTAL, noise, uid, write, write_lidc, write_seg, write_series, write_structures

SQUARE = np.array([[2, 2], [6, 2], [6, 6], [2, 6]], float)
LABELS = {"lesion": "lesion", "liver": "liver", "nodule": "nodule", "GTV": "tumour"}
SEGMENTED = {
    "task": "3d_segmentation",
    "labels": LABELS,
    "exhaustive": False,
    "background": ["BODY"],
    "boxes": {"min_px": 4},
}


def at(header, outline=SQUARE):
    place = np.asarray([float(value) for value in header.ImagePositionPatient])
    return np.column_stack([outline, np.zeros(len(outline))]) + place


@pytest.fixture
def export(tmp_path):
    """Write the export into one flat folder, as many stations do, and return it."""
    folder = tmp_path / "pacs" / "DICOM"
    for patient in ("ann", "bob", "cyd"):
        prefix = folder / patient
        ct = write_series(folder, 4, series=f"ct-{patient}", patient=patient)
        write_series(folder, 3, "MR", f"mr-{patient}", patient, FrameOfReferenceUID=uid("mr", patient))
        write(
            prefix.with_suffix(".scout"),
            "CT",
            noise(),
            "scout",
            patient,
            ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        )
        write(prefix.with_suffix(".dose"), "SC", noise(), "dose", patient)
        write(prefix.with_suffix(".rtdose"), "RTDOSE", noise(), "rtdose", patient)
        write(prefix.with_suffix(".plan"), "RTPLAN", None, "plan", patient)
        write(prefix.with_suffix(".sr"), "SR", None, "sr", patient)
        write(prefix.with_suffix(".ko"), "KO", None, "ko", patient)
        write(prefix.with_suffix(".pr"), "PR", None, "pr", patient)
        contours = [(at(header), "CLOSED_PLANAR") for header in ct[1:3]]
        if patient == "ann":
            masks = np.zeros((4, 8, 8, 2), np.uint8)
            masks[1:3, 1:6, 1:6, 0] = masks[2, 4:8, 4:8, 1] = 1
            write_seg(folder / "ann.seg", ct, masks, ["liver", "lesion"])
        elif patient == "bob":
            write_structures(folder / "bob.rt", ct, {"GTV": contours, "BODY": contours}, patient="bob")
    (folder / "README.txt").write_text("exported by a station")
    return tmp_path / "pacs"


def run(recipe, root, out):
    code = build([Source(recipe, root)], out, BuildSettings())
    account = json.loads((out / "manifest.json").read_text())["recipes"]["toy"]
    from gmai_data.untyped import pq

    rows = [row for path in sorted((out / "annotations").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return code, account, rows


def test_ct_with_the_masks_that_name_it(export, tmp_path, toy):
    assert {path.name.split(".")[-1] for path in (export / "DICOM").iterdir()} >= {
        "seg",
        "rt",
        "sr",
        "ko",
        "pr",
        "dose",
    }
    layout = {"kind": "dicom_series", "series": "**", "drawn": {"files": "**/*"}}
    code, account, rows = run(toy(modality="CT", layout=layout, **SEGMENTED), export, tmp_path / "out")
    assert code == 0
    assert account["items"] == {
        "read": 6, "kept": 2, "quarantined": 0,
        "dropped": {"no mask names the series": 4},
    }  # fmt: skip
    found = [
        (json.loads(row["provenance"])["slice"], [(box["label"], box["xyxy"]) for box in row["boxes"]]) for row in rows
    ]
    assert sorted(found, key=str) == sorted(
        [
            (1, [("liver", [1, 1, 6, 6])]), (2, [("liver", [1, 1, 6, 6]), ("lesion", [4, 4, 8, 8])]),
            (1, [("tumour", [2, 2, 6, 6])]), (2, [("tumour", [2, 2, 6, 6])]),
        ],
        key=str,
    )  # fmt: skip
    assert len({row["group"] for row in rows}) == 2
    flags = json.loads(rows[0]["provenance"])["flags"]
    assert "3 set aside: localizer" in flags or any("set aside" in flag for flag in flags)


@pytest.mark.parametrize(("modality", "slices"), [("CT", 12), ("MR", 9)])
def test_without_masks_each_modality_is_read_by_its_card(export, tmp_path, toy, modality, slices):
    card = toy(modality=modality, layout={"kind": "dicom_series", "series": "**"}, labels_of_every_image=["a"])
    code, account, rows = run(card, export, tmp_path / "out")
    other = {"CT": "MR", "MR": "CT"}[modality]
    assert code == 0
    reason = f"of modality {other}, which is not the card's {modality}"
    assert account["items"] == {"read": 6, "kept": 3, "quarantined": 0, "dropped": {reason: 3}}
    assert account["images"]["kept"] == len(rows) == slices
    assert len({row["group"] for row in rows}) == 3
    told = {flag for row in rows for flag in json.loads(row["provenance"]).get("flags", [])}
    if modality == "CT":
        assert told == {
            "3 set aside: localizer", "3 set aside: held back: secondary capture", "3 set aside: dose grid",
            "1 set aside: segmentation", "13 set aside: DICOM file without an image", "1 set aside: no DICOM file",
        }  # fmt: skip


def test_one_folder_for_each_series_and_the_masks_in_their_own(tmp_path, toy):
    """As The Cancer Imaging Archive has it: patient/study/series."""
    root = tmp_path / "tcia"
    ct = write_series(root / "p1" / "st" / "ct", 4)
    write_series(root / "p1" / "st" / "ct2", 4, series="other")
    write_structures(root / "p1" / "st" / "rt" / "1.dcm", ct, {"GTV": [(at(ct[2]), "CLOSED_PLANAR")]})
    write_lidc(root / "p1" / "st" / "ct" / "069.xml", ct, [[[(1, [(2, 2), (6, 2), (6, 6), (2, 6)], True)]]] * 2)
    write(root / "p1" / "st" / "lost" / "1.dcm", "RTSTRUCT", None)
    layout = {"kind": "dicom_series", "series": "*/*/*", "drawn": {"files": "**/*", "readers": 2}}
    code, account, rows = run(toy(modality="CT", layout=layout, **SEGMENTED), root, tmp_path / "out")
    assert code == 3
    assert account["items"] == {"read": 3, "kept": 1, "quarantined": 1, "dropped": {"no mask names the series": 1}}
    assert sorted((box["label"], *box["xyxy"]) for row in rows for box in row["boxes"]) == [
        ("nodule", 3, 3, 6, 6), ("tumour", 2, 2, 6, 6),
    ]  # fmt: skip
    (entry,) = map(json.loads, (tmp_path / "out" / "quarantine.jsonl").open())
    assert entry["file"] == "p1/st/lost/1.dcm"
    assert entry["reason"].startswith("mask without its images: the RTSTRUCT names no series, image or frame")


def test_a_series_in_several_folders_is_one(tmp_path, toy):
    for part, only in (("a", (0, 1)), ("b", (2, 3))):
        write_series(tmp_path / "r" / part, only=only)
    card = toy(modality="CT", layout={"kind": "dicom_series", "series": "*"}, labels_of_every_image=["a"])
    _, account, rows = run(card, tmp_path / "r", tmp_path / "out")
    assert (account["items"]["kept"], len(rows)) == (1, 4)


@pytest.mark.parametrize(
    ("gaps", "kept", "slices"), [("refuse", 0, []), ("flag", 1, [1, 2, 3]), ("split", 1, [(0, 1), (1, 0), (1, 1)])]
)
def test_missing_slices_with_a_mask(tmp_path, toy, gaps, kept, slices):
    root = tmp_path / "r"
    ct = write_series(root / "s", 6, shape=(8, 9))
    masks = np.zeros((6, 8, 9, 1), np.uint8)
    masks[1:5, 2:6, 2:7] = 1
    write_seg(root / "m" / "seg.dcm", ct, masks, ["liver"])
    (root / "s" / "s-02").unlink()
    layout = {"kind": "dicom_series", "series": "*", "drawn": {"files": "m/*"}}
    card = toy(modality="CT", layout=layout, slices={"gaps": gaps}, **SEGMENTED)
    _, account, rows = run(card, root, tmp_path / "out")
    assert account["items"]["kept"] == kept
    facts = [json.loads(row["provenance"]) for row in rows]
    assert sorted((each["frame"], each["slice"]) if gaps == "split" else each["slice"] for each in facts) == slices
    assert all(box["xyxy"] == [2, 2, 7, 6] for row in rows for box in row["boxes"])
    if gaps == "flag":
        assert "1 left out: frame of a mask on no slice" in facts[0]["flags"]


def test_a_mask_of_one_of_two_phases_marks_only_that(tmp_path, toy):
    root = tmp_path / "r"
    phases = [
        write_series(root / "s" / str(phase), series="s", SeriesInstanceUID="1.2.3", TemporalPositionIdentifier=phase)
        for phase in (1, 2)
    ]
    write_seg(root / "m" / "seg.dcm", phases[1], np.ones((4, 8, 8, 1), np.uint8), ["liver"])
    layout = {"kind": "dicom_series", "series": "s/*", "drawn": {"files": "m/*"}}
    _, account, rows = run(toy(modality="CT", layout=layout, **SEGMENTED), root, tmp_path / "out")
    assert account["items"] == {"read": 1, "kept": 1, "quarantined": 0, "dropped": {}}
    facts = [json.loads(row["provenance"]) for row in rows]
    assert [each["frame"] for each in facts] == [1] * 4
    assert "1 other volume(s) of the series left out: no mask names them" in facts[0]["flags"]


def test_single_images_with_their_segs(tmp_path, toy):
    root = tmp_path / "r"
    for name in ("x1", "x2", "x3"):
        image = write(
            root / f"{name}.dcm", "DX", noise((8, 6), len(name)), series=name, ImagerPixelSpacing=[1, 2], patient=name
        )
        masks = np.zeros((1, 8, 6, 2), np.uint8)
        masks[0, 1:5, 1:4, 0] = 1
        if name != "x3":
            write_seg(root / f"{name}-seg.dcm", [image], masks, ["lesion", "nodule"])
    ct = write_series(root / "ct", 1, patient="x4")
    write_structures(root / "rt.dcm", ct, {"GTV": [(at(ct[0]), "CLOSED_PLANAR")]})
    layout = {"kind": "dicom", "files": "**/*", "drawn": {"files": "**/*"}}
    card = toy(modality="X-ray", layout=layout, labels={"lesion": "lesion", "nodule": "nodule"})
    code, account, rows = run(card, root, tmp_path / "out")
    assert code == 0
    dropped = {"no mask names the image": 1, "of modality CT, which is not the card's X-ray": 1}
    assert account["items"] == {"read": 4, "kept": 2, "quarantined": 0, "dropped": dropped}
    for row in rows:
        assert (row["width"], row["height"], row["labels"], row["absent"]) == (12, 8, ["lesion"], ["nodule"])
        assert [box["xyxy"] for box in row["boxes"]] == [[2, 1, 8, 5]], "in square pixels"


@pytest.mark.parametrize("windows", [["percentile"], ["header"]])
@pytest.mark.parametrize("padding", [None, 0])
def test_a_series_of_monochrome1_is_shown_as_its_monochrome2_twin(tmp_path, toy, read, windows, padding):
    """A detector that stores 4095 - x as MONOCHROME1 shows what one shows that stores x (PS3.3 C.7.6.3.1.2)."""
    fields = {"RescaleIntercept": -1000, "WindowCenter": 0, "WindowWidth": 801, "VOILUTFunction": "LINEAR_EXACT"}
    write_series(tmp_path / "a", series="a", **fields)
    for path in sorted((tmp_path / "a").iterdir()):
        twin = pydicom.dcmread(path)
        stored = twin.pixel_array.astype(int)
        if padding is not None:
            stored[:2] = padding
            twin.add_new("PixelPaddingValue", "US", padding)
            twin.PixelData = stored.astype("<u2").tobytes()
            twin.save_as(path)
        mirrored = 4095 - stored
        twin.WindowCenter = 2095
        if padding is not None:
            mirrored[:2] = padding
        twin.PixelData, twin.PhotometricInterpretation = mirrored.astype("<u2").tobytes(), "MONOCHROME1"
        twin.SeriesInstanceUID = "1.2.3"
        (tmp_path / "b").mkdir(exist_ok=True)
        twin.save_as(tmp_path / "b" / path.name)
    card = toy(
        modality="CT", layout={"kind": "dicom_series", "series": "?"}, labels_of_every_image=["a"], windows=windows
    )
    pictures, reasons = read(card)
    assert reasons == {}
    for one, other in zip(pictures["a"], pictures["b"], strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels).max() <= 1
        assert one.pixels.std() > 20


def test_a_series_of_two_kinds_of_grey_is_refused(tmp_path, toy, read):
    write_series(tmp_path / "a")
    write_series(tmp_path / "a", only=[2], PhotometricInterpretation="MONOCHROME1")
    card = toy(modality="CT", layout={"kind": "dicom_series", "series": "a"}, labels_of_every_image=["a"])
    (reason,) = read(card)[1].values()
    assert reason.startswith("several kinds of grey in one series: 2 of them among the slices")


@pytest.mark.parametrize(
    ("orientation", "axis", "function"),
    [
        (AXIAL, "axial", "LINEAR"),
        ((1, 0, 0, 0, -1, 0), "axial", "SIGMOID"),
        (SAGITTAL, "sagittal", "LINEAR_EXACT"),
        ((1, 0, 0, 0, 0, -1), "coronal", "LINEAR"),
        ((1, 0, 0, 0, 0, 1), "coronal", "SIGMOID"),
    ],
)
def test_each_slice_is_shown_in_the_window_of_its_own_header(tmp_path, toy, read, orientation, axis, function):
    """As pydicom shows the files one by one; in other planes a picture would have several windows."""
    due = []
    for number, header in enumerate(write_series(tmp_path / "s", 4, orientation=orientation)):
        header.WindowCenter, header.WindowWidth, header.VOILUTFunction = 100 * number, 400 + 300 * number, function
        header.save_as(tmp_path / "s" / f"s-{number:02d}", enforce_file_format=True)
        values = apply_voi_lut(apply_modality_lut(header.pixel_array, header), header)
        # pydicom's output range is that of the stored values with the rescale.
        low, high = (0 - 1024, 4095 - 1024)
        due.append(float(((values - low) / (high - low) * 255).mean()))
    card = {"modality": "CT", "layout": {"kind": "dicom_series", "series": "s"}, "labels_of_every_image": ["a"]}
    (found,) = read(toy(**card, windows=["header"], slices={"axes": [axis]}))[0].values()
    means = [float(picture.pixels.mean()) for picture in found]
    assert means == pytest.approx(due, abs=0.6) or means == pytest.approx(due[::-1], abs=0.6)
    assert len({picture.geometry["window"] for picture in found}) == 4
    other = "axial" if axis != "axial" else "coronal"
    (reason,) = read(toy(**card, windows=["header"], slices={"axes": [other]}))[1].values()
    assert reason.startswith("several windows in one picture: the windows of its slices differ")


def test_a_slice_with_fewer_windows_than_others_gives_fewer_pictures(tmp_path, toy, read):
    for number, header in enumerate(write_series(tmp_path / "s", 3)):
        header.WindowCenter, header.WindowWidth = ([40, -600], [400, 1500]) if number == 1 else (40, 400)
        header.save_as(tmp_path / "s" / f"s-{number:02d}", enforce_file_format=True)
    card = {"modality": "CT", "layout": {"kind": "dicom_series", "series": "s"}, "labels_of_every_image": ["a"]}
    (found,) = read(toy(**card, windows=["header_all"]))[0].values()
    assert [picture.name for picture in found] == [
        "axial_0000_header0", "axial_0001_header0", "axial_0001_header1", "axial_0002_header0",
    ]  # fmt: skip
