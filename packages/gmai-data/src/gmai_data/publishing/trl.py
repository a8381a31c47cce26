"""Parquet for TRL: what a message says stands as parts, `{"type": "image"}` where the text has its `<image>`.

TRL puts one image part per picture before the text of the first question where that text is a plain string, and would
then ask for each picture twice (`prepare_multimodal_messages` in trl/data_utils.py, https://github.com/huggingface/trl).
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from gmai_formats.files import write_text

from gmai_data.publishing.row_facts import RowFacts
from gmai_data.tables import IMAGE, STRING, typed_schema
from gmai_data.untyped import pa, pq
from gmai_data.vocabulary import Split, SubDataset

ROWS_AT_ONCE = 256
"""Rows of a row group: each may hold an image."""

_PARTS = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))
_COLUMNS = typed_schema(
    {
        "id": pa.string(),
        "images": pa.list_(IMAGE),
        "messages": pa.list_(pa.struct([("role", pa.string()), ("content", _PARTS)])),
    },
    {"images": [{"_type": "Image"}], "messages": [{"role": STRING, "content": [{"type": STRING, "text": STRING}]}]},
)


class TrlFolder:
    """Writes `NAME-SPLIT.parquet`, `facts/`, and a README.md by which `datasets` knows the names and splits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, list[dict[str, str]]] = {}

    @contextmanager
    def open(self, title: str, split: Split) -> Generator["_TrlFile"]:
        """Begin a split of a sub-dataset."""
        path = self._folder / f"{title}-{split}.parquet"
        self._files.setdefault(title, []).append({"split": str(split), "path": path.name})
        with pq.ParquetWriter(path, _COLUMNS) as writer, RowFacts.open(self._folder, path.stem) as facts:
            file = _TrlFile(writer, facts)
            yield file
            file.flush()

    def finish(self, lengths: Mapping[SubDataset, int]) -> None:
        """Write README.md with a configuration per sub-dataset."""
        write_names(self._folder, self._files)


class _TrlFile:
    def __init__(self, writer: Any, facts: RowFacts) -> None:
        self._writer, self._facts = writer, facts
        self._rows: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> str | None:
        messages = [{"role": each["role"], "content": parts(each["content"])} for each in row["messages"]]
        self._rows.append({"id": row["id"], "images": row["images"], "messages": messages})
        self._facts.add(row)
        if len(self._rows) == ROWS_AT_ONCE:
            self.flush()
        return None

    def flush(self) -> None:
        """Write the rows that wait."""
        self._writer.write_table(pa.Table.from_pylist(self._rows, _COLUMNS))
        self._rows = []


def write_names(folder: Path, files: Mapping[str, list[dict[str, str]]]) -> None:
    """Write the README.md by which `datasets` knows a folder's configurations.

    Args:
        folder: Of the Parquet files.
        files: Configuration ▶ its `split` and `path` entries.
    """
    configs = [{"config_name": title, "data_files": entries} for title, entries in files.items()]
    write_text(folder / "README.md", f"---\n{yaml.safe_dump({'configs': configs}, sort_keys=False)}---\n")


def parts(text: str) -> list[dict[str, str | None]]:
    """Return a message as parts; a chat template writes `<image>` and a line end for each image part."""
    found: list[dict[str, str | None]] = []
    before, *after = text.split("<image>")
    if before:
        found.append({"type": "text", "text": before})
    for rest in after:
        found.append({"type": "image", "text": None})
        if rest.removeprefix("\n"):
            found.append({"type": "text", "text": rest.removeprefix("\n")})
    return found
