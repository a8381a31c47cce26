"""`gmai data export`: the samples of a build or a release ▶ a folder in a format that other training tools read."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from gmai_cli.console import progress, say
from gmai_cli.exit_codes import EXIT_OK, EXIT_PARTIAL
from gmai_cli.folders import new_folder
from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.files import write_json

from gmai_data.publishing.llava import LlavaFolder
from gmai_data.publishing.ms_swift import MsSwiftFolder
from gmai_data.publishing.preferences import DpoFolder, GrpoFolder
from gmai_data.publishing.sub_datasets import TABLE_6, sample_files
from gmai_data.publishing.trl import TrlFolder
from gmai_data.publishing.web_shards import WebShardFolder
from gmai_data.untyped import pq
from gmai_data.vocabulary import Split, SubDataset

ROWS_AT_ONCE = 256
"""Rows held in memory, each perhaps with an image."""

Row = Mapping[str, Any]
"""A row of the sample files, as docs/reference/formats.md describes it."""


class OpenSet(Protocol):
    """The file, or files, of one split of one sub-dataset."""

    def add(self, row: Row) -> str | None:
        """Append a row; return why it cannot be written in this format, or None when it was."""
        ...


class ExportFolder(Protocol):
    """Writes one format into a folder."""

    def open(self, title: str, split: Split) -> AbstractContextManager[OpenSet]:
        """Begin a split of a sub-dataset."""
        ...

    def finish(self, lengths: Mapping[SubDataset, int]) -> None:
        """Write what stands beside the rows, such as a mixing list.

        Args:
            lengths: Sub-dataset ▶ rows written for training.
        """
        ...


FORMATS: dict[str, Callable[[Path, Path], ExportFolder]] = {
    "dpo": DpoFolder,
    "grpo": GrpoFolder,
    "llava": lambda folder, _: LlavaFolder(folder),
    "ms-swift": lambda folder, _: MsSwiftFolder(folder),
    "trl": lambda folder, _: TrlFolder(folder),
    "webdataset": lambda folder, _: WebShardFolder(folder),
}
"""Name ▶ what writes it: (folder to write, build or release that the rows are of)."""


def export(folder: Path, target: Path, form: str) -> int:
    """Write the samples of `folder` to `target` and return the exit code: 3 when some rows could not be written.

    `dpo` and `grpo` take the rows with a verifiable answer; that others have none is counted, and no failure.

    The folder appears whole or not at all; the same samples give the same bytes. Rows that the format cannot hold stand
    in `left_out.jsonl` with the reason, and are counted in `export.json`.

    Args:
        folder: A build or a release.
        target: A new or empty folder.
        form: A key of `FORMATS`.

    Raises:
        UserError: No such format, no samples, or `target` holds something.
    """
    if form not in FORMATS:
        raise UserError(f"--format {form}: no such format.{did_you_mean(form, FORMATS)}")
    sets = list(sample_files(folder))
    if not sets:
        raise UserError(
            f"{folder}: no samples/*/*.parquet. Give a folder that `gmai data build` or `gmai data publish` wrote."
        )
    total = sum(pq.read_metadata(path).num_rows for *_, files in sets for path in files)
    rows: dict[str, dict[str, int]] = {}
    lengths: dict[SubDataset, int] = {}
    left_out: Counter[str] = Counter()
    with new_folder(target) as partial, progress("export", total, unit="samples") as bar:
        writer = FORMATS[form](partial, folder)
        for name, split, files in sets:
            title, written = TABLE_6[name][0], 0
            with writer.open(title, split) as opened:
                for row in sample_rows(files):
                    reason = opened.add(row)
                    if reason is None:
                        written += 1
                    else:
                        left_out[reason] += 1
                        _note(partial / "left_out.jsonl", {"id": row["id"], "reason": reason})
                    bar.advance(note=title)
            rows.setdefault(title, {})[str(split)] = written
            if split == Split.TRAIN:
                lengths[name] = written
        writer.finish(lengths)
        write_json(
            partial / "export.json", {"format": form, "samples": rows, "left_out": dict(sorted(left_out.items()))}
        )
    say(f"{target}: {total - left_out.total()} samples as {form}, {left_out.total()} left out.")
    for reason, count in left_out.most_common():
        say(f"left out: {count}: {reason}; see left_out.jsonl")
    return EXIT_PARTIAL if left_out and not getattr(writer, "SELECTS", False) else EXIT_OK


def sample_rows(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Yield the rows of sample files in order; few are held at a time."""
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                yield from batch.to_pylist()


def _note(path: Path, entry: Mapping[str, str]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
