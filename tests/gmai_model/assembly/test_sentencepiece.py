"""sentencepiece ▶ tokenizer.json: the same ids on every kind of text, special tokens inside the vocabulary."""

import io
import json
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly import sentencepiece as ours
from gmai_model.assembly.tokenizer import load_tokenizer

spm = pytest.importorskip("sentencepiece", reason="install gmai-model[convert]")

CORPUS = [
    "The CT image shows the liver and the left kidney.",
    "Which imaging modality is this? Answer with one of the options.",
    "该CT图像显示肝脏与左肾。请从选项中选择一个作答。",
    "def window(level, width):\n    return level - width / 2, level + width / 2\n",
    "HU = slope * pixel + intercept;  W/L 400/40",
] * 20
TEXTS = [
    *CORPUS[:5],
    "a", " a", "  two  spaces ", "\n\n\ttabs\n", "",
    "🫀 heart, naïve café, Ω≈ç√", "肝脏 liver 混合", "x" * 70, "µ\u200b\u3000全角",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained with InternLM2's documented settings, and as many unused pieces."""
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, model_type="bpe", vocab_size=580, byte_fallback=True,
        add_dummy_prefix=False, remove_extra_whitespaces=False, normalization_rule_name="identity",
        split_digits=True, character_coverage=0.999, minloglevel=2, num_threads=1,
        user_defined_symbols=[f"[UNUSED_TOKEN_{number}]" for number in range(136, 147)],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("spm")
    (path / "tokenizer.model").write_bytes(model.getvalue())
    return path


@pytest.mark.parametrize("text", TEXTS)
def test_same_ids_as_sentencepiece(folder: Path, text: str) -> None:
    reference = spm.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    tokenizer, source = ours.convert(folder)
    assert tokenizer.encode(text, add_special_tokens=False).ids == reference.encode(text) == source(text)


def test_special_tokens_take_unused_slots(folder: Path) -> None:
    reference = spm.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    size = reference.get_piece_size()
    tokenizer = load_tokenizer(folder, config={}, rows=size).tokenizer
    assert len(tokenizer) == size
    ours_in_order = ("<image>", "<ref>", "</ref>", "<box>", "</box>")
    our_slots = {f"[UNUSED_TOKEN_{140 - number}]": name for number, name in enumerate(ours_in_order)}
    for slot, name in {**ours.INTERNLM2_SLOTS, **our_slots}.items():
        assert tokenizer.convert_tokens_to_ids(name) == reference.piece_to_id(slot)
    ids = tokenizer("<|im_start|>user\n<image>\nhello<|im_end|>")["input_ids"]
    assert ids[0] == reference.piece_to_id("[UNUSED_TOKEN_146]")
    assert reference.piece_to_id("[UNUSED_TOKEN_140]") in ids
    assert tokenizer.decode(tokenizer("肝脏 liver  ok")["input_ids"]) == "肝脏 liver  ok"


def test_tokens_of_the_settings_that_are_no_special_ones_stay_in_the_text(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes((folder / "tokenizer.model").read_bytes())
    number = spm.SentencePieceProcessor(model_file=str(folder / "tokenizer.model")).piece_to_id("[UNUSED_TOKEN_136]")
    named = {str(number): {"content": "<finding>", "special": False}, "2": {"content": "</s>", "special": True}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": named}))
    tokenizer, _ = ours.convert(tmp_path)
    ids = tokenizer.encode("a <finding> here</s>", add_special_tokens=False).ids
    assert number in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a <finding> here"


def test_broken_model_file(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UserError, match="not a sentencepiece model"):
        ours.convert(tmp_path)
