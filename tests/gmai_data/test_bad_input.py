"""Bad input through the real command: a reason in the quarantine, or one line; never a traceback or a silent drop."""

import gzip
import io
import json
import sys
import zipfile

import nibabel as nib
import numpy as np
import pydicom
import pytest
import yaml
from gmai_cli.main import main
from gmai_data.imaging.raster import encode_png
from PIL import Image

README = {"README.txt": b"Download the data from our page."}
FOLDERS = {"layout": {"kind": "folder_per_class"}}
TABLE = {
    "layout": {"kind": "csv_labels", "table": "labels.csv", "image_column": "image", "label_column": "dx"},
}
VOLUMES = {
    "layout": {"kind": "volume", "image": "*/ct.*", "mask": "{parent}/mask.nii.gz"},
    "labels": {"1": "alpha"},
    "task": "3d_segmentation",
    "modality": "CT",
}
SERIES = {
    "layout": {"kind": "dicom_series", "series": "*/dicom"},
    "labels_of_every_image": ["a"],
    "task": "3d_classification",
    "modality": "CT",
}
VOC = {"layout": {"kind": "voc"}, "task": "2d_detection"}
ARRAYS = {"layout": {"kind": "volume", "image": "*.npz", "mask": "{stem}.npz"}, **{k: VOLUMES[k] for k in ("labels", "task", "modality")}}  # noqa: E501 # fmt: skip

MANY = {"layout": {"kind": "arrays", "files": "*.npz"}, "labels": {"0": "alpha", "1": "beta"}}


def noise(*shape):
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def picture(path, pixels=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(noise(24, 32, 3) if pixels is None else pixels))


def case(root, name="case1", ending="nii.gz"):
    (root / name).mkdir(parents=True)
    mask = np.zeros((32, 24, 8), np.uint8)
    mask[4:20, 4:20, 2:6] = 1
    for file, values in ((f"ct.{ending}", noise(32, 24, 8).astype(np.int16) * 8 - 1000), ("mask.nii.gz", mask)):
        nib.save(nib.Nifti1Image(values, np.diag([-1, -1, 2, 1.0])), root / name / file)
    return root / name


def series(root, phantoms):
    first = sorted((phantoms / "phantom-ct").glob("*/dicom"))[0]
    folder = root / "case1" / "dicom"
    folder.mkdir(parents=True)
    for file in first.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return sorted(folder.iterdir())


def lfs_pointer(root, phantoms):
    picture(root / "a" / "1.png")
    (root / "a" / "2.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")


def dangling_link(root, phantoms):
    picture(root / "a" / "1.png")
    (root / "a" / "2.png").symlink_to("../.git/annex/objects/none")


def link_outside(root, phantoms):
    picture(root.parent / "secret.png")
    picture(root / "a" / "1.png")
    (root / "a" / "2.png").symlink_to(root.parent / "secret.png")


def large_picture(root, phantoms):
    picture(root / "a" / "1.png")
    Image.new("L", (10_000, 10_000)).save(root / "a" / "2.png")


def truncated_picture(root, phantoms):
    picture(root / "a" / "1.png")
    (root / "a" / "2.png").write_bytes((root / "a" / "1.png").read_bytes()[:700])


def unknown_label(root, phantoms):
    picture(root / "a" / "1.png")
    picture(root / "zebra" / "2.png")


def path_outside(root, phantoms):
    picture(root / "1.png")
    picture(root.parent / "secret.png")
    (root / "labels.csv").write_text("image,dx\n1.png,a\n../secret.png,a\n")


def truncated_dicom(root, phantoms):
    middle = series(root, phantoms)[5]
    middle.write_bytes(middle.read_bytes()[:-3000])


def truncated_dicom_header(root, phantoms):
    middle = series(root, phantoms)[5]
    middle.write_bytes(middle.read_bytes()[:300])


def dicom_pointer(root, phantoms):
    series(root, phantoms)[5].write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")


def box_outside(root, phantoms):
    picture(root / "JPEGImages" / "1.png")
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>99</xmax><ymax>9</ymax></bndbox>"
    (root / "Annotations").mkdir()
    (root / "Annotations" / "1.xml").write_text(
        f"<annotation><filename>1.png</filename><object><name>a</name>{box}</object></annotation>"
    )


