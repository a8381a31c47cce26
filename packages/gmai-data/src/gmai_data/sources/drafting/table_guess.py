"""The draft of a card for a table of labels: its column of names, whose pictures they are, which column labels them."""

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from gmai_data.sources.annotations.table_marks import box_columns, objects_column, run_length_column
from gmai_data.sources.drafting.pairing import split_of_name
from gmai_data.sources.drafting.picture_column import Rows, column_of_names, ending_of, path_of_columns, stem_of
from gmai_data.sources.files.folder import VOLUMES, Folder, Guess, values_of
from gmai_data.sources.files.list_cells import entries_of
from gmai_data.sources.files.tables import without_point
from gmai_data.sources.files.volume_files import volume_stem
from gmai_data.sources.layout import SPLIT_NAMES

_NO = {"0", "false", "no", ""}
OBJECT = "object"
"""Raw label of boxes in a table that has no label."""
_NUMBERS = re.compile(r"(?:^|\s|,|;)(?:-?\d+(?:\.\d+)?[\s,;]+){3}-?\d+")
"""Four numbers on end are a place and no label."""
_NO_CELLS = ["0", "false", "no"]
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
    r"survival|male|female|weight|height|width|bbox|x|y|w|h|xmin|xmax|ymin|ymax|view|position|modality|machine|device|operator|"
    r"institute|institution|site|source|license|race|ethnicity|patient|patients|subject|study|series|follow|spacing|"
    r"pixelspacing|location|region|anatom|localization|eye|side|laterality|split|fold|set|train|test|num|number|index|"
    r"count|quality|gradable|fps|frames?|framerate|duration|notes?|comments?|clinical|temperature|dob)(?:$|[ _-])|"
    r"(?:image|img|patient|study|series|subject|case|file|exam|scan|slide|sample|row|uu|isic)id$|^unnamed|\[|"
    r"prediction ?string|encoded ?pixels|(?:^|[ _-])rle(?:$|[ _-])|"
    r"编号|年龄|性别|姓名|日期|时间|身高|体重|路径|文件|图像|图片|科室|医院|设备|部位|备注",
    re.IGNORECASE,
)
_LABELS = tuple(
    re.compile(word, re.IGNORECASE)
    for word in (
        r"^findings?(?:[ _-]?labels?)?$|征象|所见", r"diagnos|诊断", r"^dx$", r"disease|疾病|病种",
        r"^(?:class|label|labels|category|target|标签|类别|分类)$", r"label|class|categor|target|标签|类别|分类",
        r"patholog|abnormal|malign|benign|cancer|病理|良恶性",
        r"grade|severity|stage|level|birads|tirads|score|分级|等级|分期|评分",
        r"condition|plane|type|result|status",
    )
)  # fmt: skip
_MOST_SPLITS = 12
"""Names of splits in a column; folds are splits, too."""
_SAYS_SPLIT = re.compile(r"(?:^|.*[ _-])(?:split|partition|subset|fold|usage|dataset[ _-]?type|set)", re.IGNORECASE)
_NAME_IN_PATH, _PLACE_IN_PATH = "name_in_path", "place_in_path"
"""What a draft calls the last part of a path of another disk, and the end of one that begins above the root."""
_PICTURE_SIZE = re.compile(r"(?:image|img|picture|orig|original)?(width|height)(?:px|pixels)?")
_SURE = 6
"""So many of the patterns above are of columns that are nothing but the label."""
_MOST_VALUES = 50


@dataclass(frozen=True)
class _Found:
    """A table, its column of names, and the folders that hold the pictures of each row."""

    path: Path
    rows: Rows
    column: str
    suffixes: tuple[str, ...]
    """Endings that the names of the column lack, or have otherwise."""
    folders: tuple[str, ...]
    note: str
    named: str
    """The card's `image_column`: the column, a path of several such as `{study}/{image}`, or TODO."""


def table_guess(folder: Folder) -> Guess | None:
    """Return a draft where a column of a table names pictures or volumes."""
    files = [*folder.images, *folder.with_ending(".dcm", ".dicom"), *folder.volumes]
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
    others = [folder.below(found.path) for found in tables if found.path != main.path and found not in alike]
    if others:
        notes.append(f"table: {', '.join(others)} names pictures, too")
    if "split_column" in layout and (names := names_of_splits(main.rows, layout["split_column"])):
        split["names"] = names
    if "group_column" not in layout:
        split |= _group_elsewhere(main, folder)
    card = {"labels_of_every_image": [OBJECT]} if labels == [OBJECT] else {}
    return Guess(words, task, layout, labels, notes=tuple(notes), split=split, card=card)


