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


@pytest.mark.e2e
def test_trl_trains_on_its_export(build: Path, checkpoint: Path, tmp_path: Path) -> None:
    """Two steps of its SFTTrainer; the text it sees is what gmai's own template makes of the samples."""
    trl = pytest.importorskip("trl", reason="needs TRL: pip install trl")
    import datasets
    from gmai_formats.rows.mixtures import load_mixture
    from gmai_model.batching.prepare import open_source
    from transformers import AutoModelForImageTextToText, AutoProcessor

    run_gmai("data", "export", build, tmp_path / "trl", "--format", "trl")
    rows = datasets.load_dataset(
        str(tmp_path / "trl"), "GMAI-MM-Percept", split="train", cache_dir=str(tmp_path / "cache")
    )
    two = [number for number, images in enumerate(rows["images"]) if len(images) == 2][:4]
    assert two
    rows = rows.select([*two, *(number for number in range(8) if number not in two)][:8])
    processor = AutoProcessor.from_pretrained(checkpoint)
    mixture, root = load_mixture(build / "mix.yaml")
    source = open_source(mixture, root, stage=3, split="train", seed=0, cache=tmp_path / "cache")
    ours = {sample.id: list(sample.messages) for sample in (source[number] for number in range(len(source)))}
    for row in rows:
        assert processor.apply_chat_template(row["messages"]) == processor.apply_chat_template(ours[row["id"]])
    arguments = trl.SFTConfig(
        output_dir=str(tmp_path / "run"), max_steps=2, per_device_train_batch_size=2, report_to=[], use_cpu=True,
        bf16=False, max_length=None, save_strategy="no",
    )  # fmt: skip
    model = AutoModelForImageTextToText.from_pretrained(checkpoint)
    trainer = trl.SFTTrainer(model=model, args=arguments, train_dataset=rows, processing_class=processor)
    result = trainer.train()
    assert result.global_step == 2
    assert 0 < result.training_loss < 20
