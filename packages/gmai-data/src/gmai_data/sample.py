"""One conversation: a row of the sample files (docs/reference/formats.md)."""

import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmai_data.annotation import Box, Record, provenance_json
from gmai_data.ledger import Ledger
from gmai_data.vocabulary import Kind, Language, SubDataset

IMAGE_PLACEHOLDER = "<image>"
_PLACEHOLDERS = re.compile(rf"^(?:{IMAGE_PLACEHOLDER}\n)+")
NO_MODALITY = "none"
"""What texts without a modality are counted under."""
SUB_DATASETS = {
    Kind.IMAGE_CAPTION: SubDataset.CAPTION,
    Kind.REGION_CAPTION: SubDataset.CAPTION,
    Kind.FREE_INSTRUCTION: SubDataset.INSTRUCT,
    Kind.DIALOGUE: SubDataset.INSTRUCT,
    Kind.VISUAL_PERCEPTION: SubDataset.PERCEPT,
}
"""Kind about an image ▶ its sub-dataset of Table 6."""


@dataclass(frozen=True)
class Sample:
    """One conversation about one annotated image, or a text; `turns` are (question, answer) in order."""

    id: str
    about: Record
    turns: tuple[tuple[str, str], ...]
    kind: Kind
    language: Language
    boxes: tuple[Box, ...]
    provenance: Mapping[str, Any]
    parent_id: str | None = None
    """Id of the sample that a translation was made from."""
    rows: tuple[int, int] | None = None
    """Of a conversation about two images, the row numbers of their annotations; `about` is the first."""

    @property
    def image_count(self) -> int:
        """Return how many images the conversation is about."""
        return len(self.rows or (0,)) if self.has_image else 0

    @property
    def has_image(self) -> bool:
        """Return whether the conversation is about an image."""
        return self.kind != Kind.TEXT_ONLY

    @property
    def sub_dataset(self) -> SubDataset:
        """Return the sub-dataset of Table 6 that the sample belongs to."""
        if self.kind == Kind.TEXT_ONLY:
            return SubDataset.TEXT_SINGLE if len(self.turns) == 1 else SubDataset.TEXT_MULTI
        return SUB_DATASETS[self.kind]

    @functools.cached_property
    def messages(self) -> list[dict[str, str]]:
        """Return the turns as messages; the first user message begins with a placeholder for each image."""
        messages: list[dict[str, str]] = []
        for number, (question, answer) in enumerate(self.turns):
            prefix = f"{IMAGE_PLACEHOLDER}\n" * self.image_count if number == 0 else ""
            messages.append({"role": "user", "content": prefix + question})
            messages.append({"role": "assistant", "content": answer})
        return messages

    @functools.cached_property
    def text(self) -> str:
        """Return the contents of all messages, each on lines of its own."""
        return "\n".join([message["content"] for message in self.messages])

    def row(self, annotation_row: int | None) -> dict[str, Any]:
        """Return the sample as a row of a shard's files, with the row number of the annotation that has its image."""
        about = self.about
        return {
            "id": self.id,
            "parent_id": self.parent_id,
            "messages": self.messages,
            "kind": str(self.kind),
            "language": str(self.language),
            "modality": about.modality and str(about.modality),
            "department": str(about.department),
            "labels": list(about.labels),
            "boxes": [{"label": box.label, "xyxy": list(box.xyxy)} for box in self.boxes],
            "source": about.source,
            "license": about.license,
            "split": str(about.split),
            "provenance": provenance_json(self.provenance, about),
            "annotation": (self.rows[0] if self.rows else annotation_row) if self.has_image else None,
            "beside": self.rows[1] if self.rows else None,
        }


def qualified_id(about: Record, kind: Kind, number: int) -> str:
    """Return the record's id with `#kind#number` behind it."""
    return f"{about.id}#{kind}#{number}"


def turns_of(messages: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the (question, answer) pairs of a row's messages, without the images' placeholders."""
    contents = [without_placeholders(message["content"]) for message in messages]
    return tuple(zip(contents[::2], contents[1::2], strict=True))


def without_placeholders(content: str) -> str:
    """Return a message without the placeholders that it begins with."""
    return _PLACEHOLDERS.sub("", content)


_COLUMNS = ("sub_dataset", "kind", "language", "modality", "department", "task", "clinical_task")
"""What kept samples are counted under, for the statistics."""


class Tallies:
    """Counts kept samples: those that the statistics count alike are added up before they are told apart by column."""

    def __init__(self) -> None:
        self._alike: Counter[tuple[object, ...]] = Counter()

    def count(self, sample: Sample) -> None:
        """Count a kept sample."""
        of = sample.about
        self._alike[
            sample.sub_dataset, of.split, sample.kind, sample.language, of.modality, of.department, of.task,
            of.clinical_task,
        ] += 1  # fmt: skip

    def add_to(self, ledger: Ledger) -> None:
        """Add what was counted to an account."""
        for (sub_dataset, split, kind, language, modality, *others), times in self._alike.items():
            values = (f"{sub_dataset}/{split}", kind, language, modality or NO_MODALITY, *others)
            for column, value in zip(_COLUMNS, values, strict=True):
                ledger.tally(column, str(value), times)
