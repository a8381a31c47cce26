"""The JSON files of a checkpoint, written so that transformers 4.45 and later, vLLM and SGLang read the same model.

transformers 5 leaves out what older readers need, and they fall back without a word: to a rotary base of 10000, to no
chat template. Each rule below was found by opening a checkpoint with the older one.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gmai_formats.files import write_json
from gmai_formats.json_text import read_json_object
from transformers import LlavaProcessor, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from gmai_model.assembly.families import TEXT_CLASSES
from gmai_model.assembly.tokenizer import IMAGE_TOKEN
from gmai_model.assembly.vision import VisionEncoder

SETTINGS_FILES = ("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
                  "tokenizer_config.json", "tokenizer.json", "chat_template.jinja")  # fmt: skip
_AGAIN = "Write or download the checkpoint again."
_NOT_SHAPING = {"transformers_version", "_name_or_path"}


def write_processor(
    folder: Path, tokenizer: PreTrainedTokenizerFast, vision: VisionEncoder, *, image_mode: str
) -> None:
    """Write the tokenizer and the image processor, which normalises and resamples as the vision encoder's own does.

    `stretch` and `crop` are CLIP's own processor, which every version has. `pad` is LLaVA's, which came with 4.49:
    older ones refuse it, where CLIP's would stretch the image without a word.

    Args:
        folder: Where to.
        tokenizer: Holds `<image>` and the chat template.
        vision: The vision encoder.
        image_mode: `pad`, `stretch` or `crop`.
    """
    size, own = vision.config["image_size"], vision.preparation
    square = {"height": size, "width": size}
    crop = image_mode == "crop"
    settings: dict[str, Any] = {
        "do_resize": True,
        "size": {"shortest_edge": size} if crop else square,
        "do_center_crop": crop,
        "crop_size": square,  # transformers counts the image tokens from it even when nothing is cropped
        "image_mean": own.mean,
        "image_std": own.std,
        "resample": own.resample,
        "rescale_factor": own.rescale_factor,
    }
    image_processor = (
        LlavaImageProcessorPil(do_pad=True, **settings) if image_mode == "pad" else CLIPImageProcessorPil(**settings)
    )
    LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=vision.config["patch_size"],
        vision_feature_select_strategy=vision.strategy,
        num_additional_image_tokens=int(vision.strategy == "default"),
        image_token=IMAGE_TOKEN,
        chat_template=tokenizer.chat_template,
    ).save_pretrained(folder)


def write_generation_config(folder: Path, tokenizer: PreTrainedTokenizerFast, ends: list[int]) -> None:
    """Write the token ids of generation: what ends a plain text, and what ends a chat turn."""
    write_json(
        folder / "generation_config.json",
        {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": ends, "pad_token_id": tokenizer.pad_token_id},
    )


def settings_digests(folder: Path) -> dict[str, dict[str, str]]:
    """Return file ▶ field ▶ digest of every setting that shapes an answer, as `gmai model check` compares them.

    A nested field is written as `text_config.hidden_act`; tokenizer.json and the chat template are one field each.
    """
    digests: dict[str, dict[str, str]] = {}
    for name in SETTINGS_FILES:
        path = folder / name
        if not path.is_file():
            continue
        if name in {"chat_template.jinja", "tokenizer.json"}:
            digests[name] = {"": _digest(path.read_text("utf-8"))}
        else:
            digests[name] = {key: _digest(value) for key, value in _flat(read_json_object(path, remedy=_AGAIN))}
    return digests


def _flat(content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if key in {"text_config", "vision_config"} and isinstance(value, dict):
            yield from ((f"{key}.{inner}", each) for inner, each in value.items() if inner not in _NOT_SHAPING)
        elif key not in _NOT_SHAPING:
            yield key, value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def make_portable(folder: Path, *, dtype: str) -> None:
    """Rewrite a LLaVA checkpoint's JSON files so that older and newer readers find the same in them.

    Args:
        folder: As `save_pretrained` of any version leaves it; files that are absent stay so.
        dtype: Of the weights, such as `bfloat16`.
    """
    _edit(folder / "config.json", lambda config: _portable_config(config, dtype))
    template = folder / "chat_template.jinja"
    chat_template = template.read_text("utf-8") if template.is_file() else None
    _edit(folder / "tokenizer_config.json", lambda config: _portable_tokenizer(config, chat_template))
    _split_processor(folder)


def _edit(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    if path.is_file():
        write_json(path, change(json.loads(path.read_text("utf-8"))))


def _portable_config(config: dict[str, Any], dtype: str) -> dict[str, Any]:
    text: dict[str, Any] = dict(config["text_config"])
    rope: dict[str, Any] = dict(text.get("rope_parameters") or text.get("rope_scaling") or {})
    rope.setdefault("rope_type", rope.pop("type", "default"))
    rope.setdefault("rope_theta", text.get("rope_theta", 10000.0))
    text["dtype"] = dtype
    text |= {"rope_theta": rope["rope_theta"], "rope_parameters": rope}
    if rope["rope_type"] != "default":
        text["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
    if text.get("model_type", "llama") in TEXT_CLASSES:  # vLLM picks the language model's class by it
        text.setdefault("architectures", [TEXT_CLASSES[text.get("model_type", "llama")]])
    image_token = config.get("image_token_id", config.get("image_token_index"))
    return {
        **config,
        "architectures": ["LlavaForConditionalGeneration"],
        "dtype": dtype,
        "torch_dtype": dtype,
        "image_token_index": image_token,
        "text_config": text,
        "vision_config": {**config["vision_config"], "dtype": dtype},
    }


def _portable_tokenizer(config: dict[str, Any], chat_template: str | None) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if not isinstance(config.get("extra_special_tokens"), dict):  # 4.x takes the keys of what 5 writes as a list
        image_token = config.get("image_token")
        more["extra_special_tokens"] = {"image_token": image_token} if image_token else {}
    if config.get("tokenizer_class") == "TokenizersBackend":  # a class of 5 alone
        more["tokenizer_class"] = "PreTrainedTokenizerFast"
    if chat_template is not None:  # before 4.49 a template is looked for here only
        more["chat_template"] = chat_template
    # Else 4.x hands `token_type_ids` to generate(), which refuses them.
    return {**config, "model_input_names": ["input_ids", "attention_mask"], **more}


def _split_processor(folder: Path) -> None:
    """Write the image processor as the file of its own that 4.x reads; inside the other one it stops 4.49."""
    path = folder / "processor_config.json"
    if not path.is_file():
        return
    processor: dict[str, Any] = json.loads(path.read_text("utf-8"))
    nested: dict[str, Any] | None = processor.pop("image_processor", None)
    if nested is not None:
        kind = nested["image_processor_type"].removesuffix("Pil").removesuffix("Fast")
        flat = {**nested, "image_processor_type": kind, "processor_class": "LlavaProcessor"}
        write_json(folder / "preprocessor_config.json", flat)
        write_json(path, processor)
