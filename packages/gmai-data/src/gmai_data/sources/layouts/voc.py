"""Pascal VOC: one XML file per image, official split lists, boxes that are 1-based and inclusive by default."""

import contextlib
import glob
import itertools
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from gmai_formats.files import is_file

from gmai_data.imaging.source_files import inside, matching, relative_to, require_data
from gmai_data.ledger import Ledger, SourceError, printable
from gmai_data.sources.annotations.fits import Size
from gmai_data.sources.annotations.marked_picture import DIFFICULT, MarkedPicture
from gmai_data.sources.annotations.pixel_boxes import require_pixels
from gmai_data.sources.annotations.tools.marked import load_xml, size_of
from gmai_data.sources.card import Card
from gmai_data.sources.files.folder import IMAGES, Folder, Guess
from gmai_data.sources.files.tables import decoded
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import SPLIT_NAMES, Layout

_LISTS = (("train", "train"), ("val", "validation"), ("test", "held_out"))
"""VOC's name of a list ▶ our split."""
_LOOKED_AT = 500
Corners = Literal["from_one", "from_zero", "edges"]


class Voc(Layout):
    """Pascal VOC: one XML file per image with `<object>` boxes (1-based, inclusive, or as `corners` says)."""

    kind: Literal["voc"]
    annotations: str = "Annotations"
    """Folder of the XML files; with `*` in it (`*/Annotations`) several, and one that is named like a split is one."""
    images: str = "JPEGImages"
    """Folder of the images; `{parent}` is the folder of the XML file, `{above}` the folder above that one."""
    lists: str = "ImageSets/Main"
    """Folder of the split lists named in `split.official`."""
    corners: Corners = "from_one"
    """What the numbers of a box are. from_one: pixels that are counted from 1, the maximum included, as VOC says;
    from_zero: the same, counted from 0; edges: places between pixels, from 0 to the width. A 0 under `from_one` is
    refused."""

    @property
    def lists_folder(self) -> str:
        """Return the folder of the split lists."""
        return self.lists

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per XML file: its key is its stem, with its folders where there are several."""
        names = card.split.names or SPLIT_NAMES
        several = "*" in self.annotations
        annotations = matching(root, f"{self.annotations}/*.xml", recipe=card.name, what="VOC annotations")
        for file in map(printable, annotations):
            path = PurePosixPath(file)
            split = next((names[part] for part in path.parts[:-1] if several and part in names), None)
            yield Item(path.with_suffix("").as_posix() if several else path.stem, (file,), split=split)

    def _image_of(self, file: str, stated: str, root: Path) -> str:
        """Return the path of the image of an XML file: the one it names, else the one that shares its stem.

        Raises:
            SourceError: Several share its stem, and it names none of them.
        """
        place = PurePosixPath(file).parent
        images = self.images.replace("{parent}", place.as_posix()).replace("{above}", place.parent.as_posix())
        inside(root, images)
        name = PurePosixPath(stated.strip().replace("\\", "/")).name
        stem = PurePosixPath(file).stem
        named = f"{images}/{name}"
        if PurePosixPath(name).stem == stem and is_file(root / named):
            return named
        # Renamed copies keep the old <filename>; VOC pairs image and XML by their stem.
        found = [
            path for path in sorted((root / images).glob(f"{glob.escape(stem)}.*")) if path.suffix.lower() in IMAGES
        ]
        of_ending = [path for path in found if path.suffix.lower() == PurePosixPath(name).suffix.lower()]
        if len(of_ending or found) > 1:
            both = " and ".join(relative_to(root, path) for path in found[:2])
            raise SourceError("several images of one annotation", f"{both}; it names {name or 'none'}", file)
        return relative_to(root, (of_ending or found)[0]) if found else named

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the image with its boxes; a degenerate or outside box is quarantined by itself, the image stays.

        Raises:
            SourceError: The XML or the image is unreadable, or a label is unknown.
        """
        file = item.files[0]
        tree = load_xml(require_data(root, file), file)
        image_file = self._image_of(file, tree.findtext("filename") or "", root)
        picture = MarkedPicture(card, ledger, root, image_file, file, _stated_size(tree))
        for number, element in enumerate(tree.iter("object"), start=1):
            raw = (element.findtext("name") or "").strip()
            if (element.findtext("difficult") or "").strip() == "1":
                picture.leave_out_box(raw, DIFFICULT)
                continue
            try:
                xyxy, where = _corners(element, number, picture.fit.annotated, file, self.corners)
            except SourceError as problem:
                picture.refuse_box(raw, problem)
            else:
                picture.add_box(raw, xyxy, where)
        yield picture.picture("voc", more_files=(image_file,))

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where XML files are annotations."""
        files = folder.with_ending(".xml")
        trees: list[tuple[Path, ElementTree.Element]] = []
        for path in files[:_LOOKED_AT]:
            with contextlib.suppress(SourceError):
                trees.append((path, load_xml(path, folder.below(path))))
        readable = len(trees)
        trees = [(path, tree) for path, tree in trees if tree.tag == "annotation"]
        if not trees or len(trees) < readable / 2:
            return None
        named = ((element.findtext("name") or "").strip() for _, tree in trees for element in tree.iter("object"))
        names = sorted(set(named) - {""})
        annotations, images, found = _places(folder, files)
        layout = {"kind": "voc", "annotations": annotations, "images": images}
        corners, words = _corners_in(tree for _, tree in trees)
        if words:
            layout["corners"], found = corners, (*found, words)
        if "*" in annotations or "TODO" in (annotations, images):
            return Guess("Pascal VOC", "2d_detection", layout, names, notes=found)
        lists = PurePosixPath(annotations).parent / "ImageSets" / "Main"
        official = {split: f"{name}.txt" for name, split in _LISTS if is_file(folder.root / lists / f"{name}.txt")}
        if str(lists) != "ImageSets/Main":
            layout["lists"] = str(lists)
        lists_read = [decoded((folder.root / lists / name).read_bytes()) for name in official.values()]
        listed = {line.split()[0] for text in lists_read for line in text.splitlines() if line.strip()}
        left = [path.stem for path in folder.with_ending(".xml") if path.stem not in listed]
        split = {"official": official} if official and not left else {}
        words = (
            f"split: the lists of {lists} leave {len(left)} files out, such as {left[0]}" if official and left else ""
        )
        notes = (*found, words) if words else found
        return Guess("Pascal VOC", "2d_detection", layout, names, notes=notes, split=split)


def _places(folder: Folder, files: Sequence[Path]) -> tuple[str, str, tuple[str, ...]]:
    """Return the folders of XML files and of images as a card gives them, and notes on what they leave open."""
    parents = sorted({PurePosixPath(folder.below(path)).parent for path in files})
    images: dict[str, list[PurePosixPath]] = {}
    for image in folder.images:
        images.setdefault(image.stem, []).append(PurePosixPath(folder.below(image)).parent)
    if len(parents) == 1:
        places = {place for path in files for place in images.get(path.stem, [])}
        if len(places) == 1:
            return str(parents[0]), str(places.pop()), ()
        shown = _shown(places or itertools.chain(*images.values()))
        return str(parents[0]), "TODO", (f"images: the pictures of the XML files lie in {shown or 'no folder'}",)
    note = f"annotations: XML files lie in {_shown(parents)}"
    if len({len(parent.parts) for parent in parents}) > 1:
        return "TODO", "TODO", (note,)
    levels = [set(level) for level in zip(*(parent.parts for parent in parents), strict=True)]
    pattern = "/".join("*" if len(level) > 1 else next(iter(level)) for level in levels)
    relations: set[str] = set()
    for path in files:
        place = PurePosixPath(folder.below(path)).parent
        near = images.get(path.stem, [])
        if place in near:
            relations.add("{parent}")
        else:
            relations.update(f"{{above}}/{image.name}" for image in near if image.parent == place.parent)
    if len(relations) == 1:
        return pattern, relations.pop(), ()
    return pattern, "TODO", (note, f"images: pictures lie in {_shown(itertools.chain(*images.values()))}")


def _shown(places: Iterable[PurePosixPath]) -> str:
    return ", ".join(sorted(set(map(str, places)))[:6])


def _stated_size(tree: ElementTree.Element) -> Size | None:
    """Return width and height of `<size>`; None where it is missing or zero, as some writers leave it."""
    return size_of(tree.findtext("size/width"), tree.findtext("size/height"))


def _corners(
    element: ElementTree.Element, number: int, size_px: Size, file: str, corners: Corners
) -> tuple[tuple[float, float, float, float], str]:
    """Return a half-open box of the annotated picture, and its place in words."""
    try:
        stated = [float(element.findtext(f"bndbox/{side}") or "") for side in _SIDES]
        x1, y1, x2, y2 = stated if corners == "edges" else map(round, stated)
    except (ValueError, OverflowError) as error:
        raise SourceError("box unreadable", f"object {number} has no four numbers in <bndbox>", file) from error
    require_pixels(stated, f"object {number}", file)
    where = f"object {number} ({element.findtext('name')}) has xmin {x1:g}, ymin {y1:g}, xmax {x2:g}, ymax {y2:g}"
    if x2 <= x1 or y2 <= y1:
        raise SourceError("degenerate box", f"{where}; the maximum must be above the minimum", file)
    width_px, height_px = size_px
    last = 1 if corners == "from_zero" else 0
    if x1 < 0 or y1 < 0 or x2 + last > width_px or y2 + last > height_px:
        counted = ", whose pixels are counted from 0" if last else ""
        raise SourceError("box outside the image", f"{where}, but the image is {width_px}×{height_px}{counted}", file)
    if corners != "from_one":
        return (x1, y1, x2 + last, y2 + last), where
    if x1 == 0 or y1 == 0:
        remedy = "VOC counts pixels from 1; say in the card what they are, by `corners`: from_zero or edges"
        raise SourceError("box not counted from 1", f"{where}; {remedy}", file)
    # VOC counts from 1 and includes the maximum, so only the minimum moves.
    return (x1 - 1, y1 - 1, x2, y2), where


def _corners_in(trees: Iterable[ElementTree.Element]) -> tuple[Corners, str]:
    """Return what the numbers of boxes are, and a note where they are not counted from 1 as VOC's are.

    VOC's development kit calls the first pixel 1 (https://pjreddie.com/media/files/VOC2012_doc.pdf); other writers
    begin at 0 (https://github.com/dmlc/gluon-cv/issues/1414).
    """
    zeros = full = last = 0
    for tree in trees:
        size = _stated_size(tree)
        for element in tree.iter("bndbox"):
            with contextlib.suppress(ValueError, OverflowError):
                x1, y1, x2, y2 = (round(float(element.findtext(side) or "")) for side in _SIDES)
                zeros += x1 == 0 or y1 == 0
                if size is not None:
                    full += x2 == size[0] or y2 == size[1]
                    last += x2 == size[0] - 1 or y2 == size[1] - 1
    if not zeros:
        return "from_one", ""
    # Those who include the maximum never reach the width; those who count edges rarely end one short of it.
    found: Corners = "from_zero" if last and not full else "edges"
    return found, (
        f"corners: {zeros} boxes begin at 0, where VOC counts from 1; {full} end at the picture's width or height, "
        f"{last} one before. So `{found}` is likely: look at a few in `gmai data preview`"
    )


_SIDES = ("xmin", "ymin", "xmax", "ymax")
