"""Options: true to the answer, told apart, and in an order that a hash decides."""

from collections import Counter

from gmai_data.generation.choices import lettered, options_for


def test_four_options_with_the_answer_in_every_place():
    wrong = ["b", "c", "d", "e", "f"]
    places = Counter()
    for number in range(400):
        options = options_for("a", wrong, "sample", number)
        assert len(options) == len(set(options)) == 4
        places[options.index("a")] += 1
    assert all(70 <= places[place] <= 130 for place in range(4))


def test_order_does_not_depend_on_the_order_given():
    assert options_for("a", ["b", "c", "d"], 1) == options_for("a", ["d", "c", "b"], 1)


def test_options_that_contain_one_another_are_left_out():
    assert sorted(options_for("Abnormal", ["Normal", "Unclear"], 1)) == ["Abnormal", "Unclear"]
    assert options_for("left kidney", ["kidney"], 1) is None


def test_letters():
    assert lettered(["x", "y"]) == "A. x\nB. y"


def test_wrong_answers_that_cannot_be_told_from_the_right_one_are_never_options():
    assert options_for("a", [], 1) is None
    assert options_for("alpha", ["ALPHA", "alpha"], 1) is None
    for number in range(20):
        options = options_for("cyst", ["kidney", "left kidney", "kidney"], number)
        assert len(options) == 2
        assert "cyst" in options


def test_another_draw_takes_other_wrong_answers():
    drawn = {frozenset(options_for("a", "bcdefgh", number)) for number in range(30)}
    assert len(drawn) > 10
    assert all("a" in options for options in drawn)
