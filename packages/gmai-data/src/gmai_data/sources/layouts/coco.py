"""COCO JSON: boxes, polygons and run-length masks; one item per image."""

import functools
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from gmai_formats.errors import UserError
from gmai_formats.json_text import parse_json

from gmai_data.imaging.source_files import as_on_disk, on_disk
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.annotations.box_forms import Form, form_of
from gmai_data.sources.annotations.fits import Size
from gmai_data.sources.annotations.marked_picture import CROWD, GUESS, MarkedPicture, is_guess
from gmai_data.sources.annotations.polygons import outlines_mask
from gmai_data.sources.annotations.run_lengths import decode_rle, unpack_counts
from gmai_data.sources.annotations.tools.marked import size_of
from gmai_data.sources.card import Card
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import SPLIT_NAMES, Layout
from gmai_data.sources.names import find_named, name_pattern

Entry = dict[str, Any]
_IGNORED = "marked to be ignored"
"""Set by `ignore`, which training code passes over (`mmdet/datasets/coco.py` of open-mmlab/mmdetection)."""

_CONFIRMED = "take the field `score` out of what people confirmed"
_CORNERS = (
    "the numbers of `bbox` in {} are x1, y1, x2, y2 by the sizes, areas or polygons beside them, and COCO has x, y, "
    "width, height; write those, or set `form: xyxy` in the layout"
)


