import json
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_formats.rows.splits import files_of, image_folders, split_of


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
        ((), []),
    ],
)
def test_one_kind_of_files_is_read(files: tuple[str, ...], read: list[str], tmp_path: Path) -> None:
    assert names(fill(tmp_path, *files), "train") == read


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


def test_images_are_looked_for_where_they_are_named_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert image_folders(Path("a/x.json"), None) == (tmp_path / "a", tmp_path / "a/images")
    assert image_folders(Path("a/x.json"), Path("b")) == (tmp_path / "b", tmp_path / "a")
    assert image_folders(Path("a/x.json"), Path("a")) == (tmp_path / "a",)
