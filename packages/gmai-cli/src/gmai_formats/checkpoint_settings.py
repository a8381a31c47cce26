"""What the small files of a checkpoint may say: entries have a type, sizes have bounds, texts are texts.

Libraries and gmai itself read these files entry by entry and trust each to be what it always is. One table says what
that is, so that a foreign file is refused by its entry, and not by the error that it leads to somewhere.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError

AGAIN = "Download or write the checkpoint again."
_DEEPEST = 32
"""Levels of lists and objects. Settings have 5; libraries walk through them by calls in calls."""
_LAYERS = re.compile(r"(^|_)(n_layers?|num_layers|num_hidden_layers|depth|(en|de)coder_layers)$")
_BOUNDS = (
    (re.compile(r"^(height|width|image_size)$"), 2**13),
    (re.compile(r"^vocab_size$"), 2**24),
    (re.compile(r"(_size|_dim|_heads|_channels|_experts|_labels|image_seq_length|_image_tokens|_positions)$"), 2**20),
    (re.compile(r"^max_position_embeddings$"), 2**31),
)  # fmt: skip
"""Name of a setting ▶ more than any model has, by a factor of ten and more."""


def check_settings(path: Path, content: dict[str, Any], tensors: int | None) -> None:
    """Refuse settings that no model has.

    Args:
        path: The file that holds them.
        content: What it holds.
        tensors: How many tensors the weights beside it are, None where that is unknown.

    Raises:
        UserError: An entry is of another type than it always is, a size is absurd, or a text or the nesting of lists
            and objects is none that libraries take.
    """
    entries = list(_entries(path, content))
    fields = {field for field, *_ in entries}
    for field, value, is_in_list in entries:
        _check_text(path, field)
        if isinstance(value, str):
            _check_text(path, value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            _check_size(path, field, value, fields, tensors)
        if not is_in_list:
            _check_type(path, field, value)


def check_added_tokens(path: Path, content: dict[str, Any]) -> None:
    """Refuse an added_tokens.json that gives a token anything but a number.

    Raises:
        UserError: It does.
    """
    for token, number in content.items():
        _check_text(path, token)
        if not _is_whole(number):
            raise _of_type(path, token, number, "a whole number")


def _entries(path: Path, content: dict[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    """Yield every value under its name, such as `text_config.hidden_size`, and whether that is the name of its list."""
    waiting: list[tuple[str, Any, int, bool]] = [("", content, 0, False)]
    while waiting:
        name, value, depth, is_in_list = waiting.pop()
        if depth > _DEEPEST:
            raise UserError(
                f"{path}: {name[:100]} holds lists or objects in one another, more than {_DEEPEST} deep. No settings "
                f"of a model do. {AGAIN}"
            )
        if depth:
            yield name, value, is_in_list
        if isinstance(value, dict):
            for key, inner in cast("dict[str, Any]", value).items():
                waiting.append((f"{name}.{key}" if name else key, inner, depth + 1, False))
        elif isinstance(value, list):
            waiting += [(name, inner, depth + 1, True) for inner in cast("list[Any]", value)]


def _check_text(path: Path, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{path}: holds {text[:100]!a}, which is no Unicode text. It cannot be written again. {AGAIN}"
        ) from error


def _check_size(path: Path, field: str, number: float, fields: Collection[str], tensors: int | None) -> None:
    key = field.rpartition(".")[2]
    if _LAYERS.search(key) and tensors is not None and number > tensors:
        raise UserError(
            f"{path}: {field} is {_said(number)}, and the weights beside it are {tensors:,} tensors, fewer than "
            f"layers. "
            f"The file is damaged, or made to take all memory. Download the checkpoint again."
        )
    most = next((most for pattern, most in _BOUNDS if pattern.search(key)), None)
    if key == "shortest_edge":  # beside a longest one both count pixels, as Qwen's do
        most = 2**24 if f"{field.removesuffix(key)}longest_edge" in fields else 2**13
    if most is not None and number > most:
        raise UserError(
            f"{path}: {field} is {_said(number)}; more than {most:,} is no size of a model. The file is damaged, or "
            f"made to take all memory. Download the checkpoint again."
        )


def _said(number: float) -> str:
    return f"{number:,}" if abs(number) < 1e18 else "a number of more than 18 digits"


def _check_type(path: Path, field: str, value: Any) -> None:
    key = field.rpartition(".")[2]
    for pattern, takes, due in _TYPES:
        if value is not None and pattern.fullmatch(key):
            if not takes(value):
                raise _of_type(path, field, value, due)
            return


def _of_type(path: Path, field: str, value: Any, due: str) -> UserError:
    shown = ascii(value)[:60] if isinstance(value, str) else repr(value)[:60] if _is_short(value) else "a long number"
    return UserError(f"{path}: {field} is {shown}, where {due} is due. {AGAIN}")


def _is_short(value: Any) -> bool:
    """Return whether Python puts it into words: it refuses to where a number has thousands of digits."""
    try:
        repr(value)
    except ValueError:
        return False
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, cast("list[Any]", value)))


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    )


def _each(takes: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return what takes a value or a list of such."""
    return lambda value: all(map(takes, cast("list[Any]", value))) if isinstance(value, list) else takes(value)


