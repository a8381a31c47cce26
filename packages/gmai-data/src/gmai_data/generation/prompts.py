"""The versioned prompt files: one general prompt built from the record, one specific prompt per kind.

`prompts/*.yaml` ship with the package; a folder of the user's own may replace any of them (docs/how-to/write-a-prompt).
"""

import hashlib
import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import yaml
from gmai_formats.errors import UserError, did_you_mean, explain_validation
from gmai_formats.safe_yaml import load_yaml, yaml_text
from pydantic import BaseModel, ConfigDict, Field, ValidationError

GENERAL = "general"
NAMES = (
    "image_caption", "region_caption", "free_instruction", "report", "reasoning", "dialogue", "text_record",
    "text_dialogue", "translation", "judge",
)  # fmt: skip
"""The specific prompts; each is a file of this name."""
_DRAWN = {"style", "scenario", "level"}
"""Fields that every task may have; nothing is said where a file draws from none."""
_FIELDS = {
    "region_caption": {"references"},
    "reasoning": {"question", "answer_line"},
    "text_dialogue": {"conversation"},
    "translation": {"glossary", "conversation"},
    "judge": {"conversation"},
}


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1)
    """Raised with every change of the text."""


class Scenario(BaseModel):
    """Who asks, in which words, and how long the answers are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asker: str
    manner: str
    length: str


class Example(BaseModel):
    """A turn that shows the form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    answer: str


class General(_File):
    """`general.yaml`: the system message, how the record is written down, and what all kinds draw from."""

    rules: str
    record: Mapping[str, str]
    form: str
    one_turn: str
    some_turns: str
    repair: str
    example: str = ""
    """How an example is introduced; without it none is shown."""
    scenario: str = ""
    """A scenario in words, with `{asker}`, `{manner}` and `{length}`."""
    level: str = ""
    """A level in words."""
    scenarios: Mapping[str, Scenario] = Field(default_factory=dict[str, Scenario])
    """One is drawn for each text."""
    levels: Mapping[str, str] = Field(default_factory=dict[str, str])
    """One is drawn for each text."""


class Specific(_File):
    """The prompt of one kind."""

    max_tokens: int = Field(ge=1)
    """The model is cut after so many tokens."""
    expected_tokens: int = Field(ge=1)
    """What an answer takes on average; for estimates only."""
    turns: tuple[Annotated[int, Field(ge=1)], int]
    """Fewest and most turns of the answer."""
    words: tuple[int, int]
    """Fewest and most words (Chinese: characters) of all answers together."""
    task: str
    """What is asked. `{style}`, `{scenario}`, `{level}` and the fields of the kind are filled in."""
    styles: tuple[str, ...] = Field(default=("",), min_length=1)
    """One is drawn for each record."""
    scenarios: tuple[str, ...] = ()
    """Names of those that suit this kind; none takes all."""
    example: tuple[Example, ...] = ()
    """Turns of a text that shows the form."""


@dataclass(frozen=True)
class Prompt:
    """A specific prompt together with the general one."""

    name: str
    general: General
    specific: Specific
    digest: str
    """Digest of both files: another text is another prompt, whatever its version says."""

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Return the names of the scenarios that are drawn from; none where the task has no place for one."""
        known = tuple(self.general.scenarios)
        named = tuple(name for name in self.specific.scenarios if name in known) or known
        return named if "{scenario}" in self.specific.task else ()

    def scenario(self, name: str) -> str:
        """Return a scenario in words."""
        wording = self.general.scenarios[name]
        return self.general.scenario.format(asker=wording.asker, manner=wording.manner, length=wording.length)

    def example(self) -> str:
        """Return the example in words, or nothing."""
        if not (self.specific.example and self.general.example):
            return ""
        turns = [turn.model_dump() for turn in self.specific.example]
        return self.general.example.format(example=json.dumps({"turns": turns}, ensure_ascii=False))

    @property
    def version(self) -> str:
        """Return what stands in the provenance, such as `dialogue-1/general-1`."""
        return f"{self.name}-{self.specific.version}/general-{self.general.version}"


def load_prompts(folder: Path | None = None) -> dict[str, Prompt]:
    """Return the prompts by name; files of `folder` stand in for the bundled ones of the same name.

    Raises:
        UserError: A file is none of ours, is no YAML, breaks the schema, or names a field that the kind does not have.
    """
    bundled = resources.files("gmai_data.generation") / "prompts"
    files: dict[str, Traversable | Path] = {name: bundled / f"{name}.yaml" for name in (GENERAL, *NAMES)}
    own_names: set[str] = set()
    if folder is not None:
        own = sorted(folder.glob("*.yaml"))
        if not own:
            raise UserError(
                f"{folder}: holds no .yaml file. writing.prompts is a folder with any of {', '.join(files)}.yaml."
            )
        for path in own:
            if path.stem not in files:
                raise UserError(f"{path}: no prompt has this name. Known: {', '.join(files)}. Rename the file.")
            files[path.stem] = path
            own_names.add(path.stem)
    texts = {name: _text(file) for name, file in files.items()}
    general = _parse(General, texts[GENERAL], str(files[GENERAL]))
    prompts: dict[str, Prompt] = {}
    for name in NAMES:
        specific = _parse(Specific, texts[name], str(files[name]))
        _check_fields(specific, name, str(files[name]))
        for scenario in specific.scenarios:
            # A general.yaml of one's own may have others, or none, than the bundled files name.
            if scenario not in general.scenarios and name in own_names:
                raise UserError(
                    f"{files[name]}: scenarios: {scenario} is none of those in general.yaml."
                    f"{did_you_mean(scenario, tuple(general.scenarios))}"
                )
        digest = hashlib.sha256(f"{texts[GENERAL]}\0{texts[name]}".encode()).hexdigest()[:16]
        prompts[name] = Prompt(name, general, specific, digest)
    return prompts


def _text(file: Path | Traversable) -> str:
    try:
        return yaml_text(file)
    except yaml.YAMLError as error:
        raise UserError(f"{file}: not readable as YAML: {error}. Fix the file.") from error


def _parse(model: Any, text: str, where: str) -> Any:
    try:
        return model.model_validate(load_yaml(text))
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not readable as YAML: {error}. Fix the file.") from error
    except ValidationError as error:
        raise explain_validation(error, where=where, known_fields=model.model_fields) from error


def _check_fields(specific: Specific, name: str, where: str) -> None:
    known = {*_DRAWN, *_FIELDS.get(name, set())}
    try:
        used = {field for _, field, _, _ in string.Formatter().parse(specific.task) if field is not None}
    except ValueError as error:
        raise UserError(f"{where}: task: {error}. Write a brace that is meant as {{{{ or }}}}.") from error
    missing = _FIELDS.get(name, set()) - used
    if used - known or missing:
        raise UserError(
            f"{where}: task has the fields {', '.join(sorted(used)) or 'none'}. It takes {', '.join(sorted(known))}, "
            f"and must hold {', '.join(sorted(_FIELDS.get(name, set()))) or 'none of them'}. Correct the braces."
        )
