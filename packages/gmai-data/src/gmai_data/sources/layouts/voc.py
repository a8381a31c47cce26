"""Pascal VOC: one XML file per image, official split lists, boxes that are 1-based and inclusive."""

import glob
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from gmai_formats.files import is_file

from gmai_data.imaging.source_files import matching, relative_to, require_data
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.card import Card
from gmai_data.sources.fits import Size
from gmai_data.sources.folder import Folder, Guess
from gmai_data.sources.items import Item, Picture
from gmai_data.sources.layout import Layout
from gmai_data.sources.marked_picture import DIFFICULT, MarkedPicture
from gmai_data.sources.pixel_boxes import require_pixels
from gmai_data.sources.tools.marked import load_xml, size_of

_LISTS = (("train", "train"), ("val", "validation"), ("test", "held_out"))
"""VOC's name of a list ▶ our split."""


class Voc(Layout):
    """Pascal VOC: one XML file per image with `<object>` boxes (1-based, inclusive)."""

    kind: Literal["voc"]
    annotations: str = "Annotations"
    images: str = "JPEGImages"
    lists: str = "ImageSets/Main"
    """Folder of the split lists named in `split.official`."""

    @property
    def lists_folder(self) -> str:
        """Return the folder of the split lists."""
        return self.lists

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per XML file."""
        for path in matching(root, f"{self.annotations}/*.xml", recipe=card.name, what="VOC annotations"):
            yield Item(path.stem, (relative_to(root, path),))

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the image with its boxes; a degenerate or outside box is quarantined by itself, the image stays.

        Raises:
            SourceError: The XML or the image is unreadable, or a label is unknown.
        """
        file = item.files[0]
        tree = load_xml(require_data(root, file), file)
        name = PurePosixPath((tree.findtext("filename") or "").strip().replace("\\", "/")).name
        image_file = f"{self.images}/{name}"
        if PurePosixPath(name).stem != item.key or not is_file(root / image_file):
            # Renamed copies keep the old <filename>; VOC pairs image and XML by their stem.
            same_stem = sorted((root / self.images).glob(f"{glob.escape(item.key)}.*"))
            image_file = relative_to(root, same_stem[0]) if same_stem else image_file
        picture = MarkedPicture(card, ledger, root, image_file, file, _stated_size(tree))
        for number, element in enumerate(tree.iter("object"), start=1):
            raw = (element.findtext("name") or "").strip()
            if (element.findtext("difficult") or "").strip() == "1":
                picture.leave_out_box(raw, DIFFICULT)
                continue
            try:
                xyxy, where = _corners(element, number, picture.fit.annotated, file)
            except SourceError as problem:
                picture.refuse_box(raw, problem)
            else:
                picture.add_box(raw, xyxy, where)
        yield picture.picture("voc", more_files=(image_file,))

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where XML files are annotations."""
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in folder.with_ending(".xml")[:500]]
        if not texts or "<annotation" not in texts[0][:2000]:
            return None
        names = sorted({name for text in texts for name in re.findall(r"<name>([^<]+)</name>", text)})
        images = folder.images[0].parent if folder.images else folder.root
        annotations = folder.below(folder.with_ending(".xml")[0].parent)
        layout = {"kind": "voc", "annotations": annotations, "images": folder.below(images)}
        lists = PurePosixPath(annotations).parent / "ImageSets" / "Main"
        official = {split: f"{name}.txt" for name, split in _LISTS if is_file(folder.root / lists / f"{name}.txt")}
        if str(lists) != "ImageSets/Main":
            layout["lists"] = str(lists)
        told = [(folder.root / lists / name).read_text(errors="replace") for name in official.values()]
        listed = {line.split()[0] for text in told for line in text.splitlines() if line.strip()}
        left = [path.stem for path in folder.with_ending(".xml") if path.stem not in listed]
        split = {"official": official} if official and not left else {}
        words = (
            f"split: the lists of {lists} leave {len(left)} files out, such as {left[0]}" if official and left else ""
        )
        notes = (words,) if words else ()
        return Guess("Pascal VOC", "2d_detection", layout, names, notes=notes, split=split)


def _stated_size(tree: ElementTree.Element) -> Size | None:
    """Return width and height of `<size>`; None where it is missing or zero, as some writers leave it."""
    return size_of(tree.findtext("size/width"), tree.findtext("size/height"))


def _corners(
    element: ElementTree.Element, number: int, size_px: Size, file: str
) -> tuple[tuple[float, float, float, float], str]:
    """Return a half-open box of the annotated picture, and its place in words."""
    try:
        stated = [float(element.findtext(f"bndbox/{side}") or "") for side in ("xmin", "ymin", "xmax", "ymax")]
        x1, y1, x2, y2 = (round(value) for value in stated)
    except (ValueError, OverflowError) as error:
        raise SourceError("box unreadable", f"object {number} has no four numbers in <bndbox>", file) from error
    require_pixels(stated, f"object {number}", file)
    where = f"object {number} ({element.findtext('name')}) has xmin {x1}, ymin {y1}, xmax {x2}, ymax {y2}"
    if x2 <= x1 or y2 <= y1:
        raise SourceError("degenerate box", f"{where}; the maximum must be above the minimum", file)
    width_px, height_px = size_px
    if x1 < 0 or y1 < 0 or x2 > width_px or y2 > height_px:
        raise SourceError("box outside the image", f"{where}, but the image is {width_px}×{height_px}", file)
    # VOC counts from 1 and includes the maximum, so only the minimum moves; some writers count from 0.
    return (max(x1 - 1, 0), max(y1 - 1, 0), x2, y2), where
