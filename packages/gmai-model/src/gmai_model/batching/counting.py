"""How many tokens a text takes, word by word from memory, where that is what the tokenizer would say.

A byte-level BPE cuts a text at its added tokens, cuts what is between into words by one regular expression, and merges
inside of each word alone. So a word that was counted once need not be merged again, and no offsets are made.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from tokenizers import pre_tokenizers

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What `ByteLevel` cuts by: https://github.com/huggingface/tokenizers, pre_tokenizers/byte_level.rs."""
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS = {
    pattern: pattern.replace(r"\p{L}\p{N}]", "A-Za-z0-9]").replace(r"\p{L}", "[A-Za-z]").replace(r"\p{N}", "[0-9]")
    for pattern in (_GPT2, rf"{_CONTRACTIONS}\p{{N}}{_REST}", rf"{_CONTRACTIONS}\p{{N}}{{1,3}}{_REST}")
}
"""The expressions of GPT-2, Qwen2 and Llama 3 ▶ what cuts ASCII alike in Python."""
_KEEPS_ASCII = frozenset({"NFC", "NFD", "NFKC", "NFKD"})
_MOST_WORDS = 1_000_000
_LONGEST_WORD = 40
"""What is remembered stays within some 100 MB."""


class _Counts(dict[str, int]):
    """Word ▶ its number of tokens, counted when it is first asked for."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self._model = tokenizer.model
        self._bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    def __missing__(self, word: str) -> int:
        ((mapped, _),) = self._bytes.pre_tokenize_str(word)
        count = len(self._model.tokenize(mapped))
        if len(word) <= _LONGEST_WORD and len(self) < _MOST_WORDS:
            self[word] = count
        return count


class TokenCounter:
    """Counts the tokens of ASCII texts as a tokenizer does.

    Args:
        tokenizer: A `tokenizers.Tokenizer`.
        weights: Added token ▶ what it counts for; 1 for others.
    """

    def __init__(self, tokenizer: Any, weights: Mapping[str, int]) -> None:
        settings = json.loads(tokenizer.to_str())
        words = _words_of(settings)
        self._words = None if words is None else re.compile(words, re.ASCII)
        self._counts, self._weights = _Counts(tokenizer), weights
        tokens = [token | {"content": _looked_for(token, tokenizer.normalizer)} for token in settings["added_tokens"]]
        odd = {token["content"] for token in tokens if token["lstrip"] or token["rstrip"] or token["single_word"]}
        self._odd = _any_of(odd)
        # Those that are looked for in the text as it is come before those that are looked for in the normalised text.
        self._raw, self._normalised = (
            _any_of({token["content"] for token in tokens if token["normalized"] is normalised} - odd)
            for normalised in (False, True)
        )

    def __call__(self, text: str, spans: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
        """Return the tokens of a text and, of these, the ones of its spans; None where the tokenizer must be asked.

        Args:
            text: A rendered conversation.
            spans: Ascending and apart, each its first character and the one behind its last.
        """
        edges = [edge for span in spans for edge in span]
        if self._words is None or not text.isascii() or self._odd.search(text) or edges != sorted(set(edges)):
            return None
        before: list[int] = []
        """Tokens before each edge."""
        total = start = 0
        for piece, weight in self._pieces(text):
            inside: list[int] = []
            while len(before) + len(inside) < len(edges) and edges[len(before) + len(inside)] < start + len(piece):
                inside.append(edges[len(before) + len(inside)] - start)
            words: list[str] = [piece] if weight else self._words.findall(piece)
            counts = [weight] if weight else list(map(self._counts.__getitem__, words))
            if inside:
                starts = list(accumulate(map(len, words), initial=0))
                if not {*inside} <= {*starts}:  # in the middle of a word
                    return None
                before += [total + sum(counts[: starts.index(edge)]) for edge in inside]
            total, start = total + sum(counts), start + len(piece)
        before += [total] * (len(edges) - len(before))
        return total, sum(before[1::2]) - sum(before[::2])

    def _pieces(self, text: str) -> Iterator[tuple[str, int]]:
        """Yield the parts of a text, each with its weight; 0 for one of words."""
        for number, outer in enumerate(self._raw.split(text)):
            if number % 2:
                yield outer, self._weights.get(outer, 1)
                continue
            for own, inner in enumerate(self._normalised.split(outer)):
                if inner:
                    yield inner, self._weights.get(inner, 1) if own % 2 else 0


def _looked_for(token: Mapping[str, Any], normalizer: Any) -> str:
    """Return what an added token is found by: its text as the normalizer leaves it, where it reads normalised text."""
    content: str = token["content"]
    return normalizer.normalize_str(content) if token["normalized"] and normalizer is not None else content


def _any_of(contents: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(contents, key=lambda content: (-len(content), content))
    return re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})")


def _words_of(settings: Mapping[str, Any]) -> str | None:
    """Return what finds the words of an ASCII text; None for a tokenizer of another kind."""
    normalizer, cutter, model = settings["normalizer"], settings["pre_tokenizer"], settings["model"]
    steps = [] if normalizer is None else normalizer.get("normalizers", [normalizer])
    cutters: list[Any] = [] if cutter is None else cutter.get("pretokenizers", [cutter])
    if model["type"] != "BPE" or model.get("dropout") or any(step["type"] not in _KEEPS_ASCII for step in steps):
        return None
    match cutters:
        case [{"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]:
            return _WORDS[_GPT2]
        case [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ]:
            return _WORDS.get(pattern)
        case _:
            return None