def slides_labelled(folder: Folder, slides: Sequence[Path]) -> tuple[dict[str, str], list[str], tuple[str, ...]] | None:
    """Return (the card's `label_table`, raw labels, notes) where a table names slides and labels them."""
    by_stem = {slide.stem: [slide] for slide in slides}
    for path, rows in folder.tables:
        column, rivals = column_of_names(rows, by_stem)
        if not column or rivals:
            continue
        group = _column_like(rows, _PERSON, column) or _column_like(rows, _CASE, column)
        label, notes = label_column(rows, {column, group or ""})
        if label != "TODO":
            table = {"table": folder.below(path), "key": column.strip(), "value": label}
            return table, values_of(rows, label), tuple(notes)
    return None


def labels_dicom(folder: Folder) -> bool:
    """Return whether a table labels single DICOM files, which are then no stacks of slices."""
    guess = table_guess(folder) if folder.tables else None
    if guess is None or guess.layout.get("label_column") == "TODO":
        return False
    suffixes = guess.layout.get("image_suffix", "")
    return any(end in str(suffixes) for end in (".dcm", ".dicom")) or not (folder.images or folder.volumes)


def _locate(path: Path, rows: Rows, by_stem: Mapping[str, list[Path]], folder: Folder) -> _Found | None:
    """Return the column of names of a table and the folders of its pictures: never those of another split's."""
    column, rivals = column_of_names(rows, by_stem)
    if not column:
        return None
    places: Counter[str] = Counter()
    twice: set[str] = set()
    suffixes: set[str] = set()
    named: list[tuple[Mapping[str, str], list[str]]] = []
    ends: list[tuple[str, str]] = []
    widths: set[int] = set()
    floats = respelled = False
    for row in rows:
        cell = row[column].strip()
        stem = stem_of(cell, by_stem)
        fitting = _of_table(by_stem[stem], path, cell, folder) if stem is not None else []
        if not fitting:
            continue
        number = without_point(cell)
        floats = floats or number == stem != cell
        respelled = respelled or (number.isdigit() and cell != stem)
        widths.add(len(stem or "") if number.isdigit() and (number == cell or number != stem) else 0)
        where = {_relative_place(cell, image, folder) for image in fitting}
        ends += [(cell.lstrip("/"), folder.below(image)) for image in fitting]
        named.append((row, [folder.below(image)[: -len(ending_of(image))] for image in fitting]))
        if len(where) > 1:
            twice |= where
        else:
            places.update(where)
        if PureWindowsPath(cell).suffix.lower() == fitting[0].suffix.lower():
            suffixes.add("")
        else:
            suffixes.add(ending_of(fitting[0]))
    note, written = "", "TODO" if rivals else column
    if rivals:
        note = f"image_column: a row names several pictures, in {', '.join(rivals)}; say of which its label is."
    elif len(places) + len(twice) > 1 and (found := path_of_columns(named, column)) is not None:
        place, written = found
        places, twice = Counter([place]), set[str]()
    elif len(widths) == 1 and max(widths) and respelled:
        written = f"{{{column}:0{max(widths)}d}}"
    elif floats:
        written = f"{{{column}:01d}}"
    elif any("\\" in row[column] for row, _ in named):
        written = _NAME_IN_PATH
    elif set(places) == {"TODO"} and (above := _folders_above(ends)) is not None:
        written, places = f"{_PLACE_IN_PATH}{above[0]}", Counter([above[1]])
    if twice:
        note = f"images: the same names lie in {', '.join(sorted(twice))}; say which of them the table is about."
    if not places and not twice:
        return None
    return _Found(
        path,
        rows,
        column,
        tuple(sorted(suffixes)) if suffixes != {""} else (),
        () if twice else tuple(sorted(places)),
        note,
        written,
    )


