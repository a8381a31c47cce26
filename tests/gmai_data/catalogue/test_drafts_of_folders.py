"""What `gmai data recipes new` makes of about 80 folders as their publishers distribute them, drawn in miniature.

`drafted_folders.yaml` has the names of each folder, its tables with invented rows, and the draft that is right, or
honest: TODO where only the publisher knows, never a table with another split's pictures, a mask for an image, a split
for a class or a day for a label.
"""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.cards.drafts import draft
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.listing import list_sources

FOLDERS = yaml.safe_load(Path(__file__).with_name("drafted_folders.yaml").read_text(encoding="utf-8"))
KNOWN = {"modality": "CT", "department": "Oncology", "clinical_task": "Bone", "license": "MIT"}
MASK = re.compile(
    r"mask|_gt|seg(?![a-z])|segm|label|ground.?truth|manual|[12](?:st|nd)HO|lesion\.|msk|roi/", re.IGNORECASE
)


@pytest.fixture
def drawn(draw):
    """Return a function of a folder's description that draws it."""

    def make(folder):
        names = [name for name in folder["names"] if not name.endswith(".npz")]
        alone = "{label}" in str(folder["draft"]["layout"])  # a file of each structure
        volumes = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd")
        masks = folder.get("masks", {}) | {
            name.replace("[", "[[]"): [1, 2] if name.lower().endswith(volumes) and not alone else "binary"
            for name in names
            if MASK.search(name)
        }
        root = draw({"files": folder.get("files", {}), "names": "\n".join(names), "masks": masks})
        for name in set(folder["names"]) - set(names):
            arrays = {f"{split}_images": np.zeros((2, 8, 8), np.uint8) for split in ("train", "val", "test")}
            arrays |= {f"{split}_labels": np.zeros((2, 1), np.uint8) for split in ("train", "val", "test")}
            np.savez(root / name, **arrays)
        return root

    return make


@pytest.mark.parametrize("name", FOLDERS)
def test_a_draft_is_right_or_says_what_it_cannot_tell(name, drawn):
    folder = FOLDERS[name]
    root = drawn(folder)
    expected = folder["draft"]
    _, text = draft(root)
    card = yaml.safe_load(text)
    assert card["layout"] == expected["layout"]
    assert list(card["labels"]) == expected["labels"]
    assert card.get("split") == expected.get("split")
    if "TODO" in card["layout"].values():
        field = next(field for field, value in card["layout"].items() if value == "TODO")
        assert re.search(rf"^# .*{field}\b.*", text, re.MULTILINE), "what is open has its candidates"
        return
    recipe = Recipe.model_validate(card | KNOWN)
    (listing,) = list_sources([Source(recipe, root)], None)
    assert len(listing.items) == expected["items"]
    for item in listing.items:
        splits = [
            {part.lower() for part in Path(file).parts} & {"train", "training", "test", "val"} for file in item.files
        ]
        assert all(one == splits[0] or not one for one in splits), "a mask of another split"
