"""The vision encoder's side: CLIP or SigLIP and LLaVA's projector, as llama.cpp's multimodal library reads them.

The layout is that of `clip.cpp` (https://github.com/ggml-org/llama.cpp/blob/master/tools/mtmd/clip.cpp) and its graph
`models/llava.cpp`, projector type `mlp`.
"""

from collections.abc import Iterator
from typing import Any, cast

from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFWriter, get_tensor_name_map
from gmai_formats.errors import UserError

from gmai_model.assembly.layout import classic_name, configuration
from gmai_model.assembly.weights import WeightFiles
from gmai_model.checking.files import Files
from gmai_model.llama_cpp.refusals import refusal
from gmai_model.llama_cpp.tensors import Planned, matrix_kind

ARCHITECTURE = "clip"
PAD_COLOUR = (122, 116, 104)
"""What llama.cpp fills an image with that is not square (`clip.cpp`, image_pad_color of the projector type mlp)."""
_STRATEGY = {"clip_vision_model": "default", "siglip_vision_model": "full"}
"""The features that llama.cpp hands to the projector: all but the class token, where there is one."""
_GELU = {"quick_gelu": False, "gelu": True, "gelu_pytorch_tanh": True}
"""Activation ▶ `clip.use_gelu`; without it llama.cpp computes the quick one."""
_PROJECTOR = {"linear_1": "mm.0", "linear_2": "mm.2"}
_UNUSED = ("vision_model.post_layernorm.", "vision_model.head.", "embeddings.position_ids")
"""What comes after the feature layer. llama.cpp would apply a post_layernorm to the features, LLaVA does not."""
_FP32 = {"v.patch_embd.weight", "v.position_embd.weight"}
"""Added and convolved in fp32."""
_SQUARE = "--square-images"
_ISSUE = "https://github.com/ggml-org/llama.cpp/issues/25814"


