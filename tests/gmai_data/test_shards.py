"""A shard: which items it has, what it writes, and how its account adds up."""

import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.imaging.raster import encode_png
from gmai_data.markers import BUILT
from gmai_data.shards import ShardJob, build_shard, shard_count, shard_of
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.items import Item
from gmai_data.sources.listing import list_sources
from gmai_data.vocabulary import Modality


@pytest.fixture
def job(tmp_path, toy):
    """Return a job of three sound pictures, a damaged and a flat one."""

    def make(**changes):
        root = tmp_path / "source" / "a"
        root.mkdir(parents=True, exist_ok=True)
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 255, (32, 40, 3), dtype=np.uint8)
            (root / f"{number}.png").write_bytes(encode_png(pixels))
        (root / "damaged.png").write_bytes(b"\x89PNG no more")
        (root / "flat.png").write_bytes(encode_png(np.full((32, 40), 7, np.uint8)))
        card = toy(**changes)
        (listing,) = list_sources([Source(card, tmp_path / "source")], None)
        writer = TemplateWriter(0.0, 0.0, (Modality.DERMOSCOPY,), 0)
        return ShardJob(card, tmp_path / "source", 0, 1, listing.items, tmp_path / "shard", writer)

    return make


@pytest.mark.parametrize(("items", "pictures", "volumes"), [(1, 4, 16), (257, 8, 128), (1000, 16, 256)])
def test_a_source_has_a_power_of_two_of_shards(toy, items, pictures, volumes):
    assert shard_count(toy(), items) == pictures
    series = toy(layout={"kind": "dicom_series", "series": "*"})
    assert shard_count(series, items) == volumes


def test_the_shard_of_an_item_depends_on_its_name_alone(toy):
    items = [Item(f"{number}.png", ()) for number in range(200)]
    numbers = [shard_of(item, toy(), 8) for item in items]
    assert set(numbers) == set(range(8))
    assert numbers == [shard_of(item._replace(group="p", position=3), toy(), 8) for item in items]


def test_every_item_is_accounted_for(job):
    made = job()
    assert not made.done
    build_shard(made)
    assert made.done
    account = json.loads((made.folder / BUILT).read_text())["account"]
    assert account["items"] == {"read": 5, "kept": 3, "dropped": {"no picture left": 1}, "quarantined": 1}
    assert account["images"] == {"read": 4, "kept": 3, "dropped": {"near-constant image": 1}, "quarantined": 0}
    assert [entry["file"] for entry in account["quarantine"]] == ["a/damaged.png"]
    assert pq.read_table(made.folder / "annotations.parquet").num_rows == 3
    rows = pq.read_table(made.folder / "samples.parquet").to_pylist()
    assert account["samples"]["kept"] == len(rows)
    assert {row["annotation"] for row in rows} == {0, 1, 2}


def test_what_is_held_out_gives_questions_and_no_samples(job):
    made = job(split={"fractions": {"held_out": 1.0}})
    build_shard(made)
    offers = [json.loads(line) for line in (made.folder / "offers.jsonl").read_text().splitlines()]
    kinds = {offer["asks"].split(" ")[0] for offer in offers}
    assert {"modality", "label", "presence"} <= kinds <= {"modality", "label", "presence", "two_images"}
    assert json.loads((made.folder / BUILT).read_text())["account"]["samples"]["read"] == 0


def test_a_lost_file_makes_a_shard_undone(job):
    made = job()
    build_shard(made)
    (made.folder / "samples.parquet").unlink()
    assert not made.done


@pytest.mark.parametrize("name", ["annotations.parquet", "samples.parquet", "offers.jsonl", "thumbnails.bin"])
def test_a_file_that_a_power_cut_tore_makes_a_shard_undone(job, name):
    job = job()
    build_shard(job)
    path = job.folder / name
    whole = path.read_bytes()
    for torn in (whole[: len(whole) // 2], b"\0" * len(whole)):
        if torn != whole:
            path.write_bytes(torn)
            assert not job.done
    path.write_bytes(whole)
    assert job.done


def test_of_a_shard_only_the_marker_is_waited_for(job, monkeypatch):
    waited = []
    monkeypatch.setattr(os, "fsync", waited.append)
    build_shard(job())
    assert len(waited) == 2, "the marker and its folder"
