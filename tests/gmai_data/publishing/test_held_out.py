"""The benchmark cannot be won from the options alone."""

import random

import pyarrow.parquet as pq
import pytest
import yaml
from gmai_data.publishing.held_out import balanced, prior_accuracy, select, write_card


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


def test_one_answer_is_no_question():
    chosen = select([offer(i, "cat", ["dog"]) for i in range(9)], 0)
    assert chosen.questions == []
    assert dict(chosen.dropped) == {"no balanced set of at least 2 answers": 9}


def two(number, asks, answer, other, source="s"):
    return {**offer(number, answer, [other], source, asks), "id": f"{source}{number}{asks}"}


@pytest.mark.parametrize(
    ("kinds", "asked"),
    [
        ((("label", "cat", "dog"), ("presence cat", "Yes", "No")), {"label"}),
        # "nodule" is within "no nodule": as options the two could not be told apart
        ((("label", "nodule", "no nodule"), ("presence nodule", "Yes", "No")), {"presence nodule"}),
        (
            (("side liver", "Left half", "Right half"), ("two_images higher", "First image", "Second image")),
            {"side liver"},
        ),
        ((("two_images higher", "First image", "Second image"),), {"two_images higher"}),
    ],
)
def test_where_three_answers_cannot_be_had_the_first_kind_with_two_is_asked(kinds, asked):
    offers = [two(i, asks, *((one, other) if i % 2 else (other, one))) for asks, one, other in kinds for i in range(10)]
    chosen = select(offers, 0)
    assert {question["asks"] for question in chosen.questions} == asked
    assert all(len(question["choices"]) == 2 for question in chosen.questions)
    assert prior_accuracy(chosen.questions) <= 0.65
    assert chosen.dropped.total() + len(chosen.questions) == len(offers)


def test_presence_is_balanced_for_each_label_and_not_over_all():
    always = [two(i, "presence cat", "Yes", "No") for i in range(10)]
    never = [two(i, "presence dog", "No", "Yes") for i in range(10)]
    assert select(always + never, 0).questions == []


def test_two_answers_are_not_asked_beside_three():
    names = ["cat", "dog", "owl"]
    offers = [offer(i, names[i % 3], [name for name in names if name != names[i % 3]]) for i in range(30)]
    offers += [two(i, "side cat", *(("Left half", "Right half")[:: 1 if i % 2 else -1])) for i in range(30)]
    chosen = select(offers, 0)
    assert {question["asks"] for question in chosen.questions} == {"label"}
    assert chosen.dropped["asked only where nothing else can be"] == 30


def test_a_set_of_its_own_is_balanced_with_three_answers_or_two():
    pairs = [offer(i, ("a", "b")[i % 2], [("b", "a")[i % 2]]) for i in range(10)]
    assert {len(each["choices"]) for each in balanced(pairs, 0)} == {2}
    three = [offer(i, "abc"[i % 3], [each for each in "abc" if each != "abc"[i % 3]]) for i in range(12)]
    assert {len(each["choices"]) for each in balanced(three, 0)} == {3}
    assert balanced(pairs[:1], 0) == []


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
        assert (3 if row["asks"] == "modality" else 2) <= len(row["choices"]) <= 4
        assert len(row["images"]) == (2 if row["asks"].startswith("two_images") else 1)
        assert row["images"][0]["bytes"].startswith(b"\x89PNG")
    assert sum(1 / len(row["choices"]) for row in rows) / len(rows) <= 0.4


def test_the_card_declares_the_questions_beside_it(tmp_path):
    write_card(tmp_path, "q.jsonl", 3, title="T", license_name="CC0-1.0")
    plain = yaml.safe_load((tmp_path / "held_out.yaml").read_text())
    assert (plain["questions"], plain["expected"], plain["license"]) == ("q.jsonl", {"total": 3}, "CC0-1.0")
    assert "groups" not in plain
    assert "{question}" in plain["prompt"]
    assert "{choices}" in plain["prompt"]
    write_card(tmp_path, "q.jsonl", 3, title="T", license_name="CC0-1.0", groups=("modality",))
    assert yaml.safe_load((tmp_path / "held_out.yaml").read_text()) == {**plain, "groups": ["modality"]}
