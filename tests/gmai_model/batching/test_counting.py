"""Counts are held to the tokens of the tokenizer itself, on texts drawn to be awkward."""

import json
from typing import Any

import numpy as np
import pytest
from gmai_model.batching.counting import TokenCounter
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2, LLAMA3 = rf"{_CONTRACTIONS}\p{{N}}{_REST}", rf"{_CONTRACTIONS}\p{{N}}{{1,3}}{_REST}"
PIECES = [
    "the", " lesion", " isn't", "It'S", " 12345", "7", ".", "...", "\n", "\n\n", "\r\n", " ", "   ", "\t", "\v", "\x1c",
    "\x00", "\x7f", "_", "a_b", "(x)", " --", "'", "<", "<image>", "<box>", "[[1, 2]]", "<|im_end|>", "https://a.b/c?d=e",
]  # fmt: skip


def _tokenizer(words: str | None) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words is None)
    tokenizer.pre_tokenizer = byte_level if words is None else pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(words), "isolated"), byte_level]
    )  # fmt: skip
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|im_start|>", "<|im_end|>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(["the lesion isn't the lesion 12345 ... \n\n https"] * 3, trainer)
    tokenizer.add_tokens([AddedToken("<box>", normalized=True, special=False)])
    return tokenizer


def _asked(tokenizer: Tokenizer, text: str, spans: list[tuple[int, int]], per_image: int) -> tuple[int, int]:
    encoding: Any = tokenizer.encode(text, add_special_tokens=False)
    marked = np.zeros(len(encoding.ids), bool)
    for begin, end in spans:
        marked[encoding.char_to_token(begin) : encoding.char_to_token(end - 1) + 1] = True
    weights = np.where(np.array(encoding.ids) == tokenizer.token_to_id("<image>"), per_image, 1)
    return int(weights.sum()), int(weights[marked].sum())


@pytest.mark.parametrize("words", [None, QWEN2, LLAMA3])
def test_texts_are_counted_as_they_are_tokenised(words: str | None) -> None:
    tokenizer = _tokenizer(words)
    count = TokenCounter(tokenizer, {"<image>": 9})
    generator = np.random.default_rng(0)
    counted = 0
    for _ in range(300):
        text = "".join(generator.choice(PIECES, generator.integers(1, 30)).tolist())
        edges = sorted({int(edge) for edge in generator.integers(0, len(text) + 1, 2 * generator.integers(1, 3))})
        spans = list(zip(edges[::2], edges[1::2], strict=False))
        found = count(text, spans)
        if found is not None:
            assert found == _asked(tokenizer, text, spans, 9)
            counted += 1
        assert count(text, []) == (_asked(tokenizer, text, [], 9)[0], 0)
    assert counted > 30  # the others have an edge in the middle of a word


def test_an_added_token_is_found_as_the_normalizer_leaves_it() -> None:
    tokenizer = _tokenizer(None)
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.add_tokens([AddedToken("\uff21\uff22", normalized=True, special=False)])  # AB of full width
    assert TokenCounter(tokenizer, {})("the AB is", []) == (_asked(tokenizer, "the AB is", [], 1)[0], 0)


def test_only_the_tokenizer_says_what_is_not_ascii_or_begins_in_a_word() -> None:
    count = TokenCounter(_tokenizer(None), {})
    assert count("the lesion", [(0, 3)]) is not None
    assert count("the lesion", [(1, 3)]) is None
    assert count("the lésion", []) is None
    assert count("the lesion", [(3, 10), (0, 3)]) is None


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": {"type": "Lowercase"}},
        {"pre_tokenizer": None},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"\s+|\S+"}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        ]}},
    ],
)  # fmt: skip
def test_tokenizers_of_another_kind_are_not_counted(change: dict[str, Any]) -> None:
    other = Tokenizer.from_str(json.dumps(json.loads(_tokenizer(None).to_str()) | change))
    assert TokenCounter(other, {})("the lesion", []) is None


def test_a_token_that_takes_blanks_beside_it_is_left_to_the_tokenizer() -> None:
    tokenizer = _tokenizer(None)
    tokenizer.add_special_tokens([AddedToken("<sep>", lstrip=True, normalized=False)])
    count = TokenCounter(tokenizer, {})
    assert count("the <sep>", []) is None
    assert count("the lesion", []) == (len(tokenizer.encode("the lesion").ids), 0)
