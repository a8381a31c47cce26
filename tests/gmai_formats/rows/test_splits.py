import json
import os
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_formats.rows.splits import (
    files_of,
    image_folders,
    is_pattern,
    left_alone,
    near_misses,
    split_of,
    tells_about_data,
)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00002.parquet", "train"),
        ("caption-validation-000000.tar", "validation"),
        ("chest.val.jsonl", "val"),
        ("test.json", "test"),
        ("held_out.parquet", "held_out"),
        ("train2017.json", "train"),
        ("pretrained.json", None),
        ("training.json", None),
        ("latest.json", None),
        ("retrain.json", None),
        ("values.csv", None),
    ],
)
def test_a_split_is_a_word_of_the_files_name(name: str, split: str | None) -> None:
    assert split_of(Path(name)) == split


def names(folder: Path, split: str) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in files_of(folder, split)]


def fill(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return folder


def test_files_with_train_in_their_name_go_before_those_that_say_nothing(tmp_path: Path) -> None:
    fill(
        tmp_path,
        "train-1.parquet",
        "train-0.parquet",
        "other.parquet",
        "validation-0.parquet",
        "val.parquet",
        "test.parquet",
    )
    assert names(tmp_path, "train") == ["train-0.parquet", "train-1.parquet"]
    assert names(tmp_path, "validation") == ["val.parquet", "validation-0.parquet"]


def test_files_that_say_no_split_are_for_training(tmp_path: Path) -> None:
    fill(tmp_path, "b.jsonl", "a.json", "test.json", "notes.txt")
    assert names(tmp_path, "train") == ["a.json", "b.jsonl"]
    assert names(tmp_path, "validation") == []


@pytest.mark.parametrize(
    ("files", "read"),
    [
        (("train.tar", "train.csv", "train.json", "train.arrow", "train.parquet"), ["train.parquet"]),
        (("train.tar", "train.csv", "train.json", "train.arrow"), ["train.arrow"]),
        (("train.tar", "train.tsv", "train.jsonl"), ["train.jsonl"]),
        (("train.tar", "train.csv", "train.tsv"), ["train.csv", "train.tsv"]),
        (("a.parquet", "data/train.tar"), ["data/train.tar"]),
        (("data/a.json", "b.tar"), ["b.tar"]),
        (("train/metadata.jsonl", "train/1.png", "test/metadata.jsonl"), ["train/metadata.jsonl"]),
        (("data/train/0.parquet", "data/val/0.parquet"), ["data/train/0.parquet"]),
        (("a.csv", "train/0.parquet"), ["a.csv"]),
        ((), []),
    ],
)
def test_one_kind_of_files_is_read(files: tuple[str, ...], read: list[str], tmp_path: Path) -> None:
    assert names(fill(tmp_path, *files), "train") == read


def test_folders_may_say_the_split(tmp_path: Path) -> None:
    fill(tmp_path, "train/a.jsonl", "validation/a.jsonl", "val/b.jsonl", "test/a.jsonl")
    assert names(tmp_path, "validation") == ["validation/a.jsonl", "val/b.jsonl"]


def test_json_about_data_is_no_data(tmp_path: Path) -> None:
    about = tmp_path / "dataset_info.json"
    about.write_text('{"mine": {"file_name": "rows.json", "columns": {"prompt": "instruction"}}}')
    (tmp_path / "rows.json").write_text('[{"question": "Q", "answer": "A"}]')
    (tmp_path / "lines.json").write_text('{"question": "Q", "answer": "A"}')
    assert names(tmp_path, "train") == ["lines.json", "rows.json"]
    assert [tells_about_data(file) for file in (about, tmp_path / "rows.json", tmp_path / "gone.json")] == [
        True, False, False,
    ]  # fmt: skip
    assert left_alone([tmp_path]) == [about]
    assert left_alone([saved(tmp_path / "saved")]) == []


def test_what_may_be_meant_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "ai2d/train-0.parquet", "notes/readme.md", "rows.jsonl.gz", "images.zip", "more.ndjson", "a.png")
    assert near_misses(tmp_path) == ["ai2d/", "images.zip", "more.ndjson"]
    assert near_misses(tmp_path / "gone") == []


