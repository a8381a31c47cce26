"""The language model in 4 bits: what is packed, that adapters beside it learn, and that a run ends as a stock model."""

import json
import shutil
import sys

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.assembly.weights import WeightFiles
from gmai_model.training import estimate, lora, parts, quantized
from gmai_model.training.config import resolve
from transformers import LlavaForConditionalGeneration

LAYER = "model.language_model.layers.0.mlp.up_proj"
CPU = torch.device("cpu")


def load(folder):
    return LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


def test_the_matrices_of_the_language_model_alone_are_packed(checkpoint):
    pytest.importorskip("bitsandbytes", reason="install gmai-model[qlora]")
    llava, before = load(checkpoint), load(checkpoint)
    counts, expected = parts.count_parameters(llava), quantized.count_quantized(llava)
    quantized.quantize(llava, CPU)
    packed = {name for name, value in llava.named_parameters() if value.dtype == torch.uint8}
    assert len(packed) == 7 * llava.config.text_config.num_hidden_layers
    assert all(name.startswith("model.language_model.layers.") and name.endswith("proj.weight") for name in packed)
    sizes = {name: value for name, value in llava.named_parameters() if name in packed}
    assert sum(map(quantized.size_of, sizes.values())) == expected
    assert parts.count_parameters(llava) == {
        part: (total, train if part != "language_model" else train - expected)
        for part, (total, train) in counts.items()
    }
    # Rounded to 16 levels a block, the matrix computes nearly what it did.
    x = torch.randn(8, before.get_submodule(LAYER).in_features, generator=torch.Generator().manual_seed(0))
    exact, rounded = (model.get_submodule(LAYER)(x) for model in (before, llava))
    error = float((exact - rounded).detach().norm() / exact.detach().norm())
    assert 0.01 < error < 0.15


def test_adapters_learn_beside_packed_weights(checkpoint):
    pytest.importorskip("bitsandbytes", reason="install gmai-model[qlora]")
    pytest.importorskip("peft", reason="install gmai-model[lora]")
    llava = load(checkpoint)
    parts.set_trainable(llava, ["language_model"])
    quantized.quantize(llava, CPU)
    lora.add_adapters(llava, rank=2, alpha=4.0, seed=0)
    trained = {name: value for name, value in llava.named_parameters() if value.requires_grad}
    assert len(trained) == 14 * llava.config.text_config.num_hidden_layers
    assert sum(value.numel() for value in trained.values()) == lora.count_adapters(
        load(checkpoint), "language_model", 2
    )
    ids = torch.arange(10, 40)[None]
    losses = []
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2)
    for _ in range(5):
        loss = llava(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    assert losses[-1] < losses[0] - 0.1


def test_the_estimate_knows_four_bits(checkpoint):
    llava = estimate.load_on_meta(checkpoint)
    config = resolve(3, None, ["quantize=nf4", "lora_rank=4", "trainable=[language_model]"])
    count = estimate.quantized_parameters(llava, config)
    text = llava.config.text_config
    width, kv = text.hidden_size, text.hidden_size * text.num_key_value_heads // text.num_attention_heads
    assert count == text.num_hidden_layers * (2 * width**2 + 2 * width * kv + 3 * width * text.intermediate_size)
    assert estimate.quantized_parameters(llava, resolve(3, None, [])) == 0
    sizes = [estimate.memory(config, zero_stage=2, world=1, parameters=1_000_000, trainable=0, activations=0.0,
                             quantized=number).weights for number in (0, 800_000)]  # fmt: skip
    assert sizes == [2_000_000, pytest.approx(400_000 + 800_000 * 4.127 / 8, rel=1e-4)]


@pytest.mark.parametrize(
    ("stage", "settings", "message"),
    [
        (3, ["quantize=nf4"], r"rounds the language model's weights to 4 bits, which cannot train\. Set lora_rank"),
        (3, ["quantize=nf4", "lora_rank=4", "lora_parts=[projector]"], "which cannot train"),
        (1, ["quantize=nf4", "zero_stage=3"], r"ZeRO-3 cannot divide among GPUs\. Set zero_stage=2"),
        (1, ["quantize=nf4", "zero_stage=3", "offload=all"], r"nor offload=all move\. Set zero_stage=2"),
        (1, ["quantize=int3"], "nf4"),
    ],
)
def test_what_four_bits_cannot_do_is_refused_by_name(stage, settings, message):
    with pytest.raises(UserError, match=message):
        resolve(stage, None, settings)
    assert resolve(1, None, ["quantize=nf4", "offload=optimizer"]).quantize == "nf4"


def test_without_bitsandbytes_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match=r"quantize=nf4 needs bitsandbytes .*pip install .*gmai-model\[qlora\]"):
        quantized.require()


@pytest.mark.e2e
def test_a_run_in_four_bits_ends_as_a_stock_model_and_an_adapter(checkpoint, samples, train, tmp_path):
    pytest.importorskip("bitsandbytes", reason="install gmai-model[qlora]")
    pytest.importorskip("peft", reason="install gmai-model[lora]")
    settings = ("precision=fp32", "quantize=nf4", "lora_rank=4", "trainable=[language_model]", "lora_adapter=true",
                "pack_tokens=512", "global_batch_size=2", "micro_batch_size=1", "max_steps=4", "save_every_steps=2",
                "loader_workers=0", "answers=1", "answer_tokens=2", "learning_rate=1e-3")  # fmt: skip
    words = ["train", "--stage=3", f"--model={checkpoint}", f"--data={samples}",
               f"--out={tmp_path / 'run'}", *(f"--set={each}" for each in settings)]  # fmt: skip
    done = train.run(words)
    assert done.returncode == 0, done.stderr
    assert "the language model in 4 bits" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]
    old, new = WeightFiles(checkpoint), WeightFiles(tmp_path / "run" / "model")
    before, after = dict(old.tensors()), dict(new.tensors())
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("language_model" in name and "proj" in name for name in changed)
    assert all(before[name].dtype == after[name].dtype for name in before)
    assert json.loads((tmp_path / "run" / "model" / "gmai.json").read_text())["stages"][-1]["quantize"] == "nf4"
    assert (tmp_path / "run" / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.e2e
def test_two_processes_in_four_bits_are_one_and_go_on_to_the_same_bits(checkpoint, train, tmp_path):
    pytest.importorskip("bitsandbytes", reason="install gmai-model[qlora]")
    pytest.importorskip("peft", reason="install gmai-model[lora]")
    settings = {"quantize": "nf4", "lora_rank": 4, "trainable": "[language_model]", "max_steps": 4, "answers": 0,
                "learning_rate": "1e-3", "loader_workers": 0}  # fmt: skip

    def run(out, ranks):
        done = train(3, checkpoint, out, ranks, **settings)
        assert done.returncode == 0, done.stderr
        return dict(WeightFiles(out / "model").tensors())

    whole = run(tmp_path / "two", 2)
    alone = run(tmp_path / "one", 1)
    base = dict(WeightFiles(checkpoint).tensors())
    moved = {name: tensor for name, tensor in whole.items() if not torch.equal(tensor, base[name])}
    assert moved
    for name, tensor in moved.items():
        assert (tensor - alone[name]).norm() <= 1e-3 * (tensor - base[name]).norm(), name
    for part in ("model", "checkpoints/step-00000004"):
        shutil.rmtree(tmp_path / "two" / part)
    again = run(tmp_path / "two", 2)
    assert all(torch.equal(tensor, again[name]) for name, tensor in whole.items())
