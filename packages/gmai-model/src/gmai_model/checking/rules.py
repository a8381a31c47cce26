"""What a checkpoint's files must say, so that every reader finds the same model in them. Nothing is loaded here.

The rules for vLLM and SGLang are those of their loaders' name tables (`vllm/model_executor/models/llava.py`,
`sglang/srt/models/llava.py`): both look for the classic prefixes and take the language model's class from
`text_config.architectures`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gmai_cli.console import progress
from gmai_formats.errors import UserError
from tokenizers import Tokenizer
from transformers import LlavaConfig

from gmai_model.assembly.layout import classic_name, expected_shapes
from gmai_model.assembly.weights import WeightFiles, count_not_finite


class Files:
    """The JSON files of a checkpoint folder; an absent one reads as empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = self._read("config.json")
        self.text: dict[str, Any] = self.config.get("text_config", {})
        self.tokenizer = self._read("tokenizer_config.json")
        self.processor = self._read("processor_config.json")
        self.image_processor = self._read("preprocessor_config.json")
        self.generation = self._read("generation_config.json")

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        if not path.is_file():
            return {}
        try:
            return json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise UserError(f"{path}: not JSON ({error}). Write or download the checkpoint again.") from error

    def has(self, name: str) -> bool:
        """Return whether the folder holds a file."""
        return (self.folder / name).is_file()


def check_files(files: Files) -> Iterator[str]:
    """Yield what is off in the JSON files and in what lies beside them, one line each."""
    yield from _config(files)
    yield from _tokenizer(files)
    yield from _processor(files)
    if not files.has("generation_config.json"):
        yield "generation_config.json is missing: servers then stop at the configuration's end token alone"
    for file in sorted(files.folder.iterdir()):
        if file.suffix in {".bin", ".pt", ".pth", ".pkl", ".ckpt"}:
            yield f"{file.name}: a pickle, which runs code when it is opened; weights belong in safetensors"
        if file.suffix == ".py":
            yield f"{file.name}: code of the checkpoint's own; it must open without remote code"


def _config(files: Files) -> Iterator[str]:
    config, text = files.config, files.text
    if config.get("architectures") != ["LlavaForConditionalGeneration"]:
        yield (
            f"config.json: architectures is {config.get('architectures')}; servers know "
            f'["LlavaForConditionalGeneration"]'
        )
    if any("auto_map" in part for part in (config, text, files.tokenizer, files.processor)):
        yield "config.json or tokenizer_config.json: auto_map asks for remote code"
    if "image_token_index" not in config:
        yield "config.json: no image_token_index, by which 4.x and servers know the image's token"
    dtypes = {key: config.get(key) for key in ("dtype", "torch_dtype")}
    if dtypes["torch_dtype"] is None or dtypes["dtype"] not in {None, dtypes["torch_dtype"]}:
        yield f"config.json: dtype is {dtypes['dtype']}, torch_dtype {dtypes['torch_dtype']}; both must say the same"
    if not text.get("architectures"):
        yield "config.json: text_config has no architectures, by which vLLM picks the language model's class"
    old, new = text.get("rope_theta"), (text.get("rope_parameters") or {}).get("rope_theta")
    if old != new and {old, new} != {None, 10000.0}:
        yield (
            f"config.json: rope_theta is {old}, rope_parameters.rope_theta {new}; a reader of the absent or other one "
            f"computes other positions"
        )


def _tokenizer(files: Files) -> Iterator[str]:
    config = files.tokenizer
    if not files.has("tokenizer.json"):
        yield "tokenizer.json is missing"
        return
    if config.get("tokenizer_class") == "TokenizersBackend":
        yield "tokenizer_config.json: tokenizer_class TokenizersBackend does not exist before transformers 5"
    if isinstance(config.get("extra_special_tokens"), list):
        yield "tokenizer_config.json: extra_special_tokens is a list, which transformers 4.x does not open"
    plain = config.get("tokenizer_class") in {None, "PreTrainedTokenizerFast", "TokenizersBackend"}
    if plain and "token_type_ids" in config.get("model_input_names", ["token_type_ids"]):
        yield "tokenizer_config.json: no model_input_names; 4.x then makes token_type_ids, which stop generate()"
    templates = [name for name in ("chat_template.jinja", "chat_template.json") if files.has(name)]
    if not templates and "chat_template" not in config:
        yield "no chat template (chat_template.jinja): a server cannot be asked"
    elif "chat_template" not in config and "chat_template.json" not in templates:
        yield "tokenizer_config.json: no chat_template, where readers before transformers 4.49 look for it"
    tokenizer = Tokenizer.from_file(str(files.folder / "tokenizer.json"))
    rows = files.text.get("vocab_size")
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values())
    if rows is not None and highest >= rows:
        yield f"tokenizer.json: id {highest} lies beyond the embedding's {rows} rows"
    image_token = files.processor.get("image_token") or "<image>"
    if tokenizer.token_to_id(image_token) != files.config.get("image_token_index"):
        yield (
            f"tokenizer.json: {image_token} is {tokenizer.token_to_id(image_token)}, config.json's image_token_index "
            f"is {files.config.get('image_token_index')}"
        )


