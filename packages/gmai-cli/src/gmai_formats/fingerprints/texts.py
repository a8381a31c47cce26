"""One form of a question, in which spelling, case, marks and image placeholders make no difference."""

import re

_WORDS = re.compile(r"[^\W_]+")


def normalised(text: str) -> str:
    """Return the lower-case words of a text, without punctuation and `<image>` placeholders."""
    return " ".join(_WORDS.findall(text.replace("<image>", " ").lower()))
