"""Questions about coloured shapes, as `gmai data export --format dpo` writes them."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.gmai_model.conftest import COLOURS, make_rows

PARTS = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", PARTS)]))
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
        ("prompt", MESSAGES),
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        ("reward", pa.string()),
        ("truth", pa.string()),
    ]
)


def make_tasks(count, *, seed=0):
    tasks = []
    for row in make_rows(count, seed=seed):
        if not row["images"]:
            continue
        right = row["labels"][1]
        wrong = next(colour for colour in COLOURS if colour != right)

        def said(text):
            return [{"role": "assistant", "content": [{"type": "text", "text": text}]}]

        prompt = [
            {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "Which colour?"}]}
        ]
        tasks.append({"id": row["id"], "images": row["images"], "prompt": prompt, "chosen": said(right),
                      "rejected": said(wrong), "reward": "option_text",
                      "truth": json.dumps({"answer": right, "options": list(COLOURS)})})  # fmt: skip
    return tasks


def write_tasks(path, tasks, drop=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(tasks, SCHEMA).drop_columns(list(drop)), path)
    return path


IMPORTS = ("gmai_cli.main", "gmai_model.tuning.run", "datasets", "peft", "trl", "trl.trainer.dpo_trainer",
           "trl.trainer.grpo_trainer", "transformers.models.clip.modeling_clip",
           "transformers.models.llama.modeling_llama", "transformers.models.llava.modeling_llava")  # fmt: skip


@pytest.fixture(scope="session")
def tuning(forked_gmai):
    """Starts `gmai train --stage 4`."""
    with forked_gmai.Server(IMPORTS, os.environ) as server:
        yield server


@pytest.fixture(scope="session")
def tasks(made_once):
    def make(folder):
        write_tasks(folder / "GMAI-MM-Percept-train.parquet", make_tasks(16))
        write_tasks(folder / "GMAI-MM-Percept-validation.parquet", make_tasks(8, seed=1))

    return made_once("tasks", make)
