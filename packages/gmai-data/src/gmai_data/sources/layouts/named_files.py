"""Labels in names: the class is a part of each file's name or path."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from gmai_data.ledger import Ledger
from gmai_data.sources.annotations.labelled import labelled_pictures
from gmai_data.sources.annotations.mask_files import named_items
from gmai_data.sources.card import Card
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import Layout
from gmai_data.sources.names import CLASS, name_pattern, patterns_of

_PLACES = (
    ("first word", re.compile(r"^([^\W\d_]+)[ _.-]*\d"), "CLASS*"),
    ("last word", re.compile(r"\d[ _.-]+([^\W\d_]+)$"), "*CLASS.*"),
    ("last number", re.compile(r"\d[ _-]+(\d)$"), "*_CLASS.*"),
)
"""Where a name may have its class, the expression that finds it, and the pattern."""
_MOST_CLASSES, _FEWEST = 30, 2


class NamedFiles(Layout):
    """Files whose name or path holds the class: `CXR_png/CHNCXR_{id}_{class}.png`."""

    kind: Literal["named_files"]
    files: str | tuple[str, ...]
    """Pattern of the images or volumes, or several. `{name}` captures a part of the path, `{name:REGEX}` what an
    expression allows: `{class}` is the raw label, `{patient}` the group, `{split}` the publisher's split."""

    @model_validator(mode="after")
    def _has_class(self) -> Self:
        for pattern in patterns_of(self.files):
            if CLASS not in name_pattern(pattern).names:
                raise ValueError(f"`{pattern}` captures no {{class}}; say where the name has it")
        return self

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per file that fits a pattern."""
        yield from named_items(card, root, patterns_of(self.files), what="files")

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the picture, or the slices of the volume, with its class."""
        yield from labelled_pictures(item, card, root, ledger)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where the names in one folder begin or end with a few words: which is left open."""
        files = folder.images
        if len({path.parent for path in files}) != 1:
            return None
        above = folder.below(files[0].parent) if files[0].parent != folder.root else ""
        notes: list[str] = []
        labels: list[str] = []
        for place, form, pattern in _PLACES:
            found = [form.search(path.stem) for path in files]
            words = Counter(match[1] for match in found if match)
            if all(found) and 2 <= len(words) <= _MOST_CLASSES and min(words.values()) >= _FEWEST:
                counts = ", ".join(f"{word} {count}" for word, count in words.items())
                name = pattern.replace("CLASS", f"{{class:{'|'.join(words)}}}")
                whole = f"{above}{'/' if above else ''}{name}"
                notes.append(f"files: `{whole}` if the {place} of a name is its class ({counts})")
                labels = labels or list(words)
        if not notes:
            return None
        return Guess("names with a few words", "2d_classification", {"kind": "named_files", "files": "TODO"}, labels,
                     notes=(*notes, "files: or name the class otherwise"))  # fmt: skip
