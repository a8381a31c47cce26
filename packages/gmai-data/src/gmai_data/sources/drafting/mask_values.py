"""The values that a few masks of a folder hold, counted, and what they say of the masks' encoding."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gmai_data.imaging.fringes import drawn_values
from gmai_data.imaging.raster import load_mask_channels
from gmai_data.ledger import SourceError
from gmai_data.sources.files.volume_files import VOLUME_ENDINGS, load_masks

_MOST_FILES = 12
_MOST_VALUES = 256
_MOST_OF_JPEG = 20


@dataclass(frozen=True)
class MaskValues:
    """What was found in some masks.

    Attributes:
        files: How many were read.
        unread: How many could not be read.
        values: Value, or colour ▶ in how many of the masks it is.
        encoding: `index`, `binary`, `colour` or `instances`, as in `image_mask`.
        fringes: How many values were left out, which lie on edges only, as smoothing or JPEG leaves them.
        border: The one value, or colour, that is all of the border of every mask; nothing where there is none.
    """

    files: int
    unread: int
    values: Counter[str]
    encoding: str
    border: str = ""
    fringes: int = 0

    @property
    def raw_labels(self) -> list[str]:
        """Return the raw labels that a card would name."""
        if self.encoding == "binary" or not self.values:
            return ["1"]
        return [value for value in self.values if value not in ("0", "#000000")]

    def in_words(self) -> str:
        """Return the values with their counts."""
        if self.encoding == "instances":
            return f"colours in {self.files} masks are of one mask each: taken for the numbers of objects"
        if not self.files:
            return f"none of {self.unread} masks could be read"
        counted = ", ".join(f"{value} (in {count})" for value, count in list(self.values.items())[:60])
        more = f" and {len(self.values) - 60} more" if len(self.values) > 60 else ""
        unread = f"; {self.unread} unread" if self.unread else ""
        around = ""
        if self.border not in ("", "0", "#000000"):
            setting = "`inverted: true`" if self.encoding == "binary" else f"`background: ['{self.border}']`"
            around = f"; {self.border} is all of the border of each: where it is the background, set {setting}"
        unlooked = ""
        if self.encoding == "index" and "255" in self.values and len(self.values) > 2:
            unlooked = "; where 255 stands for what nobody looked at, it belongs to `ignore`, not to the labels"
        on_edges = ""
        if self.fringes:
            on_edges = f"; {self.fringes} more lie on edges only, as smoothing or JPEG leaves them"
            if self.encoding != "binary":
                on_edges += ": get the masks as they were drawn, or keep `fringes: nearest`"
        return f"values in {self.files} masks: {counted}{on_edges}{more}{unread}{around}{unlooked}"


def values_of_masks(root: Path, files: Sequence[str]) -> MaskValues:
    """Return the values of a few of the files, spread over all."""
    chosen = [files[number * len(files) // _MOST_FILES] for number in range(_MOST_FILES)] if files else []
    numbers: Counter[int | float] = Counter()
    colours: Counter[str] = Counter()
    read = unread = most = fringes = 0
    is_photograph = False
    borders: set[str] = set()
    for file in dict.fromkeys(chosen):
        try:
            if file.lower().endswith(VOLUME_ENDINGS):
                arrays = [mask.array for _, mask in load_masks(root, file, key="gts", frames="none")]
            else:
                arrays = [load_mask_channels(root, file)]
        except SourceError:
            unread += 1
            continue
        read += 1
        for array in arrays:
            if array.ndim == 3 and not file.lower().endswith(VOLUME_ENDINGS):
                rgb = array[..., :3] if array.shape[2] >= 3 else np.repeat(array[..., :1], 3, axis=2)
                if np.any(rgb != rgb[..., :1]):
                    codes = rgb.astype(np.int64) @ np.array([65536, 256, 1])
                    found, on_edges = drawn_values(codes, lossy=is_lossy(file))
                    fringes = max(fringes, on_edges)
                    borders.add(_border(codes, "#{:06x}"))
                    colours.update(f"#{code:06x}" for code in found[:_MOST_VALUES].tolist())
                    most = max(most, len(found))
                    is_photograph |= len(found) * _LEAST_OBJECT_PX > codes.size
                    continue
                array = rgb[..., 0]
            found = np.unique(array)
            found = found[np.isfinite(found)]  # what is no number is refused when the mask is read
            if array.ndim == 2:
                borders.add(_border(array, "{:g}"))
                if array.dtype.kind in "iu" and not _is_two(found.tolist()):
                    found, on_edges = drawn_values(array, lossy=is_lossy(file))
                    fringes = max(fringes, on_edges)
            most = max(most, len(found))
            numbers.update(value for value in found[:_MOST_VALUES].tolist())
    border = borders.pop() if len(borders) == 1 else ""
    is_black = border in ("", "#000000")  # another background would be an object
    if (
        colours
        and is_black
        and not is_photograph
        and not any(map(is_lossy, files))
        and _are_instances(colours, read, most)
    ):
        return MaskValues(read, unread, Counter({"1": read}), "instances", border, fringes)
    if colours and most <= 64:
        return MaskValues(read, unread, Counter(dict(sorted(colours.items()))), "colour", border, fringes)
    values: Counter[str] = Counter()
    for value, count in sorted(numbers.items()):
        values[str(int(value)) if float(value).is_integer() else str(value)] += count
    # More values than labels can be, or several near black and white only: two values, whose edges JPEG blurs.
    two = len(values) <= 2 or _is_two(list(numbers))
    few = two or most > (_MOST_OF_JPEG if any(map(is_lossy, files)) else 64)
    is_volume = bool(files) and files[0].lower().endswith(VOLUME_ENDINGS)
    return MaskValues(read, unread, values, "binary" if few and not is_volume else "index", border, fringes)


def _are_instances(colours: Counter[str], files: int, most: int) -> bool:
    """Return whether colours number objects: more than classes are, or of several masks each with its own."""
    own = [colour for colour, count in colours.items() if colour != "#000000" and count == 1]
    return most > 64 or (files > 1 and len(own) > _MOST_OWN and len(own) > 0.8 * len(colours))


_MOST_OWN, _LEAST_OBJECT_PX = 12, 16
"""So many colours that are of one mask each are no palette of classes; a picture with more colours for its pixels is no
mask."""


def is_lossy(file: str) -> bool:
    """Return whether a file is a JPEG, whose values are near those that were drawn."""
    return file.lower().endswith((".jpg", ".jpeg", ".jfif"))


def _is_two(values: Sequence[float]) -> bool:
    """Return whether values near black and near white only are two, whose edges JPEG blurs."""
    dark, bright = (sum(map(each, values)) for each in (_is_dark, _is_bright))
    return dark + bright == len(values) and bright > 1


def _is_dark(value: float) -> bool:
    return value <= 20


def _is_bright(value: float) -> bool:
    return 235 <= value <= 255


def _border(values: npt.NDArray[Any], form: str) -> str:
    """Return the one value of the outermost pixels of a mask, or nothing."""
    around = np.unique(np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]]))
    return form.format(around[0]) if len(around) == 1 else ""
