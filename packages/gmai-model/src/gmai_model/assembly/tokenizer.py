"""The tokenizer's side: a source's own tokens, those of images and regions, its end tokens and its chat template."""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.json_text import read_json_object
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from gmai_model.assembly import sentencepiece
from gmai_model.assembly.templates import BUILT_IN, CHATML, asking, read_template, with_marks

IMAGE_TOKEN = "<image>"  # noqa: S105
TURN_START, TURN_END = "<|im_start|>", "<|im_end|>"
REGION_TOKENS = ("<ref>", "</ref>", "<box>", "</box>")
"""Part of what an answer says: no special tokens, so that decoding without those keeps them."""
PLAIN = "What does the image show?"
"""A text that every tokenizer of a model that writes keeps as it is."""
_AGAIN = "Download the model again."
_MOST_WITHOUT_ROW = 4096
"""Tokens beyond the rows of the embedding. Some models have a handful, added by hand; each becomes a row."""
RESERVED = re.compile(r"[<\[]\|?_?(?:reserved|unused|extra)(?:_special)?(?:_token|_id)?_?(\d+)\|?[>\]]", re.IGNORECASE)
"""Tokens that a source keeps free: `<|reserved_special_token_9|>`, `[UNUSED_TOKEN_9]`, `<unused9>`, `<extra_id_9>`."""


@dataclass
class LoadedTokenizer:
    """A tokenizer ready for a LLaVA."""

    tokenizer: PreTrainedTokenizerFast
    source_ids: Callable[[str], list[int]]
    """The source's own tokens of a text."""
    own_template: str | None
    """Its own chat template, None where it has none."""
    ends: list[int]
    """Ids that end an answer or a text."""
    notes: list[str]
    """What was done, one line each, for the user and the record."""


def train_tokenizer(texts: Iterable[str], *, vocab_size: int, model_max_length: int = 2048) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on `texts`, with the special tokens of InternLM2's chat format."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<unk>", "<s>", "</s>", TURN_START, TURN_END, IMAGE_TOKEN, *REGION_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    roles = itertools.repeat("system\nuser\nassistant\n", 1000)  # one token each, as in a real vocabulary
    tokenizer.train_from_iterator(itertools.chain(roles, texts), trainer)
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return _wrap(_with_plain_regions(tokenizer), settings, CHATML, model_max_length=model_max_length)


def load_tokenizer(
    folder: Path, *, config: dict[str, Any], rows: int, chat_template: str | None = None
) -> LoadedTokenizer:
    """Return a language model's tokenizer with tokens for images and regions.

    A token takes, in this order: its own place where the source has it, a place that the source keeps free, the next
    id. What the source's tokenizer would put around a text is left to the chat template.

    Args:
        folder: Holds a `tokenizer.json`, or a sentencepiece `tokenizer.model`.
        config: The model's `config.json`, for tokens that only it names.
        rows: Rows of the model's embedding.
        chat_template: One of `BUILT_IN` or a template's text, in place of the model's own.

    Raises:
        UserError: There is no tokenizer, it contradicts its settings, or the chat template cannot be used.
    """
    tokenizer, source_ids = _open(folder)
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
    if highest >= rows + _MOST_WITHOUT_ROW:
        raise UserError(
            f"{folder}: its tokenizer has ids up to {highest:,}, the model's embedding {rows:,} rows. That tokenizer "
            f"is another model's. Download the model with its own."
        )
    if (text := altered(tokenizer)) is not None:
        raise UserError(
            f"{folder}: its tokenizer makes {text[:60]!r} of {PLAIN!r}, so that no answer can have what it takes away. "
            f"A language model that writes has a tokenizer that keeps a text. Download it again, or choose another."
        )
    settings = _settings(folder, config, tokenizer)
    notes: list[str] = []
    own = read_template(folder, settings) if chat_template is None else BUILT_IN.get(chat_template, chat_template)
    if chat_template is not None and chat_template not in BUILT_IN and "{" not in chat_template:
        raise UserError(
            f"--chat-template {chat_template}: neither a file nor one of {', '.join(BUILT_IN)}. Give a Jinja template."
        )
    if own is None:
        own_needs: tuple[str, ...] = (TURN_START, TURN_END)
        notes.append("the model has no chat template of its own: ChatML is used (--chat-template gives another)")
    else:
        own_needs = tuple(token for token in (TURN_START, TURN_END) if token in own)
    tokenizer, taken = _add(tokenizer, (*own_needs, IMAGE_TOKEN, *REGION_TOKENS), rows, own or "", settings)
    notes += taken
    tokens = {key: settings[key] for key in ("bos_token", "eos_token", "pad_token", "unk_token") if settings.get(key)}
    specials = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
    if own is None:
        template, turn_end = CHATML, TURN_END
    else:
        own, head = asking(own, tokens)
        if head:
            notes.append(f"the chat template asks for no answer: {head!r}, with which its answers begin, was added")
        template, turn_end = with_marks(own, tokens, specials)
        if template != CHATML:
            notes.append(
                f"the chat template is {'the given' if chat_template else 'its own'} one; {turn_end} ends an answer"
            )
    ends = [tokenizer.token_to_id(name) for name in (settings["eos_token"], turn_end)]
    named = _end_ids(folder, config)
    ends += [number for number in named if tokenizer.id_to_token(number) is not None]
    if none := [str(number) for number in named if number not in ends]:
        notes.append(f"{', '.join(none)} is said to end an answer and is no token: left out")
    length = settings.get("model_max_length") or 32768
    return LoadedTokenizer(
        _wrap(tokenizer, settings, template, model_max_length=int(min(length, 2**20))), source_ids, own,
        list(dict.fromkeys(number for number in ends if number is not None)), notes,
    )  # fmt: skip