def _is_size(value: Any) -> bool:
    inner = cast("dict[str, Any]", value).values() if isinstance(value, dict) else [value]
    return all(each is None or _each(_is_whole)(each) for each in inner)


def _is_token(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and isinstance(cast("Any", value).get("content"), str))


def _is_template(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_text, cast("dict[str, Any]", value).values()))
    if isinstance(value, list):
        return all(
            isinstance(each, dict) and all(isinstance(cast("Any", each).get(key), str) for key in ("name", "template"))
            for each in cast("list[Any]", value)
        )
    return isinstance(value, str)


def _are_tokens_by_id(value: Any) -> bool:
    return isinstance(value, dict) and all(
        key.isascii() and key.isdigit() and len(key) < 19 and isinstance(token, dict) and _is_token(token)
        for key, token in cast("dict[str, Any]", value).items()
    )


_TYPES: tuple[tuple[re.Pattern[str], Callable[[Any], bool], str], ...] = tuple(
    (re.compile(pattern), takes, due)
    for pattern, takes, due in (
        (r"(model|image_processor|feature_extractor)_type|(processor|tokenizer)_class|(torch_)?dtype|"
         r"(projector_)?hidden_act|vision_feature_select_strategy", _is_text, "a text"),
        (r"architectures", _are_texts, "a list of texts"),
        (r"(text|vision)_config|rope_(scaling|parameters)|quantization_config|auto_map", _is_object, "an object"),
        (r"\w+_token_(id|index)|vision_feature_layer", _each(_is_whole), "a whole number, or a list of such,"),
        (r"(bos|eos|pad|unk|sep|cls|mask|image)_token", _is_token, "a text, or an object with a text as content,"),
        (r"hidden_size|intermediate_size|num_hidden_layers|num_attention_heads|num_key_value_heads|head_dim|vocab_size|"
         r"max_position_embeddings|image_seq_length|num_additional_image_tokens|num_channels|image_size|patch_size",
         _each(_is_whole), "a whole number"),
        (r"resample", _is_whole, "Pillow's number of a filter (2 bilinear, 3 bicubic)"),
        (r"(crop_)?size", _is_size, "a whole number, or an object of such,"),
        (r"tie_word_embeddings|multimodal_projector_bias|attention_bias|mlp_bias|use_cache", _is_flag,
         "true or false"),
        (r"rope_theta|\w+_eps|rescale_factor|model_max_length", _is_number, "a number"),
        (r"image_(mean|std)", _each(_is_number), "a list of numbers"),
        (r"do_(resize|rescale|normalize|pad|center_crop|convert_rgb)", _is_flag,
         "true or false"),
        (r"chat_template", _is_template, "a text, or several by name,"),
        (r"added_tokens_decoder", _are_tokens_by_id, "an object of token by number"),
    )
)  # fmt: skip
"""Name of an entry ▶ what it always is, where it is not null."""
