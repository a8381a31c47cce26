"""A made model that is not its source is refused with the first case, and nothing is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.assembly import assemble as assembling
from gmai_model.assembly import language, proof, vision
from transformers import LlamaConfig, LlamaForCausalLM

from .stand_ins import LANGUAGES, SIZES, VISIONS, by_name, write_sentencepiece


def refusal(tmp_path: Path, name: str = "Llama-3-Instruct") -> str:
    for folder, kind in (("clip", by_name(VISIONS, "CLIP, vision part, other")), ("llama", by_name(LANGUAGES, name))):
        (tmp_path / folder).mkdir()
        torch.manual_seed(0)
        kind.write(tmp_path / folder)
    with pytest.raises(UserError) as caught:
        assembling.assemble(tmp_path / "clip", tmp_path / "llama", tmp_path / "made", image_mode="pad", seed=0)
    assert not (tmp_path / "made").exists()
    return str(caught.value)


def scaled(tensors: Callable[[Any], Any], part: str) -> Callable[[Any], Any]:
    return lambda model: ((name, tensor * 1.01 if part in name else tensor) for name, tensor in tensors(model))


def test_other_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = language.LanguageModel.tensors
    monkeypatch.setattr(language.LanguageModel, "tensors", scaled(own, "layers.1.mlp.down_proj"))
    assert "the logits differ. By up to" in refusal(tmp_path)


def test_keys_and_values_changed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sentencepiece", reason="install gmai-model[convert]")
    own = language.split_wqkv

    def swapped(fused: torch.Tensor, **sizes: int) -> Any:
        q, k, v = own(fused, **sizes)
        return q, v, k

    monkeypatch.setattr(language, "split_wqkv", swapped)
    assert "the logits differ" in refusal(tmp_path, "InternLM2-chat")


def test_other_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = vision.VisionEncoder.tensors
    monkeypatch.setattr(vision.VisionEncoder, "tensors", scaled(own, "patch_embedding"))
    assert "the features differ" in refusal(tmp_path)


def test_other_normalisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = vision.VisionEncoder._preparation

    def shifted(encoder: Any, prepared: Any) -> vision.Preparation:
        found = own(encoder, prepared)
        return vision.Preparation([0.48] * 3, found.std, found.resample, found.rescale_factor, found.where)

    monkeypatch.setattr(vision.VisionEncoder, "_preparation", shifted)
    assert "the pixels differ. A picture of 56 px" in refusal(tmp_path)


def test_other_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gmai_model.assembly import tokenizer

    own = tokenizer._renamed

    def lowered(source: Any, places: dict[str, str]) -> Any:
        from tokenizers import normalizers

        made = own(source, places)
        made.normalizer = normalizers.Lowercase()
        return made

    monkeypatch.setattr(tokenizer, "_renamed", lowered)
    assert "the tokens (tokenizer) differ. 'The chest" in refusal(tmp_path)


def test_texts_are_many_and_always_the_same() -> None:
    found = list(proof.texts())
    assert len(found) == 320
    assert len(set(found)) > 280
    assert found == list(proof.texts())
    assert any("\u3000" in text for text in found)
    assert any("  " in text for text in found)


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({}, ""),
        ({"model_type": "unigram", "vocab_size": 340}, ""),
        ({"user_defined_symbols": ["[UNUSED_TOKEN_140]"], "add_dummy_prefix": True}, ""),
        ({"add_dummy_prefix": True}, "'QXW' is"),
        ({"add_dummy_prefix": True, "model_type": "unigram", "vocab_size": 340}, "'QXW' is"),
        ({"user_defined_symbols": ["<a b>"]}, "'<a b>' is"),
    ],
)
def test_symbols_of_the_source_that_no_ordinary_text_holds(
    tmp_path: Path, options: dict[str, Any], refused: str
) -> None:
    """A sentencepiece model with a blank first puts one after such a symbol in tokenizer.json, and none in its own."""
    pytest.importorskip("sentencepiece", reason="install gmai-model[convert]")
    rows = write_sentencepiece(tmp_path / "language", **{"user_defined_symbols": ["QXW", "§§"], **options})
    LlamaForCausalLM(LlamaConfig(**SIZES, vocab_size=rows)).save_pretrained(tmp_path / "language")
    by_name(VISIONS, "CLIP, vision part, other").write(tmp_path / "vision")
    if refused:
        with pytest.raises(UserError, match=f"the tokens .tokenizer. differ. {refused}"):
            assembling.assemble(tmp_path / "vision", tmp_path / "language", tmp_path / "made", image_mode="pad", seed=0)
        assert not (tmp_path / "made").exists()
    else:
        assembling.assemble(tmp_path / "vision", tmp_path / "language", tmp_path / "made", image_mode="pad", seed=0)
