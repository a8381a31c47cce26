"""The tensors of a checkpoint: classic name ▶ shape, from its configuration alone, as transformers' classes say."""

import contextlib
import copy
from collections.abc import Generator, Mapping
from typing import Any

import torch
from gmai_formats.errors import UserError
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, LlavaConfig, LlavaForConditionalGeneration

Shape = tuple[int, ...]
UNBUILDABLE = (
    TypeError, ValueError, LookupError, StrictDataclassError, ArithmeticError, AssertionError, AttributeError,
    ImportError, RuntimeError,
)  # fmt: skip
"""What transformers raises for settings that no model has."""
_BOUNDS = {
    "num_hidden_layers": 512, "hidden_size": 2**17, "intermediate_size": 2**19, "vocab_size": 2**23,
    "image_size": 2**14, "patch_size": 2**14, "num_attention_heads": 2**12, "num_key_value_heads": 2**12,
    "head_dim": 2**14,
}  # fmt: skip
"""Beyond these no model is, and building even an empty one would take hours."""


def expected_shapes(config: Mapping[str, Any]) -> dict[str, Shape]:
    """Return every tensor of a LLaVA under its classic name.

    Args:
        config: The checkpoint's `config.json`.

    Raises:
        UserError: A size that no model has, or settings that transformers does not take.
    """
    check_sizes(config["text_config"])
    check_sizes(config["vision_config"])
    whole = LlavaConfig(**copy.deepcopy({key: value for key, value in config.items() if key != "model_type"}))
    return {classic_name(name): shape for name, shape in _shapes(LlavaForConditionalGeneration, whole).items()}


def text_shapes(text: Mapping[str, Any]) -> dict[str, Shape]:
    """Return the tensors of a language model with an output matrix of its own."""
    return _own_shapes(AutoModelForCausalLM.from_config, text)


def vision_shapes(vision: Mapping[str, Any]) -> dict[str, Shape]:
    """Return the tensors of a vision encoder, as `vision_model.…`."""
    shapes = _own_shapes(AutoModel.from_config, vision)
    return {f"vision_model.{name.removeprefix('vision_model.')}": shape for name, shape in shapes.items()}


def configuration(settings: Mapping[str, Any]) -> Any:
    """Return a text or vision configuration as transformers has it.

    Raises:
        UserError: A size that no model has, or settings that transformers does not take.
    """
    check_sizes(settings)
    with _taken(settings):
        return AutoConfig.for_model(**copy.deepcopy(dict(settings)))  # it writes into nested ones


@contextlib.contextmanager
def _taken(settings: Mapping[str, Any]) -> Generator[None]:
    try:
        yield
    except UNBUILDABLE as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(
            f"config.json: transformers does not take it as {settings.get('model_type')!r} ({reason}). A setting is "
            f"unknown to this class, or missing. Download the model again, or choose another."
        ) from error


def check_sizes(settings: Mapping[str, Any]) -> None:
    """Refuse settings of a text or vision configuration that no model has.

    Raises:
        UserError: The first of them.
    """
    for key, bound in _BOUNDS.items():
        value = settings.get(key)
        if value is not None and (type(value) is not int or not 0 < value <= bound):
            raise UserError(
                f"config.json: {key} is {value!r}. It must be a whole number from 1 to {bound:,}. Correct it, or "
                f"download the model again."
            )


def square_side(size: Any) -> Any:
    """Return the side where a size is written as two equal ones, `[224, 224]`; else what is given."""
    sides: list[Any] = list(size) if isinstance(size, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]
    return sides[0] if len(sides) == 2 and sides[0] == sides[1] else size


def _own_shapes(build: Any, settings: Mapping[str, Any]) -> dict[str, Shape]:
    config = configuration(settings)
    with _taken(settings):
        return _shapes(build, config)


def _shapes(build: Any, config: Any) -> dict[str, Shape]:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in build(config).state_dict().items()}


def classic_name(name: str) -> str:
    """Return the name that 4.x and vLLM look for, given one that transformers 5 may have written.

    A LLaVA built in memory by transformers 5 is saved with `vision_tower.embeddings…`; older ones have
    `model.language_model…` and a top-level `lm_head`.
    """
    name = (
        name.removeprefix("model.") if name.startswith(("model.vision_tower", "model.multi_modal_projector")) else name
    )
    if name.startswith("model.language_model."):
        name = f"language_model.model.{name.removeprefix('model.language_model.')}"
    if name.startswith("lm_head."):
        name = f"language_model.{name}"
    rest = name.removeprefix("vision_tower.")
    if rest != name and rest.split(".")[0] in {"embeddings", "encoder", "pre_layrnorm", "post_layernorm", "head"}:
        name = f"vision_tower.vision_model.{rest}"
    return name
