"""A checkpoint of others, held to bounds before a library builds what its settings say.

A library allocates the layers that config.json names, renders the chat template and runs the tokenizer's patterns, and
stops at nothing: a file of a few bytes can hang it or take all memory. So sizes are compared with what the weights can
hold, and tokenizer and template are tried in a process of their own that has so much time and memory.
"""

import contextlib
import re
import signal
import struct
import subprocess
import sys
import traceback
from collections.abc import Collection, Generator, Iterator
from pathlib import Path
from typing import Any, cast

from gmai_formats import opening
from gmai_formats.errors import UserError
from gmai_formats.json_text import parse_json

_SETTINGS = ("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
             "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.json")  # fmt: skip
_INDEX = "model.safetensors.index.json"
"""Its numbers are bytes of files, and no size of a model."""
_LAYERS = re.compile(r"(^|_)(n_layers?|num_layers|num_hidden_layers|depth|(en|de)coder_layers)$")
_BOUNDS = (
    (re.compile(r"^(height|width|image_size)$"), 2**13),
    (re.compile(r"^vocab_size$"), 2**24),
    (re.compile(r"(_size|_dim|_heads|_channels|_experts|image_seq_length|_image_tokens|_positions)$"), 2**20),
    (re.compile(r"^max_position_embeddings$"), 2**31),
)
"""Name of a setting ▶ more than any model has, by a factor of ten and more."""
_OF_DEVICE = frozenset({"OutOfMemoryError", "AcceleratorError"})
"""Errors of torch, which is not imported here."""
_LARGEST_HEADER = 100_000_000
"""Bytes; safetensors itself reads no larger one."""
_MOST_NAMES = 32_000_000
"""Bytes of a header: about 300,000 tensors, of which each costs whoever opens the file memory and time."""


def require_bounded(folder: Path) -> None:
    """Refuse a checkpoint folder whose settings would take all time or memory.

    Args:
        folder: Holds config.json; files that are absent are not asked for here.

    Raises:
        UserError: Something in it is neither file nor folder, a settings file is no JSON or names an absurd size,
            weights have a header of absurd size, or tokenizer or chat template take more than the times or
            `MEMORY_BYTES` of `opening`.
    """
    for path in sorted(folder.iterdir()):
        if path.exists() and not path.is_file() and not path.is_dir():  # to open a pipe waits for ever
            raise UserError(f"{path}: a pipe or device, where a checkpoint has files. Copy the checkpoint again.")
    tensors = _count_tensors(folder)
    for name in (*_SETTINGS, _INDEX):
        path = folder / name
        if path.is_file():
            content = _read(path)
            if not isinstance(content, dict):
                raise UserError(
                    f"{path}: holds a {type(content).__name__}, where an object is due. Download or write the "
                    f"checkpoint again."
                )
            numbers = list(_numbers(content, "")) if name != _INDEX else []
            fields = {field for field, _ in numbers}
            for field, number in numbers:
                _check(path, field, number, fields, tensors)
    _try(folder)


def is_of_its_files(error: Exception) -> bool:
    """Return whether an error of a library that opened a checkpoint may be due to the checkpoint's files.

    Foreign settings lead a library to errors of every kind: `TypeError` and `AttributeError` for a value of another
    type, a bare `Exception` from the tokenizer's Rust. So the place decides, too: an error that was raised in gmai
    itself, a name that does not exist, or what the system says of disk and memory, is not laid to the files.
    """
    if isinstance(error, UserError | NameError | SyntaxError | MemoryError):
        return False
    if isinstance(error, OSError) and error.errno is not None:
        return False
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and not str(frames[-1].f_globals.get("__name__", "")).startswith("gmai_")


@contextlib.contextmanager
def naming_template(model: str) -> Generator[None]:
    """Raise a `UserError` in place of whatever a chat template leads jinja2 to while the block renders it."""
    try:
        yield
    except Exception as error:
        if not is_of_its_files(error):
            raise
        raise UserError(
            f"{model}: the chat template fails ({' '.join(str(error).split())[:200]}). It must render a user's message "
            "with images. Correct its chat_template.jinja."
        ) from error


