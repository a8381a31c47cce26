"""Sizes of downloads as publishers write them: `3.4 GB`, `about 700 GB`."""

import re

UNIT = r"bytes?|[kmgt]i?b"
"""Regular expression for the units, in any case."""
_TIMES = {"b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_TIMES_BINARY = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = re.compile(
    rf"(?:(?:about|over|under|ca\.|~|>|<)\s*)?(\d{{1,3}}(?:,\d{{3}})+|\d{{1,15}}(?:\.\d+)?)\s*({UNIT})", re.IGNORECASE
)


def bytes_of(size: str) -> int:
    """Return a size in bytes.

    Raises:
        ValueError: It is no positive number with a unit.
    """
    found = _SIZE.fullmatch(size.strip())
    number = float(found[1].replace(",", "")) if found else 0
    if found is None or number <= 0:
        raise ValueError(f'"{size}" is no size; write a number and a unit, such as `3.4 GB`, `about 700 GB`, `82 MB`')
    unit = found[2].lower()
    times = _TIMES_BINARY[unit[0]] if "i" in unit else _TIMES[unit[0]]
    return round(number * times)
