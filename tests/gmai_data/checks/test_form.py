"""The asked form: turns, length, language and repetition, at their limits."""

from dataclasses import replace

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.form import repetition, wrong_language, wrong_length, wrong_turns
from gmai_data.vocabulary import Kind, Language

REFERENCE = "<ref>left kidney</ref><box>[[0, 100, 500, 600]]</box>"
TURN = ("What is it?", "A kidney.")


@pytest.mark.parametrize(
    ("count", "limits", "complaint"),
    [
        (1, (2, 3), "it has 1 turns, not 2 to 3"),
        (2, (2, 3), None),
        (3, (2, 3), None),
        (4, (2, 3), "it has 4 turns, not 2 to 3"),
        (2, (1, 1), "it has 2 turns, not 1"),
        (0, (1, 1), "it has 0 turns, not 1"),
    ],
)
def test_turns(facts, count, limits, complaint):
    assert wrong_turns(facts(turns=limits), (TURN,) * count) == complaint


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ("one two three", "the answers have 3 words, not 4 to 6"),
        ("one two three four", None),
        ("one two three four five six", None),
        ("one two three four five six seven", "the answers have 7 words, not 4 to 6"),
        (f"one {REFERENCE} two three", "the answers have 3 words, not 4 to 6"),
        ("one-two three's", None),
    ],
)
def test_words_are_counted_without_tags(facts, answers, complaint):
    assert wrong_length(facts(words=(4, 6)), answers) == complaint


def test_chinese_is_counted_in_characters(facts):
    told = facts(language=Language.ZH, words=(4, 6))
    assert wrong_length(told, "左肾CT，见") == "the answers have 3 characters, not 4 to 6"
    assert wrong_length(told, "可见左肾。CT CT CT CT") is None
    assert wrong_length(told, "可见左肾轮廓清") == "the answers have 7 characters, not 4 to 6"


@pytest.mark.parametrize(
    ("language", "text", "complaint"),
    [
        (Language.EN, "The kidney is here.", None),
        (Language.EN, "The kidney’s edge is 3 µm.", None),
        (Language.EN, "a" * 98 + "肾肾", None),
        (Language.EN, "a" * 97 + "肾肾肾", "it is not in English"),
        (Language.EN, "可见左肾", "it is not in English"),
        (Language.ZH, "可见左肾", None),
        (Language.ZH, "MRI FLAIR H&E 左肾", None),
        (Language.ZH, "左肾 ab", None),
        (Language.ZH, "左肾 abc", "it is not in Chinese"),
        (Language.ZH, "The left kidney.", "it is not in Chinese"),
        (Language.ZH, REFERENCE + "左", None),
    ],
)
def test_the_language_of_questions_and_answers(facts, language, text, complaint):
    good = "可见左肾" if language == Language.ZH else "yes"
    assert wrong_language(facts(language=language), ((good, text),)) == complaint
    assert wrong_language(facts(language=language), ((text, good),)) == complaint


LONG = "the edge of it is smooth all round"


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ([f"{LONG}. {LONG}."], f'it says "{LONG}" more than once'),
        ([f"{LONG}.", f"so. {LONG}!"], f'it says "{LONG}" more than once'),
        (["a kidney is visible here. a kidney is visible here."], None),
        ([f"the first one is said but once. {LONG}. {LONG}."], f'it says "{LONG}" more than once'),
        ([("x" * 26 + ". ") * 2], f'it says "{"x" * 26}" more than once'),
        ([("x" * 25 + ". ") * 2], None),
        ([("y" * 70 + ". ") * 2], f'it says "{"y" * 60}" more than once'),
    ],
)
def test_a_long_sentence_is_said_once(facts, answers, complaint):
    assert repetition(facts(), tuple(("q?", answer) for answer in answers)) == complaint


def test_a_run_of_four_words_stands_three_times_at_most(facts):
    def said(times):
        return (("q?", " ".join(f"in the left part {number}" for number in range(times))),)

    assert repetition(facts(), said(3)) is None
    assert repetition(facts(), said(4)) == 'it repeats "in the left part" 4 times'
    spread = tuple(("q?", "in the left part of it all here and there") for _ in range(2))
    assert repetition(facts(), spread).startswith("it says"), "runs are counted within an answer"


def test_like_regions_are_told_in_like_words(facts):
    box = Box("left kidney", (0, 10, 50, 60))
    said = (("q?", " ".join(f"in the left part {number}" for number in range(5))),)
    region = facts(Kind.REGION_CAPTION, boxes=(box,) * 5)
    assert repetition(region, said) is None
    assert repetition(replace(region, boxes=(box,) * 4), said) == 'it repeats "in the left part" 5 times'
    assert repetition(replace(region, kind=Kind.DIALOGUE), said) == 'it repeats "in the left part" 5 times'
    tagged = (("q?", f"{LONG} {REFERENCE}. {LONG} {REFERENCE.replace('500', '501')}."),)
    assert repetition(region, tagged) is None, "each sentence has its box"
    same = (("q?", f"{LONG} {REFERENCE}. {LONG} {REFERENCE}."),)
    assert repetition(region, same) == f'it says "{f"{LONG} {REFERENCE}"[:60]}" more than once'


def test_a_name_of_several_words_is_no_run_by_itself(facts):
    said = "The left kidney is grey, the left kidney is smooth, the left kidney is oval and the left kidney is whole."
    assert repetition(facts(), (("What is it?", said),)) is None
    again = " ".join(["It is very smooth and even."] + ["it is very smooth and"] * 3)
    assert "repeats" in repetition(facts(), (("What is it?", again),))
