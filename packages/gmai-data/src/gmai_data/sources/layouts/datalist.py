"""Lists of entries in JSON or JSON Lines, each with an image and its mask or label, such as MONAI's data lists."""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.files import is_file, is_folder
from gmai_formats.json_text import parse_json
from pydantic import Field

from gmai_data.imaging.source_files import as_on_disk, below
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.annotations.label_volumes import Layer, whole_numbers
from gmai_data.sources.annotations.labelled import labelled_pictures
from gmai_data.sources.annotations.volume_slices import slices_of_volume
from gmai_data.sources.card import Card
from gmai_data.sources.drafting.label_names import names_of_dataset
from gmai_data.sources.drafting.mask_values import values_of_masks
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.volume_files import VOLUME_ENDINGS, load_channel, load_masks
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import IMAGE_ENDINGS, SPLIT_NAMES, Layout
from gmai_data.sources.layouts.image_mask import ImageMask
from gmai_data.vocabulary import Split

Entry = dict[str, Any]
_FILE_ENDINGS = (*VOLUME_ENDINGS, *IMAGE_ENDINGS)
_SECTIONS = {**SPLIT_NAMES, "testing": Split.HELD_OUT}
_IMAGE_KEYS = ("image", "img", "file_name", "filename", "image_path", "img_path", "image_name", "path", "file", "scan")
_LABEL_KEYS = ("label", "labels", "mask", "seg", "segmentation", "class", "target", "category", "diagnosis", "finding",
               "findings")  # fmt: skip
_NO_LABEL = "published without a label"
_MOST_LABELS = 50
_BOXES = "boxes in space"
_PROBED_FILES, _PROBED = 20, 200


