"""One conversation ▶ token ids with the spans to learn; what cannot be learned from is named, never bent."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from gmai_formats.checkpoints import naming_files, naming_template
from gmai_formats.errors import UserError
from gmai_formats.rows.rules import RULES
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from gmai_model.assembly.tokenizer import IMAGE_TOKEN, REGION_TOKENS
from gmai_model.batching.counting import TokenCounter
from gmai_model.batching.samples import Sample

VERSION = 4
"""Version of the way samples become tokens; raising it makes cached lengths invisible."""
ROLES = frozenset({"system", "user", "assistant"})
LongSamples = Literal["cut", "skip"]
_CONTENT = "⟦text⟧"

RULE_REASONS = {rule: f"{rule}: {must.rstrip('.')}" for rule, (must, _) in RULES.items()}
_Usable = tuple[list[dict[str, str]], Sequence[int]]
"""The messages of a sample, and which of them are no target."""
REASONS = (
    "the row has no messages",
    "a message has no text, or a role other than system, user and assistant",
    "the number of <image> placeholders differs from the number of images",
    "a message contains a turn mark of the chat template",
    "no assistant text to learn from",
    "longer than a pack",
    "the first exchange is longer than a pack",
    *RULE_REASONS.values(),
)
"""Why a sample is left out; cached lengths refer to them by number."""


@dataclass(frozen=True)
class Encoded:
    """A tokenised conversation."""

    input_ids: np.ndarray
    """int32, shape `(tokens,)`; each image takes as many `<image>` ids as it has features."""
    supervised: np.ndarray
    """bool, shape `(tokens,)`: the answers and their turn ends, marked by the chat template."""
    n_images: int
    """Images in the kept messages: the first ones of the sample."""
    cut_turns: int = 0
    """Messages left out at the end, so that the sample fits."""


class Measured(NamedTuple):
    """How much of a conversation there is to train on."""

    tokens: int
    supervised: int
    """Tokens that the loss counts."""
    n_images: int
    is_cut: bool


class Rejected(Exception):  # noqa: N818 (an outcome, not an error)
    """A sample that cannot be used.

    Args:
        reason: The one of `REASONS` that it is counted under.
        detail: What the row's reader found, where that is more.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.code = REASONS.index(reason)