def _processor(files: Files) -> Iterator[str]:
    vision: dict[str, Any] = files.config.get("vision_config", {})
    if not files.has("preprocessor_config.json"):
        yield "preprocessor_config.json is missing, from which transformers 4.x reads how images are prepared"
    elif "image_processor_type" not in files.image_processor:
        yield "preprocessor_config.json: no image_processor_type"
    if not files.has("processor_config.json"):
        yield "processor_config.json is missing: the number of image tokens is then guessed"
        return
    if "image_processor" in files.processor:
        yield "processor_config.json: holds the image processor too, which transformers 4.49 does not open"
    for key, due in (
        ("patch_size", vision.get("patch_size")),
        ("vision_feature_select_strategy", files.config.get("vision_feature_select_strategy", "default")),
    ):
        if due is not None and files.processor.get(key) != due:
            yield f"processor_config.json: {key} is {files.processor.get(key)}, config.json says {due}"
    size, crop = vision.get("image_size"), files.image_processor.get("crop_size")
    if files.image_processor and size is not None and crop not in ({"height": size, "width": size}, size):
        yield (
            f"preprocessor_config.json: crop_size is {crop}, the vision encoder takes {size} px; image tokens are "
            f"counted from it"
        )


def check_weights(files: Files) -> tuple[list[str], str]:
    """Read every tensor once: names, shapes, dtype and values.

    Returns:
        What is off, one line each; and a line about what is there.
    """
    try:
        weights = WeightFiles(files.folder)
        dtypes = {str(weights.dtype(name)).removeprefix("torch.") for name in weights.names()}
    except UserError as error:
        return [str(error)], "weights: not readable"
    found = list(_names_and_shapes(files, weights))
    if dtypes != {files.config.get("torch_dtype")}:
        found.append(f"config.json: torch_dtype is {files.config.get('torch_dtype')}, the tensors are {sorted(dtypes)}")
    parameters = 0
    with progress("check: tensors", len(weights.names()), unit="tensors") as bar:
        for name, tensor in weights.tensors():
            parameters += tensor.numel()
            bad = count_not_finite(tensor)
            if bad:
                found.append(f"{weights.file_of[name]}: {name} has {bad} values that are not finite")
            bar.advance()
    shards = len(set(weights.file_of.values()))
    return found, (
        f"{len(weights.names())} tensors in {shards} file{'s' if shards > 1 else ''}, {', '.join(sorted(dtypes))}, "
        f"{parameters / 1e6:,.1f} million parameters"
    )


def _names_and_shapes(files: Files, weights: WeightFiles) -> Iterator[str]:
    renamed = [name for name in weights.names() if classic_name(name) != name]
    if renamed:
        yield (
            f"{weights.file_of[renamed[0]]}: {renamed[0]} ({len(renamed)} such): transformers 4.x, vLLM and SGLang "
            f"look for {classic_name(renamed[0])}"
        )
    config = LlavaConfig(**{k: v for k, v in files.config.items() if k != "model_type"}).to_dict()
    vision, text = config["vision_config"], config["text_config"]
    if (vision["model_type"], text["model_type"]) != ("clip_vision_model", "llama") or text.get("attention_bias"):
        return  # parts of other families: their own classes say what they need, when the model is loaded
    expected = expected_shapes(config)
    shapes = {classic_name(name): weights.shape(name) for name in weights.names()}
    absent = (
        expected.keys() - shapes.keys() - ({"language_model.lm_head.weight"} if text["tie_word_embeddings"] else set())
    )
    if absent:
        yield f"no tensor {sorted(absent)[0]} ({len(absent)} such), which config.json calls for"
    unknown = [name for name in shapes.keys() - expected.keys() if not name.endswith(("position_ids", "inv_freq"))]
    if unknown:
        yield f"{sorted(unknown)[0]} ({len(unknown)} such) is no tensor of the model that config.json describes"
    for name in sorted(expected.keys() & shapes.keys()):
        if shapes[name] != expected[name]:
            yield f"{name} is {shapes[name]}, config.json calls for {expected[name]}"
