"""DICOM files that mark images in a folder that a card is drafted for: SEG, RTSTRUCT, and masks stored as images."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from gmai_data.sources.annotations.drawn import names_marked
from gmai_data.sources.drafting.pairing import words_for_masks
from gmai_data.sources.files.folder import Folder

_EACH_OF = 8
_AT_ENDS = 2
_FOLDERS = 200


def marking_objects(files: Sequence[Path]) -> dict[Path, tuple[str, ...]]:
    """Return the objects that mark images among DICOM files, each with the raw labels that it states.

    Of a folder with many files the first and the last two are looked at, as a PACS writes objects beside the slices of
    a series or into folders of their own; where all of these mark images, so does the whole folder.
    """
    folders = defaultdict[Path, list[Path]](list)
    for path in files:
        folders[path.parent].append(path)
    found: dict[Path, tuple[str, ...]] = {}
    for inside in list(folders.values())[:_FOLDERS]:
        looked_at = inside if len(inside) <= _EACH_OF else [*inside[:_AT_ENDS], *inside[-_AT_ENDS:]]
        marks = {path: names for path in looked_at if (names := names_marked(path)) is not None}
        found |= dict.fromkeys(inside, ()) | marks if len(marks) == len(looked_at) else marks
    return found


def called_masks(folder: Folder, files: Sequence[Path]) -> list[Path]:
    """Return the DICOM files that lie in folders of masks by their names, such as `MASKS_DICOM` beside `PATIENT_DICOM`.

    No header says that a plain image is a mask, and no layout reads masks as such; taken for pictures, they would be
    described.
    """
    said = {path: words_for_masks(folder.below(path.parent)) for path in files}
    # What the folders of all files say tells no mask from a picture.
    of_all = frozenset[str]().union(*said.values()).intersection(*said.values())
    return [path for path in files if said[path] - of_all]


def masks_in_words(folder: Folder, masks: Sequence[Path]) -> str:
    """Return the note of a draft on DICOM files that are masks by the names of their folders."""
    return (
        f"masks: {len(masks)} DICOM files lie in folders of masks, such as {folder.below(masks[0])}; they are no "
        "pictures, and no layout reads masks that are plain DICOM images: save those of a series as one NIfTI file, "
        "and name it in `mask`"
    )


def pattern_of_objects(folder: Folder, objects: Sequence[Path]) -> str:
    """Return a pattern of the objects: parts of the path that all share as they stand, the others as `*`."""
    parts = [path.relative_to(folder.root).parts for path in objects]
    if len({len(each) for each in parts}) > 1:
        return "**/*"
    columns = [set(column) for column in zip(*(each[:-1] for each in parts), strict=True)]
    endings = {path.suffix for path in objects}
    # The numbers of a UID are no ending: `1.2.840.99`.
    ending = endings.pop() if len(endings) == 1 and not next(iter(endings))[1:].isdigit() else ""
    return "/".join([*(column.pop() if len(column) == 1 else "*" for column in columns), f"*{ending}"])
