"""Positions, relations and sizes against boxes: of two labels, one upper left and large, one lower right and small."""

from dataclasses import replace

import pytest
from gmai_data.annotation import Box
from gmai_data.checks.places import agrees, larger, relation_holds
from gmai_data.vocabulary import Language

BOXES = (Box("liver", (5, 5, 45, 45)), Box("left kidney", (70, 70, 90, 85)))


@pytest.fixture
def masked(facts):
    def make(text, language=Language.EN, boxes=BOXES):
        told = facts(language=language, positions=("upper left",) if boxes else ())
        told = replace(
            told, boxes=boxes, annotation=replace(told.annotation, labels=("liver", "left kidney"), boxes=boxes)
        )
        return told, told.names.masked(text)

    return make


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the liver lies in the upper left part of the image", True),
        ("in the lower right corner is the left kidney", True),
        ("the liver on the left of the picture, the left kidney on the right", True),
        ("the liver is central", False),
        ("the liver lies in the lower left part", False),
        ("the left kidney lies on the left side of the image", False),
        ("the lower border of the liver is sharp", True),
        ("the liver, seen at the top of the image", True),
        ("the left kidney, seen at the top of the image", False),
        ("the liver lies to the left of the left kidney", True),
    ],
)
def test_positions(masked, text, good):
    assert (agrees(*masked(text)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the liver lies above the left kidney", True),
        ("the liver lies below the left kidney", False),
        ("below the liver lies the left kidney", True),
        ("the left kidney lies to the right of the liver", True),
        ("the left kidney lies to the left of the liver", False),
    ],
)
def test_relations(masked, text, good):
    assert (relation_holds(*masked(text)) is None) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("the liver is larger than the left kidney", True),
        ("the left kidney is larger than the liver", False),
        ("the left kidney is smaller than the liver", True),
        ("the liver is the largest structure", True),
        ("the left kidney is the largest structure", False),
    ],
)
def test_sizes(masked, text, good):
    assert (larger(*masked(text)) is None) == good


@pytest.mark.parametrize(
    ("text", "rule", "good"),
    [
        ("肝脏位于图像左上部", agrees, True),
        ("肝脏位于图像右下部", agrees, False),
        ("图像右侧可见左肾", agrees, True),
        ("左肾在肝脏下方", relation_holds, True),
        ("左肾在肝脏上方", relation_holds, False),
        ("肝脏大于左肾", larger, True),
        ("左肾大于肝脏", larger, False),
        ("左肾最大", larger, False),
    ],
)
def test_in_chinese(masked, text, rule, good):
    assert (rule(*masked(text, Language.ZH)) is None) == good


def test_without_boxes_there_is_no_place(masked):
    assert agrees(*masked("the liver lies in the upper part of the image", boxes=())) is not None
    assert relation_holds(*masked("the liver lies below the left kidney", boxes=())) is not None
    assert agrees(*masked("the liver has a blurred lower border", boxes=())) is None
