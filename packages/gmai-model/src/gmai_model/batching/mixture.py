"""Which samples a stage trains on: datasets with a share each (paper Table 7), taken by hash, without replacement."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from gmai_cli.errors import UserError, explain_validation
from pydantic import BaseModel, ConfigDict, Field, ValidationError


class MixtureEntry(BaseModel):
    """One dataset of a mixture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    path: str
    """A Parquet file, or a folder with `train-*.parquet`; relative to the mixture file."""
    ratio: dict[int, float] = Field(default_factory=lambda: {1: 1.0, 2: 1.0, 3: 1.0})
    """Stage ▶ share of the dataset used; above 1 repeats samples, 0 leaves the dataset out."""


class Mixture(BaseModel):
    """The `mix.yaml` of a build."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: list[MixtureEntry] = Field(min_length=1)


def load_mixture(path: Path) -> tuple[Mixture, Path]:
    """Read a mixture file, or make one of a single folder or Parquet file.

    Returns:
        The mixture, and the folder that its paths are relative to.

    Raises:
        UserError: The path is missing, is no YAML mapping, or has unknown or ill-typed keys.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist. --data takes a mix.yaml, a folder of train-*.parquet, or a file.")
    if path.is_dir() and (path / "mix.yaml").is_file():
        path = path / "mix.yaml"
    if path.is_dir() or path.suffix == ".parquet":
        return Mixture(datasets=[MixtureEntry(name=path.stem, path=str(path.resolve()))]), path.parent
    try:
        content: Any = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as YAML: {error}") from error
    try:
        return Mixture.model_validate(content), path.parent
    except ValidationError as error:
        known = [*Mixture.model_fields, *MixtureEntry.model_fields]
        raise explain_validation(error, where=str(path), known_fields=known) from error


def parquet_files(entry: MixtureEntry, root: Path, *, split: str) -> list[Path]:
    """Return a dataset's files of one split, sorted; a single file is its own `train` split.

    Raises:
        UserError: The path is missing, a folder has no `train-*.parquet`, or a file is not whole Parquet.
    """
    path = (root / entry.path).resolve()
    if path.is_file():
        files = [path] if split == "train" else []
    else:
        files = sorted(path.glob(f"{split}-*.parquet"))
    if not files and split == "train":
        state = "holds no train-*.parquet" if path.is_dir() else "does not exist"
        raise UserError(
            f"dataset {entry.name}: {path} {state}. A dataset is a Parquet file or a folder of train-*.parquet. "
            f"Fix `path` in the mixture, or set its ratio to 0."
        )
    for file in files:
        try:
            pq.read_metadata(file)
        except (OSError, pa.ArrowException) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise UserError(
                f"dataset {entry.name}: {file} is not a whole Parquet file ({reason}). Build or download it again."
            ) from error
    return files


def take_share(ids: list[str], ratio: float, *, seed: int) -> np.ndarray:
    """Return the indices of the samples that a ratio selects.

    A sample is taken when the hash of its id and the seed lies below the ratio: the choice does not depend on order,
    on other samples or on the number of workers. A ratio of 2.5 takes every sample twice and half of them once more.

    Returns:
        int64 indices into `ids`, ascending, repeats last.
    """
    whole, share = int(ratio), ratio - int(ratio)
    everything = np.arange(len(ids), dtype=np.int64)
    if share == 0:
        return np.tile(everything, whole)
    draws = np.array([_uniform(f"{seed}:{sample_id}") for sample_id in ids])
    return np.concatenate([np.tile(everything, whole), everything[draws < share]])


def _uniform(key: str) -> float:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") / 2**64
