"""Which masks belong to a picture or volume: the path that a card gives, with what the picture is called in it."""

import glob
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.files import is_file

from gmai_data.imaging.source_files import as_on_disk, below, relative_to
from gmai_data.sources.card import Card
from gmai_data.sources.files.array_containers import HDF5_ENDINGS, MAT_ENDINGS
from gmai_data.sources.items import Item
from gmai_data.sources.names import Named, find_named, is_pattern, placeholders, require_known

NO_MASK = "published without a mask"
CONTAINERS = (".npz", *HDF5_ENDINGS, *MAT_ENDINGS)
"""Endings of files that may hold a picture and its mask under two names."""
Masks = str | tuple[str, ...] | dict[str, str]
"""A path; several, each of which may have masks of the picture; or raw label ▶ path, for files per structure."""


def masks_known(masks: Masks, images: Sequence[str]) -> None:
    """Refuse masks with a placeholder that the patterns of the images do not fill.

    Raises:
        ValueError: There is one, or a pattern is none.
    """
    for path in _paths(masks).values():
        require_known(path, *images)


def named_items(card: Card, root: Path, images: Sequence[str], *, what: str) -> Iterator[Item]:
    """Yield an item per file, with the patient, class and split that its name says.

    Raises:
        UserError: No file fits.
    """
    for _, image in find_named(root, images, recipe=card.name, what=what):
        yield image.item(card)


def items_with_masks(
    card: Card, root: Path, images: Sequence[str], masks: Masks, missing: str, without_mask: str, *, what: str
) -> Iterator[Item]:
    """Yield an item per picture with all of its masks, and with the patient, class and split that its name says.

    Args:
        card: Gives the structures.
        root: The source's folder.
        images: Patterns of the pictures or volumes.
        masks: Path of the masks below the root, with placeholders; with `{label}` one file per structure; a pattern may
            find several masks, which then all belong to the picture.
        missing: `uncertain` leaves structures without a file open.
        without_mask: `leave_out` sets pictures without a mask aside.
        what: What the pictures are, in messages.

    Raises:
        UserError: No picture fits, a path leads out of the root, or a picture is its own mask.
    """
    for path in _paths(masks).values():
        below(root, path, recipe=card.name)
    owners: dict[str, str] = {}
    for pattern, image in find_named(root, images, recipe=card.name, what=what):
        found = _masks_of(card, root, image, pattern, masks)
        per_structure = isinstance(masks, dict) or any("{label}" in path for path in _paths(masks).values())
        item = image.item(card)
        if not found and without_mask == "leave_out":
            yield item._replace(set_aside=NO_MASK)
            continue
        problem = item.problem
        for _, mask in found:
            owner = owners.setdefault(mask, image.file)
            if owner != image.file:
                problem = ("mask of two pictures", f"{mask} belongs to {owner}, too; make the pattern narrower")
        known = {raw for raw, _ in found}
        uncertain = tuple(
            raw for raw in _structures(card, masks) if per_structure and raw not in known and missing == "uncertain"
        )
        files, structures = tuple(mask for _, mask in found), tuple(raw for raw, _ in found)
        if not files and not per_structure:
            files = tuple(_filled(path, image, pattern) for path in _paths(masks).values())
            if image.file in files and not image.file.lower().endswith(CONTAINERS):
                raise UserError(
                    f"{card.name}: {image.file} is found as an image (`{pattern}`) and as its own mask. "
                    "Give images and masks paths of their own: one of the two patterns finds files of the other kind."
                )
        yield item._replace(
            files=(image.file, *files),
            uncertain=uncertain,
            problem=problem,
            pattern=_filled(masks, image, pattern) if isinstance(masks, str) and per_structure else "",
            structures=structures if per_structure else None,
        )


def _masks_of(card: Card, root: Path, image: Named, pattern: str, masks: Masks) -> list[tuple[str, str]]:
    """Return (raw label or nothing, file) for each mask of a picture that is there, without the picture itself."""
    found: list[tuple[str, str]] = []
    for raw, path in _paths(masks).items():
        escape = is_pattern(path)
        for label in card.labels if "{label}" in path else (raw if isinstance(masks, dict) else "",):
            own = path.replace("{label}", glob.escape(label) if escape else label)
            found += [(label, file) for file in _files(root, _filled(own, image, pattern), escape)]
    return [pair for pair in dict.fromkeys(found) if pair[1] != image.file]


def _paths(masks: Masks) -> Mapping[str, str]:
    if isinstance(masks, str):
        return {"": masks}
    return masks if isinstance(masks, dict) else {path: path for path in masks}


def _structures(card: Card, masks: Masks) -> tuple[str, ...]:
    return tuple(masks) if isinstance(masks, dict) else tuple(card.labels)


def _files(root: Path, place: str, pattern: bool) -> list[str]:
    if pattern:
        return sorted(relative_to(root, path) for path in root.glob(place) if path.is_file())
    file = as_on_disk(root, place)
    return [file] if is_file(root / file) else []


def _filled(path: str, image: Named, pattern: str) -> str:
    escape = is_pattern(path)
    for name, value in placeholders(image, pattern).items():
        path = path.replace(f"{{{name}}}", glob.escape(value) if escape else value)
    return path
