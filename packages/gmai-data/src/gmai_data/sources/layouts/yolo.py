"""YOLO: one text file per image, a class number and a box or polygon a line, in shares of the image."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

import yaml
from gmai_formats.errors import UserError
from gmai_formats.files import is_file
from gmai_formats.safe_yaml import load_yaml

from gmai_data.imaging.source_files import below, inside, matching, require_data
from gmai_data.ledger import Ledger, SourceError, printable
from gmai_data.sources.annotations.marked_picture import GUESS, MarkedPicture
from gmai_data.sources.card import Card
from gmai_data.sources.files.folder import Folder, Guess, ending_pattern
from gmai_data.sources.files.tables import decoded
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import SPLIT_NAMES, Layout


class Yolo(Layout):
    """YOLO text files: `class x y width height` (or a polygon) in shares of the image; raw labels are class numbers."""

    kind: Literal["yolo"]
    images: str
    """Pattern of the images, such as `images/*/*.jpg`."""
    labels: str | tuple[str, ...] = "labels/{stem}.txt"
    """Path of the label file, or several, of which the first that is there counts; `{parent}` is the name of the
    image's own folder, `{above}` the path of the folder above that one, as in `{above}/labels/{stem}.txt`. No file:
    nothing is marked."""
    keypoint_numbers: int = 0
    """How many numbers of keypoints follow the box on each line (`kpt_shape` of a pose dataset, multiplied)."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per image; a folder of its path that is named like a split gives the split."""
        names = card.split.names or SPLIT_NAMES
        places = (self.labels,) if isinstance(self.labels, str) else self.labels
        for place in places:
            below(root, place, recipe=card.name)
        any_labels = False
        for file in map(printable, matching(root, self.images, recipe=card.name, what="images")):
            files = [_label_file(place, PurePosixPath(file)) for place in places]
            there = next((labels for labels in files if is_file(root / labels)), None)
            split = next((names[part] for part in file.split("/")[:-1] if part in names), None)
            any_labels = any_labels or there is not None
            yield Item(file, (file, there or files[0]), split=split)
        if not any_labels:
            raise UserError(
                f"{root}: recipe {card.name} finds no label file at all; it looks for `{'`, `'.join(places)}`. A "
                "picture without one counts as one without objects, so all of them would. Correct `labels` in the card."
            )

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the image with its boxes; an unusable line is quarantined by itself, the image stays.

        Raises:
            SourceError: A file is unreadable, or a class is unknown.
        """
        image_file, label_file = item.files
        picture = MarkedPicture(card, ledger, root, image_file, label_file, is_as_shown=True)
        lines: list[str] = []
        guessed: list[str] = []
        path = inside(root, label_file)
        if path.is_file() and path.stat().st_size:
            lines = decoded(require_data(root, label_file).read_bytes()).splitlines()
        for number, line in enumerate(lines, start=1):
            raw, *words = line.split() or ("",)
            if not raw:
                continue
            raw = re.sub(r"(?<=\d)\.0*$", "", raw)  # some programs write the class as "0.0"
            try:
                words = self._without_keypoints(words, f"line {number}", label_file)
                xyxy = _corners(words, picture.fit.annotated, f"line {number}", label_file)
            except SourceError as problem:
                if problem.rule == GUESS:
                    picture.doubt_box(raw, problem)
                    guessed.append(raw)
                else:
                    picture.refuse_box(raw, problem)
            else:
                picture.add_box(raw, xyxy, f"line {number}")
        yield picture.picture("yolo", guessed)

    def _without_keypoints(self, words: list[str], where: str, file: str) -> list[str]:
        if not self.keypoint_numbers:
            return words
        if len(words) != 4 + self.keypoint_numbers:
            what = f"{where} has {len(words)} numbers; a box and {self.keypoint_numbers} of keypoints are"
            raise SourceError("box unreadable", f"{what} {4 + self.keypoint_numbers}", file)
        return words[:4]

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where label files hold a class and four shares a line."""
        lists = [path for path in folder.files if path.name in _NAMES_FILES or path.suffix == ".names"]
        texts = [path for path in folder.with_ending(".txt") if _is_of_labels(path, folder) and path not in lists]
        lines = [line for path in texts[:500] for line in decoded(path.read_bytes()).splitlines()]
        any_form = [line for line in lines if line.strip()]
        written = [line for line in any_form if _FORM.fullmatch(line)]
        odd = len(any_form) - len(written)
        names, place_of_names = _class_names(folder, lists)
        if not (texts and folder.images and odd <= _ODD_SHARE * len(any_form) and (written or names)):
            return None
        stems: dict[str, list[Path]] = defaultdict(list)
        for path in texts:
            stems[path.stem].append(path)
        image = next((path for path in folder.images if path.stem in stems), folder.images[0])
        # Splits may number their pictures alike: the label file of a picture shares most folders with it.
        text = max(stems.get(image.stem, texts), key=lambda path: len({*path.parent.parts} & {*image.parent.parts}))
        place, labels = PurePosixPath(folder.below(image.parent)), PurePosixPath(folder.below(text.parent))
        if len(place.parts) > 1 and place.name == labels.name and place.name in SPLIT_NAMES:  # images/train
            places = (f"{place.parent}/*", f"{labels.parent}/{{parent}}")
        elif len(place.parts) > 1 and place.parent.name in SPLIT_NAMES:  # train/images
            above = f"{place.parent.parent}/" if len(place.parts) > 2 else ""
            places = (f"{above}*/{place.name}", f"{{above}}/{labels.name}")
        else:
            places = (str(place), str(labels))
        odd_lines = f"labels: {odd} of {len(any_form)} lines are no boxes; they will stand in the quarantine"
        notes: tuple[str, ...] = (odd_lines,) if odd else ()
        parents = {path.parent for path in folder.images}
        if places[0] == str(place) and len(parents) > 1:
            others = ", ".join(sorted(folder.below(path) for path in parents)[:6])
            places = ("TODO", places[1])
            notes = (*notes, f"images: the label files lie in {labels}; pictures lie in {others}")
        image_pattern = "TODO" if places[0] == "TODO" else f"{places[0]}/{ending_pattern(folder.images)}"
        layout: dict[str, Any] = {"kind": "yolo", "images": image_pattern, "labels": f"{places[1]}/{{stem}}.txt"}
        if keypoints := _keypoint_numbers(folder):
            layout["keypoint_numbers"] = keypoints
        elif numbers := _maybe_keypoints(written):
            layout["keypoint_numbers"] = "TODO"
            what = f"a box with {numbers} numbers of keypoints, or a polygon of {numbers // 2 + 2} corners"
            notes = (
                *notes,
                f"keypoint_numbers: each line is {what}, and no YAML file has `kpt_shape`: {numbers}, or 0",
            )
        found = {line.split()[0].split(".")[0] for line in written} | set(names)
        if place_of_names:
            notes = (*notes, f"The names of the classes are from {place_of_names}.")
        return Guess("YOLO", "2d_detection", layout, sorted(found, key=int), names, notes)


