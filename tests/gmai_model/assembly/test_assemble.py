"""Assembly: the parts' tensors arrive unchanged, and the folder opens in plain transformers."""

import json
from pathlib import Path

import pytest
import torch
from gmai_cli.errors import UserError
from gmai_model.assembly.assemble import assemble
from gmai_model.assembly.tokenizer import train_tokenizer
from gmai_model.assembly.weights import WeightFiles
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(0)
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14
    )
    text = LlamaConfig(
        vocab_size=400, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )  # fmt: skip
    CLIPVisionModel(vision).save_pretrained(folder / "clip")
    LlamaForCausalLM(text).to(torch.bfloat16).save_pretrained(folder / "llama")
    train_tokenizer(["hello world"] * 9, vocab_size=380).save_pretrained(folder / "llama")
    return folder / "clip", folder / "llama"


@pytest.fixture(scope="module")
def assembled(parts: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "model"
    assemble(*parts, out, image_mode="pad", seed=0)
    return out


def test_every_tensor_of_the_language_model_is_unchanged(parts: tuple[Path, Path], assembled: Path) -> None:
    made = dict(WeightFiles(assembled).tensors())
    for name, tensor in WeightFiles(parts[1]).tensors():
        assert torch.equal(made[f"language_model.{name}"], tensor)


def test_names_on_disk_are_the_classic_ones(assembled: Path) -> None:
    prefixes = {name.rsplit(".", 3)[0].split(".")[0] for name in WeightFiles(assembled).names()}
    assert prefixes == {"vision_tower", "multi_modal_projector", "language_model"}
    assert "vision_tower.vision_model.embeddings.class_embedding" in WeightFiles(assembled).names()


def test_loads_without_missing_or_unexpected_tensors_and_answers(assembled: Path) -> None:
    model, info = AutoModelForImageTextToText.from_pretrained(assembled, output_loading_info=True, dtype="auto")
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    assert model.dtype == torch.bfloat16
    processor = AutoProcessor.from_pretrained(assembled)
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "hello"}]}],
        add_generation_prompt=True,
    )
    inputs = processor(images=[Image.new("RGB", (90, 60))], text=[prompt], return_tensors="pt")
    assert (inputs["input_ids"] == model.config.image_token_id).sum() == 16
    answer = model.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert answer.shape[1] > inputs["input_ids"].shape[1]


def test_chat_with_parts_and_chat_with_placeholders_are_the_same_text(assembled: Path) -> None:
    processor = AutoProcessor.from_pretrained(assembled)
    parts = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "hello"}]}]
    plain = [{"role": "user", "content": "<image>\nhello"}]
    assert processor.apply_chat_template(parts) == processor.apply_chat_template(plain)


def test_rope_theta_is_written_for_old_and_new_readers(assembled: Path) -> None:
    text_config = json.loads((assembled / "config.json").read_text())["text_config"]
    assert text_config["rope_theta"] == 1e6
    assert text_config["rope_parameters"]["rope_theta"] == 1e6


def test_projector_depends_on_the_seed_alone(parts: tuple[Path, Path], assembled: Path, tmp_path: Path) -> None:
    assemble(*parts, tmp_path / "same", image_mode="pad", seed=0)
    assemble(*parts, tmp_path / "other", image_mode="pad", seed=1)
    name = "multi_modal_projector.linear_1.weight"
    first, same, other = (
        dict(WeightFiles(p).tensors())[name] for p in (assembled, tmp_path / "same", tmp_path / "other")
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_existing_folder_is_never_overwritten(parts: tuple[Path, Path], assembled: Path) -> None:
    with pytest.raises(UserError, match="never overwrites a model"):
        assemble(*parts, assembled, image_mode="pad", seed=0)


def copy(folder: Path, to: Path) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_broken_parts_are_refused_in_one_line(parts: tuple[Path, Path], tmp_path: Path) -> None:
    vision, language = parts
    cut = copy(language, tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(UserError, match="not a readable safetensors file"):
        assemble(vision, cut, tmp_path / "a", image_mode="pad", seed=0)
    pointer = copy(language, tmp_path / "pointer")
    (pointer / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(UserError, match="Git LFS pointer"):
        assemble(vision, pointer, tmp_path / "b", image_mode="pad", seed=0)
    pickled = copy(language, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(UserError, match="only pickled weights"):
        assemble(vision, pickled, tmp_path / "c", image_mode="pad", seed=0)
    with pytest.raises(UserError, match="must be a CLIP model"):
        assemble(language, language, tmp_path / "d", image_mode="pad", seed=0)
    with pytest.raises(UserError, match="must be of the Llama layout"):
        assemble(vision, vision, tmp_path / "e", image_mode="pad", seed=0)
    tied = copy(language, tmp_path / "tied")
    config = json.loads((tied / "config.json").read_text())
    (tied / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    with pytest.raises(UserError, match="tie_word_embeddings is true"):
        assemble(vision, tied, tmp_path / "f", image_mode="pad", seed=0)
    (tied / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    with pytest.raises(UserError, match=r"the embedding is \(400, 48\), config.json says \(400, 64\)"):
        assemble(vision, tied, tmp_path / "g", image_mode="pad", seed=0)
