"""Packed rows against the stock model, sample by sample: logits, gradients, and the trap of stock packing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch._dynamo.utils
from gmai_formats.rows.mixtures import load_mixture
from gmai_model import attention
from gmai_model.batching.collate import Collator, Row
from gmai_model.batching.prepare import open_source
from gmai_model.batching.tokens import Encoder
from gmai_model.packed import PackedLlava, compile_layers
from gmai_model.training.callbacks.callback import Totals
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.nn.functional import cross_entropy
from transformers import (
    AttentionInterface,
    AutoProcessor,
    DataCollatorWithFlattening,
    LlavaForConditionalGeneration,
    Trainer,
    TrainingArguments,
)

NUMBERS = np.array([0, 3, 1, 2, 7])
"""Samples 3 and 7 have no image."""


@pytest.fixture(scope="module")
def collator(checkpoint: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Collator:
    mixture, root = load_mixture(samples)
    source = open_source(mixture, root, stage=1, split="train", seed=0, cache=tmp_path_factory.mktemp("cache"))
    processor = AutoProcessor.from_pretrained(checkpoint)
    encoder = Encoder(processor.tokenizer, tokens_per_image=64, max_tokens=2048)
    return Collator(source, encoder, processor.image_processor, image_size=112)


def load(checkpoint: Path) -> LlavaForConditionalGeneration:
    return LlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="sdpa")


def separate_logits(model: LlavaForConditionalGeneration, rows: list[Row]) -> torch.Tensor:
    logits = [
        model(input_ids=row.input_ids, pixel_values=row.pixels if row.has_images else None).logits[0] for row in rows
    ]
    return torch.cat(logits)


def test_packed_logits_equal_separate_logits(checkpoint: Path, collator: Collator) -> None:
    together = collator(NUMBERS)
    alone = [collator(NUMBERS[i : i + 1]) for i in range(len(NUMBERS))]
    with torch.no_grad():
        expected = separate_logits(load(checkpoint), alone)
        found = PackedLlava(load(checkpoint)).logits(together, everywhere=True)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5


def test_isolation_does_not_depend_on_the_cache_setting(checkpoint: Path, collator: Collator) -> None:
    model = load(checkpoint)
    model.config.text_config.use_cache = True
    together = collator(NUMBERS)
    with torch.no_grad():
        expected = separate_logits(load(checkpoint), [collator(NUMBERS[i : i + 1]) for i in range(len(NUMBERS))])
        found = PackedLlava(model).logits(together, everywhere=True)
    assert (found - expected).abs().max() < 1e-5


def test_packed_gradients_equal_separate_gradients(checkpoint: Path, collator: Collator) -> None:
    packed = PackedLlava(load(checkpoint))
    packed(collator(NUMBERS))[0].backward()
    stock = load(checkpoint)
    for i in range(len(NUMBERS)):
        row = collator(NUMBERS[i : i + 1])
        logits = stock(input_ids=row.input_ids, pixel_values=row.pixels if row.has_images else None).logits[0]
        cross_entropy(logits[row.predicts], row.targets, reduction="sum").backward()
    expected = dict(stock.named_parameters())
    for name, parameter in packed.llava.named_parameters():
        gradient = expected[name].grad
        if gradient is None:
            assert parameter.grad is None, name
            continue
        assert parameter.grad is not None, name
        assert (parameter.grad - gradient).abs().max() <= 2e-5 * max(1.0, float(gradient.abs().max())), name


def test_loss_counts_answers_and_turn_ends_only(checkpoint: Path, collator: Collator) -> None:
    row = collator(np.array([0]))
    tokenizer = AutoProcessor.from_pretrained(checkpoint).tokenizer
    text = tokenizer.decode(row.targets)
    assert text.count("<|im_end|>") == 2
    assert "Which" not in text
    assert "<image>" not in text


def test_stock_packed_call_contaminates(checkpoint: Path, collator: Collator) -> None:
    """Position ids that restart do not isolate samples in transformers while the cache is left on."""
    together = collator(NUMBERS)
    with torch.no_grad():
        expected = separate_logits(load(checkpoint), [collator(NUMBERS[i : i + 1]) for i in range(len(NUMBERS))])
        stock = load(checkpoint)(
            input_ids=together.input_ids, pixel_values=together.pixels, position_ids=together.position_ids
        ).logits[0]
    first = int(together.cu_seq_lens[1])
    assert (stock[:first] - expected[:first]).abs().max() < 1e-5
    assert (stock[first:] - expected[first:]).abs().max() > 1e-3


def test_hf_trainer_with_the_stock_flattening_collator_contaminates(
    checkpoint: Path, collator: Collator, tmp_path: Path
) -> None:
    """What users would otherwise pick: both from transformers, on a LLaVA, under SDPA."""
    texts = [collator(np.array([number])) for number in (3, 7, 11)]  # the collator drops images, so none has one
    data = [{"input_ids": row.input_ids[0].tolist(), "labels": row.input_ids[0].tolist()} for row in texts]
    trainer = Trainer(
        load(checkpoint),
        TrainingArguments(str(tmp_path), use_cpu=True, report_to=[]),
        data_collator=DataCollatorWithFlattening(),
    )
    batch = trainer.data_collator(data)
    _, stock, _ = trainer.prediction_step(trainer.model, dict(batch), prediction_loss_only=False)
    with torch.no_grad():
        expected = separate_logits(load(checkpoint), texts)
        ours = PackedLlava(load(checkpoint)).logits(collator(np.array([3, 7, 11])), everywhere=True)
    first = len(data[0]["input_ids"])
    assert (stock[0][:first] - expected[:first]).abs().max() < 1e-5
    assert (stock[0][first:] - expected[first:]).abs().max() > 1e-3
    assert (ours - expected).abs().max() < 1e-5


def test_bytes_that_become_numbers_on_the_device_give_the_same_loss_and_gradients(
    checkpoint: Path, collator: Collator
) -> None:
    row = collator(NUMBERS)
    assert row.pixel_values.dtype == torch.uint8
    packed = PackedLlava(load(checkpoint))
    found: list[list[torch.Tensor]] = []
    for each in (row, replace(row, pixel_values=row.pixels, pixel_table=None)):
        loss, _ = packed(each.to(torch.device("cpu")))
        found.append([loss.detach(), *torch.autograd.grad(loss, list(packed.parameters()), allow_unused=True)])
    for mine, other in zip(*found, strict=True):
        assert (mine is None and other is None) or torch.equal(mine, other)


def test_nothing_in_a_micro_step_waits_for_the_device(
    checkpoint: Path, collator: Collator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On tensors without content a question about it (`.item()`, a mask as an index, `if`) is an error."""

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        return query + (key.sum() + value.sum()).to(query.dtype)

    def as_on_a_gpu(module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any) -> Any:
        return attend(query[0].transpose(0, 1), key, value)[None], None

    row = collator(NUMBERS)
    monkeypatch.setitem(AttentionInterface._global_mapping, attention.NAME, as_on_a_gpu)
    packed = PackedLlava(load(checkpoint))
    packed.llava.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        for module in packed.modules():
            for name, parameter in [*module.named_parameters(recurse=False)]:
                setattr(module, name, torch.nn.Parameter(mode.from_tensor(parameter.detach())))
            for name, buffer in [*module.named_buffers(recurse=False)]:
                module.register_buffer(name, mode.from_tensor(buffer))
        held = {name: mode.from_tensor(each) for name, each in vars(row).items() if isinstance(each, torch.Tensor)}
        fake = replace(row, **held)
        loss, of_targets = packed(fake)
        totals = Totals(2, torch.device("cpu"))
        totals.add(loss, of_targets, fake)
        loss.backward()
        with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
            float(loss.detach())
        with pytest.raises(DynamicOutputShapeException):
            fake.input_ids[fake.input_ids > 3]


