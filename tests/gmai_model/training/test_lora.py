"""Adapters: what they freeze, and that the merged checkpoint is the model that was trained."""

from pathlib import Path

import pytest
import torch
from gmai_model.assembly.weights import WeightFiles
from gmai_model.stages import PARTS
from gmai_model.training.export import export
from gmai_model.training.lora import add_adapters, merged, write_adapter
from gmai_model.training.parts import part_of, set_trainable
from transformers import LlavaForConditionalGeneration

pytest.importorskip("peft", reason="install gmai-model[lora]")


def load(folder: Path) -> LlavaForConditionalGeneration:
    return LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


def test_merged_checkpoint_computes_what_the_adapters_did(checkpoint: Path, tmp_path: Path) -> None:
    llava = load(checkpoint)
    set_trainable(llava, PARTS)
    add_adapters(llava, rank=4, alpha=8.0, seed=0)
    language = {
        name: parameter
        for name, parameter in llava.named_parameters()
        if parameter.requires_grad and "vision_tower" not in name and "multi_modal" not in name
    }
    assert all(".lora_" in name for name in language)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in language.values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    trained = {name: parameter.detach() for name, parameter in llava.named_parameters() if parameter.requires_grad}
    export(checkpoint, tmp_path / "out", merged(trained, 8.0), history={})

    ids = torch.arange(10, 40)[None]
    with torch.no_grad():
        expected, before = llava(input_ids=ids).logits, load(checkpoint)(input_ids=ids).logits
        found = load(tmp_path / "out")(input_ids=ids).logits
    assert (found - expected).abs().max() < 1e-5
    assert (before - expected).abs().max() > 1e-2
    assert set(WeightFiles(tmp_path / "out").names()) == set(WeightFiles(checkpoint).names())


@pytest.mark.parametrize("chosen", [("vision_encoder",), ("projector",), PARTS])
def test_adapters_of_any_part_merge_and_open_in_peft(checkpoint: Path, tmp_path: Path, chosen) -> None:
    from peft import PeftModel

    llava = load(checkpoint)
    set_trainable(llava, chosen)
    add_adapters(llava, chosen, rank=2, alpha=4.0, seed=0)
    trained = {name: parameter for name, parameter in llava.named_parameters() if parameter.requires_grad}
    assert trained
    assert all(".lora_" in name for name in trained)
    assert {part_of(name) for name in trained} == set(chosen)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trained.values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    inputs = {"input_ids": torch.tensor([[20, *[llava.config.image_token_id] * llava.config.image_seq_length, 30]]),
              "pixel_values": torch.randn(1, 3, *[llava.config.vision_config.image_size] * 2)}  # fmt: skip
    kept = {name: parameter.detach().clone() for name, parameter in trained.items()}
    with torch.no_grad():
        expected, before = llava(**inputs).logits, load(checkpoint)(**inputs).logits
    export(checkpoint, tmp_path / "out", merged(kept, 4.0), history={})
    write_adapter(tmp_path / "adapter", kept, base=checkpoint, rank=2, alpha=4.0)
    adapted = PeftModel.from_pretrained(load(checkpoint), tmp_path / "adapter").eval()
    with torch.no_grad():
        assert (load(tmp_path / "out")(**inputs).logits - expected).abs().max() < 1e-4
        assert (adapted(**inputs).logits - expected).abs().max() < 1e-4
    assert (before - expected).abs().max() > 1e-3


def test_the_same_seed_gives_the_same_adapters_without_touching_the_global_one(checkpoint: Path) -> None:
    state = torch.random.get_rng_state()
    models = [load(checkpoint) for _ in range(2)]
    for model in models:
        add_adapters(model, rank=2, alpha=4.0, seed=5)
    first, second = ({n: p for n, p in model.named_parameters() if "lora_A" in n} for model in models)
    assert first
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(state, torch.random.get_rng_state())
