"""LLaVA JSON with the keys of the published GMAI-VL-5.5M, its mixing lists, and an image folder beside them.

A row is `{"image", "conversations": [{"from", "value"}], "id", "width", "height"}`; one without an image has no
`image`, `width` and `height`; one with several has lists, `image`, `width_list` and `height_list`, as the training code
of InternVL reads them (https://internvl.readthedocs.io/en/latest/get_started/chat_data_format.html). What these keys
cannot say (kind, language, boxes, provenance …) stands in `facts/`.
"""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gmai_formats.files import write_json

from gmai_data.publishing.image_files import ImageFolder
from gmai_data.publishing.row_facts import RowFacts
from gmai_data.publishing.sub_datasets import TABLE_6
from gmai_data.vocabulary import STAGE_SHARES, Split, SubDataset

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}
"""Our role ▶ LLaVA's `from`."""


class LlavaFolder:
    """Writes `NAME-SPLIT.json`, `mixture_stageN.json`, `facts/` and `images/`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images = ImageFolder(folder / "images")

    @contextmanager
    def open(self, title: str, split: Split) -> Generator["_LlavaFile"]:
        """Begin a split of a sub-dataset."""
        with (
            (self._folder / f"{title}-{split}.json").open("w", encoding="utf-8") as file,
            RowFacts.open(self._folder, f"{title}-{split}") as facts,
        ):
            file.write("[")
            yield _LlavaFile(file, facts, self._images)
            file.write("\n]\n")

    def finish(self, lengths: Mapping[SubDataset, int]) -> None:
        """Write one mixing list per stage, with the shares of Table 7; its paths are relative to the list."""
        for stage in (1, 2, 3):
            entries = {
                TABLE_6[name][0]: {
                    "image_dir": "images",
                    "annotations": f"{TABLE_6[name][0]}-{Split.TRAIN}.json",
                    "sample_ratio": STAGE_SHARES[name][stage - 1],
                    "length": length,
                    "data_augment": False,
                }
                for name, length in lengths.items()
                if STAGE_SHARES[name][stage - 1] > 0
            }
            write_json(self._folder / f"mixture_stage{stage}.json", entries)


class _LlavaFile:
    def __init__(self, file: IO[str], facts: RowFacts, images: ImageFolder) -> None:
        self._file, self._facts, self._images = file, facts, images
        self._separator = "\n"

    def add(self, row: Mapping[str, Any]) -> str | None:
        entry: dict[str, Any] = {}
        pictures = [self._images.add(image["bytes"]) for image in row["images"]]
        sizes = [picture.size_px for picture in pictures if picture is not None]
        names = [picture.name for picture in pictures if picture is not None]
        if len(names) < len(pictures):
            return "the image is not PNG, JPEG, TIFF, WebP or BMP"
        if names:
            entry["image"] = names[0] if len(names) == 1 else names
        entry["conversations"] = [
            {"from": SPEAKERS[message["role"]], "value": message["content"]} for message in row["messages"]
        ]
        entry["id"] = row["id"]
        if len(sizes) == 1:
            entry["width"], entry["height"] = sizes[0]
        elif sizes:
            entry["width_list"], entry["height_list"] = map(list, zip(*sizes, strict=True))
        self._file.write(self._separator + json.dumps(entry, ensure_ascii=False))
        self._separator = ",\n"
        self._facts.add(row)
        return None
