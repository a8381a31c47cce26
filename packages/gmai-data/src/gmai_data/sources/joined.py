"""What other files of the publisher, or its path, say of an item: the group in a second table, the official split."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from gmai_cli.console import say
from gmai_formats.errors import UserError, did_you_mean

from gmai_data.imaging.source_files import (
    are_dicom,
    below,
    header_patient,
    on_disk,
    patient_group,
    stated_patient,
)
from gmai_data.sources.card import Card, JoinedColumn
from gmai_data.sources.files.folder import IMAGES as PICTURE_ENDINGS
from gmai_data.sources.files.tables import TABLE_ENDINGS, decoded, read_table, without_point
from gmai_data.sources.files.volume_files import VOLUME_ENDINGS
from gmai_data.sources.items import Item
from gmai_data.sources.layout import SPLIT_NAMES
from gmai_data.sources.patterns import pattern_of
from gmai_data.sources.splits import drawn_split, group_of
from gmai_data.vocabulary import Split


def with_joined_facts(items: Iterable[Item], card: Card, root: Path, lists: str = ".") -> Iterator[Item]:
    """Yield the items with the group of `split.group_table`, or of their DICOM headers, and the publisher's split.

    This is the one place where headers are asked for the patient of an item that its layout, the card's tables and
    patterns leave without; a layout that reads headers anyway, to tell its items apart, gives the group with them.

    Args:
        items: As the layout lists them.
        card: Gives the rules.
        root: The source's folder.
        lists: Folder of the split lists, below the root.

    Raises:
        UserError: A table or list that the card names is not there, or has no such column.
    """
    rule = card.split
    groups = column_by_key(rule.group_table, card, root) if rule.group_table else {}
    own_patients = rule.group_pattern is None and not rule.no_group
    patient_of = functools.lru_cache(maxsize=64)(header_patient)  # many items may come of one file
    split_in = _split_finder(card, root, lists)
    label_of = _label_finder(card, root)
    for item in items:
        found = item
        if rule.group_table:
            key = key_of(item.key, rule.group_table.of, groups)
            if key is None and item.problem is None:
                detail = f"{rule.group_table.table} has no row of it; without a group it may leak"
                found = found._replace(problem=("no group", detail))
            # Two tables may use one number for a patient and a file: what has no patient is called by its path.
            found = found._replace(group=(groups.get(key, "") if key else "") or found.group)
        if own_patients and not found.group and _may_be_dicom(found, root):
            found = found._replace(group=patient_of(on_disk(root, found.files[0])))
        if split_in is not None and found.split is None:
            found = found._replace(split=split_in(found))
        yield found if label_of is None else _labelled(found, label_of(found), card)


def _label_finder(card: Card, root: Path) -> Callable[[Item], str | None] | None:
    """Return what finds the raw label of an item in `label_table`, or None where the card has no such table."""
    rule = card.label_table
    if rule is None:
        return None
    labels = column_by_key(rule, card, root)
    of_patients = {patient_group(stated_patient(key)): label for key, label in labels.items()}

    def find(item: Item) -> str | None:
        key = key_of(item.key, rule.of, labels)
        if key is None and rule.of is None and item.group:
            return labels.get(item.group, of_patients.get(item.group))
        return None if key is None else labels[key]

    return find


def _labelled(item: Item, label: str | None, card: Card) -> Item:
    if item.problem is not None:
        return item
    if not label:
        table = card.label_table.table if card.label_table else ""
        missing = "no row of it" if label is None else "an empty cell for it"
        return item._replace(problem=("no label", f"{table} has {missing}"))
    return item._replace(raw_labels=(*item.raw_labels, label))


def _may_be_dicom(item: Item, root: Path) -> bool:
    """Return whether an item may be a DICOM file, or a folder with a series.

    Names of DICOM files have any ending or none: the last part of a UID (1.2.840.113), a modality, a number; those of
    a picture where the files beside it are DICOM.
    """
    if not item.files or item.problem is not None:
        return False
    place, _, name = item.files[0].rpartition("/")
    _, dot, ending = name.rpartition(".")
    return _names_may_be_dicom(str(root), place, dot + ending)


@functools.lru_cache(maxsize=1024)
def _names_may_be_dicom(root: str, place: str, ending: str) -> bool:
    """Return what `_may_be_dicom` does of the files of a folder with an ending: a listing may have millions."""
    if ending.lower().endswith(PICTURE_ENDINGS):
        return are_dicom(str(on_disk(Path(root), place)), ending)
    return not ending.lower().endswith((".gz", *VOLUME_ENDINGS))  # .nii.gz, .hdr.gz


def _split_finder(card: Card, root: Path, lists: str) -> Callable[[Item], Split | None] | None:
    """Return what finds the split of an item, or None where the card names no publisher's split."""
    rule = card.split
    if rule.pattern is not None:
        names, pattern = rule.names or SPLIT_NAMES, pattern_of(rule.pattern)
        return lambda item: names.get(found.group(1)) if (found := pattern.search(item.key)) else None
    if rule.table is None and not rule.official:
        return None
    files = [rule.table.table] if rule.table else [f"{lists}/{name}" for _, name in _official(card)]
    if rule.without == "fractions" and not any(_list_file(root, name, card)[0].is_file() for name in files):
        say(f"{card.name}: the publisher's split ({', '.join(files)}) is not there; split by the card's fractions.")
        return lambda item: None if (group := group_of(item, card)) is None else drawn_split(group, card)
    if rule.table is not None:
        names = rule.names or SPLIT_NAMES
        splits = {key: names[name] for key, name in column_by_key(rule.table, card, root).items() if name in names}
        of = rule.table.of
        return lambda item: splits.get(key_of(item.key, of, splits) or "")
    listed = _lists(card, root, lists)
    return lambda item: listed.get(key_of(item.key, None, listed) or group_of(item, card) or "")


