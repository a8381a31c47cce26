"""The tokenizer's side: a checkpoint's `tokenizer.json` ▶ what llama.cpp makes the same tokens from.

llama.cpp has two tokenizers that serve here (https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp):
`gpt2` for byte-level BPE, whose rule for cutting a text into words goes by a name, and `llama` for sentencepiece's BPE,
whose order of merges goes by a score per token. What either would tokenize otherwise is refused.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gguf import GGUFWriter, TokenType
from gmai_formats.errors import UserError
from gmai_formats.json_text import read_json_object
from tokenizers.pre_tokenizers import ByteLevel

from gmai_model.assembly.templates import read_template
from gmai_model.assembly.tokenizer import IMAGE_TOKEN
from gmai_model.llama_cpp.chat import begins_with_special, portable_template
from gmai_model.llama_cpp.refusals import refusal

_refusal = functools.partial(refusal, where="tokenizer.json")
_AGAIN = "Write or download the checkpoint again."
_BLANK = "▁"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = (_CONTRACTIONS + r"\p{N}{1,3}" + _REST,)
_QWEN2 = (_CONTRACTIONS + r"\p{N}" + _REST,)
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
_DEEPSEEK_CODER = ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+")
_GPT2, _DIGIT = "GPT-2's words", "each digit"
_WORDS: dict[tuple[tuple[str, ...], bool], str] = {
    ((_GPT2,), False): "gpt-2",
    ((_DIGIT, _GPT2), False): "smollm",
    (_LLAMA3, True): "llama-bpe",
    (_LLAMA3, False): "dbrx",
    (_QWEN2, False): "qwen2",
    (_TEKKEN, True): "tekken",
    ((*_DEEPSEEK_CODER, _DIGIT), False): "deepseek-coder",
}
"""(How a text is cut into words, whether a word that is a token is taken whole) ▶ `tokenizer.ggml.pre`."""
_BYTES = 256
_MOST_ENDS = 3
_BYTE = re.compile("<0x[0-9A-F]{2}>")


@dataclass
class Vocabulary:
    """What a GGUF file says of a tokenizer."""

    model: str
    pre: str
    tokens: list[str]
    types: list[TokenType]
    template: str
    ids: dict[str, int]
    """Role (bos, eos, eot, eom, unk, pad) ▶ id."""
    merges: list[str] = field(default_factory=list[str])
    scores: list[float] = field(default_factory=list[float])
    special_first: bool = True
    """Whether a chat begins with a special token."""
    blank_first: bool = False
    """Whether a blank is put before a text, and after each special token."""
    notes: list[str] = field(default_factory=list[str])
    """Where llama.cpp makes other tokens all the same, one line each."""

    def describe(self, writer: GGUFWriter) -> None:
        """Add the tokenizer to a file."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        if self.model == "llama":
            writer.add_token_scores(self.scores)
            writer.add_add_space_prefix(self.blank_first)
        else:
            writer.add_token_merges(self.merges)
        for role, number in self.ids.items():
            getattr(writer, f"add_{role}_token_id")(number)
        writer.add_add_bos_token(False)  # the chat template writes it
        writer.add_add_eos_token(False)
        writer.add_chat_template(self.template)


