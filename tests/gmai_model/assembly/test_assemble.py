"""Assembly: the parts' tensors arrive unchanged, and the folder opens in plain transformers."""

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.assembly.assemble import assemble
from gmai_model.assembly.tokenizer import train_tokenizer
from gmai_model.assembly.weights import WeightFiles
from PIL import Image
from safetensors.torch import load_file, save_file
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
    with pytest.raises(UserError, match="not empty"):
        assemble(*parts, assembled, image_mode="pad", seed=0)


def copy(folder: Path, to: Path) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def refusal(vision: Path, language: Path, out: Path) -> str:
    with pytest.raises(UserError) as caught:
        assemble(vision, language, out, image_mode="pad", seed=0)
    assert not out.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_broken_parts_are_refused_in_one_line(parts: tuple[Path, Path], tmp_path: Path) -> None:
    vision, language = parts
    out = tmp_path / "out"
    cut = copy(language, tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-5])
    assert "not a readable safetensors file" in refusal(vision, cut, out)
    pointer = copy(language, tmp_path / "pointer")
    (pointer / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "Git LFS pointer" in refusal(vision, pointer, out)
    pickled = copy(language, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    assert "only pickled weights" in refusal(vision, pickled, out)
    assert "The vision encoder must be one of" in refusal(language, language, out)
    assert "The language model must be one of" in refusal(vision, vision, out)


@pytest.mark.parametrize(
    ("name", "entry", "value", "said"),
    [
        ("config.json", "rope_parameters", "x", "rope_parameters is 'x', where an object is due"),
        ("config.json", "eos_token_id", "1" * 5000, "eos_token_id is '1111"),
        ("config.json", "text_config", {"model_type": "llama"}, "make no LLaVA|text_config"),
        ("tokenizer_config.json", "eos_token", 3.0, r"eos_token is 3\.0"),
        ("tokenizer_config.json", "added_tokens_decoder", {"1": {"content": 7}}, "token by number is due"),
        ("tokenizer.json", "model.vocab.extra", 60_000, "tokenizer has ids up to 60,000, the model's embedding"),
    ],
)  # fmt: skip
def test_a_foreign_setting_is_refused_in_one_line_and_leaves_no_folder(
    parts: tuple[Path, Path], tmp_path: Path, name: str, entry: str, value: object, said: str
) -> None:
    language = copy(parts[1], tmp_path / "language")
    path = language / name
    content = json.loads(path.read_text()) if path.is_file() else {}
    *above, last = entry.split(".")
    inner = content
    for key in above:
        inner = inner[key]
    inner[last] = value
    path.write_text(json.dumps(content))
    assert re.search(said, refusal(parts[0], language, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_sharded_source_must_be_whole(parts: tuple[Path, Path], tmp_path: Path) -> None:
    vision, language = parts
    out = tmp_path / "out"
    sharded = copy(language, tmp_path / "sharded")
    LlamaForCausalLM.from_pretrained(language).save_pretrained(sharded, max_shard_size="60KB")
    (sharded / "model.safetensors").unlink()
    shards = sorted(sharded.glob("model-*.safetensors"))
    assert len(shards) > 2
    whole = shards[1].read_bytes()
    shards[1].write_bytes(whole[: len(whole) // 2])
    assert refusal(vision, sharded, out).startswith(f"{shards[1]}: not a readable safetensors file")
    shards[1].unlink()
    assert refusal(vision, sharded, out) == (
        f"{shards[1]}: missing, but the index lists it. Download the checkpoint again."
    )
    shards[1].write_bytes(shards[0].read_bytes())
    assert "but the file does not hold it" in refusal(vision, sharded, out)
    shards[1].write_bytes(whole)
    assemble(vision, sharded, out, image_mode="pad", seed=0)


def test_source_that_config_does_not_describe(parts: tuple[Path, Path], tmp_path: Path) -> None:
    vision, language = parts
    out = tmp_path / "out"
    wrong = copy(language, tmp_path / "wrong")
    edit_config(wrong, hidden_size=64)
    assert "is (400, 48), config.json says (400, 64) (hidden_size 64" in refusal(vision, wrong, out)
    edit_config(wrong, hidden_size=48, intermediate_size=63)
    assert "config.json says (48, 63)" in refusal(vision, wrong, out)
    edit_config(wrong, intermediate_size=64, num_hidden_layers=1)
    assert "model.layers.1.input_layernorm.weight is no tensor of a Llama layout model" in refusal(vision, wrong, out)
    edit_config(wrong, num_hidden_layers=3)
    assert "no tensor for model.layers.2.input_layernorm.weight (9 such)" in refusal(vision, wrong, out)
    clip = copy(vision, tmp_path / "clip")
    edit_config(clip, hidden_size=16)
    assert "calls for (16" in refusal(clip, language, out)
    edit_config(clip, hidden_size=32, num_hidden_layers=3)
    assert "encoder.layers.2" in refusal(clip, language, out)


def test_incomplete_quantised_or_broken_weights(parts: tuple[Path, Path], tmp_path: Path) -> None:
    vision, language = parts
    out = tmp_path / "out"
    tied = copy(language, tmp_path / "tied")
    edit_weights(tied, lambda tensors: tensors.__delitem__("lm_head.weight"))
    assert "no tensor for lm_head.weight" in refusal(vision, tied, out)

    quantised = copy(language, tmp_path / "quantised")
    name = "model.layers.0.mlp.up_proj.weight"
    edit_weights(quantised, lambda tensors: tensors.update({name: tensors[name].to(torch.int8)}))
    assert f"1 weights are no fractions, such as {name} (I8)" in refusal(vision, quantised, out)
    edit_config(quantised, quantization_config={"quant_method": "gptq"})
    assert "a quantised model" in refusal(vision, quantised, out)

    nan = copy(language, tmp_path / "nan")
    edit_weights(nan, lambda tensors: tensors["model.norm.weight"].__setitem__(7, float("nan")))
    assert "language_model.model.norm.weight holds values that are not finite" in refusal(vision, nan, out)
    overflow = copy(language, tmp_path / "overflow")
    edit_weights(overflow, lambda tensors: tensors.update({k: v.half() for k, v in tensors.items()}))
    wide = copy(vision, tmp_path / "wide")
    edit_weights(wide, lambda tensors: tensors["post_layernorm.weight"].fill_(1e6))
    assert "not finite in torch.float16" in refusal(wide, overflow, out)


def test_shards_are_readable_as_the_umask_says(parts: tuple[Path, Path], tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assemble(*parts, tmp_path / "out", image_mode="pad", seed=0)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "out").iterdir()} == {0o640}
