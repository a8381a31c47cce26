"""The tensors of a checkpoint: names, shapes, values."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gmai_model.checking.files import Files
from gmai_model.checking.rules import check_files
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


@pytest.mark.parametrize(
    "part",
    ["lm_head", "embed_tokens", "language_model.model.norm", "patch_embedding", "k_proj.weight", "mlp.up_proj", "fc1"],
)
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


def test_output_matrices_of_a_model_that_was_made_deeper_may_be_zero(copied: Path) -> None:
    parts = ("o_proj.weight", "down_proj.weight", "out_proj.weight", "fc2.weight")
    change_weights(copied, lambda t: [t[name].zero_() for name in t if name.endswith(parts)] and None)
    assert not check_weights(Files(copied))[0]


def test_embedding_of_one_row(copied: Path) -> None:
    def alike(tensors: dict[str, torch.Tensor]) -> None:
        rows = tensors["language_model.model.embed_tokens.weight"]
        rows[:] = rows[7].clone()

    change_weights(copied, alike)
    assert "embed_tokens.weight holds the same row throughout" in off(copied)


@pytest.mark.parametrize("metadata", [None, {"format": "flax"}])
def test_file_that_transformers_4_does_not_open(copied: Path, metadata: dict[str, str] | None) -> None:
    save_file(load_file(copied / "model.safetensors"), copied / "model.safetensors", metadata=metadata)
    assert "its metadata give the format" in off(copied)


def test_tensor_that_lies_in_two_files(copied: Path) -> None:
    tensors = load_file(copied / "model.safetensors")
    names, first = sorted(tensors), sorted(tensors)[0]
    files = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": [first, *names[9:]]}
    where = {name: file for file, held in reversed(files.items()) for name in held}
    for file, held in files.items():
        save_file({name: tensors[name] for name in held}, copied / file, metadata={"format": "pt"})
    (copied / "model.safetensors").unlink()
    (copied / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    assert f"model-00002-of-00002.safetensors: holds {first} (1 such), which the index has elsewhere" in off(copied)


@pytest.mark.parametrize("flags", [(True, False), (False, True)])
def test_flags_of_tied_embeddings_that_contradict(copied: Path, flags: tuple[bool, bool]) -> None:
    change_weights(copied, lambda t: t.__delitem__("language_model.lm_head.weight"))
    config = json.loads((copied / "config.json").read_text())
    config["tie_word_embeddings"], config["text_config"]["tie_word_embeddings"] = flags
    (copied / "config.json").write_text(json.dumps(config))
    assert "tie_word_embeddings is true in one place and false in another" in off(copied)


def test_layout_of_the_original_llava_code(copied: Path) -> None:
    change_weights(copied, lambda t: t.update({"model.mm_projector.0.bias": torch.ones(3)}))
    assert "convert_llava_weights_to_hf.py" in off(copied)


def test_adapter_that_was_left_in_the_weights_is_one_line(copied: Path) -> None:
    change_weights(
        copied, lambda t: t.update({"language_model.model.layers.0.q_proj.lora_B.weight": torch.zeros(8, 8)})
    )
    assert "lora_B.weight (1 such) is no tensor of the model" in off(copied)


def test_variant_is_named(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "model.fp16.safetensors")
    assert "model.fp16.safetensors, no model.safetensors" in off(copied)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("self_attn.v_proj", "self_attn.k_proj"),
        ("mlp.up_proj", "mlp.gate_proj"),
        ("self_attn.o_proj", "self_attn.q_proj"),
    ],
)
def test_matrix_that_is_a_copy_of_another_of_its_layer(copied: Path, here: str, there: str) -> None:
    layer = "language_model.model.layers.1"
    change_weights(copied, lambda t: t.update({f"{layer}.{here}.weight": t[f"{layer}.{there}.weight"].clone()}))
    first, second = sorted((here, there))
    assert f"{layer}.{second}.weight is equal to {layer}.{first}.weight, as in no trained model (1 such" in off(copied)


@pytest.mark.parametrize("tower", ["language_model.model", "vision_tower.vision_model.encoder"])
def test_layers_that_are_one_are_named_and_a_layer_that_is_repeated_is_not(copied: Path, tower: str) -> None:
    def repeat(*numbers: int) -> Callable[[dict[str, torch.Tensor]], None]:
        def change(tensors: dict[str, torch.Tensor]) -> None:
            for number in numbers:
                for name in [name for name in tensors if name.startswith(f"{tower}.layers.{number}.")]:
                    tensors[name] = tensors[name.replace(f"layers.{number}.", "layers.0.")].clone()

        return change

    change_weights(copied, repeat(1))
    assert check_weights(Files(copied))[0] == []
    change_weights(copied, repeat(1, 2, 3))
    assert "is equal to" in off(copied)
    assert f"{tower}.layers.0." in off(copied)
