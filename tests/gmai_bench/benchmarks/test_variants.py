from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_bench.benchmarks.question import Card, Question
from gmai_bench.benchmarks.variants import Variant, base, moves, turns, variant_of, varied
from gmai_formats.errors import UserError

CARD = Card("s", "S", "s/all", 1, "option-letter", 1, (), "here", "MIT", published_extractor="huatuo", also=("bleu",))


def question(*choices: str, prompt: str = "", identity: str = "q") -> Question:
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip("ABCDEFGHIJ", choices, strict=False))
    return Question(identity, "Which?", prompt or f"Which?\n{listed}\nAnswer.", (), choices, choices[0], identity)


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        (Variant(), ""),
        (Variant("circular"), "circular"),
        (Variant("shuffled", seed=7), "shuffled-7"),
        (Variant(samples=5, seed=3), "samples-5"),
        (Variant("shuffled", 3, 1), "shuffled-1+samples-3"),
    ],
)
def test_a_name_says_the_variant(variant: Variant, name: str) -> None:
    assert variant.name == name
    again = variant_of(name)
    assert (again.order, again.samples, again.name) == (variant.order, variant.samples, name)


@pytest.mark.parametrize("name", ["turned", "samples-x", "circular+noise", "shuffled"])
def test_another_name_is_none(name: str) -> None:
    with pytest.raises(ValueError, match=r"is no variant|invalid literal"):
        variant_of(name)


def test_samples_of_rotations_are_refused() -> None:
    with pytest.raises(UserError, match=r"would not be CircularEval's\. Give --samples or --option-order circular"):
        Variant("circular", samples=3)


def test_a_variant_is_a_protocol_of_its_own() -> None:
    card = varied(CARD, Variant("circular"))
    assert (card.protocol, card.variant, card.published_extractor, card.also) == ("s/all+circular", "circular", "", ())
    assert card.title == "S (right only where it is right in every rotation of the options)"
    assert base(card) == base(CARD) == "s/all"
    assert varied(CARD, Variant()) is CARD


def test_every_rotation_moves_the_options_on_by_one_place() -> None:
    asked = turns(question("CT", "MR", "US"), Variant("circular"))
    assert [turn.id for turn in asked] == ["q#1", "q#2", "q#3"]
    assert [turn.question.choices for turn in asked] == [("CT", "MR", "US"), ("MR", "US", "CT"), ("US", "CT", "MR")]
    assert asked[1].question.prompt == "Which?\nA. MR\nB. US\nC. CT\nAnswer."
    assert {turn.question.reference for turn in asked} == {"CT"}


@pytest.mark.parametrize("listed", ["(A) CT\n(B) MR", "['CT', 'MR']", "CT; MR"])
def test_the_other_forms_of_listing_options(listed: str) -> None:
    asked = turns(question("CT", "MR", prompt=f"Which? {listed} Answer."), Variant("circular"))
    turned = listed.replace("CT", "x").replace("MR", "CT").replace("x", "MR")
    assert asked[1].question.prompt == f"Which? {turned} Answer."


def test_a_shuffled_order_depends_on_seed_and_question_alone() -> None:
    letters = tuple("PQRSTUV")
    (one,) = turns(question(*letters), Variant("shuffled", seed=1))
    (again,) = turns(question(*letters), Variant("shuffled", seed=1))
    (other,) = turns(question(*letters), Variant("shuffled", seed=2))
    (next_one,) = turns(question(*letters, identity="r"), Variant("shuffled", seed=1))
    assert one == again
    assert sorted(one.question.choices) == sorted(letters)
    assert len({one.question.choices, other.question.choices, next_one.question.choices, letters}) == 4
    assert one.id == "q"


def test_samples_ask_the_same_prompt_under_ids_of_their_own() -> None:
    asked = turns(question("CT", "MR"), Variant(samples=3))
    assert [(turn.id, turn.sample) for turn in asked] == [("q#1", 1), ("q#2", 2), ("q#3", 3)]
    assert len({turn.question.prompt for turn in asked}) == 1


@pytest.mark.parametrize(
    "choices",
    [
        ("CT", "MR", "All of the above"),
        ("CT", "MR", "both A and B"),
        ("CT", "MR", "A, B"),
        ("Yes", "No", "Both"),
        ("CT", "MR", "None of these."),
        ("CT", "", "MR"),
        ("炎症", "肿瘤", "以上都是"),
        ("Option A is right", "neither"),
    ],
)
def test_options_that_speak_of_one_another_stay_where_they_are(choices: tuple[str, ...]) -> None:
    assert not moves(question(*choices))
    (only,) = turns(question(*choices), Variant("circular"))
    assert only.question.choices == choices


@pytest.mark.parametrize(
    "choices", [("Both lungs", "None seen"), ("Hepatitis A", "Hepatitis B"), ("E", "B"), ("All lobes", "A. carotis")]
)
def test_options_that_only_sound_so_are_moved(choices: tuple[str, ...]) -> None:
    assert moves(question(*choices))


def test_open_questions_are_asked_once() -> None:
    open_question = Question("q", "Which?", "Which?", (), (), "CT", "q")
    assert [turn.question for turn in turns(open_question, Variant("circular"))] == [open_question]


def test_options_that_are_not_listed_or_weighed_have_no_order() -> None:
    with pytest.raises(UserError, match=r'question "q": its prompt does not list its options one after another'):
        turns(question("CT", "MR", prompt="CT or else MR?"), Variant("circular"))
    weighed = Question("q", "Which?", "Which?", (), ("CT", "MR"), "CT", "q", continuations=("CT", "MR"))
    with pytest.raises(UserError, match=r"weighs the options by likelihood and shows none"):
        turns(weighed, Variant("shuffled"))


def test_every_declared_benchmark_lists_its_options_so_that_they_can_be_moved(
    inputs: SimpleNamespace, tmp_path: Path
) -> None:
    from gmai_bench.benchmarks.declaration import read_declaration
    from gmai_bench.benchmarks.prompts import fill
    from gmai_bench.benchmarks.registry import bundled

    for path in (path for protocols in bundled().values() for path in protocols.values()):
        d = read_declaration(path)
        choices = d.fixed_choices or ("CT", "MR", "US")
        prompt = fill(d.prompt, "Which?", choices, letters=d.choices_style == "letters", context="c")
        if "{choices}" in d.prompt:
            asked = turns(question(*choices, prompt=prompt), Variant("circular"))
            assert len({turn.question.prompt for turn in asked}) == len(choices), path
