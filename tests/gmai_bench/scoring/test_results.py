import pytest
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks.question import Card, Question
from gmai_bench.benchmarks.record import Coverage, Record
from gmai_bench.scoring.results import Result, read_by, score_benchmark

FOUR = ("CT", "MR", "X-ray", "US")


def scored(questions: list[Question], answers: dict[str, str], **fields: object) -> Result:
    about = {"name": "own", "title": "", "protocol": "own/p", "protocol_version": 1, "scoring": "option-letter",
             "expected": len(questions), "groups": (), "source": "", "license": "", **fields}  # fmt: skip
    item = Record(Card(**about), Coverage(len(questions), len(questions), None), tuple(questions))  # type: ignore[arg-type]
    kept = Kept({i: Prediction(i, text, "") for i, text in answers.items()}, 0, 0)
    return score_benchmark(item, kept).result


def ask(identity: str, reference: str, choices: tuple[str, ...] = FOUR, **fields: object) -> Question:
    return Question(identity, "?", "?", (), choices, reference, identity, **fields)  # type: ignore[arg-type]


def test_unanswered_questions_make_a_result_partial() -> None:
    result = scored([ask("1", "CT"), ask("2", "MR")], {"1": "A"})
    assert (result.n, result.correct, result.unanswered, result.partial) == (1, 1, 1, True)


def test_chance_counts_equal_right_options_and_open_questions() -> None:
    result = scored([ask("1", "MR", ("CT", "MR", "MR", "US")), ask("2", "liver", ())], {"1": "B", "2": "liver"})
    assert result.chance == pytest.approx((0.5 + 0) / 2)
    assert result.accuracy == 1.0
    assert scored([ask("1", "liver", ())], {"1": "liver"}).chance is None


def test_rules_and_reasons_are_counted() -> None:
    answers = {"1": "A", "2": "A or B", "3": "", "4": "I cannot help with that"}
    result = scored([ask(i, "CT") for i in answers], answers)
    assert result.rules == {"ambiguous": 1, "empty": 1, "letter_alone": 1, "refused": 1}
    assert result.no_answer == {"ambiguous": 0.25, "refused": 0.25, "empty": 0.25, "unparsed": 0.0}


def test_a_macro_headline_weighs_groups_alike() -> None:
    questions = [ask(str(n), "CT", groups={"g": "a" if n < 3 else "b"}) for n in range(4)]
    result = scored(questions, {"0": "A", "1": "A", "2": "A", "3": "B"}, groups=("g",), headline="macro")
    assert result.macro is not None
    assert (result.accuracy, result.macro.mean) == (0.75, 0.5)
    assert {name: group.n for name, group in result.groups["g"].items()} == {"a": 3, "b": 1}


def test_withheld_answers_give_no_number() -> None:
    result = scored([ask("1", "")], {"1": "A"}, hidden=True, published_extractor="huatuo")
    assert (result.n, result.measures, result.rules) == (0, {}, {"letter_alone": 1})


def test_the_published_parser_stands_beside_each_measure_it_reads() -> None:
    questions = [
        ask("1", "yes", ("yes", "no")),
        ask("2", "no", ("yes", "no")),
        ask("3", "left lung", ()),
        ask("4", "right lobe", (), measure="open_token_recall"),
    ]
    answers = {"1": "Yes.", "2": "It looks normal", "3": "yes, there", "4": "the right lung"}
    result = scored(questions, answers, scoring="yes-no-and-recall", published_extractor="llava-med")
    closed, opened = result.measures["as read by llava-med"], result.measures["open_token_recall as read by llava-med"]
    # the third reply holds yes and not its reference: the script counts it neither as right nor as asked
    assert (closed.n, closed.mean, opened.mean) == (2, 1.0, 0.5)
    assert result.accuracy == pytest.approx(1 / 3)


def test_options_reach_the_published_parser_as_its_program_passes_them() -> None:
    item = Record(
        Card("own", "", "own/p", 1, "option-letter", None, (), "", "", published_extractor="medevalkit",
             published_option="{letter}. {text}"),
        Coverage(1, None, None), (ask("1", "12 mm", ("12 mm", "Lobar pneumonia of the left lung")),),
    )  # fmt: skip
    read = score_benchmark(item, Kept({"1": Prediction("1", "A. 12 mm", "")}, 0, 0))
    (verdict,) = (one.verdict for one in read_by("medevalkit", item, read.scored))
    assert verdict.answer == "12 mm"
    assert not list(read_by("llava-med", item, read.scored))


def test_a_graded_number_is_the_mean_of_its_scores_with_an_interval_of_that() -> None:
    said = ["left lung", "the lung", "liver", ""]
    questions = tuple(Question(str(n), "?", "?", (), (), "left lung", str(n)) for n in range(4))
    card = Card("own", "Own", "own/f1", 1, "token-f1", None, (), "local copy", "", also=("exact", "radgraph-f1"))
    kept = Kept({str(n): Prediction(str(n), text, "") for n, text in enumerate(said)}, 0, 0)
    result = score_benchmark(Record(card, Coverage(4, None, None), questions), kept).result
    assert (result.metric, result.accuracy, result.correct) == ("token F1", pytest.approx((1 + 2 / 3) / 4), 1)
    assert result.interval == result.interval_clustered
    assert result.interval[0] < result.accuracy < result.interval[1]
    assert result.chance is None
    assert result.measures["accuracy"].mean == 0.25
    assert any(notice.startswith("RadGraph F1 is not computed: ") for notice in result.notices)


def test_options_in_the_order_shown_are_read_in_that_order() -> None:
    question = Question("1", "?", "?", (), ("CT", "MR"), "MR", "1")
    record = Record(Card("o", "", "o/p", 1, "option-letter", None, (), "", ""), Coverage(1, None, None), (question,))
    shown = score_benchmark(record, Kept({"1": Prediction("1", "A", "", shown=("MR", "CT"))}, 0, 0))
    assert shown.result.correct == 1
