"""Names of the labels of masks, where a file of the folder gives them: value ▶ name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from gmai_formats.json_text import parse_json

from gmai_data.sources.files.folder import Folder
from gmai_data.sources.files.tables import decoded

_HEAD_BYTES = 2**16
_MOST_BYTES = 2**26
_ITK_SNAP = "ITK-SnAP Label Description File"
_ITK_SNAP_LINE = re.compile(r'\s*(\d+)\s+(?:[\d.]+\s+){6}"(.*)"\s*')
"""IDX R G B A VIS MSH "LABEL" (http://www.itksnap.org/docs/fullmanual.php)."""
_COLOUR_LINE = re.compile(r"\s*(\d+)\s+(\S.*?)\s+\d+\s+\d+\s+\d+\s+\d+\s*")
"""Number, name, R, G, B, A: 3D Slicer's colour table, of which FreeSurfer's is one without a heading."""
_MOST = 200
_NO_STRUCTURE = frozenset({"", "0"})
_SEGMENT = re.compile(rb"Segment(\d+)_(Name|LabelValue):=(.*?)\r?\n")


def label_names(folder: Folder) -> tuple[dict[str, str], str]:
    """Return (raw label ▶ name, the file that says so); nothing where no file does.

    Files that are read: label descriptions of ITK-SNAP, colour tables of 3D Slicer, Roboflow's `_classes.csv`, and a
    `dataset.json` of nnU-Net or the Decathlon.
    """
    for path in folder.with_ending(".txt", ".label", ".ctbl", ".csv", "dataset.json")[:_MOST]:
        names = _names_in(path)
        if names:
            return names, folder.below(path)
    return {}, ""


def _names_in(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if path.name == "dataset.json":
        return names_of_dataset(path)
    text = decoded(head)
    first = text[:500].lower()
    lines = text.splitlines()
    if _ITK_SNAP.lower() in first:
        found = [(line[1], line[2]) for each in lines if (line := _ITK_SNAP_LINE.fullmatch(each))]
    elif path.suffix.lower() == ".ctbl" or first.startswith("# color table file"):
        found = [(line[1], line[2]) for each in lines if (line := _COLOUR_LINE.fullmatch(each))]
    elif re.match(r"\s*pixel value\s*,\s*class\b", first):
        cells = [each.split(",", 1) for each in lines[1:] if "," in each]
        found = [(value.strip(), name) for value, name in cells if value.strip().isdigit()]
    else:
        return {}
    return {raw: name.strip() for raw, name in found if raw not in _NO_STRUCTURE and name.strip()}


def names_of_dataset(path: Path) -> dict[str, str]:
    """Return raw label ▶ name of a `dataset.json`, of either version, without the background."""
    try:
        stated: Any = parse_json(path.read_bytes())["labels"]
        pairs = [(str(key), value) for key, value in stated.items()]
    except (ValueError, KeyError, AttributeError, TypeError):
        return {}
    found = {key: str(value) for key, value in pairs if key.isdigit()}
    found |= {str(value): key for key, value in pairs if not key.isdigit() and isinstance(value, int)}
    return {raw: name for raw, name in found.items() if raw != "0"}


def keys_of_list(path: Path) -> list[str]:
    """Return the keys of a JSON file that is a list of flat objects, which a table could hold; else none."""
    if path.stat().st_size > _MOST_BYTES:
        return []
    try:
        entries: Any = parse_json(path.read_bytes())
    except ValueError:
        return []
    if not isinstance(entries, list) or not entries:
        return []
    rows = cast(list[Any], entries)
    if not all(isinstance(each, dict) for each in rows):
        return []
    keys = dict.fromkeys(str(key) for each in rows[:_MOST] for key in each)
    flat = not any(isinstance(value, dict | list) for each in rows[:_MOST] for value in each.values())
    return list(keys) if flat else []


def are_results(path: Path) -> bool:
    """Return whether a JSON file holds results of a model in COCO's form (https://cocodataset.org/#format-results)."""
    if path.stat().st_size > _MOST_BYTES:
        return False
    try:
        entries: Any = parse_json(path.read_bytes())
    except ValueError:
        return False
    first: Any = entries[0] if isinstance(entries, list) and entries else None
    return isinstance(first, dict) and {"image_id", "category_id", "score"} <= set(cast(dict[str, Any], first))


def segment_names(folder: Folder) -> list[str]:
    """Return the names of the segments of a few of 3D Slicer's segmentations, by which a card knows them."""
    names: dict[str, None] = {}
    for path in folder.with_ending(".seg.nrrd")[:20]:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).partition(b"\n\n")[0] + b"\n"
        names.update(_segments(head))
    return list(names)


def _segments(head: bytes) -> Mapping[str, None]:
    found = [match for match in _SEGMENT.findall(head) if match[1] == b"Name"]
    return dict.fromkeys(name.decode("utf-8", errors="replace").strip() for _, _, name in found if name.strip())
