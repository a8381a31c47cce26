"""Hostile and damaged checkpoints, through every command that opens one: for `make faults`.

Each mutant is a checkpoint of others, without a record of gmai, or one that gmai sealed. A command may refuse it in one
line, or use it; a sealed one whose outcome differs must be named. What is imported is imported once (fault_commands).
"""

import hashlib
import json
import os
import random
import shutil
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fault_commands  # beside this file, as is the next
import fault_mutants

CPU_S = 20
"""Processor time of a command; its start is not part of it."""
ANY: tuple[Any, ...] = (
    None,
    True,
    False,
    -1,
    0,
    1,
    3,
    2**31,
    10**9,
    2**63,
    10**30,
    -(10**9),
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "1",
    "null",
    "../../../../etc/passwd",
    "\ud800",
    "é" * 5000,
    "x" * 200_000,
    [],
    {},
    [[]],
    [None],
    [-1],
    [0, 0, 0],
    {"": ""},
    {"a": {"b": {}}},
    [1e9] * 3,
    list(range(5000)),
    "https://192.0.2.1/x",
    "file:///etc/passwd",
)
"""What an entry of a JSON file is replaced by."""
sys.path.append(str(Path(__file__).parents[1]))  # tests import one another
SETTINGS = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
)
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}" + "{% endfor %}" * 3


@dataclass
class Mutant:
    """One damage to a checkpoint."""

    name: str
    do: Callable[[Path], None]
    """Damages the checkpoint in this folder."""
    sealed: bool = False


