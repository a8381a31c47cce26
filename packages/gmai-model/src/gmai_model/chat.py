"""Ask a checkpoint about images: a conversation of several turns, answered token by token."""

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from gmai_cli.console import say
from gmai_formats.checkpoints import (
    naming_files,
    naming_opened,
    naming_template,
    require_bounded,
)
from gmai_formats.errors import UserError
from gmai_formats.gpus import require_usable_gpu
from gmai_formats.weights import (
    changed_settings,
    damaged,
    not_finite,
    refusal,
    require_checkpoint,
    require_filled,
    require_loaded,
)
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
)

from gmai_model.assembly.tokenizer import REGION_TOKENS
from gmai_model.opening import open_processor
from gmai_model.regions import check_question

DISCLAIMER = (
    "For research only: answers may be wrong and are no medical advice. 仅供研究使用：回答可能有误，不构成医疗建议。"
)

_COLDEST, _HOTTEST = 0.01, 100.0


@dataclass
class Conversation:
    """What was said so far, and the images in the order they were shown."""

    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    images: list[Image.Image] = field(default_factory=list[Image.Image])

    def with_question(self, text: str, images: Sequence[Image.Image] = ()) -> "Conversation":
        """Return the conversation and one question more."""
        parts = [*({"type": "image"} for _ in images), {"type": "text", "text": text}]
        return Conversation([*self.messages, {"role": "user", "content": parts}], [*self.images, *images])

    def with_answer(self, text: str) -> "Conversation":
        """Return the conversation and one answer more."""
        answer = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        return Conversation([*self.messages, answer], self.images)


