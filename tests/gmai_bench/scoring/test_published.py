import pytest
from gmai_bench.benchmarks.question import Question
from gmai_bench.scoring.published import PARSERS, read

ABCD = ("CT", "MRI", "X-ray", "Ultrasound")


def ask(choices: tuple[str, ...], reference: str, measure: str = "accuracy", scoring: str | None = None) -> Question:
    return Question("1", "?", "?", (), choices, reference, "1", measure=measure, scoring=scoring)


def test_a_random_option_counts_its_expected_value() -> None:
    verdict = read("mmmu-official", "no idea", ask(ABCD, "CT"))
    assert verdict is not None
    assert verdict.score == 0.25


def test_token_recall_never_stands_for_the_accuracy_of_lettered_questions() -> None:
    assert read("llava-med", "MRI or CT", ask(("CT", "MRI"), "CT")) is None


@pytest.mark.parametrize(
    ("response", "reference", "score"),
    [
        ("Yes, there is.", "yes", 1.0),
        ("It looks normal", "no", 1.0),  # "normal" holds "no"
        ("There is one", "no", 0.0),
        ("no, it is in the left lung", "left lung", 1.0),  # closed, and no yes or no question
        ("left lung", "left lung", 0.0),  # holds neither yes nor no: wrong
        ("No.", "yes", None),  # appended to nothing by the script
        ("no, on the right", "left lung", None),
    ],
)
def test_llava_meds_script_on_closed_questions(response: str, reference: str, score: float | None) -> None:
    verdict = read("llava-med", response, ask((), reference))
    assert (None if verdict is None else verdict.score) == score
    if reference in ("yes", "no"):
        assert read("llava-med", response, ask(("yes", "no"), reference)) == verdict


def test_llava_meds_script_on_open_questions_is_its_token_recall() -> None:
    verdict = read("llava-med", "The right lower lobe.", ask((), "right lobe", measure="open_token_recall"))
    assert verdict is not None
    assert (verdict.rule, verdict.score) == ("token_recall", 1.0)


@pytest.mark.parametrize("name", PARSERS)
def test_questions_without_options_are_left_out_by_parsers_of_options(name: str) -> None:
    verdict = read(name, "liver", ask((), "liver"))
    assert (verdict is None) == (
        name in ("mmmu-pro", "vlmevalkit-exact", "huatuo", "omnimedvqa-qa", "medevalkit-untagged")
    )


def test_medevalkit_is_passed_its_options_as_its_tasks_pass_them() -> None:
    question = ask(("12 mm", "Lobar pneumonia of the left lung"), "12 mm")
    bare = read("medevalkit", "lobar pneumonia", question)
    passed = read("medevalkit", "A. 12 mm", question, "{letter}. {text}")
    assert bare is not None
    assert passed is not None
    assert (bare.answer, passed.answer) == ("Lobar pneumonia of the left lung", "12 mm")
    closed = read("medevalkit", "Left lung.", ask((), "left lung", scoring="medevalkit-closed"))
    assert closed is not None
    assert closed.score == 1.0
