"""Prompt templates with `{question}` and `{choices}`: what the model reads beside the image."""

import re
from collections.abc import Sequence

_FIELD = re.compile(r"\{(question|choices)\}")

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def fill(template: str, question: str, choices: Sequence[str], *, letters: bool) -> str:
    """Return the prompt of one question; an open question (no choices) under a template with choices is asked as it is.

    Both fields are filled in one pass, so a question that contains `{choices}` is left alone.
    """
    if not choices and "{choices}" in template:
        return question
    listed = (
        "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False))
        if letters
        else "; ".join(choices)
    )
    return _FIELD.sub(lambda match: question if match[1] == "question" else listed, template)