class VisionPart:
    """Vision encoder and projector of a checkpoint, as llama.cpp is to compute them.

    Args:
        files: Of the checkpoint.
        square_images: Whether all images will be square, so that it does not matter how others are made so.
        fixed_clip: Whether the llama.cpp that is to run it puts CLIP's class token first, as CLIP does.

    Raises:
        UserError: Its settings ask for what llama.cpp does not compute.
    """

    def __init__(self, files: Files, *, square_images: bool = False, fixed_clip: bool = False) -> None:
        self.folder, self.llava = files.folder, files.config
        self.config: Any = configuration({"model_type": "clip_vision_model", **files.vision})
        self.preparation = files.image_processor
        self.width: int = files.text["hidden_size"]
        self.kind: str = self.config.model_type
        self.blocks = self._blocks()
        self._check(fixed_clip=fixed_clip)
        self._check_preparation(square_images=square_images)

    def describe(self, writer: GGUFWriter) -> None:
        """Add the settings to a file."""
        config = self.config
        writer.add_bool("clip.has_text_encoder", False)
        writer.add_clip_has_vision_encoder(True)
        writer.add_bool("clip.has_llava_projector", True)
        writer.add_clip_projector_type("mlp")
        writer.add_vision_image_size(config.image_size)
        writer.add_vision_patch_size(config.patch_size)
        writer.add_vision_embedding_length(config.hidden_size)
        writer.add_vision_feed_forward_length(config.intermediate_size)
        writer.add_vision_projection_dim(self.width)
        writer.add_vision_head_count(config.num_attention_heads)
        writer.add_vision_attention_layernorm_eps(config.layer_norm_eps)
        writer.add_vision_block_count(self.blocks)
        writer.add_array("clip.vision.feature_layer", [self.blocks])
        writer.add_vision_image_mean(self.preparation["image_mean"])
        writer.add_vision_image_std(self.preparation["image_std"])
        writer.add_vision_use_gelu(_GELU[config.hidden_act])

    def tensors(self, weights: WeightFiles, dtype: str) -> Iterator[Planned]:
        """Yield what the file holds: the encoder up to its feature layer, and the projector.

        Args:
            weights: Of the checkpoint.
            dtype: Of the matrices, see `matrix_kind`.

        Raises:
            UserError: A tensor that llama.cpp has no place for.
        """
        names = get_tensor_name_map(MODEL_ARCH.MMPROJ, self.config.num_hidden_layers)
        for name in weights.names():
            target = self._target(classic_name(name), names)
            if target is not None:
                shape = weights.shape(name)
                kind = matrix_kind(dtype, weights.dtype(name), shape)
                kind = GGMLQuantizationType.F32 if target in _FP32 else kind
                yield Planned(target, shape, kind, lambda name=name: weights.tensor(name))

    def _target(self, name: str, names: Any) -> str | None:
        part, _, rest = name.partition(".")
        if part == "multi_modal_projector":
            layer, _, suffix = rest.partition(".")
            if layer in _PROJECTOR:
                return f"{_PROJECTOR[layer]}.{suffix}"
        elif part != "vision_tower" or rest.startswith(_UNUSED) or rest.endswith(_UNUSED):
            return None
        elif target := names.get_name(name, try_suffixes=(".weight", ".bias")):
            block = target.removeprefix("v.blk.").split(".")[0]
            return None if block.isdecimal() and int(block) >= self.blocks else target
        raise refusal(f"the tensor {name}", "it has no place for it")

    def _blocks(self) -> int:
        """Return how many layers come before the features."""
        layer: Any = self.llava.get("vision_feature_layer", -2)
        layers = self.config.num_hidden_layers
        if not isinstance(layer, int):
            raise refusal(f"vision_feature_layer {layer!r}", "the export takes one layer")
        number = layer if layer >= 0 else layers + 1 + layer
        if not 0 < number <= layers:
            raise refusal(f"vision_feature_layer {layer}", f"it reads the features after one of the {layers} layers")
        return number

    def _check(self, *, fixed_clip: bool) -> None:
        config = self.config
        strategy = self.llava.get("vision_feature_select_strategy", "default")
        if self.kind not in _STRATEGY:
            raise refusal(f"the vision encoder {self.kind!r}", f"the export takes {', '.join(_STRATEGY)}")
        if strategy != _STRATEGY[self.kind]:
            raise refusal(f"vision_feature_select_strategy {strategy!r}", "it takes all features but a class token's")
        if self.kind == "clip_vision_model" and not fixed_clip:
            raise refusal(
                "a CLIP encoder", "it puts the class token behind the patches, gives each patch its neighbour's "
                f"position and leaves out the first ({_ISSUE}, in versions from May 2025 to October 2026)",
                "Give --text-only for the language model alone, or --fixed-clip where that is mended; else serve",
            )  # fmt: skip
        if (activation := self.llava.get("projector_hidden_act", "gelu")) != "gelu":
            raise refusal(f"projector_hidden_act {activation!r}", "its projector computes GELU")
        if not self.llava.get("multimodal_projector_bias", True):
            raise refusal("a projector without biases", "its projector adds them")
        if config.hidden_act not in _GELU:
            raise refusal(f"hidden_act {config.hidden_act!r}", f"it computes {', '.join(_GELU)}")
        if config.hidden_size == config.intermediate_size:
            raise refusal("intermediate_size as large as hidden_size", "it takes the two matrices for swapped then")

    def _check_preparation(self, *, square_images: bool) -> None:
        """Refuse what llama.cpp prepares otherwise: it knows mean and deviation, and pads with one colour."""
        own = self.preparation
        for key in ("image_mean", "image_std"):
            if len(cast("list[float]", own.get(key) or [])) != 3:
                raise UserError(f"{self.folder / 'preprocessor_config.json'}: no {key} of three numbers. Restore it.")
        factor = own.get("rescale_factor", 1 / 255)
        if abs(factor * 255 - 1) > 1e-6:
            raise refusal(f"rescale_factor {factor}", "it divides by 255")
        if square_images:
            return
        kind = str(own.get("image_processor_type", "")).removesuffix("Fast").removesuffix("Pil")
        if kind != "LlavaImageProcessor" or not own.get("do_pad", True):
            how = "crops" if own.get("do_center_crop") else "stretches"
            raise refusal(
                f"an image processor that {how} images to a square", "it pads them",
                f"If all images will be square, give {_SQUARE}; else serve",
            )  # fmt: skip
        colour = tuple(int(255 * value) for value in own["image_mean"])
        if colour != PAD_COLOUR:
            raise refusal(
                f"padding with the colour {colour}", f"it pads with {PAD_COLOUR}",
                f"If all images will be square, give {_SQUARE}; else serve",
            )  # fmt: skip
