"""Datasets streamed through `datasets`: the same rows in the same order, whatever happens in between."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from gmai_formats.errors import UserError
from gmai_formats.rows.mixtures import MixtureEntry, load_mixture
from gmai_model.batching import streams
from gmai_model.batching.prepare import open_source
from gmai_model.batching.streams import stream_parts

from tests.gmai_model.conftest import make_rows, write_rows

pytest.importorskip("datasets", reason="install gmai-model[datasets]")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A dataset of three shards, as it lies on the Hub."""
    for number in range(3):
        write_rows(tmp_path / "published" / f"data/train-0000{number}-of-00003.parquet", make_rows(10, seed=number))
    write_rows(tmp_path / "published" / "data/validation-00000-of-00001.parquet", make_rows(3, seed=9))
    return tmp_path / "published"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(streams, "ROWS_PER_PART", 4)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def read(parts: list[Path]) -> list[dict[str, Any]]:
    return [row for part in parts for row in pyarrow.ipc.open_stream(part.read_bytes()).read_all().to_pylist()]


def entry_of(folder: Path, **more: Any) -> MixtureEntry:
    return MixtureEntry(name="d", hub=str(folder), **more)


def test_the_first_rows_are_those_of_the_files(published: Path, tmp_path: Path) -> None:
    parts = stream_parts(entry_of(published, rows=14), "train", tmp_path / "cache")
    expected = [row for file in sorted(published.glob("data/train*")) for row in pq.read_table(file).to_pylist()]
    assert read(parts) == expected[:14]
    assert len(read(stream_parts(entry_of(published, rows=1000), "train", tmp_path / "cache"))) == 30
    assert len(read(stream_parts(entry_of(published, rows=2), "validation", tmp_path / "cache"))) == 2


@pytest.mark.parametrize("kill_at", [0, 1, 3, 5])
@pytest.mark.parametrize("torn", [False, True])
def test_a_killed_stream_ends_with_the_same_parts(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int, torn: bool
) -> None:
    entry = entry_of(published, rows=26)
    whole = [path.read_bytes() for path in stream_parts(entry, "train", tmp_path / "whole")]
    write, written = streams.write_state, []

    def killed(path: Path, values: dict[str, Any]) -> None:
        if path.name.startswith("part-"):
            if len(written) == kill_at:
                raise KeyboardInterrupt
            written.append(path)
        write(path, values)

    with monkeypatch.context() as patch:
        patch.setattr(streams, "write_state", killed)
        with pytest.raises(KeyboardInterrupt):
            stream_parts(entry, "train", tmp_path / "cache")
    if torn and written:
        last = written[-1].with_suffix(".arrow")
        last.write_bytes(last.read_bytes()[:-9])
    again = stream_parts(entry, "train", tmp_path / "cache")
    assert [path.read_bytes() for path in again] == whole


def test_what_is_in_the_cache_asks_nobody(published: Path, tmp_path: Path) -> None:
    entry = entry_of(published, rows=9)
    first = read(stream_parts(entry, "train", tmp_path / "cache"))
    published.rename(tmp_path / "gone")
    assert read(stream_parts(entry, "train", tmp_path / "cache")) == first


def test_rows_of_json_lines_and_pictures_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    (folder / "train").mkdir(parents=True)
    rows = make_rows(3)
    with (folder / "train" / "metadata.jsonl").open("w") as lines:
        for row in rows:
            image: Any = row["images"]
            (folder / "train" / f"{image[0]['path']}").write_bytes(image[0]["bytes"])
            lines.write(json.dumps({"file_name": image[0]["path"], "messages": row["messages"]}) + "\n")
    found = read(stream_parts(entry_of(folder, rows=5), "train", tmp_path / "cache"))
    assert [row["image"]["bytes"] for row in found] == [row["images"][0]["bytes"] for row in rows]  # type: ignore[index]
    assert [row["messages"] for row in found] == [row["messages"] for row in rows]


def test_training_reads_the_parts(published: Path, tmp_path: Path) -> None:
    mixture = tmp_path / "mix.yaml"
    mixture.write_text(f"datasets: [{{name: s, hub: {published}, rows: 14}}]\n")
    source = open_source(*load_mixture(mixture), stage=3, split="train", seed=0, cache=tmp_path / "cache")
    rows = [row for file in sorted(published.glob("data/train*")) for row in pq.read_table(file).to_pylist()][:14]
    assert [source[n].id for n in range(len(source))] == [row["id"] for row in rows]
    assert [[image.read() for image in source[n].images] for n in range(14)] == [
        [image["bytes"] for image in row["images"]] for row in rows
    ]


def test_what_cannot_be_streamed_is_said(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"dataset d: .* cannot be streamed .*subset.*goes on from there|BuilderConfig"):
        stream_parts(entry_of(published, subset="none"), "train", tmp_path)
    for file in published.glob("data/train*"):
        file.unlink()
    with pytest.raises(UserError, match="has the splits validation, and no `train` to train on"):
        stream_parts(entry_of(published, rows=1), "train", tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"read through datasets .*pip install .*gmai-model\[datasets\]"):
        stream_parts(entry_of(published, rows=1), "train", tmp_path)


@pytest.mark.parametrize("text", ["{name: d, path: a, rows: 3}", "{name: d, hub: o/n, path: a, subset: b}"])
def test_rows_go_with_the_hub(tmp_path: Path, text: str) -> None:
    (tmp_path / "mix.yaml").write_text(f"datasets: [{text}]\n")
    with pytest.raises(UserError, match="`rows` and `subset` go with `hub`"):
        load_mixture(tmp_path / "mix.yaml")


def test_a_dataset_of_the_hub_is_read_at_one_commit(published: Path, tmp_path: Path, hub_server: Any) -> None:
    files = {str(path.relative_to(published)): path.read_bytes() for path in published.rglob("*.parquet")}
    hub_server.create("dataset", "owner/shapes", files)
    program = """
import sys
from pathlib import Path
from gmai_formats.rows.mixtures import MixtureEntry
from gmai_model.batching.streams import stream_parts
parts = stream_parts(MixtureEntry(name="d", hub="owner/shapes", rows=12), "train", Path(sys.argv[1]))
print(len(parts))
"""
    environment = {**os.environ, **hub_server.environment(tmp_path / "hf")}
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "cache")], env=environment,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    parts = sorted((tmp_path / "cache").rglob("part-*.arrow"))
    expected = [row for file in sorted(published.glob("data/train*")) for row in pq.read_table(file).to_pylist()]
    assert read(parts) == expected[:12]
