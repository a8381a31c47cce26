"""A fixed set of held-out questions, answered again and again, so that one can see what the model has learned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gmai_cli.console import say
from gmai_formats.pictures.problems import PictureError
from gmai_formats.state import read_lines, rewrite_lines
from PIL import Image

from gmai_model.batching.collate import Row, decode_image, make_row
from gmai_model.batching.tokens import Encoded
from gmai_model.training.callbacks.callback import Callback, Run
from gmai_model.training.inputs import Inputs


@dataclass(frozen=True)
class Question:
    """The first turn of a held-out sample."""

    id: str
    text: str
    reference: str
    prompt: np.ndarray
    """Token ids up to the answer's first."""
    end: int
    """The last token of the answer that is learned."""
    images: list[Image.Image]
    encoded_images: list[bytes]


class Answers(Callback):
    """Asks the questions whenever the validation loss is measured; `answers.jsonl` has a line per question and step.

    Args:
        inputs: Of the held-out samples.
        count: Questions, drawn once from the seed.
        seed: Of the draw.
        max_tokens: Longest answer.
        path: The file, written by rank 0 only.
    """

    def __init__(self, inputs: Inputs, *, count: int, seed: int, max_tokens: int, path: Path) -> None:
        usable = np.flatnonzero(inputs.held_out_lengths.tokens)
        drawn = np.random.default_rng(seed).permutation(usable)
        self.questions: list[Question] = []
        for number in drawn:
            if len(self.questions) == count:
                break
            question = _question(inputs, int(number))
            if question is not None:
                self.questions.append(question)
        self._max_tokens, self._path, self._image_size = max_tokens, path, inputs.image_size
        tokenizer: Any = inputs.processor.tokenizer
        self._tokenizer = tokenizer
        specials = set(tokenizer.all_special_ids) | {
            number for number, token in tokenizer.added_tokens_decoder.items() if token.special
        }
        # Each family ends an answer with a token of its own, which its template marks as learned.
        self._ends = {tokenizer.eos_token_id} | ({question.end for question in self.questions} & specials)
        images = [image for question in self.questions for image in question.images]
        self._pixels = (
            inputs.processor.image_processor(images=images, return_tensors="pt")["pixel_values"] if images else None
        )

    def after_validation(self, run: Run, loss: float) -> None:
        """Ask."""
        run.doing("answering held-out questions after")
        self.ask(run.engine, step=run.place.steps, write=run.is_main)

    @torch.no_grad()
    def ask(self, engine: Any, *, step: int, write: bool) -> None:
        """Answer every question greedily. Every rank must call this.

        All questions stand in one packed row, which is computed anew for each token: the very computation that is
        trained, in the order of modules that ZeRO-3 needs, without a cache or another kind of attention.
        """
        answers: list[list[int]] = [[] for _ in self.questions]
        open_ones = set(range(len(self.questions)))
        for _ in range(self._max_tokens):
            if not open_ones:
                break
            row = self._row(answers).to(engine.device)
            following = engine(row, logits=True).argmax(dim=-1).tolist()
            for number in sorted(open_ones):
                answers[number].append(following[number])
                if following[number] in self._ends:
                    open_ones.remove(number)
        if write and self.questions:
            self._write(answers, step=step, cut=open_ones)

    def _row(self, answers: Sequence[Sequence[int]]) -> Row:
        segments = [
            np.concatenate([question.prompt, np.asarray(answer, dtype=np.int32)])
            for question, answer in zip(self.questions, answers, strict=True)
        ]
        row = make_row(
            [Encoded(ids, np.zeros(len(ids), dtype=bool), 0) for ids in segments], self._pixels,
            image_size=self._image_size, unreadable=[],
        )  # fmt: skip
        last = torch.zeros_like(row.predicts)
        last[row.cu_seq_lens[1:].long() - 1] = True
        return replace(row, predicts=last, targets=torch.zeros(len(segments), dtype=torch.int64))

    def _write(self, answers: Sequence[Sequence[int]], *, step: int, cut: set[int]) -> None:
        lines, damaged = read_lines(self._path, needs=["step", "id"])
        if damaged:
            say(f"{self._path}: {damaged} damaged lines are left out")
        kept = [line for line in lines if line["step"] < step]
        for number, (question, answer) in enumerate(zip(self.questions, answers, strict=True)):
            text = self._tokenizer.decode(answer, skip_special_tokens=True)
            values = {"step": step, "id": question.id, "question": question.text, "reference": question.reference,
                      "answer": text, "cut": number in cut}  # fmt: skip
            kept.append(values)
        rewrite_lines(self._path, kept)


def _question(inputs: Inputs, number: int) -> Question | None:
    """Return a sample's first turn, or nothing where an image of it does not decode (the loss counts it)."""
    sample = inputs.held_out[number]
    encoded = inputs.encoder(sample)
    prompt = encoded.input_ids[: int(encoded.supervised.argmax())]
    before: list[str] = []
    for message in sample.messages:
        if message["role"] == "assistant":
            break
        before.append(message["content"])
    text = "\n".join(before)
    try:
        data = [image.read() for image in sample.images[: text.count("<image>")]]
        images = [decode_image(image) for image in data]
    except (OSError, PictureError):
        return None
    reference = sample.messages[len(before)]["content"]
    ends = np.flatnonzero(~encoded.supervised[len(prompt) :])
    end = encoded.input_ids[len(prompt) + (int(ends[0]) if len(ends) else len(encoded.input_ids) - len(prompt)) - 1]
    return Question(sample.id, text.replace("<image>", "").strip(), reference, prompt, int(end), images, data)
