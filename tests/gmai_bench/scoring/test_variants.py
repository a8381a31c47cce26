import itertools

import pytest
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks.question import Card, Question
from gmai_bench.benchmarks.record import Coverage, Record
from gmai_bench.benchmarks.variants import Variant, turns, varied
from gmai_bench.scoring.results import ScoredBenchmark, score_benchmark
from gmai_bench.scoring.variants import once

OPTIONS = ("CT", "MR", "US", "PET")


def record(
    variant: Variant, count: int = 4, scoring: str = "option-letter", choices: tuple[str, ...] = OPTIONS
) -> Record:
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip("ABCD", choices, strict=False))
    questions = tuple(
        Question(f"q{n}", "?", f"?\n{listed}", (), choices, OPTIONS[n % 4], f"q{n}") for n in range(count)
    )
    card = varied(Card("s", "S", "s/all", 1, scoring, count, (), "here", "MIT"), variant)
    return Record(card, Coverage(count, count, None), questions)


def scored(variant: Variant, answers: dict[str, str], **fields: object) -> ScoredBenchmark:
    item = record(variant, **fields)  # type: ignore[arg-type]
    return score_benchmark(item, Kept({i: Prediction(i, text, "") for i, text in answers.items()}, 0, 0))


def letters(variant: Variant, count: int, letter: str) -> dict[str, str]:
    return {turn.id: letter for q in record(variant, count).questions for turn in turns(q, variant)}


def right(variant: Variant, count: int = 4) -> dict[str, str]:
    """Return the answers of who knows everything, as letters of the order shown."""
    return {
        turn.id: "ABCD"[turn.question.choices.index(q.reference)]
        for q in record(variant, count).questions
        for turn in turns(q, variant)
    }


def test_an_oracle_is_right_in_every_rotation_and_always_first_in_none() -> None:
    circular = Variant("circular")
    best = scored(circular, right(circular)).result
    assert (best.protocol, best.n, best.accuracy, best.partial) == ("s/all+circular", 4, 1.0, False)
    assert best.chance == pytest.approx(0.25**4)
    first = scored(circular, letters(circular, 4, "A")).result
    assert first.accuracy == 0.0
    assert first.measures["with the options as published"].mean == 0.25
    assert first.measures["mean over the rotations"].mean == 0.25


def test_one_wrong_rotation_makes_a_question_wrong_and_is_the_answer_shown() -> None:
    circular = Variant("circular")
    answers = right(circular)
    answers["q1#3"] = "D" if answers["q1#3"] != "D" else "A"
    found = scored(circular, answers)
    assert found.result.accuracy == 0.75
    assert found.result.measures["mean over the rotations"].mean == pytest.approx(15 / 16)
    item = found.scored[1]
    assert (item.question.choices, item.prediction.id, item.prediction.response) == (
        ("US", "PET", "CT", "MR"), "q1", answers["q1#3"],
    )  # fmt: skip
    assert [part.verdict.score for part in found.asked[1]] == [1.0, 1.0, 0.0, 1.0]


def test_a_question_counts_once_all_its_answers_are_there() -> None:
    circular = Variant("circular")
    answers = right(circular)
    del answers["q3#4"]
    result = scored(circular, answers).result
    assert (result.n, result.unanswered, result.partial, result.accuracy) == (3, 1, True, 1.0)


def test_shuffled_options_are_read_in_the_order_shown() -> None:
    shuffled = Variant("shuffled", seed=4)
    result = scored(shuffled, right(shuffled, 40), count=40).result
    assert (result.accuracy, result.chance, result.measures) == (1.0, 0.25, {})
    first = scored(shuffled, letters(shuffled, 40, "A"), count=40).result
    assert 0.0 < first.accuracy < 0.6


@pytest.mark.parametrize(
    ("said", "accuracy", "share", "rule"),
    [
        ("AAB", 1.0, 2 / 3, "letter_alone"),
        ("BBA", 0.0, 1 / 3, "letter_alone"),
        ("BCA", 0.0, 1 / 3, "letter_alone"),  # equally many: what was said first
        ("ABC", 1.0, 1 / 3, "letter_alone"),
        ("A??", 1.0, 1 / 3, "letter_alone"),  # no answer has no vote
        ("???", 0.0, 0.0, "unparsed"),
    ],
)
def test_the_majority_of_samples_counts(said: str, accuracy: float, share: float, rule: str) -> None:
    samples = Variant(samples=3)
    found = scored(samples, {f"q0#{n}": letter for n, letter in enumerate(said, start=1)}, count=1)
    assert found.result.accuracy == accuracy
    assert found.result.measures["mean of 3 samples (pass@1)"].mean == pytest.approx(share)
    assert found.result.measures["pass@3"].mean == float("A" in said)
    assert found.result.rules == {rule: 1}


@pytest.mark.parametrize("c", range(9))
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(c: int) -> None:
    samples = Variant(samples=8)
    answers = {f"q0#{n + 1}": "A" if n < c else "B" for n in range(8)}
    measures = scored(samples, answers, count=1).result.measures
    draws = list(itertools.combinations([n < c for n in range(8)], 4))
    assert measures["pass@4"].mean == pytest.approx(sum(map(any, draws)) / len(draws))
    assert measures["pass@8"].mean == float(c > 0)


def test_words_vote_for_what_they_say_not_for_how_they_are_written() -> None:
    samples = Variant(samples=3)
    answers = {"q0#1": "MR", "q0#2": "ct", "q0#3": "CT."}
    assert scored(samples, answers, count=1, scoring="exact", choices=()).result.accuracy == 1.0


def test_graded_scores_have_no_majority_but_a_mean() -> None:
    samples = Variant(samples=2)
    answers = {"q0#1": "CT", "q0#2": "MR"}
    result = scored(samples, answers, count=1, scoring="token-f1", choices=()).result
    assert (result.metric, result.accuracy) == ("token F1", 0.5)


def test_what_is_asked_once_is_said() -> None:
    circular = Variant("circular")
    questions = [
        Question("a", "?", "?", (), ("CT", "All of the above"), "CT", "a"),
        Question("b", "?", "?", (), (), "CT", "b"),
    ]
    assert once(questions, circular) == (
        "asked once, as published: questions without options: 1; questions whose options speak of one another "
        '("all of the above", "A and C") or are empty: 1'
    )
    assert once(questions, Variant(samples=2)) == once(record(circular).questions, circular) == ""