def _of_table(images: Sequence[Path], table: Path, cell: str, folder: Folder) -> list[Path]:
    """Return the pictures that a table of this place and name may be about."""
    ending = f"/{cell}"
    exact = [image for image in images if image.as_posix().endswith(ending)] or _nearest(images, cell)
    below = [image for image in exact if table.parent != folder.root and image.is_relative_to(table.parent)]
    if below:
        return below
    splits = _splits_of(folder.below(table))
    return [image for image in exact if not splits or not (of := _splits_of(folder.below(image.parent))) or of & splits]


def _nearest(images: Sequence[Path], cell: str) -> list[Path]:
    """Return the pictures that share the most folders with the end of a path; all where none shares any."""
    # Many thousands may have one name, as `view1_frontal` in a folder of each patient: most are out after a folder.
    for at, part in enumerate(reversed(PurePosixPath(cell).parts[:-1]), start=2):
        nearer = [image for image in images if image.parts[-at : 1 - at] == (part,)]
        if not nearer:
            break
        images = nearer
    return list(images)


def _common_end(cell: str, image: PurePath) -> int:
    """Return how many parts a path and a picture's have in common at their end, whatever the ending of the name."""
    paths = (PurePosixPath(cell).with_suffix("").parts[::-1], image.with_suffix("").parts[::-1])
    return next((at for at, (one, other) in enumerate(zip(*paths, strict=False)) if one != other), min(map(len, paths)))


def _splits_of(path: str) -> set[str]:
    return {str(split) for part in PurePosixPath(path).parts if (split := split_of_name(part)) is not None}


def _relative_place(cell: str, image: Path, folder: Folder) -> str:
    """Return the folder that a cell with the path of an image is relative to; TODO where it is not below the root."""
    if "\\" in cell:  # a path of another disk, of which the name alone is read
        return folder.below(image.parent)
    above = len(PurePosixPath(cell).parts)
    if PurePosixPath(cell).with_suffix("").parts != image.with_suffix("").parts[-above:]:
        return folder.below(image.parent) if above == 1 else "TODO"
    place = image.parents[above - 1]
    return folder.below(place) if place.is_relative_to(folder.root) else "TODO"


def _folders_above(ends: Sequence[tuple[str, str]]) -> tuple[int, str] | None:
    """Return (how many folders stand at the front of all paths that do not lie here, the folder of what follows)."""
    lengths = {len(PurePosixPath(cell).parts) - _common_end(cell, PurePosixPath(image)) for cell, image in ends}
    most = max(lengths, default=0)
    places = {
        PurePosixPath(image).parents[len(PurePosixPath(cell).parts) - most - 1].as_posix()
        for cell, image in ends
        if len(PurePosixPath(cell).parts) > most + 1
    }
    return (most, places.pop()) if most and len(places) == 1 else None


def _points(rows: Sequence[Mapping[str, str]], columns: Sequence[str], form: str) -> str:
    """Return why two corners by name are points, as landmarks are, or nothing where they are corners."""
    if form != "xyxy":
        return ""
    further = [name for name in rows[0] if re.fullmatch(r"[xy]_?[3-9]", name.lower())]
    if {name.lower() for name in columns} <= {"x1", "y1", "x2", "y2"} and further:
        return f"marks: {', '.join((*columns, *further))} are points; name the columns of a box, or leave marks out"
    corners: list[list[float]] = []
    for row in rows:
        with contextlib.suppress(ValueError):
            corners.append([float(row[name].replace(",", ".")) for name in columns])
    turned = sum(right < left or lower < upper for left, upper, right, lower in corners)
    if turned <= 0.1 * len(corners):
        return ""
    return (
        f"marks: {', '.join(columns)} are no corners of a box in {turned} of {len(corners)} rows: the second lies left "
        "of or above the first. Points, such as landmarks, are not read; name the columns of a box, or leave marks out"
    )


