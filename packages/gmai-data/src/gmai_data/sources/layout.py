"""What every layout has: settings, a reader, and how it is recognised in a folder.

All paths and patterns are relative to the recipe's root; patterns are those of `pathlib.Path.glob`. In a setting,
`{stem}`, `{parent}` and `{label}` stand for the image's name without ending, its folder, and each raw label.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from gmai_data.ledger import Ledger
from gmai_data.sources.card import Card
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.items import Item, ItemImage
from gmai_data.vocabulary import Split

IMAGE_ENDINGS = (
    ".png", ".jpg", ".jpeg", ".jfif", ".jp2", ".webp", ".gif", ".bmp", ".pgm", ".ppm", ".tif", ".tiff", ".dcm",
    ".dicom",
)  # fmt: skip


SPLIT_NAMES = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.HELD_OUT,
}
"""What publishers call their splits, for layouts whose files name them where the card's `split.names` is empty."""


class Layout(BaseModel, ABC):
    """How a dataset lies on disk. Listing is cheap and touches no pixels; reading takes one item at a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    is_of_volumes: ClassVar[bool] = False
    """One item gives many pictures."""

    @property
    def lists_folder(self) -> str:
        """Return the folder below the root that the split lists of `split.official` lie in."""
        return "."

    @abstractmethod
    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield what the source holds, in a stable order.

        Raises:
            UserError: The source as a whole is not what the card describes (no such folder, table or column).
        """

    @abstractmethod
    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the pictures of one item; unusable boxes go to the ledger.

        Raises:
            SourceError: The item cannot be used.
        """

    @classmethod
    @abstractmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return the draft of a card's layout where the folder looks like this one, or None."""
