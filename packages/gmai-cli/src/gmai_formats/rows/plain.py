"""Rows of a table that are plainly sound, found column by column: what `read_row` would take as it stands.

It is a short cut, not a second opinion: whatever is not plain goes through `read_row`, and a test holds the two to it.
"""

from typing import Any, cast

import numpy as np
import pyarrow
import pyarrow.compute

from gmai_formats.rows.images import InTable
from gmai_formats.rows.sample import MARKS
from gmai_formats.rows.shapes import IMAGES, LIKED, PLACEHOLDER, is_kept_apart, says_liked, shape_of
from gmai_formats.rows.tables import Batch, has_meaning, may_hold_image

pa: Any = cast(Any, pyarrow)
pc: Any = cast(Any, pyarrow.compute)

MESSAGES: Any = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
"""Type of `messages`, as gmai-data writes it."""
_NEUTRAL = frozenset({"id", "width", "height", *LIKED})


def plain_rows(batch: Batch) -> np.ndarray:
    """Return which rows of a batch are sound as they stand; bool, shape `(rows,)`."""
    count = len(batch.columns)
    names: list[str] = batch.columns.schema.names
    if shape_of([*names, *IMAGES]) != "messages" or batch.columns.column("messages").type != MESSAGES:
        return np.zeros(count, dtype=bool)
    plain = np.ones(count, dtype=bool)

    def flags(values: Any) -> np.ndarray:
        return np.asarray(values.fill_null(False), dtype=bool)

    for name in names:
        if name in _NEUTRAL or name == "messages":
            continue
        kind = batch.columns.column(name).type
        if has_meaning(name) or may_hold_image(kind, names=batch.image_column is None):
            plain &= np.asarray(batch.columns.column(name).is_null())
    for name in LIKED:
        if name in names:
            plain &= ~_liked(batch.columns.column(name))
    if "split" in names:
        parts = batch.columns.column("split")
        apart = [part for part in pc.unique(parts).to_pylist() if is_kept_apart(part)]
        plain &= ~np.isin(parts.to_pylist(), apart) if apart else True
    if batch.images is not None and not all(type(image) is InTable for image in batch.images):
        odd = [type(image) is not InTable for image in batch.images]
        plain[np.repeat(np.arange(count), batch.lengths)[odd]] = False
    column = batch.columns.column("messages")
    lengths = np.asarray(column.value_lengths().fill_null(0), dtype=np.int64)
    turns = column.flatten()
    role, content = turns.field("role"), turns.field("content")
    of_row = np.repeat(np.arange(count), lengths)
    starts = lengths.cumsum() - lengths

    is_answer = flags(pc.equal(role, "assistant"))
    is_system = flags(pc.equal(role, "system"))
    has_system = np.zeros(count, dtype=bool)
    filled = lengths > 0
    has_system[filled] = is_system[starts[filled]]
    place = np.arange(len(turns)) - starts[of_row] - has_system[of_row]
    in_turn = np.where(place < 0, is_system, np.where(place % 2 == 0, flags(pc.equal(role, "user")), is_answer))
    images = np.asarray(pc.count_substring(content, PLACEHOLDER).fill_null(0), dtype=np.int64)
    sound = in_turn & flags(pc.match_substring_regex(content, r"[\pL\pN]"))
    sound &= ~flags(pc.match_substring_regex(content, MARKS)) & ~((is_answer | is_system) & (images > 0))
    plain &= np.bincount(of_row[~sound], minlength=count) == 0
    plain &= np.bincount(of_row, weights=images, minlength=count) == batch.lengths
    own = lengths - has_system
    return plain & (own > 0) & (own % 2 == 0)


def _liked(column: Any) -> np.ndarray:
    """Return which values say whether the answer is liked; numbers are of classes."""
    kind = column.type.value_type if pa.types.is_list(column.type) else pa.bool_()
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or not pa.types.is_boolean(kind):
        return np.zeros(len(column), dtype=bool)
    return np.array([says_liked(value) for value in column.to_pylist()], dtype=bool)
