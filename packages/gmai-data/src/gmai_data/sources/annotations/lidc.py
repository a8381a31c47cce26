"""The readings of the Lung Image Database Consortium (LIDC-IDRI, XML) ▶ a mask of nodules on which readers agree.

Each of up to four readers drew the first pixels outside of a nodule, so the outline itself is never part of it; an
outline with `inclusion` FALSE takes its inside and itself away (https://github.com/notmatthancock/pylidc/pull/16,
https://www.ncbi.nlm.nih.gov/pmc/articles/PMC3041807/). A nodule below 3 mm is one point, which says where it is, but
not how far it reaches: like what too few readers marked, it leaves open whether there is a nodule.
"""

import functools
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.dicom_seg import OTHER_GRID, Mask
from gmai_data.imaging.dicom_stacks import Slice
from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.contours import filled

NODULE = "nodule"
"""The raw label."""
_UNREADABLE = "LIDC XML unreadable"
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class Readings:
    """What the readers of one series marked."""

    mask: Mask
    """`[image, row, column]`: 1 where enough readers agree."""
    is_open: bool
    """Whether there are marks that are no part of the mask: small nodules, or those of too few readers."""


def is_lidc(path: Path) -> bool:
    """Return whether an XML file is one of readings, by its root element."""
    with path.open("rb") as file:
        return b"LidcReadMessage" in file.read(_HEAD_BYTES)


def names_of_series(root: Path, relative: str) -> tuple[str, frozenset[str]]:
    """Return the UID of the series that was read, and those of the images with marks.

    Raises:
        SourceError: No XML.
    """
    tree = _parse(root, relative)
    series = next((text for tag in ("SeriesInstanceUid", "CTSeriesInstanceUid") if (text := _text(tree, tag))), "")
    return series, frozenset((each.text or "").strip() for each in tree.iter("imageSOP_UID")) - {""}


def load_readings(root: Path, relative: str, images: Sequence[Slice], readers: int) -> Readings:
    """Return where at least so many readers marked a nodule.

    Raises:
        SourceError: No such XML, fewer readings than are asked for, or a mark on none of the images.
    """
    sessions = _parse(root, relative).findall("readingSession")
    if len(sessions) < readers:
        detail = f"{len(sessions)} reader(s), and {readers} are to agree; lower `readers` in the layout"
        raise SourceError("too few readers", detail, relative)
    votes = np.zeros((len(images), *images[0].rows_columns), np.uint8)
    by_uid = {each.uid: index for index, each in enumerate(images)}
    has_small = False
    for session in sessions:
        own = np.zeros(votes.shape, np.uint8)
        for nodule in session.findall("unblindedReadNodule"):
            marked = np.zeros(votes.shape, np.uint8)
            excluded: list[tuple[int, Mask]] = []
            for roi in nodule.findall("roi"):
                index, points, is_included = _outline(roi, by_uid, images, relative)
                if len(points) < 3:
                    has_small = True
                    continue
                inside = filled(points, images[0].rows_columns)
                columns, rows = _on_outline(points).T
                fits = (columns >= 0) & (rows >= 0) & (rows < inside.shape[0]) & (columns < inside.shape[1])
                inside[rows[fits], columns[fits]] = 0 if is_included else 1
                if is_included:
                    marked[index] |= inside
                else:
                    excluded.append((index, inside))
            for index, inside in excluded:
                marked[index][inside != 0] = 0
            own |= marked
        votes += own
    mask: Mask = (votes >= readers).astype(np.uint8)
    return Readings(mask, has_small or bool(((votes > 0) & (mask == 0)).any()))


def _on_outline(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the pixels (column, row) whose centres lie on a closed outline, those between its points too."""
    corners = np.rint(points).astype(np.int64)
    found: list[npt.NDArray[np.int64]] = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        steps = max(math.gcd(*(end - start).tolist()), 1)
        found.append(start + np.arange(steps)[:, None] * ((end - start) // steps))
    return np.concatenate(found)


def _outline(
    roi: ElementTree.Element, by_uid: dict[str, int], images: Sequence[Slice], file: str
) -> tuple[int, npt.NDArray[np.float64], bool]:
    uid = _text(roi, "imageSOP_UID")
    index = by_uid.get(uid)
    if index is None:
        raise SourceError(OTHER_GRID, f"a mark at z {_text(roi, 'imageZposition')} mm is on none of the images", file)
    try:
        points = [(float(_text(each, "xCoord")), float(_text(each, "yCoord"))) for each in roi.findall("edgeMap")]
    except ValueError as error:
        raise SourceError(_UNREADABLE, "an edgeMap without xCoord and yCoord", file) from error
    return index, np.asarray(points, np.float64).reshape(-1, 2), _text(roi, "inclusion").upper() != "FALSE"


def _text(element: ElementTree.Element, tag: str) -> str:
    found = element.find(f".//{tag}")
    return "" if found is None else (found.text or "").strip()


def _parse(root: Path, relative: str) -> ElementTree.Element:
    path = require_data(root, relative)
    about = path.stat()
    return _parsed(path, relative, about.st_mtime_ns, about.st_size)


# An item asks twice, for the series that was read and for the marks. Nobody changes the tree.
@functools.lru_cache(maxsize=4)
def _parsed(path: Path, relative: str, modified_ns: int, size_bytes: int) -> ElementTree.Element:
    del modified_ns, size_bytes  # a changed file is another entry of the cache
    text = path.read_bytes()
    if b"<!ENTITY" in text:
        raise SourceError(_UNREADABLE, "it declares entities, which such a file has no use for", relative)
    try:
        tree = ElementTree.fromstring(text)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError as error:
        raise SourceError(_UNREADABLE, f"{error}; download it again", relative) from error
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
    if tree.tag != "LidcReadMessage":
        raise SourceError(_UNREADABLE, f"its root is <{tree.tag}>, not <LidcReadMessage>", relative)
    return tree