class Coco(Layout):
    """COCO JSON: `images`, `annotations` (box, polygons or RLE) and `categories`; raw labels are category names."""

    kind: Literal["coco"]
    annotations: str
    """Pattern of the JSON files, with captured parts as in `image_mask`: `annotations/instances_{part}.json`."""
    images: str = "."
    """Folder that `file_name` is relative to; `{stem}` is the JSON file's name without ending, `{parent}` its folder,
    and what `annotations` captures goes by its name."""
    use: Literal["bbox", "segmentation"] = "bbox"
    """Boxes from `bbox`, or around what `segmentation` marks (polygons, RLE, compressed RLE). An annotation is one
    object, in however many parts."""
    form: Form = "xywh"
    """What the four numbers of `bbox` are: those of COCO, or, in files of other writers, two corners (xyxy)."""
    group_field: str | None = None
    """Field of an image's entry that names the patient or study."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per picture that `images` names, with the annotations of all its entries."""
        names = card.split.names or SPLIT_NAMES
        for _, named in find_named(root, (self.annotations,), recipe=card.name, what="COCO files"):
            file, path = named.file, on_disk(root, named.file)
            document = _load(path, path.stat().st_mtime_ns)
            _refuse_panoptic(document, path)
            are_corners = self.use == "bbox" and self.form == "xywh" and _form_of(document) == "xyxy"
            categories = _categories(document["categories"], path)
            by_image: dict[str, list[Entry]] = defaultdict(list)
            for entry in _each_once(document["annotations"]):
                number = _id(entry.get("category_id"))
                by_image[_id(entry.get("image_id"))].append({**entry, "category": categories.get(number, number)})
            # An annotation of no image may be of any: what it marks is not called absent in the pictures of this file.
            unplaced = tuple(dict.fromkeys(entry["category"] for entry in by_image.get("", [])))
            listed = {_id(image.get("id")) for image in document["images"]}
            for number in [number for number in by_image if number not in listed]:
                detail = f"{len(by_image[number])} have image_id {number or 'null'}, which has no entry in `images`"
                yield Item(f"{file}/image {number}", (file,), problem=("annotations of no image", detail))
            above = PurePosixPath(file).parent.as_posix()
            place = self.images.replace("{stem}", path.stem).replace("{parent}", above)
            for part, value in named.parts.items():
                place = place.replace(f"{{{part}}}", value)
            folder = PurePosixPath(place)
            words = [word.rstrip("0123456789") or word for word in re.split(r"[-_]", path.stem)]
            split = next((names[word] for word in (*words, *PurePosixPath(above).parts) if word in names), None)
            files = _entries_by_file(document["images"])
            numbers_of = {
                name: dict.fromkeys(_id(each.get("id")) for each in entries) for name, entries in files.items()
            }
            holders = Counter(number for numbers in numbers_of.values() for number in numbers if number)
            for name, entries in files.items():
                picture = as_on_disk(root, (folder / name).as_posix())
                numbers = numbers_of[name]
                marks = [mark for number in numbers for mark in by_image.get(number, [])]
                group = str(entries[0].get(self.group_field, "")) if self.group_field else ""
                found = tuple(dict.fromkeys(mark["category"] for mark in marks))
                part = json.dumps({"size": _stated_size(entries), "marks": marks}, sort_keys=True)
                problem = ("boxes are corners", _CORNERS.format(file)) if are_corners and marks else None
                shared = next((number for number in numbers if holders[number] > 1), None)
                if shared is not None:
                    detail = f"{file} gives {holders[shared]} pictures the id {shared}; give each its own"
                    problem = ("one id, several pictures", detail)
                elif self.group_field and len({str(entry.get(self.group_field, "")) for entry in entries}) > 1:
                    problem = ("one picture, two groups", f"its entries in {file} differ in {self.group_field}")
                yield Item(
                    picture, (picture, file), group, split, found, part=part, uncertain=unplaced, problem=problem
                )

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the image with its boxes; an unusable box is quarantined by itself, the image stays.

        Raises:
            SourceError: The image is unreadable or of another size than stated, or a category is unknown.
        """
        file = item.files[0]
        document = parse_json(item.part)
        size = document["size"]
        if size is not None and len(size) > 2:
            raise SourceError("annotated at another size", f"its entries in {item.files[1]} state several sizes", file)
        picture = MarkedPicture(card, ledger, root, file, file, None if size is None else (size[0], size[1]))
        ignored: list[str] = []
        for mark in document["marks"]:
            if _is_set(mark.get("ignore")):
                picture.drop_box(mark["category"], _IGNORED)
                ignored.append(mark["category"])
                continue
            if is_guess(mark.get("score")):
                detail = (
                    f"annotation {mark.get('id')} ({mark['category']}) has the score {mark['score']:g}; {_CONFIRMED}"
                )
                picture.doubt_box(mark["category"], SourceError(GUESS, detail, file))
                ignored.append(mark["category"])
                continue
            if _is_set(mark.get("iscrowd")):
                picture.leave_out_box(mark["category"], CROWD)
                continue
            where = f"annotation {mark.get('id')} ({mark['category']})"
            try:
                if self.use == "segmentation":
                    mask = segmentation_mask(mark, picture, where, file)
                    picture.add_mask(mark["category"], mask, is_one_object=True)
                else:
                    picture.add_box(mark["category"], _corners(mark.get("bbox"), self.form, where, file), where)
            except SourceError as problem:
                if problem.rule == "label not in the map":
                    raise
                picture.refuse_box(mark["category"], problem)
        yield picture.picture(f"coco {self.use}", [*item.uncertain, *ignored])

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where a JSON file has COCO's lists."""
        found = [(path, document) for path in folder.with_ending(".json") if (document := _coco_of(path)) is not None]
        if not found:
            return None
        _refuse_panoptic(found[0][1], found[0][0])
        names = [str(entry["name"]) for _, document in found for entry in document["categories"] if _is_category(entry)]
        paths = [PurePosixPath(folder.below(path)) for path, _ in found]
        places = [_place_of(document, path, folder) for path, document in found]
        annotations = _as_pattern(paths)
        notes: tuple[str, ...] = ()
        by_stem = {place.replace(path.stem, "{stem}") for path, place in zip(paths, places, strict=True)}
        by_folder = {place == path.parent.as_posix() for path, place in zip(paths, places, strict=True)}
        by_part = _by_part(paths, places)
        if "TODO" not in places and len(set(places)) == 1:
            images = places[0]
        elif by_folder == {True}:
            images = "{parent}"
        elif "TODO" not in places and len(by_stem) == 1:
            images = by_stem.pop()
        elif by_part is not None:
            annotations, images = by_part
        else:
            images = "TODO"
            notes = (
                f"images: the pictures of {', '.join(map(str, paths[:6]))} lie in {', '.join(sorted(set(places)))}",
            )
        listed = folder.root.glob(name_pattern(annotations).glob)
        others = [path for path in listed if path not in {each for each, _ in found}]
        if others:
            notes = (*notes, f"annotations: {annotations} also finds {folder.below(others[0])}, which is no COCO file")
        layout = {"kind": "coco", "annotations": annotations, "images": images}
        masks = any(mark.get("segmentation") for _, document in found for mark in document["annotations"][:50])
        if masks and not all(mark.get("bbox") for _, document in found for mark in document["annotations"][:50]):
            layout["use"] = "segmentation"
        elif any(_form_of(document) == "xyxy" for _, document in found):
            layout["form"] = "xyxy"
            notes = (*notes, "form: `bbox` holds two corners, by the sizes, areas or polygons beside them")
        guesses = sum(is_guess(mark.get("score")) for _, document in found for mark in document["annotations"])
        if guesses:
            notes = (*notes, f"{guesses} annotations have a `score` below 1: guesses of a model, which are not used")
        return Guess("COCO", "2d_detection", layout, list(dict.fromkeys(names)), notes=notes)


