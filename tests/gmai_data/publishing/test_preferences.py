"""Files for DPO and GRPO: read by `datasets`, each right answer earns all, each wrong one little."""

import json
from collections import Counter

import datasets
import pyarrow.parquet as pq
import pytest
from gmai_data.publishing.export import export
from gmai_formats.rewards import reward


@pytest.fixture(scope="module")
def folders(phantom_build, tmp_path_factory):
    base = tmp_path_factory.mktemp("tasks")
    assert export(phantom_build, base / "dpo", "dpo") == 0
    assert export(phantom_build, base / "grpo", "grpo") == 0
    return base


def test_right_answers_earn_all_and_wrong_ones_less(folders):
    found = Counter()
    for path in folders.glob("dpo/*.parquet"):
        for row in pq.read_table(path).to_pylist():
            right, wrong = (row[name][0]["content"][0]["text"] for name in ("chosen", "rejected"))
            truth = json.loads(row["truth"])
            assert reward(row["reward"], truth, right) == 1
            assert reward(row["reward"], truth, wrong) < 0.5
            found[row["reward"]] += 1
    assert {"option_letter", "option_text", "presence", "count", "box_iou", "label_set"} <= set(found)


def test_both_hold_the_same_questions_and_every_row_is_accounted_for(folders):
    asked = {}
    for form in ("dpo", "grpo"):
        tables = {path.name: pq.read_table(path) for path in folders.glob(f"{form}/*.parquet")}
        asked[form] = {name: table.column("id").to_pylist() for name, table in tables.items()}
        report = json.loads((folders / form / "export.json").read_text())
        written = sum(count for counts in report["samples"].values() for count in counts.values())
        assert written == sum(map(len, asked[form].values()))
        left_out = (folders / form / "left_out.jsonl").read_text().splitlines()
        assert sum(report["left_out"].values()) == len(left_out)
        facts = [pq.read_table(path).num_rows for path in folders.glob(f"{form}/facts/*.parquet")]
        assert sum(facts) == written
    assert asked["dpo"] == asked["grpo"]


def test_datasets_reads_pictures_and_splits(folders, tmp_path):
    rows = datasets.load_dataset(str(folders / "dpo"), "GMAI-MM-Percept", cache_dir=str(tmp_path))
    assert set(rows) == {"train", "validation"}
    first = rows["train"][0]
    assert [part["type"] for part in first["prompt"][0]["content"]] == ["image", "text"]
    assert first["images"][0].size[0] > 0
