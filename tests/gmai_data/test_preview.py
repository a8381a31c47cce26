"""What `--dry-run` counts before anything is read: items, groups, shards and splits, and what a model would cost."""

import numpy as np
import pytest
from gmai_data import preview as module
from gmai_data.build import BuildSettings, RunOptions
from gmai_data.preview import preview, preview_writing, write_preview
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.items import Item
from gmai_data.sources.listing import Listing
from gmai_data.vocabulary import Split


@pytest.fixture
def listing(toy, tmp_path):
    def make(*items, **card):
        return Listing(Source(toy(**card), tmp_path), items)

    return make


def test_items_groups_and_shards_of_each_source(listing):
    items = [Item(f"{number}.png", (), group=f"p{number % 3}", group_number=number % 3 + 1) for number in range(300)]
    assert list(preview([listing(*items), listing(Item("a", ()), name="other")])) == [
        ("toy", 300, 3, 8, {"train": 300}),
        ("other", 1, 1, 4, {"train": 1}),
    ]


def test_items_are_counted_by_split_or_by_why_they_have_none(listing):
    split = {"official": {"train": "train.txt", "held_out": "test.txt"}}
    items = (
        Item("a", (), split=Split.TRAIN, group_number=1),
        Item("b", (), split=Split.HELD_OUT, group_number=2),
        Item("c", (), split=Split.HELD_OUT, group_number=2),
        Item("d", (), group_number=3),
    )
    ((_, count, groups, _, splits),) = preview([listing(*items, split=split)])
    assert (count, groups) == (4, 2), "what has no split has no group that counts"
    assert splits == {"train": 1, "held_out": 2, "not in the official split": 1}


def test_a_group_pattern_that_does_not_match_is_counted(listing):
    split = {"fractions": {"train": 1.0}, "group_pattern": "(p[0-9]+)_"}
    made = listing(Item("p1_a", (), group_number=1), Item("q", ()), split=split)
    ((_, _, groups, _, splits),) = preview([made])
    assert (groups, splits) == (1, {"train": 1, "no group": 1})


def test_without_a_model_nothing_is_estimated(toy, tmp_path):
    options = RunOptions()
    assert list(preview_writing([Source(toy(), tmp_path)], tmp_path, BuildSettings(), options)) == []


def test_what_a_model_writes_about_is_not_held_out_and_in_an_order_of_its_own(listing):
    items = tuple(Item(f"{number}.png", ()) for number in range(40))
    made = listing(*items, split={"fractions": {"train": 0.5, "held_out": 0.5}})
    asked = module._written_about(made)
    assert asked.source is made.source
    assert 5 < len(asked.items) < 35
    assert asked.items == module._written_about(Listing(made.source, items[::-1])).items
    assert asked.items != tuple(sorted(asked.items, key=lambda item: items.index(item)))


def test_a_page_before_the_build_shows_what_the_card_makes_of_a_folder(phantoms, tmp_path):
    from gmai_data.sources.cards.catalogue import resolve

    (source,) = resolve(["phantom-ct"], phantoms / "phantom-ct")
    page = tmp_path / "p.html"
    assert write_preview(source, page, 20) == (5, 0)
    shown = page.read_text("utf-8")
    assert shown.count("<figure") == shown.count('<img class="mask"') == 15, "three slices of each, with their masks"
    for words in (
        "liver</text>",
        '<dl lang="zh">',
        '<dl lang="en">',
        "offered to the benchmark",
        "phantom-ct, train",
        "phantom-ct, held_out",
    ):
        assert words in shown
    assert not (tmp_path / ".build").exists()
    assert write_preview(source, page, 2) == (2, 0)


def test_a_wrong_card_is_seen_there(toy, tmp_path):
    from gmai_data.imaging.raster import encode_png

    for name, label in (("a/1.png", "a"), ("x/2.png", "x"), ("b/3.png", "b")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(ord(label)).integers(0, 255, (24, 32, 3), dtype=np.uint8)
        (tmp_path / name).write_bytes(encode_png(pixels) if label != "b" else b"broken")
    page = tmp_path.parent / f"{tmp_path.name}.html"
    assert write_preview(Source(toy(), tmp_path), page, 20) == (1, 2)
    shown = page.read_text("utf-8")
    assert "<h2>What was not used</h2>" in shown
    assert "label not in the map" in shown
    assert "x/2.png" in shown


def test_texts_are_shown_without_pictures(phantoms, tmp_path):
    from gmai_data.sources.cards.catalogue import resolve

    (source,) = resolve(["phantom-text"], phantoms / "phantom-text")
    shown, refused = write_preview(source, tmp_path / "p.html", 3)
    assert (shown, refused) == (3, 0)
    assert (tmp_path / "p.html").read_text("utf-8").count("<summary>1 texts</summary>") == 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [("0 5 5 9 9", "box"), ("0 0.5 0.5 0 0.1", "box"), ("0 0.9 0.9", "line 2")],
)
def test_boxes_that_cannot_be_used_are_named_beside_the_picture(toy, tmp_path, line, reason):
    from gmai_data.imaging.raster import encode_png

    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "images" / "1.png").write_bytes(encode_png(pixels))
    (tmp_path / "labels" / "1.txt").write_text(f"0 0.5 0.5 0.4 0.4\n{line}\n")
    layout = {"kind": "yolo", "images": "images/*.png"}
    page = tmp_path / "p.html"
    source = Source(toy(layout=layout, task="2d_detection", labels={"0": "lesion"}), tmp_path)
    assert write_preview(source, page, 20) == (1, 0)
    shown = page.read_text("utf-8")
    assert "<h2>What was not used of the items below</h2>" in shown
    assert reason in shown
