"""A sentencepiece model ▶ the same tokenizer as a `tokenizer.json`, for models that ship no other (InternLM2)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from gmai_formats.json_text import read_json_object
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

# InternLM2's chat and tool tokens take the place of unused pieces (its `chat_format.md`).
INTERNLM2_SLOTS = {
    "[UNUSED_TOKEN_146]": "<|im_start|>",
    "[UNUSED_TOKEN_145]": "<|im_end|>",
    "[UNUSED_TOKEN_144]": "<|action_start|>",
    "[UNUSED_TOKEN_143]": "<|action_end|>",
    "[UNUSED_TOKEN_142]": "<|interpreter|>",
    "[UNUSED_TOKEN_141]": "<|plugin|>",
}
_UNIGRAM, _BPE = 1, 2
"""`TrainerSpec.ModelType` (sentencepiece_model.proto)."""


def convert(folder: Path) -> tuple[Tokenizer, Callable[[str], list[int]]]:
    """Return the tokenizer of `tokenizer.model`, every special token in its own slot, and sentencepiece's own one.

    `proof.prove` holds the two to the same tokens.

    Args:
        folder: Holds `tokenizer.model` and, where special tokens differ from InternLM2's, a `tokenizer_config.json`
            whose `added_tokens_decoder` names them by id.

    Raises:
        UserError: sentencepiece is not installed, the file is not a sentencepiece model, or one by words or characters.
    """
    try:
        import sentencepiece
        from sentencepiece import sentencepiece_model_pb2
    except ImportError as error:
        raise UserError(
            f"{folder}: the tokenizer comes as a sentencepiece model (tokenizer.model). Reading it needs the packages "
            f"sentencepiece and protobuf. Install them with `{pip_install('gmai-model[convert]')}`."
        ) from error
    path = folder / "tokenizer.model"
    proto: Any = sentencepiece_model_pb2.ModelProto()  # pyright: ignore[reportAttributeAccessIssue]
    try:
        source: Any = sentencepiece.SentencePieceProcessor(model_file=str(path))
        proto.ParseFromString(path.read_bytes())
    except Exception as error:  # of protobuf's own kind beside OSError and RuntimeError
        raise UserError(f"{path}: not a sentencepiece model. Download it again.") from error
    kind = proto.trainer_spec.model_type
    if kind not in {_UNIGRAM, _BPE} or proto.trainer_spec.treat_whitespace_as_suffix:
        raise UserError(
            f"{path}: a sentencepiece tokenizer of a kind (model_type {kind}) that tokenizer.json cannot hold. "
            f"It must be of kind bpe or unigram. Use a model that ships a tokenizer.json."
        )
    pieces: list[str] = [source.id_to_piece(number) for number in range(source.get_piece_size())]
    names, plain = _names(folder, pieces)
    special = (set(names) - plain) | {n for n in range(len(pieces)) if source.is_control(n) or source.is_unknown(n)}
    pieces = [names.get(number, piece) for number, piece in enumerate(pieces)]
    user_defined = {n for n, piece in enumerate(proto.pieces) if piece.type == piece.USER_DEFINED}
    whole = sorted((user_defined | plain) - special)
    scores = [(piece, source.get_score(number)) for number, piece in enumerate(pieces)]
    if kind == _BPE:
        tokenizer = Tokenizer(_bpe(source, pieces, special | set(whole)))
    else:
        bytes_known = any(source.is_byte(number) for number in range(len(pieces)))
        tokenizer = Tokenizer(models.Unigram(scores, source.unk_id(), bytes_known))  # pyright: ignore[reportCallIssue]
    _prepare(tokenizer, proto, unigram=kind == _UNIGRAM)
    tokenizer.add_special_tokens(
        [AddedToken(pieces[number], special=True, normalized=False) for number in sorted(special)]
    )
    tokenizer.add_tokens([AddedToken(pieces[n], special=False, normalized="▁" in pieces[n]) for n in whole])
    return tokenizer, lambda text: list(source.encode(text))


def _bpe(source: Any, pieces: list[str], kept_whole: set[int]) -> models.BPE:
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    plain = {
        piece: source.get_score(number)
        for piece, number in vocabulary.items()
        if number not in kept_whole and not source.is_byte(number) and not source.is_unused(number)
    }
    return models.BPE(
        vocab=vocabulary, merges=_merges(plain), unk_token=pieces[source.unk_id()], fuse_unk=True,
        byte_fallback=any(source.is_byte(number) for number in range(len(pieces))),
    )  # fmt: skip


def _prepare(tokenizer: Tokenizer, proto: Any, *, unigram: bool) -> None:
    """Set what happens before and after: sentencepiece's normalisation rule, its blanks, its first blank."""
    rule = proto.normalizer_spec
    steps: list[Any] = []
    if rule.precompiled_charsmap:
        steps.append(normalizers.Precompiled(rule.precompiled_charsmap))
    if rule.remove_extra_whitespaces:
        steps += [normalizers.Strip(left=True, right=True), normalizers.Replace(Regex(" {2,}"), " ")]
    steps += [normalizers.Prepend("▁")] if rule.add_dummy_prefix else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    if unigram:
        tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        + ([decoders.Strip(content=" ", left=1)] if rule.add_dummy_prefix else [])
    )


def _names(folder: Path, pieces: list[str]) -> tuple[dict[int, str], set[int]]:
    """Return id ▶ name of the tokens that stand in for pieces of the model, and which of them are no special ones."""
    names = {number: INTERNLM2_SLOTS[piece] for number, piece in enumerate(pieces) if piece in INTERNLM2_SLOTS}
    plain = set[int]()
    config = folder / "tokenizer_config.json"
    if config.is_file():
        named: dict[str, Any] = read_json_object(config, remedy="Download the model again.").get(
            "added_tokens_decoder", {}
        )
        own = {int(number): token for number, token in named.items() if int(number) < len(pieces)}
        names |= {number: token["content"] for number, token in own.items()}
        plain = {number for number, token in own.items() if not token.get("special", True)}
    return names, plain


def _merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """Return the merges of a BPE model, first ones first: a piece's score says when it was made."""
    found: list[tuple[float, int, str, str]] = []
    for order, (piece, score) in enumerate(scores.items()):
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in scores and right in scores:
                found.append((-score, order, left, right))
    return [(left, right) for _, _, left, right in sorted(found, key=lambda merge: merge[:2])]
