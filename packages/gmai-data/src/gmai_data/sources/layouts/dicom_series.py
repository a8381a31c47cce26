"""DICOM series, as a PACS exports them; masks lie beside them (NIfTI, SEG) or name them (SEG, RTSTRUCT, LIDC XML)."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from gmai_data.imaging.deidentify import require_modality
from gmai_data.imaging.dicom_folder import Series, series_of_folder, together
from gmai_data.imaging.dicom_pixels import read_header
from gmai_data.imaging.dicom_seg import load_segments
from gmai_data.imaging.dicom_series import load_series
from gmai_data.imaging.grids import Volume, on_planes
from gmai_data.imaging.source_files import matching, on_disk, relative_to, require_data
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.annotations.drawn import (
    DrawnRule,
    Images,
    Marks,
    Notes,
    drawn_on,
    given_to,
    list_marks,
    lost_items,
    marks_of,
)
from gmai_data.sources.annotations.label_volumes import (
    Layer,
    layers_of_segments,
    layers_of_structures,
    whole_numbers,
)
from gmai_data.sources.annotations.volume_slices import slices_of_volume
from gmai_data.sources.card import Card
from gmai_data.sources.drafting.drawn_objects import (
    called_masks,
    marking_objects,
    masks_in_words,
    pattern_of_objects,
)
from gmai_data.sources.drafting.mask_values import values_of_masks
from gmai_data.sources.drafting.table_guess import labels_dicom
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.volume_files import load_masks
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import Layout

_NO_LABELS = (
    "labels: DICOM files have none; name what every series shows in `labels_of_every_image`, or read a table of the "
    "folders as `csv_labels`"
)


class DicomSeries(Layout):
    """Folders of DICOM slices, as a PACS exports them, or of one series each with a mask beside it.

    Without a mask beside it a folder is sorted by its headers into series, and a series into volumes. Series of another
    modality than the card's are set aside, so that one export is read by one card for each modality.
    """

    is_of_volumes: ClassVar[bool] = True
    kind: Literal["dicom_series"]
    series: str
    """Pattern of the folders that hold the files, such as `*/dicom`; `**` takes every folder."""
    mask: str | None = None
    """Path of a mask in NIfTI or the like; `{name}` is the folder's name, `{parent}` the folder above it; a file that
    ends in `.dcm` is a DICOM SEG. May be a pattern with one match. None: labels of the card, or `drawn`."""
    drawn: DrawnRule | None = None
    """Where DICOM SEG, RTSTRUCT and LIDC XML are. Each is given to the series that it names (by series, image or frame
    of reference); its raw labels are segment labels and names of structures. A series that none names is set aside."""

    @model_validator(mode="after")
    def _one_place_of_masks(self) -> Self:
        if self.mask is not None and self.drawn is not None:
            raise ValueError("`mask` and `drawn` both say where the masks are; give one of them")
        return self

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per series; its group is a digest of the patient in the headers, whichever file is first."""
        folders = [root / name for name in matching(root, self.series, recipe=card.name, what="folders", folders=True)]
        if self.mask is not None:
            yield from self._with_masks_beside(card, root, folders, self.mask)
            return
        marks = [] if self.drawn is None else list_marks(root, self.drawn.files, recipe=card.name)
        mask_files = {each.file for each in marks}
        listed: list[tuple[str, Series]] = []
        for path in folders:
            folder = relative_to(root, path)
            for series in series_of_folder(root, path, card.deidentification, mask_files):
                listed.append((f"{folder}/{series.name}" if series.name else folder, series))
        listed = together(root, listed)
        known = [Images(series.uid, series.images, series.space) for _, series in listed]
        given, lost = given_to(marks, known)
        for (key, series), own in zip(listed, given, strict=True):
            unmarked = self.drawn is not None and bool(series.images) and not own
            aside = "no mask names the series" if unmarked else ""
            masks = tuple(each.file for each in own)
            yield Item(key, series.files, series.group, set_aside=aside, masks=masks)
        yield from lost_items(lost)

    def _with_masks_beside(self, card: Card, root: Path, folders: Sequence[Path], pattern: str) -> Iterator[Item]:
        for path in folders:
            found = series_of_folder(root, path, card.deidentification)
            mask = pattern.replace("{name}", path.name).replace("{parent}", relative_to(root, path.parent))
            masks = sorted(root.glob(mask)) if re.search(r"[*?\[]", mask) else []
            mask = relative_to(root, masks[0]) if len(masks) == 1 else mask
            folder = relative_to(root, path)
            yield Item(folder, (folder, mask), found[0].group if found else "")

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the chosen slices, each in every window of the recipe; see `slices_of_volume`."""
        if self.mask is not None:
            yield from self._read_with_mask_beside(item, card, root, ledger)
            return
        volumes = load_series(root, item.files, card.deidentification, card.slices.gaps, item.masks)
        require_modality(volumes[0].facts.get("Modality"), card.modality, item.key)
        numbered = list(enumerate(volumes)) if len(volumes) > 1 else [(None, volumes[0])]
        if self.drawn is None:
            for number, volume in numbered:
                yield from slices_of_volume(volume, [], item, card, ledger, frame=number)
            return
        marks = [marks for file in item.masks if (marks := marks_of(root, on_disk(root, file))) is not None]
        named = [_named_by(marks, volume, alone=len(volumes) == 1) for volume in volumes]
        if not any(named):
            detail = f"{len(volumes)} volumes, and the masks name none of their images"
            raise SourceError("several volumes in one series", detail, item.key)
        partial = len(volumes) > 1 or card.slices.gaps != "refuse"
        for (number, volume), files in zip(numbered, named, strict=True):
            if files:
                yield from self._marked(volume, files, item, card, root, ledger, number, named, partial=partial)

    def _marked(
        self,
        volume: Volume,
        files: Sequence[str],
        item: Item,
        card: Card,
        root: Path,
        ledger: Ledger,
        number: int | None,
        named: Sequence[Sequence[str]],
        *,
        partial: bool,
    ) -> Iterator[ItemImage]:
        rule, planes = self.drawn, volume.planes
        if rule is None or planes is None:
            raise RuntimeError("a series is to have planes to draw on")
        notes = Notes()
        drawn = drawn_on(root, files, planes.slices, rule, card, notes, partial=partial)
        layers = layers_of_structures(
            ((raw, on_planes(mask, planes, file=file), file) for raw, mask, file in drawn), volume
        )
        left = sum(not each for each in named)
        flags = [f"{count} left out: {reason}" for reason, count in sorted(notes.left_out.items())]
        flags += [f"{left} other volume(s) of the series left out: no mask names them"] if left else []
        marked = item._replace(uncertain=tuple(notes.uncertain), pattern=", ".join(files))
        volume = replace(volume, flags=(*volume.flags, *flags))
        yield from slices_of_volume(volume, layers, marked, card, ledger, frame=number)

    def _read_with_mask_beside(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        folder, file = item.files
        volumes = load_series(root, (folder,), card.deidentification)
        require_modality(volumes[0].facts.get("Modality"), card.modality, item.key)
        if len(volumes) > 1:
            detail = f"{len(volumes)} volumes, and one mask; put each volume into a folder of its own"
            raise SourceError("several volumes in one series", detail, folder)
        (image,) = volumes
        if file.lower().endswith((".dcm", ".dicom")) and image.planes is not None:
            planes = image.planes
            named: set[str] = set()

            def structures() -> Iterator[tuple[str, Volume, str]]:
                for raw, mask in load_segments(root, file, planes.slices):
                    named.add(raw)
                    yield raw, on_planes(mask, planes, file=file), file

            layers = layers_of_structures(structures(), image)
            item = item._replace(uncertain=card.labels_beside(named))
        elif (slicer := layers_of_segments(root, file, image, card)) is not None:
            layers, left_open = slicer
            item = item._replace(uncertain=left_open)
        else:
            require_data(root, file)
            ((_, mask),) = load_masks(root, file, key="gts", frames="none")
            layers = [Layer(whole_numbers(mask, file))]
        yield from slices_of_volume(image, layers, item, card, ledger)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where several DICOM files share a folder below the root."""
        marks = marking_objects(files := folder.dicom)
        files = [path for path in files if path not in marks]
        plain = called_masks(folder, files)
        files = sorted(set(files).difference(plain))
        folders = Counter(path.parent for path in files)
        if not files or folder.root in folders or labels_dicom(folder):
            return None
        if max(folders.values()) == 1 and not all(_has_slices(folder, path) for path in files[:: len(files) // 8 + 1]):
            return None
        if not folder.volumes and not any(_may_be_slice(folder, path) for path in files[:: len(files) // 8 + 1]):
            return None  # radiographs and the like, of which each is a picture
        parts = files[0].parent.relative_to(folder.root).parts
        anywhere = _pattern_of(sorted(folders), folder) if plain else "/".join("*" * len(parts))
        layout = {"kind": "dicom_series", "series": anywhere}
        if marks:
            drawn = {"files": pattern_of_objects(folder, list(marks))}
            layout = {"kind": "dicom_series", "series": _pattern_of(sorted(folders), folder), "drawn": drawn}
            labels = list(dict.fromkeys(itertools.chain.from_iterable(marks.values())))
            return Guess("DICOM series with SEG or RTSTRUCT", "3d_segmentation", layout, labels)
        if not folder.volumes:
            unread = (masks_in_words(folder, plain),) if plain else ()
            return Guess("DICOM series", "3d_classification", layout, notes=(*unread, _NO_LABELS))
        series = sorted(folders)
        mask, notes = _mask_of_series(folder, series)
        values = values_of_masks(folder.root, [folder.below(path) for path in folder.volumes])
        layout = {"kind": "dicom_series", "series": _pattern_of(series, folder), "mask": mask}
        return Guess("DICOM series with masks", "3d_segmentation", layout, values.raw_labels,
                     notes=(*notes, f"masks: {values.in_words()}"))  # fmt: skip


def _has_slices(folder: Folder, path: Path) -> bool:
    """Return whether one DICOM file holds a volume: frames that each have a place in space (enhanced CT, MR, PET)."""
    try:
        header = read_header(folder.root, folder.below(path))
    except SourceError:
        return False
    frames = header.get("PerFrameFunctionalGroupsSequence") or []
    return len(frames) > 1 and "PlanePositionSequence" in frames[0]


def _may_be_slice(folder: Folder, path: Path) -> bool:
    """Return whether a DICOM file has a place in space, as slices have, or may have one."""
    try:
        header = read_header(folder.root, folder.below(path))
    except SourceError:
        return True
    places = ("ImagePositionPatient", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
    return "Rows" not in header or any(name in header for name in places)


def _pattern_of(series: Sequence[Path], folder: Folder) -> str:
    """Return the pattern of the folders: what all share as it stands; of one folder alone, only its name."""
    columns = list(zip(*(PurePosixPath(folder.below(place)).parts for place in series), strict=False))
    if len(series) == 1:
        return "/".join([*"*" * (len(columns) - 1), columns[-1][0]])
    return "/".join(column[0] if len(set(column)) == 1 else "*" for column in columns)


def _mask_of_series(folder: Folder, series: Sequence[Path]) -> tuple[str, tuple[str, ...]]:
    """Return (path of the mask with `{parent}` and `{name}`, notes), where one path finds the mask of every series."""
    candidates: dict[str, None] = {}
    for place in series[:5]:
        for path in folder.volumes:
            inside = folder.below(path)
            if place.parent != folder.root and path.is_relative_to(place.parent):
                inside = f"{{parent}}/{path.relative_to(place.parent).as_posix()}"
            candidates[inside.replace(place.name, "{name}")] = None
    fit = [candidate for candidate in candidates if _fits(candidate, series, folder)]
    if len(fit) == 1:
        return fit[0], ()
    if fit:
        return "TODO", (f"mask: several masks fit each series: {' or '.join(fit[:12])}",)
    names = ", ".join(folder.below(path) for path in folder.volumes[:6])
    return "TODO", (f"mask: no one path finds a mask for each of {len(series)} series; volumes are {names}",)


def _fits(candidate: str, series: Sequence[Path], folder: Folder) -> bool:
    """Return whether the path of a mask finds one for each series."""
    paths = [candidate.replace("{name}", place.name) for place in series]
    found = {path.replace("{parent}", folder.below(place.parent)) for path, place in zip(paths, series, strict=True)}
    return len(found) == len(series) and all((folder.root / file).is_file() for file in found)


def _named_by(marks: Sequence[Marks], volume: Volume, *, alone: bool) -> list[str]:
    """Return the files that mark a volume: those that name one of its images, or all where it is the only volume."""
    uids = frozenset[str]() if volume.planes is None else volume.planes.uids
    return [each.file for each in marks if alone or uids & each.images]
