"""An export read by the package gguf: every tensor is the checkpoint's, and the settings are."""

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.assembly.assemble import assemble
from gmai_model.assembly.weights import WeightFiles
from gmai_model.checking.files import Files

from ..assembly.stand_ins import LANGUAGES, VISIONS, by_name, edit

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="install gmai-model[gguf]")
if importlib.util.find_spec("gguf") is not None:
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from gmai_model.llama_cpp.export import MMPROJ, MODEL, RECORD, Choice, export, plan


def made(folder: Path, language: str, vision: str = "SigLIP and") -> Path:
    by_name(LANGUAGES, language).write(folder / "language")
    by_name(VISIONS, vision).write(folder / "vision")
    assemble(folder / "vision", folder / "language", folder / "checkpoint", image_mode="pad", seed=0)
    return folder / "checkpoint"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Llama-3.1's position scaling, tokenizer and template, with SigLIP; read by all and changed by none."""
    return made(tmp_path_factory.mktemp("made"), "Llama-3.1")


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    reader = GGUFReader(path)
    values = {name: field.contents() for name, field in reader.fields.items()}
    return values, {each.name: dequantize(each.data, each.tensor_type) for each in reader.tensors}


def back(rows: np.ndarray[Any, Any], heads: int) -> torch.Tensor:
    """Undo the order in which llama.cpp's architecture `llama` has the rows of queries and keys."""
    found = torch.from_numpy(rows.copy())
    return found.unflatten(0, (heads, found.shape[0] // heads // 2, 2)).transpose(1, 2).reshape(found.shape)


def test_every_tensor_is_the_checkpoints(checkpoint: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path / "out", Choice(square_images=True))
    weights, text = WeightFiles(checkpoint), json.loads((checkpoint / "config.json").read_text())["text_config"]
    _, model = read(tmp_path / "out" / MODEL)
    _, vision = read(tmp_path / "out" / MMPROJ)
    layer, block = "language_model.model.layers.2.", "vision_tower.vision_model.encoder.layers.1."
    for name, own in {
        "token_embd.weight": "language_model.model.embed_tokens.weight",
        "output.weight": "language_model.lm_head.weight",
        "output_norm.weight": "language_model.model.norm.weight",
        "blk.2.attn_v.weight": layer + "self_attn.v_proj.weight",
        "blk.2.attn_norm.weight": layer + "input_layernorm.weight",
        "blk.2.attn_output.weight": layer + "self_attn.o_proj.weight",
        "blk.2.ffn_norm.weight": layer + "post_attention_layernorm.weight",
        "blk.2.ffn_gate.weight": layer + "mlp.gate_proj.weight", "blk.2.ffn_up.weight": layer + "mlp.up_proj.weight",
        "blk.2.ffn_down.weight": layer + "mlp.down_proj.weight",
    }.items():  # fmt: skip
        assert torch.equal(torch.from_numpy(model[name].copy()), weights.tensor(own)), name
    for name, heads in {"q": text["num_attention_heads"], "k": text["num_key_value_heads"]}.items():
        found = back(model[f"blk.2.attn_{name}.weight"], heads)
        assert torch.equal(found, weights.tensor(f"{layer}self_attn.{name}_proj.weight"))
    for name, own in {
        "mm.0.weight": "multi_modal_projector.linear_1.weight", "mm.2.bias": "multi_modal_projector.linear_2.bias",
        "v.patch_embd.weight": "vision_tower.vision_model.embeddings.patch_embedding.weight",
        "v.patch_embd.bias": "vision_tower.vision_model.embeddings.patch_embedding.bias",
        "v.position_embd.weight": "vision_tower.vision_model.embeddings.position_embedding.weight",
        "v.blk.1.attn_q.weight": block + "self_attn.q_proj.weight", "v.blk.1.ffn_up.weight": block + "mlp.fc1.weight",
        "v.blk.1.ffn_down.bias": block + "mlp.fc2.bias", "v.blk.1.ln2.weight": block + "layer_norm2.weight",
    }.items():  # fmt: skip
        assert torch.equal(torch.from_numpy(vision[name].copy()), weights.tensor(own)), name
    of_text = [name for name in weights.names() if name.startswith("language_model.")]
    assert len(model) == len(of_text) + 1  # rope_freqs
    assert model["rope_freqs.weight"].max() == pytest.approx(8.0)
    assert not [name for name in vision if name.startswith(("v.blk.2.", "v.post_ln"))]  # behind the feature layer


def test_settings_tokens_and_record(checkpoint: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path / "out", Choice(square_images=True))
    config = json.loads((checkpoint / "config.json").read_text())
    values, _ = read(tmp_path / "out" / MODEL)
    assert values["general.architecture"] == "llama"
    assert values["llama.rope.freq_base"] == 5e5
    assert values["llama.attention.head_count_kv"] == config["text_config"]["num_key_value_heads"]
    assert len(values["tokenizer.ggml.tokens"]) == values["llama.vocab_size"] == config["text_config"]["vocab_size"]
    assert values["tokenizer.ggml.tokens"][config["image_token_index"]] == "<image>"
    assert values["tokenizer.ggml.add_bos_token"] is False
    assert "generation" not in values["tokenizer.chat_template"].replace("add_generation_prompt", "")
    sight, _ = read(tmp_path / "out" / MMPROJ)
    assert (sight["clip.projector_type"], sight["clip.use_gelu"]) == ("mlp", True)
    assert (sight["clip.vision.block_count"], sight["clip.vision.feature_layer"]) == (2, [2])
    assert sight["clip.vision.image_mean"] == [0.5] * 3
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert record["checkpoint"].startswith("sha256:")
    assert set(record["files"]) == {MODEL, MMPROJ}
    assert "56 × 56 px" in record["notes"][-1]


@pytest.mark.parametrize(
    ("dtype", "kind", "distance"), [("bf16", "BF16", 8e-3), ("f16", "F16", 1e-3), ("q8_0", "Q8_0", 8e-3)]
)
def test_matrices_take_the_type_that_is_asked_for(
    checkpoint: Path, tmp_path: Path, dtype: str, kind: str, distance: float
) -> None:
    export(checkpoint, tmp_path / "out", Choice(dtype, text_only=True))
    assert not (tmp_path / "out" / MMPROJ).exists()
    tensors = {each.name: each for each in GGUFReader(tmp_path / "out" / MODEL).tensors}
    assert tensors["token_embd.weight"].tensor_type.name == kind
    assert tensors["output_norm.weight"].tensor_type.name == "F32"
    found = dequantize(tensors["token_embd.weight"].data, tensors["token_embd.weight"].tensor_type)
    own = WeightFiles(checkpoint).tensor("language_model.model.embed_tokens.weight").numpy()
    assert np.abs(found - own).max() <= distance * np.abs(own).max()


def test_what_llama_cpp_computes_otherwise_is_refused(tmp_path: Path) -> None:
    clip = made(tmp_path, "Qwen3-8B", "CLIP, vision part, other")
    with pytest.raises(UserError, match=r"a CLIP encoder cannot be exported to llama\.cpp.*25814.*--text-only"):
        export(clip, tmp_path / "out", Choice())
    with pytest.raises(UserError, match=r"padding with the colour \(127, 127, 127\).*--square-images"):
        export(clip, tmp_path / "out", Choice(fixed_clip=True))
    assert not (tmp_path / "out").exists()
    assert plan(Files(clip), Choice(fixed_clip=True, square_images=True)).text.name == "qwen3"
    edit(clip, "tokenizer_config.json", eos_token="</s>")  # noqa: S106
    with pytest.raises(UserError, match="things are off"):
        export(clip, tmp_path / "out", Choice(text_only=True))


def test_a_folder_of_something_else_is_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        export(checkpoint, tmp_path, Choice(text_only=True))
    with pytest.raises(UserError, match="no such folder"):
        export(tmp_path / "absent", tmp_path / "out", Choice())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def _tokenizer(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        content = json.loads((folder / "tokenizer.json").read_text())
        change(content)
        (folder / "tokenizer.json").write_text(json.dumps(content))

    return do


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "id of a piece": (_tokenizer(lambda t: t["model"]["vocab"].update(a={})), "no readable tokenizer"),
    "id below zero": (_tokenizer(lambda t: t["model"]["vocab"].update(a=-1)), "no readable tokenizer"),
    "vocabulary": (_tokenizer(lambda t: t["model"].update(vocab=5)), "no readable tokenizer"),
    "merges": (_tokenizer(lambda t: t["model"].update(merges=[5])), "no readable tokenizer"),
    "added tokens": (_tokenizer(lambda t: t.update(added_tokens=["x"])), "no readable tokenizer"),
    "model": (_tokenizer(lambda t: t.update(model=[])), "no readable tokenizer"),
    "image token": (lambda folder: edit(folder, "processor_config.json", image_token=[[]]), "image_token is"),
    "template": (lambda folder: (folder / "chat_template.jinja").write_bytes(b"{{ \xff }}"), "no text in UTF-8"),
    "adapter": (lambda folder: (folder / "adapter_config.json").write_text("{}"), "part of an adapter"),
    "pipe": (lambda folder: os.mkfifo(folder / "notes"), "a pipe or device"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_not_what_it_always_is_is_named(checkpoint: Path, tmp_path: Path, name: str) -> None:
    do, said = HOSTILE[name]
    copy = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    do(copy)
    with pytest.raises(UserError, match=said) as refused:
        export(copy, tmp_path / "out", Choice(text_only=True))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()