def odd_lines(folder: Folder) -> list[str]:
    """Return why text files that lie as label files do are none, as a sentence, where no layout was recognised."""
    for path in folder.with_ending(".txt"):
        if path.name in _NAMES_FILES or not (folder.images and path.stem in folder.stems):
            continue
        for number, line in enumerate(decoded(path.read_bytes()).splitlines(), start=1):
            if line.strip() and not _FORM.fullmatch(line):
                where = f"{folder.below(path)}:{number}"
                return [f'{where}: "{line.strip()[:40]}" is no line of YOLO, which has a class number and four shares.']
    return []


def _label_file(place: str, image: PurePosixPath) -> str:
    """Return where the labels of an image lie, below the root."""
    place = place.replace("{stem}", image.stem).replace("{parent}", image.parent.name)
    return place.replace("{above}", image.parent.parent.as_posix())


_FORM = re.compile(r"\d+(?:\.0*)?(\s+[\d.eE+-]+){4,}\s*")
_ODD_SHARE = 0.2
"""So many of the lines may be damaged before the files are taken for something else."""
_NAMES_FILES = ("classes.txt", "names.txt", "labels.txt", "_darknet.labels")


def _is_of_labels(path: Path, folder: Folder) -> bool:
    """Return whether a text file lies where label files lie: in a folder of labels, or beside a picture of its name."""
    inside = path.parent.relative_to(folder.root).as_posix().lower()
    return "label" in inside or path.stem in folder.stems