def test_a_compiled_layer_computes_the_same_under_the_same_names(checkpoint: Path, collator: Collator) -> None:
    row = collator(NUMBERS)
    plain, compiled = PackedLlava(load(checkpoint)), PackedLlava(load(checkpoint))
    compiled.llava.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    compiled.llava.train()
    compile_layers(compiled.llava, backend="eager")
    for each in (plain, compiled):
        each(row)[0].backward()
    assert torch._dynamo.utils.counters["frames"]["ok"] > 0
    for (name, one), (same, other) in zip(plain.named_parameters(), compiled.named_parameters(), strict=True):
        assert name == same
        assert one.grad is None if other.grad is None else torch.equal(one.grad, other.grad)


def test_row_without_images_still_reaches_every_parameter(checkpoint: Path, collator: Collator) -> None:
    packed = PackedLlava(load(checkpoint))
    packed(collator(np.array([3])))[0].backward()
    projector = packed.llava.model.multi_modal_projector
    assert all(p.grad is not None and not p.grad.any() for p in projector.parameters())


def test_empty_row_has_loss_zero_and_a_gradient_everywhere(checkpoint: Path, collator: Collator) -> None:
    packed = PackedLlava(load(checkpoint))
    loss, of_targets = packed(collator(np.empty(0, dtype=np.int64)))
    loss.backward()
    assert loss.item() == 0.0
    assert of_targets.shape == (0,)
    assert packed.llava.lm_head.weight.grad is not None


def test_attention_without_boundaries_is_refused(checkpoint: Path, collator: Collator) -> None:
    packed = PackedLlava(load(checkpoint))
    with pytest.raises(ValueError, match="cu_seq_lens_q"):
        packed.llava(input_ids=collator(np.array([3])).input_ids)


def test_the_loss_is_the_cross_entropy_to_the_bit_and_each_target_has_its_share(
    checkpoint: Path, collator: Collator
) -> None:
    packed = PackedLlava(load(checkpoint))
    row = collator(np.array([3, 7, 11, 1]))
    loss, of_targets = packed(row)
    expected = cross_entropy(packed.logits(row).float(), row.targets, reduction="sum")
    assert torch.equal(loss, expected)
    assert not of_targets.requires_grad
    torch.testing.assert_close(of_targets.sum(), loss.detach())
    (mine,) = torch.autograd.grad(loss, packed.llava.lm_head.weight)
    (stock,) = torch.autograd.grad(expected, packed.llava.lm_head.weight)
    assert torch.equal(mine, stock)