def key_of(path: str, of: str | None, known: dict[str, str] | dict[str, Split]) -> str | None:
    """Return what a table or list calls an item: its path, the end of it, its file name or stem."""
    if of is not None:
        found = pattern_of(of).search(path)
        return found.group(1) if found and found.group(1) in known else None
    parts = PurePosixPath(path).parts
    for first in range(len(parts)):
        name = "/".join(parts[first:])
        stem = _without_ending(name)
        ending = name.removeprefix(stem)
        # A table may write .jpg where the file is a .JPG.
        for candidate in (name, stem, stem + ending.lower(), stem + ending.upper()):
            if candidate in known:
                return candidate
    return None


def _without_ending(name: str) -> str:
    return name[: -len(".nii.gz")] if name.endswith(".nii.gz") else PurePosixPath(name).with_suffix("").as_posix()


def column_by_key(column: JoinedColumn, card: Card, root: Path) -> dict[str, str]:
    """Return key ▶ value of the rows of a table."""
    path = _table(column.table, card, root)
    if not path.is_file():
        raise UserError(
            f"{path}: no such table. Recipe {card.name} takes {column.value} from it, by which pictures are kept "
            "together, split or labelled; download it, too, or take it out of a copy of the recipe."
        )
    names, rows = read_table(path, lambda found: column.keys[0] in found, encoding=column.encoding)
    _require_columns(names, (*column.keys, column.value), path, card)
    found: dict[str, str] = {}
    for number, row, problem in rows:
        if problem:
            raise UserError(f"{path}: {problem}. Correct the table.")
        value = row[column.value]
        # An empty cell names nothing where another of the row does, such as the one eye of a pair.
        cells = [row[name].removesuffix(column.key_suffix) for name in column.keys]
        for key in [cell for cell in cells if cell or len(cells) == 1]:
            if found.setdefault(key, value) != value:
                both_values = f'"{found[key]}" and "{value}"'
                where = f"{path}: data row {number}"
                raise UserError(f"{where}: {key} has {both_values} in {column.value}. Correct the table.")
    return {without_point(key): value for key, value in found.items()} | found