def _layout(found: _Found, folder: Folder) -> tuple[dict[str, Any], list[str], str, str, list[str]]:
    rows, notes = found.rows, [found.note] if found.note else []
    images: Any = "TODO" if not found.folders else found.folders[0] if len(found.folders) == 1 else list(found.folders)
    layout: dict[str, Any] = {"kind": "csv_labels", "table": folder.below(found.path), "images": images}
    layout |= folder.probed[found.path].settings
    notes += folder.probed[found.path].notes
    if found.named == _NAME_IN_PATH:
        layout["parts"] = {found.column: r"(?:.*[\\/])?(?P<name_in_path>[^\\/]+)"}
    if found.named.startswith(_PLACE_IN_PATH):
        above = int(found.named.removeprefix(_PLACE_IN_PATH))
        layout["parts"] = {found.column: rf"(?:\.?/)*(?:[^/]+/){{{above}}}(?P<{_PLACE_IN_PATH}>.+)"}
        notes.append(f"parts: the first {above} folder(s) of the paths in {found.column} do not lie in this folder.")
        found = replace(found, named=_PLACE_IN_PATH)
    layout["image_column"] = found.named
    if found.suffixes:
        layout["image_suffix"] = found.suffixes[0] if len(found.suffixes) == 1 else list(found.suffixes)
    group = _column_like(rows, _PERSON, found.column) or _column_like(rows, _CASE, found.column)
    if group:
        layout["group_column"] = group
    marks = box_columns(list(rows[0]))
    runs = None if marks else run_length_column(rows)
    if marks or runs:
        others = marks[0] if marks else (runs,)
        layout["marks"] = {
            **({"box": list(marks[0]), "form": marks[1]} if marks else {"run_lengths": runs}),
            **_size_columns(rows, others),
            **({"decimal": ","} if marks and _has_decimal_commas(rows, marks[0]) else {}),
        }
        if marks and (points := _points(rows, *marks)):
            layout["marks"] = {"box": "TODO"}
            notes.append(points)
        column, more = label_column(rows, {found.column, group or "", *(each for each in others if each)})
        if column == "TODO" and more == [NO_CANDIDATES]:
            note = "labels_of_every_image: the table has no label; name what its marks are."
            task = "2d_detection" if marks else "2d_segmentation"
            words = "a table of boxes" if marks else "a table of run lengths"
            return layout, [OBJECT], task, words, [*notes, note]
        layout["label_column"] = column
        marked = [row for row in rows if any(row[name].strip() for name in others if name)]
        words = "a table of boxes" if marks else "a table of run lengths"
        labels = values_of(marked, column) if column != "TODO" else []
        if marks and column != "TODO":  # rows without a box name what holds for the whole picture, or say no
            labels += [value for value in values_of(rows, column) if value not in labels and value.lower() not in _NO]
        return layout, labels, "2d_detection" if marks else "2d_segmentation", words, notes + more
    listed = objects_column(rows)
    if listed is not None:
        layout["marks"], labels, note = listed
        notes = [*notes, note]
        if not labels:
            labels = [OBJECT]
            notes.append("labels_of_every_image: the table has no label; name what its boxes mark.")
        nothing = [raw for raw in labels if raw.lower() in ("none", "no")]
        if nothing:
            layout["negative"] = [*_NO_CELLS, *nothing]
        return layout, [raw for raw in labels if raw not in nothing], "2d_detection", "a table of boxes", notes
    split = split_column(rows, found.column)
    if split:
        layout["split_column"] = split
    ends = (*found.suffixes, rows[0][found.column])
    volumes = any(end.lower().endswith(VOLUMES) for end in ends)
    task = "3d_classification" if volumes else "2d_classification"
    kind, columns = _labels_of(found)
    if kind == "flags":
        layout["label_columns"] = columns
        cells = {row[name].strip() for row in rows for name in columns}
        if unsaid := sorted(cell for cell in cells if cell.lower() in _UNSAID - {"nan"}):
            layout["uncertain"] = ["-1", "nan", "", *unsaid]
        also, _ = label_column(rows, {found.column, group or "", split or "", *columns})
        if also != "TODO":
            notes.append(f"label_columns: {also} may label the pictures, too")
        return layout, columns, task, "a one-hot table", notes
    column, more = label_column(rows, {found.column, group or "", split or ""})
    layout["label_column"] = column
    if column == "TODO":
        more = [*more, *_joined(found, folder)]
    if column != "TODO" and _is_of_lists(rows, column):
        layout["listed"] = True
    separator = _separator(rows, column) if column != "TODO" and "listed" not in layout else None
    if separator:
        layout["separator"] = separator
    labels = _values(rows, column, separator) if column != "TODO" else []
    if separator is None and column != "TODO" and (together := _together_in_a_cell(labels)):
        sign, cell = together
        more = [
            *more,
            f'label_column: does a cell such as "{cell}" hold several labels? Then set `separator: "{sign}"`',
        ]
    if unsaid := [raw for raw in labels if raw.lower() in _UNSAID]:
        labels = [raw for raw in labels if raw not in unsaid]
        words = ", ".join(f'"{raw}"' for raw in unsaid)
        more = [*more, f"label_column: {words} is taken for a cell without a label; if it is one, add it to `labels`"]
    return layout, labels, task, "a table of labels", notes + more


