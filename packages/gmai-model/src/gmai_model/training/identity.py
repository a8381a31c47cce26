"""Which run a folder holds: written at its start, checked whenever the same command resumes it."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from gmai_cli.console import say
from gmai_cli.folders import require_own
from gmai_formats.checkpoints import require_bounded
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file
from gmai_formats.rows.mixtures import load_mixture
from gmai_formats.run_record import NAME, write_run_record
from gmai_formats.state import DamagedError, read_state
from gmai_formats.weights import require_checkpoint

from gmai_model.training.config import MAY_CHANGE
from gmai_model.training.distributed import computes_on_gpu


def check_inputs(model: Path, data: Path) -> None:
    """Refuse what cannot be trained before any process waits for another.

    Raises:
        UserError: No checkpoint at `model`, or an unusable mixture.
    """
    check_folder(model)
    load_mixture(data)


def check_folder(model: Path) -> None:
    """Refuse what is no checkpoint folder.

    Raises:
        UserError: It has no configuration, or one that would take all time or memory.
    """
    require_checkpoint(model)
    require_bounded(model)


def claim(settings: dict[str, Any], *, model: Path, data: Path, out: Path, world: int) -> None:
    """Write `run.json`, or check that the run in `out` is this one.

    The number of processes is no part of a run's identity, nor are the settings of `config.MAY_CHANGE`.

    Args:
        settings: All of them, as JSON stores them.
        model: The checkpoint to start from.
        data: The mixture.
        out: The run's folder.
        world: Number of processes.

    Raises:
        UserError: `out` holds another run, or something else.
    """
    mixture, root = load_mixture(data)
    entries = [entry.model_dump(mode="json") for entry in mixture.datasets]
    claim_run(settings, MAY_CHANGE, entries, model=model, data=data, root=root, out=out, world=world)


def claim_run(
    settings: dict[str, Any], may_change: frozenset[str], content: Any, *, model: Path, data: Path, root: Path,
    out: Path, world: int,
) -> None:  # fmt: skip
    """Write `run.json`, or check that the run in `out` is this one.

    Args:
        settings: All of them, as JSON stores them.
        may_change: Those that leave the result as it is.
        content: What stands for the data.
        model: The checkpoint to start from.
        data: Where the samples are.
        root: What their paths are relative to.
        out: The run's folder.
        world: Number of processes.

    Raises:
        UserError: `out` holds another run, or something else.
    """
    settings = {**settings, "trainable": sorted(settings["trainable"])}
    identity: dict[str, Any] = {
        "config": {key: value for key, value in settings.items() if key not in may_change},
        "model": _digest_folder(model),
        "data": content,
    }
    record = out / NAME
    if record.is_file():
        before = _read_identity(record)
        changed = [key for key in identity if before.get(key) != identity[key]]
        if changed:
            old, new = before.get(changed[0]), identity[changed[0]]
            detail = ""
            if isinstance(old, dict) and isinstance(new, dict):
                keys = [key for key in new if old.get(key) != new[key]]
                detail = f": {keys[0]} was {old.get(keys[0])!r}, is {new[keys[0]]!r}" if keys else ""
            raise UserError(
                f"{out} holds a run with another {changed[0]}{detail}. A run is resumed with the settings, model and "
                f"data that it began with. Choose another --out, or remove the old run."
            )
        return
    require_own(out, command="gmai train", begun=("checkpoints", "metrics.jsonl"))
    if any((out / "checkpoints").glob("*")):
        say(f"{record} is not there, but checkpoints are: the run in {out} is taken as one of this command")
    write_run_record(
        out, config=settings, inputs={"model": str(model), "data": str(data), "root": str(root)},
        identity=identity, seed=settings["seed"], world=world, device=device_name(),
    )  # fmt: skip


def _read_identity(record: Path) -> dict[str, Any]:
    try:
        return dict(read_state(record)["identity"])
    except (KeyError, TypeError):
        raise UserError(
            f"{record}: of another command, and no `gmai train` began this folder. The output folder is new, or that "
            "of a run to go on with. Give another --out."
        ) from None
    except DamagedError as error:
        raise UserError(
            f"{error}, so that it cannot be told whether this command is the one that the run began with. "
            f"Put the file back; or, if settings, model and data are the same, remove it and start again: the run goes "
            f"on from its last checkpoint."
        ) from error


def device_name() -> str:
    """Return the name of this process's device."""
    return torch.cuda.get_device_name() if computes_on_gpu() else f"cpu, {torch.get_num_threads()} threads"


def _digest_folder(model: Path) -> str:
    """Digest a checkpoint by its configuration and the first megabyte and size of every weight file.

    Reading all of a 16 GB model over a network file system for each start would cost minutes.
    """
    digest = hashlib.sha256(sha256_file(model / "config.json").encode())
    for file in sorted(model.glob("*.safetensors")):
        with file.open("rb") as handle:
            digest.update(f"{file.name} {file.stat().st_size}".encode() + handle.read(2**20))
    return digest.hexdigest()
