"""Parquet for TRL's `DPOTrainer` and `GRPOTrainer`: verifiable questions, with a wrong answer beside the right one.

Columns of both: `id`, `images`, `prompt` (messages with image parts), `reward` and `truth`, see `gmai_formats.rewards`;
`chosen` and `rejected` for DPO. https://huggingface.co/docs/trl/dataset_formats#preference,
https://huggingface.co/docs/trl/dataset_formats#prompt-only
"""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from gmai_data.publishing.row_facts import RowFacts
from gmai_data.publishing.trl import ROWS_AT_ONCE, parts, write_names
from gmai_data.publishing.verifiable import absent_labels, task_of
from gmai_data.tables import IMAGE, STRING, typed_schema
from gmai_data.untyped import pa, pq
from gmai_data.vocabulary import Split, SubDataset

_MESSAGES = pa.list_(
    pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))),
        ]
    )
)
_FEATURE = [{"role": STRING, "content": [{"type": STRING, "text": STRING}]}]


def _columns(*messages: str) -> Any:
    fields = {"id": pa.string(), "images": pa.list_(IMAGE), **dict.fromkeys(messages, _MESSAGES),
              "reward": pa.string(), "truth": pa.string()}  # fmt: skip
    return typed_schema(fields, {"images": [{"_type": "Image"}], **dict.fromkeys(messages, _FEATURE)})


class DpoFolder:
    """Writes `NAME-SPLIT.parquet`, `facts/`, and a README.md by which `datasets` knows the names and splits.

    Args:
        folder: To write to.
        source: The build or release that the rows are of.
    """

    SELECTS: ClassVar[bool] = True
    """What has no verifiable answer is not asked for: no failure of the export."""
    columns: ClassVar[Any] = _columns("prompt", "chosen", "rejected")

    def __init__(self, folder: Path, source: Path) -> None:
        self._folder, self._absent = folder, absent_labels(source)
        self._files: dict[str, list[dict[str, str]]] = {}

    @contextmanager
    def open(self, title: str, split: Split) -> Generator["_TaskFile"]:
        """Begin a split of a sub-dataset; one without a verifiable row leaves no file."""
        path = self._folder / f"{title}-{split}.parquet"
        with pq.ParquetWriter(path, self.columns) as writer, RowFacts.open(self._folder, path.stem) as facts:
            file = _TaskFile(writer, facts, self._absent, self.columns)
            yield file
            file.flush()
        if file.written:
            self._files.setdefault(title, []).append({"split": str(split), "path": path.name})
        else:
            path.unlink()
            (self._folder / "facts" / path.name).unlink(missing_ok=True)

    def finish(self, lengths: Mapping[SubDataset, int]) -> None:
        """Write README.md with a configuration per sub-dataset."""
        write_names(self._folder, self._files)


class GrpoFolder(DpoFolder):
    """The same without answers: the model finds its own, and the reward judges them."""

    columns: ClassVar[Any] = _columns("prompt")


class _TaskFile:
    def __init__(self, writer: Any, facts: RowFacts, absent: Mapping[str, tuple[str, ...]], columns: Any) -> None:
        self._writer, self._facts, self._absent, self._columns = writer, facts, absent, columns
        self._rows: list[dict[str, Any]] = []
        self.written = 0

    def add(self, row: Mapping[str, Any]) -> str | None:
        task = task_of(row, self._absent)
        if isinstance(task, str):
            return task
        *before, last = row["messages"]
        values = {
            "id": row["id"], "images": row["images"],
            "prompt": [{"role": each["role"], "content": parts(each["content"])} for each in before],
            "chosen": [{"role": last["role"], "content": parts(last["content"])}],
            "rejected": [{"role": last["role"], "content": parts(task.rejected)}],
            "reward": task.reward, "truth": json.dumps(task.truth, ensure_ascii=False),
        }  # fmt: skip
        self._rows.append({name: values[name] for name in self._columns.names})
        self._facts.add(row)
        self.written += 1
        if len(self._rows) == ROWS_AT_ONCE:
            self.flush()
        return None

    def flush(self) -> None:
        """Write the rows that wait."""
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._columns))
        self._rows = []
