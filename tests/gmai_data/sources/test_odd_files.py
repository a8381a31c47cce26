"""Files as they really lie on disks: endings in capitals, system files, turned photographs, several rows an image."""

import json

import av
import nibabel as nib
import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.reading import read_pictures
from PIL import Image


def noise(*shape):
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def put(path, pixels=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(noise(24, 32, 3) if pixels is None else pixels))


def read(recipe, root):
    """Return (pictures by item key, reason by item key)."""
    pictures, reasons = {}, {}
    for item in recipe.layout.list_items(recipe, root):
        try:
            pictures[item.key] = list(read_pictures(item, recipe, root, Ledger()))
        except SourceError as problem:
            reasons[item.key] = problem.rule
    return pictures, reasons


def test_a_folder_as_a_file_manager_left_it(tmp_path, toy):
    for name in ("A.PNG", "b [1] #ü.png"):
        put(tmp_path / "a" / name)
    for name in ("c.JPEG", "c.webp", "c.gif", "c.jp2"):
        Image.fromarray(noise(24, 32, 3)).save(tmp_path / "a" / name)
    put(tmp_path / "__MACOSX" / "a" / "A.PNG")
    (tmp_path / "a" / "._A.PNG").write_bytes(b"\0\5\x16\7")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    pictures, reasons = read(toy(), tmp_path)
    assert sorted(pictures) == ["a/A.PNG", "a/b [1] #ü.png", "a/c.JPEG", "a/c.gif", "a/c.jp2", "a/c.webp"]
    assert reasons == {}


def test_patterns_find_endings_in_either_case(tmp_path, toy):
    for name in ("1.jpg", "2.JPG"):
        put(tmp_path / "images" / name)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "1.txt").touch()
    card = toy(layout={"kind": "yolo", "images": "images/*.jpg"}, labels={"0": "alpha"})
    assert sorted(read(card, tmp_path)[0]) == ["images/1.jpg", "images/2.JPG"]


def test_modes_of_pictures(tmp_path, toy):
    (tmp_path / "a").mkdir()
    turned = Image.fromarray(noise(20, 60, 3))
    turned.getexif()[0x0112] = 6
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a" / "turned.jpg", exif=exif)
    Image.fromarray(noise(24, 32, 4), "CMYK").save(tmp_path / "a" / "cmyk.jpg")
    Image.fromarray(noise(24, 32).astype(np.uint16) * 16).save(tmp_path / "a" / "deep.png")
    floats = np.where(noise(24, 32) < 100, np.nan, noise(24, 32) / 7).astype(np.float32)
    Image.fromarray(floats).save(tmp_path / "a" / "floats.tif")
    pages = [Image.fromarray(noise(24, 32)) for _ in range(3)]
    pages[0].save(tmp_path / "a" / "pages.tif", save_all=True, append_images=pages[1:])
    pictures, reasons = read(toy(), tmp_path)
    assert pictures["a/turned.jpg"][0].pixels.shape == (60, 20, 3)
    assert pictures["a/turned.jpg"][0].encoded is None
    assert pictures["a/cmyk.jpg"][0].pixels.shape == (24, 32, 3)
    assert pictures["a/deep.png"][0].pixels.max() == 255
    assert pictures["a/deep.png"][0].geometry["window"].startswith("percentiles ")
    assert pictures["a/turned.jpg"][0].geometry == {"changes": ["turned by EXIF orientation 6"]}
    assert (pictures["a/floats.tif"][0].pixels[np.isnan(floats)] == 0).all()
    assert reasons == {"a/pages.tif": "several pages in one file"}


def test_16_bit_and_planar_tiff_go_through_tifffile(tmp_path, toy):
    import tifffile

    (tmp_path / "a").mkdir()
    deep = noise(24, 32, 3).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a" / "deep.tif", deep)
    tifffile.imwrite(tmp_path / "a" / "planar.tif", deep.transpose(2, 0, 1), planarconfig="separate", photometric="rgb")
    pictures, reasons = read(toy(), tmp_path)
    assert reasons == {}
    low, high = np.percentile(deep[deep > 0], (0.5, 99.5))
    expected = np.clip((deep - low) * (255.0 / (high - low)), 0, 255).astype(np.uint8)
    for picture in ("a/deep.tif", "a/planar.tif"):
        assert np.abs(pictures[picture][0].pixels.astype(int) - expected).max() <= 1