_UNSAID = {
    *("nan", "na", "n/a", "<na>", "null"),
    # ECMA-376 part 1, 18.18.11: what a spreadsheet shows for a formula that failed
    *("#n/a", "#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!"),
}
"""Cells, in small letters, by which programs write that there is no value."""


def _together_in_a_cell(labels: Sequence[str]) -> tuple[str, str] | None:
    """Return (sign, label) where a label is made of others, all of which but one stand alone, too."""
    alone = {label.lower() for label in labels}
    for sign in (",", "/", "+", "&"):
        for label in labels:
            parts = {part.strip().lower() for part in label.split(sign)} - {""}
            if len(parts) > 1 and len(parts - alone) < 2:
                return sign, label
    return None


def _size_columns(rows: Rows, others: Sequence[str | None]) -> dict[str, str]:
    """Return the columns that state the size of the annotated picture, as whole numbers in every row."""
    found: dict[str, str] = {}
    for name in rows[0]:
        side = _PICTURE_SIZE.fullmatch(re.sub(r"[^a-z]", "", name.lower()))
        cells = {row[name].strip() for row in rows} - {""}
        if side and name not in others and cells and all(re.fullmatch(r"[1-9]\d*(?:\.0+)?", cell) for cell in cells):
            found.setdefault(side[1], name)
    return found if len(found) == 2 else {}


def _has_decimal_commas(rows: Rows, columns: Sequence[str]) -> bool:
    cells = [row[name].strip() for row in rows for name in columns]
    return any(re.fullmatch(r"-?\d+,\d+", cell) for cell in cells) and not any("." in cell for cell in cells)


def _joined(found: _Found, folder: Folder) -> list[str]:
    """Return notes on tables that share a column with a table that has no label."""
    notes: list[str] = []
    for path, rows in folder.tables:
        shared = [name for name in rows[0] if name.strip() and name in found.rows[0]]
        if path != found.path and shared:
            notes.append(f"joins: {folder.below(path)} has {', '.join(shared)}, too; `joins` reads its other columns.")
    return notes


def _labels_of(found: _Found) -> tuple[str, list[str]]:
    """Return (`flags`, their columns), (`column`, the column) or nothing, for what a table says of its pictures."""
    rows = found.rows
    flags = [
        name for name in rows[0]
        if name.strip() and name != found.column and _said(rows, name) <= _FLAGS
        and any(row[name].strip() for row in rows)
        and not _NO_LABEL.search(_spaced(name)) and not _PERSON.fullmatch(name.strip())
    ]  # fmt: skip
    column, _ = label_column(rows, {found.column, *flags})
    sure = column != "TODO" and any(pattern.search(column) for pattern in _LABELS[:_SURE])
    if len(flags) > 1 and (len(flags) > 2 or not sure) and not (sure and not _is_number(rows, column)):
        return "flags", flags
    return ("column", [column]) if column != "TODO" else ("", [])


def _said(rows: Rows, name: str) -> set[str]:
    """Return the cells of a column, without those that say that there is no value where others say something."""
    cells = {row[name].strip() for row in rows}
    said = {cell for cell in cells if cell.lower() not in _UNSAID}
    return said if said & {"0", "1", "0.0", "1.0"} else cells


def _is_number(rows: Rows, column: str) -> bool:
    return all(re.fullmatch(r"[-\d.]*", row[column].strip()) for row in rows)


def label_column(rows: Rows, others: set[str]) -> tuple[str, list[str]]:
    """Return (column of the label, notes), or TODO with the candidates where nothing tells it."""
    others = others | {name for name in rows[0] if (other := _other_side(name)) and other in rows[0]}
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
    left = [name for name in candidates if not _NO_LABEL.search(_spaced(name))]
    if len(left) == 1:
        return left[0], []
    others_left = [
        name for name in rows[0]
        if name.strip() and name not in others and not _CASE.fullmatch(name) and not _PERSON.fullmatch(name)
    ]  # fmt: skip
    names = ", ".join(left or candidates or others_left)
    return "TODO", [f"label_column: candidates are {names}" if names else NO_CANDIDATES]


