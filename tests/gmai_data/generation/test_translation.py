"""Translations: everything countable is locked, names with numbers come from the card, and no side is swapped."""

import pytest
from gmai_data.generation.replies import UnusableReplyError
from gmai_data.generation.translation import lock, unlock

REFERENCE = "<ref>alpha</ref><box>[[100, 100, 500, 500]]</box>"
NAMES = {"left rib 4": "左侧第四肋", "vertebra L4": "第四腰椎", "COVID-19": "新冠肺炎", "liver": "肝脏"}


def translated(english, chinese):
    source = (("Where?", english),)
    locked, tokens = lock(source, NAMES)
    ((_, answer),) = unlock(locked, (("在哪里？", chinese),), tokens, NAMES)
    return answer


@pytest.mark.parametrize(
    ("english", "locked", "tokens"),
    [
        ("A T2-weighted image at 1.5T", "A ⟦0⟧-weighted image at ⟦1⟧", ("T2", "1.5T")),
        ("12 mm² and 3.5 cm3", "⟦0⟧ and ⟦1⟧", ("12 mm²", "3.5 cm3")),
        ("type-2 disease, 40 %", "type-⟦0⟧ disease, ⟦1⟧", ("2", "40 %")),
        ("between L4 and L5-S1", "between ⟦0⟧ and ⟦1⟧-⟦2⟧", ("L4", "L5", "S1")),
        ("Left rib 4 and the liver", "⟦0⟧ and the liver", ("left rib 4",)),
        ("in COVID-19, 1,200 HU", "in ⟦0⟧, ⟦1⟧", ("COVID-19", "1,200 HU")),
    ],
)
def test_what_is_locked(english, locked, tokens):
    assert lock((("Q", english),), NAMES) == ((("Q", locked),), tokens)


def test_a_name_with_a_number_comes_from_the_card():
    assert translated("Here is left rib 4, T1-weighted.", "这里是⟦0⟧，⟦1⟧加权。") == "这里是左侧第四肋，T1加权。"
    assert translated("The vertebra L4 is wide.", "⟦0⟧较宽。") == "第四腰椎较宽。"


def test_a_swapped_side_is_refused():
    assert translated("The left lobe of the liver.", "肝脏左叶。") == "肝脏左叶。"
    assert translated("From left to right, liver.", "从左到右，肝脏。") == "从左到右，肝脏。"
    with pytest.raises(UnusableReplyError, match='the answer of turn 1 says "右", and the original "left"'):
        translated("The left lobe of the liver.", "肝脏右叶。")
    with pytest.raises(UnusableReplyError, match='says "左", and the original "right"'):
        translated("Right of left rib 4 is a right lobe.".replace("left rib 4", "it"), "其左侧为左叶。")


@pytest.mark.parametrize("answer", ["T1加权", "⟦０⟧加权", "⟦0⟧加权⟦0⟧", "⟦0⟧加权⟦1⟧"])
def test_a_lock_that_is_lost_changed_or_doubled_is_refused(answer):
    with pytest.raises(UnusableReplyError, match="each once"):
        translated("T1-weighted", answer)


def test_translation_locks_tags_numbers_and_units():
    turns = (("Where?", f"At {REFERENCE} lies alpha, 12.5 mm wide, 3 of 4."),)
    chinese = {"alpha": "阿尔法"}
    locked, tokens = lock(turns, chinese)
    assert locked == (("Where?", "At ⟦0⟧ lies alpha, ⟦1⟧ wide, ⟦2⟧ of ⟦3⟧."),)
    assert tokens == (REFERENCE, "12.5 mm", "3", "4")
    back = unlock(locked, (("哪里？", "阿尔法位于⟦0⟧，宽⟦1⟧，⟦3⟧中的⟦2⟧。"),), tokens, chinese)
    assert back == (("哪里？", f"阿尔法位于{REFERENCE.replace('alpha', '阿尔法')}，宽12.5 mm，4中的3。"),)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("⟦0⟧，⟦1⟧，⟦2⟧", "must hold ⟦0⟧, ⟦1⟧, ⟦2⟧, ⟦3⟧, each once, and holds"),
        ("⟦0⟧⟦1⟧⟦2⟧⟦3⟧⟦3⟧", "each once"),
        ("⟦0⟧⟦1⟧⟦2⟧⟦3⟧⟦", "broken"),
    ],
)
def test_a_translation_that_loses_a_lock_is_refused(answer, message):
    locked, tokens = lock((("Where?", f"At {REFERENCE} lies alpha, 12.5 mm wide, 3 of 4."),), {})
    with pytest.raises(UnusableReplyError, match=message):
        unlock(locked, (("哪里？", answer),), tokens, {})
