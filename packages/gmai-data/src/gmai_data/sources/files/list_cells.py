"""Cells of a table that hold a list as Python or JSON write one: `['nodule', 'normal']`, `["nodule"]`, `[]`."""

import re

_ENTRY = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,'"\[\]]*))\s*(,|$)""")
_NOTHING = frozenset({"", "nan", "none", "null"})


def is_list(cell: str) -> bool:
    """Return whether a cell begins and ends as a list does."""
    cell = cell.strip()
    return cell.startswith("[") and cell.endswith("]")


def entries_of(cell: str) -> list[str] | None:
    """Return the entries of a list, without blanks around them and without empty ones, or None where it is none."""
    cell = cell.strip()
    if not is_list(cell):
        return None
    text, at, entries = cell[1:-1], 0, list[str]()
    while at < len(text):
        found = _ENTRY.match(text, at)
        if found is None:
            return None
        quoted = found[1] if found[1] is not None else found[2]
        entry = found[3].strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted).strip()
        if quoted is not None or entry.lower() not in _NOTHING:
            entries.append(entry)
        at = found.end()
    return [entry for entry in entries if entry]
