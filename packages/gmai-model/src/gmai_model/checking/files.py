"""The JSON files of a checkpoint folder."""

from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError
from gmai_formats.json_text import read_json_object

_AGAIN = "Write or download the checkpoint again."


class Files:
    """The JSON files of a checkpoint folder; an absent one reads as empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sized = True
        """Whether config.json gives the sizes that the tensors have; else other files are not measured by them."""
        self.config = self.read("config.json")
        self.text: dict[str, Any] = self._part("text_config")
        self.tokenizer = self.read("tokenizer_config.json")
        self.processor = self.read("processor_config.json")
        self.image_processor = self.read("preprocessor_config.json")
        self.generation = self.read("generation_config.json")
        self.foreign = not self.read("gmai.json").get("settings")
        """Whether nothing says which settings it was made with."""
        self.vision: dict[str, Any] = self._part("vision_config")

    def read(self, name: str) -> dict[str, Any]:
        """Return a JSON file, empty where it is absent."""
        path = self.folder / name
        return read_json_object(path, remedy=_AGAIN) if path.exists() else {}

    def _part(self, name: str) -> dict[str, Any]:
        found = self.config.get(name, {})
        if not isinstance(found, dict):
            raise UserError(f"{self.folder / 'config.json'}: {name} is {found!r}, where an object is due. {_AGAIN}")
        return cast("dict[str, Any]", found)

    @property
    def features(self) -> int | None:
        """Features of one image, None where config.json does not say."""
        size, patch = self.vision.get("image_size"), self.vision.get("patch_size")
        if not isinstance(size, int) or not isinstance(patch, int) or not patch:
            return None
        whole = self.config.get("vision_feature_select_strategy", "default") == "full"
        return (size // patch) ** 2 + int(whole and self.vision.get("model_type") == "clip_vision_model")

    def has(self, name: str) -> bool:
        """Return whether the folder holds a file."""
        return (self.folder / name).is_file()