class Assistant:
    """A checkpoint that answers.

    Args:
        folder: A checkpoint that opens with `AutoModelForImageTextToText`; no remote code is run.
        device: `auto` (the GPU where there is one), `cpu` or `cuda`.
        max_new_tokens: Longest answer.
        temperature: 0 takes the likeliest token each time, so that the same question gets the same answer.
        takes_changed: Whether weights that are not those that gmai wrote are named and used, not refused.

    Raises:
        UserError: No checkpoint, weights that are not as written, or no such device.
    """

    def __init__(
        self, folder: Path, *, device: str = "auto", max_new_tokens: int = 512, temperature: float = 0.0,
        takes_changed: bool = False,
    ) -> None:  # fmt: skip
        if temperature and not _COLDEST <= temperature <= _HOTTEST:
            raise UserError(
                f"--temperature {temperature:g}: it is 0 (the likeliest token) or from {_COLDEST:g} to {_HOTTEST:g}; "
                f"beyond, numbers overflow or tokens are drawn by chance alone. Choose one of these."
            )
        require_checkpoint(folder)
        require_bounded(folder)
        if device == "auto":
            device = "cuda" if require_usable_gpu(torch, ask_for_cpu="--device cpu") else "cpu"
        elif not re.fullmatch(r"cpu|cuda(:[0-9]+)?", device):
            raise UserError(f"--device {device}: it is auto, cpu, cuda or cuda:NUMBER. Choose one of these.")
        elif device.startswith("cuda") and not torch.cuda.is_available():
            raise UserError(f"--device {device}: torch finds no GPU here. Leave it out to run on the CPU.")
        if found := damaged(folder):
            if not takes_changed:
                raise UserError(refusal(folder, found))
            say(
                f"{folder}: {found}: these are not the weights that gmai wrote, and all answers are of them. If nobody "
                f"changed them, the file is damaged: copy the checkpoint again. If the change is meant, `gmai model "
                f"check {folder} --accept-weights` records it."
            )
        if found := changed_settings(folder):
            say(found)
        require_filled(folder)
        self._processor = open_processor(folder)
        with naming_opened(folder):
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                folder, dtype="auto", trust_remote_code=False, local_files_only=True, use_safetensors=True,
                output_loading_info=True, ignore_mismatched_sizes=True,
            )  # fmt: skip
        model, loading = loaded
        require_loaded(str(folder), loading)
        if problem := not_finite(model.named_parameters()):
            raise UserError(f"{folder}: {problem}")
        self._model = model.to(device).eval()
        self._tokenizer: Any = self._processor.tokenizer
        self.max_new_tokens, self.temperature = max_new_tokens, temperature
        """What an answer has unless it is asked otherwise."""
        self.folder = folder
        self.cut = False
        """Whether the last answer ended at `max_new_tokens`."""

    def answer(
        self, conversation: Conversation, *, max_new_tokens: int | None = None, temperature: float | None = None
    ) -> Iterator[str]:
        """Yield the answer to the last question, in pieces as they are made; closing the iterator stops the model.

        The tags of regions are part of the answer, see `regions`.

        Args:
            conversation: Ends with a question.
            max_new_tokens: In place of the assistant's own.
            temperature: Likewise.

        Raises:
            UserError: The text holds a token of the chat format or a tag that names no region, or the conversation is
                too long for the model.
        """
        length = max_new_tokens or self.max_new_tokens
        inputs = self._inputs(conversation, length)
        streamer: Any = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        stop = _Stop()
        work = threading.Thread(target=self._generate, args=(inputs, streamer, stop, length, temperature), daemon=True)
        work.start()
        try:
            yield from (piece for piece in streamer if piece)
        finally:
            stop.asked.set()
            work.join()
        if stop.error is not None:
            raise stop.error

    def _inputs(self, conversation: Conversation, length: int) -> Any:
        added = self._tokenizer.added_tokens_decoder.values()
        own = [token.content for token in added if token.special and token.content not in REGION_TOKENS]
        for message in conversation.messages:
            for part in message["content"]:
                found = next((token for token in own if token in part.get("text", "")), None)
                if found is not None and message["role"] == "user":
                    raise UserError(f"a question holds {found}, which the chat format uses itself. Write it otherwise.")
                if message["role"] == "user":
                    check_question(part.get("text", ""))
        with naming_template(str(self.folder)):
            prompt = self._processor.apply_chat_template(conversation.messages, add_generation_prompt=True)
        begins = self._tokenizer.bos_token
        with naming_files(str(self.folder)):
            inputs = self._processor(
                text=[prompt], images=conversation.images or None, return_tensors="pt",
                add_special_tokens=not (begins and prompt.startswith(begins)),
            )  # fmt: skip
        tokens, room = inputs["input_ids"].shape[1], self._model.config.get_text_config().max_position_embeddings
        if tokens + length > room:
            raise UserError(
                f"the conversation has {tokens} tokens and an answer may have {length}, but the model "
                f"reads {room}. Begin a new one (/new), show fewer images, or lower --max-new-tokens."
            )
        if "pixel_values" in inputs:
            inputs["pixel_values"] = inputs["pixel_values"].to(self._model.dtype)
        return inputs.to(self._model.device)

    def _generate(self, inputs: Any, streamer: Any, stop: "_Stop", length: int, temperature: float | None) -> None:
        chosen = self.temperature if temperature is None else temperature
        sampling = {"do_sample": True, "temperature": chosen} if chosen else {"do_sample": False}
        try:
            with naming_files(str(self.folder)), torch.no_grad():
                ids = self._model.generate(
                    **inputs, **sampling, max_new_tokens=length, streamer=streamer,
                    stopping_criteria=StoppingCriteriaList([stop]),
                )  # fmt: skip
            ends = self._model.generation_config.eos_token_id
            ends = ends if isinstance(ends, list) else [ends]
            made = ids.shape[1] - inputs["input_ids"].shape[1]
            self.cut = made >= length and int(ids[0, -1]) not in ends
        except Exception as error:  # raised again where the answer is read
            stop.error = error
            streamer.end()


class _Stop(StoppingCriteria):
    def __init__(self) -> None:
        self.asked = threading.Event()
        self.error: Exception | None = None

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return torch.full((input_ids.shape[0],), self.asked.is_set(), dtype=torch.bool, device=input_ids.device)
