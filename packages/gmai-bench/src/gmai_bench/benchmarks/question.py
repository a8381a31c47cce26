"""What every benchmark gives: a description of itself and its questions. First in the flow, after the registry."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

HEADLINE = "accuracy"
"""The measure of the questions behind a protocol's number."""

SET_JOIN = " + "
"""Separator between the texts of several right choices, in the reference and in the answer read."""

KeepImage = Callable[[bytes, str], str]
"""Takes one encoded image and the place it came from (for messages); returns its SHA-256 hex digest."""


class Criterion(NamedTuple):
    """One item of a rubric.

    Attributes:
        text: What an answer must, or must not, do.
        points: What meeting it adds; negative for a fault.
        tags: Kinds that it is reported by.
    """

    text: str
    points: float
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it is asked and scored."""

    id: str
    text: str
    prompt: str
    """What the model reads beside the images; the images come before it."""
    images: tuple[str, ...]
    """SHA-256 hex digests, in the order shown."""
    choices: tuple[str, ...]
    """Empty for an open question."""
    reference: str
    """Text of the right choice, or of the answer."""
    cluster: str
    """Questions of one cluster (one image, usually) are not independent."""
    alternatives: tuple[str, ...] = ()
    """Other answers that count as right."""
    measure: str = HEADLINE
    """Which number of the protocol this question counts in."""
    groups: Mapping[str, str] = field(default_factory=dict[str, str])
    scoring: str | None = None
    """Name of its scorer, where it is another than its protocol's."""
    continuations: tuple[str, ...] = ()
    """What the model is to weigh by likelihood in place of answering; the first words of its answer."""
    turns: tuple[tuple[str, str], ...] = ()
    """What was said before the question: role (system, user, assistant) and text."""
    rubric: tuple[Criterion, ...] = ()
    """What a judge holds the answer to, where it is scored so."""
    erratum: str = field(default="", compare=False)
    """Who found its right answer to be wrong, an address; empty where nobody did."""
    image_names: tuple[str, ...] = field(default=(), compare=False)
    """What the publisher calls the images, by which files of answers without ids are told apart."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is fixed about a benchmark under one protocol; it stands in the report."""

    name: str
    title: str
    protocol: str
    """`family/name`; a number never appears without it."""
    protocol_version: int
    scoring: str
    """Name of the scorer."""
    expected: int | None
    """Questions of a complete copy, `None` where the benchmark does not say."""
    groups: tuple[str, ...]
    source: str
    """Where the copy comes from: a Hub id with the beginning of its commit, or "local copy"."""
    license: str
    notes: str = ""
    headline: Literal["micro", "macro"] = "micro"
    """The protocol's number: over all questions, or the plain mean over the first column of `groups`."""
    published_extractor: str = ""
    """The parser that published numbers under this protocol were made with; its number is reported beside ours."""
    published_option: str = "{text}"
    """How that parser's own program passes it an option, such as `{letter}. {text}`."""
    expected_groups: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    """Column ▶ value ▶ questions of a complete copy."""
    hidden: bool = False
    """Whether the right answers are withheld: a submission file is written in place of a number."""
    hub: str = ""
    """Hub dataset id that results are filed under."""
    revision: str = ""
    """Commit of the Hub that the copy is of; empty for a local copy."""
    count_source: str = ""
    """Where `expected` comes from."""
    also: tuple[str, ...] = ()
    """Further scorers whose numbers stand beside the protocol's."""
    variant: str = ""
    """How its questions are asked otherwise than the protocol says, see `variants`; part of the protocol's name."""
    count_verified: bool = True
    """Whether that source was seen; the report says so where it was not, and `--expect` may give another count."""


class Benchmark(Protocol):
    """A benchmark under one protocol, found and ready to be read."""

    @property
    def card(self) -> Card:
        """The fixed facts."""
        ...

    def questions(self, keep_image: KeepImage) -> Iterator[Question]:
        """Yield every question of the copy in the order of its files.

        Raises:
            UserError: A file, a column, a row or an image is not as the layout says.
        """
        ...
