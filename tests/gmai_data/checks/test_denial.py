"""Which words deny a name: surely for what the image shows, possibly for what it does not."""

import pytest
from gmai_data.checks.denial import possibly, surely
from gmai_data.vocabulary import Language

EN, ZH = Language.EN, Language.ZH


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("there is no ", ""),
        ("there is no evidence of an ", ""),
        ("without any visible ", ""),
        ("a slice that lacks the ", ""),
        ("free of ", ""),
        ("negative for ", ""),
        ("no effusion, mass or ", ""),
        ("neither ", " nor mass"),
        ("neither mass nor ", ""),
        ("the picture does not show the ", ""),
        ("it doesn't include a ", ""),
        ("this rules out ", ""),
        ("one cannot see the ", ""),
        ("absence of ", ""),
        ("the ", " is absent"),
        ("the ", " are clearly not visible here"),
        ("the ", " was not clearly identified"),
        ("the ", " isn't seen"),
        ("the ", " cannot be made out"),
        ("the ", " can't be clearly identified"),
        ("", ": none"),
        ("", ": absent"),
        ("", ", cutting and irrigation: not seen"),
        ("advanced ", ": no"),
    ],
)
def test_what_denies_in_english(before, after):
    assert surely(before, after, EN)
    assert possibly(before, after, EN)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("no effusion is seen, but the ", " stands out"),
        ("without contrast medium the image shows a ", ""),
        ("unlike a healthy one, the ", " is large"),
        ("the ", " is not enlarged"),
        ("the ", " is larger than the spleen"),
        ("no doubt about this: a ", " with sharp edges"),
        ("the picture rather than the report names the ", ""),
    ],
)
def test_what_may_speak_of_another_finding_denies_nothing_for_sure(before, after):
    assert not surely(before, after, EN)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("unlike a ", ""),
        ("it can be told from a ", " by its contrast to the wall"),
        ("a density other than ", ""),
        ("to distinguish it from ", ""),
        ("compared with a ", ""),
        ("at risk of ", ""),
        ("screening for ", ""),
        ("it mimics a ", ""),
        ("one would see a ", ""),
        ("a shape that isn't typical of ", ""),
        ("instead of a ", ""),
    ],
)
def test_any_comparison_may_deny(before, after):
    assert possibly(before, after, EN)
    assert not surely(before, after, EN)


@pytest.mark.parametrize(
    ("before", "after"), [("there is a ", " with sharp edges"), ("a notable ", ""), ("the ", " is normal")]
)
def test_a_plain_statement_denies_nothing(before, after):
    assert not possibly(before, after, EN)
    assert not surely(before, after, EN)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("图中未见", ""),
        ("没有明显的", ""),
        ("排除", ""),
        ("无胸腔积液、肿块或", ""),
        ("本图像未显示", ""),
        ("", "未见。"),
        ("", "在图中未显示"),
        ("", "缺如，"),
        ("", "看不到"),
    ],
)
def test_what_denies_in_chinese(before, after):
    assert surely(before, after, ZH)
    assert possibly(before, after, ZH)


@pytest.mark.parametrize(
    ("before", "after", "maybe"),
    [("可见", "轮廓清楚", False), ("", "未见异常", True), ("与", "不同", True), ("而非", "", True), ("鉴别", "", True)],
)
def test_what_is_said_of_a_finding_in_chinese_does_not_deny_it(before, after, maybe):
    assert not surely(before, after, ZH)
    assert possibly(before, after, ZH) == maybe


@pytest.mark.parametrize("after", [": large", ": no smaller than the spleen", ": 2", ", cutting: seen"])
def test_what_stands_behind_a_colon_may_affirm(after):
    assert not surely("", after, EN)


@pytest.mark.parametrize(("after", "denied"), [("：无。", True), (": 未见", True), ("：2个", False), ("：无痛", False)])
def test_what_stands_behind_a_chinese_colon(after, denied):
    assert surely("", after, ZH) == denied
