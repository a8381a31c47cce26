"""The five sub-datasets, and their files in a build or a release."""

from gmai_data.publishing.sub_datasets import SPLITS, TABLE_6, sample_files
from gmai_data.vocabulary import SubDataset


def test_names_and_sizes_are_those_of_table_6():
    assert {str(name): value for name, value in TABLE_6.items()} == {
        "caption": ("GMAI-MM-Caption", 1_700_000),
        "instruct": ("GMAI-MM-Instruct", 900_000),
        "percept": ("GMAI-MM-Percept", 1_300_000),
        "text_single": ("GMAI-Text-Single", 1_000_000),
        "text_multi": ("GMAI-Text-Multi", 600_000),
    }
    assert sum(size for _, size in TABLE_6.values()) == 5_500_000
    assert set(TABLE_6) == set(SubDataset)
    assert [str(split) for split in SPLITS] == ["train", "validation"]


def test_files_are_in_order_and_what_is_empty_is_left_out(tmp_path):
    for name in (
        "percept/train-00001.parquet", "percept/train-00000.parquet", "caption/validation-00000.parquet",
        "caption/held_out-00000.parquet", "caption/train-00000.json", "other/train-00000.parquet",
    ):  # fmt: skip
        path = tmp_path / "samples" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [(name, split, [path.name for path in files]) for name, split, files in sample_files(tmp_path)] == [
        ("caption", "validation", ["validation-00000.parquet"]),
        ("percept", "train", ["train-00000.parquet", "train-00001.parquet"]),
    ]
