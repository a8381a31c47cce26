"""What a checkpoint's files must say, so that every reader finds the same model in them. Nothing is loaded here.

Each line names one fault and its remedy. The rules for vLLM are those of its loader
(`vllm/model_executor/models/llava.py`): classic prefixes, and the language model's class by
`text_config.architectures`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError
from gmai_formats.json_text import read_json_object
from tokenizers import Tokenizer
from transformers.activations import ACT2FN

from gmai_model.assembly.layout import check_sizes
from gmai_model.assembly.tokenizer import REGION_TOKENS
from gmai_model.assembly.weights import read_weight_map

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


def check_files(files: Files) -> Iterator[str]:
    """Yield what is off in the JSON files and in what lies beside them, one line each."""
    yield from _config(files)
    yield from _tokenizer(files)
    yield from _templates(files)
    yield from _processor(files)
    yield from _image_tokens(files)
    if not files.has("generation_config.json"):
        yield (
            "generation_config.json is missing: servers then stop at the configuration's end token alone. Write it "
            "with "
            "eos_token_id as a list of all tokens that end an answer"
        )
    shards = _indexed(files.folder)
    for file in sorted(files.folder.iterdir()):
        if file.suffix in {".bin", ".pt", ".pth", ".pkl", ".ckpt"}:
            yield (
                f"{file.name}: a pickle, which runs code when it is opened; weights belong in safetensors. Remove it; "
                f"weights are converted by `save_pretrained` of transformers, on a machine that trusts them"
            )
        if file.name in {"adapter_config.json", "adapter_model.safetensors"}:
            yield (
                f"{file.name}: part of an adapter, which transformers loads on top of the model and servers do not. "
                f"Merge it into the weights, and remove it"
            )
        if file.suffix == ".py":
            yield f"{file.name}: code of the checkpoint's own; it must open without remote code. Remove it"
        if shards and file.suffix == ".safetensors" and file.name not in {*shards, "adapter_model.safetensors"}:
            yield (
                f"{file.name}: not in model.safetensors.index.json, and readers differ in which they open. Remove "
                "the one "
                f"that is not the model"
            )


def _indexed(folder: Path) -> set[str]:
    index = folder / "model.safetensors.index.json"
    return set(read_weight_map(index).values()) if index.is_file() else set()


def _config(files: Files) -> Iterator[str]:
    config, text = files.config, files.text
    for part, settings in (("text_config", text), ("vision_config", files.vision)):
        try:
            if not settings:
                raise UserError(f"config.json: no {part}. Restore that of the checkpoint")
            check_sizes(settings)
        except UserError as error:
            files.sized = False
            yield str(error)
            return
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
    if not text.get("architectures"):
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


def _scaling(rope: Any) -> dict[str, Any]:
    """Return how positions are scaled, empty where they are not."""
    found: dict[str, Any] = dict(rope) if isinstance(rope, dict) else {}
    kind = found.pop("rope_type", found.pop("type", "default"))
    found.pop("type", None)
    found.pop("rope_theta", None)
    return {} if kind == "default" else {"rope_type": kind, **found}


def _tokenizer(files: Files) -> Iterator[str]:
    config = files.tokenizer
    if not files.has("tokenizer.json"):
        yield "tokenizer.json is missing. Copy that of the language model, or assemble the checkpoint again"
        return
    if not files.has("tokenizer_config.json"):
        yield (
            "tokenizer_config.json is missing, which names the tokenizer's class, end token and chat template to "
            "transformers 4.x. Copy that of the checkpoint, or assemble it again"
        )
        return
    if config.get("tokenizer_class") == "TokenizersBackend":
        yield (
            "tokenizer_config.json: tokenizer_class TokenizersBackend does not exist before transformers 5. "
            "Write PreTrainedTokenizerFast"
        )
    if isinstance(config.get("extra_special_tokens"), list):
        yield (
            "tokenizer_config.json: extra_special_tokens is a list, which transformers 4.x does not open. Write an "
            "object"
        )
    plain = config.get("tokenizer_class") in {None, "PreTrainedTokenizerFast", "TokenizersBackend"}
    if plain and "token_type_ids" in config.get("model_input_names", ["token_type_ids"]):
        yield (
            "tokenizer_config.json: no model_input_names; 4.x then makes token_type_ids, which stop generate(). Write "
            '["input_ids", "attention_mask"]'
        )
    try:
        tokenizer = Tokenizer.from_file(str(files.folder / "tokenizer.json"))
    except Exception as error:  # the library raises plain Exception
        yield f"tokenizer.json: not readable ({str(error)[:150]}). Write or download it again"
        return
    rows = files.text.get("vocab_size")
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values())
    if files.sized and rows is not None and highest >= rows:
        yield (
            f"tokenizer.json: id {highest} lies beyond the embedding's {rows} rows. Restore the tokenizer that it "
            "was trained with"
        )
    ends = files.generation.get("eos_token_id")
    for number in cast("list[Any]", ends) if isinstance(ends, list) else [] if ends is None else [ends]:
        if type(number) is not int or number < 0 or tokenizer.id_to_token(number) is None:
            yield f"generation_config.json: eos_token_id {number} is no token. Write the ids that end an answer"
    hidden = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
    if regions := [token for token in REGION_TOKENS if token in hidden]:
        yield (
            f"tokenizer.json: {', '.join(regions)} are special tokens, which chat programs and servers leave out of "
            "what "
            f'they show. Write "special": false at each, in tokenizer_config.json as well'
        )
    image_token = files.processor.get("image_token") or "<image>"
    if tokenizer.token_to_id(image_token) != files.config.get("image_token_index", tokenizer.token_to_id(image_token)):
        yield (
            f"tokenizer.json: {image_token} is {tokenizer.token_to_id(image_token)}, config.json's image_token_index "
            f"is {files.config.get('image_token_index')}. Write the tokenizer's"
        )


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
    for key in ("do_normalize", "do_rescale", "do_resize"):
        if files.image_processor.get(key) is False:
            yield f"preprocessor_config.json: {key} is false, without which no vision encoder was trained. Write true"
    for key in ("image_mean", "image_std"):
        value = files.image_processor.get(key)
        if value is not None and not _three_parts_of_one(value, above_zero=key == "image_std"):
            yield (
                f"preprocessor_config.json: {key} is {value}. Write the three numbers of the vision encoder, which "
                f"count in parts of the brightest value"
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
    for key, due in (
        ("patch_size", vision.get("patch_size")),
        ("vision_feature_select_strategy", files.config.get("vision_feature_select_strategy", "default")),
    ):
        if (files.sized or key != "patch_size") and due is not None and files.processor.get(key) != due:
            yield f"processor_config.json: {key} is {files.processor.get(key)}, config.json says {due}. Write that"
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


def _three_parts_of_one(value: Any, *, above_zero: bool) -> bool:
    numbers = cast("list[Any]", value) if isinstance(value, list) else []
    return len(numbers) == 3 and all(
        isinstance(each, int | float) and 0 <= each <= 1 and not (above_zero and each == 0) for each in numbers
    )


def _image_tokens(files: Files) -> Iterator[str]:
    """Count the tokens of an image as the processor does, and compare with the vision encoder's features."""
    strategy = files.config.get("vision_feature_select_strategy", "default")
    if strategy == "default" and files.vision.get("model_type") == "siglip_vision_model":
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
