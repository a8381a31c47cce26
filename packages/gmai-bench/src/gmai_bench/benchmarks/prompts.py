"""Prompt templates with `{question}` and `{choices}`: what the model reads beside the image."""

import re
from collections.abc import Sequence

_FIELD = re.compile(r"\{(question|choices|context)\}")

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def fill(template: str, question: str, choices: Sequence[str], *, letters: bool, context: str = "") -> str:
    """Return the prompt of one question; an open question (no choices) under a template with choices is asked as it is.

    The fields are filled in one pass, so a question that contains `{choices}` is left alone.
    """
    if not choices and "{choices}" in template:
        return f"{context}\n\n{question}" if context else question
    listed = (
        "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False))
        if letters
        else "; ".join(choices)
    )
    values = {"question": question, "choices": listed, "context": context}
    return _FIELD.sub(lambda match: values[match[1]], template)
