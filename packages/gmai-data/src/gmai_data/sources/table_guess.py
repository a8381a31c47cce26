"""The draft of a card for a table of labels: its column of names, whose pictures they are, which column labels them."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gmai_data.sources.folder import VOLUMES, Folder, Guess, values_of
from gmai_data.sources.layout import SPLIT_NAMES
from gmai_data.sources.pairing import split_of_name
from gmai_data.sources.table_marks import box_columns, run_length_column
from gmai_data.sources.volume_files import volume_stem

Rows = Sequence[Mapping[str, str]]
_FLAGS = {"0", "1", "-1", "0.0", "1.0", "-1.0", ""}
_PERSON = re.compile(
    r"(?:patient|subject|participant|person)s?[ _-]?(?:id|no|num|number|name)?|"
    r"(?:患者|病人|受试者)[ _-]?(?:编号|号|id)?|住院号|病历号",
    re.IGNORECASE,
)
_CASE = re.compile(
    r"(?:lesion|case|study|exam|eye|visit)[ _-]?(?:id|no|num|number|uid|instanceuid)|(?:病例|检查)编?号", re.IGNORECASE
)
_NO_LABEL = re.compile(
    r"(?:^|[ _-])(?:id|ids|uid|uuid|name|names|path|file|filename|url|age|sex|gender|date|time|year|day|days|offset|"
    r"survival|weight|height|width|bbox|x|y|w|h|xmin|xmax|ymin|ymax|view|position|modality|machine|device|operator|"
    r"institute|institution|site|source|license|race|ethnicity|patient|patients|subject|study|series|follow|spacing|"
    r"pixelspacing|location|region|anatom|localization|eye|side|laterality|split|fold|set|train|test|num|number|index|"
    r"count|quality|notes?|comments?|clinical|temperature|dob)(?:$|[ _-])|id$|^unnamed|\[|"
    r"编号|年龄|性别|姓名|日期|时间|身高|体重|路径|文件|图像|图片|科室|医院|设备|部位|备注",
    re.IGNORECASE,
)
_LABELS = tuple(
    re.compile(word, re.IGNORECASE)
    for word in (
        r"^findings?(?:[ _-]?labels?)?$|征象|所见", r"diagnos|诊断", r"^dx$", r"disease|疾病|病种",
        r"^(?:class|label|labels|category|target|标签|类别|分类)$", r"label|class|categor|target|标签|类别|分类",
        r"patholog|abnormal|病理", r"grade|severity|stage|level|birads|tirads|score|分级|等级|分期|评分",
        r"condition|plane|type|result|status",
    )
)  # fmt: skip
_SURE = 6
"""So many of the patterns above are of columns that are nothing but the label."""
_MOST_VALUES = 50


@dataclass(frozen=True)
class _Found:
    """A table, its column of names, and the folders that hold the pictures of each row."""

    path: Path
    rows: Rows
    column: str
    suffix: str
    folders: tuple[str, ...]
    note: str


def table_guess(folder: Folder) -> Guess | None:
    """Return a draft where a column of a table names pictures or volumes."""
    files = [*folder.images, *folder.with_ending(".dcm"), *folder.volumes]
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        by_stem[volume_stem(path.name)].append(path)
    tables = [found for path, rows in folder.tables if (found := _locate(path, rows, by_stem, folder)) is not None]
    if not tables:
        return None
    tables.sort(key=lambda found: (not _labels_of(found)[0], folder.below(found.path)))
    main = tables[0]
    layout, labels, task, words, notes = _layout(main, folder)
    split: dict[str, Any] = {}
    alike = [found for found in tables if found.path != main.path and list(found.rows[0]) == list(main.rows[0])]
    if alike:
        together = _together([main, *alike], folder)
        if together is None:
            names = ", ".join(folder.below(found.path) for found in alike)
            notes.append(f"table: {names} have the same columns; this card reads {folder.below(main.path)} only.")
        else:
            layout |= {"table": together[0], "images": together[1]}
            split |= together[2]
            every = [row for found in (main, *alike) for row in found.rows]
            if "label_column" in layout and layout["label_column"] != "TODO":
                labels = _values(every, layout["label_column"], layout.get("separator"))
    if "group_column" not in layout:
        split |= _group_elsewhere(main, folder)
    return Guess(words, task, layout, labels, notes=tuple(notes), split=split)


def _locate(path: Path, rows: Rows, by_stem: Mapping[str, list[Path]], folder: Folder) -> _Found | None:
    """Return the column of names of a table and the folders of its pictures: never those of another split's."""
    column, hits = "", 0
    for name in rows[0]:
        count = sum(volume_stem(PurePosixPath(row[name].strip()).name) in by_stem or
                    PurePosixPath(row[name].strip()).stem in by_stem for row in rows if row[name].strip())  # fmt: skip
        if count > hits and len({row[name] for row in rows}) >= min(len(rows), 2):
            column, hits = name, count
    if hits < max(1, len(rows) // 20):
        return None
    places: Counter[str] = Counter()
    twice: set[str] = set()
    suffix = ""
    for row in rows:
        cell = row[column].strip()
        stem = volume_stem(PurePosixPath(cell).name)
        found = by_stem.get(stem) or by_stem.get(PurePosixPath(cell).stem) or []
        fitting = _of_table(found, path, cell, folder)
        if not fitting:
            continue
        where = {_relative_place(cell, image, folder) for image in fitting}
        if len(where) > 1:
            twice |= where
            continue
        places.update(where)
        if PurePosixPath(cell).suffix.lower() != fitting[0].suffix.lower():
            name = fitting[0].name
            suffix = name[len(volume_stem(name)) :] if name.lower().endswith(VOLUMES) else fitting[0].suffix
    note = ""
    if twice:
        note = f"images: the same names lie in {', '.join(sorted(twice))}; say which of them the table is about."
    if not places and not twice:
        return None
    return _Found(path, rows, column, suffix, () if twice else tuple(sorted(places)), note)


def _of_table(images: Sequence[Path], table: Path, cell: str, folder: Folder) -> list[Path]:
    """Return the pictures that a table of this place and name may be about."""
    ending = f"/{cell}"
    exact = [image for image in images if image.as_posix().endswith(ending)] or list(images)
    below = [image for image in exact if table.parent != folder.root and image.is_relative_to(table.parent)]
    if below:
        return below
    said = _splits_of(folder.below(table))
    return [image for image in exact if not said or not (of := _splits_of(folder.below(image.parent))) or of & said]


def _splits_of(path: str) -> set[str]:
    return {str(split) for part in PurePosixPath(path).parts if (split := split_of_name(part)) is not None}


def _relative_place(cell: str, image: Path, folder: Folder) -> str:
    """Return the folder that a cell with the path of an image is relative to; TODO where it is not below the root."""
    above = len(PurePosixPath(cell).parts)
    if PurePosixPath(cell).with_suffix("").parts != image.with_suffix("").parts[-above:]:
        return folder.below(image.parent) if above == 1 else "TODO"
    place = image.parents[above - 1]
    return folder.below(place) if place.is_relative_to(folder.root) else "TODO"


def _layout(found: _Found, folder: Folder) -> tuple[dict[str, Any], list[str], str, str, list[str]]:
    rows, notes = found.rows, [found.note] if found.note else []
    images: Any = "TODO" if not found.folders else found.folders[0] if len(found.folders) == 1 else list(found.folders)
    layout: dict[str, Any] = {"kind": "csv_labels", "table": folder.below(found.path), "images": images}
    layout["image_column"] = found.column
    if found.suffix:
        layout["image_suffix"] = found.suffix
    group = _column_like(rows, _PERSON, found.column) or _column_like(rows, _CASE, found.column)
    if group:
        layout["group_column"] = group
    marks = box_columns(list(rows[0]))
    runs = None if marks else run_length_column(rows)
    if marks or runs:
        layout["marks"] = {"box": list(marks[0]), "form": marks[1]} if marks else {"run_lengths": runs}
        others = marks[0] if marks else (runs,)
        column, more = label_column(rows, {found.column, group or "", *(each for each in others if each)})
        layout["label_column"] = column
        marked = [row for row in rows if any(row[name].strip() for name in others if name)]
        words = "a table of boxes" if marks else "a table of run lengths"
        labels = values_of(marked, column) if column != "TODO" else []
        return layout, labels, "2d_detection" if marks else "2d_segmentation", words, notes + more
    split = _split_column(rows, found.column)
    if split:
        layout["split_column"] = split
    volumes = found.suffix.lower() in VOLUMES or any(rows[0][found.column].lower().endswith(each) for each in VOLUMES)
    task = "3d_classification" if volumes else "2d_classification"
    kind, columns = _labels_of(found)
    if kind == "flags":
        layout["label_columns"] = columns
        return layout, columns, task, "a one-hot table", notes
    column, more = label_column(rows, {found.column, group or "", split or ""})
    layout["label_column"] = column
    separator = _separator(rows, column) if column != "TODO" else None
    if separator:
        layout["separator"] = separator
    labels = _values(rows, column, separator) if column != "TODO" else []
    return layout, labels, task, "a table of labels", notes + more


def _labels_of(found: _Found) -> tuple[str, list[str]]:
    """Return (`flags`, their columns), (`column`, the column) or nothing, for what a table says of its pictures."""
    rows = found.rows
    flags = [
        name for name in rows[0]
        if name.strip() and name != found.column and {row[name].strip() for row in rows} <= _FLAGS
        and any(row[name].strip() for row in rows)
        and not _NO_LABEL.search(name) and not _PERSON.fullmatch(name.strip())
    ]  # fmt: skip
    column, _ = label_column(rows, {found.column, *flags})
    sure = column != "TODO" and any(pattern.search(column) for pattern in _LABELS[:_SURE])
    if len(flags) > 1 and (len(flags) > 2 or not sure) and not (sure and not _is_number(rows, column)):
        return "flags", flags
    return ("column", [column]) if column != "TODO" else ("", [])


def _is_number(rows: Rows, column: str) -> bool:
    return all(re.fullmatch(r"[-\d.]*", row[column].strip()) for row in rows)


def label_column(rows: Rows, others: set[str]) -> tuple[str, list[str]]:
    """Return (column of the label, notes), or TODO with the candidates where nothing tells it."""
    candidates = [
        name for name in rows[0]
        if name.strip() and name not in others and not _PERSON.fullmatch(name.strip()) and _may_be_label(rows, name)
    ]  # fmt: skip
    for pattern in _LABELS:
        found = [name for name in candidates if pattern.search(name.strip())]
        if found:
            also = [name for name in candidates if name != found[0] and any(each.search(name) for each in _LABELS)]
            return found[0], [
                f"label_column: other columns may label the pictures, too: {', '.join(also)}"
            ] if also else []
    left = [name for name in candidates if not _NO_LABEL.search(name.strip())]
    if len(left) == 1:
        return left[0], []
    return "TODO", [f"label_column: candidates are {', '.join(left or candidates) or 'none'}"]


def _may_be_label(rows: Rows, name: str) -> bool:
    values = [row[name].strip() for row in rows if row[name].strip()]
    distinct = {part for value in values for part in re.split(r"[|]", value)}
    if not values or len(distinct) > _MOST_VALUES or (len(values) > 20 and len(distinct) == len(values)):
        return False
    if any(re.fullmatch(r"-?\d+\.\d*[1-9]\d*", value) for value in values):
        return False
    known = any(pattern.search(name.strip()) for pattern in _LABELS[:_SURE])
    return (len(distinct) > 1 or known) and (known or not _NO_LABEL.search(name.strip()))


def _separator(rows: Rows, column: str) -> str | None:
    return next((sign for sign in "|;" if any(sign in row[column] for row in rows)), None)


def _values(rows: Rows, column: str, separator: str | None) -> list[str]:
    cells = (row.get(column, "") for row in rows)
    parts = (part.strip() for cell in cells for part in (cell.split(separator) if separator else [cell]))
    return sorted({part for part in parts if part})


def _column_like(rows: Rows, pattern: re.Pattern[str], names: str) -> str | None:
    return next((name.strip() for name in rows[0] if pattern.fullmatch(name.strip()) and name != names), None)


def _split_column(rows: Rows, names: str) -> str | None:
    for name in rows[0]:
        values = {row[name].strip() for row in rows} - {""}
        if name != names and len(values) > 1 and all(value in SPLIT_NAMES for value in values):
            return name.strip()
    return None


def _lists_of(tables: Sequence[_Found], place: str, folder: Folder) -> tuple[list[str], str, dict[str, Any]] | None:
    """Return (tables, their folder, split) where tables of one folder are parts with no picture in two."""
    named = [{row[found.column].strip() for row in found.rows} for found in tables]
    said = [_splits_of(folder.below(found.path)) for found in tables]
    if len(set().union(*named)) < sum(map(len, named)) or any(len(each) != 1 for each in said):
        return None
    official: dict[str, list[str]] = defaultdict(list)
    for found, (split,) in zip(tables, said, strict=True):
        official[str(split)].append(f"{folder.below(found.path)}:{found.column}")
    lists = {split: names[0] if len(names) == 1 else names for split, names in official.items()}
    return [folder.below(found.path) for found in tables], place, {"official": lists}


def _together(tables: Sequence[_Found], folder: Folder) -> tuple[list[str], list[str] | str, dict[str, Any]] | None:
    """Return (tables, the folder of each, split) where each table has one folder of pictures, and its own."""
    tables = sorted(tables, key=lambda found: folder.below(found.path))
    places = [found.folders[0] for found in tables if len(found.folders) == 1]
    if len(places) == len(tables) and len(set(places)) == 1:
        return _lists_of(tables, places[0], folder)
    if len(set(places)) < len(tables):
        return None
    said = {place: _splits_of(place) | _splits_of(folder.below(found.path)) for place, found in
            zip(places, tables, strict=True)}  # fmt: skip
    split: dict[str, Any] = {}
    tops = [place.split("/")[0] for place in places]
    if all(len(each) == 1 for each in said.values()) and len(set(tops)) == len(tops):
        split = {
            "pattern": "^([^/]+)/",
            "names": {top: next(iter(said[place])) for top, place in zip(tops, places, strict=True)},
        }
    return [folder.below(found.path) for found in tables], places, split


def _group_elsewhere(main: _Found, folder: Folder) -> dict[str, Any]:
    """Return the card's `group_table` where a second table with the same names has the patient or lesion."""
    names = {row[main.column].strip() for row in main.rows}
    for path, rows in folder.tables:
        if path == main.path:
            continue
        group = _column_like(rows, _PERSON, "") or _column_like(rows, _CASE, "")
        key = next((name for name in rows[0] if names & {row[name].strip() for row in rows}), None)
        if group and key and key != group:
            return {"group_table": {"table": folder.below(path), "key": key.strip(), "value": group}}
    return {}
