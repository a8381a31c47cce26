"""A checkpoint of others, held to bounds before a library builds what its settings say.

A library allocates the layers that config.json names, renders the chat template and runs the tokenizer's patterns, and
stops at nothing: a file of a few bytes can hang it or take all memory. So sizes are compared with what the weights can
hold, and tokenizer and template are tried in a process of their own that has so much time and memory.
"""

import contextlib
import errno
import re
import signal
import struct
import subprocess
import sys
import traceback
from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from gmai_formats import opening
from gmai_formats.checkpoint_settings import check_added_tokens, check_settings
from gmai_formats.errors import UserError
from gmai_formats.json_text import parse_json
from gmai_formats.limits import raising_after

_SETTINGS = ("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
             "tokenizer_config.json", "special_tokens_map.json", "chat_template.json")  # fmt: skip
_ADDED = "added_tokens.json"
_INDEX = "model.safetensors.index.json"
"""Its numbers are bytes of files, and no size of a model."""
_OF_DEVICE = frozenset({"OutOfMemoryError", "AcceleratorError"})
"""Errors of torch, which is not imported here."""
_TOLD_IN_RUST = re.compile(r"\(os error (\d+)\)")
_OF_DISKS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES})
_LARGEST_HEADER = 100_000_000
"""Bytes; safetensors itself reads no larger one."""
TEMPLATE_CPU_S = 10.0
"""Of a batch of conversations; a long one takes milliseconds."""
_LARGEST_SETTINGS = 100_000_000
"""Bytes; the vocabularies of 2026 have up to 35 million."""
_LARGEST_TEMPLATE = 1_000_000
"""Bytes; the longest of tool-using models have 20,000."""
ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
_WHOLE = frozenset({"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "C64"})
"""Types of safetensors that no weight has, unless its config.json says how it was quantized."""
_MOST_NAMES = 32_000_000
"""Bytes of a header: about 300,000 tensors, of which each costs whoever opens the file memory and time."""


def require_bounded(folder: Path) -> None:
    """Refuse a checkpoint folder whose settings would take all time or memory.

    Args:
        folder: Holds config.json; files that are absent are not asked for here.

    Raises:
        UserError: Something in it is neither file nor folder or belongs to an adapter, a settings file is no JSON or
            names an absurd size, weights have a header of absurd size or are no fractions, or tokenizer or chat
            template take more than the times or `MEMORY_BYTES` of `opening`.
    """
    _refuse_adapter(folder)
    for path in sorted(folder.iterdir()):
        if path.exists() and not path.is_file() and not path.is_dir():  # to open a pipe waits for ever
            raise UserError(f"{path}: a pipe or device, where a checkpoint has files. Copy the checkpoint again.")
    tensors = _count_tensors(folder)
    for name in (opening.TOKENIZER, "tokenizer.model", "vocab.json", "merges.txt"):
        _check_length(folder / name, _LARGEST_SETTINGS)
    for name in (*_SETTINGS, _ADDED, _INDEX):
        path = folder / name
        _check_length(path, _LARGEST_SETTINGS)
        if path.is_file():
            content = _read(path)
            if not isinstance(content, dict):
                raise UserError(
                    f"{path}: holds a {type(content).__name__}, where an object is due. Download or write the "
                    f"checkpoint again."
                )
            if name == _ADDED:
                check_added_tokens(path, content)
            elif name != _INDEX:
                check_settings(path, content, tensors)
    for path in opening.template_files(folder):
        _check_length(path, _LARGEST_TEMPLATE)
        _check_template(path)
    _try(folder)


def _refuse_adapter(folder: Path) -> None:
    """Refuse a folder that transformers would open as an adapter.

    It puts the adapter into the model, or opens whatever model the adapter names as its base, and then tells of the
    adapter alone which weights were absent.
    """
    if found := next((path for name in ADAPTER if (path := folder / name).exists()), None):
        raise UserError(
            f"{found}: part of an adapter, which would change the model beside it or open another base in its place. "
            f"Merge it into its base (merge_and_unload of peft) and give that checkpoint, or take the file away."
        )


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
    if (told := _TOLD_IN_RUST.search(str(error))) is not None and int(told[1]) in _OF_DISKS:
        return False
    if type(error) is Exception:  # of Rust, which has no place; gmai raises none
        return True
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and not str(frames[-1].f_globals.get("__name__", "")).startswith("gmai_")


@contextlib.contextmanager
def naming_template(model: str) -> Generator[None]:
    """Raise a `UserError` in place of whatever a chat template leads jinja2 to while the block renders it.

    A template may know the texts that it was tried with, so that the time of each block is limited, too.
    """
    endless = UserError(
        f"{model}: the chat template takes more than {TEMPLATE_CPU_S:.0f} s of a processor. It is damaged, or made to "
        "do harm. Download the checkpoint again, or use another one."
    )
    try:
        with raising_after(TEMPLATE_CPU_S, endless):
            yield
    except Exception as error:
        if not is_of_its_files(error):
            raise
        raise UserError(
            f"{model}: the chat template fails ({' '.join(str(error).split())[:200]}). It must render a user's message "
            "with images. Correct its chat_template.jinja."
        ) from error


@contextlib.contextmanager
def naming_files(
    model: str,
    says: str = "opens, and does not answer",
    remedy: str = "Its config.json, chat template or weights fit no model of its kind. Correct them, or download it "
    "again.",
) -> Generator[None]:
    """Raise a `UserError` in place of whatever a checkpoint's settings lead a library to while the block runs it.

    What a device says (no memory, a broken one) is not laid to the files.

    Args:
        model: As the user named it.
        says: What fails.
        remedy: The sentences behind it.
    """
    try:
        yield
    except Exception as error:
        is_of_device = type(error).__name__ in _OF_DEVICE or "CUDA" in str(error) or "memory" in str(error)
        if is_of_device or not is_of_its_files(error):
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise UserError(f"{model}: {says} ({reason}). {remedy}") from error


def naming_opened(model: Path) -> AbstractContextManager[None]:
    """Raise a `UserError` in place of whatever a checkpoint's files lead a library to while the block opens it."""
    return naming_files(str(model), "does not open", f"`gmai model check {model}` says what is off.")


def require_processor(model: str, processor: Any) -> None:
    """Refuse what transformers opened as something else, such as a tokenizer, since no processor is named.

    Raises:
        UserError: It takes no images, or no texts.
    """
    lacking = [name for name in ("tokenizer", "image_processor") if getattr(processor, name, None) is None]
    if lacking:
        raise UserError(
            f"{model}: opens as a {type(processor).__name__}, which has no {lacking[0]}. The processor_class in "
            f"processor_config.json, preprocessor_config.json and tokenizer_config.json must name a processor of "
            f"images and texts, such as LlavaProcessor."
        )


def _check_template(path: Path) -> None:
    try:
        path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: no text in UTF-8 ({error.reason} at byte {error.start}), which every reader takes it as. Save it "
            f"as UTF-8, or download it again."
        ) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Copy the checkpoint again.") from error


def _check_length(path: Path, most: int) -> None:
    if path.is_file() and (size := path.stat().st_size) > most:
        raise UserError(
            f"{path}: has {size:,} bytes, and no such file has more than {most:,}. It is damaged, or made to take all "
            f"memory. Download the checkpoint again."
        )


def _read(path: Path) -> Any:
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}). Download or write the checkpoint again.") from error


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
                _refuse_whole_numbers(path, names)
        except (OSError, ValueError, TypeError, AttributeError, struct.error):
            # Who opens the weights says what is wrong with them.
            return None
    return count or None