def _table(name: str, card: Card, root: Path) -> Path:
    """Return a table by its name or, where its name has a date or a version, by the pattern that one table fits."""
    path = below(root, name, recipe=card.name)
    if path.is_file() or not any(sign in name for sign in "*?["):
        return path
    found = [each for each in sorted(root.glob(name)) if each.is_file()]
    if len(found) > 1:
        raise UserError(f"{found[0]} and {found[1]}: recipe {card.name} reads one table {name}. Keep one of them.")
    return found[0] if found else path


def _require_columns(names: Sequence[str], wanted: Sequence[str], path: Path, card: Card) -> None:
    for name in wanted:
        if name not in names:
            hint = did_you_mean(name, names)
            raise UserError(f'{path}:1: no column "{name}", which recipe {card.name} reads.{hint} Fix table or card.')


def _lists(card: Card, root: Path, lists: str) -> dict[str, Split]:
    """Return name ▶ split of the publisher's list files; a line may have more words behind the name, as VOC's do."""
    splits: dict[str, Split] = {}
    for split, name in _official(card):
        path, column = _list_file(root, f"{lists}/{name}", card)
        if not path.is_file():
            raise UserError(
                f"{path}: no such split list. Recipe {card.name} takes the publisher's split from it; "
                "add the list, or take `split.official` out of a copy of the recipe to split by hash."
            )
        for sure, perhaps in _listed(path, column, card):
            for listed in (sure, perhaps):
                if listed and splits.setdefault(listed, split) != split and listed == sure:
                    raise UserError(f"{path}: {listed} is in the list of {splits[listed]}, too. Correct the lists.")
    return splits


def _official(card: Card) -> list[tuple[Split, str]]:
    """Return (split, list) for each list file of the publisher."""
    return [
        (split, name)
        for split, names in card.split.official.items()
        for name in ((names,) if isinstance(names, str) else names)
    ]


def _list_file(root: Path, name: str, card: Card) -> tuple[Path, str | None]:
    """Return (list file, its column or part, or None for all); a name with a colon may be that of a file, too."""
    path = below(root, name, recipe=card.name)
    file, colon, column = name.rpartition(":")
    return (below(root, file, recipe=card.name), column) if colon and column and not path.is_file() else (path, None)


def _part(lines: Sequence[str], heading: str, path: Path, card: Card) -> Sequence[str]:
    """Return the lines of a text between `heading:` and the next line that ends with a colon."""
    headings = [number for number, line in enumerate(lines) if line.endswith(":")]
    first = next((number for number in headings if lines[number][:-1].strip() == heading), None)
    if first is None:
        hint = did_you_mean(heading, [lines[number][:-1] for number in headings])
        raise UserError(f'{path}: no line "{heading}:", below which recipe {card.name} reads.{hint} Fix list or card.')
    return lines[first + 1 : next((number for number in headings if number > first), len(lines))]


def _listed(path: Path, column: str | None, card: Card) -> Iterator[tuple[str, str]]:
    """Yield (what a line of a list means, what it may mean): a line of a text and its first word, a cell of a table."""
    if path.suffix.lower() not in TABLE_ENDINGS:
        lines = [line.strip() for line in decoded(path.read_bytes()).split("\n")]
        for line in lines if column is None else _part(lines, column, path, card):
            if line:
                yield line.removeprefix("./"), line.split()[0].removeprefix("./")
        return
    names, rows = read_table(path, (lambda found: column in found) if column else (lambda found: not found))
    if column is not None:
        _require_columns(names, (column,), path, card)
    elif names:
        yield "", names[0]  # the first line of a list without a header; no picture is called as a column is
    for _, row, _ in rows:
        if cell := row[column or names[0]]:
            yield cell.removeprefix("./"), "" if cell == without_point(cell) else without_point(cell)
