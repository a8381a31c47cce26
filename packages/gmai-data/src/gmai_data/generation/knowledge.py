"""What is known in general of structures and findings, with the page that states each line.

`knowledge/*.yaml` of the package, and a laboratory's own file over them (docs/how-to/write-a-prompt).
"""

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from gmai_formats.errors import UserError, explain_validation
from gmai_formats.safe_yaml import load_yaml, yaml_text
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gmai_data.checks.facts import Known
from gmai_data.vocabulary import Language, Modality

_FILES = ("structures.yaml", "findings.yaml")
_SIDE = re.compile(r"^(?:left|right|both) ")
_NUMBER = re.compile(r" [A-Za-z]?\d+[a-z]?$")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Line(_Strict):
    """A fact in words, and where it is from."""

    en: str = Field(min_length=1)
    zh: str = ""
    source: str = Field(alias="from", min_length=1)
    """A name of `sources`, or an address."""


class Neighbours(_Strict):
    """Labels that lie beside this one in the body."""

    labels: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """Those of a left one alone."""
    right: tuple[str, ...] = ()
    source: str = Field(alias="from", min_length=1)


class Entry(_Strict):
    """What is known of a structure (`function`) or a finding (`meaning`)."""

    also: tuple[str, ...] = ()
    function: Line | None = None
    meaning: Line | None = None
    appearance: Mapping[Modality, Line] = Field(default_factory=dict[Modality, Line])
    neighbours: Neighbours | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Entry":
        if self.function is not None and self.meaning is not None:
            raise ValueError("an entry has a `function` (a structure) or a `meaning` (a finding), not both.")
        return self

    @property
    def lines(self) -> list[Line | Neighbours]:
        """Return everything that has a source."""
        found = (self.function, self.meaning, self.neighbours, *self.appearance.values())
        return [line for line in found if line is not None]


class _File(_Strict):
    version: int = Field(ge=1)
    sources: Mapping[str, str] = Field(default_factory=dict[str, str])
    entries: Mapping[str, Entry]


@dataclass(frozen=True)
class Knowledge:
    """The entries of all files by the names of their labels."""

    entries: Mapping[str, Entry]
    sources: Mapping[str, str]
    digest: str
    """Of the files: other knowledge makes other texts."""
    _by_label: dict[str, Entry] = field(default_factory=dict[str, Entry], repr=False)

    def __post_init__(self) -> None:
        """Look the entries up by every name."""
        for name, entry in self.entries.items():
            for each in (name, *entry.also):
                self._by_label[each.lower()] = entry

    def of(self, label: str) -> Entry | None:
        """Return what is known of a label; its side and a number behind it make no difference."""
        for name in _names(label):
            if (found := self._by_label.get(name)) is not None:
                return found
        return None

    def known(self, labels: Sequence[str], modality: Modality | None, language: Language) -> tuple[Known, ...]:
        """Return the lines about labels, in their order, in a language that has them."""
        found: list[Known] = []
        for label in dict.fromkeys(labels):
            entry = self.of(label)
            if entry is None:
                continue
            looks = None if modality is None else entry.appearance.get(modality)
            for about, line in (("function", entry.function), ("meaning", entry.meaning), ("appearance", looks)):
                if line is not None and (text := line.en if language == Language.EN else line.zh):
                    found.append(Known(label, about, text))
        return tuple(found)

    def neighbours(self, label: str, labels: Sequence[str]) -> tuple[str, ...]:
        """Return which of other labels lie beside one in the body."""
        entry = self.of(label)
        if entry is None or entry.neighbours is None:
            return ()
        side = _SIDE.match(label.lower())
        of_side = {"left ": entry.neighbours.left, "right ": entry.neighbours.right}.get(
            side.group() if side else "", ()
        )
        beside = {each.lower() for each in (*entry.neighbours.labels, *of_side)}

        def near(other: str) -> bool:
            theirs = _SIDE.match(other.lower())
            if side is not None and theirs is not None and side.group() != theirs.group():
                return False
            return any(name in beside for name in _names(other))

        return tuple(other for other in dict.fromkeys(labels) if other != label and near(other))


def _names(label: str) -> tuple[str, ...]:
    """Return a label and what it is called without its side and number."""
    name = label.lower()
    bare = _SIDE.sub("", name)
    names = [name, bare, _NUMBER.sub("", name), _NUMBER.sub("", bare)]
    names += [_DEGREE.sub("", each) for each in tuple(names)]
    names += [_PART.sub("", each) for each in tuple(names)]
    names += [_OF_WHAT.sub("", each) for each in tuple(names)]
    return tuple(dict.fromkeys(names))


_DEGREE = re.compile(
    r"\b(?:mild|moderate|severe|early|advanced|proliferative|non-proliferative|referable|benign|malignant|normal|healthy|"
    r"(?:low|high)-grade|primary|invasive|multiple|multifocal) "
)
_PART = re.compile(
    r"^(?:cavity|wall|head|body|tail|shaft|base) of (?:the )?|(?:the )?\b(?:left|right) (?=ventricle|atrium)| cavity$"
)
_OF_WHAT = re.compile(r"(?<=\w) of (?:the )?.*$")
"""What tells a label from others of its kind, and is taken off its name where the whole name is not known."""


def load_knowledge(own: Path | None = None) -> Knowledge:
    """Return the bundled knowledge, with the entries of a file of one's own in the place of bundled ones of that name.

    Raises:
        UserError: The file is no YAML, breaks the schema, or a line names a source that is none.
    """
    return _load(own, "" if own is None else _read(own))


def _read(path: Path) -> str:
    try:
        return yaml_text(path)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not readable as YAML: {error}. Fix the file.") from error
    except OSError as error:
        raise UserError(
            f"{path}: not readable: {error.strerror}. writing.knowledge is a YAML file; docs/how-to/write-a-prompt has "
            "its form."
        ) from error


@functools.lru_cache(maxsize=8)
def _load(own: Path | None, content: str) -> Knowledge:
    bundled = resources.files("gmai_data") / "knowledge"
    texts = [(name, (bundled / name).read_text(encoding="utf-8")) for name in _FILES]
    if own is not None:
        texts.append((str(own), content))
    entries: dict[str, Entry] = {}
    sources: dict[str, str] = {}
    for where, text in texts:
        file = _parse(text, where)
        for name, entry in file.entries.items():
            for line in entry.lines:
                source = file.sources.get(line.source, line.source)
                if "://" not in source and "doi" not in source.lower() and " " not in source:
                    raise UserError(
                        f"{where}: {name}: the source `{line.source}` is none of `sources`. Each line names a page or "
                        "a book: write it there, or in the line itself."
                    )
                sources[line.source] = source
            entries.pop(name, None)
            entries[name] = entry  # of two entries with one label, that of the user's own file is read last and wins
    digest = hashlib.sha256("\0".join(text for _, text in texts).encode()).hexdigest()[:16]
    return Knowledge(entries, sources, digest)


def _parse(text: str, where: str) -> _File:
    try:
        document: Any = load_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not readable as YAML: {error}. Fix the file.") from error
    try:
        return _File.model_validate(document)
    except ValidationError as error:
        raise explain_validation(error, where=where, known_fields=_File.model_fields) from error
