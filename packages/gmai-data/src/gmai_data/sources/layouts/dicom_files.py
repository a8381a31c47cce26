"""Single DICOM files: labels of the card for every file, and what DICOM SEG and RTSTRUCT mark on them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

import pydicom
from gmai_formats.pictures.dicom import DISTANCES, NO_PIXELS, frame_count, frame_header, spacing_mm
from gmai_formats.pictures.display import frame_picture, made_square, window_names
from gmai_formats.pictures.picture import Values
from gmai_formats.pictures.squares import square_size, to_square_labels
from gmai_formats.pictures.windows import HEADER

from gmai_data.imaging.boxes import regions
from gmai_data.imaging.deidentify import header_facts, require_modality, set_aside
from gmai_data.imaging.dicom_pixels import decode_pixels, explained, read_dicom, read_header
from gmai_data.imaging.dicom_series import slice_of_image
from gmai_data.imaging.hanging import flags_of
from gmai_data.imaging.rules import Deidentification
from gmai_data.imaging.source_files import matching, on_disk, relative_to
from gmai_data.imaging.units import calibrate_header, require_hounsfield_frame
from gmai_data.ledger import Ledger, SetAside, SourceError, printable
from gmai_data.sources.annotations.drawn import (
    DrawnRule,
    Notes,
    drawn_on,
    given_to,
    image_of_file,
    list_marks,
    lost_items,
)
from gmai_data.sources.card import Card
from gmai_data.sources.drafting.class_tree import class_tree
from gmai_data.sources.drafting.drawn_objects import called_masks, masks_in_words, pattern_of_objects
from gmai_data.sources.drafting.patient_folders import are_patients
from gmai_data.sources.drafting.table_guess import labels_dicom
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.items import BoxCounter, Item, ItemImage, full_name, left_open
from gmai_data.sources.layout import IMAGE_ENDINGS, Layout


class DicomFiles(Layout):
    """Single DICOM files; the labels come from the card (`labels_of_every_image`), the split group from the header."""

    kind: Literal["dicom"]
    files: str = "**/*"
    """Pattern of the files."""
    frames: Literal["centre", "all"] = "centre"
    """Which frames of a multi-frame file are exported."""
    drawn: DrawnRule | None = None
    """Where DICOM SEG and RTSTRUCT are; each is given to the images that it names. An image that none names is set
    aside."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per file; `with_joined_facts` asks its header for the patient."""
        paths = matching(root, self.files, recipe=card.name, what="files")
        if self.drawn is None:
            for name in paths:
                yield Item(file := printable(name), (file,))
            return
        marks = list_marks(root, self.drawn.files, recipe=card.name)
        mask_files = {each.file for each in marks}
        files = [file for path in map(root.joinpath, paths) if (file := relative_to(root, path)) not in mask_files]
        known = [image_of_file(on_disk(root, file)) for file in files]
        # A series is named by each of its images, so only the images themselves count, unless none is named.
        given, lost = given_to([replace(each, series=frozenset()) if each.images else each for each in marks], known)
        for file, own in zip(files, given, strict=True):
            aside = "" if own else "no mask names the image"
            yield Item(file, (file,), set_aside=aside, masks=tuple(each.file for each in own))
        yield from lost_items(lost)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the file's picture, or those of its frames, in every window of the card.

        Raises:
            SourceError: Not decodable, or nothing to see.
        """
        file = item.files[0]
        labels = tuple(full_name(card, raw, file) for raw in card.labels_of_every_image)
        dataset = _with_pixels(root, file, card.deidentification)
        with explained(file):
            set_aside(dataset, card.deidentification, file)
            require_modality(str(dataset.get("Modality") or ""), card.modality, file)
            frames, facts, hanging = frame_count(dataset), header_facts(dataset), flags_of(dataset)
        chosen = range(frames) if self.frames == "all" else [frames // 2]
        for index in chosen:
            # One frame at a time: a cine run decoded as a whole can take gigabytes.
            stored = decode_pixels(dataset, file, index)
            with explained(file):
                header = frame_header(dataset, index)
                calibrate_header(header, card.values, file)
                windows = window_names(header, card.windows or (HEADER,))
            counter, notes = self._marked(dataset, stored, index, item, card, root, ledger)
            base = {"box_origin": "mask", "mask": ", ".join(item.masks)} if item.masks else {}
            left_out = [f"{count} left out: {what}" for what, count in notes.left_out.items()]
            if left_out or hanging:
                base["flags"] = ", ".join((*left_out, *hanging))
            found = tuple(dict.fromkeys((*labels, *counter.labels)))
            open_ = left_open(card, (*notes.uncertain, *counter.uncertain), found, file)
            for window, number in windows:
                with explained(file):
                    require_hounsfield_frame(header, stored, window, card.values, file)
                    pixels, words = frame_picture(header, stored, window, number)
                    pixels, _ = made_square(pixels, header)
                name = PurePosixPath(file).name
                name += f"_frame{index:04d}" if frames > 1 else ""
                name += f"_{window.replace('/', '-')}{number or ''}" if len(windows) > 1 else ""
                geometry = {**base, "frame": index, "window": words, "header": facts}
                yield ItemImage(
                    name,
                    pixels,
                    found,
                    counter.boxes,
                    counter.incomplete,
                    geometry=geometry,
                    uncertain=open_,
                    masks=tuple(counter.masks),
                )

    def _marked(
        self, dataset: pydicom.Dataset, stored: Values, frame: int, item: Item, card: Card, root: Path, ledger: Ledger
    ) -> tuple[BoxCounter, Notes]:
        """Return the boxes of one frame's masks, in its square pixels."""
        file, shape, notes = item.files[0], (stored.shape[0], stored.shape[1]), Notes()
        with explained(file):
            distances = spacing_mm(frame_header(dataset, frame))
            in_mm = any(name in frame_header(dataset, frame) for name in DISTANCES)
        pixel_mm = min(distances) if in_mm else None
        counter = BoxCounter(card, ledger, file, square_size(shape, distances), pixel_mm)
        if self.drawn is not None:
            image = slice_of_image(file, dataset, frame)
            drawn = drawn_on(root, item.masks, [image], self.drawn, card, notes, partial=True)
            for raw, mask, _ in drawn:
                square = to_square_labels(mask[0], distances)
                found = regions(square, whole_labels=card.boxes.per == "class")
                counter.masks.append(square)
                counter.add([(raw, box, area_px) for _, box, area_px in found])
        return counter, notes

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where there are DICOM files."""
        files = folder.dicom
        if not files or labels_dicom(folder):
            return None
        masks = called_masks(folder, files)
        files = sorted(set(files).difference(masks))
        tree, notes = class_tree([folder.below(path) for path in files]), tuple[str, ...]()
        if (
            tree is not None
            and len(tree.classes) > 1
            and not (tree.pattern or tree.has_splits or folder.images or masks)
        ):
            if not are_patients(folder, tree.classes, files):
                above = {"images": tree.above} if tree.above else {}
                endings = {path.suffix.lower() for path in files}
                others = {} if endings <= set(IMAGE_ENDINGS) else {"extensions": [""]}  # ends of UIDs, or none
                layout = {"kind": "folder_per_class", **above, **others}
                return Guess("a folder per class", "2d_classification", layout, tree.classes, notes=tree.notes)
            notes = (f"The folders {', '.join(tree.classes[:12])} hold one patient each by the headers: no classes.",)
        ending = "" if len({path.suffix for path in files}) > 1 else files[0].suffix
        layout = {"kind": "dicom", "files": f"**/*{ending}"}
        if masks:
            layout["files"] = pattern_of_objects(folder, files)
            notes = (masks_in_words(folder, masks), *notes)
            if not set(masks).isdisjoint(folder.root.glob(layout["files"])):
                layout["files"] = "TODO"
                notes = (f"files: the pictures, such as {folder.below(files[0])}, without the masks", *notes)
        note = (
            "labels: DICOM files have none; name what every picture shows in `labels_of_every_image`, or read a table"
        )
        return Guess("single DICOM files", "2d_classification", layout, notes=(note, *notes))


def _with_pixels(root: Path, file: str, rule: Deidentification) -> pydicom.Dataset:
    try:
        return read_dicom(root, file)
    except SourceError as problem:
        if problem.rule != NO_PIXELS:
            raise
        header = read_header(root, file)
        if "Rows" not in header:
            raise SetAside(f"no image: {header.get('Modality') or 'of no modality'}", file) from problem
        with explained(file):
            set_aside(header, rule, file)
        raise
