"""Names of labels, what is left open, and the account of boxes."""

import numpy as np
import pytest
from gmai_data.imaging.rules import BoxRule
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.items import SMALL_PART, BoxCounter, boxes_of_mask, full_name, left_open

BOX = (1, 2, 5, 6)


def test_a_label_has_its_full_name_or_a_hint(toy):
    assert full_name(toy(), "a", "f") == "alpha"
    with pytest.raises(SourceError, match=r'label not in the map: "bb" is not in the labels of toy\.') as caught:
        full_name(toy(), "bb", "f")
    assert caught.value.file == "f"
    many = {f"label{number}": f"name {number}" for number in range(21)}
    with pytest.raises(SourceError, match=r'"label" is not in the labels of toy\.$'):
        full_name(toy(labels=many), "label", "f")


def test_what_is_open_is_named_once_and_not_where_it_is_present(toy):
    assert left_open(toy(), ["b", "a", "b"], ["alpha"], "f") == ("beta",)
    with pytest.raises(SourceError, match="label not in the map"):
        left_open(toy(), ["x"], [], "f")


@pytest.mark.parametrize(
    ("rule", "area_px", "reason"),
    [
        ({"min_px": 16}, 16, None),
        ({"min_px": 16}, 15, "smaller than 16 px"),
        ({"min_px": 1, "min_mm2": 4}, 16, None),
        ({"min_px": 1, "min_mm2": 4}, 15, "smaller than 4 mm²"),
        ({"min_px": 1, "min_share": 0.01}, 4, None),
        ({"min_px": 1, "min_share": 0.01}, 3, "smaller than 1.00% of the picture"),
        ({"min_mm3": 2.5}, SMALL_PART, "smaller than 2.5 mm³"),
    ],
)
def test_a_region_below_a_limit_has_no_box_but_its_label_holds(toy, rule, area_px, reason):
    ledger = Ledger()
    counter = BoxCounter(toy(boxes=BoxRule(**rule)), ledger, "f", (20, 20), 0.5)
    counter.add([("a", BOX, area_px)])
    assert counter.labels == ("alpha",)
    assert [(box.label, box.xyxy) for box in counter.boxes] == ([("alpha", BOX)] if reason is None else [])
    assert counter.incomplete == (() if reason is None else ("alpha",))
    assert (ledger.boxes.read, ledger.boxes.kept) == (1, int(reason is None))
    assert ledger.boxes.dropped == ({} if reason is None else {reason: 1})


def test_without_a_spacing_no_area_in_mm_is_asked_for(toy):
    counter = BoxCounter(toy(boxes=BoxRule(min_mm2=1e6)), Ledger(), "f", (20, 20))
    counter.add([("a", BOX, 16)])
    assert len(counter.boxes) == 1


def test_the_background_is_nothing_and_an_unknown_label_is_an_error(toy):
    ledger = Ledger()
    counter = BoxCounter(toy(background=["0"]), ledger, "f", (20, 20))
    counter.add([("0", BOX, 400)])
    assert (counter.labels, ledger.boxes.read) == ((), 0)
    with pytest.raises(SourceError, match="label not in the map"):
        counter.add([("x", BOX, 400)])


@pytest.mark.parametrize(("per", "boxes"), [("component", [(1, 1, 6, 6), (10, 1, 16, 7)]), ("class", [(1, 1, 16, 7)])])
def test_a_mask_gives_a_box_per_region_or_per_label(toy, per, boxes):
    mask = np.zeros((20, 20), np.uint8)
    mask[1:6, 1:6] = mask[1:7, 10:16] = 3
    card = toy(labels={"3": "gamma", "x": "chi"}, boxes=BoxRule(per=per))
    assert [box.xyxy for box in boxes_of_mask(mask, card, Ledger(), "f").boxes] == boxes
    assert boxes_of_mask(mask, card, Ledger(), "f", {3: "x"}).labels == ("chi",)
