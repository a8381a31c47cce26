"""Rows: an image that does not decode leaves its sample out, by name, and nothing takes its place."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gmai_formats import limits
from gmai_formats.rows.mixtures import load_mixture
from gmai_model.batching.collate import Collator, decode_image, make_row
from gmai_model.batching.prepare import open_source
from gmai_model.batching.samples import Sample, SampleSource
from gmai_model.batching.tokens import Encoder
from PIL import Image
from transformers import AutoProcessor


def source_and_collator(checkpoint: Path, samples: Path, tmp_path: Path) -> tuple[SampleSource, Collator]:
    mixture, root = load_mixture(samples)
    source = open_source(mixture, root, stage=1, split="train", seed=0, cache=tmp_path / "cache")
    processor = AutoProcessor.from_pretrained(checkpoint)
    encoder = Encoder(processor.tokenizer, tokens_per_image=64, max_tokens=2048)
    return source, Collator(source, encoder, processor.image_processor, image_size=112)


def test_unreadable_image_is_named_and_left_out(checkpoint: Path, broken_second_image: Path, tmp_path: Path) -> None:
    source, collator = source_and_collator(checkpoint, broken_second_image, tmp_path)
    row = collator(np.arange(3))
    assert len(row.unreadable) == 1
    assert row.unreadable[0].startswith(f"{source[1].id}: ")
    assert len(row.cu_seq_lens) == 3
    assert row.pixel_values.shape == (2, 3, 112, 112)
    whole = collator(np.array([0, 2]))
    assert (row.input_ids == whole.input_ids).all()
    assert (row.targets == whole.targets).all()


def test_a_sample_that_is_refused_since_it_was_planned_is_named_and_left_out(
    checkpoint: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, collator = source_and_collator(checkpoint, samples, tmp_path)
    whole = collator(np.array([0, 2]))
    read = SampleSource.__getitem__

    def refused(source: SampleSource, number: int) -> Sample:
        found = read(source, number)
        return replace(found, problem="fields: `x` is not read") if number == 1 else found

    monkeypatch.setattr(SampleSource, "__getitem__", refused)
    row = collator(np.arange(3))
    assert row.unreadable == [f"{source[1].id}: fields: `x` is not read"]
    assert (row.input_ids == whole.input_ids).all()


def test_a_row_goes_to_a_gpu_from_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, bool]] = []

    def pinned(tensor: torch.Tensor) -> torch.Tensor:
        done.append(("pinned", False))
        return tensor

    def moved(tensor: torch.Tensor, device: torch.device, *, non_blocking: bool) -> torch.Tensor:
        done.append((device.type, non_blocking))
        return tensor

    row = make_row([], None, image_size=4, unreadable=[])
    monkeypatch.setattr(torch.Tensor, "pin_memory", pinned)
    monkeypatch.setattr(torch.Tensor, "to", moved)
    row.to(torch.device("cuda"))
    count = sum(isinstance(value, torch.Tensor) for value in vars(row).values())
    assert done == [("pinned", False)] * count + [("cuda", True)] * count


def test_sixteen_bit_image_is_spread_and_not_turned_white() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32)).save(buffer, "PNG")
    shown = np.asarray(decode_image(buffer.getvalue(), keep_grey=True))
    assert 120 < shown.mean() < 135


def test_grey_and_palette_images_become_rgb() -> None:
    for mode, kept in (("L", "L"), ("P", "RGB"), ("RGBA", "RGB"), ("1", "L")):
        buffer = io.BytesIO()
        Image.new(mode, (4, 4)).save(buffer, "PNG")
        assert decode_image(buffer.getvalue()).mode == "RGB"
        assert decode_image(buffer.getvalue(), keep_grey=True).mode == kept


def test_a_process_that_may_be_lost_says_what_it_reads_and_a_harmful_sample_is_left_out(
    checkpoint: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, collator = source_and_collator(checkpoint, samples, tmp_path)
    numbers = np.array([number for number in range(8) if source[number].images][:3])
    expected = collator(numbers)
    noted: list[tuple[int, bool]] = []
    collator.work_apart(lambda number: noted.append((number, limits.is_limited())))
    found = collator(numbers)
    assert (found.pixel_values == expected.pixel_values).all()
    assert noted == [each for number in numbers for each in ((number, False), (-1, False))]
    collator.harmful[int(numbers[1])] = "the decoder crashed: its process ended: early"
    assert collator(numbers).unreadable == [f"{source[int(numbers[1])].id}: {collator.harmful[int(numbers[1])]}"]
    monkeypatch.setattr("gmai_model.batching.collate.read_picture", _without_memory)
    assert [line.split(": ")[1] for line in collator(numbers[:1]).unreadable] == [limits.TOO_MUCH]
    assert not limits.is_limited()


def _without_memory(content: bytes) -> None:
    raise MemoryError
