"""Prompt templates with `{question}` and `{choices}`: what the model reads beside the image."""

import re
from collections.abc import Iterator, Sequence

_FIELD = re.compile(r"\{(question|choices|context)\}")

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def fill(template: str, question: str, choices: Sequence[str], *, letters: bool, context: str = "") -> str:
    """Return the prompt of one question; an open question (no choices) under a template with choices is asked as it is.

    The fields are filled in one pass, so a question that contains `{choices}` is left alone.
    """
    if not choices and "{choices}" in template:
        return f"{context}\n\n{question}" if context else question
    listed = lettered(choices) if letters else "; ".join(filter(str.strip, choices))
    values = {"question": question, "choices": listed, "context": context}
    return _FIELD.sub(lambda match: values[match[1]], template)


def lettered(choices: Sequence[str]) -> str:
    """Return options as lines `A. text`; an empty one is not shown, and those behind it keep their letters."""
    return "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False) if choice.strip())


def reordered(prompt: str, choices: Sequence[str], order: Sequence[str]) -> str | None:
    """Return a prompt with its options in another order, `None` where it does not list them as our protocols do.

    Letters stay where they are, for they name places.
    """
    for ours, theirs in zip(_listings(choices), _listings(order), strict=True):
        if ours in prompt:
            return prompt.replace(ours, theirs)
    return None


def _listings(choices: Sequence[str]) -> Iterator[str]:
    """Yield options in every form in which a protocol shows them."""
    yield lettered(choices)
    yield "\n".join(f"({letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))
    yield str(list(choices))
    yield "; ".join(choices)
