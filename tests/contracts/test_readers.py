"""The dataset readers of LLaMA-Factory and ms-swift read every row of a release: the same turns, pictures and order.

They are no dependency: `.ci/readers FOLDER` installs them, and `GMAI_READERS=FOLDER` names the folder.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from .conftest import run_gmai

READERS = os.environ.get("GMAI_READERS", "")
_LLAMA_FACTORY = """
import json, sys
from types import SimpleNamespace
from llamafactory.data.loader import _load_single_dataset
from llamafactory.data.parser import get_dataset_list
release, cache = sys.argv[1:]
data = SimpleNamespace(dataset_dir=release, media_dir=release, streaming=False, preprocessing_num_workers=None,
                       max_samples=None, overwrite_cache=False, preprocessing_batch_size=100)
names = list(json.load(open(release + "/dataset_info.json")))
for name, entry in zip(names, get_dataset_list(names, release)):
    rows = _load_single_dataset(entry, SimpleNamespace(cache_dir=cache, hf_hub_token=None), data,
                                SimpleNamespace(local_process_index=0, process_index=0))
    found = [{"messages": [[each["role"], each["content"]] for each in row["_prompt"] + row["_response"]],
              "sizes": [list(image.size) for image in row["_images"] or []]} for row in rows]
    print("READ", json.dumps({"name": name, "rows": found}))
"""
_MS_SWIFT = """
import json, os, sys
from swift.dataset import load_dataset
os.chdir(sys.argv[1])
for name in sys.argv[2:]:
    rows, _ = load_dataset([name], num_proc=1)
    found = [{"messages": [[each["role"], each["content"]] for each in row["messages"]],
              "images": len(row.get("images") or []), "objects": row.get("objects")} for row in rows]
    print("READ", json.dumps({"name": name, "rows": found}))
"""


def need(package: str) -> None:
    """Skip a test whose reader is not there."""
    if not READERS or not (Path(READERS) / package).is_dir():
        pytest.skip(f"{package} is not installed: run `.ci/readers FOLDER`, and set GMAI_READERS to that folder")


def read_by(program: str, tmp_path: Path, *words: object) -> dict[str, list[dict]]:
    """Return dataset ▶ its rows as another trainer's reader gives them."""
    environment = {
        **os.environ, "PYTHONPATH": READERS, "DISABLE_VERSION_CHECK": "1", "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(tmp_path / "hf"), "MODELSCOPE_CACHE": str(tmp_path / "ms"),
    }  # fmt: skip
    command = [sys.executable, "-c", program, *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    read = [json.loads(line.removeprefix("READ ")) for line in result.stdout.splitlines() if line.startswith("READ ")]
    return {each["name"]: each["rows"] for each in read}


def rows_of(files: list[Path]) -> list[dict]:
    return [row for path in sorted(files) for row in pq.read_table(path, columns=["messages", "images"]).to_pylist()]


def turns(row: dict) -> list[list[str]]:
    return [[message["role"], message["content"]] for message in row["messages"]]


@pytest.mark.e2e
def test_llama_factory_reads_a_release_by_its_dataset_info(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    need("llamafactory")
    build: Path = request.getfixturevalue("build")
    run_gmai("data", "publish", build, tmp_path / "release")
    found = read_by(_LLAMA_FACTORY, tmp_path, tmp_path / "release", tmp_path / "cache")
    entries = json.loads((tmp_path / "release" / "release.json").read_text())["samples"]
    assert set(found) == {
        name + ("" if split == "train" else f"-{split}") for name, splits in entries.items() for split in splits
    }
    folders = {"GMAI-MM-Percept": "percept", "GMAI-Text-Multi": "text_multi", "GMAI-MM-Caption-validation": "caption"}
    for name, folder in folders.items():
        split = "validation" if name.endswith("validation") else "train"
        ours = rows_of(list((tmp_path / "release" / "samples" / folder).glob(f"{split}-*.parquet")))
        assert [each["messages"] for each in found[name]] == [turns(row) for row in ours]
        assert [len(each["sizes"]) for each in found[name]] == [len(row["images"]) for row in ours]
    assert 2 in {len(each["sizes"]) for each in found["GMAI-MM-Percept"]}


@pytest.mark.e2e
def test_ms_swift_reads_the_files_of_a_release_and_its_export(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    need("swift")
    build: Path = request.getfixturevalue("build")
    run_gmai("data", "export", build, tmp_path / "swift", "--format", "ms-swift")
    files = sorted(path.name for path in (tmp_path / "swift").glob("GMAI-*.jsonl"))
    found = read_by(_MS_SWIFT, tmp_path, tmp_path / "swift", *files)
    for name in files:
        ours = [json.loads(line) for line in (tmp_path / "swift" / name).read_text("utf-8").splitlines()]
        assert [each["messages"] for each in found[name]] == [turns(row) for row in ours]
        assert [each["images"] for each in found[name]] == [len(row["images"]) for row in ours]
        if name.endswith("-grounding.jsonl"):
            assert [each["objects"]["bbox"] for each in found[name]] == [row["objects"]["bbox"] for row in ours]
    parquet = build / "samples" / "percept"
    names = sorted(path.name for path in parquet.glob("train-*.parquet"))
    found = read_by(_MS_SWIFT, tmp_path, parquet, *names)
    ours = rows_of([parquet / name for name in names])
    read = [row for name in names for row in found[name]]
    assert [each["messages"] for each in read] == [turns(row) for row in ours]
    assert [each["images"] for each in read] == [len(row["images"]) for row in ours]
