"""The pictures of an item: what was found while listing, and whatever a damaged file makes a library raise."""

import errno

import pytest
from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.sources.items import Item
from gmai_data.sources.layouts.folder_per_class import FolderPerClass
from gmai_data.sources.reading import read_pictures
from gmai_formats.errors import UserError


@pytest.fixture
def raising(monkeypatch, toy, tmp_path):
    """Return a function of an exception: reads an item of which the layout raises it."""

    def read(error):
        def broken(*_):
            raise error
            yield

        monkeypatch.setattr(FolderPerClass, "read", broken)
        return list(read_pictures(Item("a/1.png", ("a/1.png",)), toy(), tmp_path, Ledger()))

    return read


def test_what_was_found_while_listing_stands(toy, tmp_path):
    problem = Item("k", ("f",), problem=("one picture, two groups", "correct the table"))
    with pytest.raises(SourceError, match="one picture, two groups: correct the table") as caught:
        list(read_pictures(problem, toy(), tmp_path, Ledger()))
    assert caught.value.file == "f"
    with pytest.raises(SourceError) as caught:
        list(read_pictures(Item("k", (), problem=("a", "b")), toy(), tmp_path, Ledger()))
    assert caught.value.file == "k"
    with pytest.raises(SetAside, match="no mask"):
        list(read_pictures(Item("k", ("f",), set_aside="no mask"), toy(), tmp_path, Ledger()))


def test_where_the_data_lie_is_not_told(raising, tmp_path):
    with pytest.raises(SourceError, match=r"^video unreadable: cannot open a/1\.png$"):
        raising(SourceError("video unreadable", f"cannot open {tmp_path}/a/1.png", "a/1.png"))
    with pytest.raises(
        SourceError, match=r"^reading failed: KeyError: 'a/1\.png'; gmai-data knows no reason, please report it$"
    ) as caught:
        raising(KeyError(f"{tmp_path}/a/1.png"))
    assert caught.value.file == "a/1.png"


def test_a_number_beyond_all_ranges_is_a_reason(raising):
    with pytest.raises(SourceError, match=r"^number out of range: int too large to convert to float; correct it"):
        raising(OverflowError("int too large to convert to float"))


@pytest.mark.parametrize("error", [SetAside("localizer", "f"), UserError("no library"), MemoryError("full")])
def test_what_is_no_fault_of_the_file_goes_through(raising, error):
    with pytest.raises(type(error)):
        raising(error)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_machine_that_is_full_ends_the_build(raising, number):
    with pytest.raises(OSError, match="the machine"):
        raising(OSError(number, "the machine"))


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, None])
def test_a_file_that_a_disk_does_not_give_is_a_reason(raising, number):
    error = OSError("odd") if number is None else OSError(number, "odd")
    with pytest.raises(SourceError, match=r"reading failed: .*odd"):
        raising(error)
