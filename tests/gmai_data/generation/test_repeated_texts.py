"""A model that says the same about every picture: of each shard the first text stays."""

import json
from collections import defaultdict

import numpy as np
import pyarrow.parquet as pq
import pytest
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writers import WriterOptions
from gmai_data.seeded import hash_fraction
from gmai_data.shards import SHARDS
from gmai_data.sources.cards.catalogue import Source
from PIL import Image

ONE_FORM = {"report_share": 0.0, "reasoning_share": 0.0}
"""Every free instruction is asked for by the same prompt."""

PICTURES = 12


@pytest.fixture
def repeating(openai_server, monkeypatch):
    """A server whose every answer is the same but for the number of turns."""
    answer = openai_server.answer
    monkeypatch.setattr(openai_server, "answer", lambda prompt, _: answer(prompt, "0123456789abcdef"))
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)
    with openai_server.Server() as server:
        yield server


def test_a_text_stays_once_in_a_shard_whoever_builds_it(toy, tmp_path, repeating):
    for number in range(PICTURES):
        path = tmp_path / "data" / "a" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (64, 64), np.uint8)).save(path)
    source = Source(toy(), tmp_path / "data")
    settings = BuildSettings(text_share=0, writing=WritingSettings(writer="openai", model="m", **ONE_FORM))
    kept = {}
    for name, shares in (("one", [None]), ("array", [(1, 2), (0, 2), (1, 2), (0, 2), None])):
        for share in shares:
            options = RunOptions(share=share, writer=WriterOptions((repeating.url,)))
            assert build([source], tmp_path / name, settings, options=options) == 0
        rows = [
            row
            for path in sorted((tmp_path / name).glob("samples/*/*.parquet"))
            for row in pq.read_table(path).to_pylist()
        ]
        kept[name] = {row["id"]: row for row in rows if row["kind"] != "visual_perception"}
    assert kept["one"] == kept["array"]

    shard = {
        number: int(hash_fraction("shard", "toy", f"a/{number:02d}.png") * SHARDS["picture"][1])
        for number in range(PICTURES)
    }
    by_shard = defaultdict(list)
    for row in kept["one"].values():
        by_shard[shard[int(row["id"].split(".png")[0][-2:])]].append(row)
    assert by_shard.keys() == set(shard.values())
    assert len(by_shard) > 1
    for number, rows in by_shard.items():
        said = [json.dumps(row["messages"]) for row in rows]
        assert len(said) == len(set(said))
        first = min(picture for picture, of in shard.items() if of == number)
        assert f"{first:02d}.png" in rows[0]["id"], "the first picture's caption is the one that stays"
    dropped = [json.loads(line) for line in (tmp_path / "one" / "dropped.jsonl").read_text().splitlines()]
    assert {line["check"] for line in dropped} == {"near-duplicate text"}
    assert {line["detail"].removeprefix("of ") for line in dropped} <= kept["one"].keys()
    assert len(dropped) + len(kept["one"]) == 3 * PICTURES
    account = json.loads((tmp_path / "one" / "manifest.json").read_text())["recipes"]["toy"]["samples"]
    assert account["dropped"]["near-duplicate text"] == len(dropped)
