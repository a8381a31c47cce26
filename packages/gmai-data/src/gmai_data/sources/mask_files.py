"""Which masks belong to a picture or volume: the path that a card gives, with what the picture is called in it."""

import fnmatch
import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from gmai_formats.files import is_file

from gmai_data.imaging.source_files import as_on_disk, below, relative_to
from gmai_data.sources.card import Card
from gmai_data.sources.items import Item
from gmai_data.sources.volume_files import volume_stem

PLACEHOLDERS = """`{stem}` is the name without ending, `{parent}` the path of its folder, `{folder}` the folder's
    name, `{tree}` the path of the folder below the fixed part of the pattern (for masks in a tree beside it), `{match}`
    what the last `*` in the name of the pattern stands for: `img*.png` with `label{match}.png`"""
NO_MASK = "published without a mask"


def items_with_masks(
    card: Card, root: Path, paths: Sequence[Path], pattern: str, masks: str, missing: str, without_mask: str
) -> Iterator[Item]:
    """Yield an item per picture with all of its masks.

    Args:
        card: Gives the structures.
        root: The source's folder.
        paths: The pictures or volumes.
        pattern: By which they were found.
        masks: Path of the masks below the root, with placeholders; with `{label}` one file per structure; a pattern may
            find several masks, which then all belong to the picture.
        missing: `uncertain` leaves structures without a file open.
        without_mask: `leave_out` sets pictures without a mask aside.
    """
    below(root, masks, recipe=card.name)
    owners: dict[str, str] = {}
    for path in paths:
        file = relative_to(root, path)
        place = _filled(masks, file, pattern, escape=_is_pattern(masks))
        uncertain: tuple[str, ...] = ()
        if "{label}" in masks:
            found = structure_files(root, place, list(card.labels))
            files = tuple(each for _, each in found)
            known = {raw for raw, _ in found}
            uncertain = tuple(raw for raw in card.labels if raw not in known and missing == "uncertain")
        else:
            files = tuple(_files(root, place))
        if not files and without_mask == "leave_out":
            yield Item(file, (file,), set_aside=NO_MASK)
            continue
        problem = None
        for mask in files:
            if owners.setdefault(mask, file) != file:
                problem = ("mask of two pictures", f"{mask} belongs to {owners[mask]}, too; make the pattern narrower")
        if not files and "{label}" not in masks:
            files = (place,)
        pattern_of_structures = place if "{label}" in masks else ""
        yield Item(file, (file, *files), pattern=pattern_of_structures, uncertain=uncertain, problem=problem)


def structure_files(root: Path, place: str, raw_labels: Sequence[str]) -> list[tuple[str, str]]:
    """Return (raw label, file) for each file of each raw label that is there."""
    return [
        (raw, file)
        for raw in raw_labels
        for file in _files(root, place.replace("{label}", glob.escape(raw) if _is_pattern(place) else raw))
    ]


def _files(root: Path, place: str) -> list[str]:
    if _is_pattern(place):
        return sorted(relative_to(root, path) for path in root.glob(place) if path.is_file())
    file = as_on_disk(root, place)
    return [file] if is_file(root / file) else []


def _is_pattern(place: str) -> bool:
    return re.search(r"[*?\[]", place) is not None


def _filled(masks: str, file: str, pattern: str, *, escape: bool) -> str:
    path = PurePosixPath(file)
    values = {
        "stem": volume_stem(path.name),
        "parent": path.parent.as_posix(),
        "folder": path.parent.name,
        "tree": path.parent.relative_to(_fixed_part(pattern, path)).as_posix(),
        "match": _matched(path.name, PurePosixPath(pattern).name),
    }
    for name, value in values.items():
        masks = masks.replace(f"{{{name}}}", glob.escape(value) if escape else value)
    return masks


def _fixed_part(pattern: str, path: PurePosixPath) -> str:
    parts = PurePosixPath(pattern).parent.parts
    fixed = next((number for number, part in enumerate(parts) if _is_pattern(part)), len(parts))
    return PurePosixPath(*path.parts[:fixed]).as_posix()


def _matched(name: str, pattern: str) -> str:
    """Return what the last `*` of a pattern stands for in a name, or the name's stem where there is none."""
    before, star, after = pattern.rpartition("*")
    found = re.fullmatch(
        fnmatch.translate(before).removesuffix(r"\Z").removesuffix(r"\z") + "(?P<last>.*)" + fnmatch.translate(after),
        name,
        re.IGNORECASE,
    )
    return found["last"] if star and found else volume_stem(name)