class Datalist(Layout):
    """Lists of entries with an image and its mask or label, as MONAI's: `{"training": [{"image": …, "label": …}]}`.

    Also a list without sections, JSON Lines with an entry a line, and a map of names to labels.
    """

    kind: Literal["datalist"]
    file: str
    """The JSON or JSON Lines file. Its sections are the publisher's split (`training`, `validation`, `test`, or as
    `split.names` says), where more than one of them has labels."""
    images: str = "{parent}"
    """Folder that paths are relative to; `{parent}` is the file's own."""
    image_key: str = "image"
    """Key of an entry's image; of a list of several, `channel` is shown."""
    label_key: str = "label"
    """Key of an entry's label: the path of a mask, a raw label, or a list of raw labels. An entry without one was
    published without, as those of MONAI's `test`, and is left out."""
    channel: int = Field(default=0, ge=0)
    """Which image of an entry with several, or which volume of the fourth axis, is shown."""
    encoding: Literal["index", "binary", "colour"] = "index"
    """Encoding of masks that are pictures, as in `image_mask`."""
    flags: bool = False
    """A list of 0 and 1 says of each raw label `0`, `1`, `2` … whether it holds."""
    fold: int | None = None
    """The entries whose `fold` is this number are for validation, all others for training; None: folds say nothing."""
    group_key: str | None = None
    """Key of an entry that names the patient or study."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per entry.

        Raises:
            UserError: There is no such file, or it holds no lists of entries.
        """
        path = below(root, self.file, recipe=card.name)
        if not path.is_file():
            raise UserError(f"{path}: no such file. Recipe {card.name} reads its entries there. Check --root.")
        sections = _sections(path, self.image_key, self.label_key)
        if not any(self.image_key in entry for entries in sections.values() for entry in entries):
            keys = sorted({key for entries in sections.values() for entry in entries for key in entry})
            raise UserError(
                f'{path}: no entry has the key "{self.image_key}".{did_you_mean(self.image_key, keys)} Set `image_key` '
                "in the layout."
            )
        names = {**_SECTIONS, **card.split.names}
        labelled = [name for name, entries in sections.items() if any(self._has_label(entry) for entry in entries)]
        place = self.images.replace("{parent}", PurePosixPath(self.file).parent.as_posix())
        for section, entries in sections.items():
            split = names.get(section) or names.get(section.lower())
            for number, entry in enumerate(entries, start=1):
                item = self.item(entry, f"{self.file}/{section or 'entry'} {number}", root, place)
                if self.fold is not None:
                    item = self._in_fold(item, entry)
                elif len(labelled) > 1 and split is not None:
                    item = item._replace(split=split)
                elif len(labelled) > 1 and item.problem is None:
                    problem = f'"{section}" is none of {", ".join(names)}; add it to `split.names`'
                    item = item._replace(problem=("not in the official split", problem))
                yield item

    def _has_label(self, entry: Entry) -> bool:
        return entry.get(self.label_key) not in (None, "", [])

    def _in_fold(self, item: Item, entry: Entry) -> Item:
        number = entry.get("fold")
        if isinstance(number, int | str) and str(number).strip().lstrip("-").isdigit():
            return item._replace(split=Split.VALIDATION if int(number) == self.fold else Split.TRAIN)
        if item.problem is not None or item.set_aside:
            return item
        return item._replace(problem=("not in the official split", "it has no `fold`, which the layout divides by"))

    def item(self, entry: Entry, where: str, root: Path, place: str) -> Item:
        """Return the item of an entry; what is wrong with it is its problem.

        Args:
            entry: As it stands in the file.
            where: Names it in the reasons.
            root: The source's folder.
            place: Folder below it that the paths are relative to.
        """
        value: Any = entry.get(self.image_key)
        paths: list[Any] = cast(list[Any], value) if isinstance(value, list) else [value]
        if not paths or not all(isinstance(each, str) and each.strip() for each in paths):
            return Item(where, (self.file,), problem=("entry without an image", f"{where} has no `{self.image_key}`"))
        if len(paths) > 1 and self.channel >= len(paths):
            detail = f"{where} has {len(paths)} images, of which `channel: {self.channel}` is none"
            return Item(where, (self.file,), problem=("no such channel", detail))
        image = _on_disk(root, place, paths[self.channel] if len(paths) > 1 else paths[0])
        group = str(entry.get(self.group_key, "")).strip() if self.group_key else ""
        item = Item(image, (image,), group, part="several" if len(paths) > 1 else "")
        if not self._has_label(entry):
            return item._replace(set_aside=_NO_LABEL)
        label: Any = entry[self.label_key]
        if "box" in entry:
            detail = f"{where} has boxes in space, which this layout does not read"
            return item._replace(problem=(_BOXES, detail))
        if isinstance(label, str) and _is_path(label, root, place):
            return item._replace(files=(image, _on_disk(root, place, label)))
        raw = self._raw_labels(label)
        if raw is None:
            detail = f"{where}: {label!r:.60} is neither the path of a mask nor a raw label, or a list of raw labels"
            return item._replace(problem=("label unreadable", detail))
        return item._replace(raw_labels=raw)

    def _raw_labels(self, label: Any) -> tuple[str, ...] | None:
        """Return the raw labels of an entry, or None where they cannot be read."""
        values: list[Any] = cast(list[Any], label) if isinstance(label, list) else [label]
        raw = [_raw(value) for value in values]
        if None in raw or any(isinstance(value, str) and value.lower().endswith(_FILE_ENDINGS) for value in values):
            return None
        if not self.flags:
            return tuple(dict.fromkeys(each for each in raw if each))
        if not isinstance(label, list) or not set(raw) <= {"0", "1"}:
            return None
        return tuple(str(number) for number, each in enumerate(raw) if each == "1")

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the picture, or the slices of the volume, with its mask or labels.

        Raises:
            SourceError: A file is missing or unreadable, sizes differ, or a label is unknown.
        """
        image_file, *mask_files = item.files
        if not mask_files:
            for raw in item.raw_labels:
                if self.flags and raw not in card.labels:
                    detail = f"{len(card.labels)} labels, but the list says that number {raw} holds"
                    raise SourceError("label not in the map", detail, image_file)
            yield from labelled_pictures(item, card, root, ledger)
            return
        if image_file.lower().endswith(VOLUME_ENDINGS):
            image = load_channel(root, image_file, 0 if item.part else self.channel)
            ((_, mask),) = load_masks(root, mask_files[0], key="gts", frames="none")
            yield from slices_of_volume(image, [Layer(whole_numbers(mask, mask_files[0]))], item, card, ledger)
            return
        masks = ImageMask.model_validate({"kind": "image_mask", "images": "*", "masks": "*", "encoding": self.encoding})
        yield from masks.read(item._replace(part=""), card, root, ledger)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where a JSON or JSON Lines file lists images that are there, with masks or labels."""
        for path in folder.with_ending(".json", ".jsonl", ".ndjson")[:_PROBED_FILES]:
            guess = _guess(path, folder)
            if guess is not None:
                return guess
        return None


