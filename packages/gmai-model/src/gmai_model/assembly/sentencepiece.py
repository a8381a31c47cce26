"""A sentencepiece BPE model ▶ the same tokenizer as a `tokenizer.json`, for models that ship no other (InternLM2)."""

import json
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

# InternLM2's chat and tool tokens take the place of unused pieces (its `chat_format.md`).
INTERNLM2_SLOTS = {
    "[UNUSED_TOKEN_146]": "<|im_start|>",
    "[UNUSED_TOKEN_145]": "<|im_end|>",
    "[UNUSED_TOKEN_144]": "<|action_start|>",
    "[UNUSED_TOKEN_143]": "<|action_end|>",
    "[UNUSED_TOKEN_142]": "<|interpreter|>",
    "[UNUSED_TOKEN_141]": "<|plugin|>",
}
# The next unused pieces downwards take ours, so that no id lies beyond the embedding and nothing is resized.
OUR_SLOTS = {
    "[UNUSED_TOKEN_140]": "<image>",
    "[UNUSED_TOKEN_139]": "<ref>",
    "[UNUSED_TOKEN_138]": "</ref>",
    "[UNUSED_TOKEN_137]": "<box>",
    "[UNUSED_TOKEN_136]": "</box>",
}


def convert(folder: Path) -> Tokenizer:
    """Return the tokenizer of `tokenizer.model`, every special token in its own slot.

    Args:
        folder: Holds `tokenizer.model` and, where special tokens differ from InternLM2's, a `tokenizer_config.json`
            whose `added_tokens_decoder` names them by id.

    Raises:
        UserError: sentencepiece is not installed, or the file is not a sentencepiece model.
    """
    try:
        import sentencepiece
    except ImportError as error:
        raise UserError(
            f"{folder}: the tokenizer comes as a sentencepiece model (tokenizer.model). Reading it needs the package "
            f"sentencepiece. Install it with `pip install 'gmai-model[convert]'`."
        ) from error
    path = folder / "tokenizer.model"
    try:
        source: Any = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path}: not a sentencepiece model. Download it again.") from error

    pieces: list[str] = [source.id_to_piece(number) for number in range(source.get_piece_size())]
    names = _special_names(folder, pieces)
    specials = set(names)
    for number, piece in enumerate(pieces):
        if source.is_control(number) or source.is_unknown(number):
            specials.add(number)
        pieces[number] = names.get(number, piece)
    vocab = {piece: number for number, piece in enumerate(pieces)}
    plain = {
        piece: source.get_score(number)
        for piece, number in vocab.items()
        if number not in specials and not source.is_byte(number) and not source.is_unused(number)
    }
    tokenizer = Tokenizer(
        models.BPE(vocab=vocab, merges=_merges(plain), unk_token=pieces[source.unk_id()], fuse_unk=True,
                   byte_fallback=True)
    )  # fmt: skip
    dummy_prefix = source.encode("a", out_type=str)[0].startswith("▁")
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace] if dummy_prefix else [replace])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        + ([decoders.Strip(content=" ", left=1)] if dummy_prefix else [])
    )
    tokenizer.add_special_tokens(
        [AddedToken(pieces[number], special=True, normalized=False) for number in sorted(specials)]
    )
    return tokenizer


def _special_names(folder: Path, pieces: list[str]) -> dict[int, str]:
    """Return id ▶ name of the special tokens that stand in for pieces of the model."""
    slots = {**INTERNLM2_SLOTS, **OUR_SLOTS}
    names = {number: slots[piece] for number, piece in enumerate(pieces) if piece in slots}
    config = folder / "tokenizer_config.json"
    if config.is_file():
        named: dict[str, Any] = json.loads(config.read_text("utf-8")).get("added_tokens_decoder", {})
        names |= {int(number): token["content"] for number, token in named.items() if int(number) < len(pieces)}
    return names


def _merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """Return the merges of a BPE model, first ones first: a piece's score says when it was made."""
    found: list[tuple[float, int, str, str]] = []
    for order, (piece, score) in enumerate(scores.items()):
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in scores and right in scores:
                found.append((-score, order, left, right))
    return [(left, right) for _, _, left, right in sorted(found, key=lambda merge: merge[:2])]
