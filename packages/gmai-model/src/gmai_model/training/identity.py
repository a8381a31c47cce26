"""Which run a folder holds: written at its start, checked whenever the same command resumes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from gmai_cli.console import say
from gmai_cli.folders import require_own
from gmai_formats.errors import UserError
from gmai_formats.rows.mixtures import load_mixture
from gmai_formats.run_record import NAME, write_run_record
from gmai_formats.state import DamagedError, read_state
from gmai_formats.weights import shaping_files
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from gmai_model.batching.sources import digest_files
from gmai_model.training.config import MAY_CHANGE, TrainConfig
from gmai_model.training.distributed import computes_on_gpu

_NOT_TRAINED_BY = frozenset({"generation_config.json"})
"""Files of a checkpoint that change its answers but not its training."""


def claim(settings: dict[str, Any], *, model: Path, data: Path, out: Path, world: int) -> None:
    """Write `run.json`, or check that the run in `out` is this one.

    The number of processes is no part of a run's identity, nor are the settings of `config.MAY_CHANGE`, nor where the
    samples lie: their content is the plan's (`Inputs`).

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
    stage = settings["stage"]
    entries = [
        {"name": entry.name, "ratio": entry.share(stage), "hub": entry.hub, "subset": entry.subset, "rows": entry.rows}
        for entry in mixture.datasets
        if entry.share(stage) > 0
    ]
    claim_run(
        settings, MAY_CHANGE, entries, model=model, data=data, root=root, out=out, world=world, schema=TrainConfig
    )


def claim_run(
    settings: dict[str, Any], may_change: frozenset[str], content: list[dict[str, Any]], *, model: Path, data: Path,
    root: Path, out: Path, world: int, schema: type[BaseModel],
) -> None:  # fmt: skip
    """Write `run.json`, or check that the run in `out` is this one.

    Args:
        settings: All of them, as JSON stores them.
        may_change: Those that leave the result as it is.
        content: What stands for the data: its parts, each with a `name`.
        model: The checkpoint to start from.
        data: Where the samples are.
        root: What their paths are relative to.
        out: The run's folder.
        world: Number of processes.
        schema: The settings' class: one that an earlier version did not have was at its default.

    Raises:
        UserError: `out` holds another run, or something else.
    """
    settings = {**settings, "trainable": sorted(settings["trainable"])}
    identity: dict[str, Any] = {
        "config": {key: value for key, value in settings.items() if key not in may_change},
        "model": _digests(model),
        "data": content,
    }
    record = out / NAME
    if record.is_file():
        before = _read_identity(record)
        before["config"] = _defaults(schema, may_change) | dict(before.get("config", {}))
        for key, now in identity.items():
            if before.get(key) != now:
                raise UserError(
                    f"{out} holds a run with another {key}{_difference(key, before.get(key), now)}. A run is resumed "
                    f"with the settings, model and data that it began with. Choose another --out, or remove the old "
                    f"run."
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


def _defaults(schema: type[BaseModel], may_change: frozenset[str]) -> dict[str, Any]:
    fields = {name: field for name, field in schema.model_fields.items() if name not in may_change}
    return {name: to_jsonable_python(field.get_default(call_default_factory=True))
            for name, field in fields.items() if not field.is_required()}  # fmt: skip


def _difference(key: str, before: Any, now: Any) -> str:
    """Return what differs between two records of a run, where that can be told."""
    if key == "data" and isinstance(before, list) and all(isinstance(part, dict) for part in before):
        parts: list[dict[str, Any]] = before
        names, others = [part.get("name") for part in parts], [part["name"] for part in now]
        if names != others:
            return f": its parts were {', '.join(map(str, names))}, are {', '.join(others)}"
        return next((f": {new['name']}{_difference('', old, new)}" for old, new in zip(parts, now, strict=True)
                     if old != new), "")  # fmt: skip
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return ""
    old: Mapping[str, Any] = before
    new: Mapping[str, Any] = now
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if key == "model":
        return f": {', '.join(names)} {'differs' if len(names) == 1 else 'differ'}"
    return f": {names[0]} was {old.get(names[0])!r}, is {new.get(names[0])!r}" if names else ""


def _digests(model: Path) -> dict[str, str]:
    """Return name ▶ digest of a checkpoint's files that shape what is trained.

    Of a large file, blocks spread over it are read: all of a 16 GB model would cost minutes of a network file system at
    each start.
    """
    files = [path for path in shaping_files(model) if path.name not in _NOT_TRAINED_BY]
    return {path.name: digest for path, digest in zip(files, digest_files(files), strict=True)}
