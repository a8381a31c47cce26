"""An entry of a foreign checkpoint's settings that is not what it always is, is refused by its name."""

import json
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.checkpoint_settings import check_added_tokens, check_settings
from gmai_formats.errors import UserError

PLACE = Path("model") / "config.json"
USUAL: list[dict[str, Any]] = [
    {"architectures": ["LlavaForConditionalGeneration"], "torch_dtype": "bfloat16", "eos_token_id": [2, 4],
     "bos_token_id": None, "pad_token_id": -1, "vision_feature_layer": [-2, 3], "quantization_config": {"bits": 4},
     "rope_scaling": None, "text_config": {"rope_parameters": {"full_attention": {"rope_theta": 10000.0}}}},
    {"size": {"shortest_edge": 336}, "crop_size": 224, "image_mean": 0.5, "image_std": [0.5, 0.5, 0.5], "do_pad": None},
    {"model_max_length": 10**30, "eos_token": {"content": "</s>", "lstrip": False, "__type": "AddedToken"},
     "chat_template": [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}],
     "added_tokens_decoder": {"0": {"content": "<s>", "special": True}}, "extra_special_tokens": ["<a>"]},
    {"chat_template": {"default": "a"}, "time_step_limit": [0.0, float("inf")], "additional_special_tokens": None},
    {"label2id": {"LABEL_0": 0}, "initializer_range": 0.02, "num_labels": 21_843},
]  # fmt: skip


@pytest.mark.parametrize("settings", USUAL)
def test_what_published_checkpoints_say_is_taken(settings: dict[str, Any]) -> None:
    check_settings(PLACE, json.loads(json.dumps(settings)), None)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model_type": [[]]}, r"config\.json: model_type is \[\[\]\], where a text is due"),
        ({"text_config": {"hidden_act": 3}}, r"text_config\.hidden_act is 3, where a text is due"),
        ({"architectures": "LlamaForCausalLM"}, "architectures is 'LlamaForCausalLM', where a list of texts is due"),
        ({"architectures": [None]}, "where a list of texts"),
        ({"vision_config": [{}]}, "vision_config is .*where an object is due"),
        ({"text_config": {"rope_parameters": "x"}}, r"rope_parameters is 'x', where an object is due"),
        ({"dtype": []}, r"dtype is \[\], where a text is due"),
        ({"eos_token_id": "1" * 5000}, "eos_token_id is '1111.*where a whole number, or a list of such, is due"),
        ({"eos_token_id": [[2]]}, r"eos_token_id is \[\[2\]\]"),
        ({"pad_token_id": 2.0}, r"pad_token_id is 2\.0"),
        ({"image_token_index": 2**63}, "image_token_index is 9,?223"),
        ({"eos_token": 3.0}, r"eos_token is 3\.0, where a text, or an object with a text"),
        ({"eos_token": {"content": 5}}, "eos_token is"),
        ({"unk_token": ["<unk>"]}, "unk_token is"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps is nan, where a number is due"),
        ({"rescale_factor": float("inf")}, "rescale_factor is inf"),
        ({"rope_theta": True}, "rope_theta is True"),
        ({"model_max_length": "x"}, "model_max_length is 'x'"),
        ({"model_max_length": 10**4000}, r"model_max_length is 1000\d+, where a number"),
        ({"image_mean": "x"}, "image_mean is 'x', where a list of numbers"),
        ({"do_resize": "no"}, "do_resize is 'no', where true or false is due"),
        ({"chat_template": [{"name": 1, "template": 2}]}, "chat_template is"),
        ({"chat_template": 7}, "chat_template is 7, where a text, or several by name, is due"),
        ({"added_tokens_decoder": {"a": {"content": "<z>"}}}, "added_tokens_decoder is"),
        ({"added_tokens_decoder": {"1": {"special": True}}}, "where an object of token by number is due"),
        ({"added_tokens_decoder": {"1": ["<z>"]}}, "added_tokens_decoder is"),
        ({"image_token": [[]]}, r"image_token is \[\[\]\], where a text, or an object with a text"),
        ({"image_token": float("inf")}, "image_token is inf"),
        ({"text_config": {"num_key_value_heads": "2"}}, "num_key_value_heads is '2', where a whole number is due"),
        ({"text_config": {"head_dim": 32.5}}, r"head_dim is 32\.5"),
        ({"patch_size": {"a": 1}}, "patch_size is"),
        ({"num_additional_image_tokens": "1"}, "num_additional_image_tokens is '1'"),
        ({"resample": "x"}, "resample is 'x'"),
        ({"crop_size": {"height": "x"}}, "crop_size is .*where a whole number, or an object of such, is due"),
        ({"size": "x"}, "size is 'x'"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings is 'no', where true or false is due"),
        ({"multimodal_projector_bias": []}, "multimodal_projector_bias is"),
        ({"anything": {"at": ["all", "\ud800"]}}, r"config\.json: holds '\\ud800', which is no Unicode text"),
        ({"\udfff": 1}, "no Unicode text"),
        ({"num_labels": 10**9}, "num_labels is 1,000,000,000; more than 1,048,576 is no size"),
        ({"num_local_experts": 2**21}, "num_local_experts"),
        ({"vision_config": {"hidden_size": 10**4000}}, r"hidden_size is a number of more than 18 digits; more than"),
    ],
)  # fmt: skip
def test_an_entry_of_another_type_or_size_is_refused_by_name(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        check_settings(PLACE, settings, None)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_lists_and_objects_in_one_another_are_refused_before_a_library_follows_them() -> None:
    deep: Any = 1
    for number in range(900):
        deep = [deep] if number % 2 else {"a": deep}
    with pytest.raises(UserError, match=r"holds lists or objects in one another, more than 32 deep"):
        check_settings(PLACE, {"extra": deep}, None)


@pytest.mark.parametrize("number", ["5", {"id": 5}, None, 1e400, True])
def test_an_added_token_without_a_number_is_refused(number: Any) -> None:
    check_added_tokens(Path("added_tokens.json"), {"<img>": 32000, "eos_token": 2})
    with pytest.raises(UserError, match=r"added_tokens\.json: <z> is .*, where a whole number is due"):
        check_added_tokens(Path("added_tokens.json"), {"<z>": number})