def _documents(folder: Folder) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the YAML files that hold a mapping: one of them is the dataset's own `data.yaml`."""
    for path in folder.with_ending(".yaml", ".yml"):
        try:
            document: Any = load_yaml(decoded(path.read_bytes()))
        except yaml.YAMLError:
            continue
        if isinstance(document, dict):
            yield path, cast(dict[str, Any], document)


def _keypoint_numbers(folder: Folder) -> int:
    """Return the product of `kpt_shape`, or 0 where no YAML file has it.

    https://docs.ultralytics.com/datasets/pose/ : class, box, then the keypoints as x y, or x y visibility.
    """
    shapes = (document.get("kpt_shape") for _, document in _documents(folder))
    shape = next((found for found in shapes if isinstance(found, list)), [])
    return math.prod(shape) if shape and all(isinstance(side, int) and side > 0 for side in shape) else 0


def _maybe_keypoints(lines: list[str]) -> int:
    """Return how many numbers of keypoints follow each box, where lines may be that as well as polygons, else 0.

    All have one length, the keypoints lie in their box, and it in the picture. Four corners of a turned box
    (https://docs.ultralytics.com/datasets/obb/) are known by their opposite sides, which are equal.
    """
    rows = [[float(word) for word in line.split()[1:]] for line in lines]
    count = len(rows[0]) if rows else 0
    if count < 8 or count % 2 or any(len(row) != count for row in rows):
        return 0
    for x, y, width, height, *points in rows:
        if max(x + width / 2, y + height / 2) > 1 + _SLACK or min(x - width / 2, y - height / 2) < -_SLACK:
            return 0
        if count == 8 and max(abs(x - width + points[0] - points[2]), abs(y - height + points[1] - points[3])) < _SLACK:
            return 0
        by_two = [*zip(points[::2], points[1::2], strict=True)]
        by_three = [*zip(points[::3], points[1::3], strict=False)] if len(points) % 3 == 0 else by_two
        if not any(
            all(abs(px - x) <= width / 2 + _SLACK and abs(py - y) <= height / 2 + _SLACK for px, py in seen if px or py)
            for seen in (by_two, by_three)
        ):
            return 0
    return count - 4


_SLACK = 0.01


def _class_names(folder: Folder, lists: list[Path]) -> tuple[dict[str, str], str]:
    """Return (class number ▶ name, the file that says so): `names` of a YAML file, or a list with a name a line."""
    for path, document in _documents(folder):
        stated = document.get("names")
        if isinstance(stated, list):
            return {str(number): str(name) for number, name in enumerate(cast(list[Any], stated))}, folder.below(path)
        if isinstance(stated, dict):
            return {str(number): str(name) for number, name in cast(dict[Any, Any], stated).items()}, folder.below(path)
    for path in lists:
        lines = [line.strip() for line in decoded(path.read_bytes()).split("\n")]
        return {str(number): line for number, line in enumerate(lines) if line}, folder.below(path)
    return {}, ""


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
        if len(numbers) == 5:
            detail = f"{where} has 5 numbers, of which the fifth is a confidence; take it off what people confirmed"
            raise SourceError(GUESS, detail, file)
        detail = f"{where} has {len(numbers)} numbers; 4, or 6 and more in pairs"
        raise SourceError("box unreadable", detail, file)
    return left * width_px, top * height_px, right * width_px, bottom * height_px