@contextlib.contextmanager
def naming_files(model: str) -> Generator[None]:
    """Raise a `UserError` in place of whatever a checkpoint's settings lead a library to while the block runs it.

    What a device says (no memory, a broken one) is not laid to the files.
    """
    try:
        yield
    except Exception as error:
        is_of_device = type(error).__name__ in _OF_DEVICE or "CUDA" in str(error) or "memory" in str(error)
        if is_of_device or not is_of_its_files(error):
            raise
        raise UserError(
            f"{model}: opens, and does not answer ({type(error).__name__}: {' '.join(str(error).split())[:200]}). Its "
            "config.json, chat template or weights fit no model of its kind. Correct them, or download it again."
        ) from error


def _read(path: Path) -> Any:
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}). Download or write the checkpoint again.") from error


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    """Yield every number below a value of JSON, under its name such as `text_config.hidden_size`."""
    if isinstance(value, dict):
        for key, each in cast("dict[str, Any]", value).items():
            yield from _numbers(each, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from _numbers(each, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


def _check(path: Path, field: str, number: float, fields: Collection[str], tensors: int | None) -> None:
    key = field.rpartition(".")[2]
    if _LAYERS.search(key) and tensors is not None and number > tensors:
        raise UserError(
            f"{path}: {field} is {number:,}, and the weights beside it are {tensors:,} tensors, fewer than layers. "
            f"The file is damaged, or made to take all memory. Download the checkpoint again."
        )
    most = next((most for pattern, most in _BOUNDS if pattern.search(key)), None)
    if key == "shortest_edge":  # beside a longest one both count pixels, as Qwen's do
        most = 2**24 if f"{field.removesuffix(key)}longest_edge" in fields else 2**13
    if most is not None and number > most:
        raise UserError(
            f"{path}: {field} is {number:,}; more than {most:,} is no size of a model. The file is damaged, or made to "
            f"take all memory. Download the checkpoint again."
        )


def _count_tensors(folder: Path) -> int | None:
    """Return how many tensors the safetensors files name, None where there is none or one is damaged."""
    count = 0
    for path in folder.glob("*.safetensors"):
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                if length > min(_LARGEST_HEADER, path.stat().st_size):
                    return None
                if length > _MOST_NAMES:
                    raise UserError(
                        f"{path}: has {length:,} bytes of names and shapes, and no checkpoint has {_MOST_NAMES:,}. The "
                        f"file is damaged, or made to take all time and memory. Download the checkpoint again."
                    )
                names = parse_json(file.read(length))
                if odd := next((name for name in names if not name.isprintable()), None):
                    raise UserError(  # libraries print such names as they are
                        f"{path}: has a tensor called {odd!r}, with characters that steer a terminal. Its names are no "
                        f"model's. Download the checkpoint again."
                    )
                count += len(names)
        except (OSError, ValueError, TypeError, AttributeError, struct.error):
            # Who opens the weights says what is wrong with them.
            return None
    return count or None


def _try(folder: Path) -> None:
    command = [sys.executable, "-I", opening.__file__, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=opening.WALL_S)
        said, code, is_late = done.stdout, done.returncode, False
    except subprocess.TimeoutExpired as error:
        said, code, is_late = (error.stdout or b"").decode(errors="replace"), None, True
    at = said.split("\n")[-2:-1]
    if not at or (code is not None and code >= 0 and code != opening.TOO_MUCH):
        return  # what else may be wrong with it is said by who uses it
    if code == -signal.SIGKILL:  # which none of its limits sends
        raise UserError(
            f"{folder}: the process that tried {at[0]} was ended from outside, most often because the machine's memory "
            "ran out. Run the same command again, with more memory."
        )
    if is_late:
        spent = f"{opening.WALL_S} s of the clock"
    elif code == -signal.SIGXCPU:
        spent = f"{opening.CPU_S if at[0] == opening.TOKENIZER else opening.TEMPLATES_CPU_S} s of a processor"
    else:  # a Rust or C library that gets no memory aborts
        spent = f"{opening.MEMORY_BYTES / 2**30:.0f} GiB of memory, or calls itself without end,"
    raise UserError(
        f"{folder}: {at[0]} takes more than {spent} for one short conversation. It is damaged, or made to do harm. "
        f"Download the checkpoint again, or use another one."
    )
