"""Files of `gmai data export --format dpo|grpo` ▶ datasets that TRL trains on, images read as everywhere in gmai."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.pictures.problems import PictureError
from gmai_formats.rewards import REWARDS, reward

from gmai_model.assembly.tokenizer import IMAGE_TOKEN
from gmai_model.batching.collate import decode_image
from gmai_model.batching.sources import check_parquet

SPLITS = ("train", "validation")
_MESSAGES = {"dpo": ("prompt", "chosen", "rejected"), "grpo": ("prompt",)}
_ROLES = {"prompt": ("system", "user", "assistant"), "chosen": ("assistant",), "rejected": ("assistant",)}


@dataclass(frozen=True)
class Tasks:
    """The questions of one split."""

    rows: list[dict[str, Any]]
    """`id`, `images` (encoded), messages as parts, `reward` and `truth` (JSON text)."""
    left_out: dict[str, int]
    """Reason ▶ rows."""

    def dataset(self) -> Any:
        """Return them as a `datasets.Dataset` that decodes images when a row is asked for."""
        import datasets

        columns = datasets.Dataset.from_list([{"number": number} for number in range(len(self.rows))])

        def read(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
            rows = [self.readable(number) for number in batch["number"]]
            return {name: [row[name] for row in rows] for name in rows[0]}

        return columns.with_transform(read)

    def readable(self, number: int) -> dict[str, Any]:
        """Return a row with its images decoded."""
        row = self.rows[number]
        return {**row, "images": [decode_image(image) for image in row["images"]]}


def task_files(data: Path) -> dict[str, list[Path]]:
    """Return split ▶ its files.

    Raises:
        UserError: No training file.
    """
    if data.is_file():
        return {"train": [data], "validation": []}
    found = {split: sorted(data.glob(f"*-{split}.parquet")) for split in SPLITS}
    if not found["train"]:
        raise UserError(
            f"{data}: no *-train.parquet. Stage 4 takes the folder that `gmai data export BUILD {data} --format dpo` "
            f"(or grpo) wrote."
        )
    return found


def read_tasks(files: Sequence[Path], method: str, marks: Sequence[str] = ()) -> Tasks:
    """Read the questions of a split; a row that cannot be used is left out and counted.

    Args:
        files: Parquet files.
        method: `dpo` or `grpo`.
        marks: What no text may hold, see `batching.tokens.turn_marks`.

    Raises:
        UserError: A file lacks a column, or is not whole.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    columns = ["id", "images", *_MESSAGES[method], "reward", "truth"]
    for file in files:
        check_parquet(file, "of stage 4")
        missing = set(columns) - set(pq.read_schema(file).names)
        if missing:
            raise UserError(
                f"{file}: no column {sorted(missing)[0]!r}, which --method {method} needs. "
                f"`gmai data export BUILD OUT --format {method}` writes it."
            )
        try:
            values = pq.read_table(file, columns=columns).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{file} cannot be read to its end ({error!s:.100}). Export or copy it again.") from error
        for row in values:
            found = _usable(row, method, (*marks, IMAGE_TOKEN))
            if isinstance(found, str):
                left_out[found] += 1
            else:
                rows.append(found)
    return Tasks(rows, dict(left_out))


def drawn(tasks: Tasks, count: int, seed: int) -> Tasks:
    """Return a fixed draw of questions with the shares of rewards that all have."""
    if len(tasks.rows) <= count:
        return tasks
    order = np.random.default_rng(seed).permutation(len(tasks.rows))
    kinds = [tasks.rows[number]["reward"] for number in order]
    position = {kind: iter(np.flatnonzero([each == kind for each in kinds])) for kind in set(kinds)}
    shares = Counter(kinds)
    # Every kind at its share of the way through the draw, so that any length of it has the shares of all.
    ranked = sorted((rank / shares[kind], kind, int(next(position[kind]))) for kind in sorted(shares)
                    for rank in range(shares[kind]))  # fmt: skip
    return Tasks([tasks.rows[order[place]] for *_, place in ranked[:count]], tasks.left_out)


def report_left_out(tasks: Tasks, split: str) -> None:
    """Say what was left out."""
    for reason, count in tasks.left_out.items():
        say(f"{split}: left out: {count}: {reason}")


def _usable(row: dict[str, Any], method: str, marks: Sequence[str]) -> dict[str, Any] | str:
    if row["reward"] not in REWARDS:
        return f"no such reward: {row['reward']!r:.40}"
    images = [(image or {}).get("bytes") or b"" for image in row["images"] or []]
    messages: dict[str, list[dict[str, Any]]] = {}
    for name in _MESSAGES[method]:
        if not _are_messages(row[name], _ROLES[name]):
            return f"`{name}` is no list of messages with parts of text and images"
        messages[name] = [_message(each) for each in row[name]]
        texts = [part.get("text", "") for each in messages[name] for part in each["content"]]
        if not any(text.strip() for text in texts):
            return f"`{name}` has no text"
        if mark := next((mark for mark in marks if any(mark in text for text in texts)), None):
            return f"`{name}` holds {mark}, a special token or turn mark of the chat template"
    if method == "dpo" and messages["chosen"] == messages["rejected"]:
        return "`chosen` and `rejected` are the same"
    places = sum(part["type"] == "image" for each in messages["prompt"] for part in each["content"])
    if places != len(images):
        return "as many image parts as images are needed"
    try:
        truth = json.loads(row["truth"])
        reward(row["reward"], truth, "")
        for image in images:
            decode_image(image)
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"its truth does not fit the reward {row['reward']}"
    except (OSError, PictureError):
        return "its image cannot be read"
    return {"id": row["id"], "images": images, **messages, "reward": row["reward"], "truth": row["truth"]}


def _are_messages(value: Any, roles: Sequence[str]) -> bool:
    return isinstance(value, list) and bool(value) and all(
        isinstance(message, dict) and message.get("role") in roles and isinstance(message.get("content"), list)
        and all(
            isinstance(part, dict)
            and (part.get("type") == "image" or (part.get("type") == "text" and isinstance(part.get("text"), str)))
            for part in message["content"]
        )
        for message in value
    )  # fmt: skip


def _message(message: dict[str, Any]) -> dict[str, Any]:
    parts = [{"type": "image"} if part["type"] == "image" else {"type": "text", "text": part["text"]}
             for part in message["content"]]  # fmt: skip
    return {"role": message["role"], "content": parts}
