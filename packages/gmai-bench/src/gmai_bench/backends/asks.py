"""What a backend is asked and what it must offer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image


@dataclass(frozen=True, slots=True)
class Ask:
    """One question on its way to a model."""

    id: str
    prompt: str
    images: tuple[str, ...]
    """Digests, in the order shown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one ask."""

    id: str
    response: str
    cut: bool
    """Whether the token limit ended it, not the model."""


OpenImage = Callable[[str], Image.Image]
"""Digest ▶ the RGB image the model is shown."""


class Backend(Protocol):
    """Something that answers questions about images."""

    @property
    def name(self) -> str:
        """What the report calls the model."""
        ...

    @property
    def digest(self) -> str:
        """What changes whenever the model does: a digest of its files, or a revision."""
        ...

    @property
    def generation(self) -> Mapping[str, Any]:
        """The settings that shape an answer, as JSON values."""
        ...

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        """Yield an answer to every ask, in any order, each as soon as it is there."""
        ...
