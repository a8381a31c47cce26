"""What tokenizer and generation settings must say: one id a token in every file, ends that end, room for an image."""

import re
from collections.abc import Iterator
from typing import Any, cast

import transformers
from tokenizers import Tokenizer

from gmai_model.assembly.tokenizer import PLAIN, REGION_TOKENS, altered
from gmai_model.checking.files import Files

_SHORTEST = 8
_BYTE = re.compile("<0x[0-9A-F]{2}>")
_MOST_UNMADE = 0.3
"""Some vocabularies have pieces in store that no merge makes."""
_FORCING = {
    "suppress_tokens": "tokens that no answer may have", "bad_words_ids": "words that no answer may have",
    "forced_bos_token_id": "with which every answer begins", "forced_eos_token_id": "with which every answer ends",
    "begin_suppress_tokens": "tokens with which no answer may begin", "sequence_bias": "words that are favoured",
    "exponential_decay_length_penalty": "after which answers are pressed to end",
    "stop_strings": "texts at which every answer ends", "max_time": "seconds after which an answer ends",
    "forced_decoder_ids": "tokens that every answer has", "min_new_tokens": "before which no answer ends",
    "min_length": "before which no answer ends",
}  # fmt: skip
"""Settings that put tokens into an answer, or keep them out, whatever the model says; no LLaVA has one."""
_SANE = {
    "temperature": (0, 2, "1.0"), "top_p": (0, 1, "1.0"), "min_p": (0, 1, "0"), "typical_p": (0, 1, "1.0"),
    "encoder_repetition_penalty": (1, 1, "1.0"), "guidance_scale": (1, 1, "1.0"), "num_return_sequences": (1, 1, "1"),
    "num_beam_groups": (1, 1, "1"),
}  # fmt: skip
"""Setting ▶ least, most, and what changes nothing."""


def check_tokens(files: Files) -> Iterator[str]:
    """Yield what is off in the tokenizer's files, one line each."""
    config = files.tokenizer
    if not files.has("tokenizer.json"):
        yield "tokenizer.json is missing. Copy that of the language model, or assemble the checkpoint again"
        return
    if not files.has("tokenizer_config.json"):
        yield (
            "tokenizer_config.json is missing, which names the tokenizer's class, end token and chat template to "
            "transformers 4.x. Copy that of the checkpoint, or assemble it again"
        )
        return
    if config.get("tokenizer_class") == "TokenizersBackend":
        yield (
            "tokenizer_config.json: tokenizer_class TokenizersBackend does not exist before transformers 5. "
            "Write PreTrainedTokenizerFast"
        )
    elif (kind := config.get("tokenizer_class")) and not hasattr(transformers, str(kind)):
        yield (
            f"tokenizer_config.json: tokenizer_class {kind} is none of transformers. Write PreTrainedTokenizerFast, "
            "which takes tokenizer.json as it is"
        )
    if isinstance(config.get("extra_special_tokens"), list):
        yield (
            "tokenizer_config.json: extra_special_tokens is a list, which transformers 4.x does not open. Write an "
            "object"
        )
    plain = config.get("tokenizer_class") in {None, "PreTrainedTokenizerFast", "TokenizersBackend"}
    if plain and "token_type_ids" in config.get("model_input_names", ["token_type_ids"]):
        yield (
            "tokenizer_config.json: no model_input_names; 4.x then makes token_type_ids, which stop generate(). Write "
            '["input_ids", "attention_mask"]'
        )
    try:
        tokenizer = Tokenizer.from_file(str(files.folder / "tokenizer.json"))
    except Exception as error:  # the library raises plain Exception
        yield f"tokenizer.json: not readable ({str(error)[:150]}). Write or download it again"
        return
    rows = files.text.get("vocab_size")
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values())
    if files.sized and rows is not None and highest >= rows:
        yield (
            f"tokenizer.json: id {highest} lies beyond the embedding's {rows} rows. Restore the tokenizer that it "
            "was trained with"
        )
    yield from _special_tokens(files, tokenizer)
    if dropout := (files.read("tokenizer.json").get("model") or {}).get("dropout"):
        yield f"tokenizer.json: dropout is {dropout}, which draws other tokens each time. Write null"
    if tokenizer.truncation and files.features and tokenizer.truncation["max_length"] <= files.features:
        yield (
            f"tokenizer.json: truncation to {tokenizer.truncation['max_length']} tokens, an image alone takes "
            f"{files.features}. Write null"
        )
    if unmade := _unmade(files):
        yield f"tokenizer.json: {unmade}, so that texts fall apart. Restore the one that it was trained with"
    elif twice := _on_a_piece(files):
        yield f"tokenizer.json: {twice}, so that one of them is never read. Restore the one that it was trained with"
    elif (text := altered(tokenizer)) is not None:
        yield (
            f"tokenizer.json: {PLAIN!r} becomes {text[:60]!r} when taken apart and put together. Restore the one "
            "that it was trained with"
        )
    most = files.tokenizer.get("model_max_length")
    if files.features and isinstance(most, int | float) and most <= files.features:
        yield (
            f"tokenizer_config.json: model_max_length is {most:,}, an image alone takes {files.features}. Write the "
            "positions that the language model has"
        )


