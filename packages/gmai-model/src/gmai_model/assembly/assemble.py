"""READ THIS FIRST of the assembly: vision encoder + projector + language model ▶ one LLaVA checkpoint folder."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import torch
from gmai_cli.folders import new_folder
from gmai_formats.errors import UserError
from gmai_formats.files import write_json
from torch import Tensor
from transformers import CLIPVisionConfig, LlavaConfig, PreTrainedTokenizerFast

from gmai_model.assembly.language import LanguageModel, read_config
from gmai_model.assembly.layout import vision_shapes
from gmai_model.assembly.portable import make_portable, write_generation_config, write_processor
from gmai_model.assembly.tokenizer import IMAGE_TOKEN, load_tokenizer
from gmai_model.assembly.weights import WeightFiles, WeightWriter, count_not_finite

ImageMode = Literal["pad", "stretch", "crop"]
FEATURE_LAYER = -2
"""The penultimate layer of the vision encoder, as LLaVA and the authors' code take it."""


def assemble(
    vision: Path, language: Path, out: Path, *, image_mode: ImageMode, seed: int, keep_rope_scaling: bool = False,
    names: tuple[str, str] | None = None,
) -> None:  # fmt: skip
    """Write a `LlavaForConditionalGeneration` checkpoint made of two local model folders and a fresh projector.

    Tensors are streamed, so memory stays near one shard. The names on disk are the classic ones
    (`vision_tower.vision_model…`, `language_model.model…`, `multi_modal_projector…`) that every server reads.

    Args:
        vision: A CLIP model or CLIP vision model folder.
        language: A Llama-layout or InternLM2 model folder with a `tokenizer.json`.
        out: The folder to write; it must not exist.
        image_mode: How an image becomes square: `pad` with the mean colour (the authors' code), `stretch` (the
            paper's words), or `crop` the centre (CLIP).
        seed: Of the projector's initial weights.
        keep_rope_scaling: Keep InternLM2's dynamic position scaling, see `LanguageModel`.
        names: Of vision encoder and language model, for the record; those of the folders when None.

    Raises:
        UserError: `out` exists, or a part is not one that can be taken over whole and unchanged.
    """
    if out.exists():
        raise UserError(
            f"{out} exists. `gmai model init` never overwrites a model. Choose another --out, or remove it."
        )
    language_model = LanguageModel(language, keep_rope_scaling=keep_rope_scaling)
    vision_config, vision_weights = _open_vision(vision)
    tokenizer = load_tokenizer(language, vocab_size=language_model.text_config["vocab_size"])
    config = _llava_config(vision_config, language_model.text_config, tokenizer)

    with new_folder(out) as building:
        dtype = _write_weights(building, vision_weights, language_model, config, seed=seed)
        write_json(building / "config.json", config)
        write_generation_config(building, tokenizer)
        write_processor(building, tokenizer, image_size=vision_config["image_size"],
                        patch_size=vision_config["patch_size"], image_mode=image_mode)  # fmt: skip
        make_portable(building, dtype=str(dtype).removeprefix("torch."))
        names = names or (vision.name, language.name)
        record = {"made_by": "gmai model init", "vision": names[0], "language": names[1],
                  "image_mode": image_mode, "projector_seed": seed, "stages": []}  # fmt: skip
        write_json(building / "gmai.json", record)


def _open_vision(folder: Path) -> tuple[dict[str, Any], WeightFiles]:
    config = read_config(folder)
    vision_config: dict[str, Any] = config.get("vision_config", config)
    kind = vision_config.get("model_type", config.get("model_type"))
    if kind not in {"clip", "clip_vision_model"}:
        raise UserError(
            f"{folder / 'config.json'}: model_type is {kind!r}. The vision encoder must be a CLIP model "
            f"(`clip` or `clip_vision_model`), for example openai/clip-vit-large-patch14-336."
        )
    full = CLIPVisionConfig(**{k: v for k, v in vision_config.items() if k != "model_type"}).to_dict()
    weights = WeightFiles(folder)
    _check_vision(folder, weights, full)
    return {**full, "model_type": "clip_vision_model"}, weights