def altered(tokenizer: Tokenizer) -> str | None:
    """Return what becomes of a plain question that is taken apart and put together; None where it stays as it is."""
    text = tokenizer.decode(tokenizer.encode(PLAIN, add_special_tokens=False).ids).strip()
    return None if text == PLAIN else text


def _open(folder: Path) -> tuple[Tokenizer, Callable[[str], list[int]]]:
    path = folder / "tokenizer.json"
    if path.is_file():
        try:
            source = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise UserError(f"{path}: no readable tokenizer ({str(error)[:200]}). Download it again.") from error
        source.no_padding()
        source.no_truncation()
        return Tokenizer.from_str(source.to_str()), lambda text: source.encode(text, add_special_tokens=False).ids
    if (folder / "tokenizer.model").is_file():
        return sentencepiece.convert(folder)
    raise UserError(
        f"{folder}: neither tokenizer.json nor tokenizer.model. The tokenizer must be one that loads without "
        f"remote code. Download the model with its tokenizer; from vocab.json and merges.txt transformers makes "
        f"tokenizer.json: `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)`."
    )


def _settings(folder: Path, config: dict[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    """Return tokenizer_config.json with each special token as a string, from whichever file names it."""
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            settings |= {key: value for key, value in read_json_object(folder / name, remedy=_AGAIN).items() if value}
    _add_missing(folder, tokenizer, _named_tokens(folder, settings))
    for role, fallbacks in (
        ("bos", ("<s>", "<|begin_of_text|>")), ("eos", ("</s>", "<|end_of_text|>", "<|endoftext|>")),
        ("pad", ()), ("unk", ("<unk>",)),
    ):  # fmt: skip
        key = f"{role}_token"
        value = settings.get(key)
        value = value["content"] if isinstance(value, dict) else value
        number = config.get(f"{key}_id")
        number = number[0] if isinstance(number, list) and number else number
        if value is None and isinstance(number, int) and number >= 0:  # -1: none, as older configurations say
            value = tokenizer.id_to_token(number)
        if value is None:
            value = next((name for name in fallbacks if tokenizer.token_to_id(name) is not None), None)
        if value is not None and tokenizer.token_to_id(value) is None:
            raise UserError(
                f"{folder}: {key} is {value!r}, which the tokenizer does not have. Every special token must be one of "
                f"its tokens. Download the model with its own tokenizer."
            )
        settings[key] = value
    if settings["eos_token"] is None:
        raise UserError(
            f"{folder}: neither tokenizer_config.json nor config.json names an end token (eos_token). Without one no "
            f"answer ends. Download the model with its tokenizer_config.json."
        )
    settings["pad_token"] = settings["pad_token"] or settings["eos_token"]
    named = [settings[f"{role}_token"] for role in ("bos", "eos", "pad", "unk")]
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in named if name])
    return settings