def read_vocabulary(folder: Path, rows: int) -> Vocabulary:
    """Return the tokenizer of a checkpoint, as llama.cpp takes it.

    Args:
        folder: The checkpoint.
        rows: Of its embedding; those without a token get a name that no text has.

    Raises:
        UserError: llama.cpp would make other tokens, or the folder lacks a tokenizer or a chat template.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UserError(f"{path}: missing. The export reads the tokenizer from it. {_AGAIN}")
    content = read_json_object(path, remedy=_AGAIN)
    model, added = content["model"], content.get("added_tokens") or []
    if model.get("type") != "BPE":
        raise _refusal(f"a tokenizer of kind {model.get('type')}", "the export takes BPE")
    for key in ("continuing_subword_prefix", "end_of_word_suffix", "dropout"):
        if model.get(key):
            raise _refusal(f"{key} of a tokenizer", "its tokenizers have none")
    for token in added:
        if flag := next((key for key in ("lstrip", "rstrip", "single_word") if token.get(key)), None):
            raise _refusal(f"{flag} of the token {token['content']}", "its tokens take nothing from the text beside")
    names, types = _tokens(model, added, rows)
    common = {"tokens": names, "types": types, **_settings(folder, names, types)}
    if model.get("byte_fallback"):
        return _sentencepiece(content, common)
    return _byte_level(content, common)


def _tokens(model: Mapping[str, Any], added: list[dict[str, Any]], rows: int) -> tuple[list[str], list[TokenType]]:
    names = {number: token for token, number in model["vocab"].items()}
    kinds = {
        number: TokenType.BYTE
        for number, token in names.items()
        if model.get("byte_fallback") and _BYTE.fullmatch(token)
    }
    for token in added:
        names[token["id"]] = token["content"]
        kinds[token["id"]] = TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED
    if (most := max(names)) >= rows:
        raise UserError(f"tokenizer.json: a token has the id {most}, the embedding {rows} rows. Restore the tokenizer.")
    unknown = model["vocab"].get(model.get("unk_token"))
    if unknown is not None and model.get("byte_fallback"):
        kinds[unknown] = TokenType.UNKNOWN
    for number in range(rows):
        if number not in names:
            names[number], kinds[number] = f"[PAD{number}]", TokenType.UNUSED
    ordered = [names[number] for number in range(rows)]
    if len(set(ordered)) < rows:
        twice = next(name for number, name in enumerate(ordered) if name in ordered[:number])
        raise _refusal(f"two tokens {twice!r}", "it finds tokens by their text")
    return ordered, [kinds.get(number, TokenType.NORMAL) for number in range(rows)]


def _settings(folder: Path, names: list[str], types: list[TokenType]) -> dict[str, Any]:
    """Return the ids of special tokens and the chat template."""
    settings = read_json_object(folder / "tokenizer_config.json", remedy=_AGAIN)
    ids: dict[str, int] = {}
    for role in ("bos", "eos", "unk", "pad"):
        value: Any = settings.get(f"{role}_token")
        value = value["content"] if isinstance(value, dict) else value
        if value in names:
            ids[role] = names.index(value)
    path = folder / "generation_config.json"
    generation = read_json_object(path, remedy=_AGAIN) if path.is_file() else {}
    ends: Any = generation.get("eos_token_id", ids.get("eos"))
    ends = [number for number in (ends if isinstance(ends, list) else [ends]) if number is not None]
    ids.setdefault("eos", ends[0] if ends else -1)
    if ids["eos"] < 0:
        raise UserError(f"{folder}: no eos_token, without which no answer ends. Restore tokenizer_config.json.")
    more = [number for number in dict.fromkeys(ends) if number != ids["eos"]]
    if len(more) >= _MOST_ENDS:
        raise _refusal(f"{1 + len(more)} tokens that end an answer", f"a file names {_MOST_ENDS}")
    ids |= dict(zip(("eot", "eom"), more, strict=False))
    template = read_template(folder, settings)
    if template is None:
        raise UserError(f"{folder}: no chat template. llama.cpp would use ChatML. Write chat_template.jinja.")
    notes: list[str] = []
    if "eos" in ids and ends and ids["eos"] not in ends:
        notes.append(f"llama.cpp also ends an answer at {names[ids['eos']]}, the end of a text")
    tokens = {f"{role}_token": names[number] for role, number in ids.items() if role in {"bos", "eos", "unk", "pad"}}
    specials = [name for name, kind in zip(names, types, strict=True) if kind is TokenType.CONTROL]
    return {
        "ids": ids,
        "template": portable_template(template, _image_token(folder, settings), tokens),
        "special_first": begins_with_special(template, tokens, specials),
        "notes": notes,
    }


def _image_token(folder: Path, settings: Mapping[str, Any]) -> str:
    path = folder / "processor_config.json"
    processor = read_json_object(path, remedy=_AGAIN) if path.is_file() else {}
    return processor.get("image_token") or settings.get("image_token") or IMAGE_TOKEN


def _byte_level(content: Mapping[str, Any], common: dict[str, Any]) -> Vocabulary:
    model = content["model"]
    words = tuple(_cuts(content.get("pre_tokenizer")))
    pre = _WORDS.get((words, bool(model.get("ignore_merges"))))
    if pre is None:
        how = "; ".join(words) or "nothing"
        raise _refusal(f"a tokenizer that cuts words by {how[:120]}", "the export knows no name of it there")
    normalizer = content.get("normalizer")
    if normalizer is not None and normalizer["type"] != "NFC":
        raise _refusal(f"a byte-level tokenizer with the normaliser {normalizer['type']}", "it has none")
    if normalizer is not None:
        common["notes"].append(
            "text that is not in Unicode's form NFC, such as e and an accent as two characters, gets other tokens: "
            "the checkpoint's tokenizer composes it, llama.cpp does not"
        )
    if model.get("unk_token") and not set(ByteLevel.alphabet()) <= model["vocab"].keys():
        raise _refusal("a byte-level tokenizer without a token for each byte", "it leaves out what has none")
    pairs = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
    return Vocabulary("gpt2", pre, merges=[" ".join(pair) for pair in pairs], **common)


def _cuts(step: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield how a pre-tokenizer cuts a text, in order."""
    if step is None:
        return
    kind = step["type"]
    if kind == "Sequence":
        for inner in step["pretokenizers"]:
            yield from _cuts(inner)
    elif kind == "ByteLevel":
        if step.get("add_prefix_space"):
            yield "a blank before the text"
        if step.get("use_regex", True):
            yield _GPT2
    elif kind == "Digits" and step.get("individual_digits"):
        yield _DIGIT
    elif kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
        yield step["pattern"].get("Regex") or f"the text {step['pattern'].get('String')!r}"
    else:
        yield f"the step {kind}"


