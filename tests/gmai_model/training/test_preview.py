from types import SimpleNamespace

import numpy as np
import pytest
from gmai_model.batching.tokens import Encoded
from gmai_model.training.preview import show, spans

IMAGE = 9
TOKENIZER = SimpleNamespace(
    convert_tokens_to_ids=lambda token: {"<image>": IMAGE}[token],
    decode=lambda ids: "".join("abcdefgh"[i] for i in ids),
)


def encoded(ids: list[int], learned: list[int]) -> Encoded:
    return Encoded(np.array(ids, np.int32), np.array(learned, bool), n_images=1)


def test_a_sample_is_cut_where_learning_begins_and_ends() -> None:
    assert spans(encoded([0, 1, 2, 3, 4], [0, 0, 1, 1, 0]), TOKENIZER) == [("ab", False), ("cd", True), ("e", False)]
    assert spans(encoded([0, 1], [1, 1]), TOKENIZER) == [("ab", True)]


def test_the_tokens_of_an_image_are_counted() -> None:
    sample = encoded([0, IMAGE, IMAGE, IMAGE, 1, IMAGE, 2], [0, 0, 0, 0, 0, 0, 1])
    assert spans(sample, TOKENIZER) == [("a<image>×3b<image>×1", False), ("c", True)]


def test_without_colour_what_is_learned_stands_in_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    show("s[1]", encoded([0, 1, 2], [1, 0, 1]), TOKENIZER)
    assert capsys.readouterr().out == "\ns[1]: 3 tokens, 1 learned\n⟦a⟧b⟦c⟧\n"
