"""A folder in the Brain Imaging Data Structure ▶ the draft of a card (https://bids-specification.readthedocs.io).

Names are made of entities (`sub-01_ses-2_run-1_T1w.nii.gz`); masks lie in `derivatives/` or beside their images, with
the suffix `mask` or `dseg`. The patient is the subject, whatever its sessions and runs.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from gmai_formats import separated

from gmai_data.sources.drafting.pairing import mask_files, pair
from gmai_data.sources.files.folder import VOLUMES, Folder, Guess

_ENTITY = re.compile(r"(?:^|_)([a-zA-Z]+)-([a-zA-Z0-9]+)")
_IMAGES = re.compile(r"_([A-Za-z0-9]+)\.nii(?:\.gz)?$")
_MASKS = ("dseg", "mask")
_NO_PICTURES = ("bold", "dwi", "sbref", "epi", "phasediff", "phase1", "phase2", "fieldmap", "magnitude1", "magnitude2")
"""Suffixes of series over time and of maps of the field, of which a slice shows nothing to name."""


def bids_guess(folder: Folder) -> Guess | None:
    """Return a draft where `dataset_description.json` and folders of subjects say that it is a BIDS dataset."""
    files = [folder.below(path) for path in folder.files]
    volumes = [file for file in files if _IMAGES.search(file) and "sub" in _entities(file)]
    if "dataset_description.json" not in files or not volumes:
        return None
    masks = [file for file in volumes if _suffix(file) in _MASKS]
    images = [file for file in volumes if _suffix(file) not in (*_MASKS, *_NO_PICTURES) and "derivatives/" not in file]
    if not images:
        return None
    pairs = [(image, mask) for mask in masks if (image := _image_of(mask, images)) is not None]
    suffixes = Counter(_suffix(image) for image in (image for image, _ in pairs)) or Counter(map(_suffix, images))
    suffix = suffixes.most_common(1)[0][0]
    chosen = [(image, mask) for image, mask in pairs if _suffix(image) == suffix]
    patterns = Counter(map(_pattern, (image for image in images if _suffix(image) == suffix)))
    others = ", ".join(sorted({_suffix(image) for image in images} - {suffix}))
    words = f"BIDS, images {suffix}" + (f" (also there: {others})" if others else "")
    if not chosen and (marks := [file for file in mask_files(files) if file.endswith(VOLUMES)]):
        if pair(images, marks, classes=False) is not None:
            return None  # the masks have names of their own, which pairing reads
        words += f"; {len(marks)} files are masks by their names, such as {marks[0]}, which no pattern pairs"
    if not chosen:
        layout = {"kind": "volume", "image": _only(list(patterns))}
        return Guess(words, "3d_classification", layout)
    found = Counter((_pattern(image), _pattern(mask)) for image, mask in chosen)
    (_, of_mask), _ = found.most_common(1)[0]
    paired = [image for image, mask in found if mask == of_mask]
    layout = {"kind": "volume", "image": _only(paired), "mask": of_mask}
    return Guess(f"{words} with masks", "3d_segmentation", layout, _labels(folder, files) or ["1"])


def _only(patterns: Sequence[str]) -> str | list[str]:
    return patterns[0] if len(patterns) == 1 else sorted(patterns)


def _entities(file: str) -> dict[str, str]:
    return dict(_ENTITY.findall(PurePosixPath(file).name))


def _suffix(file: str) -> str:
    found = _IMAGES.search(file)
    return found[1] if found else ""


def _pattern(file: str) -> str:
    """Return the path with subject, session and run as captured parts."""
    for entity, name in (("sub", "patient"), ("ses", "session"), ("run", "run")):
        file = re.sub(rf"((?:^|[/_]){entity}-)[a-zA-Z0-9]+", rf"\1{{{name}}}", file)
    return file


def _image_of(mask: str, images: Sequence[str]) -> str | None:
    """Return the image that has no other entities than the mask, of those the one with the most in common."""
    entities = _entities(mask)
    fits = [image for image in images if _entities(image).items() <= entities.items()]
    # A mask says its image's suffix by an entity (`label`, `desc`) only by habit: where several fit, T1w is usual.
    ordered = sorted(fits, key=lambda image: (-len(_entities(image)), _suffix(image) != "T1w", image))
    return ordered[0] if ordered else None


def _labels(folder: Folder, files: Sequence[str]) -> list[str]:
    """Return the values of the first look-up table of a segmentation, without the background."""
    table = next((file for file in files if file.endswith("dseg.tsv")), None)
    if table is None:
        return []
    with (folder.root / table).open(encoding="utf-8-sig", errors="replace", newline="") as opened:
        rows = separated.DictReader(opened, delimiter="\t", restval="")
        return [index for row in rows if (index := str(row.get("index") or "").strip()) not in ("", "0")]