NO_CANDIDATES = "label_column: candidates are none"


def _other_side(name: str) -> str:
    """Return a column's name with left for right and right for left: the label of one eye is not that of both."""
    other = {"left": "right", "right": "left", "Left": "Right", "Right": "Left", "左": "右", "右": "左"}
    return re.sub("|".join(other), lambda found: other[found[0]], name) if re.search("|".join(other), name) else ""


def _may_be_label(rows: Rows, name: str) -> bool:
    values = [row[name].strip() for row in rows if row[name].strip()]
    distinct = {part for value in values for part in re.split(r"[|]", value)}
    if not values or len(distinct) > _MOST_VALUES or (len(values) > 20 and len(distinct) == len(values)):
        return False
    if any(re.fullmatch(r"-?\d+\.\d*[1-9]\d*", value) or _NUMBERS.search(value) for value in values):
        return False
    known = any(pattern.search(name.strip()) for pattern in _LABELS[:_SURE])
    return (len(distinct) > 1 or known) and (known or not _NO_LABEL.search(_spaced(name)))


def _spaced(name: str) -> str:
    """Return a column's name with its words apart: `NumberOfFrames` is a number."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.strip())


def _separator(rows: Rows, column: str) -> str | None:
    return next((sign for sign in "|;" if any(sign in row[column] for row in rows)), None)


def _is_of_lists(rows: Rows, column: str) -> bool:
    cells = [row[column] for row in rows if row[column].strip()]
    return bool(cells) and all(entries_of(cell) is not None for cell in cells)


def _values(rows: Rows, column: str, separator: str | None) -> list[str]:
    cells = (row.get(column, "") for row in rows)
    if _is_of_lists(rows, column):
        return sorted({entry for row in rows for entry in entries_of(row[column]) or []})
    parts = (part.strip() for cell in cells for part in (cell.split(separator) if separator else [cell]))
    return sorted({part for part in parts if part})


def _column_like(rows: Rows, pattern: re.Pattern[str], names: str) -> str | None:
    return next((name.strip() for name in rows[0] if pattern.fullmatch(name.strip()) and name != names), None)


def split_column(rows: Rows, names: str) -> str | None:
    """Return the column that names the publisher's split, beside the one with the names of pictures."""
    for name in rows[0]:
        values = {row[name].strip() for row in rows} - {""}
        # A sorted table says one split for long; a column that is called like one says it, too.
        # A path may lead through a folder that is called like a split; the names of splits are few and no paths.
        few = len(values) <= _MOST_SPLITS and not any(re.search(r"[/\\]", value) for value in values)
        enough = len(values) > (0 if _SAYS_SPLIT.match(name.strip()) else 1)
        if name != names and few and enough and all(split_of_name(value) is not None for value in values):
            return name.strip()
    return None


def names_of_splits(rows: Rows, column: str) -> dict[str, str]:
    """Return `split.names` for the values of a column that are not the usual names; 500 rows may not have all."""
    values = sorted({row[column].strip() for row in rows} - {""})
    if all(value in SPLIT_NAMES for value in values):
        return {}
    return {value: str(split) for value in values if (split := split_of_name(value)) is not None}


def _lists_of(tables: Sequence[_Found], place: str, folder: Folder) -> tuple[list[str], str, dict[str, Any]] | None:
    """Return (tables, their folder, split) where tables of one folder are parts with no picture in two."""
    named = [{row[found.column].strip() for row in found.rows} for found in tables]
    splits = [_splits_of(folder.below(found.path)) for found in tables]
    if len(set().union(*named)) < sum(map(len, named)) or any(len(each) != 1 for each in splits):
        return None
    official: dict[str, list[str]] = defaultdict(list)
    for found, (split,) in zip(tables, splits, strict=True):
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
    splits = {place: _splits_of(place) | _splits_of(folder.below(found.path)) for place, found in
            zip(places, tables, strict=True)}  # fmt: skip
    split: dict[str, Any] = {}
    tops = [place.split("/")[0] for place in places]
    if all(len(each) == 1 for each in splits.values()) and len(set(tops)) == len(tops):
        split = {
            "pattern": "^([^/]+)/",
            "names": {top: next(iter(splits[place])) for top, place in zip(tops, places, strict=True)},
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
