"""Labels as folders: one folder per class."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from gmai_formats.errors import UserError
from gmai_formats.files import require_folder

from gmai_data.imaging.file_tree import files_below
from gmai_data.imaging.source_files import below
from gmai_data.ledger import Ledger, printable
from gmai_data.sources.annotations.labelled import labelled_pictures
from gmai_data.sources.card import Card
from gmai_data.sources.drafting.class_tree import class_tree, companion
from gmai_data.sources.drafting.patient_folders import are_patients
from gmai_data.sources.files.folder import VOLUMES, Folder, Guess
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import IMAGE_ENDINGS, SPLIT_NAMES, Layout


class FolderPerClass(Layout):
    """`<images>/<class>/**/<file>`: the folder's name is the raw label."""

    kind: Literal["folder_per_class"]
    images: str = "."
    """Folder that holds one folder per class."""
    extensions: tuple[str, ...] = IMAGE_ENDINGS
    """Endings of the files; those of volumes (`.nii.gz`) give slices, whose class is the volume's. An empty one stands
    for files of any name, as DICOM files have."""
    split_folder: bool = False
    """`<images>/<split>/<class>/<file>`: the first folder names the publisher's split, mapped by `split.names`."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield every image file; its class is the first folder below `self.images`."""
        top = below(root, self.images, recipe=card.name)
        require_folder(top, f"Recipe {card.name} expects one folder per class in it.")
        found = False
        before = len(str(top)) - len(str(root))
        for path in files_below(str(root), str(top)):
            parts = path[before:].lstrip("/").split("/")
            if len(parts) > 1 and path.lower().endswith(self.extensions):
                found = True
                file, parts[0] = printable(path), printable(parts[0])
                if self.split_folder:
                    split = (card.split.names or SPLIT_NAMES).get(parts[0])
                    yield Item(file, (file,), split=split, raw_labels=(parts[1] if len(parts) > 2 else "",))
                else:
                    yield Item(file, (file,), raw_labels=(parts[0],))
        if not found:
            raise UserError(
                f"{top}: no images with the endings {', '.join(self.extensions)} in sub-folders. Recipe "
                f"{card.name} expects one folder per class. Give its folder with --root."
            )

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the picture, or the slices of the volume, with its class."""
        yield from labelled_pictures(item, card, root, ledger)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where images lie in folders: anything that is no other layout."""
        files = folder.volumes or folder.images
        names = [folder.below(path) for path in files]
        tree = class_tree(names)
        if tree is None or are_patients(folder, tree.classes, files):
            return None
        ending = companion(names)
        if ending:
            note = (
                f"files: most pictures have another of their name and `{ending}`; say which of the two are the pictures"
            )
            classes = () if tree.pattern == "TODO" else tree.classes
            layout = {"kind": "named_files", "files": "TODO"}
            return Guess("pictures with others beside them", "2d_classification", layout, classes,
                         notes=(note, *tree.notes))  # fmt: skip
        layout: dict[str, Any] = {"kind": "folder_per_class", **({"images": tree.above} if tree.above else {})}
        words, task = "a folder per class", "2d_classification"
        if folder.volumes:
            layout["extensions"] = [ending for ending in VOLUMES if folder.with_ending(ending)]
            words, task = "a folder of volumes per class", "3d_classification"
        if tree.has_splits:
            layout["split_folder"] = True
            words = words.replace("a folder", "a folder per split and", 1).replace("and per", "and")
        if tree.pattern:
            layout = {"kind": "named_files", "files": tree.pattern}
        splits = {name: str(split) for name, split in tree.splits.items()}
        return Guess(words, task, layout, list(tree.classes), notes=tree.notes, splits=splits)
