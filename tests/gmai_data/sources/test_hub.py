"""A dataset of the Hub by its id, from a server that speaks its API."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.reading import read_pictures


def test_a_dataset_by_id_and_revision(hub_server, tmp_path, card_file):
    datasets = pytest.importorskip("datasets", reason="pip install 'gmai-data[hub]'")
    pixels = [np.random.default_rng(n).integers(0, 255, (24, 32, 3), dtype=np.uint8) for n in range(4)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    rows = {"image": [{"bytes": encode_png(each), "path": None} for each in pixels], "label": [0, 1, 0, 1]}
    file = io.BytesIO()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(file)
    repository = hub_server.create("dataset", "me/skin", {"data/train-00000-of-00001.parquet": file.getvalue()})
    layout = {"kind": "hf_dataset", "id": "me/skin", "revision": repository.head.id}
    card, out = card_file(layout=layout), tmp_path / "out"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / ".keep").touch()
    command = [sys.executable, "-c", "from gmai_cli.main import main; main()", "data", "build", str(card)]
    command += ["--root", str(tmp_path / "cache"), "--out", str(out)]
    environment = {**os.environ, **hub_server.environment(tmp_path / "home")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    account = json.loads((out / "manifest.json").read_text())["recipes"]["toy"]
    assert account["images"]["kept"] == 4
    found = [
        (row["labels"], json.loads(row["provenance"])["hub_revision"], row["image"]["bytes"])
        for row in pq.read_table(out / "annotations").to_pylist()
    ]
    assert sorted(labels for labels, _, _ in found) == [["alpha"], ["alpha"], ["beta"], ["beta"]]
    assert {revision for _, revision, _ in found} == {repository.head.id}
    assert {image for _, _, image in found} == {encode_png(each) for each in pixels}, "bytes are kept"


def test_rows_of_no_class_are_not_taken_for_healthy(tmp_path, toy):
    datasets = pytest.importorskip("datasets", reason="pip install 'gmai-data[hub]'")
    encoded = encode_png(np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8))
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    rows = {"image": [{"bytes": encoded, "path": None}] * 3, "label": [1, -1, None]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "data")
    card = toy(layout={"kind": "hf_dataset", "path": "data"})
    good, *bad = card.layout.list_items(card, tmp_path)
    assert [picture.labels for picture in read_pictures(good, card, tmp_path, Ledger())] == [("beta",)]
    for item in bad:
        with pytest.raises(SourceError, match="row without a label: column label is null or -1"):
            list(read_pictures(item, card, tmp_path, Ledger()))
