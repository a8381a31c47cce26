"""One conversation ▶ token ids with the spans to learn; what cannot be learned from is named, never bent."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from gmai_model.assembly.tokenizer import IMAGE_TOKEN, TURN_END, TURN_START
from gmai_model.batching.samples import Sample


@dataclass(frozen=True)
class Encoded:
    """A tokenised conversation."""

    input_ids: np.ndarray
    """int32, shape `(tokens,)`; each image takes as many `<image>` ids as it has features."""
    supervised: np.ndarray
    """bool, shape `(tokens,)`: the answers and their turn ends, marked by the chat template."""
    n_images: int
    cut_turns: int = 0
    """Messages left out at the end, so that the sample fits."""


class Rejected(Exception):  # noqa: N818 (an outcome, not an error)
    """A sample that cannot be used; the message is the reason it is counted under."""


class Encoder:
    """Turns samples into tokens.

    Args:
        tokenizer: With a chat template that marks the assistant's text by `{% generation %}`.
        tokens_per_image: Features that one image becomes (576 for 336 px and patch 14).
        max_tokens: Longest sample; a longer one loses whole turns at its end, never a part of an image or a turn.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, tokens_per_image: int, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._tokens_per_image = tokens_per_image
        self._max_tokens = max_tokens

    def __call__(self, sample: Sample) -> Encoded:
        """Encode one sample.

        Raises:
            Rejected: Placeholders and images differ in number, a message holds a turn mark, there is no answer to
                learn, or the first exchange alone is too long.
        """
        placeholders = sum(message["content"].count(IMAGE_TOKEN) for message in sample.messages)
        if placeholders != len(sample.images):
            raise Rejected("the number of <image> placeholders differs from the number of images")
        if any(mark in message["content"] for message in sample.messages for mark in (TURN_START, TURN_END)):
            raise Rejected("a message contains a turn mark of the chat template")
        messages = list(sample.messages)
        while messages:
            encoded = self._encode(messages, cut_turns=len(sample.messages) - len(messages))
            if len(encoded.input_ids) <= self._max_tokens:
                if encoded.n_images != len(sample.images):
                    raise Rejected("too long, and cutting turns would lose an image")
                if not encoded.supervised.any():
                    raise Rejected("no assistant text to learn from")
                return encoded
            messages.pop()
            while messages and messages[-1]["role"] != "assistant":
                messages.pop()
        raise Rejected("the first exchange is longer than a pack")

    def _encode(self, messages: list[dict[str, str]], *, cut_turns: int) -> Encoded:
        expanded = [
            {"role": m["role"], "content": m["content"].replace(IMAGE_TOKEN, IMAGE_TOKEN * self._tokens_per_image)}
            for m in messages
        ]
        output: Any = self._tokenizer.apply_chat_template(
            expanded, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        n_images = sum(message["content"].count(IMAGE_TOKEN) for message in messages)
        return Encoded(
            np.asarray(output["input_ids"], dtype=np.int32),
            np.asarray(output["assistant_masks"], dtype=bool),
            n_images,
            cut_turns,
        )
