"""Rewards by hand: what earns, what does not, and what would cheat."""

import pytest
from gmai_formats.rewards import REWARDS, boxes_in, mean_iou, reward

LETTER = {"letter": "B", "options": 4}
TEXT = {"answer": "kidney", "options": ["kidney", "liver", "urinary bladder"]}
ZH_TEXT = {"answer": "CT", "options": ["眼底照相", "X光", "CT", "超声"]}
SET = {"labels": ["liver", "hepatic lesion"], "known": ["liver", "hepatic lesion", "spleen", "kidneys"]}
YES = {"present": True, "yes": "Yes", "no": "No"}
ZH_NO = {"present": False, "yes": "是", "no": "否"}
TWO = {"count": 2}
BOX = {"boxes": [[0, 0, 100, 100], [500, 500, 600, 600]]}


@pytest.mark.parametrize(
    ("name", "truth", "answer", "due"),
    [
        ("option_letter", LETTER, "B", 1),
        ("option_letter", LETTER, "(B) liver", 1),
        ("option_letter", LETTER, "B. A dark spot", 1),
        ("option_letter", LETTER, "A", 0),
        ("option_letter", LETTER, "B or C", 0),
        ("option_letter", LETTER, "A B C D", 0),
        ("option_letter", LETTER, "Bladder", 0),
        ("option_letter", LETTER, "The answer", 0),
        ("option_letter", LETTER, "", 0),
        ("option_text", TEXT, "Kidney.", 1),
        ("option_text", TEXT, "kidneys", 0),
        ("option_text", TEXT, "kidney, liver", 0),
        ("option_text", TEXT, "urinary  bladder", 0),
        ("option_text", ZH_TEXT, "CT", 1),
        ("option_text", ZH_TEXT, "ＣＴ。", 1),
        ("option_text", ZH_TEXT, "CT或超声", 0),
        ("label_set", SET, "It shows liver and hepatic lesion.", 1),
        ("label_set", SET, "Liver.", 1 / 2),
        ("label_set", SET, "Liver, hepatic lesion, spleen and kidneys", 2 / 4),
        ("label_set", SET, "nothing", 0),
        ("presence", YES, "Yes, it does.", 1),
        ("presence", YES, "No", 0),
        ("presence", YES, "Yes and no", 0),
        ("presence", YES, "Yesterday", 0),
        ("presence", ZH_NO, "否", 1),
        ("presence", ZH_NO, "否。", 1),
        ("presence", ZH_NO, "不是", 0),
        ("presence", ZH_NO, "是否", 0),
        ("count", TWO, "2", 1),
        ("count", TWO, "There are ２.", 1),
        ("count", TWO, "1 2 3", 0),
        ("count", TWO, "2.5", 0),
        ("count", TWO, "-2", 0),
        ("box_iou", BOX, "<ref>a</ref><box>[[0, 0, 100, 100], [500, 500, 600, 600]]</box>", 1),
        ("box_iou", BOX, "<box>[[0, 0, 100, 100]]</box>", 1 / 2),
        ("box_iou", BOX, "<box>[[0, 0, 50, 100]]</box> <box>[[500, 500, 600, 600]]</box>", 3 / 4),
        ("box_iou", BOX, "<box>[[0, 0, 100, 100], [500, 500, 600, 600], [1, 1, 2, 2], [3, 3, 4, 4]]</box>", 1 / 2),
        ("box_iou", BOX, "<box>[[0, 0, 100", 0),
        ("box_iou", BOX, "<box>[[100, 0, 0, 100]]</box>", 0),
    ],
)
def test_an_answer_earns(name, truth, answer, due):
    assert reward(name, truth, answer) == pytest.approx(due)


def test_every_reward_has_a_right_and_a_wrong_answer_above():
    marks = test_an_answer_earns.pytestmark[0].args[1]
    assert {row[0] for row in marks if row[3] == 1} == {row[0] for row in marks if row[3] == 0} == set(REWARDS)


@pytest.mark.parametrize("inner", ["[[1, 2, 3]]", "[[exit()]]", "[[0, 0, 1001, 5]]", "[]", "[" * 9000])
def test_what_is_no_box_is_none(inner):
    assert boxes_in(f"<box>{inner}</box>") == boxes_in("[[1, 2, 3, 4]]") == []


def test_no_boxes_earn_nothing():
    assert mean_iou([], []) == 0
