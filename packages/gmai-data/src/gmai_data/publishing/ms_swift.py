"""ms-swift rows: JSON Lines with `messages`, `images` and, for grounding, `objects` (`ref`, `bbox` in absolute pixels).

Boxes leave the text: `<ref>label</ref><box>[[…]]</box>` becomes `<ref-object><bbox>`, which ms-swift fills in the form
of the model that is trained.
"""

import json
import re
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from gmai_formats.rows.box_text import BOX_MARK, REF_MARK, box_tag, to_pixels

from gmai_data.publishing.image_files import ImageFolder
from gmai_data.publishing.row_facts import RowFacts
from gmai_data.vocabulary import Split, SubDataset

_MARKUP = re.compile(r"<ref>([^<]*)</ref>|<box>\[((?:\[\d+(?:, \d+){3}\](?:, )?)+)\]</box>")
_NUMBERS = re.compile(r"\[(\d+(?:, \d+){3})\]")


class MsSwiftFolder:
    """Writes `NAME-SPLIT.jsonl`, `NAME-SPLIT-grounding.jsonl`, `facts/` and `images/`.

    Rows with boxes have a file of their own, and all rows of a file have the same keys: readers infer the type of a
    column from the first rows, and fail on an `objects` that is empty there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images = ImageFolder(folder / "images")

    @contextmanager
    def open(self, title: str, split: Split) -> Generator["_MsSwiftFiles"]:
        """Begin a split of a sub-dataset."""
        stem = f"{title}-{split}"
        with RowFacts.open(self._folder, stem) as facts, ExitStack() as stack:
            yield _MsSwiftFiles(self._folder / stem, stack, facts, self._images)

    def finish(self, lengths: Mapping[SubDataset, int]) -> None:
        """Write nothing: each file stands for itself."""


class _MsSwiftFiles:
    def __init__(self, stem: Path, stack: ExitStack, facts: RowFacts, images: ImageFolder) -> None:
        self._stem, self._stack, self._facts, self._images = stem, stack, facts, images
        self._files: dict[str, IO[str]] = {}

    def add(self, row: Mapping[str, Any]) -> str | None:
        if len(row["images"]) > 1 and any("<box>" in message["content"] for message in row["messages"]):
            return "boxes of a row with several images do not say which image they are of"
        if any(mark in message["content"] for message in row["messages"] for mark in (REF_MARK, BOX_MARK)):
            return "the text holds a placeholder of ms-swift"
        entry: dict[str, Any] = {"id": row["id"], "messages": row["messages"], "images": []}
        pictures = [self._images.add(image["bytes"]) for image in row["images"]]
        found = [picture for picture in pictures if picture is not None]
        if len(found) < len(pictures):
            return "the image is not PNG, JPEG, TIFF, WebP or BMP"
        entry["images"] = [f"images/{picture.name}" for picture in found]
        if len(found) == 1:
            messages, objects = grounded(row["messages"], row["boxes"], found[0].size_px)
            if objects["bbox"]:
                entry["messages"], entry["objects"] = messages, objects
        self._file("-grounding" if "objects" in entry else "").write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._facts.add(row)
        return None

    def _file(self, suffix: str) -> IO[str]:
        if suffix not in self._files:
            path = self._stem.with_name(f"{self._stem.name}{suffix}.jsonl")
            self._files[suffix] = self._stack.enter_context(path.open("w", encoding="utf-8"))
        return self._files[suffix]


def grounded(
    messages: list[dict[str, str]], boxes: list[dict[str, Any]], size_px: tuple[int, int]
) -> tuple[list[dict[str, str]], dict[str, list[Any]]]:
    """Return the messages with placeholders, and the `objects` that fill them, in order.

    A box of the text that is one of the sample's own gets its exact pixels; another one gets the nearest pixels.

    Args:
        messages: With boxes in thousandths.
        boxes: The sample's, in absolute pixels.
        size_px: Width and height of the image.
    """
    exact = {box_tag([box["xyxy"]], *size_px): list(box["xyxy"]) for box in reversed(boxes)}
    objects: dict[str, list[Any]] = {"ref": [], "bbox": []}

    def replace(found: re.Match[str]) -> str:
        label, inner = found.groups()
        if inner is None:
            objects["ref"].append(label)
            return REF_MARK
        for numbers in _NUMBERS.findall(inner):
            box = [int(number) for number in numbers.split(", ")]
            objects["bbox"].append(exact.get(box_tag([box])) or list(to_pixels(box, size_px)))
        return BOX_MARK * inner.count("[")

    return [{**message, "content": _MARKUP.sub(replace, message["content"])} for message in messages], objects