def test_a_single_file_is_for_training(tmp_path: Path) -> None:
    file = fill(tmp_path, "validation.jsonl") / "validation.jsonl"
    assert (files_of(file, "train"), files_of(file, "validation")) == ([file], [])
    assert files_of(fill(tmp_path, "x.txt") / "x.txt", "train") == []


def saved(folder: Path, **state: object) -> Path:
    folder.mkdir(parents=True)
    content = {"_data_files": [{"filename": "data-1.arrow"}, {"filename": "data-0.arrow"}], **state}
    (folder / "state.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_a_saved_dataset_is_read_in_its_own_order(tmp_path: Path) -> None:
    folder = saved(tmp_path / "one")
    assert names(folder, "train") == ["data-1.arrow", "data-0.arrow"]
    assert names(folder, "validation") == []
    saved(tmp_path / "many/train")
    saved(tmp_path / "many/val")
    (tmp_path / "many/dataset_dict.json").write_text("{}")
    assert names(tmp_path / "many", "train") == ["train/data-1.arrow", "train/data-0.arrow"]
    assert names(tmp_path / "many", "validation") == ["val/data-1.arrow", "val/data-0.arrow"]


def test_a_selection_beside_the_rows_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "one", _indices_files=[{"filename": "i.arrow"}])
    with pytest.raises(UserError, match=r"holds a selection of rows beside the rows\. Save it with `dataset\.flatten_"):
        files_of(folder, "train")


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("[" * 100_000, "not JSON"),
        ("{}", "names no files of rows"),
        ('{"_data_files": [1]}', "names no files of rows"),
        ('{"_data_files": [{"filename": "../x.arrow"}]}', "names files outside of its folder"),
        ('{"_data_files": [{"filename": "a\\u0000"}]}', "names files outside of its folder"),
    ],
)
def test_a_damaged_list_of_files_is_named(state: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(state)
    with pytest.raises(UserError, match=rf"state\.json: {found}.*Save the dataset again"):
        files_of(tmp_path, "train")


def test_pipes_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").symlink_to("gone.jsonl")
    assert names(tmp_path, "train") == ["b.jsonl"]


def test_images_are_looked_for_where_they_are_named_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert image_folders(Path("a/x.json"), None) == (tmp_path / "a", tmp_path / "a/images")
    assert image_folders(Path("a/x.json"), Path("b")) == (tmp_path / "b", tmp_path / "a")
    assert image_folders(Path("a/x.json"), Path("a")) == (tmp_path / "a",)


def test_a_pattern_picks_the_files_of_a_folder(tmp_path: Path) -> None:
    for name in (
        "train_sft-0.jsonl",
        "train_sft-1.jsonl",
        "train_gen-0.jsonl",
        "test_sft-0.jsonl",
        "validation_sft-0.jsonl",
    ):
        (tmp_path / name).write_text('{"input": "Q", "target": "A"}\n', encoding="utf-8")
    pattern = tmp_path / "*_sft-*.jsonl"
    assert [file.name for file in files_of(pattern, "train")] == ["train_sft-0.jsonl", "train_sft-1.jsonl"]
    assert [file.name for file in files_of(pattern, "validation")] == ["validation_sft-0.jsonl"]
    assert files_of(tmp_path / "other-*.jsonl", "train") == []
    assert is_pattern(pattern)
    (tmp_path / "a*.jsonl").write_text('{"input": "Q", "target": "A"}\n', encoding="utf-8")
    assert not is_pattern(tmp_path / "a*.jsonl"), "a file whose name has a star is itself"
    assert files_of(tmp_path / "a*.jsonl", "train") == [tmp_path / "a*.jsonl"]
