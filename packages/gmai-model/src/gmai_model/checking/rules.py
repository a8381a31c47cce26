"""What a checkpoint's files must say, so that every reader finds the same model in them. Nothing is loaded here.

Each line names one fault and its remedy. The rules for vLLM are those of its loader
(`vllm/model_executor/models/llava.py`): classic prefixes, and the language model's class by
`text_config.architectures`.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError
from transformers.activations import ACT2FN
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from gmai_model.assembly.layout import check_sizes
from gmai_model.assembly.weights import read_weight_map
from gmai_model.checking.files import Files
from gmai_model.checking.published import OPENAI, check_published, published_normalisation
from gmai_model.checking.tokens import check_generation, check_tokens

_ADAPTER = "adapter_model.safetensors"
_LARGEST_EPSILON = 1e-2
_NORMALISATIONS = (OPENAI, [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
"""Mean and deviation of CLIP and of ImageNet (`transformers.image_utils`)."""
_NAMES = ("CLIP", "ImageNet")


def check_files(files: Files) -> Iterator[str]:
    """Yield what is off in the JSON files and in what lies beside them, one line each."""
    yield from _config(files)
    yield from check_published(files)
    yield from check_tokens(files)
    yield from _templates(files)
    yield from _processor(files)
    yield from _image_tokens(files)
    yield from check_generation(files)
    shards = _indexed(files.folder)
    for file in sorted(files.folder.iterdir()):
        if file.suffix in {".bin", ".pt", ".pth", ".pkl", ".ckpt"}:
            yield (
                f"{file.name}: a pickle, which runs code when it is opened; weights belong in safetensors. Remove it; "
                f"weights are converted by `save_pretrained` of transformers, on a machine that trusts them"
            )
        if file.name in {"adapter_config.json", _ADAPTER}:
            yield (
                f"{file.name}: part of an adapter, which transformers loads on top of the model and servers do not. "
                f"Merge it into the weights, and remove it"
            )
        if file.suffix == ".py":
            yield f"{file.name}: code of the checkpoint's own; it must open without remote code. Remove it"
        if file.suffix == ".safetensors" and (shards - {file.name}) and file.name not in {*shards, _ADAPTER}:
            yield (
                f"{file.name}: not part of the model ({sorted(shards)[0]}), and readers differ in which they open. "
                "Remove the one that is not the model"
            )


def _indexed(folder: Path) -> set[str]:
    index = folder / "model.safetensors.index.json"
    alone = "model.safetensors"
    return set(read_weight_map(index).values()) if index.is_file() else {alone} if (folder / alone).is_file() else set()


def _config(files: Files) -> Iterator[str]:
    config, text = files.config, files.text
    for part, settings in (("text_config", text), ("vision_config", files.vision)):
        try:
            if not settings:
                raise UserError(
                    "config.json: of the original LLaVA code, which plain transformers does not open. Convert it with "
                    "transformers' convert_llava_weights_to_hf.py"
                    if "mm_vision_tower" in config
                    else f"config.json: no {part}. Restore that of the checkpoint"
                )
            check_sizes(settings)
        except UserError as error:
            files.sized = False
            yield str(error)
            return
    if "quantization_config" in config:
        yield (
            "config.json: quantization_config, by which readers quantise the weights or take them as quantised. Take "
            "the entry out where they are plain; else take the original model"
        )
    if config.get("architectures") != ["LlavaForConditionalGeneration"]:
        yield (
            f"config.json: architectures is {config.get('architectures')}; servers know "
            f'["LlavaForConditionalGeneration"]. Write that'
        )
    if any("auto_map" in part for part in (config, text, files.tokenizer, files.processor)):
        yield "config.json or tokenizer_config.json: auto_map asks for remote code. Take the entry out"
    if "image_token_index" not in config:
        yield (
            "config.json: no image_token_index, by which 4.x and servers know the image's token. Write the id of "
            "<image>"
        )
    dtypes = {key: config.get(key) for key in ("dtype", "torch_dtype")}
    if dtypes["torch_dtype"] is None or dtypes["dtype"] not in {None, dtypes["torch_dtype"]}:
        yield (
            f"config.json: dtype is {dtypes['dtype']}, torch_dtype {dtypes['torch_dtype']}; both must say the same. "
            f"Write that of the weights"
        )
    own = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(text.get("model_type", "llama"))
    if files.sized and text.get("architectures") and own and text["architectures"] != [own]:
        yield (
            f"config.json: text_config has architectures {text['architectures']}, by which vLLM picks its class, and "
            f"model_type {text.get('model_type', 'llama')}, by which transformers does. Write {own}, or that model_type"
        )
    elif not text.get("architectures"):
        yield (
            "config.json: text_config has no architectures, by which vLLM picks the language model's class. "
            "Write that of its model_type, such as LlamaForCausalLM"
        )
    old, new = text.get("rope_theta"), (text.get("rope_parameters") or {}).get("rope_theta")
    if old != new and {old, new} != {None, 10000.0}:
        yield (
            f"config.json: rope_theta is {old}, rope_parameters.rope_theta {new}; a reader of the absent or other one "
            f"computes other positions. Write the trained one in both"
        )
    if (older := _scaling(text.get("rope_scaling"))) != (newer := _scaling(text.get("rope_parameters"))):
        yield (
            f"config.json: rope_scaling says {older or 'none'}, rope_parameters {newer or 'none'}; transformers 4 "
            f"reads the first, 5 the second. Write the trained one in both"
        )
    turned = {**(text.get("rope_parameters") or {}), **text}.get("partial_rotary_factor", 1.0)
    if turned != 1.0:
        yield (
            f"config.json: partial_rotary_factor is {turned}, where these models turn whole heads, and readers "
            "differ in whether they heed it. Take it out"
        )
    yield from _room(files)
    for key in ("image_size", "hidden_size"):
        by = {"image_size": "patch_size", "hidden_size": "num_attention_heads"}[key]
        whole, part = files.vision.get(key), files.vision.get(by)
        if files.sized and files.vision.get("model_type") == "clip_vision_model" and whole and part and whole % part:
            yield (
                f"config.json: vision_config.{key} {whole} is no multiple of {by} {part}, which vLLM asserts. "
                "Correct it"
            )
    heads, groups = text.get("num_attention_heads"), text.get("num_key_value_heads")
    if files.sized and heads and groups and heads % groups:
        yield f"config.json: {heads} heads are no multiple of {groups} key-value heads. Correct text_config"
    layers, chosen = files.vision.get("num_hidden_layers"), config.get("vision_feature_layer", -2)
    chosen_layers = cast("list[Any]", chosen) if isinstance(chosen, list) else [chosen]
    if layers and not all(type(layer) is int and -layers - 1 <= layer <= layers for layer in chosen_layers):
        yield f"config.json: vision_feature_layer {chosen} is none of {layers} layers. LLaVA takes -2"
    projector = config.get("projector_hidden_act", "gelu")
    if str(projector) not in ACT2FN:
        yield f"config.json: projector_hidden_act {projector!r} is no activation of transformers. LLaVA has gelu"


def _room(files: Files) -> Iterator[str]:
    """See that an image has room in the text, and that no norm is drowned by its epsilon."""
    features = files.features
    most = files.text.get("max_position_embeddings")
    if files.sized and features and isinstance(most, int) and most <= features:
        yield (
            f"config.json: max_position_embeddings is {most}, an image alone takes {features}. Restore that of the "
            "language model"
        )
    window = files.text.get("sliding_window")
    used = files.text.get("use_sliding_window", files.text.get("model_type") == "mistral")
    if files.sized and used and features and isinstance(window, int) and 0 < window <= features:
        yield (
            f"config.json: sliding_window is {window}, an image alone takes {features}, so that its first tokens are "
            "never seen. Restore that of the language model"
        )
    planned = files.config.get("image_seq_length")
    if files.sized and features and isinstance(planned, int) and planned > features:
        yield (
            f"config.json: image_seq_length is {planned}, an image takes {features}; transformers 4.45 then takes each "
            "of its tokens for an image. Write the number"
        )
    for part, key in ((files.text, "rms_norm_eps"), (files.vision, "layer_norm_eps")):
        value = part.get(key, 1e-5)
        if not isinstance(value, int | float) or not 0 < value <= _LARGEST_EPSILON:
            yield f"config.json: {key} is {value}, where models have 1e-12 to 1e-5. Restore that of the source"


def _scaling(rope: Any) -> dict[str, Any]:
    """Return how positions are scaled, empty where they are not."""
    found: dict[str, Any] = dict(rope) if isinstance(rope, dict) else {}
    kind = found.pop("rope_type", found.pop("type", "default"))
    found.pop("type", None)
    found.pop("rope_theta", None)
    return {} if kind == "default" else {"rope_type": kind, **found}


def _templates(files: Files) -> Iterator[str]:
    """Compare the places in which readers of different versions look for the chat template."""
    found: dict[str, Any] = {}
    if files.has("chat_template.jinja"):
        found["chat_template.jinja"] = (files.folder / "chat_template.jinja").read_text("utf-8")
    if files.has("chat_template.json"):
        found["chat_template.json"] = files.read("chat_template.json").get("chat_template")
    for name, content in (("tokenizer_config.json", files.tokenizer), ("processor_config.json", files.processor)):
        if "chat_template" in content:
            found[name] = content["chat_template"]
    for name, each in found.items():
        if isinstance(each, list):  # several by name, as tools need them
            named = {entry["name"]: entry["template"] for entry in cast("list[dict[str, Any]]", each)}
            found[name] = named.get("default")
    if not found:
        yield "no chat template (chat_template.jinja): a server cannot be asked. Write the one that it was trained with"
    elif files.tokenizer and "tokenizer_config.json" not in found and "chat_template.json" not in found:
        yield (
            "tokenizer_config.json: no chat_template, where readers before transformers 4.49 look for it. Copy "
            "chat_template.jinja there"
        )
    first, *others = found or [""]
    if other := next((name for name in others if found[name] != found[first]), None):
        yield (
            f"{first} and {other} hold two chat templates, and it depends on the reader which one is used. Keep the "
            "one "
            f"that the model was trained with in both"
        )


def _processor(files: Files) -> Iterator[str]:
    vision = files.vision
    if not files.has("preprocessor_config.json"):
        yield (
            "preprocessor_config.json is missing, from which transformers 4.x reads how images are prepared. Copy "
            "that of "
            "the vision encoder"
        )
    elif "image_processor_type" not in files.image_processor:
        yield "preprocessor_config.json: no image_processor_type. Write that of the vision encoder's own file"
    for key in ("do_normalize", "do_rescale", "do_resize", "do_convert_rgb"):
        if files.image_processor.get(key) is False:
            yield f"preprocessor_config.json: {key} is false, without which no vision encoder was trained. Write true"
    for key in ("image_mean", "image_std"):
        value = files.image_processor.get(key)
        if value is not None and not _three_parts_of_one(value, above_zero=key == "image_std"):
            yield (
                f"preprocessor_config.json: {key} is {value}. Write the three numbers of the vision encoder, which "
                f"count in parts of the brightest value"
            )
    given = [files.image_processor.get(key) for key in ("image_mean", "image_std")]
    said = False
    for known in _NORMALISATIONS if all(_three_parts_of_one(each, above_zero=False) for each in given) else ():
        if given != known and _sorted(given) == _sorted(known):
            said = True
            yield (
                f"preprocessor_config.json: image_mean {given[0]} and image_std {given[1]} are known numbers in other "
                f"places. Write image_mean {known[0]} and image_std {known[1]}"
            )
    means, deviations = zip(*_NORMALISATIONS, strict=True)
    is_known = given[1] in deviations and _three_parts_of_one(given[0], above_zero=False)
    if files.foreign and is_known and _sorted(given[:1]) != sorted(means[deviations.index(given[1])]):
        said = True
        yield (
            f"preprocessor_config.json: image_std is that of {_NAMES[deviations.index(given[1])]} and image_mean "
            f"{given[0]} is not. Write both of one vision encoder"
        )
    expected = published_normalisation(files)
    numbers = all(_three_parts_of_one(each, above_zero=False) for each in given)
    if expected and numbers and not said and not _near(given, expected[1]):
        yield (
            f"preprocessor_config.json: image_mean is {given[0]}, image_std {given[1]}, those of {expected[0]} are "
            f"{expected[1][0]} and {expected[1][1]}. Write these"
        )
    smooth = (1, 2, 3) if files.foreign else range(6)  # a source's own filter is kept, whichever it is
    if (resample := files.image_processor.get("resample", 3)) not in smooth:
        yield (
            f"preprocessor_config.json: resample is {resample}, which is no smooth filter. Write that of the vision "
            "encoder: 2 (bilinear) or 3 (bicubic)"
        )
    factor = files.image_processor.get("rescale_factor", 1 / 255)
    if not isinstance(factor, int | float) or not 0.5 <= factor * 255 <= 2:
        yield f"preprocessor_config.json: rescale_factor is {factor}, where pixels are to become 0 to 1. Write 1/255"
    if not files.has("processor_config.json"):
        yield "processor_config.json is missing: the number of image tokens is then guessed. Assemble it again"
        return
    if "image_processor" in files.processor:
        yield (
            "processor_config.json: holds the image processor too, which transformers 4.49 does not open. Move it to "
            "preprocessor_config.json"
        )
    for key, expected in (
        ("patch_size", vision.get("patch_size")),
        ("vision_feature_select_strategy", files.config.get("vision_feature_select_strategy", "default")),
    ):
        if (files.sized or key != "patch_size") and expected is not None and files.processor.get(key) != expected:
            yield f"processor_config.json: {key} is {files.processor.get(key)}, config.json says {expected}. Write that"
    size, crop = vision.get("image_size"), files.image_processor.get("crop_size")
    if (
        files.sized
        and files.image_processor
        and size is not None
        and crop not in ({"height": size, "width": size}, size)
    ):
        yield (
            f"preprocessor_config.json: crop_size is {crop}, the vision encoder takes {size} px; image tokens are "
            f"counted from it. Write the vision encoder's"
        )


def _near(lists: list[Any], known: list[list[float]]) -> bool:
    pairs = zip(itertools.chain(*lists), itertools.chain(*known), strict=True)
    return all(abs(given - expected) < 1e-2 for given, expected in pairs)


def _sorted(lists: list[Any]) -> list[float]:
    return sorted(number for each in lists for number in each)


def _three_parts_of_one(value: Any, *, above_zero: bool) -> bool:
    numbers = cast("list[Any]", value) if isinstance(value, list) else []
    return len(numbers) == 3 and all(
        isinstance(each, int | float) and 0 <= each <= 1 and not (above_zero and each == 0) for each in numbers
    )


def _image_tokens(files: Files) -> Iterator[str]:
    """Count the tokens of an image as the processor does, and compare with the vision encoder's features."""
    strategy = files.config.get("vision_feature_select_strategy", "default")
    if files.sized and strategy == "default" and files.vision.get("model_type") == "siglip_vision_model":
        yield (
            "config.json: vision_feature_select_strategy default leaves out a class token, which SigLIP has not: the "
            "first "
            "patch is lost. Write full, in processor_config.json as well"
        )
        return
    patch, more = files.processor.get("patch_size"), files.processor.get("num_additional_image_tokens", 0)
    size, same = files.vision.get("image_size"), files.processor.get("vision_feature_select_strategy") == strategy
    if not files.sized or not patch or not size or not same or patch != files.vision.get("patch_size"):
        return  # said above
    planned = (size // patch) ** 2 + more - int(strategy == "default")
    if planned != files.features:
        yield (
            f"processor_config.json: num_additional_image_tokens {more} makes {planned} tokens for an image, the "
            "vision "
            f"encoder gives {files.features} features. Write 1 for an encoder with a class token, 0 for others"
        )
