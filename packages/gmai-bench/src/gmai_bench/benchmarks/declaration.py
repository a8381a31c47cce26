"""The YAML file that declares a benchmark: where its rows lie, what their columns mean, how it is asked and scored."""

from pathlib import Path
from typing import Any, Literal, cast

import yaml
from gmai_formats.errors import UserError, explain_validation
from gmai_formats.safe_yaml import load_yaml, yaml_text
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

_STRICT = ConfigDict(frozen=True, extra="forbid")


class Columns(BaseModel):
    """Our names ▶ the columns of the file; `a.b` is the field b of a column a."""

    model_config = _STRICT

    id: str | None = "id"
    """Unique among the questions; null numbers the rows."""
    images: str | list[str] | None = "images"
    """List of struct `{bytes, path}`, one such struct, paths, or base64; several columns; a template of columns such as
    `{image}.jpg`; null where there are none."""
    question: str | None = "question"
    """Null where every row is asked the same (`fixed_question`)."""
    choices: str | list[str] | None = None
    """List of text, mapping letter ▶ text, list of `{key, value}`, or either as text; or one column per option. Empty
    for an open question; left out where every question is open."""
    reference: str = "reference"
    """The right choice as its text, letter or number, or the answer; a list where several are right; or a template of
    columns, such as `Findings: {findings} Impression: {impression}`."""
    alternatives: str | None = None
    """Other answers that count as right, a list."""
    context: str | None = None
    """What `{context}` in the prompt stands for: a text, or a list of paragraphs."""
    messages: str | None = None
    """A conversation in place of `question` (which is null then): a list of `{role, content}`, the user's last."""
    rubric: str | None = None
    """What a judge holds answers to, in place of `reference`: a list of `{criterion, points, tags}`; points below 0 are
    of faults."""
    cluster: str | None = None
    """Which answers are not independent; the images themselves where left out."""


class Expected(BaseModel):
    """Counts of a complete copy."""

    model_config = _STRICT

    total: int = Field(gt=0)
    """Questions."""
    groups: dict[str, dict[str, int]] = {}
    """Column ▶ value ▶ questions."""
    source: str = ""
    """Where the counts come from."""
    verified: bool = True
    """Whether that source was seen; else `--expect` may give another count."""


class Join(BaseModel):
    """A second file whose columns stand beside those of the questions, row by row with the same key."""

    model_config = _STRICT

    file: str
    """Like `questions`."""
    header: tuple[str, ...] = ()
    delimiter: str = Field(default="", max_length=1)
    """Both as of the questions."""
    key: str = "id"
    """Column of both files."""
    columns: list[str] = Field(min_length=1)
    """Columns that are taken from it."""


class Hub(BaseModel):
    """A dataset of the Hugging Face Hub."""

    model_config = _STRICT

    repo_id: str
    files: list[str]
    """Files needed, as glob patterns."""


