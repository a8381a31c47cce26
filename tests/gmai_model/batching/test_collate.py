"""Rows: an image that does not decode leaves its sample out, by name, and nothing takes its place."""

import io
from pathlib import Path

import numpy as np
from gmai_formats.rows.mixtures import load_mixture
from gmai_model.batching.collate import Collator, decode_image
from gmai_model.batching.prepare import open_source
from gmai_model.batching.tokens import Encoder
from PIL import Image
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