def table(root, text, **layout):
    for number in range(4):
        put(root / f"{number}.png")
    (root / "labels.csv").write_text(text, encoding="utf-8")
    return {"kind": "csv_labels", "table": "labels.csv", "image_column": "image", **layout}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_from_a_spreadsheet(tmp_path, toy, separator):
    text = "\ufeff image , dx\r\n0.png,a\r\n1.png,b\r\n0.png,b\r\n".replace(",", separator)
    pictures, _ = read(toy(layout=table(tmp_path, text, label_column="dx")), tmp_path)
    labels = {key: found[0].labels for key, found in pictures.items()}
    assert labels == {"0.png": ("alpha", "beta"), "1.png": ("beta",)}, "the rows of an image are put together"


def test_one_hot_cells_are_yes_no_or_questioned(tmp_path, toy):
    text = "image,a,b\n0.png,1.0,0\n1.png,TRUE,False\n2.png,,-1\n3.png,maybe,0\n"
    pictures, reasons = read(toy(layout=table(tmp_path, text, label_columns=["a", "b"])), tmp_path)
    labels = {key: found[0].labels for key, found in pictures.items()}
    assert labels == {"0.png": ("alpha",), "1.png": ("alpha",), "2.png": ()}
    assert reasons == {"3.png": "label cell unreadable"}


def test_voc_pairs_by_stem_whatever_filename_says(tmp_path, toy):
    text = "<annotation><filename>{}</filename></annotation>"
    for stem, name in (("up", "up.png"), ("bare", "bare"), ("b[1]", "b[1].jpg"), ("moved", "C:\\x\\moved.PNG")):
        put(tmp_path / "JPEGImages" / f"{stem}.PNG")
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        (tmp_path / "Annotations" / f"{stem}.xml").write_text(text.format(name))
    pictures, reasons = read(toy(layout={"kind": "voc"}), tmp_path)
    assert sorted(pictures) == ["b[1]", "bare", "moved", "up"]
    assert reasons == {}


