"""The look-up tables of a DICOM header: modality LUT, VOI LUT and palette, of any depth and either sign."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_formats.pictures.picture import Values
from gmai_formats.pictures.problems import PictureError


class Lookup:
    """A table of DICOM (PS3.3 C.11.1.1, C.11.2.1.1 and C.7.6.3.1.5).

    The index has a type of its own: that of the entries, which pydicom 3.0 keeps it in, wraps at 256 where they have 8
    bits.

    Args:
        descriptor: Number of entries (0 stands for 65536), first value mapped, bits of an entry.
        data: The entries, as a list of numbers or as bytes.
        signed: Whether the values that are looked up can be negative; the descriptor has no sign of its own.
    """

    def __init__(self, descriptor: Sequence[int], data: Any, *, signed: bool) -> None:
        count, first, self.bits = (int(number) for number in descriptor)
        count = count % 65536 or 65536
        first %= 65536
        self._first = first - 65536 if signed and first >= 32768 else first
        self._entries = _entries(data, count, self.bits)

    def __eq__(self, other: object) -> bool:
        """Return whether both give the same entry for every value."""
        if not isinstance(other, Lookup):
            return NotImplemented
        return (self._first, self.bits) == (other._first, other.bits) and np.array_equal(self._entries, other._entries)

    def __hash__(self) -> int:
        """Return the same number for tables that are equal."""
        return hash((self._first, self.bits, self._entries.tobytes()))

    @property
    def highest(self) -> float:
        """Return the largest value that an entry can have."""
        return float(2**self.bits - 1)

    def __call__(self, values: Values) -> npt.NDArray[np.uint16]:
        """Return the entry of each value; below the first and above the last there are those two."""
        index = np.rint(values).astype(np.int64) - self._first
        return self._entries[np.clip(index, 0, len(self._entries) - 1)]


def _entries(data: Any, count: int, bits: int) -> npt.NDArray[np.uint16]:
    if isinstance(data, bytes):
        # 8-bit entries are packed two to a word (PS3.3 C.11.1.1.1), or written as words of their own all the same.
        packed = bits <= 8 and len(data) < 2 * count
        entries = np.frombuffer(data, np.uint8 if packed else "<u2", count=len(data) if packed else len(data) // 2)
    else:
        entries = np.atleast_1d(np.asarray(data)).astype(np.int64).astype(np.uint16)
        if bits <= 8 and len(entries) < count <= 2 * len(entries):
            entries = np.frombuffer(entries.astype("<u2").tobytes(), np.uint8)
    if len(entries) < count:
        raise PictureError("DICOM header unusable", f"a look-up table of {len(entries)} entries is to have {count}")
    return entries[:count].astype(np.uint16)