def turn_marks(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Return what no text may hold, longest first: with it a sample could speak for the other side, or end its turn.

    Those are the special tokens but for images and regions, and where a template begins a turn with words alone, as
    Vicuna's does, these words.
    """
    added: dict[int, Any] = cast(Any, tokenizer).added_tokens_decoder
    own = {token.content for token in added.values() if token.special} - {IMAGE_TOKEN, *REGION_TOKENS}
    messages = [{"role": ("user", "assistant")[number % 2], "content": _CONTENT} for number in range(4)]
    with naming_template("the checkpoint"):
        rendered: Any = tokenizer.apply_chat_template(messages, tokenize=False)
    heads = (
        re.split("|".join(map(re.escape, own)) or "(?!)", head)[-1].strip() for head in rendered.split(_CONTENT)[1:-1]
    )
    # After a special token a word such as `user` is harmless: it begins no turn by itself.
    words = {head for head in heads if head.endswith((":", "]", ">", "#"))}
    return sorted(own | words, key=lambda mark: (-len(mark), mark))


class Encoder:
    """Turns samples into tokens.

    Args:
        tokenizer: With a chat template that marks the assistant's text by `{% generation %}`.
        tokens_per_image: Features that one image becomes (576 for 336 px and patch 14).
        max_tokens: Longest sample.
        long_samples: What becomes of a longer one: `cut` takes whole turns away at its end (with their images, whole),
            never a part of an image or a turn; `skip` leaves it out.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, *, tokens_per_image: int, max_tokens: int,
        long_samples: LongSamples = "cut",
    ) -> None:  # fmt: skip
        self._tokenizer = tokenizer
        image: Any = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        if image is None or tokenizer.convert_ids_to_tokens(image) != IMAGE_TOKEN:
            raise UserError(
                f"the checkpoint's tokenizer has no token {IMAGE_TOKEN}, in whose place the image goes. Restore "
                f"tokenizer.json; `gmai model check` says more."
            )
        self._image_id = int(image)
        self._tokens_per_image = tokens_per_image
        self._max_tokens = max_tokens
        self._long_samples = long_samples
        self._marks = re.compile("|".join(map(re.escape, turn_marks(tokenizer))) or "(?!)")
        whole: Any = tokenizer
        # A tokenizer.json may ask for truncation and padding, which transformers switches off in each call.
        whole.backend_tokenizer.no_truncation()
        whole.backend_tokenizer.no_padding()
        self._count = TokenCounter(whole.backend_tokenizer, {IMAGE_TOKEN: tokens_per_image})
        settings = f"{VERSION} {tokens_per_image} {max_tokens} {long_samples}"
        content = "\0".join([whole.backend_tokenizer.to_str(), whole.chat_template, settings])
        self.digest = hashlib.sha256(content.encode()).hexdigest()
        """Digest of everything that a sample's length depends on besides the sample."""

    def __call__(self, sample: Sample) -> Encoded:
        """Encode one sample.

        Raises:
            Rejected: One of `REASONS`.
        """
        (found,) = self.batch([sample])
        if isinstance(found, Rejected):
            raise found
        return found

    def batch(self, samples: Sequence[Sample]) -> list[Encoded | Rejected]:
        """Encode samples together, which takes half the time of one by one, with the same result."""
        return self._each(samples, self._encode)

    def measure(self, samples: Sequence[Sample]) -> list[Measured | Rejected]:
        """Return what `batch` would say of the samples, most of them counted without making their tokens."""
        measured: list[Any] = self._each(samples, self._count_or_encode)
        for number, found in enumerate(measured):
            if isinstance(found, Encoded):
                supervised = int(np.count_nonzero(found.supervised[1:]))
                measured[number] = Measured(len(found.input_ids), supervised, found.n_images, found.cut_turns > 0)
        return measured

    def _each(self, samples: Sequence[Sample], work: Callable[[Sequence[_Usable]], Sequence[Any]]) -> list[Any]:
        """Return the outcome of each sample, of whose usable ones `work` makes an `Encoded` or what is final."""
        outcomes: list[Any] = []
        for sample in samples:
            try:
                outcomes.append(self._usable(sample))
            except Rejected as rejected:
                outcomes.append(rejected)
        usable = [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, Rejected)]
        done = work([(outcomes[number], samples[number].unlearned) for number in usable])
        for number, first in zip(usable, done, strict=True):
            try:
                outcomes[number] = (
                    self._fit(outcomes[number], samples[number].unlearned, first)
                    if isinstance(first, Encoded) else first
                )  # fmt: skip
            except Rejected as rejected:
                outcomes[number] = rejected
        return outcomes

    def _usable(self, sample: Sample) -> list[dict[str, str]]:
        """Return the messages of a sample.

        Raises:
            Rejected: They cannot be learned from, whatever their length.
        """
        if sample.problem is not None:
            raise Rejected(RULE_REASONS[sample.problem.partition(":")[0]], sample.problem)
        messages = list(sample.messages)
        if not messages:
            raise Rejected("the row has no messages")
        if any(message["role"] not in ROLES or not isinstance(message["content"], str) for message in messages):
            raise Rejected("a message has no text, or a role other than system, user and assistant")
        if sum(message["content"].count(IMAGE_TOKEN) for message in messages) != len(sample.images):
            raise Rejected("the number of <image> placeholders differs from the number of images")
        for number, message in enumerate(messages, start=1):
            if (found := self._marks.search(message["content"])) is not None:
                raise Rejected(
                    "a message contains a turn mark of the chat template",
                    f"message {number} holds {found[0]}, a special token or turn mark of the chat template",
                )
        return messages

    def _fit(self, messages: list[dict[str, str]], unlearned: Sequence[int], first: Encoded) -> Encoded:
        """Return what fits into a pack of a sample that `first` is all of.

        Raises:
            Rejected: Nothing to learn from does.
        """
        encoded, turns = first, len(messages)
        while len(encoded.input_ids) > self._max_tokens:
            if self._long_samples == "skip":
                raise Rejected("longer than a pack")
            messages.pop()
            while messages and messages[-1]["role"] != "assistant":
                messages.pop()
            if not messages:
                raise Rejected("the first exchange is longer than a pack")
            (encoded,) = self._encode([(messages, unlearned)])
        # The first token of a segment has nothing before it to be predicted from.
        if not encoded.supervised[1:].any():
            raise Rejected("no assistant text to learn from")
        return encoded if encoded is first else replace(encoded, cut_turns=turns - len(messages))

    def _count_or_encode(self, samples: Sequence[_Usable]) -> list[Measured | Encoded]:
        """Return the measurements of conversations that can be counted and are no longer than a pack, else tokens."""
        found: list[Any] = [None] * len(samples)
        rendered = zip(samples, *self._render(samples), strict=True)
        for number, ((messages, unlearned), text, spans) in enumerate(rendered):
            counted = None if unlearned or not spans or spans[0][0] == 0 else self._count(text, spans)
            if counted is not None and counted[0] <= self._max_tokens and counted[1] > 0:
                images = sum(message["content"].count(IMAGE_TOKEN) for message in messages)
                found[number] = Measured(*counted, images, is_cut=False)
        others = [number for number, measured in enumerate(found) if measured is None]
        for number, encoded in zip(others, self._encode([samples[number] for number in others]), strict=True):
            found[number] = encoded
        return found

    def _render(self, samples: Sequence[_Usable]) -> tuple[list[str], list[list[tuple[int, int]]]]:
        """Return the text of conversations, and where in it is what the template marks as the assistant's."""
        tokenizer: Any = self._tokenizer
        rendered: Any = render_jinja_template(
            conversations=[messages for messages, _ in samples], chat_template=tokenizer.chat_template,
            return_assistant_tokens_mask=True, **tokenizer.special_tokens_map,
        )  # fmt: skip
        return rendered

    def _encode(self, samples: Sequence[_Usable]) -> list[Encoded]:
        """Return the tokens of conversations, each with the numbers of its messages that are no target.

        The tokens and marks are those of `apply_chat_template(…, return_assistant_tokens_mask=True)`, without the lists
        of Python integers that it makes of them on the way; and where an answer begins with a blank, it is marked all
        the same (`_first_token`).
        """
        if not samples:
            return []
        texts, spans = self._render(samples)
        tokenizer: Any = self._tokenizer
        with naming_files(
            "the checkpoint", "its tokenizer fails", "Restore tokenizer.json; `gmai model check` says more."
        ):
            found = tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
        pairs = zip(samples, found, spans, strict=True)
        return [self._spread(encoding, own, *sample) for sample, encoding, own in pairs]

    def _spread(
        self, encoding: Any, spans: Sequence[tuple[int, int]], messages: list[dict[str, str]], unlearned: Sequence[int]
    ) -> Encoded:
        ids = np.array(encoding.ids, dtype=np.int32)
        supervised = np.zeros(len(ids), dtype=bool)
        for begin, end in spans:
            supervised[_first_token(encoding, begin) : _last_token(encoding, end - 1) + 1] = True
        if unlearned:  # each answer is one run of marked tokens
            starts = np.flatnonzero(np.diff(supervised, prepend=False) & supervised)
            of_answer = np.cumsum(np.isin(np.arange(len(ids)), starts)) - 1
            answers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
            supervised &= ~np.isin(of_answer, [answers.index(number) for number in unlearned if number in answers])
        is_image = ids == self._image_id
        images = int(np.count_nonzero(is_image))
        if not images:
            return Encoded(ids, supervised, 0)
        # Tokenised with one placeholder an image, then spread: the tokenizer need not read 576 of them.
        repeats = np.where(is_image, self._tokens_per_image, 1)
        return Encoded(ids.repeat(repeats), supervised.repeat(repeats), images)


def _first_token(encoding: Any, place: int) -> int:
    """Return the token that a character is in, or the next one.

    Blanks are in none where the post-processor trims them off the places of tokens, as those of Llama 3 and SmolLM2 do.
    """
    found = encoding.char_to_token(place)
    if found is None:
        found = next((number for number, (_, end) in enumerate(encoding.offsets) if end > place), len(encoding.ids))
    return found


def _last_token(encoding: Any, place: int) -> int:
    """Return the token that a character is in, or the one before it; -1 where there is none."""
    found = encoding.char_to_token(place)
    if found is None:
        found = sum(1 for begin, _ in encoding.offsets if begin <= place) - 1
    return found
