"""What stays of the questions: answers are equally frequent in each set, and sets with one answer are left out."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
from gmai_data.checks.duplicates import left_out
from gmai_data.generation.balance import Asked, thin, unbalanced
from gmai_data.seeded import choose, shuffled


def kept(asked):
    gone = {each.name for each in unbalanced(asked, 0)}
    return [each for each in asked if each.name not in gone]


def question(number, answer, of=("s", "presence", "liver"), options=()):
    return Asked(0, number, f"q{number}", of, answer, tuple(options))


def test_yes_and_no_of_each_label_are_equally_many():
    asked = [question(number, "yes" if number < 90 else "no") for number in range(100)]
    assert Counter(each.answer for each in kept(asked)) == {"yes": 10, "no": 10}


def test_a_label_that_is_always_there_is_not_asked_about():
    assert kept([question(number, "yes") for number in range(50)]) == []


def test_counts_that_come_rarely_do_not_thin_the_others():
    answers = ["1"] * 60 + ["2"] * 30 + ["3"] * 30 + ["9"]
    found = Counter(each.answer for each in kept([question(n, answer) for n, answer in enumerate(answers)]))
    assert found == {"1": 30, "2": 30, "3": 30}


def test_no_option_is_right_more_often_than_its_share():
    def choice(number):
        answer = choose(("red cell",) * 8 + ("white cell", "platelet", "other"), "answer", number)
        options = [answer, *(each for each in ("red cell", "white cell", "platelet", "other") if each != answer)][:3]
        return question(number, answer, ("s", "region"), shuffled(options, number))

    stay = kept([choice(number) for number in range(600)])
    right = Counter(each.answer for each in stay)
    offered = Counter(option for each in stay for option in each.options)
    assert len(stay) > 60
    assert all(right[option] / offered[option] < 0.4 for option in offered)


def test_an_option_that_is_never_right_goes_with_its_questions():
    asked = [question(n, "a", ("s", "label"), ("a", "never")) for n in range(20)]
    asked += [question(20 + n, "ab"[n % 2], ("s", "label"), ("a", "b")) for n in range(20)]
    assert {option for each in kept(asked) for option in each.options} == {"a", "b"}


def test_a_build_leaves_them_out_and_counts_them(phantom_build):
    rows = [
        row
        for path in sorted((phantom_build / "samples" / "percept").glob("train-*.parquet"))
        for row in pq.read_table(path, columns=["source", "language", "messages", "provenance"]).to_pylist()
    ]
    counts = {}
    for row in rows:
        provenance = json.loads(row["provenance"])
        if provenance["asked"] == "presence":
            name = (row["source"], row["language"], provenance["balance"]["of"][1])
            counts.setdefault(name, Counter())[provenance["balance"]["answer"]] += 1
    assert counts
    assert all(found["yes"] == found["no"] for found in counts.values())
    manifest = json.loads((phantom_build / "manifest.json").read_text())
    dropped = sum(each["samples"]["dropped"].get("left out for balance", 0) for each in manifest["recipes"].values())
    assert dropped > 0


def test_nothing_is_left_out_of_a_folder_without_samples(tmp_path):
    assert thin([tmp_path], 0) == 0
    assert left_out(tmp_path)["rows"] == {}


def test_what_a_screening_left_that_was_ended_is_not_added_to(tmp_path):
    balance = {"of": ["presence", "liver"], "answer": "yes"}
    rows = [
        {"id": str(number), "kind": "visual_perception", "language": "en", "modality": "CT", "department": "x",
         "split": "train", "source": "s", "provenance": json.dumps({"generator": "t", "balance": balance})}
        for number in range(4)
    ]  # fmt: skip
    pq.write_table(
        pa.Table.from_pylist([{**row, "annotation": 0, "beside": -1} for row in rows]), tmp_path / "samples.parquet"
    )
    pq.write_table(pa.table({"task": ["t"], "clinical_task": ["c"]}), tmp_path / "annotations.parquet")
    found = []
    for _ in range(3):
        assert thin([tmp_path], 0) == 4
        found.append(left_out(tmp_path))
    assert found[0] == found[1] == found[2]
    assert found[0]["account"]["tallies"]["kind"] == {"visual_perception": 4}
