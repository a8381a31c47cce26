"""The standardised record `<image, modality, label, department, bbox>`: one per exported image (section 3.2)."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from gmai_data.vocabulary import TASK_CODES, ClinicalTask, Department, Modality, Split, Task

MIRRORED = ("axial", "coronal")
"""Planes shown with the patient's left on the right of the image (imaging/grids.py): as if the viewer faced the
patient, or looked from the feet."""


@dataclass(frozen=True)
class Box:
    """A labelled region of an image: absolute pixels, half-open `[x1, y1, x2, y2)`, x to the right, y down."""

    label: str
    xyxy: tuple[int, int, int, int]

    @property
    def centre(self) -> tuple[float, float]:
        """Return the centre as (x, y) in pixels."""
        x1, y1, x2, y2 = self.xyxy
        return (x1 + x2) / 2, (y1 + y2) / 2

    @property
    def size_px(self) -> tuple[int, int]:
        """Return width and height in pixels."""
        x1, y1, x2, y2 = self.xyxy
        return x2 - x1, y2 - y1

    @property
    def area_px(self) -> int:
        """Return the area in pixels."""
        width, height = self.size_px
        return width * height

    def common_px(self, other: "Box") -> int:
        """Return the area that both boxes cover, in pixels."""
        (x1, y1, x2, y2), (left, top, right, bottom) = self.xyxy, other.xyxy
        return max(min(x2, right) - max(x1, left), 0) * max(min(y2, bottom) - max(y1, top), 0)


@dataclass(frozen=True)
class Record:
    """What is known about anything that a sample is about: a text of a source as it stands, or an image."""

    id: str
    modality: Modality | None
    """None of a text whose card names none; an image always has one."""
    department: Department
    clinical_task: ClinicalTask
    anatomy: str
    task: Task
    labels: tuple[str, ...]
    """Full English names of what the image shows."""
    split: Split
    group: str
    source: str
    license: str
    provenance: Mapping[str, Any]

    @functools.cached_property
    def provenance_parts(self) -> dict[str, tuple[Any, str]]:
        """Return key ▶ (value, its JSON) of the provenance, which stands in that of every sample about the record."""
        return {key: (value, to_json(value)) for key, value in self.provenance.items()}


@dataclass(frozen=True)
class Annotation(Record):
    """What is known about one exported image, and where it was learned.

    `incomplete` are those of its labels that have regions without a box (too small, or unusable): they are present, but
    must not be counted. `absent` are the labels the annotators looked for and did not find: the only ones a sample may
    call absent.
    """

    image: bytes
    width_px: int
    height_px: int
    absent: tuple[str, ...]
    incomplete: tuple[str, ...]
    boxes: tuple[Box, ...]
    thumbnail: bytes = b""
    """64 × 64 grey levels, to compare near-duplicates with; no part of the record."""

    @property
    def image_modality(self) -> Modality:
        """Return how the image was made.

        Raises:
            ValueError: The record is of a text that has no modality.
        """
        if self.modality is None:
            raise ValueError(f"{self.id}: a text without an image has no modality")
        return self.modality

    @property
    def image_path(self) -> str:
        """Return the file name under which the image stands in the `images` column."""
        suffix = "jpg" if self.image.startswith(b"\xff\xd8") else "png"
        return f"{hashlib.sha256(self.id.encode()).hexdigest()[:16]}.{suffix}"

    @property
    def image_id(self) -> str:
        """Return the first half of the image's SHA-256 digest: equal pixels in equal encoding have equal ids."""
        return self.sha256[:32]

    @functools.cached_property
    def sha256(self) -> str:
        """Return the image's SHA-256 digest."""
        return hashlib.sha256(self.image).hexdigest()

    def row(self) -> dict[str, Any]:
        """Return the record as a row of `annotations/part-*.parquet`."""
        return {
            "id": self.id,
            "image": {"bytes": self.image, "path": self.image_path},
            "width": self.width_px,
            "height": self.height_px,
            "sha256": self.sha256,
            "modality": str(self.image_modality),
            "department": str(self.department),
            "clinical_task": str(self.clinical_task),
            "anatomy": self.anatomy,
            "task": str(self.task),
            "labels": list(self.labels),
            "absent": list(self.absent),
            "incomplete": list(self.incomplete),
            "boxes": [{"label": box.label, "xyxy": list(box.xyxy)} for box in self.boxes],
            "split": str(self.split),
            "group": self.group,
            "source": self.source,
            "license": self.license,
            "provenance": provenance_json(self.provenance, self),
        }


to_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


@functools.lru_cache(maxsize=256)
def _key_json(key: str) -> str:
    return to_json(key)


def provenance_json(provenance: Mapping[str, Any], about: Record) -> str:
    """Return `to_json` of a provenance, with the parts that it has from a record encoded once for all samples."""
    known = about.provenance_parts
    parts: list[str] = []
    for key in sorted(provenance):
        value = provenance[key]
        of_record = known.get(key)
        encoded = of_record[1] if of_record is not None and of_record[0] is value else to_json(value)
        parts.append(f"{_key_json(key)}: {encoded}")
    return f"{{{', '.join(parts)}}}"


def annotation_id(
    task: Task, modality: Modality | None, source: str, key: str, labels: tuple[str, ...], name: str
) -> str:
    """Return `dim#task#modality#dataset#path…#label#file`, the scheme of the published GMAI-VL-5.5M.

    Args:
        task: Gives the first two parts.
        modality: Third part, in lower case, spaces as `_`; `none` for a text without one.
        source: The recipe's name.
        key: The item's path inside the source; each folder becomes a part. May be empty.
        labels: One label becomes its part; several become `multi`, none becomes `none`.
        name: The exported picture within the item (a slice, a window), or the file's own name.
    """
    dimension, code = TASK_CODES[task]
    label = labels[0] if len(labels) == 1 else ("multi" if labels else "none")
    folders = [part for part in key.split("/") if part]
    shown = "none" if modality is None else modality.lower().replace(" ", "_")
    parts = [dimension, code, shown, source, *folders, label, name]
    return "#".join(part.replace("#", "_") for part in parts)


def boxes_of(annotation: Annotation, label: str) -> tuple[Box, ...]:
    """Return the boxes of one label, in the annotation's order."""
    return tuple(box for box in annotation.boxes if box.label == label)


def single_boxes(annotation: Annotation) -> list[Box]:
    """Return the box of each label that was looked for everywhere and has one, in the annotation's order of labels.

    What is said of "the" label is said of one of these.
    """
    found = ((label, boxes_of(annotation, label)) for label in annotation.labels)
    return [boxes[0] for label, boxes in found if label not in annotation.incomplete and len(boxes) == 1]


def annotation_of(row: Mapping[str, Any]) -> Annotation:
    """Return the record of a row of `annotations/part-*.parquet`, which may lack its image."""
    return Annotation(
        id=row["id"],
        image=row["image"]["bytes"] if "image" in row else b"",
        width_px=row["width"],
        height_px=row["height"],
        modality=Modality(row["modality"]),
        department=Department(row["department"]),
        clinical_task=ClinicalTask(row["clinical_task"]),
        anatomy=row["anatomy"],
        task=Task(row["task"]),
        labels=tuple(row["labels"]),
        absent=tuple(row["absent"]),
        incomplete=tuple(row["incomplete"]),
        boxes=tuple(Box(box["label"], tuple(box["xyxy"])) for box in row["boxes"]),
        split=Split(row["split"]),
        group=row["group"],
        source=row["source"],
        license=row["license"],
        provenance=from_json(row["provenance"]),
    )
