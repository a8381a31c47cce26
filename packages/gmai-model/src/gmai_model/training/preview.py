"""Samples as the model will read them, with the spans that it learns to say."""

from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from gmai_model.assembly.tokenizer import IMAGE_TOKEN
from gmai_model.batching.tokens import Encoded

LEARNED = "bold green"
_OPEN, _CLOSE = "⟦", "⟧"


def spans(encoded: Encoded, tokenizer: Any) -> list[tuple[str, bool]]:
    """Return a sample's text in pieces, each with whether it is learned; an image's tokens are counted."""
    edges = np.flatnonzero(np.diff(encoded.supervised.astype(np.int8))) + 1
    pieces: list[tuple[str, bool]] = []
    for ids, learned in zip(np.split(encoded.input_ids, edges), np.split(encoded.supervised, edges), strict=True):
        image = int(tokenizer.convert_tokens_to_ids(IMAGE_TOKEN))
        runs = np.split(ids, np.flatnonzero(np.diff((ids == image).astype(np.int8))) + 1)
        text = "".join(f"{IMAGE_TOKEN}×{len(run)}" if run[0] == image else tokenizer.decode(run) for run in runs)
        pieces.append((text, bool(learned[0])))
    return pieces


def show(sample_id: str, encoded: Encoded, tokenizer: Any) -> None:
    """Print a sample to standard output: what is learned in colour, or between ⟦ and ⟧ where there is no colour."""
    console = Console(soft_wrap=True, highlight=False)
    coloured = console.color_system is not None and console.is_terminal
    line = Text()
    for text, learned in spans(encoded, tokenizer):
        if learned:
            line.append(text if coloured else f"{_OPEN}{text}{_CLOSE}", LEARNED)
        else:
            line.append(text)
    learned_tokens = int(encoded.supervised[1:].sum())
    console.print(Text(f"\n{sample_id}: {len(encoded.input_ids)} tokens, {learned_tokens} learned", style="bold"))
    console.print(line)