def _vision_tensors(weights: WeightFiles) -> Iterator[tuple[str, Tensor]]:
    """Yield the vision encoder's tensors under their classic names, leaving out CLIP's text side."""
    for name, tensor in weights.tensors():
        if _of_the_vision_encoder(name):
            yield _classic_vision_name(name), tensor


def _of_the_vision_encoder(name: str) -> bool:
    text_side = name.startswith(("text_model.", "text_projection.", "visual_projection.", "logit_scale"))
    return not text_side and not name.endswith("position_ids")  # a buffer that old checkpoints saved


def _classic_vision_name(name: str) -> str:
    return f"vision_tower.vision_model.{name.removeprefix('vision_model.')}"


def _check_vision(folder: Path, weights: WeightFiles, config: dict[str, Any]) -> None:
    due = {f"vision_tower.{name}": shape for name, shape in vision_shapes(config)}
    for name in filter(_of_the_vision_encoder, weights.names()):
        weights.dtype(name)  # refuses a quantised tensor
        expected, found = due.pop(_classic_vision_name(name), None), weights.shape(name)
        if found != expected:
            raise UserError(
                f"{folder}: {name} is {found}, config.json calls for {expected or 'no such tensor'} (hidden_size "
                f"{config['hidden_size']}, {config['num_hidden_layers']} layers). The two must agree. Download the "
                f"model again."
            )
    if due:
        raise UserError(
            f"{folder}: no tensor for {sorted(due)[0]} ({len(due)} such), which config.json calls for. Download the "
            f"model again."
        )


def _write_weights(
    folder: Path, vision: WeightFiles, language: LanguageModel, config: dict[str, Any], *, seed: int
) -> torch.dtype:
    """Write every tensor in the language model's dtype, which is returned."""
    dtype = language.dtype
    sizes = config["vision_config"]["hidden_size"], config["text_config"]["hidden_size"]
    writer = WeightWriter(folder)
    for source, name, tensor in itertools.chain(
        ((vision.folder, name, tensor) for name, tensor in _vision_tensors(vision)),
        ((folder, f"multi_modal_projector.{name}", tensor) for name, tensor in _new_projector(*sizes, seed=seed)),
        ((language.folder, f"language_model.{name}", tensor) for name, tensor in language.tensors()),
    ):
        stored = tensor.to(dtype)
        if count_not_finite(stored):
            raise UserError(
                f"{source}: {name} holds values that are not finite in {dtype}. A model with them answers nothing. "
                f"Download it again; if its own dtype is wider, convert the language model to bfloat16 or float32."
            )
        writer.add(name, stored)
    writer.close()
    return dtype


def _new_projector(vision_size: int, text_size: int, *, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of `linear_1` and `linear_2`, drawn as `torch.nn.Linear` draws them."""
    generator = torch.Generator().manual_seed(seed)
    for layer, (inputs, outputs) in {"linear_1": (vision_size, text_size), "linear_2": (text_size, text_size)}.items():
        bound = inputs**-0.5
        yield f"{layer}.weight", torch.empty(outputs, inputs).uniform_(-bound, bound, generator=generator)
        yield f"{layer}.bias", torch.empty(outputs).uniform_(-bound, bound, generator=generator)


def _llava_config(vision: dict[str, Any], text: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    image_token = cast("int", tokenizer.convert_tokens_to_ids(IMAGE_TOKEN))
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    config: dict[str, Any] = LlavaConfig(
        vision_config=dict(vision),
        text_config={key: value for key, value in text.items() if key not in {"rope_theta", "rope_scaling"}},
        image_token_index=image_token,
        image_seq_length=patches,
        projector_hidden_act="gelu",
        vision_feature_select_strategy="default",
        vision_feature_layer=FEATURE_LAYER,
        tie_word_embeddings=False,
    ).to_dict()
    tokens = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config["text_config"] = {**config["text_config"], **text, **tokens}
    return {
        **config,
        **tokens,
        "architectures": ["LlavaForConditionalGeneration"],
        "image_token_index": image_token,
    }
