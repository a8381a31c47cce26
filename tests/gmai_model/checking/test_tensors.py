"""The tensors of a checkpoint: names, shapes, values."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gmai_model.checking.rules import Files, check_files
from gmai_model.checking.tensors import check_weights
from safetensors.torch import load_file, save_file
from transformers import LlavaConfig, LlavaForConditionalGeneration


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def off(folder: Path) -> str:
    (line,) = check_weights(Files(folder))[0]
    return line


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_values_and_shapes(copied: Path) -> None:
    name = "language_model.model.norm.weight"
    change_weights(copied, lambda t: t[name].__setitem__(3, float("inf")))
    assert f"{name} has 1 values that are not finite" in off(copied)
    change_weights(copied, lambda t: t.update({name: torch.ones(64)}))
    assert f"{name} is (64,), config.json calls for (128,)" in off(copied)
    (copied / "model.safetensors").write_bytes((copied / "model.safetensors").read_bytes()[:-1])
    assert "not a readable safetensors file" in off(copied)


def test_many_values_are_one_line(copied: Path) -> None:
    change_weights(copied, lambda t: [t[name].fill_(float("nan")) for name in t if "mlp" in name] and None)
    assert "values that are not finite (" in off(copied)


def test_dead_projector(copied: Path) -> None:
    change_weights(copied, lambda t: [t[name].zero_() for name in t if "projector" in name] and None)
    assert "holds zeros only, as in no trained model (2 such tensors)" in off(copied)


@pytest.mark.parametrize("part", ["lm_head", "embed_tokens", "language_model.model.norm", "patch_embedding"])
def test_zeros_that_no_trained_model_holds(copied: Path, part: str) -> None:
    change_weights(copied, lambda t: [t[name].zero_() for name in t if part in name] and None)
    assert "holds zeros only, as in no trained model" in off(copied)


def test_other_names_are_one_line(copied: Path) -> None:
    tensors = {f"base_model.{name}": each for name, each in load_file(copied / "model.safetensors").items()}
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    assert "config.json calls for, but base_model." in off(copied)


def test_names_of_transformers_5_are_named(copied: Path) -> None:
    config = LlavaConfig.from_pretrained(copied)
    LlavaForConditionalGeneration(config).save_pretrained(copied)  # as a user's own script would write it
    files = Files(copied)
    found = check_weights(files)[0] + list(check_files(files))
    assert any("vLLM look for vision_tower.vision_model." in line for line in found)
    assert any("rope_theta is None" in line for line in found)
