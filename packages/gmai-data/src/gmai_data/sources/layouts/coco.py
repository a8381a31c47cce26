"""COCO JSON: boxes, polygons and run-length masks; one item per image."""

import functools
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

import cv2
import numpy as np
import numpy.typing as npt
from gmai_formats.errors import UserError

from gmai_data.annotation import Box
from gmai_data.imaging.boxes import regions
from gmai_data.imaging.source_files import matching, relative_to
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.card import Card
from gmai_data.sources.folder import Folder, Guess
from gmai_data.sources.items import BoxCounter, Item, Picture, full_name
from gmai_data.sources.layout import SPLIT_NAMES, Layout
from gmai_data.sources.pictures import load_picture
from gmai_data.sources.pixel_boxes import whole_pixels
from gmai_data.sources.run_lengths import decode_rle, unpack_counts

Entry = dict[str, Any]


class Coco(Layout):
    """COCO JSON: `images`, `annotations` (box, polygons or RLE) and `categories`; raw labels are category names."""

    kind: Literal["coco"]
    annotations: str
    """Pattern of the JSON files."""
    images: str = "."
    """Folder that `file_name` is relative to; `{stem}` is the JSON file's name without ending."""
    use: Literal["bbox", "segmentation"] = "bbox"
    """Boxes from `bbox`, or from the regions of `segmentation` (polygons, RLE, compressed RLE)."""
    group_field: str | None = None
    """Field of an image's entry that names the patient or study."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per entry of `images`, with the annotations that name it."""
        names = card.split.names or SPLIT_NAMES
        for path in matching(root, self.annotations, recipe=card.name, what="COCO files"):
            document = _load(path)
            categories = {entry["id"]: str(entry["name"]) for entry in document["categories"]}
            by_image: dict[Any, list[Entry]] = defaultdict(list)
            for entry in document["annotations"]:
                by_image[entry.get("image_id")].append(entry)
            listed = {image.get("id") for image in document["images"]}
            for number in [number for number in by_image if number not in listed]:
                yield Item(f"{relative_to(root, path)}/image {number}", (relative_to(root, path),))
            folder = PurePosixPath(self.images.replace("{stem}", path.stem))
            split = next((names[word] for word in path.stem.replace("-", "_").split("_") if word in names), None)
            for image in document["images"]:
                file = (folder / str(image.get("file_name", ""))).as_posix()
                marks = [
                    {**entry, "category": categories.get(entry.get("category_id"), str(entry.get("category_id")))}
                    for entry in by_image.get(image.get("id"), [])
                ]
                group = str(image.get(self.group_field, "")) if self.group_field else ""
                found = tuple(dict.fromkeys(mark["category"] for mark in marks))
                files = (file, relative_to(root, path))
                yield Item(file, files, group, split, raw_labels=found, part=json.dumps(marks, sort_keys=True))

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the image with its boxes; an unusable box is quarantined by itself, the image stays.

        Raises:
            SourceError: The image is unreadable, or a category is unknown.
        """
        file = item.files[0]
        if not item.part:
            detail = f"{item.key.rpartition('/')[2]} has annotations, but no entry in `images`"
            raise SourceError("annotations of no image", detail, file)
        raster = load_picture(root, file, card)
        height_px, width_px = raster.pixels.shape[:2]
        counter = BoxCounter(card, ledger, file, (width_px, height_px))
        labels: list[str] = []
        boxes: list[Box] = []
        incomplete: set[str] = set()
        for mark in json.loads(item.part):
            label = full_name(card, mark["category"], file)
            labels.append(label)
            try:
                if self.use == "segmentation":
                    mask = segmentation_mask(mark, (height_px, width_px), file)
                    whole = card.boxes.per == "class"
                    found = [(mark["category"], box, area) for _, box, area in regions(mask, whole_labels=whole)]
                    counter.add(found)
                else:
                    boxes.append(Box(label, half_open_box(mark.get("bbox"), (width_px, height_px), mark, file)))
                    ledger.keep_box()
            except SourceError as problem:
                incomplete.add(label)
                ledger.quarantine_box(problem)
        yield Picture(
            PurePosixPath(file).name,
            raster.pixels,
            tuple(dict.fromkeys(labels)),
            (*boxes, *counter.boxes),
            tuple(sorted({*incomplete, *counter.incomplete})),
            raster.encoded,
            {"box_origin": f"coco {self.use}", **raster.geometry},
        )

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where a JSON file has COCO's lists."""
        for path in folder.with_ending(".json"):
            try:
                document: Any = json.loads(path.read_text(encoding="utf-8"))
            except (ValueError, OSError):
                continue
            if isinstance(document, dict) and {"images", "annotations", "categories"} <= document.keys():
                categories = cast(list[Entry], document["categories"])
                layout = {"kind": "coco", "annotations": folder.below(path.parent / "*.json"), "images": "TODO"}
                return Guess("COCO", "2d_detection", layout, [str(entry["name"]) for entry in categories])
        return None


