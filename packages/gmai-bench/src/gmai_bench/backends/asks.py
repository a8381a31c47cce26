"""What a backend is asked and what it must offer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from PIL import Image


@dataclass(frozen=True, slots=True)
class Ask:
    """One question on its way to a model."""

    id: str
    prompt: str
    images: tuple[str, ...]
    """Digests, in the order shown."""
    continuations: tuple[str, ...] = ()
    """Not empty: the answer is the likeliest of these, weighed by the model, and nothing is generated."""
    turns: tuple[tuple[str, str], ...] = ()
    """What was said before the prompt: role and text."""
    seed: int | None = None
    """Of a sampled answer; none is sent with one that is not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one ask."""

    id: str
    response: str
    cut: bool
    """Whether the token limit ended it, not the model."""
    refused: str = ""
    """Why the server refused the question, or its content filter the answer; it counts as no answer."""
    usage: Mapping[str, float] | None = None
    """What the answer took as the server counts: tokens in, out, of these spent on thinking, and seconds."""


class OpenImage(Protocol):
    """Digest ▶ what the model is shown."""

    def __call__(self, digest: str) -> Image.Image:
        """Return the RGB image."""
        ...

    def encoded(self, digest: str) -> tuple[str, bytes]:
        """Return its media type and encoded bytes, in a format that every endpoint takes."""
        ...


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
    def cacheable(self) -> bool:
        """Whether `digest` is sure to change with the model, so that answers may be shared between runs."""
        ...

    @property
    def generation(self) -> Mapping[str, Any]:
        """The settings that shape an answer, as JSON values."""
        ...

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        """Yield an answer to every ask, in any order, each as soon as it is there."""
        ...


@runtime_checkable
class InFolder(Protocol):
    """A backend that keeps books of its own beside the answers, so that a killed run pays for nothing twice."""

    def in_folder(self, folder: Path) -> Backend:
        """Return it with the folder of one benchmark for its books."""
        ...