def _named_tokens(folder: Path, settings: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return id ▶ token of those that stand beside the vocabulary: in tokenizer_config.json, or, as older slow
    tokenizers have it, in added_tokens.json.
    """
    older: dict[str, int] = {}
    if (folder / "added_tokens.json").is_file():
        older = read_json_object(folder / "added_tokens.json", remedy=_AGAIN)
    named = {number: {"content": content, "normalized": False} for content, number in older.items()}
    return named | {int(key): token for key, token in settings.get("added_tokens_decoder", {}).items()}


def _add_missing(folder: Path, tokenizer: Tokenizer, named: dict[int, dict[str, Any]]) -> None:
    """Add the tokens that the tokenizer itself lacks, at the ids that are given to them."""
    for number, token in sorted(named.items()):
        content = token["content"]
        if tokenizer.token_to_id(content) is None:
            tokenizer.add_tokens([AddedToken(**{key: value for key, value in token.items() if key != "__type"})])
        if tokenizer.token_to_id(content) != number:
            raise UserError(
                f"{folder}: {content} is said to have the id {number} (tokenizer_config.json, added_tokens.json), the "
                f"tokenizer gives it {tokenizer.token_to_id(content)}. The two must agree. Download it again."
            )


def _add(
    tokenizer: Tokenizer, wanted: Sequence[str], rows: int, template: str, settings: dict[str, Any]
) -> tuple[Tokenizer, list[str]]:
    """Give every wanted token an id, and take away what the tokenizer puts around a text."""
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    in_use = {str(settings.get(f"{role}_token")) for role in ("bos", "eos", "pad", "unk")}
    free = sorted(
        (token for token in vocabulary if RESERVED.fullmatch(token) and token not in template and token not in in_use),
        key=lambda token: -int(RESERVED.fullmatch(token)[1]),  # pyright: ignore[reportOptionalSubscript]
    )
    missing = [token for token in wanted if token not in vocabulary]
    places = dict(zip(free, missing, strict=False))
    notes: list[str] = []
    if places:
        notes.append(f"{', '.join(places.values())} take reserved tokens ({', '.join(places)})")
    tokenizer = _renamed(tokenizer, places)
    tokenizer.add_tokens([AddedToken(token, special=token not in REGION_TOKENS, normalized=False) for token in wanted])
    spare = [token for token in missing if token not in places.values() and (tokenizer.token_to_id(token) or 0) < rows]
    if spare:
        notes.append(f"{', '.join(spare)} take spare rows of the embedding")
    return _with_plain_regions(tokenizer), notes


def _renamed(tokenizer: Tokenizer, places: dict[str, str]) -> Tokenizer:
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    content["post_processor"] = _without_added(content.get("post_processor"))
    for token in content["added_tokens"]:
        token["content"] = places.get(token["content"], token["content"])
    model = content["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {places.get(token, token): number for token, number in model["vocab"].items()}
        if "merges" in model:
            merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
            model["merges"] = [pair for pair in merges if "".join(pair) not in places]
    else:
        model["vocab"] = [[places.get(token, token), score] for token, score in model["vocab"]]
    return Tokenizer.from_str(json.dumps(content, ensure_ascii=False))


def _without_added(processor: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a post-processor without the tokens that it puts around a text: the chat template writes them."""
    if processor is None or processor["type"] == "ByteLevel":
        return processor
    inner = [_without_added(part) for part in processor.get("processors", [])]
    kept = [part for part in inner if part is not None]
    return {**processor, "processors": kept} if kept else None


def _with_plain_regions(tokenizer: Tokenizer) -> Tokenizer:
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    for token in content["added_tokens"]:
        if token["content"] in REGION_TOKENS:
            token["special"] = False
    return Tokenizer.from_str(json.dumps(content, ensure_ascii=False))


def _end_ids(folder: Path, config: dict[str, Any]) -> list[int]:
    path = folder / "generation_config.json"
    named: list[Any] = [config.get("eos_token_id")]
    if path.is_file():
        named.append(read_json_object(path, remedy=_AGAIN).get("eos_token_id"))
    return [
        int(number)
        for value in named
        for number in (value if isinstance(value, list) else [value])
        if number is not None and int(number) >= 0  # -1: none, as older configurations say
    ]


def _wrap(
    tokenizer: Tokenizer, settings: dict[str, Any], template: str, *, model_max_length: int
) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=settings.get("bos_token"),
        eos_token=settings["eos_token"],
        pad_token=settings.get("pad_token") or settings["eos_token"],
        unk_token=settings.get("unk_token"),
        extra_special_tokens={"image_token": IMAGE_TOKEN},
        chat_template=template,
        model_max_length=model_max_length,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
