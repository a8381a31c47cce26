"""Memory reckoned by hand, and the formula for activations held to what torch keeps."""

import contextlib
import weakref
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model import attention
from gmai_model.batching.collate import make_row
from gmai_model.batching.tokens import Encoded
from gmai_model.packed import PackedLlava
from gmai_model.training import estimate, lora, parts
from gmai_model.training.config import resolve
from gmai_model.training.estimate import require_size
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import (
    AttentionInterface,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

BILLION = 10**9


@pytest.fixture
def eight_b() -> LlavaConfig:
    """CLIP-L/14 at 336 px and InternLM2.5-7B."""
    vision = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
                              image_size=336, patch_size=14, projection_dim=768)  # fmt: skip
    text = LlamaConfig(vocab_size=92544, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
                       num_attention_heads=32, num_key_value_heads=8)  # fmt: skip
    return LlavaConfig(vision_config=vision, text_config=text, image_token_index=92543)


@pytest.mark.parametrize(
    ("zero_stage", "weights", "gradients", "optimizer"), [(0, 16, 6, 12), (1, 16, 6, 3), (2, 16, 3, 3), (3, 4, 3, 3)]
)
def test_zero_divides_one_thing_more_at_each_stage(zero_stage, weights, gradients, optimizer) -> None:
    """8 B weights, of which 1 B train, on 4 GPUs; the two buckets in flight are 2 × 2 bytes × 0.5 B."""
    found = estimate.memory(
        resolve(2, None, []), zero_stage=zero_stage, world=4, parameters=8 * BILLION, trainable=BILLION, activations=7
    )
    expected = (weights * BILLION, gradients * BILLION, optimizer * BILLION)
    assert (found.weights, found.gradients, found.optimizer) == expected
    assert found.total == found.weights + found.gradients + found.optimizer + 7 + estimate.CONTEXT_BYTES
    on_cpu = estimate.memory(
        resolve(2, None, []), zero_stage=zero_stage, world=4, parameters=8 * BILLION, trainable=BILLION, activations=7,
        on_gpu=False,
    )  # fmt: skip
    assert on_cpu.gradients == found.gradients - BILLION  # one bucket of half a billion in two bytes
    assert on_cpu.context == 0


@pytest.mark.parametrize(("zero_stage", "optimizer"), [(0, 8), (1, 12), (2, 12), (3, 8)])
def test_in_fp32_deepspeed_clones_what_zero_1_and_2_change(zero_stage: int, optimizer: int) -> None:
    config = resolve(3, None, ["precision=fp32"])
    found = estimate.memory(config, zero_stage=zero_stage, world=1, parameters=100, trainable=100, activations=0)
    assert found.optimizer == optimizer * 100


@pytest.mark.parametrize(("activations", "expected"), [(7, 12 * 50), (12 * 50 + 1, 12 * 50 + 1)])
def test_on_the_cpu_a_step_of_adamw_may_take_more_than_the_activations(activations: int, expected: int) -> None:
    config = resolve(3, None, [])
    counts = {"zero_stage": 2, "world": 2, "parameters": 100, "trainable": 100, "activations": activations}
    assert estimate.memory(config, **counts, on_gpu=False).activations == expected
    assert estimate.memory(config, **counts).activations == activations


def test_offload_takes_the_states_off_the_gpu() -> None:
    config = resolve(3, None, ["offload=all", "zero_stage=3"])
    found = estimate.memory(config, zero_stage=3, world=1, parameters=100, trainable=100, activations=0)
    assert (found.weights, found.optimizer) == (0, 0)
    assert found.host == 12 * 100 + 2 * 100


def test_a_bucket_is_no_larger_than_what_trains() -> None:
    assert [estimate.bucket_elements(count) for count in (0, 21, 10**10)] == [1, 21, 500_000_000]


def test_adapters_are_counted_in_place_of_the_weights_that_they_freeze(checkpoint: Path) -> None:
    pytest.importorskip("peft", reason="install gmai-model[lora]")
    overrides = ["lora_rank=4", "lora_parts=[language_model, vision_encoder]"]
    config = resolve(3, None, overrides)
    reckoned = estimate.trained_parameters(estimate.load_on_meta(checkpoint), config)
    llava = LlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    parts.set_trainable(llava, config.trainable)
    lora.add_adapters(llava, config.lora_parts, rank=4, alpha=8.0, seed=0)
    assert parts.count_parameters(llava) == reckoned


