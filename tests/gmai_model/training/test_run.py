"""Whole stages through the command: what changes, what survives a kill, what two ranks make of it."""

import json
import random
import shutil
import signal
from pathlib import Path

import pytest
import torch
from gmai_model.assembly.weights import WeightFiles, tensor_digest
from gmai_model.training import run
from safetensors.torch import load_file
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
    assert stages[-1]["samples"] == 2 * 48, "two epochs"
    assert stages[-1]["tokens"] == sum(line["tokens"] for line in metrics(tmp_path / "stage3") if "loss" in line)
    assert stages[-1]["steps"] == stages[-1]["steps_planned"]


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
    state = newest / "rank-00000.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    result = train(1, checkpoint, tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert f"{newest.name} is damaged (rank-00000.safetensors has 100 bytes instead of" in result.stderr
    assert digests(tmp_path / "run" / "model") == digests(stage1 / "model")


@pytest.mark.parametrize("zero_stage", [2, 3])
def test_any_number_of_ranks_trains_the_same_and_goes_on_as_another(
    train: Train, checkpoint: Path, tmp_path: Path, zero_stage: int
) -> None:
    """A quarter of the samples has no image, so that ranks differ in having one."""
    settings = {"pack_tokens": 200, "max_steps": 4, "learning_rate": 1e-3, "zero_stage": zero_stage,
                "save_every_steps": 1, "keep_checkpoints": 9}  # fmt: skip

    def run(name: str, *, ranks: int, **more: object) -> str:
        result = train(3, checkpoint, tmp_path / name, ranks=ranks, **settings, **more)
        assert result.returncode == 0, result.stderr
        return result.stderr

    # The rows of a step are computed one after the other, at once, or by two ranks.
    run("one", ranks=1, **({"micro_batch_size": 2} if zero_stage == 3 else {}))
    run("two", ranks=2)
    runs = ["one", "two"]
    for name, ranks in (("one", 2), ("two", 1)):
        went_on = tmp_path / f"{name} then {ranks}"
        shutil.copytree(tmp_path / name, went_on)
        shutil.rmtree(went_on / "model")
        for step in (3, 4):
            shutil.rmtree(went_on / "checkpoints" / f"step-{step:08d}")
        assert "resumed from step-00000002" in run(went_on.name, ranks=ranks)
        assert not list((went_on / "checkpoints").glob(".step-*"))
        runs.append(went_on.name)
    expected = metrics(tmp_path / "one")
    assert len([line for line in expected if "loss" in line]) == 4
    for name in runs[1:]:
        for a, b in zip(expected, metrics(tmp_path / name), strict=True):
            for key in ("loss", "validation_loss"):
                assert a.get(key, 0) == pytest.approx(b.get(key, 0), rel=1e-4), name


def test_resume_checkpoints_hold_what_trains_and_nothing_else(stage1: Path) -> None:
    """The projector has 33,024 parameters of the model's 1.9 million; AdamW keeps two numbers for each."""
    folder = next((stage1 / "checkpoints").glob("step-*"))
    assert sorted(path.name for path in folder.iterdir()) == ["complete.json", "rank-00000.safetensors"]
    tensors = load_file(folder / "rank-00000.safetensors")
    assert all(name.startswith("llava.model.multi_modal_projector.") for name in tensors)
    for kind in ("fp32", "exp_avg", "exp_avg_sq"):
        assert sum(value.numel() for name, value in tensors.items() if name.endswith(f":{kind}")) == 33_024


def test_a_signal_to_one_rank_stops_all_and_the_run_ends_with_the_same_bits(
    train: Train, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    both = train.ranks(1, checkpoint, out, 2)
    train.wait_for_steps(out, 3, both[0])
    both[1].send_signal(signal.SIGUSR1)
    said = [process.communicate(timeout=600)[1] for process in both]
    assert [process.returncode for process in both] == [75, 75], said
    assert "stopped by a signal on another rank after step" in said[0]
    for name, ranks in (("run", 2), ("undisturbed", 2)):
        result = train(1, checkpoint, tmp_path / name, ranks=ranks)
        assert result.returncode == 0, result.stderr
    assert digests(out / "model") == digests(tmp_path / "undisturbed" / "model")


def test_adapters_train_stop_and_are_merged(train: Train, checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="install gmai-model[lora]")
    out, settings = tmp_path / "run", {"lora_rank": 4, "learning_rate": 1e-3, "epochs": 1}
    result = train(3, checkpoint, out, **settings)
    assert result.returncode == 0, result.stderr
    whole = digests(out / "model")
    shutil.rmtree(out / "model")
    for folder in sorted((out / "checkpoints").glob("step-*"))[1:]:
        shutil.rmtree(folder)
    again = train(3, checkpoint, out, **settings)
    assert "resumed from" in again.stderr
    assert digests(out / "model") == whole
    moved = {name for name in changed(checkpoint, out / "model") if name.startswith("language_model.")}
    matrices = {name for name in of_part(checkpoint, "language_model.") if ".layers." in name and "_proj." in name}
    assert moved == matrices
    history = json.loads((out / "model" / "gmai.json").read_text())["stages"][-1]
    assert history["lora"] == {"rank": 4, "alpha": 32.0, "merged": True, "parts": ["language_model"]}


def test_run_folder_is_bound_to_its_settings(train: Train, checkpoint: Path, stage1: Path) -> None:
    result = train(1, checkpoint, stage1, learning_rate=0.5)
    assert result.returncode == 2
    assert "learning_rate was 0.001, is 0.5" in result.stderr
    assert "Traceback" not in result.stderr
    again = train(1, checkpoint, stage1)
    assert again.returncode == 0
    assert "is complete; nothing to do" in again.stderr


def test_what_follows_a_stage(tmp_path: Path) -> None:
    (tmp_path / "build/benchmarks").mkdir(parents=True)
    mix, out = tmp_path / "build/mix.yaml", tmp_path / "runs/stage1"
    assert run._next(1, mix, out)[-1] == tmp_path / "runs/stage2"
    assert run._next(2, mix, Path("mine"))[-1] == Path("mine3")
    assert run._next(3, mix, out) == ("bench", "--model", out / "model", "--benchmark", "NAME", "--out", "result")
    (tmp_path / "build/benchmarks/held_out.yaml").write_bytes(b"")
    assert "--benchmarks" in run._next(3, mix, out)
