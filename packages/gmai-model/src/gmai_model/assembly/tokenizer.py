"""The tokenizer's side: special tokens, the chat template, and a tokenizer trained on the spot for the tiny preset."""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from gmai_model.assembly import sentencepiece

IMAGE_TOKEN = "<image>"  # noqa: S105
TURN_START, TURN_END = "<|im_start|>", "<|im_end|>"
REGION_TOKENS = ("<ref>", "</ref>", "<box>", "</box>")

# InternLM2's chat format. `generation` marks what the model is trained to say: the answer and the end of its turn.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['content'] is string -%}"
    "{%- set text = message['content'] -%}"
    "{%- else -%}"
    "{%- set parts = namespace(text='') -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}{%- set parts.text = parts.text + '<image>\\n' -%}"
    "{%- else -%}{%- set parts.text = parts.text + part['text'] -%}{%- endif -%}"
    "{%- endfor -%}"
    "{%- set text = parts.text -%}"
    "{%- endif -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{% generation %}{{ text + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"
    "{%- else -%}"
    "{{ text + '<|im_end|>\\n' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)


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
    return _wrap(tokenizer, model_max_length=model_max_length)


def load_tokenizer(folder: Path, *, vocab_size: int) -> PreTrainedTokenizerFast:
    """Return a language model's tokenizer with `<image>` and the turn marks inside its vocabulary.

    Args:
        folder: Holds a `tokenizer.json`, or a sentencepiece `tokenizer.model`.
        vocab_size: Rows of the model's embedding; no token id may reach it, since nothing is resized.

    Raises:
        UserError: There is neither, or no free slot for a token that it lacks.
    """
    path = folder / "tokenizer.json"
    if path.is_file():
        tokenizer = Tokenizer.from_file(str(path))
    elif (folder / "tokenizer.model").is_file():
        tokenizer = sentencepiece.convert(folder)
    else:
        raise UserError(
            f"{folder}: neither tokenizer.json nor tokenizer.model. The tokenizer must be one that loads without "
            f"remote code. Download the model with its tokenizer."
        )
    for token in (TURN_START, TURN_END, IMAGE_TOKEN):
        if tokenizer.token_to_id(token) is None:
            tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)])
        token_id = tokenizer.token_to_id(token)
        if token_id is None or token_id >= vocab_size:
            raise UserError(
                f"{path}: {token} would get the id {token_id}, but the embedding has {vocab_size} rows. Every id must "
                f"lie inside the embedding, which is not resized. Use a model with spare rows."
            )
    config: dict[str, Any] = {}
    if (folder / "tokenizer_config.json").is_file():
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    return _wrap(tokenizer, model_max_length=int(min(config.get("model_max_length") or 32768, 2**20)))


def _wrap(tokenizer: Tokenizer, *, model_max_length: int) -> PreTrainedTokenizerFast:
    def first_of(*names: str) -> str:
        for name in names:
            if tokenizer.token_to_id(name) is not None:
                return name
        raise UserError(f"the tokenizer has none of {', '.join(names)}. It needs a start and an end token.")

    end = first_of("</s>", "<|endoftext|>", "<|end_of_text|>")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=first_of("<s>", "<|begin_of_text|>", "<|endoftext|>"),
        eos_token=end,
        pad_token=end,
        unk_token="<unk>" if tokenizer.token_to_id("<unk>") is not None else None,
        extra_special_tokens={"image_token": IMAGE_TOKEN},
        chat_template=CHAT_TEMPLATE,
        model_max_length=model_max_length,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
