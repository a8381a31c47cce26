"""Whole stages through the command: what changes, what survives a kill, what two ranks make of it."""

import json
import random
import signal
from pathlib import Path

import pytest
import torch
from gmai_model.assembly.weights import WeightFiles, tensor_digest
from transformers import AutoModelForImageTextToText

from .conftest import Train

pytestmark = pytest.mark.e2e


def digests(folder: Path) -> dict[str, str]:
    return {name: tensor_digest(tensor) for name, tensor in WeightFiles(folder).tensors()}


def changed(before: Path, after: Path) -> set[str]:
    old, new = digests(before), digests(after)
    assert old.keys() == new.keys()
    return {name for name in old if old[name] != new[name]}


def of_part(folder: Path, prefix: str) -> set[str]:
    return {name for name in WeightFiles(folder).names() if name.startswith(prefix)}


def unreached(folder: Path) -> set[str]:
    """The tiny encoder has five layers; the feature layer −2 is the output of the fourth."""
    tower = "vision_tower.vision_model."
    return of_part(folder, tower + "encoder.layers.4.") | of_part(folder, tower + "post_layernorm.")


def metrics(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_each_stage_changes_exactly_the_tensors_of_table_8(
    train: Train, checkpoint: Path, stage1: Path, tmp_path: Path
) -> None:
    assert changed(checkpoint, stage1 / "model") == of_part(checkpoint, "multi_modal_projector.")

    result = train(2, stage1 / "model", tmp_path / "stage2")
    assert result.returncode == 0, result.stderr
    vision_and_projector = of_part(checkpoint, "vision_tower.") | of_part(checkpoint, "multi_modal_projector.")
    # The key biases of attention have a gradient of exactly zero in mathematics; rounding decides whether they move.
    still = {name for name in vision_and_projector if name.endswith("k_proj.bias")} | unreached(checkpoint)
    after2 = changed(stage1 / "model", tmp_path / "stage2" / "model")
    assert vision_and_projector - still <= after2 <= vision_and_projector - unreached(checkpoint)

    result = train(3, tmp_path / "stage2" / "model", tmp_path / "stage3", learning_rate=1e-3)
    assert result.returncode == 0, result.stderr
    after3 = changed(tmp_path / "stage2" / "model", tmp_path / "stage3" / "model")
    everything = set(WeightFiles(checkpoint).names())
    assert everything - still <= after3 <= everything - unreached(checkpoint)

    model, info = AutoModelForImageTextToText.from_pretrained(tmp_path / "stage3" / "model", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    stages = json.loads((tmp_path / "stage3" / "model" / "gmai.json").read_text())["stages"]
    assert [stage["stage"] for stage in stages] == [1, 2, 3]
    mixture = json.loads((tmp_path / "stage3" / "mixture.json").read_text())["train"]
    assert mixture["samples"] == 48
    assert mixture["left_out"] == {}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_killed_and_resumed_run_ends_with_the_same_bits(
    train: Train, checkpoint: Path, stage1: Path, tmp_path: Path, seed: int
) -> None:
    steps = len([line for line in metrics(stage1) if "loss" in line])
    after_steps = random.Random(seed).randrange(1, steps)
    assert (
        train.and_stop(1, checkpoint, tmp_path / "run", after_steps=after_steps, by=signal.SIGKILL) == -signal.SIGKILL
    )
    assert not (tmp_path / "run" / "model").exists()
    result = train(1, checkpoint, tmp_path / "run")
    assert result.returncode == 0, result.stderr
    if after_steps > 2:
        assert "resumed from step-" in result.stderr
    assert digests(tmp_path / "run" / "model") == digests(stage1 / "model")
    assert [line.get("loss") for line in metrics(tmp_path / "run")] == [line.get("loss") for line in metrics(stage1)]


def test_sigusr1_saves_and_asks_to_be_requeued(train: Train, checkpoint: Path, stage1: Path, tmp_path: Path) -> None:
    assert train.and_stop(1, checkpoint, tmp_path / "run", after_steps=1, by=signal.SIGUSR1) == 75
    steps = [line["step"] for line in metrics(tmp_path / "run")]
    assert (tmp_path / "run" / "checkpoints" / f"step-{int(steps[-1]):08d}" / "complete.json").is_file()
    assert train(1, checkpoint, tmp_path / "run").returncode == 0
    assert digests(tmp_path / "run" / "model") == digests(stage1 / "model")


def test_half_written_checkpoint_is_named_and_passed_over(
    train: Train, checkpoint: Path, stage1: Path, tmp_path: Path
) -> None:
    train.and_stop(1, checkpoint, tmp_path / "run", after_steps=5, by=signal.SIGKILL)
    newest = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))[-1]
    state = next((newest / "state").glob("*optim_states.pt"))
    state.write_bytes(state.read_bytes()[:100])
    result = train(1, checkpoint, tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert f"{newest.name} has files of another size" in result.stderr
    assert digests(tmp_path / "run" / "model") == digests(stage1 / "model")


@pytest.mark.parametrize("zero_stage", [2, 3])
def test_two_ranks_train_as_one(train: Train, checkpoint: Path, tmp_path: Path, zero_stage: int) -> None:
    """A quarter of the samples has no image, so that ranks differ in having one."""
    one = train(3, checkpoint, tmp_path / "one", pack_tokens=200, max_steps=4)
    assert one.returncode == 0, one.stderr
    two = train(3, checkpoint, tmp_path / "two", ranks=2, pack_tokens=200, max_steps=4, zero_stage=zero_stage)
    assert two.returncode == 0, two.stderr
    for a, b in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        for key in ("loss", "held_out_loss"):
            assert a.get(key, 0) == pytest.approx(b.get(key, 0), rel=1e-4)


def test_run_folder_is_bound_to_its_settings(train: Train, checkpoint: Path, stage1: Path) -> None:
    result = train(1, checkpoint, stage1, learning_rate=0.5)
    assert result.returncode == 2
    assert "learning_rate was 0.001, is 0.5" in result.stderr
    assert "Traceback" not in result.stderr
    again = train(1, checkpoint, stage1)
    assert again.returncode == 0
    assert "is complete; nothing to do" in again.stderr
