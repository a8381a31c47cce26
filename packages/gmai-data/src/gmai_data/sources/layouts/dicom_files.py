"""Single DICOM files whose labels come from the card: whole-image labels for every file."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from gmai_formats.pictures.dicom import frame_count, frame_header
from gmai_formats.pictures.display import frame_picture, made_square, window_names
from gmai_formats.pictures.windows import HEADER

from gmai_data.imaging.deidentify import header_facts, set_aside
from gmai_data.imaging.dicom_pixels import decode_pixels, explained, read_dicom
from gmai_data.imaging.source_files import matching, patient_digest, relative_to
from gmai_data.imaging.units import calibrate_header, require_hounsfield_frame
from gmai_data.ledger import Ledger
from gmai_data.sources.card import Card
from gmai_data.sources.folder import Folder, Guess, dicom_files
from gmai_data.sources.items import Item, Picture, full_name
from gmai_data.sources.layout import Layout


class DicomFiles(Layout):
    """Single DICOM files; the labels come from the card (`labels_of_every_image`), the split group from the header."""

    kind: Literal["dicom"]
    files: str = "**/*"
    """Pattern of the files."""
    frames: Literal["centre", "all"] = "centre"
    """Which frames of a multi-frame file are exported."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per file; its group is a digest of the header's patient, or the file itself."""
        for path in matching(root, self.files, recipe=card.name, what="files"):
            file = relative_to(root, path)
            yield Item(file, (file,), patient_digest(path))

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the file's picture, or those of its frames, in every window of the card.

        Raises:
            SourceError: Not decodable, or nothing to see.
        """
        del ledger  # labels from the card have no boxes
        file = item.files[0]
        labels = tuple(full_name(card, raw, file) for raw in card.labels_of_every_image)
        dataset = read_dicom(root, file)
        with explained(file):
            set_aside(dataset, card.deidentification, file)
            frames, facts = frame_count(dataset), header_facts(dataset)
        chosen = range(frames) if self.frames == "all" else [frames // 2]
        for index in chosen:
            # One frame at a time: a cine run decoded as a whole can take gigabytes.
            stored = decode_pixels(dataset, file, index)
            with explained(file):
                header = frame_header(dataset, index)
                calibrate_header(header, card.values, file)
                windows = window_names(header, card.windows or (HEADER,))
            for window, number in windows:
                with explained(file):
                    require_hounsfield_frame(header, stored, window, card.values, file)
                    pixels, words = frame_picture(header, stored, window, number)
                    pixels, _ = made_square(pixels, header)
                name = PurePosixPath(file).name
                name += f"_frame{index:04d}" if frames > 1 else ""
                name += f"_{window.replace('/', '-')}{number or ''}" if len(windows) > 1 else ""
                geometry = {"frame": index, "window": words, "header": facts}
                yield Picture(name, pixels, labels, geometry=geometry)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where there are DICOM files."""
        files = dicom_files(folder)
        if not files:
            return None
        layout = {"kind": "dicom", "files": f"**/*{files[0].suffix}"}
        return Guess("single DICOM files", "2d_classification", layout)
