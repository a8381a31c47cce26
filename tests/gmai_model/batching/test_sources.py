"""The same samples from every kind of file, bad rows named by number, other people's files as they are."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.errors import UserError
from gmai_formats.rows.mixtures import load_mixture
from gmai_model.batching.collate import Collator
from gmai_model.batching.index import ROWS_PER_BATCH
from gmai_model.batching.prepare import open_source
from gmai_model.batching.samples import SampleSource
from gmai_model.batching.tokens import Encoder, Rejected
from transformers import AutoProcessor


def open_samples(data: Path, cache: Path) -> SampleSource:
    mixture, root = load_mixture(data)
    return open_source(mixture, root, stage=1, split="train", seed=0, cache=cache)


def rows_of(samples: Path) -> list[dict]:
    """Samples with none, one and two images."""
    rows = pq.read_table(samples / "train-00000.parquet").to_pylist()[:12]
    two = {**rows[0], "id": "two", "images": rows[0]["images"] + rows[1]["images"]}
    two["messages"] = [
        {"role": "user", "content": "<image> and <image>: same?"},
        {"role": "assistant", "content": "No."},
    ]
    return [*rows, two]


def as_llava(row: dict) -> dict:
    names = [image["path"] for image in row["images"]]
    roles = {"user": "human", "assistant": "gpt"}
    turns = [{"from": roles[m["role"]], "value": m["content"]} for m in row["messages"]]
    images = {"image": names[0]} if len(names) == 1 else {"image": names} if names else {}
    return {"id": row["id"], "conversations": turns, **images, "width": 96, "height": 80}


def write_parquet(rows: list[dict], folder: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-0.parquet", row_group_size=5)
    return folder / "train-0.parquet"


def write_hub_parquet(rows: list[dict], folder: Path) -> Path:
    """One image a row in a column `image`, and `conversations`, as many datasets of the Hub are."""
    kept = [{**as_llava(row), "image": (row["images"] or [None])[0]} for row in rows if len(row["images"]) < 2]
    pq.write_table(pa.Table.from_pylist(kept), folder / "train-0.parquet")
    return folder


def write_images(rows: list[dict], folder: Path) -> None:
    for image in (image for row in rows for image in row["images"]):
        (folder / image["path"]).write_bytes(image["bytes"])


def write_json(rows: list[dict], folder: Path) -> Path:
    write_images(rows, folder)
    (folder / "rows.json").write_text(json.dumps([as_llava(row) for row in rows], indent=1))
    return folder / "rows.json"


def write_jsonl(rows: list[dict], folder: Path) -> Path:
    write_images(rows, folder)
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(as_llava(row)) for row in rows))
    return folder


def write_tar(rows: list[dict], folder: Path) -> Path:
    with tarfile.open(folder / "shard-000.tar", "w") as tar:
        for number, row in enumerate(rows):
            members = [(f"{number:04d}.json", json.dumps({"id": row["id"], "messages": row["messages"]}).encode())]
            # The last first, and ten of them would sort after two: the order is that of the numbers.
            members += [(f"{number:04d}.{i + 9}.png", image["bytes"]) for i, image in enumerate(row["images"])][::-1]
            for name, content in members:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return folder


@pytest.mark.parametrize("write", [write_parquet, write_hub_parquet, write_json, write_jsonl, write_tar])
def test_every_kind_of_file_gives_the_same_rows(checkpoint: Path, samples: Path, tmp_path: Path, write) -> None:
    rows = rows_of(samples)
    source = open_samples(write(rows, tmp_path), tmp_path / "cache")
    rows = [row for row in rows if len(row["images"]) < 2 or write is not write_hub_parquet]
    assert [source[number].id for number in range(len(source))] == [row["id"] for row in rows]
    for number, row in enumerate(rows):
        assert source[number].messages == row["messages"]
        assert [image.read() for image in source[number].images] == [image["bytes"] for image in row["images"]]
    processor = AutoProcessor.from_pretrained(checkpoint)
    encoder = Encoder(processor.tokenizer, tokens_per_image=64, max_tokens=2048)
    row = Collator(source, encoder, processor.image_processor, image_size=112)(np.arange(len(source)))
    assert row.unreadable == []
    assert len(row.pixel_values) == sum(len(row["images"]) for row in rows)


def test_rows_keep_their_place_over_batches_and_files(samples: Path, tmp_path: Path) -> None:
    text = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello."}]
    counts = (ROWS_PER_BATCH + 3, 1, 2 * ROWS_PER_BATCH)
    for file, count in enumerate(counts):
        rows = [{"id": f"{file}-{i}", "messages": text} for i in range(count)]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"train-{file}.parquet", row_group_size=100)
    source = open_samples(tmp_path, tmp_path / "cache")
    expected = [f"{file}-{i}" for file, count in enumerate(counts) for i in range(count)]
    assert list(source.tables[0].ids) == expected
    assert [source[i].id for i in range(len(source))] == expected
    assert source.origin(ROWS_PER_BATCH + 4) == (tmp_path / "train-2.parquet", 0)


BAD = [
    ({"id": "a", "conversations": []}, "roles: the roles are none"),
    ({"id": "b", "conversations": [{"from": "robot", "value": "x"}]}, "roles: message 1 is from 'robot'"),
    ({"id": "c", "conversations": [{"from": "human", "value": 3}]}, "messages: message 1 is a number, not text"),
    ({"id": "d", "conversations": [{"from": "human", "value": "x"}], "image": 7}, "neither a picture nor a path"),
    ([], "columns: a row is an object, not a list"),
]


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_bad_row_keeps_its_number_and_says_what_is_wrong(tmp_path: Path, suffix: str) -> None:
    rows = [json.dumps(row) for row, _ in BAD]
    text = "[" + ",\n".join(rows) + "]" if suffix == ".json" else "\n".join([*rows, '{"id": "torn'])
    (tmp_path / f"rows{suffix}").write_text(text)
    source = open_samples(tmp_path / f"rows{suffix}", tmp_path / "cache")
    reasons = [*(reason for _, reason in BAD), *(["json: not JSON"] if suffix == ".jsonl" else [])]
    assert len(source) == len(reasons)
    for number, reason in enumerate(reasons):
        assert reason in (source[number].problem or "")
        assert source.origin(number) == (tmp_path / f"rows{suffix}", number)


def test_parquet_row_without_roles_is_named(checkpoint: Path, tmp_path: Path) -> None:
    tokenizer = AutoProcessor.from_pretrained(checkpoint).tokenizer
    rows = [{"messages": [{"role": "user", "content": None}]}, {"messages": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train-0.parquet")
    source = open_samples(tmp_path, tmp_path / "cache")
    encoder = Encoder(tokenizer, tokens_per_image=4, max_tokens=50)
    assert source[0].id == "train-0.parquet#0"
    for number in range(2):
        with pytest.raises(Rejected):
            encoder(source[number])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.json", b'[{"id": "a"}, {"id": ', r"rows.json row 1: not JSON: Expecting value"),
        ("rows.json", b"3", r"row 0: the file is not one list"),
        ("rows.tar", b"x" * 2000, r"rows.tar row 0: cannot be read on \(.*\)\. A file can be read to its end"),
        ("rows.parquet", b"PAR1", r"rows.parquet is not whole: cannot be read on"),
    ],
)
def test_file_that_is_not_whole_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        open_samples(tmp_path / name, tmp_path / "cache")


def test_parquet_without_texts_says_what_it_has(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "caption": ["b"]}), tmp_path / "train-0.parquet")
    with pytest.raises(UserError, match="holds no samples: its columns are `id`, `caption`"):
        open_samples(tmp_path, tmp_path / "cache")


def test_large_json_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmai_formats.rows.json_stream._CHUNK", 7)
    answer = {"from": "gpt", "value": "é"}
    rows = [
        {"id": f"é{i}", "conversations": [{"from": "human", "value": "[1, {" * (i + 1)}, answer]} for i in range(20)
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows, indent=2, ensure_ascii=False), encoding="utf-8")
    source = open_samples(tmp_path / "rows.json", tmp_path / "cache")
    assert [(source[i].id, source[i].messages[0]["content"]) for i in range(20)] == [
        (row["id"], row["conversations"][0]["value"]) for row in rows
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("a.jsonl", "validation.jsonl", "test.jsonl"),
        ("caption-train-000.jsonl", "caption-validation-000.jsonl", "mixture_stage1.jsonl"),
        ("x_train.jsonl", "x_val.jsonl", "x_test1.jsonl"),
    ],
)
def test_held_out_files_are_not_trained_on(samples: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    rows = rows_of(samples)
    for name, part in zip(names, (rows[:4], rows[4:6], rows[6:]), strict=True):
        (tmp_path / name).write_text("\n".join(json.dumps(as_llava(row)) for row in part))
    mixture, root = load_mixture(tmp_path)
    for split, expected in (("train", rows[:4]), ("validation", rows[4:6])):
        source = open_source(mixture, root, stage=1, split=split, seed=0, cache=tmp_path / "cache")
        assert [source[i].id for i in range(len(source))] == [row["id"] for row in expected]


def test_missing_image_is_unreadable_and_not_replaced(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    rows = rows_of(samples)[:2]
    data = write_json(rows, tmp_path)
    (tmp_path / rows[0]["images"][0]["path"]).unlink()
    processor = AutoProcessor.from_pretrained(checkpoint)
    encoder = Encoder(processor.tokenizer, tokens_per_image=64, max_tokens=2048)
    collator = Collator(open_samples(data, tmp_path / "cache"), encoder, processor.image_processor, image_size=112)
    row = collator(np.arange(2))
    assert "0.png is missing: it is not in" in row.unreadable[0]
    assert len(row.pixel_values) == 1


FIND = """
import sys
from pathlib import Path
from gmai_formats.errors import UserError
from gmai_model.batching.mixture import MixtureEntry
from gmai_model.batching.sources import find_files
entry = MixtureEntry.model_validate({"name": "shapes", "hub": "me/set@main"})
try:
    for split in ("train", "validation"):
        print(*find_files(entry, Path("."), split=split, cache=Path(sys.argv[1])).files)
except UserError as error:
    sys.exit(str(error))
"""


def test_dataset_of_the_hub_is_downloaded_once(samples: Path, tmp_path: Path, hub_server) -> None:
    online = {**os.environ, **hub_server.environment(tmp_path / "hf-home")}
    offline = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}
    push = (
        "from pathlib import Path; from gmai_cli.hub import push_folder; "
        f"push_folder(Path({str(samples)!r}), 'me/set', repo_type='dataset', message='x')"
    )
    subprocess.run([sys.executable, "-c", push], env=online, check=True, capture_output=True, timeout=600)

    def find(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", FIND, str(tmp_path / "cache")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)

    before = find(offline)
    assert before.returncode == 1
    assert "me/set" in before.stderr
    assert "Traceback" not in before.stderr
    for environment in (online, offline):
        result = find(environment)
        assert result.returncode == 0, result.stderr
        folder = tmp_path / "cache" / "hub" / "me--set@main"
        assert result.stdout.split() == [f"{folder}/train-00000.parquet", f"{folder}/validation-00000.parquet"]
    assert (folder / "train-00000.parquet").read_bytes() == (samples / "train-00000.parquet").read_bytes()
