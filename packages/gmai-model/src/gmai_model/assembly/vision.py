"""The vision encoder's side: a CLIP, SigLIP or open_clip folder ▶ tensors, settings and how it prepares an image."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_formats.checkpoints import require_bounded
from gmai_formats.errors import UserError
from gmai_formats.json_text import read_json_object
from torch import Tensor

from gmai_model.assembly import open_clip
from gmai_model.assembly.families import VISION
from gmai_model.assembly.language import AGAIN, read_config
from gmai_model.assembly.layout import configuration, square_side, vision_shapes
from gmai_model.assembly.weights import WeightFiles

_NOT_KEPT = ("text_model.", "text_projection.", "visual_projection.", "logit_scale", "logit_bias", "vision_model.head.",
             "head.")  # fmt: skip
"""Tensors that only a whole model has: the text side, and what makes one vector of an image; LLaVA reads patches."""


@dataclass(frozen=True)
class Preparation:
    """How the source prepares an image, kept as it is."""

    mean: list[float]
    std: list[float]
    resample: int
    """The filter, as Pillow numbers it: 2 bilinear, 3 bicubic."""
    rescale_factor: float
    where: str
    """The file that says so, or that there is none."""


class VisionEncoder:
    """A vision encoder's folder.

    Raises:
        UserError: Of a kind that is not taken, quantised or broken weights, or tensors or settings that contradict its
            configuration.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        require_bounded(folder)
        self.is_open_clip = _is_open_clip(folder)
        if self.is_open_clip:
            self.kind = "open_clip"
            settings, prepared = open_clip.read(folder)
            self.weights = WeightFiles(folder, stem=open_clip.STEM)
        else:
            config = read_config(folder)
            settings: dict[str, Any] = config.get("vision_config", config)
            kind = settings.get("model_type", config.get("model_type"))
            if kind not in VISION:
                raise UserError(
                    f"{folder / 'config.json'}: model_type is {kind!r}. The vision encoder must be one of "
                    f"{', '.join(VISION)} (`gmai model families` says which these are), for example "
                    f"openai/clip-vit-large-patch14-336."
                )
            self.kind: str = kind
            self.weights = WeightFiles(folder)
            if "image_size" in settings:
                settings = {**settings, "image_size": square_side(settings["image_size"])}
            prepared = _read_preparation(folder)
        self.family = VISION[self.kind]
        self.is_siglip = self.family.vision_type == "siglip_vision_model"
        kept = {key: value for key, value in settings.items() if key != "model_type"}
        if self.is_siglip:
            kept["vision_use_head"] = False
        self.config: dict[str, Any] = configuration({"model_type": self.family.vision_type, **kept}).to_dict()
        self.preparation = self._preparation(prepared)
        self._check_size(prepared)
        self._check_shapes()

    @property
    def strategy(self) -> str:
        """Which features a LLaVA takes: all but CLIP's class token, or all where there is none."""
        return "full" if self.is_siglip else "default"

    @property
    def tokens(self) -> int:
        """Features of one image."""
        return (self.config["image_size"] // self.config["patch_size"]) ** 2

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors under their classic names, leaving out what makes one vector of an image."""
        for name, tensor in self.weights.tensors():
            for target, part in self._parts(name, tensor):
                yield f"vision_tower.{target}", part

    def _parts(self, name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        if self.is_open_clip:
            yield from open_clip.parts(name, tensor)
        elif (target := _kept(name)) is not None:
            yield target, tensor

    def _check_shapes(self) -> None:
        needs = vision_shapes(self.config)
        for name in self.weights.names():
            if self.is_open_clip:
                found = open_clip.shapes(name, self.weights.shape(name))
            else:
                target = _kept(name)
                found = {} if target is None else {target: self.weights.shape(name)}
            if found:
                self.weights.dtype(name)  # refuses a quantised tensor
            for target, shape in found.items():
                expected = needs.pop(target, None)
                if shape != expected:
                    raise UserError(
                        f"{self.folder}: {name} is {shape}, config.json calls for {expected or 'no such tensor'} "
                        f"(hidden_size {self.config['hidden_size']}, {self.config['num_hidden_layers']} layers). The "
                        f"two must agree. Download the model again."
                    )
        if needs:
            raise UserError(
                f"{self.folder}: no tensor for {sorted(needs)[0]} ({len(needs)} such), which config.json calls for. "
                f"Download the model again."
            )

    def _preparation(self, prepared: dict[str, Any]) -> Preparation:
        where = prepared.get("where", f"{self.family.title}, since the source has no preprocessor_config.json")
        for key in ("do_normalize", "do_rescale", "do_resize"):
            if prepared.get(key) is False:
                raise UserError(
                    f"{self.folder / where}: {key} is false. A LLaVA's image processor always does that. Choose "
                    f"another vision encoder."
                )
        try:
            found = Preparation(
                mean=_three(prepared.get("image_mean") or self.family.mean),
                std=_three(prepared.get("image_std") or self.family.std),
                resample=int(self.family.resample if (given := prepared.get("resample")) is None else given),
                rescale_factor=float(prepared.get("rescale_factor") or 1 / 255), where=where,
            )  # fmt: skip
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{self.folder / where}: image_mean, image_std, rescale_factor or resample is no number ({error}). "
                f"resample is Pillow's number of a filter: 2 bilinear, 3 bicubic. Correct it."
            ) from error
        if len(found.mean) != 3 or len(found.std) != 3 or min(found.std) <= 0:
            raise UserError(
                f"{self.folder / where}: image_mean is {found.mean}, image_std {found.std}. Each must be three "
                f"numbers, and a deviation above 0. Download the model again."
            )
        return found

    def _check_size(self, prepared: dict[str, Any]) -> None:
        size, patch = self.config["image_size"], self.config["patch_size"]
        if (channels := self.config.get("num_channels", 3)) != 3:
            raise UserError(
                f"{self.folder}: num_channels is {channels}. Images are shown in three channels, grey ones too. Choose "
                f"another vision encoder."
            )
        if not self.is_siglip and size % patch:
            raise UserError(
                f"{self.folder}: image_size {size} is no multiple of patch_size {patch}, which vLLM's CLIP refuses. "
                f"Choose another vision encoder."
            )
        for key in ("crop_size", "size"):
            given = prepared.get(key)
            sides = set(given.values()) if isinstance(given, dict) else {given}
            if given is not None and sides - {size, None}:
                raise UserError(
                    f"{self.folder / prepared['where']}: {key} is {given}, the vision encoder takes {size} px. The two "
                    f"must agree. Download the model again."
                )


def _three(value: Any) -> list[float]:
    """Return a number for each channel; one that stands alone is that of all three, as transformers takes it."""
    return [float(value)] * 3 if isinstance(value, int | float) else [float(each) for each in value]


def _is_open_clip(folder: Path) -> bool:
    """Return whether open_clip's layout is the one to read: a `config.json` beside it may be timm's."""
    if not (folder / open_clip.CONFIG).is_file():
        return False
    path = folder / "config.json"
    config = read_json_object(path, remedy=AGAIN) if path.is_file() else {}
    whole = any((folder / name).is_file() for name in ("model.safetensors", "model.safetensors.index.json"))
    return not (whole and config.get("model_type") in VISION)


def _kept(name: str) -> str | None:
    """Return the classic name of a tensor of the vision encoder, None for others."""
    if name.startswith(_NOT_KEPT) or name.endswith("position_ids"):  # a buffer that old checkpoints saved
        return None
    return f"vision_model.{name.removeprefix('vision_model.')}"


def _read_preparation(folder: Path) -> dict[str, Any]:
    """Return how an image is prepared, from the file that says so: transformers', else open_clip's.

    Raises:
        UserError: Both are there and contradict one another.
    """
    found: dict[str, Any] = {}
    for name in ("preprocessor_config.json", "processor_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        content = read_json_object(path, remedy=AGAIN)
        content = content.get("image_processor", content)
        if "image_mean" in content or "image_processor_type" in content:
            found = {**content, "where": name}
            break
    if not (folder / open_clip.CONFIG).is_file():
        return found
    other = open_clip.read_preparation(folder)
    for key in ("image_mean", "image_std", "resample"):
        if None not in (found.get(key), other[key]) and found[key] != other[key]:
            raise UserError(
                f"{folder}: {key} is {found[key]} in {found['where']}, {other[key]} in {open_clip.CONFIG}. The two "
                f"must agree. Correct or delete the wrong file."
            )
    return found or other
