"""Whether a folder holds a checkpoint, which model it is, whether its weights are as written, and numbers at all."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.files import require_folder, sha256_file
from gmai_formats.json_text import parse_json
from gmai_formats.state import DIGEST, DamagedError, damage, seal

RECORD = "gmai.json"
"""What gmai says of a checkpoint that it wrote, in its folder."""
_SHAPING = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt", "vocab.txt")
"""The files of a checkpoint that shape its answers."""
_NOT_SHAPING = (RECORD, "trainer_state.json", "run.json")
_FILES = "files"
_KEYS = {"bytes", DIGEST}
_WRITTEN_LATER = (".md", ".png")
"""The model card and its picture, which `gmai model push` writes."""


def read_record(folder: Path) -> dict[str, Any]:
    """Return the record of a checkpoint folder; empty where it has none.

    Raises:
        DamagedError: It is not what gmai writes.
    """
    path = folder / RECORD
    try:
        record: Any = parse_json(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise DamagedError(
            f"{path} is damaged: it is not JSON ({error}). Copy the checkpoint again; without this file it is taken as "
            f"one of others, and damaged weights are not noticed."
        ) from error
    if not isinstance(record, dict) or not _are_seals(record.get(_FILES, {})):  # pyright: ignore[reportUnknownMemberType]
        raise DamagedError(f"{path} is damaged: it holds no record of gmai. Copy the checkpoint again.")
    return record  # pyright: ignore[reportUnknownVariableType]


def _are_seals(files: Any) -> bool:
    # A record may come from others: it names files of its own folder, or none.
    return isinstance(files, dict) and all(
        isinstance(name, str) and isinstance(each, dict) and Path(name).name == name and each.keys() >= _KEYS
        for name, each in files.items()  # pyright: ignore[reportUnknownVariableType]
    )


def sealed_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what the record of a new checkpoint says of its files, so that damage to them is noticed."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix not in _WRITTEN_LATER)
    return {_FILES: {path.name: seal(path) for path in files if path.name != RECORD}}


def seals_of(folder: Path, *, weights_only: bool = True) -> Mapping[str, Mapping[str, Any]]:
    """Return the seals in a checkpoint's record; none for a checkpoint of others.

    Args:
        folder: The checkpoint.
        weights_only: Leave out the settings, which their owner may change: `gmai model check` compares those.

    Raises:
        DamagedError: The record is damaged.
    """
    files: dict[str, dict[str, Any]] = read_record(folder).get(_FILES, {})
    return {name: each for name, each in files.items() if not weights_only or ".safetensors" in name}


def shaping_files(folder: Path) -> list[Path]:
    """Return the files that shape a model's answers, in the order of their names."""
    found = {path for pattern in _SHAPING for path in folder.glob(pattern)}
    return sorted(
        path for path in found if path.name not in _NOT_SHAPING and path.name[0] != "."
    )  # a pull leaves notes


def shaping_digests(folder: Path) -> dict[str, str]:
    """Return name ▶ SHA-256 of the files that shape a model's answers, in the order of their names."""
    return {path.name: sha256_file(path) for path in shaping_files(folder)}


def model_digest(digests: Mapping[str, str]) -> str:
    """Return the digest of a model, as reports hold it (docs/reference/formats.md).

    Args:
        digests: Those of `shaping_digests`.
    """
    listed = "".join(f"{name}\0{digest}\n" for name, digest in digests.items())
    return f"sha256:{hashlib.sha256(listed.encode()).hexdigest()}"


def damaged(
    folder: Path, *, weights_only: bool = True, leave_out: str = "", digests: Mapping[str, str] | None = None
) -> str:
    """Return how a checkpoint's files differ from what gmai wrote; nothing where they do not or others wrote them.

    Args:
        folder: The checkpoint.
        weights_only: As `seals_of` takes it.
        leave_out: Files with this in their names are not looked at.
        digests: Name ▶ SHA-256 of files that were read just now: weights are not read twice.
    """
    try:
        seals = seals_of(folder, weights_only=weights_only)
    except DamagedError as error:
        return str(error)
    known = digests or {}
    found = (damage(folder / name, each, known.get(name, "")) for name, each in seals.items()
             if not leave_out or leave_out not in name)  # fmt: skip
    return next(filter(None, found), "")


