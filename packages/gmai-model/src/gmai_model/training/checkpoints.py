"""Checkpoints to resume from: written aside, fsynced, sealed, renamed, pruned; read by any number of ranks.

Each rank writes `rank-NNNNN.safetensors`, its pieces of the optimiser's state (`master_state`); `complete.json` names
the run's place and every file with its digest. Nothing in a checkpoint can run code.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from gmai_cli.console import say
from gmai_formats.files import fsync_directory
from gmai_formats.state import DamagedError, damage, read_state, seal, write_state
from safetensors import SafetensorError, safe_open

from gmai_model.training import master_state
from gmai_model.training.distributed import end_together, on_main
from gmai_model.training.failures import AGAIN
from gmai_model.training.place import Place
from gmai_model.training.tensor_file import NotFiniteError, write_tensors

MARKER = "complete.json"
FORMAT = 2
"""Version of the files. Version 1 was DeepSpeed's own pickles, which are not opened."""


@dataclass(frozen=True)
class Checkpoint:
    """One complete checkpoint."""

    folder: Path
    place: Place
    world: int
    """Number of ranks that wrote it."""
    samples: str
    """`Inputs.digest` of the samples that it was trained on; "" where an earlier version wrote it."""
    files: dict[str, dict[str, Any]]
    """Name ▶ seal."""


def find_latest(root: Path) -> Checkpoint | None:
    """Return the newest checkpoint that is whole; what is half-written or damaged is named and passed over.

    Every rank must call this: they share the reading of the files, and rank 0 decides for all.
    """
    for checkpoint in on_main(lambda: _marked(root)):
        problem = first_damage(checkpoint.folder, checkpoint.files)
        if not problem:
            return checkpoint
        if dist.get_rank() == 0:
            say(f"checkpoint {checkpoint.folder} is damaged ({problem}), passed over")
    return None


def require_same_samples(checkpoint: Checkpoint, samples: str) -> None:
    """Refuse to go on with other samples, which only a run whose plan was removed comes to.

    Raises:
        UserError: The checkpoint was trained on others.
    """
    if checkpoint.samples not in ("", samples):
        plan = checkpoint.folder.parents[1] / "plan"
        end_together(
            f"{checkpoint.folder} was trained on other samples than these, or with others of their settings. A run is "
            f"resumed with the data that it began with. Put them back and remove {plan}, choose another --out, or "
            f"remove the old run."
        )


def find_step(root: Path, step: int) -> Checkpoint:
    """Return the checkpoint of a step. Every rank must call this.

    Raises:
        UserError: It is not there or not whole.
    """
    folder = _folder(root, step)
    found = on_main(lambda: next((each for each in _marked(root) if each.folder == folder), None))
    problem = first_damage(found.folder, found.files) if found is not None else "it is not there"
    if found is None or problem:
        end_together(f"checkpoint {folder}, the best one, cannot be read: {problem}.")
    return found


def _folder(root: Path, step: int) -> Path:
    return root / f"step-{step:08d}"


def _marked(root: Path) -> list[Checkpoint]:
    """Return the checkpoints with a whole marker, the newest first; half-written folders are removed."""
    for unfinished in root.glob(".step-*"):
        shutil.rmtree(unfinished)
    found: list[Checkpoint] = []
    for folder in sorted(root.glob("step-*"), reverse=True):
        try:
            values = read_state(folder / MARKER)
            if values["format"] != FORMAT:
                raise DamagedError(f"its format is {values['format']}, this version reads {FORMAT}")
            place = Place.read(values["place"])
            found.append(Checkpoint(folder, place, values["world"], values.get("samples", ""), values["files"]))
        except (OSError, KeyError, TypeError, DamagedError) as error:
            say(f"checkpoint {folder} is not complete ({error}), passed over")
    return found