def _raw(value: Any) -> str | None:
    """Return a raw label as text, `2.0` as `2`, or None where it is no single value."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool):
        value = int(value)
    return str(value).strip() if isinstance(value, str | int) else None


def _is_path(label: str, root: Path, place: str) -> bool:
    return label.lower().endswith(_FILE_ENDINGS) or is_file(root / _on_disk(root, place, label))


def _on_disk(root: Path, place: str, name: str) -> str:
    """Return the path of a file below the root; of one that was on another disk, as much of its end as is there."""
    parts = [part for part in PurePosixPath(name.strip().replace("\\", "/")).parts if part not in ("/", ".", "..")]
    first = as_on_disk(root, PurePosixPath(place, *parts).as_posix())
    for start in range(len(parts)):
        found = as_on_disk(root, PurePosixPath(place, *parts[start:]).as_posix())
        if is_file(root / found) or is_folder(root / found):
            return found
    return first


@functools.lru_cache(maxsize=2)
def _document(path: Path, modified_ns: int) -> Any:
    """Return what a file holds, of JSON Lines the list of its lines.

    Raises:
        UserError: It is no JSON.
    """
    del modified_ns  # another file under the same name is another entry of the cache
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            return [parse_json(line) for line in text.splitlines() if line.strip()]
        return parse_json(text)
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}). Download it again.") from error


def _sections(path: Path, image_key: str, label_key: str) -> Mapping[str, Sequence[Entry]]:
    """Return the entries of a file by their section; of a list without sections, under an empty name.

    Raises:
        UserError: It is no JSON, or holds no lists of entries.
    """
    found = _lists_of(_document(path, path.stat().st_mtime_ns), image_key, label_key)
    if not found:
        raise UserError(
            f'{path}: no lists of entries. A data list is {{"training": [{{"image": …, "label": …}}]}}, a list of such '
            "entries, or a map of names to labels."
        )
    return found


def _lists_of(document: Any, image_key: str, label_key: str) -> dict[str, list[Entry]]:
    if isinstance(document, list):
        return {"": _entries(cast(list[Any], document), image_key)}
    if not isinstance(document, dict):
        return {}
    members = cast(dict[str, Any], document)
    lists = {
        name: _entries(cast(list[Any], value), image_key)
        for name, value in members.items()
        if isinstance(value, list) and (name.lower() in _SECTIONS or _has_image(cast(list[Any], value), image_key))
    }
    if any(lists.values()):
        return lists
    named = [{image_key: name, label_key: value} for name, value in members.items()]
    return {"": named} if any(name.lower().endswith(_FILE_ENDINGS) for name in members) else {}


def _has_image(values: list[Any], image_key: str) -> bool:
    return bool(values) and isinstance(values[0], dict) and image_key in values[0]


def _entries(values: list[Any], image_key: str) -> list[Entry]:
    """Return entries as they are; one that is a path alone, as in the Decathlon's `test`, has no label."""
    return [cast(Entry, value) if isinstance(value, dict) else {image_key: value} for value in values]


