"""Augmented copies of a picture, known by their names: one group with their original, which no split divides."""

import re

_ROBOFLOW = re.compile(
    r"(?P<stem>[^/]+?)(?:[_.](?P<ending>jpe?g|png|bmp|webp|tiff?|heic|avif))?\.rf\.[0-9a-z]{16,}", re.IGNORECASE
)
"""`scan_jpg.rf.<hash>.jpg`, each copy with a hash of its own (https://docs.roboflow.com/datasets/dataset-versions)."""
_AUGMENTOR = re.compile(r"(?:output/)?[^/]*?_original_(?P<name>[^/]+\.\w+)_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""`CLASS_original_scan.jpg_<UUID>.jpg`, in a folder `output` (https://augmentor.readthedocs.io)."""
_WORDS = re.compile(
    r"(?P<stem>[^/]*\d[^/]*?)[ _.-]+(?:aug(?:mented)?|[hv]?-?flip(?:ped)?|mirror(?:ed)?|rot(?:at(?:ed?|ion))?)[ _.-]?"
    r"(?:(?:aug|horizontal|vertical|[hvxy]|lr|ud|left|right|cw|ccw|deg|n?\d+)[ _.-]?)*(?=\.[A-Za-z]\w*$|$)",
    re.IGNORECASE,
)
"""`scan1_flip.png`, `scan1_aug_3.png`, `scan1-rot90.jpg`; what names the original has a number in it."""
_MAY_BE = re.compile(r"\.rf\.|_original_|aug|flip|mirror|rot", re.IGNORECASE)


def original_of(key: str) -> str:
    """Return the path of the picture of which another is a copy, as far as its name says it; its own, if it is none.

    Copies need not have their original beside them: their names meet in what is returned.
    """
    if _MAY_BE.search(key) is None:
        return key
    place, slash, name = key.rpartition("/")
    if (found := _ROBOFLOW.match(name)) is not None:
        return f"{place}{slash}{found['stem']}.{found['ending'] or name.rpartition('.')[2]}"
    if (found := _AUGMENTOR.match(name)) is not None:
        folder = place.removesuffix("output").rstrip("/")
        return f"{folder}{slash if folder else ''}{found['name']}"
    if (found := _WORDS.match(name)) is not None:
        return f"{place}{slash}{found['stem']}{name[found.end() :]}"
    return key