def require_as_written(folder: Path, found: str | None = None) -> None:
    """Refuse weights that are not those that gmai wrote.

    Args:
        folder: The checkpoint; one of others has no digests and passes.
        found: What `damaged` said of its weights, where that is known.

    Raises:
        UserError: The weights, or the record with their digests, are damaged or were changed.
    """
    found = damaged(folder) if found is None else found
    if found:
        raise UserError(refusal(folder, found))


def changed_settings(folder: Path) -> str:
    """Return what to say of settings that are not as gmai wrote them, which their owner may change; else nothing."""
    found = damaged(folder, weights_only=False, leave_out=".safetensors")
    return found and (
        f"{folder}: {found}: it is not as gmai wrote it, and used as it is. `gmai model check {folder}` says what "
        f"differs, and with --accept-settings records a change that is meant."
    )


def refusal(folder: Path, found: str) -> str:
    """Return why a checkpoint is not used, and what mends it.

    Args:
        folder: The checkpoint.
        found: What `damaged` said of its weights.
    """
    try:
        names = seals_of(folder)
    except DamagedError as error:
        return str(error)
    numbers = next((_not_finite_in(folder / name) for name in names if name in found), "")
    return (
        f"{folder}: {found}{numbers}. These are not the weights that gmai wrote, so they are not used. If nobody "
        f"changed them, the file is damaged: copy the checkpoint again, or remove it and make it again. If the change "
        f"is meant, `gmai model check {folder} --accept-weights` records it."
    )


def _not_finite_in(path: Path) -> str:
    """Return a clause that names the first tensor of a file with a NaN or an infinity; nothing where none is found."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        return ""
    try:
        file: Any
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                tensor: Any = file.get_tensor(name)
                if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                    return f", and {name} in it holds values that are not finite"
    except (OSError, RuntimeError, ValueError, ImportError, SafetensorError):  # the digest has told already
        return ""
    return ""


def not_finite(tensors: Iterable[tuple[str, Any]]) -> str:
    """Return which weights hold a NaN or an infinity, or nothing; one pass over the memory.

    Args:
        tensors: Name and tensor, such as torch's `named_parameters()`.
    """
    # A sum is finite only where every summand is; a finite sum may overflow, so the tensor itself has the last word.
    found = [name for name, tensor in tensors
             if not math.isfinite(float(tensor.detach().sum())) and not bool(tensor.isfinite().all())]  # fmt: skip
    if not found:
        return ""
    return (
        f"{len(found)} tensors hold values that are not finite (NaN or infinity), {found[0]} first. Such weights "
        f"answer nothing: a training diverged, or the file is damaged. Take an earlier one; `gmai model check` "
        f"says more."
    )


def require_checkpoint(folder: Path, *, takes: str = "--model takes a checkpoint folder") -> None:
    """Refuse what is no checkpoint folder, and name the one that lies inside of it, as in the folder of a run.

    Raises:
        UserError: There is no such folder, or no `config.json` in it.
    """
    if (folder / "config.json").is_file():
        return
    require_folder(folder, f"{takes}. Correct the path.")
    inside = [child for child in sorted(folder.iterdir()) if (child / "config.json").is_file()]
    if inside:
        raise UserError(f"{folder}: no config.json here, but in {inside[-1]}. Give that folder.")
    raise UserError(
        f"{folder}: no config.json here. A checkpoint folder has config.json, *.safetensors and the tokenizer. Give "
        "the folder that `gmai model init` wrote, or the `model` folder of a run of `gmai train`."
    )
