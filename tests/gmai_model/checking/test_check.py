"""`gmai model check`: a good checkpoint passes here and in older transformers; each fault is named in a line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.assembly.assemble import assemble
from gmai_model.assembly.tokenizer import train_tokenizer
from gmai_model.checking import rules
from gmai_model.checking.check import check, probe
from gmai_model.checking.environments import older_python
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
)


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def edit(folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


def off(folder: Path) -> str:
    """Return what the rules say; one fault gives one line."""
    files = rules.Files(folder)
    found = [*rules.check_files(files), *rules.check_weights(files)[0]]
    assert len(found) == 1, found
    assert "\n" not in found[0]
    return found[0]


FAULTS: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("config.json", lambda c: c.update(architectures=["GmaiVL"]), "architectures is ['GmaiVL']"),
    ("config.json", lambda c: c.update(auto_map={"AutoModel": "x.py"}), "asks for remote code"),
    (
        "config.json",
        lambda c: c["text_config"].pop("rope_theta"),
        "rope_theta is None, rope_parameters.rope_theta 1000",
    ),
    ("config.json", lambda c: c["text_config"].pop("rope_parameters"), "rope_theta is 1000000.0, rope_parameters"),
    ("config.json", lambda c: c["text_config"].pop("architectures"), "text_config has no architectures"),
    ("config.json", lambda c: c.update(dtype="bfloat16"), "dtype is bfloat16, torch_dtype float32"),
    ("config.json", lambda c: c.update(dtype="bfloat16", torch_dtype="bfloat16"), "the tensors are ['float32']"),
    ("config.json", lambda c: c["text_config"].update(num_hidden_layers=5), "no tensor language_model.model.layers.4"),
    ("tokenizer_config.json", lambda c: c.update(tokenizer_class="TokenizersBackend"), "does not exist before"),
    ("tokenizer_config.json", lambda c: c.update(extra_special_tokens=[]), "extra_special_tokens is a list"),
    ("tokenizer_config.json", lambda c: c.pop("model_input_names"), "token_type_ids"),
    ("tokenizer_config.json", lambda c: c.pop("chat_template"), "before transformers 4.49"),
    ("processor_config.json", lambda c: c.update(image_processor={}), "holds the image processor too"),
    ("processor_config.json", lambda c: c.update(patch_size=16), "patch_size is 16, config.json says 14"),
    ("preprocessor_config.json", lambda c: c.pop("crop_size"), "crop_size is None, the vision encoder takes 112 px"),
    ("preprocessor_config.json", lambda c: c.pop("image_processor_type"), "no image_processor_type"),
]


def test_good_checkpoint_has_no_finding(checkpoint: Path) -> None:
    files = rules.Files(checkpoint)
    assert not list(rules.check_files(files))
    found, fact = rules.check_weights(files)
    assert not found
    assert fact == "130 tensors in 1 file, float32, 1.9 million parameters"


@pytest.mark.parametrize(("name", "change", "line"), FAULTS, ids=[line for _, _, line in FAULTS])
def test_each_fault_of_the_json_files_is_one_line(
    copied: Path, name: str, change: Callable[[dict[str, Any]], Any], line: str
) -> None:
    edit(copied, name, change)
    assert line in off(copied)


@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json", "generation_config.json"])
def test_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    assert f"{name} is missing" in off(copied)


def test_pickles_and_code_are_named(copied: Path) -> None:
    (copied / "optimizer.pt").write_bytes(b"\x80")
    assert "optimizer.pt: a pickle" in off(copied)
    (copied / "optimizer.pt").rename(copied / "modeling.py")
    assert "modeling.py: code of the checkpoint's own" in off(copied)


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


def test_names_of_transformers_5_are_named(copied: Path) -> None:
    config = LlavaConfig.from_pretrained(copied)
    LlavaForConditionalGeneration(config).save_pretrained(copied)  # as a user's own script would write it
    files = rules.Files(copied)
    found = rules.check_weights(files)[0] + list(rules.check_files(files))
    assert any("vLLM and SGLang look for vision_tower.vision_model." in line for line in found)
    assert any("rope_theta is None" in line for line in found)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json\. `gmai model check` takes a LLaVA"):
        check(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match="model_type is 'llama'"):
        check(tmp_path)
    with pytest.raises(UserError, match="--python takes an interpreter"):
        probe(tmp_path, tmp_path / "python")


@pytest.mark.e2e
def test_clean_process_finds_what_no_file_shows(copied: Path) -> None:
    edit(copied, "generation_config.json", lambda c: c.update(eos_token_id=2))
    edit(copied, "preprocessor_config.json", lambda c: c.update(size={"height": 98, "width": 98}))
    outcome = check(copied)
    assert len(outcome.off) == 1
    assert outcome.off[0].startswith("transformers 5")
    assert "computing logits failed" in outcome.off[0]
    edit(copied, "preprocessor_config.json", lambda c: c.update(size={"height": 112, "width": 112}))
    (line,) = check(copied).off
    assert line.endswith("an answer ends with token 4 in the chat template, generation stops at [2]")


def older(version: str) -> Path:
    try:
        return older_python(version)
    except UserError as error:
        pytest.skip(f"no environment with transformers {version}, which needs a package index: {error}")


@pytest.fixture
def checkpoint_of_576_tokens(tmp_path: Path) -> Path:
    """Parts of a few thousand parameters with the image size and patches of CLIP-L/14-336."""
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=336, patch_size=14
    )
    text = LlamaConfig(
        vocab_size=400, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=False, rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )  # fmt: skip
    CLIPVisionModel(vision).save_pretrained(tmp_path / "clip")
    LlamaForCausalLM(text).save_pretrained(tmp_path / "llama")
    train_tokenizer(["hello world"] * 9, vocab_size=380).save_pretrained(tmp_path / "llama")
    assemble(tmp_path / "clip", tmp_path / "llama", tmp_path / "model", image_mode="pad", seed=0)
    return tmp_path / "model"


@pytest.mark.e2e
def test_older_transformers_read_the_same_model(checkpoint_of_576_tokens: Path) -> None:
    pythons = [older("4.49.0"), older("4.57.6")]
    outcome = check(checkpoint_of_576_tokens, pythons)
    assert not outcome.off
    names = [fact.partition(" on ")[0] for fact in outcome.facts[2:]]
    assert names[1:] == ["transformers 4.49.0", "transformers 4.57.6"]
    assert all("576 image tokens, float32, answers" in fact for fact in outcome.facts[2:])

    edit(checkpoint_of_576_tokens, "config.json", lambda c: c["text_config"].pop("rope_theta"))
    seen = probe(checkpoint_of_576_tokens, pythons[0])
    assert round(seen["rope_theta"]) == 10000  # what users met: another model without a word
    assert any("rope_theta is None" in line for line in rules.check_files(rules.Files(checkpoint_of_576_tokens)))
