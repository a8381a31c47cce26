"""Whether a folder holds a checkpoint, which model it is, whether its weights are as written, and numbers at all."""

import hashlib
import importlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

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


_MOST_PER_BYTE = 4
"""Parameters in a byte of weights, those of 2 bits."""
_OF_NO_MATTER = 2**27
"""Parameters that take no machine's memory; who opens such a checkpoint says what its weights lack."""


def require_filled(folder: Path, model: Any = None) -> None:
    """Refuse a checkpoint whose config.json builds a model of far more parameters than its weights can hold.

    Entries that are absent have defaults, and those of a language model are a model of seven billion parameters. What
    no file fills is drawn at random, in memory, before anybody is told.

    Args:
        folder: A checkpoint folder.
        model: What config.json builds on the meta device; where it is None, torch and transformers are imported for it.

    Raises:
        UserError: It does.
    """
    built = _build_empty(folder) if model is None else model
    held = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    called = sum(parameter.numel() for parameter in built.parameters()) if built is not None else 0
    if called > max(_MOST_PER_BYTE * held, _OF_NO_MATTER):
        raise UserError(
            f"{folder / 'config.json'}: builds a model of {called:,} parameters, and the weights beside it are "
            f"{held:,} bytes. An entry such as text_config is absent or wrong, or a file of weights is. Download the "
            f"checkpoint again."
        )


def _build_empty(folder: Path) -> Any:
    """Return the model that config.json builds, without memory for it; None where it builds none."""
    torch, transformers = (cast("Any", importlib.import_module(name)) for name in ("torch", "transformers"))
    try:
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        with torch.device("meta"):
            return transformers.AutoModelForImageTextToText.from_config(config, trust_remote_code=False)
    except Exception:  # who opens it says what is wrong
        return None


def require_loaded(model: str, loading: Mapping[str, Any]) -> None:
    """Refuse a model of which a weight did not come from its checkpoint: it would be random numbers.

    Args:
        model: As the user named it.
        loading: What `from_pretrained(…, output_loading_info=True)` says, loaded with `ignore_mismatched_sizes=True`,
            for else transformers prints a table and raises.

    Raises:
        UserError: One is absent, or of another shape than config.json says.
    """
    if missing := sorted(map(str, loading["missing_keys"])):
        raise UserError(
            f"{model}: lacks {len(missing)} weights that its config.json asks for, such as {missing[0]}. Missing "
            f"weights would be random numbers. Save the checkpoint again, or correct config.json; `gmai model check` "
            f"says more."
        )
    if other := sorted(map(tuple, loading["mismatched_keys"])):
        name, found, due = other[0]
        raise UserError(
            f"{model}: {len(other)} weights have another shape than its config.json says, such as {name} "
            f"({tuple(found)}, not {tuple(due)}). Restore config.json or the weights; `gmai model check` says more."
        )


def require_checkpoint(folder: Path, *, takes: str = "--model takes a checkpoint folder") -> None:
    """Refuse what is no checkpoint folder, and name the one that lies inside of it, as in the folder of a run.

    Raises:
        UserError: There is no such folder, or no `config.json` in it.
    """
    if (folder / "config.json").is_file():
        return
    require_folder(folder, f"{takes}. Correct the path.")
    if (folder / "adapter_config.json").is_file():
        raise UserError(
            f"{folder}: an adapter without its base. Give the checkpoint that it was merged into, such as the `model` "
            f"folder beside the `adapter` folder of a run of `gmai train`, or merge it into its base (merge_and_unload "
            f"of peft)."
        )
    inside = [child for child in sorted(folder.iterdir()) if (child / "config.json").is_file()]
    if inside:
        raise UserError(f"{folder}: no config.json here, but in {inside[-1]}. Give that folder.")
    raise UserError(
        f"{folder}: no config.json here. A checkpoint folder has config.json, *.safetensors and the tokenizer. Give "
        "the folder that `gmai model init` wrote, or the `model` folder of a run of `gmai train`."
    )
