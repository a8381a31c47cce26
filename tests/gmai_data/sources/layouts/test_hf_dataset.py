"""A Hugging Face dataset from a folder: splits, groups, labels, and a reason for each row that is none."""

import io
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from gmai_data.imaging.raster import encode_png
from gmai_data.sources.compare import check_against_folder
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.hf_dataset import HubDataset
from gmai_data.sources.listing import Source, listed_items
from gmai_formats.errors import UserError
from PIL import Image
from pydantic import ValidationError

LAYOUT = {"kind": "hf_dataset", "path": "d"}


def test_hub_dataset_from_a_folder(tmp_path, toy, read, pixels):
    datasets = pytest.importorskip("datasets", reason="pip install 'gmai-data[hub]'")
    rows = {
        "image": [{"bytes": encode_png(pixels(n)), "path": None} for n in range(3)],
        "label": [0, 1, 1],
        "who": ["p", "p", "q"],
    }
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"]), "who": datasets.Value("string")}
    )
    datasets.DatasetDict({"test": datasets.Dataset.from_dict(rows, features=features)}).save_to_disk(tmp_path / "d")
    recipe = toy(layout={"kind": "hf_dataset", "path": "d", "group_column": "who"})
    found, _ = read(recipe)
    assert [pictures[0].labels for pictures in found.values()] == [("alpha",), ("beta",), ("beta",)]
    items = list(recipe.layout.list_items(recipe, tmp_path))
    assert {(item.group, item.split) for item in items} == {("p", "held_out"), ("q", "held_out")}


@pytest.fixture
def saved(tmp_path):
    """Return a function of rows and the feature of their labels that saves a dataset of one split."""
    datasets = pytest.importorskip("datasets", reason="pip install 'gmai-data[hub]'")

    def save(rows, label=None):
        features = datasets.Features({"image": datasets.Image(), "label": label or datasets.Value("string")})
        datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "d")
        return datasets

    return save


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_row_is_shown_as_it_was_encoded_and_has_its_record(saved, toy, read, pixels, form):
    buffer = io.BytesIO()
    Image.fromarray(pixels()).save(buffer, form)
    saved({"image": [{"bytes": buffer.getvalue(), "path": None}], "label": ["b"]})
    pictures, reasons = read(toy(layout=LAYOUT))
    assert reasons == {}
    ((picture,),) = pictures.values()
    assert list(pictures) == ["train/00000000"]
    assert (picture.labels, picture.name) == (("beta",), "00000000")
    assert np.array_equal(picture.pixels, np.asarray(Image.open(buffer)))
    assert picture.encoded == (buffer.getvalue() if form == "JPEG" else None), "JPEG would lose once more"
    assert (picture.geometry["row"], picture.geometry["hub_split"]) == (0, "train")


def test_rows_without_an_image_or_a_label(tmp_path, toy, read, pixels, monkeypatch):
    pytest.importorskip("datasets", reason="pip install 'gmai-data[hub]'")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    data = encode_png(pixels())
    images = [None, {"bytes": data, "path": None}, {"bytes": None, "path": "gone.png"},
              {"bytes": None, "path": "../../x.png"}, {"bytes": data, "path": None}]  # fmt: skip
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {"image": {"_type": "Image"}, "label": {"dtype": "string", "_type": "Value"}}
    table = pa.table({"image": pa.array(images, kind), "label": ["a", None, "a", "a", "z"]})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (tmp_path / "d").mkdir()
    pq.write_table(table, tmp_path / "d" / "train.parquet")
    reasons = list(read(toy(layout=LAYOUT))[1].values())
    assert reasons[:4] == [
        "row without an image: column image",
        "row without a label: column label is null or -1; leave such rows out",
        "file missing: gone.png; the row names it",
        "path outside the root: ../../x.png; a source may only name files below --root",
    ]
    assert reasons[4].startswith('label not in the map: "z"')


def test_a_column_that_is_not_there(saved, tmp_path, toy, pixels):
    saved({"image": [{"bytes": encode_png(pixels()), "path": None}], "label": ["a"]})
    card = toy(layout={**LAYOUT, "label_column": "lable"})
    with pytest.raises(UserError, match=r'no column "lable" in split train\. Did you mean "label"\? Fix the card'):
        list(card.layout.list_items(card, tmp_path))


def test_a_folder_that_is_no_dataset(put, tmp_path, toy):
    pytest.importorskip("datasets", reason="pip install 'gmai-data[hub]'")
    put("d/state.json", "{}")
    card = toy(layout=LAYOUT)
    with pytest.raises(UserError, match=r"d: does not open as a dataset: .*\. Check the card's layout\."):
        list(card.layout.list_items(card, tmp_path))


def test_an_id_needs_a_revision():
    with pytest.raises(ValidationError, match="an id needs a revision: without it two runs may read different data"):
        HubDataset(kind="hf_dataset", id="a/b")
    assert HubDataset(kind="hf_dataset", id="a/b", revision="1").revision == "1"


