"""Mixtures: the datasets that a stage trains on with a share each, as YAML or as the authors' mixing list."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gmai_formats.errors import UserError, did_you_mean, explain_validation
from gmai_formats.rows.adapters import ADAPTERS
from gmai_formats.rows.files import SUFFIXES, format_of, is_mixing_list
from gmai_formats.rows.json_stream import first_character, lenient_object
from gmai_formats.rows.rules import Problem, printable, shortened
from gmai_formats.safe_yaml import load_yaml, yaml_text

Share = Annotated[float, Field(ge=0)]
_LONGEST_NAME_BYTES = 255
_CONTROL = re.compile(r"[\0-\x1f\x7f]")
_SHARES = "a share for each stage belongs here, such as {1: 1.0, 2: 0.5, 3: 0}"


def _could_be_a_path(value: str) -> str:
    parts = (len(part.encode("utf-8", "surrogatepass")) for part in value.split("/"))
    if "\0" in value or max(parts) > _LONGEST_NAME_BYTES:
        raise ValueError(f"no file has this name: {shortened(value)!r}")
    return value


PathText = Annotated[str, AfterValidator(_could_be_a_path)]
_COMMIT = re.compile(r"[0-9a-f]{40}")


class MixtureEntry(BaseModel):
    """One dataset of a mixture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    path: Annotated[str, Field(min_length=1), AfterValidator(_could_be_a_path)] | None = None
    """A file or folder of samples, or a pattern of files (`data/train_sft-*.parquet`); relative to the mixture file,
    or, with `hub`, inside the repository."""
    hub: str | None = None
    """A dataset on the Hub: `owner/name` or `owner/name@revision`."""
    subset: str | None = None
    """With `hub`: the subset that is read through `datasets` (which calls it a configuration), row after row."""
    rows: Annotated[int, Field(gt=0)] | None = None
    """With `hub`: the first rows of each split, read through `datasets` in place of downloading the repository."""
    images: PathText | None = None
    """The folder that image paths in the rows are relative to; without it, the file's own folder."""
    ratio: dict[Literal[1, 2, 3], Share] = Field(default_factory=lambda: {1: 1.0, 2: 1.0, 3: 1.0})
    """Stage ▶ share of the dataset used; above 1 repeats samples, 0 leaves the dataset out."""
    length: int | None = Field(None, ge=0)
    """Samples that the mixture's author counted; a number more than 1 % off is reported."""
    augment: bool = False
    """The authors' mixing list asks to augment this dataset. It is reported and not done: the paper has none."""
    skip: bool = False
    """Leave the dataset out of every stage."""
    adapter: str | None = None
    """How a row is read, one of `ADAPTERS`: `gmai model mixture check` holds the file's first rows to it."""
    archives: str | None = None
    """Pattern of the archives with the pictures in the repository, to be unpacked where `images` points to."""
    access: Literal["open", "gated", "on request", "not published", "unknown"] | None = None
    """How one gets the files: download, after accepting terms or with credentials, by asking, not at all."""
    note: str | None = None
    """For readers: where the files are, what is to be known of them, and how the paper's number comes about."""

    @field_validator("name")
    @classmethod
    def _name_is_one_line(cls, value: str) -> str:
        if not value.strip() or _CONTROL.search(value):
            raise ValueError("a name is one line of text; reports go by it")
        return value

    @field_validator("ratio", mode="before")
    @classmethod
    def _share_of_each_stage(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(_SHARES)  # noqa: TRY004 (pydantic reads it)
        return value

    @field_validator("adapter")
    @classmethod
    def _adapter_known(cls, value: str | None) -> str | None:
        if value is not None and value not in ADAPTERS:
            raise ValueError(f'unknown adapter "{value}".{did_you_mean(value, ADAPTERS)}')
        return value

    @field_validator("ratio", "rows", "length", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any) -> Any:
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else [value]
        if truth := [part for part in parts if isinstance(part, bool)]:
            raise ValueError(f"a number belongs here, and {str(truth[0]).lower()} (yes, no, on, off) is none")
        return value

    @model_validator(mode="after")
    def _streamed_from_the_hub(self) -> "MixtureEntry":
        if self.is_streamed and (self.hub is None or self.path is not None):
            raise ValueError("`rows` and `subset` go with `hub`, and without `path`: `datasets` finds the files")
        return self

    @property
    def is_pinned(self) -> bool:
        """Whether it is always the same data: files of this machine, or one commit of the Hub."""
        return self.hub is None or _COMMIT.fullmatch(self.hub.partition("@")[2]) is not None

    @property
    def is_streamed(self) -> bool:
        """Whether the rows are read through `datasets`."""
        return self.rows is not None or self.subset is not None

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

    annotations: PathText = Field(alias="annotation", pattern=r"\S")
    image_dir: PathText = Field("", alias="root")
    sample_ratio: float = Field(1.0, alias="repeat_time", ge=0)
    length: int | None = None
    data_augment: bool = False


def load_mixture(path: Path) -> tuple[Mixture, Path]:
    """Read a mixture file, or make one of a single folder or file of samples.

    Args:
        path: A `mix.yaml`, the authors' mixing list (JSON), or samples: a folder, or a file of samples.

    Returns:
        The mixture, and the folder that its paths are relative to.

    Raises:
        UserError: The path is missing, is no mixture, or has unknown or ill-typed keys.
    """
    if not path.exists():
        raise UserError(
            f"{path} does not exist. --data takes a mix.yaml, a mixing list, or samples: a folder, or a "
            f"{', '.join(SUFFIXES)} file."
        )
    if path.is_dir() and (path / "mix.yaml").is_file():
        path = path / "mix.yaml"
    if path.is_dir() or path.suffix in SUFFIXES:
        is_object = path.suffix == ".json" and path.is_file() and first_character(path) == "{"
        if is_object and format_of(path) != "jsonl":
            _refuse_other_objects(path)
            return _load_list(path), path.parent
        own = MixtureEntry.model_validate({"name": printable(path.stem), "path": str(path.resolve())})
        return Mixture(datasets=[own]), path.parent
    return read_mixture_file(path), path.parent


def _refuse_other_objects(path: Path) -> None:
    """Refuse an object that is neither a row nor a mixing list, such as rows by their id, or by their split.

    Raises:
        UserError: It is one.
    """
    value, _ = lenient_object(path)
    if isinstance(value, Problem) or is_mixing_list(value) or not value:
        return
    keys = shortened(", ".join(map(str, value)))
    raise UserError(
        f"{path}: one object with {keys}, which is neither a row of samples nor a mixing list (its values are objects "
        "with `annotations`). Write its rows as a list, or a row a line."
    )


def _load_list(path: Path) -> Mixture:
    entries = list(read_mixing_list(path))
    for problem in (entry for entry in entries if isinstance(entry, Problem)):
        raise UserError(f"{path}: {problem.line()}")
    found = [entry for entry in entries if isinstance(entry, MixtureEntry)]
    if not found:
        raise UserError(f"{path}: the mixing list is empty. It names at least one dataset. Fill it in.")
    return Mixture(datasets=found)


def read_mixture_file(path: Path) -> Mixture:
    """Read a mixture in YAML.

    Raises:
        UserError: It is none, or has unknown or ill-typed keys.
    """
    try:
        content: Any = load_yaml(yaml_text(path))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not readable as YAML: {error}. Correct the file.") from error
    if not isinstance(content, dict):
        raise UserError(
            f"{path}: expected a mixture (a mapping with `datasets`), found {type(content).__name__}. "
            "--data takes a mix.yaml, as `gmai data build` writes it, or samples."
        )
    try:
        return Mixture.model_validate(content)
    except ValidationError as error:
        known = [*Mixture.model_fields, *MixtureEntry.model_fields]
        raise explain_validation(error, where=str(path), known_fields=known) from error


def read_mixing_list(path: Path) -> Iterator[MixtureEntry | Problem | str]:
    """Yield the entries of a mixing list, what is wrong with it, and notes on what was overlooked.

    Paths are relative to the list's folder, to the one above it (GMAI-VL's own example is read from the root of its
    repository) or to the current folder, which is how the authors' code takes them. The ratio holds for every stage,
    for the list is given per stage.
    """
    value, lenient = lenient_object(path)
    if lenient:
        yield f"{path.name}: a comma before a closing bracket was overlooked; strict readers refuse the file"
    if isinstance(value, Problem):
        yield value
        return
    folder = path.parent.absolute()
    bases = (folder, folder.parent, Path.cwd())
    for name, values in (value if isinstance(value, dict) else {}).items():
        try:
            entry = _ListEntry.model_validate(values)
        except ValidationError as error:
            fields = _ListEntry.model_fields
            known = [*fields, *(str(field.alias) for field in fields.values() if field.alias)]
            yield Problem("mixture", str(explain_validation(error, where=f"{name!r:.80}", known_fields=known)))
            continue
        base = next((base for base in bases if (base / entry.annotations).exists()), folder)
        if base != folder:
            yield f"{path.name}: paths of {name!r:.80} are relative to {base}"
        try:
            yield MixtureEntry(
                name=name, path=str((base / entry.annotations).resolve()),
                images=str((base / entry.image_dir).resolve()),
                ratio=dict.fromkeys((1, 2, 3), entry.sample_ratio), length=entry.length, augment=entry.data_augment,
            )  # fmt: skip
        except ValidationError as error:
            found = explain_validation(error, where=f"{name!r:.80}", known_fields=MixtureEntry.model_fields)
            yield Problem("mixture", str(found))
