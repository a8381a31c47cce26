"""Which samples a stage trains on: datasets with a share each (paper Table 7), taken by hash, without replacement."""

import hashlib
import json
from collections.abc import Collection
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from gmai_formats.errors import UserError, did_you_mean, explain_validation
from gmai_formats.files import write_text
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

Share = Annotated[float, Field(ge=0)]


class MixtureEntry(BaseModel):
    """One dataset of a mixture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    path: str | None = None
    """A file or folder (Parquet, LLaVA JSON or JSONL, WebDataset tars); relative to the mixture file, or, with `hub`,
    inside the repository."""
    hub: str | None = None
    """A dataset on the Hub: `owner/name` or `owner/name@revision`."""
    images: str | None = None
    """The folder that a LLaVA file's image paths are relative to; without it, the file's own folder."""
    ratio: dict[Literal[1, 2, 3], Share] = Field(default_factory=lambda: {1: 1.0, 2: 1.0, 3: 1.0})
    """Stage ▶ share of the dataset used; above 1 repeats samples, 0 leaves the dataset out."""
    length: int | None = Field(None, ge=0)
    """Samples that the mixture's author counted; a number more than 1 % off is reported."""
    augment: bool = False
    """The authors' mixing list asks to augment this dataset. It is reported and not done: the paper has none."""
    skip: bool = False
    """Leave the dataset out of every stage."""

    def share(self, stage: int) -> float:
        """Return the share of the dataset that a stage uses."""
        return 0.0 if self.skip else self.ratio.get(stage, 0.0)  # pyright: ignore[reportCallIssue, reportArgumentType]


class Mixture(BaseModel):
    """A mixture file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: list[MixtureEntry] = Field(min_length=1)

    @field_validator("datasets")
    @classmethod
    def _names_differ(cls, entries: list[MixtureEntry]) -> list[MixtureEntry]:
        names = [entry.name for entry in entries]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f'the name "{repeated[0]}" occurs more than once; reports go by the name')
        return entries


class _ListEntry(BaseModel):
    """One dataset of the authors' mixing list, in their words and in those of InternVL, which the list goes back to."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    annotations: str = Field(alias="annotation")
    image_dir: str = Field("", alias="root")
    sample_ratio: float = Field(1.0, alias="repeat_time", ge=0)
    length: int | None = None
    data_augment: bool = False


def load_mixture(path: Path) -> tuple[Mixture, Path]:
    """Read a mixture file, or make one of a single folder or file of samples.

    Args:
        path: A `mix.yaml`, the authors' mixing list (JSON), or samples: a folder, or a .parquet, .json, .jsonl or .tar.

    Returns:
        The mixture, and the folder that its paths are relative to.

    Raises:
        UserError: The path is missing, is no mixture, or has unknown or ill-typed keys.
    """
    if not path.exists():
        raise UserError(
            f"{path} does not exist. --data takes a mix.yaml, a mixing list, or samples: a folder, or a Parquet, JSON, "
            f"JSONL or tar file."
        )
    if path.is_dir() and (path / "mix.yaml").is_file():
        path = path / "mix.yaml"
    if path.suffix == ".json" and _first_character(path) == "{":
        return _load_list(path)
    if path.is_dir() or path.suffix in (".parquet", ".json", ".jsonl", ".tar"):
        return Mixture(
            datasets=[MixtureEntry.model_validate({"name": path.stem, "path": str(path.resolve())})]
        ), path.parent
    try:
        content: Any = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as YAML: {error}") from error
    try:
        return Mixture.model_validate(content), path.parent
    except ValidationError as error:
        known = [*Mixture.model_fields, *MixtureEntry.model_fields]
        raise explain_validation(error, where=str(path), known_fields=known) from error


def _first_character(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(4096).lstrip("\ufeff \t\r\n")[:1]


def _load_list(path: Path) -> tuple[Mixture, Path]:
    """Read a mixing list; the ratio holds for every stage, for the list is given per stage."""
    text = path.read_text("utf-8-sig")
    try:
        content: Any = json.loads(text)
    except ValueError:
        try:
            content = yaml.safe_load(text)  # takes the comma after the last entry, which the published list has
        except yaml.YAMLError as error:
            raise UserError(f"{path}: not readable as a JSON mixing list: {error}") from error
    entries: list[MixtureEntry] = []
    for name, values in content.items():
        try:
            entry = _ListEntry.model_validate(values)
        except ValidationError as error:
            fields = _ListEntry.model_fields
            known = [*fields, *(str(field.alias) for field in fields.values() if field.alias)]
            raise explain_validation(error, where=f"{path}: {name}", known_fields=known) from error
        # The authors' code takes paths from the current folder, others from the list's.
        base = path.parent if (path.parent / entry.annotations).exists() else Path.cwd()
        entries.append(
            MixtureEntry(
                name=name, path=str((base / entry.annotations).resolve()),
                images=str((base / entry.image_dir).resolve()),
                ratio=dict.fromkeys((1, 2, 3), entry.sample_ratio), length=entry.length,
                augment=entry.data_augment,
            )
        )  # fmt: skip
    return Mixture(datasets=entries), path.parent


def write_preset(name: str, out: Path) -> None:
    """Write one of the mixtures that come with the package.

    Raises:
        UserError: There is none of this name, or `out` exists.
    """
    presets = {
        file.name.removesuffix(".yaml"): file for file in resources.files("gmai_model").joinpath("mixtures").iterdir()
    }
    if name not in presets:
        raise UserError(f"no mixture {name}.{did_you_mean(name, presets)}")
    if out.exists():
        raise UserError(f"{out} exists. Choose another --out, or remove it.")
    write_text(out, presets[name].read_text("utf-8"))


def used_entries(mixture: Mixture, *, stage: int) -> list[MixtureEntry]:
    """Return the datasets that a stage uses.

    Raises:
        UserError: A dataset still waits for its path or Hub id, or none has a share in this stage.
    """
    used = [entry for entry in mixture.datasets if entry.share(stage) > 0]
    unfilled = [entry.name for entry in used if entry.path is None and entry.hub is None]
    if unfilled:
        raise UserError(
            f"{len(unfilled)} of the {len(used)} datasets of stage {stage} have neither `path` nor `hub`: "
            f"{', '.join(unfilled)}. Fill one of them in, or set `skip: true`."
        )
    if not used:
        raise UserError(
            f"the mixture has no dataset for stage {stage}: every ratio is 0. Give a dataset a ratio above 0."
        )
    return used


def take_share(ids: Collection[str], ratio: float, *, seed: int) -> np.ndarray:
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
    draws = np.fromiter((_uniform(f"{seed}:{sample_id}") for sample_id in ids), dtype=np.float64, count=len(ids))
    return np.concatenate([np.tile(everything, whole), everything[draws < share]])


def _uniform(key: str) -> float:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") / 2**64