@pytest.mark.parametrize("name", ["dataset_dict.json", "state.json"])
def test_what_the_library_saved_without_its_description_is_asked_about(put, tmp_path, name):
    assert HubDataset.recognise(Folder(tmp_path)) is None
    put(name, "{}")
    layout = HubDataset.recognise(Folder(tmp_path)).layout
    assert layout == {"kind": "hf_dataset", "image_column": "TODO", "label_column": "TODO"}


def test_the_columns_of_what_the_library_saved_are_those_of_its_description(tmp_path, saved):
    datasets = saved({"image": [], "label": []}, None)
    features = {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["a", "b"]),
                "patient_id": datasets.Value("string")}  # fmt: skip
    table = datasets.Dataset.from_dict(
        {"picture": [None], "kind": [0], "patient_id": ["7"]}, features=datasets.Features(features)
    )
    datasets.DatasetDict({"train": table}).save_to_disk(tmp_path / "e")
    guess = HubDataset.recognise(Folder(tmp_path / "e"))
    assert guess.layout == {
        "kind": "hf_dataset", "image_column": "picture", "label_column": "kind", "group_column": "patient_id",
    }  # fmt: skip
    assert guess.labels == ["a", "b"]


def test_the_check_of_a_card_reads_rows_which_have_no_files(tmp_path, toy, pixels, saved, capsys):
    saved({"image": [{"bytes": encode_png(pixels()), "path": None}] * 3, "label": ["a", "b", "a"]})
    card = tmp_path / "card.yaml"
    card.write_text(yaml.safe_dump(toy(layout=LAYOUT).model_dump(mode="json", exclude_defaults=True)), "utf-8")
    check_against_folder(str(card), tmp_path)
    told = capsys.readouterr().out
    assert "read 3 items, 3 images: alpha 2, beta 1." in told
    assert "hold no data" not in told
    assert "no item's own" not in told


@pytest.mark.parametrize("cut", [8, 4, 100])
def test_a_saved_file_that_was_cut_is_not_read_as_a_smaller_one(tmp_path, toy, pixels, saved, cut):
    saved({"image": [{"bytes": encode_png(pixels()), "path": None}] * 3, "label": ["a", "b", "a"]})
    (file,) = (tmp_path / "d").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(UserError, match=rf"does not open as a dataset: {file.name} has no end mark: it was cut"):
        list(listed_items(Source(toy(layout=LAYOUT), tmp_path)))


@pytest.mark.parametrize("counts", [{"train": 2, "test": 0}, {"train": 0, "test": 2, "validation": 0}, {"train": 0}])
@pytest.mark.parametrize("folder", [".", "inner"])
def test_an_empty_split_is_no_hindrance_to_the_others(tmp_path, toy, pixels, counts, folder):
    datasets = pytest.importorskip("datasets", reason="pip install 'gmai-data[hub]'")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    picture = {"bytes": encode_png(pixels()), "path": None}
    splits = {
        name: datasets.Dataset.from_dict({"image": [picture] * count, "label": [0] * count}, features=features)
        for name, count in counts.items()
    }
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "root" / folder)
    source = Source(toy(layout={"kind": "hf_dataset"}), tmp_path / "root")
    if not any(counts.values()):
        with pytest.raises(UserError, match=r"finds nothing to read|no column"):
            list(listed_items(source))
    elif folder == ".":
        listed = Counter(item.part for item in listed_items(source))
        assert listed == {name: count for name, count in counts.items() if count}
    else:  # rows have no files of their own by which the folder near by could be known
        with pytest.raises(UserError, match=r"In .*inner it does"):
            list(listed_items(source))


_BYTES = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.mark.parametrize(
    ("columns", "image", "label"),
    [
        ({"image": pa.array([None], _BYTES), "label": pa.array([1])}, "image", "label"),
        ({"jpg": pa.array([b""]), "finding": pa.array(["x"]), "age": pa.array([1])}, "jpg", "TODO"),
        ({"file_name": pa.array(["a.png"]), "label": pa.array(["x"])}, None, None),
        ({"id": pa.array([1]), "text": pa.array(["x"])}, None, None),
    ],
)
def test_parquet_is_a_dataset_of_images_where_a_column_holds_them(tmp_path, columns, image, label):
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    guess = HubDataset.recognise(Folder(tmp_path))
    if image is None:
        assert guess is None
    else:
        assert (guess.layout["image_column"], guess.layout["label_column"]) == (image, label)
        assert label != "TODO" or guess.notes == ("label_column: candidates are finding, age",)


def test_a_damaged_parquet_file_is_no_dataset(put, tmp_path):
    put("data/x.parquet", "{}")
    assert HubDataset.recognise(Folder(tmp_path)) is None
