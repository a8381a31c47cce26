"""The files of a checkpoint by rule: a sound one has no line, each fault one, with its remedy."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_model.checking.check import check, check_folder
from gmai_model.checking.files import Files
from gmai_model.checking.rules import check_files
from gmai_model.checking.tensors import check_weights
from safetensors.torch import load_file, save_file


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def edit(folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


def off(folder: Path) -> str:
    """Return what the rules say; one fault gives one line."""
    found, _ = check_folder(Files(folder))
    assert len(found) == 1, found
    assert "\n" not in found[0]
    assert ". " in found[0], "every line has its remedy"
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
    (
        "config.json",
        lambda c: c["text_config"]["rope_parameters"].update(rope_type="linear", factor=8.0),
        "rope_scaling says none, rope_parameters {'rope_type': 'linear', 'factor': 8.0}",
    ),
    ("config.json", lambda c: c["text_config"].update(num_key_value_heads=3), "k_proj.weight is (64, 128), config"),
    ("config.json", lambda c: c["text_config"].update(vocab_size=100), "lm_head.weight is (2048, 128), config"),
    ("config.json", lambda c: c["text_config"].update(num_attention_heads="4"), "num_attention_heads is '4'. It must"),
    ("config.json", lambda c: c["text_config"].update(num_attention_heads=0), "num_attention_heads is 0. It must"),
    ("config.json", lambda c: c["vision_config"].update(patch_size=0), "patch_size is 0. It must"),
    ("config.json", lambda c: c["vision_config"].update(patch_size=16), "patch_embedding.weight is (128, 3, 14, 14)"),
    ("config.json", lambda c: c.pop("text_config"), "no text_config"),
    ("config.json", lambda c: c.update(vision_feature_layer="-2"), "vision_feature_layer -2 is none of 5 layers"),
    ("config.json", lambda c: c["text_config"].pop("architectures"), "text_config has no architectures"),
    ("config.json", lambda c: c.update(dtype="bfloat16"), "dtype is bfloat16, torch_dtype float32"),
    ("config.json", lambda c: c.update(dtype="bfloat16", torch_dtype="bfloat16"), "the tensors are ['float32']"),
    ("config.json", lambda c: c["text_config"].update(num_hidden_layers=5), "no tensor language_model.model.layers.4"),
    ("tokenizer_config.json", lambda c: c.update(tokenizer_class="TokenizersBackend"), "does not exist before"),
    ("tokenizer_config.json", lambda c: c.update(extra_special_tokens=[]), "extra_special_tokens is a list"),
    ("tokenizer_config.json", lambda c: c.pop("model_input_names"), "token_type_ids"),
    ("tokenizer_config.json", lambda c: c.pop("chat_template"), "before transformers 4.49"),
    ("config.json", lambda c: c.pop("image_token_index"), "no image_token_index"),
    (
        "config.json",
        lambda c: c["vision_config"].update(num_attention_heads=5),
        "hidden_size 128 is no multiple of num",
    ),
    ("config.json", lambda c: c.update(vision_feature_layer=-9), "vision_feature_layer -9 is none of 5 layers"),
    ("config.json", lambda c: c.update(vision_feature_layer=8), "vision_feature_layer 8 is none of 5"),
    ("config.json", lambda c: c.update(projector_hidden_act="gelly"), "'gelly' is no activation"),
    ("config.json", lambda c: c.update(tie_word_embeddings=True), "lm_head is a tensor of its own"),
    ("config.json", lambda c: c["text_config"].update(num_hidden_layers=10**9), "must be a whole number from 1 to 512"),
    ("generation_config.json", lambda c: c.update(eos_token_id=[2, 99999]), "eos_token_id 99999 is no token"),
    ("tokenizer_config.json", lambda c: c.update(chat_template="{{ messages }}"), "hold two chat templates"),
    ("processor_config.json", lambda c: c.update(chat_template="{{ messages }}"), "hold two chat templates"),
    (
        "processor_config.json",
        lambda c: c.update(num_additional_image_tokens=0),
        "makes 63 tokens for an image, the vision",
    ),
    ("preprocessor_config.json", lambda c: c.update(do_normalize=False), "do_normalize is false"),
    ("preprocessor_config.json", lambda c: c.update(image_std=[0.2, 0.2, 0]), "image_std is [0.2, 0.2, 0]"),
    ("preprocessor_config.json", lambda c: c.update(image_mean=0.5), "image_mean is 0.5"),
    ("preprocessor_config.json", lambda c: c.update(image_mean=[122.7, 116.7, 104.0]), "image_mean is [122.7"),
    ("preprocessor_config.json", lambda c: c.update(image_std=[-0.2, 0.2, 0.2]), "image_std is [-0.2"),
    ("preprocessor_config.json", lambda c: c.update(rescale_factor=1), "rescale_factor is 1, where pixels"),
    ("generation_config.json", lambda c: c.update({"eos_token_id": "2"}), "eos_token_id 2 is no token"),
    ("processor_config.json", lambda c: c.update(image_processor={}), "holds the image processor too"),
    ("processor_config.json", lambda c: c.update(patch_size=16), "patch_size is 16, config.json says 14"),
    (
        "preprocessor_config.json",
        lambda c: c.update(image_mean=c["image_std"], image_std=c["image_mean"]),
        "are known numbers in other places",
    ),
    ("preprocessor_config.json", lambda c: c["image_mean"].reverse(), "image_mean [0.40821073, 0.4578275, 0.48145466]"),
    ("preprocessor_config.json", lambda c: c.update(resample=9), "resample is 9, which is no smooth filter"),
    ("preprocessor_config.json", lambda c: c.update(do_convert_rgb=False), "do_convert_rgb is false"),
    ("config.json", lambda c: c.update(quantization_config={"quant_method": "gptq"}), "quantization_config, by which"),
    (
        "config.json",
        lambda c: c["text_config"].update(architectures=["Qwen2ForCausalLM"]),
        "Write LlamaForCausalLM, or that model_type",
    ),
    ("config.json", lambda c: c["text_config"].update(model_type="qwen2"), "k_proj.bias (12 such), which config.json"),
    ("config.json", lambda c: c["text_config"].update(max_position_embeddings=64), "an image alone takes 64"),
    (
        "config.json",
        lambda c: c["text_config"].update(partial_rotary_factor=0.5),
        "partial_rotary_factor is 0.5, where",
    ),
    (
        "config.json",
        lambda c: c["text_config"]["rope_parameters"].update(partial_rotary_factor=0.25),
        "partial_rotary_factor is 0.25, where",
    ),
    ("config.json", lambda c: c.update(image_seq_length=576), "image_seq_length is 576, an image takes 64"),
    (
        "config.json",
        lambda c: c["text_config"].update(
            model_type="mistral", architectures=["MistralForCausalLM"], sliding_window=32
        ),
        "sliding_window is 32, an image alone takes 64",
    ),
    (
        "config.json",
        lambda c: c["text_config"].update(use_sliding_window=True, sliding_window=64),
        "sliding_window is 64, an image alone takes 64",
    ),
    ("config.json", lambda c: c["text_config"].update(rms_norm_eps=0.1), "rms_norm_eps is 0.1, where models have"),
    ("config.json", lambda c: c["vision_config"].update(layer_norm_eps=0), "layer_norm_eps is 0, where models have"),
    ("config.json", lambda c: c["text_config"].update(pad_token_id=99999), "Padding_idx must be within"),
    ("config.json", lambda c: c["text_config"].update(rms_norm_eps=-1), "rms_norm_eps is -1, where models have"),
    (
        "config.json",
        lambda c: c["vision_config"].update(model_type="siglip_vision_model"),
        "but vision_tower.vision_model.embeddings.class_embedding",
    ),
    ("config.json", lambda c: (c.pop("text_config"), c.update(mm_vision_tower="x")), "convert_llava_weights_to_hf.py"),
    ("preprocessor_config.json", lambda c: c.pop("crop_size"), "crop_size is None, the vision encoder takes 112 px"),
    ("preprocessor_config.json", lambda c: c.pop("image_processor_type"), "no image_processor_type"),
]


def test_good_checkpoint_has_no_finding(checkpoint: Path) -> None:
    files = Files(checkpoint)
    assert not list(check_files(files))
    found, fact = check_weights(files)
    assert not found
    assert fact == "130 tensors in 1 file, float32, 1.9 million parameters"


def test_a_filter_that_is_not_smooth_is_a_fault_where_no_source_is_known_to_have_it(copied: Path) -> None:
    edit(copied, "preprocessor_config.json", lambda c: c.update(resample=0))
    assert check_folder(Files(copied))[0] == []
    (copied / "gmai.json").unlink()
    assert "resample is 0, which is no smooth filter" in off(copied)


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


@pytest.mark.parametrize("content", ["[]", "null", '"x"', "{", "\\ud800", "version https://git-lfs.github.com/spec/v1"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "preprocessor_config.json", "gmai.json"])
def test_file_that_holds_no_object_is_named(copied: Path, name: str, content: str) -> None:
    (copied / name).write_text(content)
    with pytest.raises(UserError, match=rf"{name}: (not JSON|holds)"):
        check(copied)


@pytest.mark.parametrize("part", ["text_config", "vision_config"])
@pytest.mark.parametrize("value", [None, [], "llama"])
def test_part_that_is_no_object_is_named(copied: Path, part: str, value: object) -> None:
    edit(copied, "config.json", lambda c: c.update({part: value}))
    with pytest.raises(UserError, match=f"{part} is .*, where an object is due"):
        Files(copied)


def test_pickles_and_code_are_named(copied: Path) -> None:
    (copied / "optimizer.pt").write_bytes(b"\x80")
    assert "optimizer.pt: a pickle" in off(copied)
    (copied / "optimizer.pt").rename(copied / "modeling.py")
    assert "modeling.py: code of the checkpoint's own" in off(copied)


def test_region_tokens_that_nobody_sees(copied: Path) -> None:
    content = json.loads((copied / "tokenizer.json").read_text())
    for token in content["added_tokens"]:
        token["special"] = True
    (copied / "tokenizer.json").write_text(json.dumps(content))
    assert "<ref>, </ref>, <box>, </box> are special tokens" in off(copied)


def test_file_without_which_the_tokenizer_is_another_is_one_line(copied: Path) -> None:
    (copied / "tokenizer_config.json").unlink()
    assert "tokenizer_config.json is missing" in off(copied)


def test_unmerged_adapter_is_named(copied: Path) -> None:
    (copied / "adapter_config.json").write_text("{}")
    assert "adapter_config.json: part of an adapter" in off(copied)


def test_siglip_has_no_class_token_to_leave_out(copied: Path) -> None:
    edit(copied, "config.json", lambda c: c["vision_config"].update(model_type="siglip_vision_model"))
    assert "which SigLIP has not" in next(line for line in check_files(Files(copied)) if "SigLIP" in line)


def test_a_list_of_named_templates_has_the_default_compared(copied: Path) -> None:
    own = (copied / "chat_template.jinja").read_text()
    named = [{"name": "default", "template": own}, {"name": "tool_use", "template": "x"}]
    edit(copied, "tokenizer_config.json", lambda c: c.update(chat_template=named))
    assert not list(check_files(Files(copied)))
    named[0]["template"] = "y"
    edit(copied, "tokenizer_config.json", lambda c: c.update(chat_template=named))
    assert "hold two chat templates" in off(copied)


def test_weights_beside_the_model(copied: Path) -> None:
    shutil.copy(copied / "model.safetensors", copied / "consolidated.safetensors")
    assert "consolidated.safetensors: not part of the model (model.safetensors)" in off(copied)


def test_index_of_files_that_are_not_here_is_one_line(copied: Path) -> None:
    index = {"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model.safetensors: not part of the model (model-00001-of-00002.safetensors)" in off(copied)


def test_second_set_of_weights(copied: Path) -> None:
    names = load_file(copied / "model.safetensors")
    save_file(names, copied / "model-00001-of-00001.safetensors", metadata={"format": "pt"})
    index = {"weight_map": dict.fromkeys(names, "model-00001-of-00001.safetensors")}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model.safetensors: not part of the model (model-00001-of-00001.safetensors)" in off(copied)
