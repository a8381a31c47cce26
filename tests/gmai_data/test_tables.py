"""The files as other tools read them."""

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from gmai_data.tables import TableFiles
from PIL import Image


@pytest.mark.parametrize("name", ["caption", "percept", "text_multi"])
def test_datasets_reads_a_sub_dataset_with_decoded_images(phantom_build, tmp_path, name):
    data = datasets.load_dataset(str(phantom_build / "samples" / name), cache_dir=str(tmp_path))
    assert {"train"} <= set(data) <= {"train", "validation"}
    row = data["train"][0]
    assert [message["role"] for message in row["messages"]][:2] == ["user", "assistant"]
    if name != "text_multi":
        assert isinstance(row["images"][0], Image.Image)
        assert np.asarray(row["images"][0]).shape[:2] == (112, 112)


def test_datasets_reads_annotations_and_benchmark(phantom_build, tmp_path):
    for files, column in (("annotations/*.parquet", "image"), ("benchmarks/*.parquet", "images")):
        pattern = str(phantom_build / files)
        data = datasets.load_dataset("parquet", data_files=pattern, split="train", cache_dir=str(tmp_path))
        image = data[0][column]
        assert isinstance(image[0] if isinstance(image, list) else image, Image.Image)


def test_mixture_names_folders_that_exist(phantom_build):
    entries = yaml.safe_load((phantom_build / "mix.yaml").read_text())["datasets"]
    ratios = {entry["name"]: entry["ratio"] for entry in entries}
    assert list(ratios) == ["caption", "instruct", "percept", "text_single", "text_multi"]
    assert ratios["percept"] == {1: 1.0, 2: 1.0, 3: 1.0}
    assert ratios["text_single"] == ratios["text_multi"] == {1: 0.0, 2: 0.0, 3: 1.0}
    assert all(list((phantom_build / entry["path"]).glob("train-*.parquet")) for entry in entries)


def test_a_failed_block_leaves_no_file(tmp_path):
    schema = pa.schema([("a", pa.string())])

    def fail():
        with TableFiles(tmp_path, "x", schema) as files:
            files.add_rows([{"a": "1"}] * 300)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_row_groups_are_cut_evenly_whatever_the_portions(tmp_path):
    schema = pa.schema([("a", pa.string())])
    for name, portion in (("one", 7), ("two", 300)):
        with TableFiles(tmp_path, name, schema) as files:
            rows = [{"a": str(i)} for i in range(700)]
            for start in range(0, 700, portion):
                files.add_rows(rows[start : start + portion])
    assert (tmp_path / "one-00000.parquet").read_bytes() == (tmp_path / "two-00000.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "one-00000.parquet").num_row_groups == 3