class Declaration(BaseModel):
    """The YAML file, as in `docs/reference/formats.md`."""

    model_config = _STRICT

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str
    protocol: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """`family/name`."""
    protocol_version: int = Field(default=1, ge=1)
    questions: str
    """Parquet, JSON Lines, JSON, CSV or TSV file, relative to the YAML or to the copy; a glob pattern names several."""
    header: tuple[str, ...] = ()
    """Names of the columns of a file without a first line of names; a last one with three dots behind it takes all
    cells that are left, as a list."""
    delimiter: str = Field(default="", max_length=1)
    """What stands between the cells of a text file whose name does not say it."""
    records: str = ""
    """Where in a JSON file the rows stand: keys with dots between them; `{part}` stands for every key at that place,
    kept as the column `part`."""
    join: Join | None = None
    hub: Hub | None = None
    """Where the files come from when `--data-root` does not name a copy."""
    columns: Columns = Columns()
    where: dict[str, list[str]] = {}
    """Column ▶ values: only such rows are asked."""
    skip_empty: tuple[str, ...] = ()
    """Columns: a row in which all of them are empty is no question."""
    fixed_question: str = ""
    """The question of every row, where no column has one: a caption, a report."""
    split_answers: str = ""
    """What stands between several accepted answers in one cell."""
    image_folders: tuple[str, ...] = (".", "images")
    """Where image paths start, below the folder of the YAML or of the copy; zip archives there are looked into."""
    fixed_choices: tuple[str, ...] = ()
    """The choices of every question, where no column has them: yes, no, maybe."""
    lettered_options: bool = False
    """Whether the options carry their own letters in the file, such as "A) CT": these are taken off, and the reference
    is the letter that it begins with."""
    answer: Literal["text", "letter", "index", "number"] | None = None
    """What the reference of a question with choices is: a choice's text, its letter, its place from 0 (`index`) or from
    1 (`number`). Left out, it is what every row fits."""
    groups: tuple[str, ...] = ()
    """Columns to report by."""
    tags: dict[str, str] = {}
    """Group ▶ column with a list of tags `GROUP:VALUE`, of which the first of that group counts."""
    prompt: str = "{question}"
    """With `{question}`, `{choices}` and `{context}`."""
    choices_style: Literal["text", "letters"] = "text"
    """How `{choices}` is written: `text` "CT; MR" or `letters` "A. CT" per line. Letters not shown do not count."""
    multiple: bool = False
    """Whether several choices may be right: the reference is then a list, and all of them must be chosen."""
    scoring: str | None = None
    """Name of a scorer; left out, options by their style, exact match without them."""
    also: tuple[str, ...] = ()
    """Further scorers whose numbers stand beside."""
    published_extractor: str = ""
    """Published parser whose number stands beside ours."""
    published_option: str = "{text}"
    """How that parser's program passes it an option."""
    expected: Expected | None = None
    license: str = "unknown"
    notes: str = ""
    layout: str = ""
    """Address where the layout of the files is documented."""
    get: str = ""
    """How to get the files, where they are not on the Hub."""
    reported_by: tuple[str, ...] = ()
    """Models whose papers report a number on it."""

    @field_validator("prompt")
    @classmethod
    def _asks_the_question(cls, prompt: str) -> str:
        if "{question}" not in prompt:
            raise ValueError("the prompt must contain {question}")
        if "<image>" in prompt:
            raise ValueError("the prompt must not contain <image>: the asker puts it in front")
        return prompt

    @model_validator(mode="after")
    def _fits_together(self) -> "Declaration":
        asked_otherwise = bool(self.fixed_question) + (self.columns.messages is not None)
        if (self.columns.question is None) != (asked_otherwise == 1) or asked_otherwise > 1:
            raise ValueError("`question: null` in columns belongs to one of fixed_question and columns.messages")
        if (self.columns.rubric is not None) != (self.scoring == "rubric"):
            raise ValueError("columns.rubric and `scoring: rubric` belong together")
        if self.columns.rubric is not None and (self.columns.choices is not None or self.fixed_choices):
            raise ValueError("columns.rubric is for answers in words: a question with choices has none")
        if self.columns.choices is not None and self.fixed_choices:
            raise ValueError("fixed_choices and columns.choices exclude each other")
        if self.multiple and (self.choices_style != "letters" or self.columns.choices is None):
            raise ValueError("multiple needs choices_style: letters and a column of choices")
        if ("{context}" in self.prompt) != (self.columns.context is not None):
            raise ValueError("{context} in the prompt and columns.context belong together")
        if self.columns.choices is not None and "{choices}" not in self.prompt and self.choices_style == "letters":
            raise ValueError("choices_style: letters needs {choices} in the prompt")
        return self


def read_declaration(path: Path) -> Declaration:
    """Read and check a YAML file.

    Raises:
        UserError: The file is missing, no YAML mapping, or breaks the format.
    """
    try:
        loaded: Any = load_yaml(yaml_text(path))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}). A benchmark is a name (`gmai bench list`) or a YAML file. "
            f"`gmai data build` writes one to OUT/benchmarks/held_out.yaml."
        ) from error
    except yaml.YAMLError as error:
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
        models = (Declaration, Columns, Expected, Hub, Join)
        known = [field for model in models for field in model.model_fields]
        raise explain_validation(error, where=str(path), known_fields=known) from error