def test_yolo_with_images_and_labels_below_each_split(tmp_path, toy):
    put(tmp_path / "train" / "images" / "1.png")
    (tmp_path / "train" / "labels").mkdir()
    (tmp_path / "train" / "labels" / "1.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    layout = {"kind": "yolo", "images": "*/images/*.png", "labels": "{above}/labels/{stem}.txt"}
    pictures, _ = read(toy(layout=layout, labels={"0": "alpha"}), tmp_path)
    assert pictures["train/images/1.png"][0].boxes[0].xyxy == (8, 6, 24, 18)


def test_coco_annotations_of_an_image_that_is_not_listed(tmp_path, toy):
    put(tmp_path / "1.png")
    mark = {"id": 1, "image_id": 9, "category_id": 1, "bbox": [1, 1, 4, 4]}
    document = {
        "images": [{"id": 1, "file_name": "1.png"}],
        "annotations": [mark],
        "categories": [{"id": 1, "name": "a"}],
    }
    (tmp_path / "i.json").write_text(json.dumps(document))
    pictures, reasons = read(toy(layout={"kind": "coco", "annotations": "i.json"}), tmp_path)
    assert list(pictures) == ["1.png"]
    assert reasons == {"i.json/image 9": "annotations of no image"}


def test_index_masks_saved_as_rgb_or_floats(tmp_path, toy):
    mask = np.zeros((24, 32), np.uint8)
    mask[4:20, 4:20] = 1
    grey = np.repeat(mask[..., None], 3, axis=2)
    masks = {
        "rgb": Image.fromarray(grey),
        "rgba": Image.fromarray(np.dstack([grey, np.full_like(mask, 255)])),
        "float": Image.fromarray(mask.astype(np.float32)),
        "half": Image.fromarray(mask.astype(np.float32) / 2),
        "colour": Image.fromarray(grey * np.array([1, 0, 0], np.uint8)),
    }
    (tmp_path / "masks").mkdir()
    for name, image in masks.items():
        put(tmp_path / "images" / f"{name}.png")
        image.save(tmp_path / "masks" / f"{name}.tif")
    layout = {"kind": "image_mask", "images": "images/*.png", "masks": "masks/{stem}.tif"}
    pictures, reasons = read(toy(layout=layout, labels={"1": "alpha"}), tmp_path)
    for name in ("rgb", "rgba", "float"):
        assert pictures[f"images/{name}.png"][0].boxes[0].xyxy == (4, 4, 20, 20)
    assert reasons == {
        "images/half.png": "mask is not a label mask",
        "images/colour.png": "mask has colour channels",
    }


def test_nifti_in_capitals_and_of_other_numbers(tmp_path, toy):
    affine = np.diag([-1, -1, 2, 1.0])
    values = noise(32, 24, 4).astype(np.float32)
    nib.save(nib.Nifti1Image(values, affine), tmp_path / "a.nii.gz")
    (tmp_path / "a.nii.gz").rename(tmp_path / "A.NII.GZ")
    nib.save(nib.Nifti1Image(np.where(values > 200, np.nan, values), affine), tmp_path / "nan.nii.gz")
    nib.save(nib.Nifti1Image(values.astype(np.complex64), affine), tmp_path / "complex.nii.gz")
    layout = {"kind": "volume", "image": "*.nii.gz"}
    card = toy(layout=layout, labels_of_every_image=["a"], modality="MR", slices={"rule": "centre"})
    pictures, reasons = read(card, tmp_path)
    assert sorted(pictures) == ["A.NII.GZ", "nan.nii.gz"]
    assert reasons == {"complex.nii.gz": "not a grey volume"}


def test_a_series_folder_with_other_files_in_it(tmp_path, phantoms, toy):
    first = sorted((phantoms / "phantom-ct").glob("*/dicom"))[0]
    folder = tmp_path / "p" / "dicom"
    folder.mkdir(parents=True)
    for file in first.iterdir():
        (folder / file.stem).write_bytes(file.read_bytes())
    (folder / "README.txt").write_text("x")
    (folder / ".DS_Store").write_bytes(b"x")
    card = toy(layout={"kind": "dicom_series", "series": "*/dicom"}, labels_of_every_image=["a"], modality="CT")
    pictures, reasons = read(card, tmp_path)
    assert reasons == {}
    assert len(pictures["p/dicom"]) == 12
    assert pictures["p/dicom"][0].geometry["flags"] == ["1 set aside: no DICOM file"]


def test_a_video_that_ends_early_is_no_short_video(tmp_path, toy):
    with av.open(str(tmp_path / "v.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuvj420p"
        for _ in range(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise(24, 32, 3), format="rgb24")))
        container.mux(stream.encode(None))
    whole = (tmp_path / "v.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 3])
    card = toy(layout={"kind": "video", "files": "*.avi"}, labels_of_every_image=["a"])
    pictures, reasons = read(card, tmp_path)
    assert len(pictures["v.avi"]) == 4
    assert reasons == {"cut.avi": "video ends early"}


def test_what_a_decoder_never_should_raise_is_a_reason(tmp_path, toy, monkeypatch):
    put(tmp_path / "a" / "1.png")

    def break_down(*_, **__):
        raise IndexError(f"bad index in {tmp_path}/a/1.png")

    monkeypatch.setattr("gmai_data.sources.files.pictures.load_picture", break_down)
    (item,) = toy().layout.list_items(toy(), tmp_path)
    with pytest.raises(SourceError, match=r"reading failed: IndexError: bad index in a/1\.png; gmai-data knows no"):
        list(read_pictures(item, toy(), tmp_path, Ledger()))
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("gmai_data.sources.files.pictures.load_picture", lambda *_, **__: (_ for _ in ()).throw(full))
    with pytest.raises(OSError, match="No space left"):
        list(read_pictures(item, toy(), tmp_path, Ledger()))
