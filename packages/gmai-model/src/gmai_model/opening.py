"""A checkpoint ▶ its processor and its model, refused in a line where its files are not what a LLaVA needs."""

from pathlib import Path
from typing import Any

import torch
from gmai_formats.checkpoints import naming_opened, require_processor
from gmai_formats.errors import UserError
from gmai_formats.weights import not_finite, require_loaded
from transformers import AutoProcessor, LlavaForConditionalGeneration


def open_processor(model: Path) -> Any:
    """Return the processor of a checkpoint, which takes images and texts.

    Raises:
        UserError: It does not open, or is something else.
    """
    with naming_opened(model):
        processor: Any = AutoProcessor.from_pretrained(model, trust_remote_code=False, local_files_only=True)
        require_processor(str(model), processor)
    return processor


def open_llava(model: Path, dtype: torch.dtype) -> LlavaForConditionalGeneration:
    """Return the model of a checkpoint, all of whose weights come from its files and are numbers.

    Raises:
        UserError: It does not open, or a weight is absent, of another shape, or not finite.
    """
    with naming_opened(model):
        loaded: Any = LlavaForConditionalGeneration.from_pretrained(
            model, dtype=dtype, local_files_only=True, use_safetensors=True, attn_implementation="sdpa",
            output_loading_info=True, ignore_mismatched_sizes=True,
        )  # fmt: skip
    llava, loading = loaded
    require_features(model, llava.config)
    require_loaded(str(model), loading)
    if problem := not_finite(llava.named_parameters()):
        raise UserError(f"{model}: {problem}")
    return llava


def require_features(model: Path, config: Any) -> None:
    """Refuse a checkpoint whose image features are those of a layer that its vision encoder has not.

    Raises:
        UserError: It is so; no step could be computed.
    """
    layers = getattr(config.vision_config, "num_hidden_layers", None)
    asked = config.vision_feature_layer
    for layer in asked if isinstance(asked, list | tuple) else [asked]:
        if isinstance(layers, int) and isinstance(layer, int) and not -layers - 1 <= layer <= layers:
            raise UserError(
                f"{model / 'config.json'}: vision_feature_layer is {layer}, and its vision encoder has {layers} "
                f"layers. Restore the file, or download the checkpoint again."
            )