def _refuse_whole_numbers(path: Path, names: dict[str, Any]) -> None:
    """Refuse weights that are stored as whole numbers and would be taken for fractions without a word."""
    found = [(name, each["dtype"]) for name, each in names.items()
             if name.endswith((".weight", ".bias")) and each.get("dtype") in _WHOLE]  # fmt: skip
    if found and b'"quantization_config"' not in (path.parent / "config.json").read_bytes():
        name, kind = found[0]
        raise UserError(
            f"{path}: {len(found)} weights are no fractions, such as {name} ({kind}), and config.json has no "
            f"quantization_config that says what they mean. Save the weights as floating-point numbers, or download "
            f"the checkpoint again."
        )


def _try(folder: Path) -> None:
    command = [sys.executable, "-I", opening.__file__, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=opening.WALL_S)
        said, code, is_late = done.stdout, done.returncode, False
    except subprocess.TimeoutExpired as error:
        said, code, is_late = (error.stdout or b"").decode(errors="replace"), None, True
    at = said.split("\n")[-2:-1]
    if not at or (
        code is not None and code >= 0 and code not in {opening.TOO_MUCH, opening.TOO_LONG, opening.TOO_HIGH}
    ):
        return  # what else may be wrong with it is said by who uses it
    if code == opening.TOO_HIGH:
        raise UserError(
            f"{folder}: {at[0]} gives a token a number above {opening.HIGHEST:,}, which no vocabulary has. It is "
            f"damaged, or made to take all memory. Download the checkpoint again, or use another one."
        )
    if code == opening.TOO_LONG:
        raise UserError(
            f"{folder}: {at[0]} makes more than {opening.MOST_CHARACTERS:,} characters or {opening.MOST_TOKENS:,} "
            f"tokens of one short conversation. It is damaged, or made to do harm. Download the checkpoint again, or "
            f"use another one."
        )
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
