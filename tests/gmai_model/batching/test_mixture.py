"""Mixtures: shares by hash, and one line for what is wrong."""

from pathlib import Path

import numpy as np
import pytest
from gmai_cli.errors import UserError
from gmai_model.batching.mixture import load_mixture, take_share
from gmai_model.batching.sources import parquet_files

IDS = [f"sample-{number}" for number in range(4000)]


def test_share_does_not_depend_on_order_or_on_other_samples() -> None:
    taken = {IDS[i] for i in take_share(IDS, 0.3, seed=0)}
    backwards = IDS[::-1]
    assert taken == {backwards[i] for i in take_share(backwards, 0.3, seed=0)}
    few = IDS[:100]
    assert {few[i] for i in take_share(few, 0.3, seed=0)} == taken & set(few)
    assert abs(len(taken) / len(IDS) - 0.3) < 0.03


def test_ratio_above_one_repeats() -> None:
    counts = np.bincount(take_share(IDS, 2.5, seed=0), minlength=len(IDS))
    assert set(counts) == {2, 3}
    assert abs((counts == 3).mean() - 0.5) < 0.03


def test_ratio_one_is_everything_and_seeds_differ() -> None:
    assert take_share(IDS, 1.0, seed=0).tolist() == list(range(len(IDS)))
    assert set(take_share(IDS, 0.5, seed=0)) != set(take_share(IDS, 0.5, seed=1))


def test_unknown_key_is_named_with_a_suggestion(tmp_path: Path) -> None:
    file = tmp_path / "mix.yaml"
    file.write_text("datasets:\n  - {name: a, path: a, ration: {1: 1.0}}\n")
    with pytest.raises(UserError, match=r'mix.yaml: datasets.0.ration: unknown key. Did you mean "ratio"\?'):
        load_mixture(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [("datasets: []\n", "at least 1 item"), ("[1, 2\n", "not readable as YAML"), ("- a\n", "valid dictionary")],
)
def test_broken_mixture(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "mix.yaml").write_text(content)
    with pytest.raises(UserError, match=message):
        load_mixture(tmp_path / "mix.yaml")


def test_missing_dataset_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mix.yaml").write_text("datasets:\n  - {name: caption, path: nowhere}\n")
    mixture, root = load_mixture(tmp_path)
    with pytest.raises(UserError, match=r"dataset caption: .*nowhere does not exist.*set its ratio to 0"):
        parquet_files(mixture.datasets[0], root, split="train")


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"PAR1 and no more"])
def test_file_that_is_no_whole_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train-00000.parquet").write_bytes(content)
    mixture, root = load_mixture(tmp_path)
    with pytest.raises(UserError, match=r"train-00000.parquet is not a whole Parquet file \(.*\). Build or download"):
        parquet_files(mixture.datasets[0], root, split="train")
