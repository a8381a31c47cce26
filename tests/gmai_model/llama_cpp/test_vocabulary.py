"""Tokenizers of which llama.cpp would make others are refused by name."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly.templates import CHATML

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="install gmai-model[gguf]")
BYTES = {f"<0x{number:02X}>": number + 3 for number in range(256)}
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


def tokenizer(folder: Path, model: dict[str, Any] | None = None, **more: Any) -> Path:
    """Write a sentencepiece tokenizer with the tokens a, b, c, ab and abc."""
    vocabulary = {
        "<unk>": 0,
        "<s>": 1,
        "</s>": 2,
        **BYTES,
        "a": 259,
        "b": 260,
        "c": 261,
        "ab": 262,
        "abc": 263,
        "▁": 264,
    }
    own = {"type": "BPE", "byte_fallback": True, "unk_token": "<unk>", "vocab": vocabulary,
           "merges": [["a", "b"], ["ab", "c"]], **(model or {})}  # fmt: skip
    added = [
        {"id": n, "content": token, "special": True, "normalized": False}
        for n, token in enumerate(["<unk>", "<s>", "</s>"])
    ]
    added += [{"id": 265, "content": "<image>", "special": True, "normalized": False}]
    content = {"model": own, "added_tokens": added, "normalizer": REPLACE, "pre_tokenizer": None, **more}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})
    )
    (folder / "chat_template.jinja").write_text(CHATML)
    return folder


def test_scores_follow_the_merges_and_rows_without_a_token_have_a_name(tmp_path: Path) -> None:
    from gmai_model.llama_cpp.vocabulary import as_text, read_vocabulary

    found = read_vocabulary(tokenizer(tmp_path), 270)
    assert (found.model, found.pre, found.blank_first) == ("llama", "default", False)
    assert found.scores[262] > found.scores[263] > found.scores[259]
    assert found.tokens[266:] == ["[PAD266]", "[PAD267]", "[PAD268]", "[PAD269]"]
    assert [found.types[number].name for number in (0, 1, 3, 259, 265, 269)] == [
        "UNKNOWN", "CONTROL", "BYTE", "NORMAL", "CONTROL", "UNUSED",
    ]  # fmt: skip
    assert found.ids == {"bos": 1, "eos": 2, "unk": 0}
    assert as_text(found).startswith("266 tokens")


LSTRIP = [{"id": 1, "content": "<s>", "special": True, "lstrip": True}]


@pytest.mark.parametrize(
    ("model", "more", "what"),
    [
        ({"type": "Unigram"}, {}, "a tokenizer of kind Unigram"),
        ({"dropout": 0.1}, {}, "dropout of a tokenizer"),
        ({}, {"added_tokens": LSTRIP}, "lstrip of the token <s>"),
        ({"merges": [["a", "b"]]}, {}, "does not make 'abc' from each two of its parts"),
        ({"merges": [["a", "b"], ["ab", "c"], ["a", "b"]]}, {}, "makes 'ab' early and late"),
        ({}, {"normalizer": {"type": "NFKC"}}, "this treatment of blanks"),
        ({"byte_fallback": False}, {"normalizer": None}, "cuts words by nothing"),
    ],
)
def test_other_tokenizers(tmp_path: Path, model: dict[str, Any], more: dict[str, Any], what: str) -> None:
    from gmai_model.llama_cpp.vocabulary import read_vocabulary

    with pytest.raises(UserError, match=f"{what}.* cannot be exported to llama.cpp"):
        read_vocabulary(tokenizer(tmp_path, model, **more), 270)


def test_a_blank_before_the_first_word_alone_is_said(tmp_path: Path) -> None:
    from gmai_model.llama_cpp.vocabulary import read_vocabulary

    first = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    found = read_vocabulary(tokenizer(tmp_path, normalizer=None, pre_tokenizer=first), 270)
    assert "does not begin with a special token" in found.notes[0]
    (tmp_path / "chat_template.jinja").write_text(
        CHATML.removeprefix("{{ bos_token }}").replace("<|im_start|>", "From ")
    )
    with pytest.raises(UserError, match="a blank before the first word alone"):
        read_vocabulary(tmp_path, 270)


def test_too_few_rows_and_no_template(tmp_path: Path) -> None:
    from gmai_model.llama_cpp.vocabulary import read_vocabulary

    with pytest.raises(UserError, match="a token has the id 265, the embedding 260 rows"):
        read_vocabulary(tokenizer(tmp_path), 260)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match="no chat template"):
        read_vocabulary(tmp_path, 270)