def _form_of(document: dict[str, Any]) -> Form:
    return form_of(document["annotations"], document["images"])


def _refuse_panoptic(document: dict[str, Any], path: Path) -> None:
    """Raise for a panoptic file, whose segments are numbers in PNG files.

    Raises:
        UserError: It is one.
    """
    if any("segments_info" in mark for mark in document["annotations"][:50]):
        raise UserError(
            f"{path}: a panoptic file, whose segments are numbers in PNG files, is not read. Give the file with each "
            "object's `bbox` or `segmentation`, or read the PNG files as masks."
        )


def _by_part(paths: list[PurePosixPath], places: list[str]) -> tuple[str, str] | None:
    """Return patterns where a part of a file's name is in its pictures' folder: instances_{part}.json with {part}."""
    stems, parents = [path.stem for path in paths], {path.parent for path in paths}
    before, after = _alike(stems), _alike([stem[::-1] for stem in stems])
    for start in (stems[0].rfind("_", 0, before) + 1, before):
        parts = [stem[start : len(stem) - (after if start == before else 0)] for stem in stems]
        written = {place.replace(part, "{part}") for place, part in zip(places, parts, strict=True) if part}
        if len(parents) == 1 and all(parts) and len(written) == 1 and "{part}" in (images := written.pop()):
            end = stems[0][start + len(parts[0]) :]
            return str(paths[0].parent / f"{stems[0][:start]}{{part}}{end}.json"), images
    return None


def _alike(texts: list[str]) -> int:
    """Return with how many letters in common texts begin."""
    return sum(1 for _ in itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False)))


def _coco_of(path: Path) -> dict[str, Any] | None:
    """Return the document of a file that has COCO's lists, or None."""
    try:
        document: Any = parse_json(path.read_bytes())
    except (ValueError, OSError):
        return None
    parts = ("images", "annotations", "categories")
    if not isinstance(document, dict) or any(not isinstance(document.get(part), list) for part in parts):
        return None
    found = cast(dict[str, Any], document)
    return {part: [entry for entry in found[part] if isinstance(entry, dict)] for part in parts}


def _is_category(entry: Entry) -> bool:
    return "name" in entry


def _place_of(document: dict[str, Any], path: Path, folder: Folder) -> str:
    """Return the folder that the file names of a document are relative to, nearest to the file; TODO where none is."""
    names = [str(image.get("file_name", "")) for image in document["images"][:20]]
    by_name: dict[str, list[Path]] = defaultdict(list)
    for image in folder.images:
        by_name[image.name].append(image)
    candidates: dict[Path, None] = {}
    for name in names:
        pure = PurePosixPath(name)
        for image in by_name.get(pure.name, []):
            if image.as_posix().endswith(f"/{name}"):
                candidates[image.parents[len(pure.parts) - 1]] = None
    there = {place: sum((place / name).is_file() for name in names) for place in candidates}
    most = max(there.values(), default=0)
    if most * 2 < len(names) or not most:
        return "TODO"
    fitting = [place for place, count in there.items() if count == most]
    shared = {place: _shared_depth(place, path.parent) for place in fitting}
    best = max(shared.values())
    nearest = [place for place in fitting if shared[place] == best]
    named_places = [place for place in nearest if path.stem.split("_")[-1] in place.parts or path.stem in place.parts]
    chosen = named_places if len(named_places) == 1 else nearest
    return folder.below(chosen[0]) if len(chosen) == 1 else "TODO"


def _shared_depth(one: Path, other: Path) -> int:
    return sum(a == b for a, b in zip(one.parts, other.parts, strict=False))


def _as_pattern(paths: list[PurePosixPath]) -> str:
    """Return one pattern for the files."""
    if len(paths) == 1:
        return str(paths[0])
    if len({len(path.parts) for path in paths}) > 1:
        return "**/*.json"
    columns = list(zip(*(path.parts for path in paths), strict=True))
    written = [column[0] if len(set(column)) == 1 else "*" for column in columns[:-1]]
    return "/".join([*written, "*.json"])