def _special_tokens(files: Files, tokenizer: Tokenizer) -> Iterator[str]:
    rows, config = files.text.get("vocab_size"), files.tokenizer
    added: dict[str, Any] = config.get("added_tokens_decoder") or {}
    named = {str(token.get("content")): int(number) for number, token in added.items() if str(number).isdigit()}
    beside = files.read("added_tokens.json")
    for name, found in (("tokenizer_config.json", named), ("added_tokens.json", beside)):
        for token, number in found.items():
            here, there = tokenizer.token_to_id(token), tokenizer.id_to_token(number)
            if (here is None and there is None and (rows is None or number < rows)) or here == number:
                continue
            yield (
                f"{name}: {token} is {number}, in tokenizer.json "
                + (f"it is {here}" if here is not None else f"that is {there or 'no token'}")
                + ". Restore the one that it was trained with"
            )
            break
    others = files.read("special_tokens_map.json")
    for role in ("bos_token", "eos_token", "pad_token", "unk_token"):
        token, other = (_content(found.get(role)) for found in (config, others))
        if token and other and token != other:
            yield (
                f"special_tokens_map.json: {role} is {other}, in tokenizer_config.json {token}; older readers take the "
                "first. Write the one that it was trained with in both"
            )
        elif token and tokenizer.token_to_id(token) is None and token not in {*named, *beside}:
            yield f"tokenizer_config.json: {role} {token} is no token. Write the one that it was trained with"
    yield from _start_as_end(files, tokenizer)
    hidden = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
    if regions := [token for token in REGION_TOKENS if token in hidden]:
        yield (
            f"tokenizer.json: {', '.join(regions)} are special tokens, which chat programs and servers leave out of "
            'what they show. Write "special": false at each, in tokenizer_config.json as well'
        )
    image_token = files.processor.get("image_token") or "<image>"
    number = tokenizer.token_to_id(image_token)
    if number is None:
        number = {**named, **beside}.get(image_token)
    for key in ("image_token_index", "image_token_id"):
        if number != (expected := files.config.get(key, number)):
            where = " of processor_config.json" if "image_token" in files.processor else ""
            yield (
                f"tokenizer.json: {image_token}{where} is {number}, config.json's {key} is {expected}. Write the right "
                "one"
            )
            break
    if image_token == _content(config.get("pad_token")):
        yield (
            f"tokenizer_config.json: pad_token is {image_token}, so that texts of a batch are filled up with images. "
            "Write another, such as the end token"
        )


def _start_as_end(files: Files, tokenizer: Tokenizer) -> Iterator[str]:
    """Yield the first file by which the token that begins a text ends an answer."""
    start, end = (_content(files.tokenizer.get(f"{role}_token")) for role in ("bos", "eos"))
    number = tokenizer.token_to_id(start)
    if number is None or start == end:
        return
    places = {
        "config.json": files.config,
        "config.json: text_config": files.text,
        "generation_config.json": files.generation,
    }
    for name, settings in places.items():
        given = settings.get("eos_token_id")
        if number in (cast("list[Any]", given) if isinstance(given, list) else [given]):
            yield (
                f"{name}: eos_token_id {number} is {start}, with which a text begins by tokenizer_config.json, where "
                f"{end} ends one. Write the id of {end}, or restore the tokenizer"
            )
            return