def _sentencepiece(content: Mapping[str, Any], common: dict[str, Any]) -> Vocabulary:
    model, types = content["model"], common["types"]
    if types.count(TokenType.BYTE) < _BYTES:
        raise _refusal(f"a tokenizer with {types.count(TokenType.BYTE)} tokens of bytes", "it needs one for each byte")
    blank_first, first_only = _blanks(content)
    if blank_first and any(token.get("normalized") for token in content.get("added_tokens") or []):
        raise _refusal("a token that is looked for after normalising", "a blank would come before it")
    if first_only:
        common["notes"].append(
            "a text that does not begin with a special token begins with a blank in the checkpoint's tokenizer, not in "
            "llama.cpp; a chat begins with one"
        )
        if not common["special_first"]:
            raise _refusal(
                "a tokenizer with a blank before the first word alone", "the chat template begins with words"
            )
    scores = _scores(model, types)
    for number, kind in enumerate(types):
        if kind is TokenType.USER_DEFINED:  # found in the text as it is, before its blanks are replaced
            common["tokens"][number] = common["tokens"][number].replace(_BLANK, " ")
    return Vocabulary("llama", "default", scores=scores, blank_first=blank_first, **common)


def _blanks(content: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether a blank comes before every piece of text, and whether before the first one alone."""
    normalizer, before = content.get("normalizer"), content.get("pre_tokenizer")
    steps = [normalizer] if normalizer is not None else []
    steps = steps[0]["normalizers"] if steps and steps[0]["type"] == "Sequence" else steps
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": _BLANK}
    if before is None and steps == [replace]:
        return False, False
    if before is None and steps == [{"type": "Prepend", "prepend": _BLANK}, replace]:
        return True, False
    whole = {"type": "Metaspace", "replacement": _BLANK, "split": False}
    scheme = (
        before.get("prepend_scheme") if before is not None and not steps and whole.items() <= before.items() else None
    )
    if scheme in {"first", "never"}:
        return False, scheme == "first"
    raise _refusal(
        "a sentencepiece tokenizer with this treatment of blanks", "it replaces blanks and may put one first"
    )


def _scores(model: Mapping[str, Any], types: list[TokenType]) -> list[float]:
    """Return a score per token: the earlier it is merged, the higher.

    llama.cpp merges any two neighbours whose text is a token; the tokenizer only those that it lists. Both are the same
    where all ways to make a token are listed, one after the other.
    """
    vocabulary: dict[str, int] = model["vocab"]
    scores = [-1e6] * len(types)
    ways: dict[str, int] = {}
    last = ""
    for rank, pair in enumerate(model["merges"]):
        left, right = pair if isinstance(pair, list) else pair.split(" ", 1)
        piece = left + right
        if piece != last and piece in ways:
            raise _refusal(f"a tokenizer that makes {piece!r} early and late", "it gives a token one score")
        ways[piece] = ways.get(piece, 0) + 1
        if piece != last:
            scores[vocabulary[piece]] = -float(rank)
        last = piece
    plain = {token for token, number in vocabulary.items() if types[number] is TokenType.NORMAL}
    for token in plain:
        possible = sum(token[:cut] in plain and token[cut:] in plain for cut in range(1, len(token)))
        if possible != ways.get(token, 0):
            raise _refusal(f"a tokenizer that does not make {token!r} from each two of its parts", "it does")
    return scores


def as_text(vocabulary: Vocabulary) -> str:
    """Return a line about a tokenizer."""
    used = sum(kind is not TokenType.UNUSED for kind in vocabulary.types)
    return f"{used:,} tokens, tokenizer {json.dumps(vocabulary.model)} ({vocabulary.pre})"
