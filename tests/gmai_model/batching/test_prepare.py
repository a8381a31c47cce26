"""Which validation samples are measured: a fixed draw with the shares of all; and copies that find room."""

import errno
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from gmai_formats.errors import UserError
from gmai_formats.rows.mixtures import MixtureEntry
from gmai_model.batching import prepare
from gmai_model.batching.images import copied_bytes
from gmai_model.batching.prepare import Dataset, _allot, find_images, index_files, stratified
from gmai_model.batching.sources import SourceFiles
from gmai_model.batching.team import Team


def test_images_that_the_disk_has_no_room_for_are_not_begun(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tuple(sorted(samples.glob("*train*.parquet")))
    datasets = [Dataset(MixtureEntry(name="d"), SourceFiles("d", files, ()), [file.name for file in files])]
    stored = sum(map(copied_bytes, files))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=stored - 1))
    cache = tmp_path / "cache"
    with pytest.raises(UserError, match=r"copied there once for all stages and runs, need .* GMAI_CACHE to a folder"):
        find_images(datasets, cache, Team())
    assert list(cache.rglob("*")) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=stored))
    find_images(datasets, cache, Team())
    assert sum(file.stat().st_size for file in cache.rglob("*.bin")) <= stored
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    find_images(datasets, cache, Team())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            r"^reading samples: \S+/kept: No space left on device\. GMAI_",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/home/x"),
            r"^reading samples: /home/x: Read-only file system\.",
        ),
    ],
)
def test_a_cache_that_takes_nothing_is_named(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setenv("GMAI_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(prepare, "write_index", refuse)
    files = tuple(sorted(samples.glob("*train*.parquet")))
    datasets = [Dataset(MixtureEntry(name="d"), SourceFiles("d", files, ()), [file.name for file in files])]
    with pytest.raises(UserError, match=said):
        index_files(datasets, tmp_path / "kept", Team())


def ids(**kinds: int) -> list[str]:
    return [f"x{n}#{kind}#{n}" for kind, count in kinds.items() for n in range(count)]


def test_sources_and_kinds_keep_their_shares() -> None:
    sources = [ids(dialogue=600, text_only=200), ids(dialogue=200)]
    kept = stratified(sources, 100, seed=0)
    assert len(kept) == len(set(kept.tolist())) == 100
    assert (np.diff(kept) > 0).all()
    strata = Counter("a dialogue" if n < 600 else "a text" if n < 800 else "b" for n in kept.tolist())
    assert strata == {"a dialogue": 60, "a text": 20, "b": 20}


def test_the_draw_depends_on_samples_and_seed_alone() -> None:
    names = ids(dialogue=50)
    first = {names[n] for n in stratified([names], 10, seed=0)}
    turned = list(reversed(names))
    assert {turned[n] for n in stratified([turned], 10, seed=0)} == first
    assert {names[n] for n in stratified([names], 10, seed=1)} != first
    assert first < {names[n] for n in stratified([names], 20, seed=0)}


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ([1000, 1], 10, [9, 1]),
        ([10, 10, 10], 3, [1, 1, 1]),
        ([10, 10, 10], 10, [4, 3, 3]),
        ([5, 5, 5], 2, [1, 1, 0]),
        ([1, 1, 98], 50, [1, 1, 48]),
        ([3, 4], 6, [3, 3]),
    ],
)
def test_the_limit_is_divided_among_strata(sizes: list[int], limit: int, expected: list[int]) -> None:
    found = _allot(sizes, limit)
    assert sum(found) == limit
    assert sorted(found) == sorted(expected)
    assert all(count <= size for count, size in zip(found, sizes, strict=True))


@pytest.mark.parametrize(("ids", "said"), [
    ([], r"its files have no rows\. Build or download"),
    (["a", "b"], r"the shares of its datasets come to none of their 2 rows\. Raise `ratio` for stage 2\."),
])  # fmt: skip
def test_no_sample_at_all_says_why(ids: list[str], said: str) -> None:
    entry = MixtureEntry(name="x", path="x", ratio={2: 1e-12})
    dataset: Any = SimpleNamespace(entry=entry)
    table: Any = MagicMock(ids=ids, __len__=lambda _: len(ids))
    with pytest.raises(UserError, match=f"no sample for stage 2: {said}"):
        prepare.choose_rows([dataset], [table], stage=2, split="train", seed=0)