@functools.lru_cache(maxsize=1)
def _load(path: Path) -> dict[str, Any]:
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}). Download it again.") from error
    parts = ("images", "annotations", "categories")
    if not isinstance(document, dict) or any(not isinstance(document.get(part), list) for part in parts):
        raise UserError(f"{path}: not a COCO file: it needs the lists `images`, `annotations` and `categories`.")
    return cast(dict[str, Any], document)


def half_open_box(value: Any, size_px: tuple[int, int], mark: Entry, file: str) -> tuple[int, int, int, int]:
    """Return a COCO box `[x, y, width, height]` as half-open pixels.

    Raises:
        SourceError: No four numbers, no area, or outside the image.
    """
    where = f"annotation {mark.get('id')} ({mark['category']})"
    try:
        x, y, width, height = (float(number) for number in value)
    except (TypeError, ValueError) as error:
        raise SourceError("box unreadable", f"{where} has no four numbers in bbox", file) from error
    return whole_pixels((x, y, x + width, y + height), size_px, where, file)


def segmentation_mask(mark: Entry, shape: tuple[int, int], file: str) -> npt.NDArray[np.uint8]:
    """Return the mask of one annotation: polygons, RLE, or compressed RLE.

    Raises:
        SourceError: None of them, or one that does not fit the image.
    """
    value: Any = mark.get("segmentation")
    where = f"annotation {mark.get('id')} ({mark['category']})"
    try:
        if isinstance(value, dict):
            run_lengths = cast(dict[str, Any], value)
            if tuple(int(size) for size in run_lengths["size"]) != shape:
                detail = f"{where}: its mask is {run_lengths['size']}, the image {list(shape)} (rows, columns)"
                raise SourceError("mask of another size", detail, file)
            counts: Any = run_lengths["counts"]
            return decode_rle(unpack_counts(counts) if isinstance(counts, str) else counts, shape)
        if not value:
            raise ValueError("it has no polygon and no run lengths")
        mask = np.zeros(shape, np.uint8)
        outlines = [np.rint(np.asarray(outline, np.float64).reshape(-1, 2)).astype(np.int32) for outline in value]
        if not outlines or any(len(outline) < 3 for outline in outlines):
            raise ValueError("a polygon has at least three points")
        low = min(int(outline.min()) for outline in outlines)
        right, bottom = (max(int(outline[:, side].max()) for outline in outlines) for side in (0, 1))
        if low < -1 or right > shape[1] + 1 or bottom > shape[0] + 1:
            detail = f"{where} reaches {right}, {bottom}; the image is {shape[1]}×{shape[0]}"
            raise SourceError("polygon outside the image", detail, file)
        for outline in outlines:
            cv2.fillPoly(mask, [outline], 1)  # one by one: together, overlapping parts would cancel out
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError("segmentation unreadable", f"{where}: {error}", file) from error
    return mask
