"""Items as lines of a file, and what each adds to the digest of its listing."""

import os
import stat
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from gmai_data.imaging.source_files import on_disk
from gmai_data.ledger import printable
from gmai_data.sources.items import Item
from gmai_data.vocabulary import Split

_SHORT, _WHOLE = 5, len(Item._fields) - 1
"""Facts that most items have; all but the number of the group, which is known last and stands outside."""
_REST = Item("", ())[_SHORT:_WHOLE]
_SPLITS = {str(split): split for split in Split}


def encoded(item: Item) -> bytes:
    """Return an item as a line of JSON, without the number of its group."""
    facts = item[:_SHORT] if item[_SHORT:_WHOLE] == _REST else item[:_WHOLE]
    try:
        return to_json(facts) + b"\n"
    except PydanticSerializationError:  # half of a surrogate pair, in a label that no card has
        return to_json(_without_halves(facts)) + b"\n"


def decoded(line: bytes, group_number: int = 0) -> Item:
    """Return the item of a line."""
    key, files, group, split, labels, *more = from_json(line)
    rest = map(_tuples, more) if more else _REST
    return Item._make(
        (key, tuple(files), group, None if split is None else _SPLITS[split], tuple(labels), *rest, group_number)
    )


def digest_line(item: Item, line: bytes, root: Path) -> bytes:
    """Return what an item adds to the digest of its listing: what it is, and the sizes of its files.

    Args:
        item: The item.
        line: As `encoded` gives it.
        root: The source's folder.
    """
    if item[_SHORT:_WHOLE] != _REST:  # the words of a problem, and paths that follow from the card, are left out
        line = encoded(Item(*item[:_SHORT], part=item.part, uncertain=item.uncertain))
    place = str(root)
    if not item.masks and len(item.files) == 1:
        return b"%d %b" % (_size_bytes(place, item.files[0]), line)
    sizes = ",".join([str(_size_bytes(place, file)) for file in (*item.files, *item.masks)])
    return b"%b %b" % (sizes.encode(), line)


def _size_bytes(root: str, file: str) -> int:
    """Return the size of a file, of all files of a folder, or -1 where there is nothing."""
    # A million paths as objects would cost more than the look at the files.
    path = str(on_disk(Path(root), file)) if "\\x" in file else f"{root}/{file}"
    try:
        about = os.stat(path)  # noqa: PTH116
        if stat.S_ISDIR(about.st_mode):
            with os.scandir(path) as entries:
                return sum(entry.stat().st_size for entry in entries if entry.is_file())
    except (OSError, ValueError):  # a name that no file can have
        return -1
    return about.st_size if stat.S_ISREG(about.st_mode) else -1


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _without_halves(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_without_halves, value))
    return printable(value) if isinstance(value, str) else value
