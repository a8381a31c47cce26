"""A benchmark declared in YAML beside a Parquet file: what `gmai data build` writes, and any of a user's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from gmai_formats.errors import UserError, explain_validation
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gmai_bench.benchmarks.prompts import LETTERS, fill
from gmai_bench.benchmarks.question import SET_JOIN, Card, KeepImage, Question
from gmai_bench.benchmarks.tables import image_bytes, read_rows

_STRICT = ConfigDict(frozen=True, extra="forbid")


class Columns(BaseModel):
    """Our names ▶ the columns of the file."""

    model_config = _STRICT

    id: str = "id"
    """Unique among the questions."""
    images: str = "images"
    """List of struct `{bytes, path}`, one such struct, or paths relative to the YAML."""
    question: str = "question"
    choices: str | None = None
    """List of string; empty for an open question. Left out where every question is open."""
    reference: str = "reference"
    """Text of the right choice, or of the answer."""
    cluster: str | None = None
    """Which answers are not independent; the images themselves where left out."""


class Expected(BaseModel):
    """Counts of a complete copy."""

    model_config = _STRICT

    total: int = Field(gt=0)
    """Questions."""


class Declaration(BaseModel):
    """The YAML file, as in `docs/reference/formats.md`."""

    model_config = _STRICT

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str
    protocol: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """`family/name`."""
    protocol_version: int = Field(default=1, ge=1)
    questions: str
    """Parquet file, relative to the YAML."""
    columns: Columns = Columns()
    groups: tuple[str, ...] = ()
    """Columns to report by."""
    prompt: str = "{question}"
    choices_style: Literal["text", "letters"] = "text"
    """How `{choices}` is written: `text` "CT; MR" or `letters` "A. CT" per line. Letters not shown do not count."""
    multiple: bool = False
    """Whether several choices may be right: the reference is then a list of texts, and all of them must be chosen."""
    expected: Expected | None = None
    license: str = "unknown"

    @field_validator("prompt")
    @classmethod
    def _asks_the_question(cls, prompt: str) -> str:
        if "{question}" not in prompt:
            raise ValueError("the prompt must contain {question}")
        if "<image>" in prompt:
            raise ValueError("the prompt must not contain <image>: the asker puts it in front")
        return prompt

    @model_validator(mode="after")
    def _shows_letters_of_a_set(self) -> "Declaration":
        if self.multiple and (self.choices_style != "letters" or self.columns.choices is None):
            raise ValueError("multiple needs choices_style: letters and a column of choices")
        return self


class DeclaredBenchmark:
    """A benchmark that a YAML file describes."""

    def __init__(self, path: Path) -> None:
        """Read and check the YAML; the questions are read by `questions`.

        Raises:
            UserError: The file is missing, no YAML mapping, or breaks the format.
        """
        self._path = path
        self._declaration = _read_declaration(path)

    @property
    def card(self) -> Card:
        """The fixed facts, as the YAML gives them."""
        d = self._declaration
        return Card(
            name=d.name,
            title=d.title,
            protocol=d.protocol,
            protocol_version=d.protocol_version,
            scoring=_scoring(d),
            expected=d.expected.total if d.expected else None,
            groups=d.groups,
            source=self._path.name,
            license=d.license,
        )

    def questions(self, keep_image: KeepImage) -> Iterator[Question]:
        """Yield the rows of the Parquet file as questions."""
        d, columns = self._declaration, self._declaration.columns
        optional = [column for column in (columns.choices, columns.cluster) if column]
        needed = [columns.id, columns.images, columns.question, columns.reference, *optional, *d.groups]
        seen: dict[str, str] = {}
        for place, row in read_rows([self._path.parent / d.questions], needed, named_in=str(self._path)):
            identity = str(row[columns.id])
            if identity in seen:
                raise UserError(
                    f'{place}: id "{identity}" is also that of {seen[identity]}. Ids must be unique, for an answer is '
                    f"kept by its id. Rename one of them."
                )
            seen[identity] = place
            yield self._question(identity, row, place, keep_image)

    def _question(self, identity: str, row: dict[str, Any], place: str, keep_image: KeepImage) -> Question:
        d, columns = self._declaration, self._declaration.columns
        text = _text(row[columns.question])
        choices = tuple(_text(c) for c in cast("list[Any]", row[columns.choices] or [])) if columns.choices else ()
        given: Any = row[columns.reference]
        references = [_text(r) for r in cast("list[Any]", given)] if isinstance(given, list) else [_text(given)]
        if (len(references) != 1 and not d.multiple) or not references:
            raise UserError(
                f"{place}: has {len(references)} references. A question has one, or several under `multiple: true`. "
                f"Correct the row."
            )
        for one in references:
            _check_choices(choices, one, place)
        reference = SET_JOIN.join(sorted(references, key=choices.index)) if d.multiple else references[0]
        if not text.strip() or "<image>" in text:
            raise UserError(
                f"{place}: the question is empty or contains `<image>` ({text!r:.60}). The asker puts the images in "
                f"front of the question. Take the placeholder out, or drop the row."
            )
        images = tuple(
            keep_image(image, place)
            for image in image_bytes(row[columns.images], place=place, folder=self._path.parent)
        )
        return Question(
            id=identity,
            text=text,
            prompt=fill(d.prompt, text, choices, letters=d.choices_style == "letters"),
            images=images,
            choices=choices,
            reference=reference,
            cluster=_text(row[columns.cluster]) if columns.cluster else "+".join(images) or identity,
            groups={column: _text(row[column]) or "(none)" for column in d.groups},
        )


def _scoring(d: Declaration) -> str:
    if d.multiple:
        return "option-letter-set"
    return "option-letter" if d.choices_style == "letters" else "option-text"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _check_choices(choices: tuple[str, ...], reference: str, place: str) -> None:
    if not choices:
        if not reference.strip():
            raise UserError(f"{place}: the reference is empty. An open question needs its answer. Drop the row.")
        return
    if len(choices) < 2 or len(choices) > len(LETTERS) or len(set(choices)) < len(choices):
        raise UserError(
            f"{place}: found the choices {list(choices)!r:.120}. A question has 2 to {len(LETTERS)} choices, all "
            f"different, or none. Correct the row."
        )
    if reference not in choices:
        raise UserError(
            f'{place}: the reference "{reference}" is none of its choices {list(choices)!r:.120}. The reference is the '
            f"text of the right choice. Correct the row."
        )


def _read_declaration(path: Path) -> Declaration:
    try:
        loaded: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}). A benchmark is a name (`gmai bench list`) or a YAML file. "
            f"`gmai data build` writes one to OUT/benchmarks/held_out.yaml."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not readable as YAML ({reason}). Correct the file at that place.") from error
    if not isinstance(loaded, dict):
        raise UserError(
            f"{path}: found a {type(loaded).__name__}, not a mapping. A benchmark file has the keys "
            f"{', '.join(Declaration.model_fields)}."
        )
    try:
        return Declaration.model_validate(cast("dict[str, Any]", loaded))
    except ValidationError as error:
        known = [*Declaration.model_fields, *Columns.model_fields, *Expected.model_fields]
        raise explain_validation(error, where=str(path), known_fields=known) from error
