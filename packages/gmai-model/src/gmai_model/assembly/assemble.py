"""READ THIS FIRST of the assembly: vision encoder + projector + language model ▶ one LLaVA checkpoint folder."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import torch
from gmai_cli.errors import UserError
from gmai_cli.files import write_json
from torch import Tensor
from transformers import CLIPVisionConfig, LlavaConfig, LlavaProcessor, PreTrainedTokenizerFast
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from gmai_model.assembly.language import LanguageModel, read_config
from gmai_model.assembly.tokenizer import IMAGE_TOKEN, TURN_END, load_tokenizer
from gmai_model.assembly.weights import WeightFiles, WeightWriter

ImageMode = Literal["pad", "stretch", "crop"]
FEATURE_LAYER = -2
"""The penultimate layer of the vision encoder, as LLaVA and the authors' code take it."""


def assemble(vision: Path, language: Path, out: Path, *, image_mode: ImageMode, seed: int) -> None:
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
    """
    if out.exists():
        raise UserError(
            f"{out} exists. `gmai model init` never overwrites a model. Choose another --out, or remove it."
        )
    language_model = LanguageModel(language)
    vision_config, vision_weights = _open_vision(vision)
    tokenizer = load_tokenizer(language, vocab_size=language_model.text_config["vocab_size"])
    config = _llava_config(vision_config, language_model.text_config, tokenizer)

    building = out.with_name(f".{out.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    dtype = _write_weights(building, vision_weights, language_model, config, seed=seed)
    config["dtype"] = config["torch_dtype"] = str(dtype).removeprefix("torch.")
    write_json(building / "config.json", config)
    _write_generation_config(building, tokenizer)
    write_processor(building, tokenizer, image_size=vision_config["image_size"],
                    patch_size=vision_config["patch_size"], image_mode=image_mode)  # fmt: skip
    write_json(
        building / "gmai.json",
        {
            "made_by": "gmai model init",
            "vision": str(vision.name),
            "language": str(language.name),
            "image_mode": image_mode,
            "projector_seed": seed,
            "stages": [],
        },
    )
    building.rename(out)


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
    return {**full, "model_type": "clip_vision_model"}, WeightFiles(folder)


def _vision_tensors(weights: WeightFiles) -> Iterator[tuple[str, Tensor]]:
    """Yield the vision encoder's tensors under their classic names, leaving out CLIP's text side."""
    for name, tensor in weights.tensors():
        if name.startswith(("text_model.", "text_projection.", "visual_projection.", "logit_scale")):
            continue
        if name.endswith("position_ids"):  # a buffer that old checkpoints saved
            continue
        bare = name.removeprefix("vision_model.")
        yield f"vision_tower.vision_model.{bare}", tensor


def _write_weights(
    folder: Path, vision: WeightFiles, language: LanguageModel, config: dict[str, Any], *, seed: int
) -> torch.dtype:
    """Write every tensor in the language model's dtype, which is returned."""
    dtype = language.dtype
    writer = WeightWriter(folder)
    for name, tensor in _vision_tensors(vision):
        writer.add(name, tensor.to(dtype))
    for name, tensor in _new_projector(
        config["vision_config"]["hidden_size"], language.text_config["hidden_size"], seed=seed
    ):
        writer.add(f"multi_modal_projector.{name}", tensor.to(dtype))
    for name, tensor in language.tensors():
        writer.add(f"language_model.{name}", tensor.to(dtype))
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


def _write_generation_config(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": tokenizer.bos_token_id,
            # A chat turn ends with <|im_end|>, a plain text with the end token: generation must stop at both.
            "eos_token_id": [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(TURN_END)],
            "pad_token_id": tokenizer.pad_token_id,
        },
    )


def write_processor(
    folder: Path, tokenizer: PreTrainedTokenizerFast, *, image_size: int, patch_size: int, image_mode: ImageMode
) -> None:
    """Write the tokenizer and the image processor, in the files of transformers 5 and in those of 4.x and servers."""
    square = {"height": image_size, "width": image_size}
    image_processor = LlavaImageProcessorPil(
        do_pad=image_mode == "pad",
        do_resize=True,
        size={"shortest_edge": image_size} if image_mode == "crop" else square,
        do_center_crop=image_mode == "crop",
        crop_size=square,  # `_get_num_multimodal_tokens` counts from it even when nothing is cropped
    )
    processor = LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token=IMAGE_TOKEN,
        chat_template=tokenizer.chat_template,
    )
    processor.save_pretrained(folder)
    _rewrite(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    processor_config: dict[str, Any] = json.loads((folder / "processor_config.json").read_text("utf-8"))
    flat = {**processor_config["image_processor"], "image_processor_type": "LlavaImageProcessor"}
    processor_config["image_processor"] = flat
    write_json(folder / "processor_config.json", processor_config)
    write_json(folder / "preprocessor_config.json", {**flat, "processor_class": "LlavaProcessor"})


def _rewrite(path: Path, changes: dict[str, Any]) -> None:
    write_json(path, {**json.loads(path.read_text("utf-8")), **changes})