def plain_entries(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the places of a JSON value; of long lists and objects some."""
    yield path
    if isinstance(value, dict):
        for key in list(value)[:60]:
            yield from plain_entries(value[key], (*path, key))
    elif isinstance(value, list):
        for place in range(min(4, len(value))):
            yield from plain_entries(value[place], (*path, place))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a JSON value with another one at a place of it."""
    if not path:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = put(changed[path[0]], path[1:], new)
    return changed


def entry(file: str, changes: dict[str, Any]) -> Callable[[Path], None]:
    """Return what sets entries of a JSON file, a.b for nested ones; `...` removes one."""

    def do(folder: Path) -> None:
        place = folder / file
        values = json.loads(place.read_text()) if place.is_file() else {}
        for name, new in changes.items():
            *path, last = name.split("/")
            at = values
            for each in path:
                at = at[int(each)] if isinstance(at, list) else at.setdefault(each, {})
            if new is ...:
                at.pop(last)
            else:
                at[int(last) if isinstance(at, list) else last] = new
        replace(place, json.dumps(values).encode())

    return do


def whole(file: str, content: bytes | str) -> Callable[[Path], None]:
    """Return what replaces a file."""
    return lambda folder: replace(folder / file, content if isinstance(content, bytes) else content.encode())


def replace(place: Path, content: bytes) -> None:
    """Write a file anew: the others share theirs with the sound checkpoint."""
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def both(*deeds: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what does several."""

    def do(folder: Path) -> None:
        for deed in deeds:
            deed(folder)

    return do


def template(text: str) -> Callable[[Path], None]:
    """Return what replaces the chat template, wherever it stands."""
    return both(whole("chat_template.jinja", text), entry("tokenizer_config.json", {"chat_template": text}))


Header = dict[str, Any]


def tensors(change: Callable[[Header, bytearray], None]) -> Callable[[Path], None]:
    """Return what changes the header or the bytes of the weights."""

    def do(folder: Path) -> None:
        place = folder / "model.safetensors"
        content = place.read_bytes()
        (size,) = struct.unpack("<Q", content[:8])
        header, data = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
        change(header, data)
        said = json.dumps(header).encode()
        replace(place, struct.pack("<Q", len(said)) + said + data)

    return do


def _first(header: Header, word: str = "down_proj") -> str:
    return next(name for name in header if word in name)


def _lose(word: str) -> Callable[[Header, bytearray], None]:
    def change(header: Header, data: bytearray) -> None:
        # What is left has to fill the file without a gap.
        name = _first(header, word)
        begin, end = header.pop(name)["data_offsets"]
        del data[begin:end]
        for each in header.values():
            if "data_offsets" in each and each["data_offsets"][0] >= end:
                each["data_offsets"] = [at - (end - begin) for at in each["data_offsets"]]

    return change


def _rename(header: Header, _: bytearray) -> None:
    name = _first(header)
    header[name + "_"] = header.pop(name)


def _extra(header: Header, data: bytearray) -> None:
    header["other.weight"] = {"dtype": "F32", "shape": [4], "data_offsets": [len(data), len(data) + 16]}
    data += bytes(16)


def _set(**values: Any) -> Callable[[Header, bytearray], None]:
    return lambda header, _: header[_first(header)].update(values)


def _transposed(header: Header, _: bytearray) -> None:
    each = header[_first(header)]
    each["shape"] = each["shape"][::-1]


def _flat(header: Header, _: bytearray) -> None:
    each = header[_first(header)]
    each["shape"] = [each["shape"][0] * each["shape"][1]]


def _half(header: Header, _: bytearray) -> None:
    each = header[_first(header)]
    each["dtype"], each["shape"] = "F16", [each["shape"][0] * 2, each["shape"][1]]


def _integers(header: Header, _: bytearray) -> None:
    header[_first(header)]["dtype"] = "I32"


def _filled(number: float) -> Callable[[Header, bytearray], None]:
    def change(header: Header, data: bytearray) -> None:
        begin, end = header[_first(header)]["data_offsets"]
        data[begin:end] = struct.pack("<f", number) * ((end - begin) // 4)

    return change


def _overlap(header: Header, _: bytearray) -> None:
    first, second = list(header)[-2:]
    header[second]["data_offsets"] = header[first]["data_offsets"]


def sharded(change: Callable[[Path, dict[str, Any]], None]) -> Callable[[Path], None]:
    """Return what cuts the weights into two shards with an index, and changes them."""

    def do(folder: Path) -> None:
        from safetensors.numpy import load, save

        held = load((folder / "model.safetensors").read_bytes())
        (folder / "model.safetensors").unlink()
        names = sorted(held)
        index: dict[str, Any] = {
            "metadata": {"total_size": sum(each.nbytes for each in held.values())},
            "weight_map": {},
        }
        for number, part in enumerate((names[::2], names[1::2]), 1):
            file = f"model-0000{number}-of-00002.safetensors"
            (folder / file).write_bytes(save({name: held[name] for name in part}, {"format": "pt"}))
            index["weight_map"] |= dict.fromkeys(part, file)
        change(folder, index)
        place = folder / "model.safetensors.index.json"
        if not place.exists():
            place.write_text(json.dumps(index))

    return do


def _of_index(**changes: Any) -> Callable[[Path, dict[str, Any]], None]:
    return lambda _, index: index.update(changes)


def _all_in(file: Any) -> Callable[[Path, dict[str, Any]], None]:
    def change(_: Path, index: dict[str, Any]) -> None:
        index["weight_map"] = dict.fromkeys(index["weight_map"], file)

    return change


def _outside(folder: Path, index: dict[str, Any]) -> None:
    (folder / "model-00002-of-00002.safetensors").rename(folder.parent / "outside.safetensors")
    index["weight_map"] = {
        name: "../outside.safetensors" if file.startswith("model-00002") else file
        for name, file in index["weight_map"].items()
    }


def adapter(base: Any = None, *, weights: bytes | None = None, **changes: Any) -> Callable[[Path], None]:
    """Return what lays the files of a LoRA adapter beside the weights; they name this base."""

    def do(folder: Path) -> None:
        import numpy as np
        from safetensors.numpy import save

        values = {
            "base_model_name_or_path": base,
            "peft_type": "LORA",
            "r": 2,
            "lora_alpha": 4,
            "task_type": "CAUSAL_LM",
            "target_modules": ["q_proj"],
            "inference_mode": True,
            "lora_dropout": 0.0,
            "bias": "none",
        } | changes
        replace(folder / "adapter_config.json", json.dumps(values).encode())
        name = "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_{}.weight"
        held = {name.format("A"): np.ones((2, 128), np.float32), name.format("B"): np.ones((128, 2), np.float32)}
        replace(folder / "adapter_model.safetensors", save(held) if weights is None else weights)

    return do


def _alone(folder: Path) -> None:
    adapter("../tiny")(folder)
    for name in ("model.safetensors", "config.json"):
        (folder / name).unlink()


def _fifo(name: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return do


def _linked(name: str, target: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return do


def _folder(name: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return do


def _large(name: str, size: int) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return do


def by_hand() -> list[Mutant]:
    """Return what people who mean harm, or tools that went wrong, put into checkpoints."""
    found: list[Mutant] = []

    def add(name: str, do: Callable[[Path], None]) -> None:
        found.append(Mutant(name, do))

    for key, values in {
        "text_config": (None, [], "llama", {}, {"model_type": "evil"}, {"model_type": "gpt2"}, {"model_type": "llava"}),
        "vision_config": (None, [], {}, {"model_type": "evil"}, {"model_type": "siglip_vision_model"}),
        "text_config/num_hidden_layers": (0, -1, 3, 5, 2.5, "4", 10**7),
        "text_config/num_attention_heads": (0, 3, -4, 128, "4"),
        "text_config/num_key_value_heads": (0, 3, 5, None),
        "text_config/head_dim": (0, -32, 16, None, 2**40),
        "text_config/hidden_size": (0, 127, 129, 10**9),
        "text_config/vocab_size": (0, 2047, 2**40, 6),
        "text_config/hidden_act": ("evil", None, "gelu_pytorch_tanh", ["silu"]),
        "text_config/max_position_embeddings": (0, 1, 10, -5, 10**18),
        "text_config/rms_norm_eps": (0, -1, 1e30, "0"),
        "text_config/rope_parameters": (
            None,
            [],
            {"rope_type": "evil"},
            {"rope_type": "yarn"},
            {"rope_type": "default", "rope_theta": 0},
            {"rope_type": "default", "rope_theta": -1.0},
            {"rope_type": "linear", "factor": 0, "rope_theta": 1e6},
            {"rope_type": "longrope", "factor": 2.0, "short_factor": [1], "long_factor": [], "rope_theta": 1e6},
            {"rope_type": "dynamic", "factor": 1e30, "rope_theta": 1e6},
        ),
        "text_config/pad_token_id": (-1, 2048, 10**12, "2", [2]),
        "text_config/bos_token_id": (-1, 10**12, [1]),
        "text_config/pretraining_tp": (0, 3, 128),
        "text_config/attention_bias": (True, "yes"),
        "text_config/mlp_bias": (True,),
        "text_config/use_cache": (False, None),
        "text_config/attention_dropout": (1.0, 2.0, -1),
        "text_config/output_attentions": (True,),
        "vision_config/num_hidden_layers": (0, 1, -1, 4, 10**7),
        "vision_config/image_size": (0, 7, 113, 1120, [112, 112], 10**7, -112),
        "vision_config/patch_size": (0, 1, 16, 112, -14, [14, 14]),
        "vision_config/num_channels": (0, 1, 4),
        "vision_config/num_attention_heads": (0, 3, 256),
        "vision_config/hidden_act": ("evil",),
        "vision_feature_layer": (0, -7, 99, [], [-1, -2], None, "last", -1.5, 10**12),
        "vision_feature_select_strategy": ("evil", None, "full", []),
        "image_token_index": (-1, 0, 2048, 10**12, "5", None, [5]),
        "image_seq_length": (0, -1, 1, 10**9, "64"),
        "projector_hidden_act": ("evil", None, "relu"),
        "multimodal_projector_bias": (False, "x"),
        "tie_word_embeddings": (True,),
        "model_type": ("evil", "llama", "llava_next", "", None, "clip"),
        "architectures": (None, [], ["Evil"], "LlavaForConditionalGeneration", ["LlamaForCausalLM"], [1]),
        "dtype": ("float16", "bfloat16", "int8", "complex64", "evil", "float8_e4m3fn", "auto", 32, "float64"),
        "return_dict": (False,),
        "output_hidden_states": (True,),
        "output_attentions": (True,),
        "_attn_implementation": ("evil", "flash_attention_2", "kernels-community/evil", 3),
        "attn_implementation": ("evil", "kernels-community/evil:f"),
        "experts_implementation": ("evil",),
        "quantization_config": (
            {},
            [],
            {"quant_method": "evil"},
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            {"quant_method": "gptq", "bits": 4},
            {"quant_method": "fp8"},
            {"quant_method": "torchao"},
            {"quant_method": "compressed-tensors"},
        ),
        "auto_map": ({"AutoConfig": "evil.M"}, "x", {"AutoConfig": "other/repo--evil.M"}),
        "_name_or_path": ("../../etc", "https://192.0.2.1/", 5),
        "transformers_version": ("99.0", 5, "", None),
        "id2label": ([], {"x": "y"}, {"0": 1}, "x"),
        "problem_type": ("evil",),
        "torchscript": (True,),
        "pruned_heads": ({"0": [0]},),
        "is_encoder_decoder": (True,),
        "chunk_size_feed_forward": (1, -1, "x"),
        "tie_encoder_decoder": (True,),
        "base_model_tp_plan": ({"a": "evil"},),
        "generation_config": ({"max_length": 1},),
        "max_length": (1, 10**9),
        "num_beams": (50,),
        "do_sample": (True,),
    }.items():
        for value in values:
            add(f"config.json {key} = {json.dumps(value)[:40]}", entry("config.json", {key: value}))
    for key in (
        "text_config",
        "vision_config",
        "model_type",
        "architectures",
        "image_token_index",
        "vision_feature_layer",
        "text_config/model_type",
        "vision_config/model_type",
        "text_config/hidden_size",
        "text_config/num_key_value_heads",
        "vision_config/image_size",
        "text_config/vocab_size",
    ):
        add(f"config.json without {key}", entry("config.json", {key: ...}))
    for key, values in {
        "eos_token_id": (None, -1, 10**12, [], ["2"], [[2]], "x", 2.5),
        "pad_token_id": (None, -1, 10**12, [2], "x"),
        "bos_token_id": (10**12, "x"),
        "max_length": (0, 1, -1, "x"),
        "max_new_tokens": (0, -1, 10**9, "x"),
        "min_length": (10**9, -1),
        "min_new_tokens": (10**9,),
        "num_beams": (0, 1000, -1, "x"),
        "num_return_sequences": (5, 0),
        "temperature": (0, -1, "hot", 1e-30, float("nan")),
        "do_sample": (True, "x"),
        "top_k": (0, -1, "x"),
        "top_p": (2, -1),
        "bad_words_ids": ([[0]], [], [[10**9]], "x"),
        "suppress_tokens": ([10**9], list(range(2048))),
        "begin_suppress_tokens": ([1],),
        "forced_bos_token_id": (10**9,),
        "forced_eos_token_id": (10**9, 2),
        "sequence_bias": ([[[10**9], 1.0]], "x"),
        "guidance_scale": (5.0,),
        "penalty_alpha": (0.6,),
        "dola_layers": ("high",),
        "prompt_lookup_num_tokens": (3,),
        "assistant_early_exit": (1,),
        "cache_implementation": ("static", "evil", "offloaded", "quantized"),
        "cache_config": ({"a": 1},),
        "return_dict_in_generate": (True,),
        "output_scores": (True,),
        "max_time": (0, 1e-9),
        "stop_strings": (["a"], "e"),
        "repetition_penalty": (0, -1, 1e30),
        "no_repeat_ngram_size": (1, 10**9),
        "encoder_no_repeat_ngram_size": (2,),
        "exponential_decay_length_penalty": ([1, 2.0], "x"),
        "watermarking_config": ({"greenlist_ratio": 5}, "x"),
        "constraints": (["x"],),
        "force_words_ids": ([[1]],),
        "custom_generate": ("evil/repo", "../x"),
        "compile_config": ({"backend": "evil"},),
        "use_cache": (False,),
        "token_healing": (True,),
        "renormalize_logits": (True,),
        "transformers_version": (5,),
        "trust_remote_code": (True,),
    }.items():
        for value in values:
            add(
                f"generation_config.json {key} = {json.dumps(value)[:40]}",
                entry("generation_config.json", {key: value}),
            )
    for key, values in {
        "image_mean": ([0.5], [0.5] * 4, [], None, "x", [float("nan")] * 3, 0.5, [1e308] * 3),
        "image_std": ([0, 0, 0], [1e-30] * 3, [float("nan")] * 3, [0.5], None, "x"),
        "size": (
            {"height": 0, "width": 0},
            {"height": -1, "width": 5},
            {"height": 10**9, "width": 10**9},
            {},
            None,
            5,
            {"shortest_edge": 50},
            {"longest_edge": 5},
            {"height": 224, "width": 224},
            {"height": 112},
            "x",
            {"height": 112, "width": 56},
        ),
        "crop_size": ({"height": 10**9, "width": 10**9}, {"height": 7, "width": 7}, None, 0),
        "resample": (99, -1, "x", None, 0),
        "rescale_factor": (0, float("nan"), "x", None, 1e308, -1),
        "do_resize": (False, "x"),
        "do_pad": (False, 5),
        "do_rescale": (False,),
        "do_normalize": (False,),
        "do_convert_rgb": (False,),
        "do_center_crop": (True,),
        "image_processor_type": ("Evil", None, 5, "CLIPImageProcessor", "Qwen2VLImageProcessor", "ViTImageProcessor"),
        "processor_class": ("Evil", None, "CLIPProcessor", 5),
        "auto_map": ({"AutoImageProcessor": "evil.M"},),
        "data_format": ("evil", "channels_last"),
        "input_data_format": ("evil",),
        "device": ("cuda:99", "evil"),
        "return_tensors": ("tf",),
    }.items():
        for value in values:
            name = f"preprocessor_config.json {key} = {json.dumps(value)[:40]}"
            add(name, entry("preprocessor_config.json", {key: value}))
    for key, values in {
        "image_token": ("<evil>", None, 5, "", "a"),
        "num_additional_image_tokens": (0, 5, -(10**6), 10**9, "1", None),
        "patch_size": (0, 1, 16, -14, None, "14", 10**9),
        "processor_class": ("Evil", None, "LlavaNextProcessor"),
        "vision_feature_select_strategy": ("full", "evil", None),
        "chat_template": ("{{ 1/0 }}", {"a": "b"}, [], LOOP),
        "image_processor": ({}, {"image_processor_type": "Evil"}, {"size": {"height": 10**9, "width": 10**9}}),
        "auto_map": ({"AutoProcessor": "evil.M"},),
        "video_processor": ({"a": 1},),
    }.items():
        for value in values:
            add(f"processor_config.json {key} = {json.dumps(value)[:40]}", entry("processor_config.json", {key: value}))
    for key, values in {
        "tokenizer_class": ("Evil", None, 5, "LlamaTokenizer", "BertTokenizer", "GPT2TokenizerFast"),
        "bos_token": (None, 5, {"content": "<evil>"}, "", "a"),
        "eos_token": (None, "<new>", [], "a"),
        "pad_token": (None, "<new pad>", "a"),
        "unk_token": (None, "<new>"),
        "model_max_length": (0, 1, -1, 10**30, "x", None, 5),
        "padding_side": ("right", "evil", None),
        "truncation_side": ("evil",),
        "added_tokens_decoder": (
            {"5": {"content": "x", "special": True}},
            {"99999": {"content": "<far>"}},
            {"x": {}},
            {"5": "x"},
            [],
        ),
        "extra_special_tokens": (
            {"image_token": "<other>"},
            [],
            {"a": 5},
            {},
            {f"t{n}": f"<t{n}>" for n in range(500)},
        ),
        "additional_special_tokens": (["<a>", 5], "x", ["e"]),
        "chat_template": (None, 5, [], [{"name": "default", "template": "x"}], [{"name": 1}], "{% if"),
        "clean_up_tokenization_spaces": (True,),
        "model_input_names": ([], ["x"], None),
        "auto_map": ({"AutoTokenizer": ["evil.M", None]},),
        "backend": ("evil", None, "sentencepiece"),
        "image_token": (None, "<other>", 5),
        "add_prefix_space": (True,),
        "legacy": (False,),
        "vocab_file": ("/etc/passwd",),
        "tokenizer_file": ("/etc/passwd", "../x.json"),
        "name_or_path": ("/etc",),
        "split_special_tokens": (True,),
        "add_bos_token": (True, "x"),
    }.items():
        for value in values:
            add(f"tokenizer_config.json {key} = {json.dumps(value)[:40]}", entry("tokenizer_config.json", {key: value}))
    for key, values in {
        "model": (
            None,
            {},
            {"type": "Evil"},
            {"type": "WordLevel", "vocab": {}, "unk_token": "x"},
            {"type": "BPE", "vocab": {}, "merges": []},
            {"type": "Unigram", "vocab": [], "unk_id": 9},
        ),
        "model/merges": ([], ["a"], [["a", "b"]] * 3, [["zzz", "qqq"]], "x"),
        "model/unk_token": (None, "nope", 5),
        "model/dropout": (0.9, 2.0, -1),
        "model/byte_fallback": (True,),
        "model/ignore_merges": (True,),
        "model/continuing_subword_prefix": ("##" * 5000,),
        "truncation": (
            {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0},
            {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 9},
            {},
        ),
        "padding": (
            {
                "strategy": {"Fixed": 10**6},
                "direction": "Left",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "x",
            },
            {
                "strategy": "BatchLongest",
                "direction": "Left",
                "pad_to_multiple_of": 10**9,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "x",
            },
        ),
        "added_tokens": (
            [],
            [{}],
            None,
            [
                {
                    "id": 10**9,
                    "content": "<far>",
                    "single_word": False,
                    "lstrip": False,
                    "rstrip": False,
                    "normalized": False,
                    "special": True,
                }
            ],
        ),
        "added_tokens/5/id": (-1, 7, 10**12, "5"),
        "added_tokens/5/content": ("", "e", "<image"),
        "normalizer": (
            {"type": "Evil"},
            {"type": "Replace", "pattern": {"Regex": "(a|a)*$"}, "content": "b" * 10**5},
            {"type": "Replace", "pattern": {"String": ""}, "content": "x" * 10**6},
            {"type": "Lowercase"},
            {"type": "Prepend", "prepend": "x" * 10**6},
            {"type": "Replace", "pattern": {"Regex": "(("}, "content": ""},
            {
                "type": "Sequence",
                "normalizers": [{"type": "Replace", "pattern": {"Regex": "."}, "content": "aaaaaaaaaa"}] * 8,
            },
            {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        ),
        "pre_tokenizer": (
            {"type": "Evil"},
            {"type": "Split", "pattern": {"Regex": "(\\w+\\s?)+$"}, "behavior": "Isolated", "invert": False},
            {"type": "Split", "pattern": {"Regex": "(?=(a+))+b"}, "behavior": "Removed", "invert": False},
            None,
        ),
        "post_processor": (
            {"type": "Evil"},
            {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "nope", "type_id": 0}}],
                "pair": [],
                "special_tokens": {},
            },
            {
                "type": "TemplateProcessing",
                "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 3,
                "pair": [],
                "special_tokens": {},
            },
            None,
        ),
        "decoder": ({"type": "Evil"}, None, {"type": "Replace", "pattern": {"String": "e"}, "content": "x" * 10**6}),
        "version": ("9.9", None),
    }.items():
        for value in values:
            add(f"tokenizer.json {key} = {json.dumps(value)[:40]}", entry("tokenizer.json", {key: value}))
    for name, text in {
        "empty": "",
        "no message": "hello",
        "a loop": LOOP,
        "long": "{{ 'a' * 4000000000 }}",
        "longer": "{{ 'a' * 300000 }}",
        "many": "{% for a in range(1000000) %}x{% endfor %}",
        "syntax": "{% for %}",
        "raise": "{{ raise_exception('no') }}",
        "undefined": "{{ evil.a.b }}",
        "zero": "{{ 1 / 0 }}",
        "reach": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "import": "{% import 'os' as os %}",
        "include": "{% include '/etc/passwd' %}",
        "macro": "{% macro f(a) %}{{ f(a) }}{% endmacro %}{{ f(1) }}",
        "two images": "{% for m in messages %}<image><image>{{ m['content'] }}{% endfor %}",
        "images in a system turn": "<image> x {% for m in messages %}{{ m['content'] }}{% endfor %}",
        "raises for a second turn": "{% if messages | length > 1 %}{{ raise_exception('one turn') }}{% endif %}"
        "{% for m in messages %}{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for p in m['content'] %}"
        "{{ '<image>' if p['type'] == 'image' else p['text'] }}{% endfor %}{% endif %}{% endfor %}",
        "loops for a long text": "{% if (messages | string | length) > 300 %}" + LOOP + "{% endif %}"
        "{% for m in messages %}{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for p in m['content'] %}"
        "{{ '<image>' if p['type'] == 'image' else p['text'] }}{% endfor %}{% endif %}{% endfor %}",
        "the clock": "{{ strftime_now('%s') }}{% for m in messages %}{{ m['content'] }}{% endfor %}",
        "escapes": "\x1b[2J\x1b]0;evil\x07{% for m in messages %}{{ m['content'] }}{% endfor %}",
        "deep": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "deep blocks": "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
        "power": "{{ 9 ** 9 ** 9 }}",
        "format": "{{ '%999999999s' | format('a') }}",
        "pad": "{{ ('a' | center(999999999)) }}",
        "lipsum": "{{ lipsum(100000) }}",
    }.items():
        add(f"chat template: {name}", template(text))
    add("chat template: not UTF-8", whole("chat_template.jinja", b"\xff\xfe\x00h"))
    add("chat template: only in the tokenizer", lambda folder: (folder / "chat_template.jinja").unlink())
    add(
        "chat template: nowhere",
        both(
            lambda folder: (folder / "chat_template.jinja").unlink(),
            entry("tokenizer_config.json", {"chat_template": ...}),
        ),
    )
    add("chat template: another in a folder", whole("additional_chat_templates/evil.jinja", LOOP))
    add("chat template: as chat_template.json", whole("chat_template.json", json.dumps({"chat_template": LOOP})))
    for name, content in {
        "empty": b"",
        "zeros": bytes(200),
        "a list": b"[]",
        "a number": b"5",
        "null": b"null",
        "a text": b'"x"',
        "not UTF-8": b"\xff\xfe\xfd",
        "deep": b"[" * 50000 + b"]" * 50000,
        "deep objects": b'{"a":' * 50000,
        "half": b'{"a": 1',
        "BOM": b"\xef\xbb\xbf{}",
        "an empty object": b"{}",
        "a key twice": b'{"model_type": "llava", "model_type": "evil"}',
        "a number of a million digits": b'{"a": ' + b"9" * 10**6 + b"}",
    }.items():
        for file in (*SETTINGS, "special_tokens_map.json", "added_tokens.json"):
            add(f"{file}: {name}", whole(file, content))
    for file in (*SETTINGS, "model.safetensors", "chat_template.jinja"):
        add(f"{file}: absent", lambda folder, file=file: (folder / file).unlink())
        add(f"{file}: a pipe", _fifo(file))
        add(f"{file}: a folder", _folder(file))
        add(f"{file}: a link to nowhere", _linked(file, "nowhere"))
        add(f"{file}: a link to itself", _linked(file, file))
        add(f"{file}: a device", _linked(file, "/dev/zero"))
    for file in ("config.json", "tokenizer.json", "chat_template.jinja"):
        add(f"{file}: 3 GB", _large(file, 3 * 2**30))
    for name, change in {
        "a tensor lost": _lose("down_proj"),
        "the projector lost": _lose("projector"),
        "lm_head lost": _lose("lm_head"),
        "a bias lost": _lose("bias"),
        "embeddings lost": _lose("embed_tokens"),
        "renamed": _rename,
        "an extra one": _extra,
        "transposed": _transposed,
        "flat": _flat,
        "half the width": _half,
        "integers": _integers,
        "dtype that is none": _set(dtype="EVIL"),
        "dtype F64": _set(dtype="F64"),
        "dtype BOOL": _set(dtype="BOOL"),
        "F8": _set(dtype="F8_E4M3"),
        "shape negative": _set(shape=[-1, 5]),
        "shape huge": _set(shape=[2**40, 2**40]),
        "shape a text": _set(shape="x"),
        "shape empty": _set(shape=[]),
        "shape with 0": _set(shape=[0, 5]),
        "offsets huge": _set(data_offsets=[0, 2**60]),
        "offsets negative": _set(data_offsets=[-5, 10]),
        "offsets swapped": _set(data_offsets=[100, 0]),
        "offsets a text": _set(data_offsets="x"),
        "NaN": _filled(float("nan")),
        "infinite": _filled(float("inf")),
        "large": _filled(3e38),
        "zeros": _filled(0.0),
        "overlapping": _overlap,
        "nothing": lambda header, data: (header.clear(), data.clear()),
        "metadata a number": lambda header, _: header.update(__metadata__={"format": 5}),
        "metadata tf": lambda header, _: header.update(__metadata__={"format": "tf"}),
        "no metadata": lambda header, _: header.pop("__metadata__", None),
        "metadata long": lambda header, _: header.update(__metadata__={"x": "y" * 10**6}),
        "bytes behind": lambda _, data: data.extend(b"evil" * 100),
        "half the bytes": lambda _, data: data.__delitem__(slice(len(data) // 2, None)),
        "a name of a megabyte": lambda header, _: header.update({"x" * 10**6: header.pop(_first(header))}),
        "40,000 empty tensors": lambda header, _: header.update(
            {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(40_000)}
        ),
    }.items():
        add(f"model.safetensors: {name}", tensors(change))
    for name, content in {
        "empty": b"",
        "5 bytes": b"\0" * 5,
        "header of 2^60": struct.pack("<Q", 2**60) + b"{}",
        "header of 0": struct.pack("<Q", 0),
        "header not JSON": struct.pack("<Q", 8) + b"evil    ",
        "header a list": struct.pack("<Q", 2) + b"[]",
        "deep header": struct.pack("<Q", 40000) + b"[" * 40000,
        "a pickle": b"\x80\x04cos\nsystem\n(S'touch PWNED'\ntR.",
        "a zip": b"PK\x03\x04" + bytes(100),
    }.items():
        add(f"model.safetensors: {name}", whole("model.safetensors", content))
    for name, change in {
        "sound": lambda *_: None,
        "a shard lost": lambda folder, _: (folder / "model-00002-of-00002.safetensors").unlink(),
        "a shard cut": lambda folder, _: os.truncate(folder / "model-00002-of-00002.safetensors", 1000),
        "all in one": _all_in("model-00001-of-00002.safetensors"),
        "a file of no such name": _all_in("evil.safetensors"),
        "numbers": _all_in(5),
        "null": _all_in(None),
        "absolute": _all_in("/etc/passwd"),
        "outside": _outside,
        "empty names": _all_in(""),
        "the folder": _all_in("."),
        "map a list": _of_index(weight_map=[]),
        "map empty": _of_index(weight_map={}),
        "map null": _of_index(weight_map=None),
        "no map": lambda _, index: index.clear(),
        "total a text": _of_index(metadata={"total_size": "x"}),
        "total huge": _of_index(metadata={"total_size": 2**70}),
        "metadata a list": _of_index(metadata=[]),
        "no metadata": lambda _, index: index.pop("metadata"),
        "an extra name": lambda _, index: index["weight_map"].update(other="model-00001-of-00002.safetensors"),
        "a name swapped": lambda _, index: index["weight_map"].update(
            {next(iter(index["weight_map"])): "model-00002-of-00002.safetensors"}
        ),
        "a name less": lambda _, index: index["weight_map"].pop(next(iter(index["weight_map"]))),
        "a list": lambda folder, _: (folder / "model.safetensors.index.json").write_text("[]"),
        "not JSON": lambda folder, _: (folder / "model.safetensors.index.json").write_text("evil"),
        "a pickle named": _all_in("pytorch_model.bin"),
        "a shard is a pipe": lambda folder, _: _fifo("model-00002-of-00002.safetensors")(folder),
        "no index": lambda folder, _: (folder / "model.safetensors.index.json").mkdir(),
    }.items():
        add(f"shards: {name}", sharded(change))
    add("shards: an index beside a whole file", whole("model.safetensors.index.json", '{"weight_map": {"a": "b"}}'))
    for name, deed in {
        "base null": adapter(None),
        "base elsewhere": adapter("/nonexistent/base"),
        "base at the Hub": adapter("evil/base"),
        "base itself": adapter("."),
        "base a number": adapter(5),
        "alone": _alone,
        "rank 0": adapter(r=0),
        "rank huge": adapter(r=10**9),
        "type evil": adapter(peft_type="EVIL"),
        "no such module": adapter(target_modules=["x"]),
        "a pattern that loops": adapter(target_modules="(a+)+$(x|y)"),
        "weights cut": adapter(weights=b"\0" * 5),
        "config a list": both(adapter(), whole("adapter_config.json", "[]")),
        "config not JSON": both(adapter(), whole("adapter_config.json", "evil")),
        "auto_mapping": adapter(auto_mapping={"base_model_class": "Evil", "parent_library": "os"}),
        "no weights": both(adapter(), lambda folder: (folder / "adapter_model.safetensors").unlink()),
        "revision": adapter("evil/base", revision="main"),
        "saved modules": adapter(modules_to_save=["lm_head"]),
        "pickled": both(
            adapter(),
            lambda folder: (folder / "adapter_model.safetensors").unlink(),
            whole("adapter_model.bin", b"\x80\x04cos\nsystem\n(S'touch PWNED'\ntR."),
        ),
    }.items():
        add(f"adapter: {name}", deed)
    for name in (
        "pytorch_model.bin",
        "modeling_evil.py",
        "training_args.bin",
        "optimizer.pt",
        "consolidated.safetensors",
        "tokenizer.model",
        "vocab.json",
        "merges.txt",
        "special_tokens_map.json",
        "video_preprocessor_config.json",
        "custom_generate/generate.py",
        "model.fp16.safetensors",
        "spiece.model",
        "added_tokens.json",
    ):
        add(f"{name} beside", whole(name, b"import os; os.system('touch PWNED')"))
    return found


def drawn(sound: Path, chance: random.Random) -> Mutant:
    """Return a mutant that is drawn: of bytes of a file, or of an entry of a JSON file."""
    files = [*SETTINGS, *SETTINGS, "chat_template.jinja", "model.safetensors"]
    file = chance.choice(files)
    content = (sound / file).read_bytes()
    sealed = chance.random() < 0.3
    if file in SETTINGS and chance.random() < 0.75:
        values = json.loads(content)
        places = list(plain_entries(values))
        place, new = chance.choice(places), chance.choice(ANY)
        named = f"{file} {'.'.join(map(str, place))} = {json.dumps(new)[:30]}"
        return Mutant(named, whole(file, json.dumps(put(values, place, new))), sealed)
    if file == "model.safetensors":
        size = 8 + struct.unpack("<Q", content[:8])[0]
        head = fault_mutants.mutant(content[:size], chance)
        return Mutant(f"{file} its header", whole(file, head + content[size:]), sealed)
    return Mutant(f"{file} its bytes", whole(file, fault_mutants.mutant(content, chance)), sealed)


IMPORTS = (
    "deepspeed",
    "deepspeed.runtime.zero.muon.muon_optimizer",
    "gguf",
    "gmai_bench.backends.local",
    "gmai_bench.commands",
    "gmai_bench.run",
    "gmai_model.chat",
    "gmai_model.checking.check",
    "gmai_model.llama_cpp.export",
    "gmai_model.publishing.push",
    "gmai_model.training.run",
    "gmai_model.tuning.run",
    "gmai_model.warmup",
    "transformers.models.clip.modeling_clip",
    "transformers.models.llama.modeling_llama",
    "transformers.models.llava.modeling_llava",
    "transformers.models.llava.processing_llava",
    "trl.trainer.dpo_trainer",
)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "GLOO_SOCKET_IFNAME": "lo",
    "CUDA_VISIBLE_DEVICES": "",
    "DS_ACCELERATOR": "cpu",
    "HF_HUB_OFFLINE": "1",
}


class Checkpoints:
    """A sound tiny checkpoint, and what opens one.

    Args:
        folder: Works there.
    """

    def __init__(self, folder: Path) -> None:
        os.environ.update(ENVIRONMENT)  # libraries look at it when they are imported
        fault_commands.load(*IMPORTS)
        self._folder = folder
        self._samples, self.sound = fault_commands.tiny(folder)
        self._model, self._out = folder / "model", folder / "out"
        inputs = fault_commands.module_of_tests("gmai_bench/conftest.py")
        self._declared = inputs.write_held_out(folder / "questions", inputs.held_out_rows(3))
        fault_commands.in_a_fork(self._write_more)
        self._expected: dict[str, Any] = {}
        for command in COMMANDS:
            verdict, said = self.attempt(command, Mutant("none", lambda _: None, sealed=True))
            if verdict not in ("same",):
                raise SystemExit(f"{command}: with the sound checkpoint: {verdict}: {said[-1500:]}")

    def _write_more(self) -> None:
        from PIL import Image

        Image.effect_noise((90, 70), 60).convert("RGB").save(self._folder / "picture.png")
        tuning = fault_commands.module_of_tests("gmai_model/tuning/conftest.py")
        for name, count in (("train", 6), ("validation", 3)):
            tuning.write_tasks(self._folder / "tasks" / f"GMAI-MM-Percept-{name}.parquet", tuning.make_tasks(count))

    def _words(self, command: str) -> list[str]:
        model, out, folder = self._model, self._out, self._folder
        steps = ["--set=global_batch_size=2", "--set=micro_batch_size=1", "--set=precision=fp32", "--set=max_steps=1",
                 "--set=activation_checkpointing=false"]  # fmt: skip
        read = ["--set=pack_tokens=192", "--set=loader_workers=0", "--set=answers=0"]
        few = ["--max-new-tokens", 4]
        words: dict[str, list[object]] = {
            "chat": ["model", "chat", model, "--image", folder / "picture.png", "--prompt", "Which shape?", *few,
                     "--device", "cpu"],
            "bench": ["bench", "--benchmarks", self._declared, "--model", model, "--batch-size", 3, *few, "--out", out],
            "train": ["train", "--stage", 1, "--model", model, "--data", self._samples, "--out", out, *steps, *read],
            "tune": ["train", "--stage", 4, "--method", "dpo", "--model", model, "--data", folder / "tasks", "--out",
                     out, *steps],
            "warmup": ["model", "warmup", "--model", model, "--data", self._samples, "--out", out, "--vision-steps", 1,
                       "--language-steps", 1],
            "export": ["model", "export", model, "--format", "gguf", "--square-images", "--fixed-clip", "--out", out],
            "check": ["model", "check", model],
            "push": ["model", "push", model, "me/model", "--dry-run"],
        }  # fmt: skip
        return [str(word) for word in words[command]]

    def _outcome(self, command: str, said: str) -> Any:
        if command == "bench":
            return [fault_commands.lines(file, "id", "text") for file in self._out.glob("*/*/predictions.jsonl")]
        patterns = {
            "train": "model/*.safetensors",
            "tune": "model/*.safetensors",
            "warmup": "*.safetensors",
            "export": "*.gguf",
        }
        if command == "chat":
            return said.strip().splitlines()[-1:]
        files = sorted(self._out.glob(patterns[command])) if command in patterns else []
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]

    def attempt(self, command: str, mutant: Mutant) -> tuple[str, str]:
        """Return what became of a mutant, and what was said: same, used, named, refused, or what is wrong."""
        for place in (self._model, self._out):
            shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.sound, self._model, copy_function=os.link)
        if not mutant.sealed:
            (self._model / "gmai.json").unlink()
        mutant.do(self._model)
        (self._folder / "cwd").mkdir(exist_ok=True)
        said_in = self._folder / "mutant.said"
        began = time.monotonic()
        own = {"GMAI_BENCH_CACHE": str(self._folder / "cache"), "GMAI_CACHE": str(self._folder / "cache")}
        ended = fault_commands.run_command(
            self._words(command), ENVIRONMENT | own, said_in, limit=fault_mutants.limit(CPU_S), still_s=60
        )
        shutil.rmtree(self._folder / "cache", ignore_errors=True)
        said = f"[{time.monotonic() - began:.1f} s] {ended.said}"
        return self._judge(command, mutant, ended.code, ended.said), said

    def _judge(self, command: str, mutant: Mutant, code: int | None, said: str) -> str:
        if code in (None, -signal.SIGXCPU, -signal.SIGKILL):  # the last where its limit of time is the hard one
            return "hang"
        if list(self._folder.rglob("PWNED")) or Path("PWNED").exists():
            return "run as code"
        if "Traceback" in said or "this is a bug" in said:
            return "traceback"
        if code == 2 or (code == 1 and command == "check"):
            errors = [line for line in said.splitlines() if line.startswith(("gmai: ", "Error: "))]
            return "refused" if len(errors) == 1 or command in ("check", "push") else "refused at length"
        if code not in (0, 3):
            return f"exit code {code}"
        found = self._outcome(command, said)
        if command not in self._expected:
            self._expected[command] = found
        if found == self._expected[command]:
            return "same"
        if not mutant.sealed:
            return "used"
        return "named" if any(path.name in said for path in self._model.iterdir()) else "silently different"


COMMANDS = ("chat", "bench", "train", "warmup", "export", "tune", "check", "push")
SHARES = {
    "chat": 0.2,
    "bench": 0.2,
    "train": 0.2,
    "warmup": 0.2,
    "export": 0.2,
    "tune": 0.1,
    "check": 0.02,
    "push": 0.02,
}
"""Of the mutants that are asked for: what starts processes of its own takes ten times as long."""
SOUND = ("same", "used", "named", "refused")


def attempts(found: Checkpoints, command: str, chance: random.Random, count: int) -> Iterator[tuple[Mutant, str, str]]:
    """Try `count` mutants of a command, half of them made by hand, and return (mutant, verdict, what was said)."""
    made = by_hand()
    listed = chance.sample(made, min(len(made), count // 2))
    for mutant in [*listed, *(drawn(found.sound, chance) for _ in range(count - len(listed)))]:
        verdict, said = found.attempt(command, mutant)
        yield mutant, verdict, said


def lost(found: Checkpoints, command: str, chance: random.Random, count: int) -> tuple[list[str], Counter[str]]:
    """Return what was lost of a command's mutants, and how many ended how."""
    ends, problems = Counter[str](), list[str]()
    for mutant, verdict, said in attempts(found, command, chance, count):
        ends[verdict] += 1
        if verdict not in SOUND:
            problems.append(f"{mutant.name}{' (sealed)' if mutant.sealed else ''}: {verdict}: {said[-500:]}")
    return problems, ends