@functools.lru_cache(maxsize=1)
def _load(path: Path, modified_ns: int) -> dict[str, Any]:
    del modified_ns  # another file under the same name is another entry of the cache
    try:
        document: Any = parse_json(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}). Download it again.") from error
    parts = ("images", "annotations", "categories")
    if not isinstance(document, dict) or any(not isinstance(document.get(part), list) for part in parts):
        raise UserError(
            f"{path}: not a COCO file: it needs the lists `images`, `annotations` and `categories`. Name the file "
            "that has them in the card."
        )
    for part in parts:
        odd = next((entry for entry in cast(list[Any], document[part]) if not isinstance(entry, dict)), None)
        if odd is not None:
            raise UserError(
                f"{path}: not a COCO file: `{part}` holds {odd!r:.40}, where each entry is an object. Correct it."
            )
    return cast(dict[str, Any], document)


def _is_set(flag: Any) -> bool:
    """Return whether a flag is set, which tools write as a number, a truth value or a text."""
    return str(flag or 0).strip().lower() not in ("0", "0.0", "false", "none", "")


def _id(value: Any) -> str:
    """Return an id as text, so that `1`, `"1"` and `1.0` meet; nothing for none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def _categories(entries: list[Entry], path: Path) -> dict[str, str]:
    """Return id ▶ name.

    Raises:
        UserError: Two names have one id.
    """
    found: dict[str, str] = {}
    for entry in entries:
        number, name = _id(entry.get("id")), str(entry.get("name"))
        if found.setdefault(number, name) != name:
            raise UserError(f'{path}: category {number} is both "{found[number]}" and "{name}". Give each its own id.')
    return found


def _each_once(annotations: list[Entry]) -> Iterator[Entry]:
    """Yield annotations; one that is there twice, id and all, is one."""
    seen: dict[str, Entry] = {}
    for entry in annotations:
        number = _id(entry.get("id"))
        if not number or seen.setdefault(number, entry) is entry or seen[number] != entry:
            yield entry


def _entries_by_file(images: list[Entry]) -> dict[str, list[Entry]]:
    """Return file name ▶ its entries, of which a picture has several where it was listed under several ids."""
    found: dict[str, list[Entry]] = {}
    for image in images:
        found.setdefault(str(image.get("file_name", "")), []).append(image)
    return found


def _stated_size(entries: list[Entry]) -> list[int] | None:
    """Return width and height, both of each size where the entries differ, or None where they state none."""
    stated = (size_of(entry.get("width"), entry.get("height")) for entry in entries)
    return [number for size in sorted({size for size in stated if size}) for number in size] or None


def _corners(value: Any, form: Form, where: str, file: str) -> tuple[float, float, float, float]:
    """Return the corners of a box."""
    try:
        x, y, width, height = (float(number) for number in value)
    except (TypeError, ValueError, OverflowError) as error:
        raise SourceError("box unreadable", f"{where} has no four numbers in bbox", file) from error
    return (x, y, width, height) if form == "xyxy" else (x, y, x + width, y + height)


def segmentation_mask(mark: Entry, picture: MarkedPicture, where: str, file: str) -> npt.NDArray[np.uint8]:
    """Return the mask of one annotation on the shown picture: polygons, RLE, or compressed RLE.

    Raises:
        SourceError: None of them, one that does not fit the image, or polygons that hold no pixel's centre.
    """
    value: Any = mark.get("segmentation")
    annotated: Size = picture.fit.annotated
    try:
        if isinstance(value, dict):
            run_lengths = cast(dict[str, Any], value)
            rows, columns = (int(size) for size in run_lengths["size"])
            if (columns, rows) != annotated:
                detail = f"{where}: its mask is {run_lengths['size']}, the image {[*annotated[::-1]]} (rows, columns)"
                raise SourceError("mask of another size", detail, file)
            counts: Any = run_lengths["counts"]
            return picture.fit.mask(
                decode_rle(
                    unpack_counts(counts, rows * columns) if isinstance(counts, str) else counts, (rows, columns)
                )
            )
        if not value:
            raise ValueError("it has no polygon and no run lengths")
        if any(isinstance(outline, dict) for outline in value):
            raise ValueError("its run lengths stand in a list, where one object has one mask")
        outlines = [np.asarray(outline, np.float64) for outline in value]
        if any(outline.ndim != 1 or len(outline) % 2 for outline in outlines):
            raise ValueError("a polygon is a list of x, y, x, y …, and a segmentation a list of polygons")
        outlines = [outline.reshape(-1, 2) for outline in outlines]
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError("segmentation unreadable", f"{where}: {error}", file) from error
    return outlines_mask([picture.fit.points(outline) for outline in outlines], picture.size_px, where, file)
