"""Rows: an image that does not decode leaves its sample out, by name, and nothing takes its place."""

from pathlib import Path

import numpy as np
from gmai_model.batching.collate import Collator
from gmai_model.batching.mixture import load_mixture
from gmai_model.batching.prepare import open_source
from gmai_model.batching.tokens import Encoder
from transformers import AutoProcessor


def test_unreadable_image_is_named_and_left_out(checkpoint: Path, broken_second_image: Path, tmp_path: Path) -> None:
    mixture, root = load_mixture(broken_second_image)
    source = open_source(mixture, root, stage=1, split="train", seed=0, cache=tmp_path / "cache")
    processor = AutoProcessor.from_pretrained(checkpoint)
    encoder = Encoder(processor.tokenizer, tokens_per_image=64, max_tokens=2048)
    collator = Collator(source, encoder, processor.image_processor, image_size=112)
    row = collator(np.arange(3))
    assert len(row.unreadable) == 1
    assert row.unreadable[0].startswith(f"{source[1].id}: ")
    assert len(row.cu_seq_lens) == 3
    assert row.pixel_values.shape == (2, 3, 112, 112)
    whole = collator(np.array([0, 2]))
    assert (row.input_ids == whole.input_ids).all()
    assert (row.targets == whole.targets).all()