def test_a_model_on_meta_has_the_parameters_of_the_loaded_one(checkpoint: Path) -> None:
    light, loaded = estimate.load_on_meta(checkpoint), LlavaForConditionalGeneration.from_pretrained(checkpoint)
    assert parts.count_parameters(light) == parts.count_parameters(loaded)
    assert all(parameter.is_meta for parameter in light.parameters())


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_activations_are_about_what_torch_keeps(checkpoint: Path, stage: int) -> None:
    """Bytes of the tensors that autograd holds when the forward pass is done."""
    settings = ["pack_tokens=640", "micro_batch_size=1", "precision=fp32", "activation_checkpointing=false"]
    config = resolve(stage, None, settings)
    llava = LlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    llava.train()
    parts.set_trainable(llava, config.trainable)
    ids = torch.full((640,), 20)
    ids[: 8 * 64] = llava.config.image_token_id
    learned = torch.zeros(640, dtype=torch.bool)
    learned[-64:] = True
    encoded = Encoded(ids.numpy(), learned.numpy(), 8)
    row = make_row([encoded], torch.zeros(8, 3, 112, 112), image_size=112, unreadable=[])
    weights = {parameter.untyped_storage().data_ptr() for parameter in llava.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss, _ = PackedLlava(llava)(row)
    assert loss.requires_grad
    estimated = estimate.activation_bytes(llava, config, supervised=64, images=8)
    assert 0.6 < estimated / sum(kept.values()) < 1.7, (estimated, sum(kept.values()))
    checkpointed = resolve(stage, None, [*settings[:3], "activation_checkpointing=true"])
    assert estimate.activation_bytes(llava, checkpointed, supervised=64, images=8) < 0.6 * estimated


class Live(TorchDispatchMode):
    """Counts the bytes of tensors that exist, and the most that did at once.

    Args:
        known: Tensors that are there before, which do not count, nor do views of them.
    """

    def __init__(self, known: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen = {tensor.untyped_storage()._cdata: 0 for tensor in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self._seen:
                    self._seen[storage._cdata] = storage.nbytes()
                    self.now += storage.nbytes()
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self._gone, storage._cdata)
        return result

    def _gone(self, key: int) -> None:
        self.now -= self._seen.pop(key, 0)


def attend_as_on_a_gpu(
    module: Any, query: Any, key: Any, value: Any, mask: Any, *, scaling: Any, cu_seq_lens_q: Any, max_length_q: Any,
    **_: Any,
) -> Any:  # fmt: skip
    heads = (each[0].transpose(0, 1) for each in (query, key, value))
    output = attention.attend_packed(*heads, cu_seq_lens_q, max_length_q, scaling=scaling, backend=None)
    return output[None], None


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("stage", "micro_batch_size", "checkpointing"), [(1, 8, True), (2, 4, True), (3, 4, True), (3, 1, False)]
)
def test_a_step_of_the_real_model_takes_about_what_is_estimated(
    eight_b: LlavaConfig, monkeypatch: pytest.MonkeyPatch, stage: int, micro_batch_size: int, checkpointing: bool
) -> None:
    """A micro-step forwards and backwards at the shape of 8 B, in bf16, on tensors without content."""
    monkeypatch.setitem(AttentionInterface._global_mapping, attention.NAME, attend_as_on_a_gpu)
    settings = [f"micro_batch_size={micro_batch_size}", f"activation_checkpointing={checkpointing}"]
    config = resolve(stage, None, settings)
    ids, learned = torch.full((config.pack_tokens,), 20), torch.zeros(config.pack_tokens, dtype=torch.bool)
    ids[: 4 * 576], learned[-1024:] = eight_b.image_token_index, True
    encoded = [Encoded(ids.numpy(), learned.numpy(), 4)] * micro_batch_size
    pixels = torch.zeros(4 * micro_batch_size, 3, 336, 336, dtype=torch.bfloat16)
    row = make_row(encoded, pixels, image_size=336, unreadable=[])
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        torch.set_default_dtype(torch.bfloat16)
        try:
            llava = LlavaForConditionalGeneration(eight_b).train()
        finally:
            torch.set_default_dtype(torch.float32)
        parts.set_trainable(llava, config.trainable)
        if checkpointing:
            llava.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        for parameter in llava.parameters():
            if parameter.requires_grad:  # ZeRO takes each gradient when it comes, and counts it by itself
                parameter.register_post_accumulate_grad_hook(lambda own: setattr(own, "grad", None))
        held = {name: mode.from_tensor(each) for name, each in vars(row).items() if isinstance(each, torch.Tensor)}
        with Live([*llava.parameters(), *llava.buffers(), *held.values()]) as live:
            PackedLlava(llava)(replace(row, **held))[0].backward()
        estimated = estimate.activation_bytes(llava, config, supervised=1024, images=4)
    assert 0.95 < estimated / live.peak < 1.25, (estimated, live.peak)


def test_unknown_gpu_gets_a_suggestion() -> None:
    with pytest.raises(UserError, match=r'--gpu H10: no peak known. Did you mean "H100"\?'):
        estimate.gpu_peak("H10")


@pytest.mark.parametrize(("taken", "fits"), [(112, True), ([112, 112], True), (336, False), ([112, 224], False)])
def test_images_of_another_size_than_the_encoder_takes_are_refused(taken: object, fits: bool) -> None:
    config = SimpleNamespace(vision_config=SimpleNamespace(image_size=taken))
    with contextlib.nullcontext() if fits else pytest.raises(UserError, match=r"crop_size .* is 112, and the vision"):
        require_size(Path("model"), config, 112)