def first_damage(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what is wrong with sealed files, the same on every rank; each of them reads its share."""
    mine = sorted(files.items())[dist.get_rank() :: dist.get_world_size()]
    own = next((found for name, sealed in mine if (found := _damage(folder / name, sealed))), "")
    return _first(own)[1]


def _damage(file: Path, sealed: Mapping[str, Any]) -> str:
    if (found := damage(file, sealed)) or file.suffix != ".safetensors":
        return found
    try:
        safe_open(file, framework="pt")
    except SafetensorError as error:  # whoever can write here can adapt the digest, too
        return f"{file.name} is no safetensors file: {error}"
    return ""


def _first(own: str) -> tuple[int, str]:
    """Return the first rank that has something to say, and what."""
    texts: list[str] = [""] * dist.get_world_size()
    dist.all_gather_object(texts, own)
    return next(((rank, text) for rank, text in enumerate(texts) if text), (0, ""))


def save(engine: Any, root: Path, *, place: Place, samples: str, keep: int, keep_step: int | None = None) -> None:
    """Write a checkpoint. Every rank must call this; frozen weights are left out.

    Args:
        engine: DeepSpeed's engine.
        root: The folder of checkpoints.
        place: Of the weights in the engine.
        samples: What they were trained on, see `Checkpoint`.
        keep: How many of the newest stay.
        keep_step: A step whose checkpoint stays, too.

    Raises:
        UserError: A rank could not write, for example because the disk is full, or its weights are no numbers; the
            last complete checkpoint stays.
    """
    final = _folder(root, place.steps)
    building = root / f".{final.name}.building"
    is_main, rank = dist.get_rank() == 0, dist.get_rank()
    _agree(_attempt(lambda: _begin(building)) if is_main else "", place.steps, building)
    name = f"rank-{rank:05d}.safetensors"
    sealed: dict[str, Any] = {}

    def write() -> None:
        digest = write_tensors(building / name, master_state.tensors(engine))
        sealed.update(seal(building / name, digest))

    _agree(_attempt(write), place.steps, building)
    seals: list[tuple[str, dict[str, Any]]] = [("", {})] * dist.get_world_size()
    dist.all_gather_object(seals, (name, sealed))
    problem = _attempt(lambda: _finish(building, final, place, samples, dict(seals))) if is_main else ""
    _agree(problem, place.steps, building)
    if is_main:
        _prune(root, keep=keep, keep_step=keep_step)


def _begin(building: Path) -> None:
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)


def _finish(building: Path, final: Path, place: Place, samples: str, files: dict[str, dict[str, Any]]) -> None:
    write_state(
        building / MARKER,
        {"format": FORMAT, "place": asdict(place), "world": dist.get_world_size(), "samples": samples, "files": files},
    )
    fsync_directory(building)
    if final.exists():
        shutil.rmtree(final)
    building.rename(final)
    fsync_directory(final.parent)


def _attempt(write: Callable[[], None]) -> str:
    """Return what went wrong, or nothing. torch reports a full disk as a RuntimeError of its own."""
    try:
        write()
    except NotFiniteError as error:
        return f"{error} holds a value that is not finite"
    except (OSError, RuntimeError) as error:
        return str(error).splitlines()[0]
    return ""


def _agree(problem: str, step: int, building: Path) -> None:
    """Raise on every rank when one has a problem, so that none waits for it."""
    rank, text = _first(problem)
    if not text:
        return
    if dist.get_rank() == 0:
        shutil.rmtree(building, ignore_errors=True)
    root = building.parent
    last = max((folder.name for folder in root.glob("step-*")), default="none yet")
    if text.endswith("not finite"):
        end_together(
            f"step {step}: {text} on rank {rank}. Such weights are never saved. The last complete checkpoint is "
            f"{last}. Lower the learning rate in a new --out, or look for a faulty device or file."
        )
    free_gib = shutil.disk_usage(root).free / 2**30 if root.is_dir() else 0
    end_together(
        f"step {step}: rank {rank} could not write the checkpoint in {root}: {text} ({free_gib:.2f} GiB free there). "
        f"The last complete checkpoint is {last}. Make room (keep_checkpoints keeps fewer). {AGAIN}"
    )


def _prune(root: Path, *, keep: int, keep_step: int | None) -> None:
    kept = None if keep_step is None else _folder(root, keep_step)
    for folder in sorted(root.glob("step-*"))[:-keep]:
        if folder != kept:
            shutil.rmtree(folder)


def load(engine: Any, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's weights and optimiser states into the engine. Every rank must call this."""
    files = [checkpoint.folder / name for name in sorted(checkpoint.files)]
    master_state.restore(engine, files, steps=checkpoint.place.steps)