def _content(token: Any) -> str:
    """Return a token that stands as text or as an object."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]


def _on_a_piece(files: Files) -> str:
    """Return which added token has the id of another piece of the vocabulary, or another id there."""
    content = files.read("tokenizer.json")
    vocabulary: Any = content.get("model", {}).get("vocab", {})
    pieces = vocabulary.items() if isinstance(vocabulary, dict) else ((p[0], n) for n, p in enumerate(vocabulary))  # pyright: ignore[reportUnknownVariableType,reportUnknownMemberType,reportUnknownArgumentType]
    own: dict[str, int] = dict(pieces)  # pyright: ignore[reportUnknownArgumentType]
    by_id = {number: piece for piece, number in own.items()}
    for token in content.get("added_tokens", []):
        text, number = token["content"], token["id"]
        if own.get(text, number) != number or by_id.get(number, text) != text:
            return f"{text} is {number} in added_tokens and {by_id.get(number, own.get(text))!r} in the vocabulary"
    return ""


def _unmade(files: Files) -> str:
    """Return how many pieces of a BPE's vocabulary its merges never make, where it is a good part of them."""
    model: dict[str, Any] = files.read("tokenizer.json").get("model") or {}
    if model.get("type") != "BPE" or not isinstance(model.get("vocab"), dict):
        return ""
    vocabulary: dict[str, int] = model["vocab"]
    given = {token["content"] for token in files.read("tokenizer.json").get("added_tokens", [])}
    pieces = {piece for piece in vocabulary if len(piece) > 1 and piece not in given and not _BYTE.fullmatch(piece)}
    made: set[str] = set()
    for pair in model.get("merges", []):
        left, right = pair if isinstance(pair, list) else pair.split(" ", 1)
        if all(part in made or part not in pieces for part in (left, right)):
            made.add(left + right)
    share = len(pieces - made) / max(len(pieces), 1)
    return f"its merges make {1 - share:.0%} of the vocabulary" if share > _MOST_UNMADE else ""


def check_generation(files: Files) -> Iterator[str]:
    """Yield what is off in generation_config.json, one line each."""
    if not files.has("generation_config.json"):
        yield (
            "generation_config.json is missing: servers then stop at the configuration's end token alone. Write it "
            "with eos_token_id as a list of all tokens that end an answer"
        )
        return
    settings = files.generation
    try:
        tokenizer = Tokenizer.from_file(str(files.folder / "tokenizer.json"))
    except Exception:  # said where the tokenizer is looked at
        return
    added: dict[str, Any] = files.tokenizer.get("added_tokens_decoder") or {}
    rows = files.text.get("vocab_size", tokenizer.get_vocab_size())
    for role in ("eos", "bos", "pad"):
        given = settings.get(f"{role}_token_id")
        ids = cast("list[Any]", given) if isinstance(given, list) else [] if given is None else [given]
        none = [
            number for number in ids
            if type(number) is not int or not 0 <= number < rows
            or (tokenizer.id_to_token(number) is None and str(number) not in added)
        ]  # fmt: skip
        if none:
            remedy = "Write the ids that end an answer" if role == "eos" else "Write the tokenizer's"
            yield f"generation_config.json: {role}_token_id {', '.join(map(str, none))} is no token. {remedy}"
    if settings.get("pad_token_id") == files.config.get("image_token_index", -1):
        yield "generation_config.json: pad_token_id is the image's token. Write the tokenizer's"
    for key, remedy in _FORCING.items():
        if settings.get(key):
            yield f"generation_config.json: {key} is {str(settings[key])[:60]}, {remedy}. Take it out"
    if settings.get("do_sample") and not settings.get("temperature", 1.0) > 0:
        yield (
            f"generation_config.json: temperature is {settings['temperature']} and do_sample true, which generate() "
            "refuses. Write do_sample false"
        )
    for key, (low, high, plain) in _SANE.items():
        value = settings.get(key)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            yield f"generation_config.json: {key} is {value}, where {low:g} to {high:g} is meant. Write {plain}"
    if isinstance(top := settings.get("top_k"), int) and top < 0:
        yield f"generation_config.json: top_k is {top}, which generate() refuses. Write 0, which takes all tokens"
    if 0 < (settings.get("no_repeat_ngram_size") or 0) <= 2:
        yield (
            f"generation_config.json: no_repeat_ngram_size is {settings['no_repeat_ngram_size']}, so that no answer "
            "says a word or pair of words again. Take it out"
        )
    if not 0.5 <= (penalty := settings.get("repetition_penalty") or 1.0) <= 2:
        yield f"generation_config.json: repetition_penalty is {penalty}, where 1 changes nothing. Write 1.0"
    if type(beams := settings.get("num_beams") or 1) is not int or settings.get("num_beams") == 0 or beams < 1:
        yield f"generation_config.json: num_beams is {settings['num_beams']}. Write 1"
    if files.features and "max_new_tokens" not in settings and (settings.get("max_length") or 10**9) <= files.features:
        yield (
            f"generation_config.json: max_length is {settings['max_length']}, an image alone takes {files.features} "
            "tokens. Take it out, or write max_new_tokens"
        )
    if 0 < (settings.get("max_new_tokens") or 10**9) < _SHORTEST:
        yield f"generation_config.json: max_new_tokens {settings['max_new_tokens']} cuts every answer. Take it out"