def _guess(path: Path, folder: Folder) -> Guess | None:
    file = folder.below(path)
    for image_key in _IMAGE_KEYS:
        for label_key in _LABEL_KEYS:
            layout = {"kind": "datalist", "file": file, "image_key": image_key, "label_key": label_key}
            plain = {name: value for name, value in layout.items() if value not in ("image", "label")}
            try:
                sections = _sections(path, image_key, label_key)
            except (UserError, OSError):
                return None
            some = [entry for entries in sections.values() for entry in entries[:_PROBED]]
            both = [entry for entry in some if image_key in entry and label_key in entry]
            if not both:
                continue
            own = PurePosixPath(file).parent.as_posix()
            for place in dict.fromkeys((own, *_folders_of_images(folder))):
                probe = Datalist.model_validate({**layout, "images": place})
                items = [probe.item(entry, "an entry", folder.root, place) for entry in both]
                problems = {item.problem[0] for item in items if item.problem is not None}
                if problems <= {_BOXES} and all(is_file(folder.root / item.files[0]) for item in items):
                    there = {} if place == own else {"images": place}
                    return _described(plain | there, both, items, sections, folder)
    return None


def _folders_of_images(folder: Folder) -> list[str]:
    counted = Counter(folder.below(path.parent) for path in (*folder.images, *folder.volumes))
    return [place for place, _ in counted.most_common(_PROBED_FILES)]


def _described(
    layout: dict[str, Any], entries: Sequence[Entry], items: Sequence[Item], sections: Mapping[str, Sequence[Entry]],
    folder: Folder,
) -> Guess | None:  # fmt: skip
    """Return the draft for entries whose images were found, or None where their labels are texts."""
    label_key, image_key = layout.get("label_key", "label"), layout.get("image_key", "image")
    masks = [item.files[1] for item in items if len(item.files) > 1]
    volumes = items[0].files[0].lower().endswith(VOLUME_ENDINGS)
    path = folder.root / layout["file"]
    names = names_of_dataset(path) if path.suffix.lower() == ".json" else {}
    notes: list[str] = []
    if masks:
        found = values_of_masks(folder.root, masks)
        notes.append(f"{label_key}: {found.in_words()}")
        labels = list(dict.fromkeys((*names, *(found.raw_labels if found.files else ()))))
        if not volumes and found.encoding != "index":
            layout["encoding"] = found.encoding
    else:
        lists = [entry[label_key] for entry in entries if isinstance(entry[label_key], list)]
        if lists and len(lists) == len(entries) and {len(each) for each in lists} - {1} and _are_flags(lists):
            layout["flags"] = True
            labels = [str(number) for number in range(len(lists[0]))]
            notes.append(f"flags: the {len(lists[0])} numbers of {label_key} are read as yes and no of as many labels.")
        else:
            labels = sorted({raw for item in items for raw in item.raw_labels})
    if len(labels) > _MOST_LABELS and 2 * len(labels) > len(entries):
        return None  # texts
    several = {len(entry[image_key]) for entry in entries if isinstance(entry[image_key], list)} - {1}
    if several:
        notes.append(f"channel: an entry has {max(several)} images; say which is shown.")
    folds = sorted({str(entry["fold"]) for entry in entries if "fold" in entry})
    if folds:
        notes.append(f"fold: entries have the folds {', '.join(folds)}; `fold: {folds[0]}` makes that one validation.")
    if any("box" in entry for entry in entries):
        notes.append("box: boxes in space are not read: these entries go to the quarantine; give them masks.")
    counted = ", ".join(f"{name} {len(each)}" for name, each in sections.items() if name)
    if counted:
        notes.append(f"file: {counted}; where more than one of them has labels, they are the publisher's split.")
    task = ("3d" if volumes else "2d") + ("_segmentation" if masks else "_classification")
    return Guess("a list of images in JSON", task, layout, labels, names, tuple(notes))


def _are_flags(lists: Sequence[Any]) -> bool:
    values = [_raw(value) for each in lists for value in each]
    return len({len(each) for each in lists}) == 1 and set(values) <= {"0", "1"}