def xml_bomb(root, phantoms):
    box_outside(root, phantoms)
    picture(root / "JPEGImages" / "2.png")
    (root / "Annotations" / "2.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>')


def truncated_nifti(root, phantoms):
    case(root)
    file = case(root, "case2") / "ct.nii.gz"
    file.write_bytes(file.read_bytes()[:3000])


def gzip_bomb(root, phantoms):
    case(root)
    header = nib.Nifti1Header()
    header.set_data_shape((3000, 3000, 1000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    with gzip.open(case(root, "case2") / "ct.nii.gz", "wb") as file:
        file.write(header.binaryblock + bytes(2**20))


def claim_gigabytes(path, name):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (9000, 1000, 1000)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", header.getvalue() + bytes(2**20))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # the size that a local and a central header claim
        at = data.index(mark) + offset
        data[at : at + 4] = (4_294_967_290).to_bytes(4, "little")
    path.write_bytes(bytes(data))


def bomb_of_many_pictures(root, phantoms):
    labels = np.zeros((1, 1), np.uint8)
    np.savez(root / "1.npz", train_images=noise(1, 24, 32), train_labels=labels)
    claim_gigabytes(root / "2.npz", "train_images")


def one_number(root, phantoms):
    bomb_of_many_pictures(root, phantoms)
    np.savez(root / "2.npz", train_images=np.uint8(7), train_labels=np.zeros((1, 1), np.uint8))


def npz_bomb(root, phantoms):
    mask = np.zeros((8, 24, 32), np.uint8)
    mask[2:6, 4:20, 4:20] = 1
    np.savez_compressed(root / "1.npz", imgs=noise(8, 24, 32).astype(np.int16) * 8 - 1000, gts=mask)
    claim_gigabytes(root / "2.npz", "imgs")


def other_grid(root, phantoms):
    case(root)
    folder = case(root, "case2")
    nib.save(nib.Nifti1Image(np.ones((32, 24, 4), np.uint8), np.diag([-1, -1, 2, 1.0])), folder / "mask.nii.gz")


@pytest.mark.parametrize(
    ("make", "card", "file", "reason"),
    [
        (lfs_pointer, FOLDERS, "a/2.png", "Git LFS pointer instead of data"),
        (dangling_link, FOLDERS, "a/2.png", "file missing"),
        (link_outside, FOLDERS, "a/2.png", "path outside the root"),
        (large_picture, FOLDERS, "a/2.png", "image too large: 10000×10000 is above 50 megapixels"),
        (truncated_picture, FOLDERS, "a/2.png", "image unreadable"),
        (unknown_label, FOLDERS, "zebra/2.png", 'label not in the map: "zebra"'),
        (path_outside, TABLE, "../secret.png", "path outside the root"),
        (truncated_dicom, SERIES, "case1/dicom/005.dcm", "DICOM pixels unreadable"),
        (truncated_dicom_header, SERIES, "case1/dicom", "uneven slice spacing"),
        (dicom_pointer, SERIES, "case1/dicom/005.dcm", "Git LFS pointer instead of data"),
        (box_outside, VOC, "Annotations/1.xml", "box outside the image: object 1 (a) has xmin 1"),
        (xml_bomb, VOC, "Annotations/2.xml", "XML unreadable: declares entities"),
        (truncated_nifti, VOLUMES, "case2/ct.nii.gz", "NIfTI unreadable"),
        (gzip_bomb, VOLUMES, "case2/ct.nii.gz", "zip bomb"),
        (npz_bomb, ARRAYS, "2.npz", "zip bomb"),
        (bomb_of_many_pictures, MANY, "2.npz", "zip bomb"),
        (one_number, MANY, "2.npz", "array file unreadable: it holds one number"),
        (other_grid, VOLUMES, "case2/mask.nii.gz", "image and mask grids differ"),
    ],
)  # fmt: skip
def test_bad_input_gets_a_reason(make, card, file, reason, card_file, phantoms, tmp_path, monkeypatch, capsys):
    root, out = tmp_path / "data", tmp_path / "out"
    root.mkdir()
    make(root, phantoms)
    code, told = command(monkeypatch, capsys, card_file(**card), root, out)
    assert code == 3, told
    assert "Traceback" not in told
    lines = [json.loads(line) for line in (out / "quarantine.jsonl").read_text().splitlines()]
    found = [line for line in lines if line["file"] == file]
    assert len(found) == 1, lines
    assert found[0]["reason"].startswith(reason)
    assert str(tmp_path) not in (out / "quarantine.jsonl").read_text()
    account = json.loads((out / "manifest.json").read_text())["recipes"]["toy"]
    for counts in (account["items"], account["boxes"]):
        assert counts["read"] == counts["kept"] + sum(counts["dropped"].values()) + counts["quarantined"]
    others = 0 if card is SERIES else 1
    assert account["items"]["kept"] == others


@pytest.mark.parametrize(
    ("card", "files", "told"),
    [
        (FOLDERS, {}, "the folder is empty"),
        (FOLDERS, README, "no images with the endings"),
        (TABLE, README, "no such file. Recipe toy reads its labels there"),
        (TABLE, {"labels.csv": b"image,finding\n"}, 'no column "dx"'),
        (TABLE, {"labels.csv": b"image,\xe4\n"}, "not UTF-8 text"),
        (VOLUMES, README, "finds no volumes that match `*/ct.*`"),
        (SERIES, README, "finds no folders that match"),
        (VOC, README, "finds no VOC annotations"),
        ({"layout": {"kind": "image_mask", "images": "../*.png", "masks": "{stem}.png"}}, README, "relative to --root"),
        ({"layout": {"kind": "coco", "annotations": "*.json"}}, {"a.json": b"{"}, "not JSON"),
        ({"layout": {"kind": "nnunet"}}, {"dataset.json": b"[]", "labelsTr/a.nii.gz": b"x"}, "not a dataset.json"),
    ],
)  # fmt: skip
def test_a_source_that_is_not_what_its_card_says_is_one_line(
    card, files, told, card_file, tmp_path, monkeypatch, capsys
):
    root = tmp_path / "data"
    root.mkdir()
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    code, said = command(monkeypatch, capsys, card_file(**card), root, tmp_path / "out")
    assert code == 2
    assert told in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_pixels_of_a_bad_dicom_file_never_stop_the_others(card_file, phantoms, tmp_path, monkeypatch, capsys):
    """One of each fault in a folder of single files; what is sound is exported."""
    root = tmp_path / "data"
    files = series(root, phantoms)
    files[0].write_bytes(files[0].read_bytes()[:-100])
    files[1].write_bytes(b"")
    files[2].write_text("no DICOM")
    damaged = pydicom.dcmread(files[3])
    damaged.Rows = 60_000
    damaged.Columns = 60_000
    damaged.save_as(files[3])
    card = {"layout": {"kind": "dicom"}, "labels_of_every_image": ["a"], "modality": "CT"}
    code, _ = command(monkeypatch, capsys, card_file(**card), root, tmp_path / "out")
    assert code == 3
    lines = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()]
    rules = {line["file"].rpartition("/")[2]: line["reason"].partition(":")[0] for line in lines}
    assert rules == {
        "000.dcm": "DICOM pixels unreadable", "001.dcm": "file empty", "002.dcm": "not a DICOM file",
        "003.dcm": "image too large",
    }  # fmt: skip


def test_half_a_download_is_said(card_file, tmp_path, monkeypatch, capsys):
    root = tmp_path / "data"
    picture(root / "a" / "1.png")
    _, said = command(monkeypatch, capsys, card_file(**FOLDERS, expected={"items": 2}), root, tmp_path / "out")
    assert "toy: 1 items, but 2 are published. Is the download complete?" in said


def command(monkeypatch, capsys, card, root, out):
    """Run `gmai data build` and return (exit code, what it said)."""
    monkeypatch.setattr(sys, "argv", ["gmai", "data", "build", str(card), "--root", str(root), "--out", str(out)])
    assert yaml.safe_load(card.read_text())["name"] == "toy"
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return ended.value.code, captured.err
