"""The benchmark cannot be won from the options alone."""

import random

import pyarrow.parquet as pq
import yaml
from gmai_data.publishing.held_out import prior_accuracy, select


def offer(number, answer, wrong, source="s", asks="label"):
    return {
        "id": f"{source}{number}{answer}", "annotation": f"{source}{number}", "image_id": f"{source}{number}",
        "asks": asks, "question": "?", "answer": answer, "wrong": wrong, "source": source,
    }  # fmt: skip


def test_common_answers_are_cut_to_a_balanced_set():
    names = ["cat", "dog", "owl", "fox"]
    counts = {"cat": 200, "dog": 20, "owl": 20, "fox": 20}
    offers = [
        offer(f"{name}{i}", name, [other for other in names if other != name])
        for name, count in counts.items()
        for i in range(count)
    ]
    chosen = select(offers, 0)
    assert sum(question["reference"] == "cat" for question in chosen.questions) <= 40
    assert chosen.chance == 0.25
    assert prior_accuracy(chosen.questions) <= 0.5
    assert chosen.dropped.total() + len(chosen.questions) == len(offers)


def test_a_label_that_is_always_there_is_left_out():
    rng = random.Random(0)
    names = ["cat", "dog", "owl", "fox", "elk"]
    offers = []
    for i in range(200):
        shown = {"cat", *(name for name in names if rng.random() < 0.4)}
        offers += [offer(i, name, [other for other in names if other not in shown]) for name in shown]
    chosen = select(offers, 0)
    assert chosen.questions
    assert prior_accuracy(chosen.questions) <= chosen.chance + 0.15
    assert all("cat" not in question["choices"] for question in chosen.questions)


def test_two_answers_are_too_few():
    chosen = select([offer(i, "cat", ["dog"]) for i in range(9)], 0)
    assert chosen.questions == []
    assert dict(chosen.dropped) == {"no balanced set of at least 3 answers": 9}


def test_regions_are_asked_only_where_labels_cannot_be():
    names = ["cat", "dog", "owl"]
    offers = []
    for i in range(30):
        for name in names:
            others = [other for other in names if other != name]
            offers.append(offer(i, name, [], source="all"))
            offers.append({**offer(i, name, others, source="all", asks="region"), "id": f"all region {i}{name}"})
            if i % 3 == names.index(name):
                offers.append(offer(i, name, others, source="one"))
            offers.append({**offer(i, name, others, source="one", asks="region"), "id": f"one region {i}{name}"})
    chosen = select(offers, 0)
    assert {(question["source"], question["asks"]) for question in chosen.questions} == {
        ("all", "region"),
        ("one", "label"),
    }
    assert chosen.dropped["regions are asked only where labels cannot be"] == 90


def test_the_files_of_a_build(phantom_build):
    card = yaml.safe_load((phantom_build / "benchmarks" / "held_out.yaml").read_text())
    rows = pq.ParquetFile(phantom_build / "benchmarks" / card["questions"]).read().to_pylist()
    assert card["prompt"] == "{question}\nOptions: {choices}.\nAnswer with one of the options."
    assert card["expected"]["total"] == len(rows) == len({row["id"] for row in rows}) > 0
    assert set(card["columns"].values()) <= rows[0].keys()
    for row in rows:
        assert row["reference"] in row["choices"]
        assert 3 <= len(row["choices"]) <= 4
        assert row["images"][0]["bytes"].startswith(b"\x89PNG")
    assert sum(1 / len(row["choices"]) for row in rows) / len(rows) <= 0.4
