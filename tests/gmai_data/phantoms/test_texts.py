"""Phantom texts: so many conversations, each of its own patient, the same for the same seed."""

from gmai_data.phantoms.texts import conversations


def test_the_same_seed_gives_the_same_texts_and_another_seed_others():
    assert conversations(30, 0) == conversations(30, 0)
    assert conversations(30, 0) != conversations(30, 1)
    assert conversations(30, 0)[:10] == conversations(10, 0), "more texts change none of the first"
    assert conversations(0, 0) == []


def test_shares_of_languages_and_turns():
    rows = conversations(400, 0)
    assert [row["patient"] for row in rows] == [f"patient{number:03d}" for number in range(400)]
    chinese = [row for row in rows if row["language"] == "zh"]
    assert {row["language"] for row in rows} == {"en", "zh"}
    assert 0.19 < len(chinese) / 400 < 0.31
    assert {len(row["turns"]) for row in rows} == {1, 2}
    assert 0.42 < sum(len(row["turns"]) == 2 for row in rows) / 400 < 0.58


def test_sentences_end_as_their_language_does_and_hold_no_gap():
    for row in conversations(200, 3):
        for turn in row["turns"]:
            assert turn["answer"].endswith("." if row["language"] == "en" else "。")
            assert "{" not in turn["question"] + turn["answer"]
            assert any("\u4e00" <= letter <= "\u9fff" for letter in turn["answer"]) is (row["language"] == "zh")
