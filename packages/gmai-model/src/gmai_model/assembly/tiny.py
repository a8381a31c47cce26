"""The `tiny` preset: random parts of the real architectures, small enough to train on a laptop CPU in minutes."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from gmai_model.assembly.assemble import ImageMode, assemble
from gmai_model.assembly.tokenizer import train_tokenizer

VISION = CLIPVisionConfig(
    hidden_size=128, intermediate_size=256, num_hidden_layers=5, num_attention_heads=4, image_size=112, patch_size=14
)
"""Five layers, so that four reach the feature layer −2; 8×8 = 64 image tokens."""

VOCAB_SIZE = 2048
TEXT = LlamaConfig(
    vocab_size=VOCAB_SIZE, hidden_size=128, intermediate_size=256, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=2048, rms_norm_eps=1e-5, tie_word_embeddings=False,
    rope_parameters={"rope_type": "default", "rope_theta": 1e6},
)  # fmt: skip


def init_tiny(texts: Iterable[str], out: Path, *, image_mode: ImageMode, seed: int) -> None:
    """Write a tiny checkpoint with random weights and a tokenizer trained on `texts`.

    The parts are saved as two ordinary model folders first, so that the preset goes the same way as real parts.
    """
    tokenizer = train_tokenizer(texts, vocab_size=VOCAB_SIZE)
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        CLIPVisionModel(VISION).save_pretrained(Path(folder) / "tiny-clip")
        LlamaForCausalLM(TEXT).save_pretrained(Path(folder) / "tiny-llama")
        tokenizer.save_pretrained(Path(folder) / "tiny-llama")
        assemble(Path(folder) / "tiny-clip", Path(folder) / "tiny-llama", out, image_mode=image_mode, seed=seed)
