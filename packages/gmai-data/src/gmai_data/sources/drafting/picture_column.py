"""Which column of a table names its pictures, and how their paths are written with the columns of a row."""

import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from gmai_data.sources.files.folder import VOLUMES
from gmai_data.sources.files.tables import without_point
from gmai_data.sources.files.volume_files import volume_stem

Rows = Sequence[Mapping[str, str]]
_MOST_DIGITS = 9


def column_of_names(rows: Rows, by_stem: Mapping[str, Sequence[Path]]) -> tuple[str, list[str]]:
    """Return (column that names pictures or "", those that name others in the same row): the one that repeats least."""
    named = {name: [stem_of(row[name], by_stem) for row in rows] for name in rows[0]}
    hits = {name: sum(each is not None for each in stems) for name, stems in named.items()}
    least = max(1, len(rows) // 20, int(0.9 * max(hits.values())))
    distinct = {
        name: len({row[name] for row, each in zip(rows, named[name], strict=True) if each})
        for name in named if hits[name] >= least
    }  # fmt: skip
    distinct = {name: count for name, count in distinct.items() if count >= min(len(rows), 2)}
    if not distinct:
        return "", []
    column = min(distinct, key=lambda name: (-distinct[name], max(len(PurePosixPath(row[name]).parts) for row in rows)))
    whole = all(row[column].strip().isdigit() for row in rows)
    others = [
        name for name in distinct
        if distinct[name] == distinct[column] and named[name] != named[column]
        and (whole or not all(row[name].strip().isdigit() for row in rows))
    ]  # fmt: skip
    return column, [column, *others] if others else []


def stem_of(cell: str, by_stem: Mapping[str, Sequence[Path]]) -> str | None:
    """Return the name without ending that a cell means, or None: a number may be filled up with zeros in it."""
    name = PureWindowsPath(cell.strip()).name
    number = without_point(name)
    filled = [number.zfill(width) for width in range(len(number) + 1, _MOST_DIGITS)] if number.isdigit() else []
    # A name such as a UID has dots and no ending.
    stems = (volume_stem(name), PurePosixPath(name).stem, name, *filled)
    spelled = stems
    if not name.isascii():  # a ZIP made on macOS has letters and their accents apart (Unicode Standard Annex 15)
        spelled = (*stems, *(unicodedata.normalize(form, each) for each in stems for form in ("NFC", "NFD")))
    return next((each for each in spelled if each in by_stem), None)


def in_another_case(rows: Rows, by_stem: Mapping[str, Sequence[Path]]) -> tuple[str, str] | None:
    """Return (cell, file) of a table whose cells name pictures but for capital letters, or None."""
    lowered = {stem.lower(): paths[0].name for stem, paths in by_stem.items()}
    for row in rows:
        for cell in row.values():
            stem = volume_stem(PureWindowsPath(cell.strip()).name)
            if stem.lower() in lowered and stem not in by_stem and not stem.isdigit():
                return cell.strip(), lowered[stem.lower()]
    return None


def path_of_columns(named: Sequence[tuple[Mapping[str, str], list[str]]], column: str) -> tuple[str, str] | None:
    """Return (folder, path of columns below it) where the folders of each row's picture stand in other columns.

    Args:
        named: A row, and the paths of the pictures that its column of names may mean, without ending.
        column: That column.
    """
    every = [PurePosixPath(path).parts for _, paths in named for path in paths]
    depth = 0
    while all(len(parts) > depth + 1 for parts in every) and len({parts[depth] for parts in every}) == 1:
        depth += 1
    deepest = max(map(len, every))
    if any(len(parts) != deepest for parts in every):
        return None
    for at in range(depth, deepest - 1):
        path = _written_below(named, at)
        if path is not None and column in path:
            return "/".join([*every[0][:depth], *"*" * (at - depth)]) or ".", path
    return None


def _written_below(named: Sequence[tuple[Mapping[str, str], list[str]]], depth: int) -> str | None:
    """Return the path of columns below so many folders, or None where they do not tell it."""
    rows: list[tuple[Mapping[str, str], list[list[str]]]] = []
    for row, paths in named:
        split = [re.split("([/_])", "/".join(PurePosixPath(path).parts[depth:])) for path in paths]
        rows.append((row, [parts for parts in split if all(_written(part, row) for part in parts[::2])]))
    # Rows of one possible picture tell the form; of the others it must then leave one.
    sure = [(row, known[0]) for row, known in rows if len(known) == 1]
    signs = {tuple(parts[1::2]) for _, parts in sure}
    if len(signs) != 1:
        return None
    order, length = list(rows[0][0]), len(sure[0][1])
    places = [set.intersection(*(_written(parts[at], row) for row, parts in sure)) for at in range(0, length, 2)]
    for row, known in rows:
        fits = [
            parts for parts in known
            if len(parts) == length and all(_written(parts[2 * at], row) & forms for at, forms in enumerate(places))
        ]  # fmt: skip
        if len(fits) != 1:
            return None
    filled = any(all(":0" in form for form in forms) for forms in places)
    path: list[str] = []
    for forms in places:
        ranked = sorted(forms, key=functools.partial(_rank, filled=filled, order=order))
        unused = [form for form in ranked if form not in path] or ranked
        if not unused:
            return None
        path.append(unused[0])
    return "".join(form + sign for form, sign in zip(path, [*signs.pop(), ""], strict=True))


def _rank(form: str, *, filled: bool, order: Sequence[str]) -> tuple[bool, int, str]:
    """Return what orders the forms of a part: filled up as other parts are, then the columns as they stand."""
    column = form[form.index("{") + 1 :].rstrip("}").partition(":0")[0]
    return (":0" in form) != filled, order.index(column), form


def _written(part: str, row: Mapping[str, str]) -> set[str]:
    """Return how a part of a path may be written with a column: `{id}`, `p{id}`, `{id:06d}`."""
    forms: set[str] = set()
    for name, cell in row.items():
        cell = cell.strip()
        before = part[: -len(cell)] if cell and part.endswith(cell) else None
        if before is not None and (not before or before.isalpha()):
            forms.add(f"{before}{{{name}}}")
        elif cell.isdigit() and part.isdigit() and part == cell.zfill(len(part)):
            forms.add(f"{{{name}:0{len(part)}d}}")
    if part.isdigit():
        # A number without zeros may be filled up in other rows.
        forms |= {f"{{{name}:0{len(part)}d}}" for name, cell in row.items() if cell.strip() == part and len(part) > 1}
    return forms


def ending_of(path: Path) -> str:
    """Return the ending of a file, of a volume the whole of it: `.nii.gz`."""
    return path.name[len(volume_stem(path.name)) :] if path.name.lower().endswith(VOLUMES) else path.suffix
