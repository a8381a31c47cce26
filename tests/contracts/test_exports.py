"""What `gmai data export` and `publish` write, `gmai train` reads: the same conversations with the same pictures."""

import hashlib
from pathlib import Path

import pytest

from .conftest import run_gmai


def seen(data: Path, cache: Path, stage: int = 3) -> dict[str, tuple]:
    """Return id ▶ (turns, digests of the pictures) of all training samples, as gmai-model has them."""
    from gmai_formats.rows.mixtures import load_mixture
    from gmai_model.batching.prepare import open_source

    mixture, root = load_mixture(data)
    source = open_source(mixture, root, stage=stage, split="train", seed=0, cache=cache)
    samples = [source[number] for number in range(len(source))]
    assert not [sample.problem for sample in samples if sample.problem]
    return {
        sample.id: (
            [(message["role"], message["content"]) for message in sample.messages],
            [hashlib.sha256(image.read()).hexdigest() for image in sample.images],
        )
        for sample in samples
    }


@pytest.mark.parametrize("stage", [1, 3])
def test_a_mixing_list_gives_the_samples_of_the_mixture(build: Path, tmp_path: Path, stage: int) -> None:
    run_gmai("data", "export", build, tmp_path / "llava", "--format", "llava")
    exported = seen(tmp_path / "llava" / f"mixture_stage{stage}.json", tmp_path / "cache", stage)
    assert exported == seen(build / "mix.yaml", tmp_path / "cache", stage)


def test_a_web_shard_gives_the_samples_of_its_sub_dataset(build: Path, tmp_path: Path) -> None:
    run_gmai("data", "export", build, tmp_path / "shards", "--format", "webdataset")
    whole = seen(build / "mix.yaml", tmp_path / "cache")
    found: dict[str, tuple] = {}
    for shard in sorted((tmp_path / "shards").glob("*-train-*.tar")):
        found |= seen(shard, tmp_path / "cache")
    assert found == whole


def test_a_release_is_trained_on_as_its_build_is(build: Path, tmp_path: Path) -> None:
    run_gmai("data", "publish", build, tmp_path / "release")
    assert seen(tmp_path / "release", tmp_path / "cache") == seen(build, tmp_path / "cache")
