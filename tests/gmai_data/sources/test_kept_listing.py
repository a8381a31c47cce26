"""The listing as files of a build: the same items as in memory, written once, and anew when the source changed."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from gmai_cli import run_lock
from gmai_cli.run_lock import RunLock
from gmai_data.shards import shard_count, shard_of
from gmai_data.sources import kept_listing
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.items import Item
from gmai_data.sources.kept_listing import forget_items, items_in_order, keep_listing
from gmai_data.sources.listing import Listing, list_sources
from gmai_formats.errors import UserError


@pytest.fixture
def source(tmp_path, toy, put):
    """Return a function of items that makes a source which lists them."""

    def make(items, monkeypatch, **changes):
        card = toy(**changes)
        (tmp_path / "root").mkdir(exist_ok=True)
        calls = []

        def listed(*_):
            calls.append(1)
            return iter(items)

        monkeypatch.setattr(type(card.layout), "list_items", listed)
        return Source(card, tmp_path / "root"), calls

    return make


def keep(source, tmp_path, limit=None, **settings):
    return keep_listing(source, limit, tmp_path / "out" / ".build", shard_count, shard_of, **settings)


def many(count=700):
    """Return items in no order: patients, originals that name themselves, some listed several times."""
    groups = ["", "p1", "p2", "item0003.png"]
    items = [
        Item(name, (name,), groups[n % 4], raw_labels=("a",))
        for n in range(count)
        for name in [f"item{n * 37 % count:04d}.png"]
    ]
    return [*items, items[5], items[5], items[40]]


@pytest.mark.parametrize("limit", [None, 1, 50, 5000])
@pytest.mark.parametrize("run_items", [7, 100_000])
def test_the_items_are_those_of_a_listing_in_memory(source, tmp_path, monkeypatch, limit, run_items):
    monkeypatch.setattr(kept_listing, "RUN_ITEMS", run_items)
    made, _ = source(many(), monkeypatch)
    (expected,) = list_sources([made], limit)
    found = keep(made, tmp_path, limit)
    assert (found.digest, found.used) == (expected.digest, expected.used)
    count, shards = expected.by_shard(shard_count, shard_of)
    own_count, own = found.by_shard()
    assert own_count == count
    assert [(number, list(items), len(items)) for number, items in own] == [
        (number, list(items), len(items)) for number, items in shards
    ]


def test_copies_that_move_a_source_below_a_power_of_two(source, tmp_path, monkeypatch):
    items = [Item(f"{n:03d}", (f"{n:03d}",)) for n in range(250)] * 2
    made, _ = source(items, monkeypatch)
    (expected,) = list_sources([made], None)
    count, shards = expected.by_shard(shard_count, shard_of)
    found = keep(made, tmp_path)
    assert (found.count, [(n, list(each)) for n, each in found.shards]) == (
        count,
        [(n, list(each)) for n, each in shards],
    )


def test_it_is_written_once_and_shared(source, tmp_path, monkeypatch):
    made, calls = source(many(50), monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: keep(made, tmp_path).digest, range(4)))
    assert len(set(found)) == 1
    assert len(calls) == 1, "of tasks that start together one lists, and the others wait"
    keep(made, tmp_path, 10)
    keep(made, tmp_path, 10)
    assert len(calls) == 2, "another limit is another listing"


@pytest.mark.parametrize("change", ["new file", "file gone", "table written over", "deep folder", "linked folder"])
def test_it_is_written_anew_when_the_source_changed(source, tmp_path, monkeypatch, change):
    made, calls = source([Item("a", ("a",))], monkeypatch)
    root, beside = made.root, tmp_path / "beside"
    for folder in (root / "x" / "y", beside):
        folder.mkdir(parents=True)
    (root / "link").symlink_to(beside)
    (root / "circle.png").symlink_to("circle.png")
    (root / "x" / "1.png").touch()
    (root / "table.csv").write_text("a,b\n")
    keep(made, tmp_path)
    if change == "new file":
        (root / "x" / "2.png").touch()
    elif change == "file gone":
        (root / "x" / "1.png").unlink()
    elif change == "table written over":
        (root / "table.csv").write_text("a,c\n")
        os.utime(root / "table.csv", ns=(1, 1))
    elif change == "deep folder":
        (root / "x" / "y" / "z").mkdir()
    else:
        (beside / "new.png").touch()
    keep(made, tmp_path)
    assert len(calls) == 2


@pytest.mark.parametrize("differ", ["the time of a folder", "the place", "a limit"])
def test_tasks_that_see_other_states_of_a_source_leave_one_another_their_lists(source, tmp_path, monkeypatch, differ):
    made, calls = source(many(50), monkeypatch)
    _, first = keep(made, tmp_path).shards[0]
    limit = None
    if differ == "the time of a folder":
        os.utime(tmp_path / "root", ns=(5, 5))
    elif differ == "the place":
        shutil.copytree(tmp_path / "root", tmp_path / "scratch")
        made = Source(made.recipe, tmp_path / "scratch")
    else:
        limit = 40
    keep(made, tmp_path, limit)
    assert len(calls) == 2
    assert len(list(first)) == first.count, "the list that the first task reads is still there"
    keep(made, tmp_path, limit)
    assert len(calls) == 2, "and neither lists again"


def test_lost_or_damaged_files_are_written_anew(source, tmp_path, monkeypatch):
    made, calls = source(many(50), monkeypatch)
    found = keep(made, tmp_path)
    (folder,) = (tmp_path / "out" / ".build" / "listing" / "toy").iterdir()
    next(folder.glob("part-*")).unlink()
    assert keep(made, tmp_path).digest == found.digest
    (folder / "listing.json").write_text("{")
    assert keep(made, tmp_path).digest == found.digest
    assert len(calls) == 3
    forget_items(tmp_path / "out" / ".build")
    assert keep(made, tmp_path, with_items=False).digest == found.digest
    assert len(calls) == 3, "a complete build needs the digest only"


def test_a_mistake_in_the_card_leaves_nothing(toy, tmp_path):
    (tmp_path / "root").mkdir()
    with pytest.raises(UserError, match="no images with the endings"):
        keep(Source(toy(), tmp_path / "root"), tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_listing_in_memory_has_shards_too(toy, tmp_path):
    items = tuple(Item(f"{n:03d}", ()) for n in range(300))
    count, shards = Listing(Source(toy(), tmp_path), items).by_shard(shard_count, shard_of)
    found = dict(shards)
    assert count == 8
    assert sorted(item.key for each in found.values() for item in each) == [item.key for item in items]
    assert all(shard_of(item, toy(), 8) == number for number, each in found.items() for item in each)


def test_a_turned_bit_of_the_items_is_noticed(source, tmp_path, monkeypatch):
    made, _ = source(many(50), monkeypatch)
    _, items = keep(made, tmp_path).shards[0]
    damaged = bytearray(items.file.read_bytes())
    damaged[items.offset + 4] ^= 1
    items.file.write_bytes(bytes(damaged))
    with pytest.raises(UserError, match=r"part-\d+ is damaged: its items are not those that were listed"):
        list(items)


def test_a_lister_that_ends_between_two_looks_refuses_nobody(tmp_path, monkeypatch):
    work = tmp_path / "out" / ".build"
    holder = RunLock(work, kept_listing.LOCK)
    holder.acquire()
    looks = []
    look = run_lock._look

    def ends_after_the_first_look(path):
        found = look(path)
        if path.name == kept_listing.LOCK:
            looks.append(found)
            holder.release()
            work.rmdir()
            work.parent.rmdir()
        return found

    monkeypatch.setattr(run_lock, "_look", ends_after_the_first_look)
    with kept_listing._alone(work):
        assert (work / kept_listing.LOCK).is_file()
    assert len(looks) == 1
    assert not work.parent.exists()


@pytest.mark.parametrize(("groups", "told"), [(["case_006", "case_6"], True), (["case_006", "case_16"], False)])
def test_two_spellings_of_what_may_be_one_patient_are_said(source, tmp_path, monkeypatch, capfd, groups, told):
    made, _ = source([Item(f"{group}_1.png", (f"{group}_1.png",), group) for group in groups], monkeypatch)
    keep(made, tmp_path)
    said = capfd.readouterr()
    assert ("toy: 2 groups differ from another only in zeros" in said.out + said.err) is told


@pytest.mark.parametrize("run_items", [7, 100_000])
def test_one_look_at_all_items_in_order_gives_those_in_memory(source, monkeypatch, run_items):
    monkeypatch.setattr(kept_listing, "RUN_ITEMS", run_items)
    one, _ = source(many(), monkeypatch)
    (listing,) = list_sources([one], None)
    assert list(items_in_order(one)) == list(listing.items)
