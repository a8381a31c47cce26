"""The items of a source: one bad entry never ends a build, and groups are numbers."""

import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.listing import list_sources, listed_items
from gmai_data.sources.reading import read_pictures
from gmai_formats.errors import UserError

TABLE = {"kind": "csv_labels", "table": "t.csv", "image_column": "image", "label_column": "label"}


@pytest.fixture
def listed(tmp_path, toy):
    """Return a function of a table's rows: (card, its items)."""

    def make(rows, **changes):
        for number, name in enumerate("abcd"):
            pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
            (tmp_path / f"{name}.png").write_bytes(encode_png(pixels))
        (tmp_path / "t.csv").write_text("image,label,patient,fold\n" + rows)
        card = toy(**{"layout": {**TABLE, "group_column": "patient"}, **changes})
        (listing,) = list_sources([Source(card, tmp_path)], None)
        return card, listing.items

    return make


def test_a_group_is_a_running_number_whatever_the_patient_is_called(listed):
    rows = "b.png,a,4830217,0\na.png,a,77,0\nc.png,b,4830217,0\n"
    _, items = listed(rows)
    assert [(item.key, item.group_number) for item in items] == [("a.png", 1), ("b.png", 2), ("c.png", 2)]
    renamed = listed(rows.replace("4830217", "1").replace("77", "2"))[1]
    assert [item.group_number for item in renamed] == [1, 2, 2]
    alone = listed(rows, layout=TABLE)[1]
    assert [item.group_number for item in alone] == [1, 2, 3]


def test_an_item_that_the_pattern_misses_has_no_number(listed):
    _, items = listed("a.png,a,1,0\nb.png,a,1,0\n", split={"group_pattern": r"(a)\.png"})
    assert [item.group_number for item in items] == [1, 0]


@pytest.mark.parametrize(
    ("rows", "layout"),
    [
        ("a.png,a,p,0\na.png,b,q,0\nb.png,a,p,0\n", {"group_column": "patient"}),
        ("a.png,a,p,train\nb.png,b,q,train\na.png,a,p,test\n", {"split_column": "fold"}),
    ],
)
def test_a_picture_of_two_patients_or_splits_is_refused_alone(listed, tmp_path, rows, layout):
    names = {"names": {"train": "train", "test": "held_out"}} if "split_column" in layout else {}
    card, (one, other) = listed(rows, layout={**TABLE, **layout}, split={"fractions": {"train": 1.0}, **names})
    with pytest.raises(
        SourceError, match=r"one picture, two groups or splits: data rows 1 and [23]; an image belongs to"
    ):
        list(read_pictures(one, card, tmp_path, Ledger()))
    assert len(list(read_pictures(other, card, tmp_path, Ledger()))) == 1


def test_entries_with_one_key_become_one_refused_item(listed, tmp_path, toy, monkeypatch):
    card, items = listed("a.png,a,p,0\nb.png,a,p,0\n")
    monkeypatch.setattr(type(card.layout), "list_items", lambda *_: iter((*items, items[0])))
    (listing,) = list_sources([Source(card, tmp_path)], None)
    assert [item.problem is not None for item in listing.items] == [True, False]
    with pytest.raises(SourceError, match="listed several times: 2 entries"):
        list(read_pictures(listing.items[0], card, tmp_path, Ledger()))


@pytest.mark.parametrize(("root", "place"), [("all", "all/unpacked"), ("all/unpacked/a", "all/unpacked")])
def test_a_root_one_folder_off_is_told_the_folder_that_fits(tmp_path, toy, root, place):
    (tmp_path / "all/unpacked/a").mkdir(parents=True)
    (tmp_path / "all/unpacked/a/1.png").write_bytes(b"")
    card = toy(layout={"kind": "named_files", "files": "a/{class}.png"}, labels={"1": {"en": "cat", "zh": "猫"}})
    with pytest.raises(
        UserError, match=f"finds no files .*\\nIn {tmp_path / place} it does: give that folder as --root"
    ):
        list_sources([Source(card, tmp_path / root)], None)
    other = card.model_copy(update={"labels": {}})
    with pytest.raises(UserError, match=r"finds no files [^\n]*$"):
        list_sources([Source(other, tmp_path / root)], None)


def test_a_source_in_which_nothing_is_found_is_a_mistake(tmp_path, toy, monkeypatch):
    card = toy()
    monkeypatch.setattr(type(card.layout), "list_items", lambda *_: iter(()))
    with pytest.raises(UserError, match="recipe toy finds nothing to read"):
        list(listed_items(Source(card, tmp_path)))
