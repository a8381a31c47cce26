"""Broken checkpoints of many kinds, without gmai's record beside them: each is named in one line; no sound one is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gmai_model.assembly.assemble import assemble
from gmai_model.checking.check import check_folder
from gmai_model.checking.files import Files
from safetensors.torch import load_file, save_file

from ..assembly.stand_ins import LANGUAGES, VISIONS, by_name

Change = Callable[[Path], object]
PICTURES, CONFIG, GENERATION = "preprocessor_config.json", "config.json", "generation_config.json"


def put(name: str, **values: Any) -> Change:
    """Return what changes fields of a file, or of a part of it; None takes a field away."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        for key, value in values.items():
            content[key] = {**content[key], **value} if isinstance(value, dict) and key in content else value
        kept = {key: value for key, value in content.items() if value is not None}
        (folder / name).write_text(json.dumps(kept))

    return change


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Change:
    def rewrite(folder: Path) -> None:
        held = load_file(folder / "model.safetensors")
        change(held)
        save_file(held, folder / "model.safetensors", metadata={"format": "pt"})

    return rewrite


def shards(folder: Path, *, lost: bool = False, twice: bool = False) -> None:
    """Write the weights as two files and an index."""
    held = load_file(folder / "model.safetensors")
    names = sorted(held)
    first, second = names[: len(names) // 2], names[len(names) // 2 :]
    (folder / "model.safetensors").unlink()
    files = {"model-00001-of-00002.safetensors": first, "model-00002-of-00002.safetensors": second}
    for name, listed in files.items():
        more = first[:1] if twice and listed is second else []
        save_file({key: held[key] for key in listed + more}, folder / name, metadata={"format": "pt"})
    where = {key: name for name, listed in files.items() for key in listed}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    if lost:
        (folder / "model-00002-of-00002.safetensors").unlink()


def cut(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-100])


def fill(part: str, value: float) -> Change:
    return tensors(lambda held: [each.fill_(value) for name, each in held.items() if part in name])


BROKEN: dict[str, Change] = {
    "the projector is zero": fill("multi_modal_projector.linear_2.weight", 0.0),
    "a tensor holds NaN": fill("layers.1.mlp.down_proj", float("nan")),
    "a tensor holds infinity": fill("vision_model.encoder.layers.0.mlp.fc1.weight", float("inf")),
    "a tensor is lost": tensors(lambda held: held.pop("vision_tower.vision_model.embeddings.class_embedding")),
    "the weights are cut short": lambda folder: cut(folder, "model.safetensors"),
    "a shard is lost": lambda folder: shards(folder, lost=True),
    "a tensor lies in two shards": lambda folder: shards(folder, twice=True),
    "a pickle beside the weights": lambda folder: (folder / "pytorch_model.bin").write_bytes(b"x"),
    "another dtype than the tensors'": put(CONFIG, dtype="float16", torch_dtype="float16"),
    "one row of the vocabulary more": put(CONFIG, text_config={"vocab_size": 2049}),
    "other key-value heads": put(CONFIG, text_config={"num_key_value_heads": 4}),
    "one layer less": put(CONFIG, text_config={"num_hidden_layers": 3}),
    "no rotary base for older readers": put(CONFIG, text_config={"rope_theta": None}),
    "a position scaling for older readers alone": put(
        CONFIG, text_config={"rope_scaling": {"type": "linear", "factor": 4.0}}
    ),
    "a large epsilon": put(CONFIG, text_config={"rms_norm_eps": 1e-3}),
    "another activation": put(CONFIG, vision_config={"hidden_act": "relu"}),
    "an earlier feature layer": put(CONFIG, vision_feature_layer=-3),
    "tied, though the head is a tensor": put(CONFIG, tie_word_embeddings=True),
    "the image's token is another": put(CONFIG, image_token_index=9),
    "more tokens an image than it has features": put(CONFIG, image_seq_length=576),
    "remote code": put(CONFIG, auto_map={"AutoModel": "x.Y"}),
    "the class token is counted twice": put("processor_config.json", num_additional_image_tokens=2),
    "pixels of another range": put(PICTURES, rescale_factor=1 / 127.5),
    "mean and deviation changed over": put(
        PICTURES, image_mean=[0.26862954, 0.26130258, 0.27577711], image_std=[0.48145466, 0.4578275, 0.40821073]
    ),
    "images of another size": put(PICTURES, crop_size={"height": 224, "width": 224}),
    "two chat templates": put("tokenizer_config.json", chat_template="{{ messages }}"),
    "answers end where they begin": put(GENERATION, eos_token_id=[1]),
}


@pytest.fixture
def foreign(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint as one of others: nothing says how it was made."""
    shutil.copytree(checkpoint, tmp_path / "foreign")
    (tmp_path / "foreign" / "gmai.json").unlink()
    return tmp_path / "foreign"


def test_27_kinds_are_asked() -> None:
    assert len(BROKEN) == 27


@pytest.mark.parametrize("name", BROKEN)
def test_broken_checkpoint_is_named_once(foreign: Path, name: str) -> None:
    BROKEN[name](foreign)
    off, _ = check_folder(Files(foreign))
    assert len(off) == 1, off


@pytest.mark.e2e
def test_sound_checkpoints_of_twelve_kinds_are_not(tmp_path: Path) -> None:
    kinds = [
        ("Vicuna", "CLIP, whole"), ("Llama-2-chat", "CLIP, vision part with"), ("Llama-3.1", "SigLIP and"),
        ("Llama-3.2", "SigLIP as MedSigLIP"), ("Yi-chat", "open_clip of CLIP layout"), ("DeepSeek-LLM", "SigLIP w"),
        ("SmolLM2", "open_clip of CLIP layout, quick"), ("Mistral-Instruct-v0.1", "CLIP, whole"),
        ("Qwen2.5-7B", "CLIP, whole"), ("Qwen3-4B", "SigLIP and"), ("InternLM3", "CLIP, whole"),
        ("Llama-3 in bf16", "CLIP, whole"), ("Llama layout with YaRN", "CLIP, whole"),
    ]  # fmt: skip
    for number, (language, vision) in enumerate(kinds):
        folder = tmp_path / str(number)
        (folder / "language").mkdir(parents=True)
        (folder / "vision").mkdir()
        by_name(LANGUAGES, language).write(folder / "language")
        by_name(VISIONS, vision).write(folder / "vision")
        made = folder / "made"
        assemble(
            folder / "vision", folder / "language", made, image_mode=("pad", "stretch", "crop")[number % 3], seed=0
        )
        (made / "gmai.json").unlink()
        if number % 2:
            shards(made)
        off, _ = check_folder(Files(made))
        assert not off, (language, vision, off)
