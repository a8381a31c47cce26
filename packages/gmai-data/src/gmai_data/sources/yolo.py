"""YOLO: one text file per image, a class number and a box or polygon a line, in shares of the image."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import cast

from gmai_data.annotation import Box
from gmai_data.imaging.source_files import below, inside, matching, relative_to, require_data
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.coco import whole_pixels
from gmai_data.sources.items import Item, Picture, full_name
from gmai_data.sources.layouts import SPLIT_NAMES, Yolo
from gmai_data.sources.pictures import load_picture
from gmai_data.sources.recipe import Recipe


class YoloReader:
    """`images/train/*.jpg` with `labels/train/*.txt`."""

    settings = Yolo

    def list_items(self, recipe: Recipe, root: Path) -> Iterator[Item]:
        """Yield one item per image; a folder of its path that is named like a split gives the split."""
        layout = cast(Yolo, recipe.layout)
        names = recipe.split.names or SPLIT_NAMES
        below(root, layout.labels, recipe=recipe.name)
        for path in matching(root, layout.images, recipe=recipe.name, what="images"):
            file = relative_to(root, path)
            labels = layout.labels.replace("{stem}", path.stem).replace("{parent}", path.parent.name)
            labels = labels.replace("{above}", PurePosixPath(file).parent.parent.as_posix())
            split = next((names[part] for part in PurePosixPath(file).parts[:-1] if part in names), None)
            yield Item(file, (file, labels), split=split)

    def read(self, item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[Picture]:
        """Yield the image with its boxes; an unusable line is quarantined by itself, the image stays.

        Raises:
            SourceError: A file is unreadable, or a class is unknown.
        """
        image_file, label_file = item.files
        raster = load_picture(root, image_file, recipe)
        height_px, width_px = raster.pixels.shape[:2]
        lines: list[str] = []
        path = inside(root, label_file)
        if path.is_file() and path.stat().st_size:
            lines = require_data(root, label_file).read_text(encoding="utf-8", errors="replace").splitlines()
        labels: list[str] = []
        boxes: list[Box] = []
        incomplete: set[str] = set()
        for number, line in enumerate(lines, start=1):
            words = line.split()
            if not words:
                continue
            label = full_name(recipe, words[0], label_file)
            labels.append(label)
            try:
                xyxy = _corners(words[1:], (width_px, height_px), f"line {number}", label_file)
                boxes.append(Box(label, whole_pixels(xyxy, (width_px, height_px), f"line {number}", label_file)))
            except SourceError as problem:
                incomplete.add(label)
                ledger.quarantine_box(problem)
            else:
                ledger.keep_box()
        yield Picture(
            PurePosixPath(image_file).name,
            raster.pixels,
            tuple(dict.fromkeys(labels)),
            tuple(boxes),
            tuple(sorted(incomplete)),
            raster.encoded,
            {"box_origin": "yolo", **raster.geometry},
        )


def _corners(words: list[str], size_px: tuple[int, int], where: str, file: str) -> tuple[float, float, float, float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise SourceError("box unreadable", f"{where}: {error}", file) from error
    width_px, height_px = size_px
    if len(numbers) == 4:
        x, y, width, height = numbers
        left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    elif len(numbers) >= 6 and len(numbers) % 2 == 0:
        left, right, top, bottom = min(numbers[::2]), max(numbers[::2]), min(numbers[1::2]), max(numbers[1::2])
    else:
        raise SourceError("box unreadable", f"{where} has {len(numbers)} numbers; 4, or 6 and more in pairs", file)
    return left * width_px, top * height_px, right * width_px, bottom * height_px
