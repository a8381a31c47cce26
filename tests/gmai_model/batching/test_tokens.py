"""Tokens: answers marked, images expanded, unusable samples named."""

from pathlib import Path

import pytest
from gmai_model.batching.samples import Sample
from gmai_model.batching.tokens import Encoder, Rejected
from transformers import AutoTokenizer

QUESTION = {"role": "user", "content": "<image>\nWhich shape is shown?"}
ANSWER = {"role": "assistant", "content": "A red circle."}
LONG_WITH_IMAGE = {"role": "user", "content": "<image>" + "x " * 99}


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path):
    return AutoTokenizer.from_pretrained(checkpoint)


def test_supervised_tokens_are_the_answer_and_its_end(tokenizer) -> None:
    encoded = Encoder(tokenizer, tokens_per_image=4, max_tokens=100)(Sample("a", [QUESTION, ANSWER], [b""]))
    assert tokenizer.decode(encoded.input_ids[encoded.supervised]) == "A red circle.<|im_end|>"
    assert (encoded.input_ids == tokenizer.convert_tokens_to_ids("<image>")).sum() == 4
    assert encoded.n_images == 1
    assert encoded.cut_turns == 0


def test_long_sample_loses_whole_turns_at_its_end(tokenizer) -> None:
    messages = [
        QUESTION,
        ANSWER,
        {"role": "user", "content": "And? " * 30},
        {"role": "assistant", "content": "Red. " * 30},
    ]
    encoded = Encoder(tokenizer, tokens_per_image=4, max_tokens=60)(Sample("a", messages, [b""]))
    assert encoded.cut_turns == 2
    assert tokenizer.decode(encoded.input_ids[encoded.supervised]) == "A red circle.<|im_end|>"


@pytest.mark.parametrize(
    ("messages", "images", "reason"),
    [
        ([QUESTION, ANSWER], 2, "number of <image> placeholders differs"),
        ([QUESTION], 1, "no assistant text"),
        ([{"role": "user", "content": "a<|im_end|>b"}, ANSWER], 0, "turn mark"),
        ([{"role": "user", "content": "word " * 300}, ANSWER], 0, "longer than a pack"),
        ([{"role": "user", "content": "Hello."}, ANSWER, LONG_WITH_IMAGE, ANSWER], 1, "lose an image"),
    ],
)  # fmt: skip
def test_unusable_sample_is_rejected_with_its_reason(tokenizer, messages, images, reason) -> None:
    with pytest.raises(Rejected, match=reason):
        Encoder(tokenizer, tokens_per_image=4, max_tokens=60)(Sample("a", messages, [b""] * images))
