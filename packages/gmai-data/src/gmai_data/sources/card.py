"""What the card of one source dataset says, but for its layout: what every record repeats, and the rules of reading."""

import functools
import re
from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal, Self, cast

from gmai_formats.errors import did_you_mean
from gmai_formats.pictures.windows import HEADER, HEADER_ALL, PERCENTILE, PRESETS, SUV, parse_window
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gmai_data.imaging.rules import BoxRule, Deidentification, SliceRule, ValueRule
from gmai_data.sources.download_size import bytes_of
from gmai_data.sources.licence import NOT_STATED, is_stated
from gmai_data.sources.patterns import pattern_of
from gmai_data.vocabulary import ClinicalTask, Department, Modality, Split, Task

_ALONE = ("no finding", "no findings", "normal", "healthy")
_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Name(_Part):
    """A full name in English and, where the card gives one, in Chinese."""

    en: _Words
    zh: _Words | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:
        return {"en": value} if isinstance(value, str) else value

    @field_validator("en", "zh")
    @classmethod
    def _no_separator(cls, value: str | None) -> str | None:
        if value is not None and re.search(r"[;；<>\[\]\n]", value):
            raise ValueError("a name must not hold ; < > [ ] or a line break: they separate options and mark boxes")
        return value


def _one_group(field: str, pattern: str | None) -> str | None:
    if pattern is None:
        return None
    try:
        groups = pattern_of(pattern).groups
    except re.error as error:
        raise ValueError(f"{field} {pattern!r} is no regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"{field} {pattern!r} must hold exactly one (group)")
    return pattern


class Expected(_Part):
    """What the publisher counted, so that half a download is noticed."""

    items: Annotated[int, Field(ge=1)] | None = None
    """Images, cases, series, videos or texts: whatever the layout lists one by one."""


class Download(_Part):
    """How much there is to download, so that room and time for it are known before."""

    size: str = NOT_STATED
    """Size as published, a number and a unit: `3.4 GB`, `about 700 GB`, `82 MB`. kB, MB, GB and TB are powers of
    1000, KiB, MiB, GiB and TiB of 1024. `not stated` where no place was found that says it."""
    source: str = ""
    """Address of the page or file that the size was read in."""
    second_hand: bool = False
    """Whether `source` is not the publisher's own: a list, a tool, a copy, which may be packed otherwise; or
    was only read in what such quote of it."""
    of: str = ""
    """What the size is of, where that is not the whole of what the card reads, packed: `with the unlabelled part`."""
    sought: tuple[_Words, ...] = ()
    """With `not stated`: addresses that were read for a size, and name none."""

    @model_validator(mode="after")
    def _size_was_read_or_sought(self) -> Self:
        if not is_stated(self.size):
            if self.source or self.second_hand or self.of:
                raise ValueError(f"source, second_hand and of belong to a size; with `{NOT_STATED}`, use sought")
            return self
        bytes_of(self.size)
        if not self.source:
            raise ValueError(f"{self.size}: name source, the address where the size was read")
        if self.sought:
            raise ValueError(f"sought lists where no size was found; with {self.size}, name source")
        return self

    @property
    def bytes(self) -> int | None:
        """Return the size in bytes, or None where it is not stated."""
        return bytes_of(self.size) if is_stated(self.size) else None


class JoinedColumn(_Part):
    """A column of a table beside the pictures, with a row per picture, case or patient."""

    table: str
    """The table (CSV, TSV, XLSX, Parquet) below the root; a pattern such as `sheet.*.tsv` finds the one that fits."""
    key: str | tuple[str, ...]
    """Column that names the item: by its path, file name or stem, or by what `of` finds in its path. Several columns,
    such as `[left, right]`, each name an item of the row."""
    value: str
    """Column that is read."""
    of: str | None = None
    """Regular expression on the item's path whose one group is the key, such as `^(s\\d+)/`."""

    key_suffix: str = ""
    """What stands behind the key in every cell, and is taken off: `_study` of `00086460a852_study`."""

    encoding: str = "utf-8-sig"
    """Encoding of the table's text, such as `cp1252`."""

    @field_validator("of")
    @classmethod
    def _one_group(cls, value: str | None) -> str | None:
        return _one_group("of", value)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the columns that name items."""
        return (self.key,) if isinstance(self.key, str) else self.key


class SplitRule(_Part):
    """How images are divided; a group (patient, study, case) is never divided."""

    fractions: dict[Split, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=lambda: {Split.TRAIN: 0.8, Split.VALIDATION: 0.1, Split.HELD_OUT: 0.1}
    )
    """Shares of the groups where there is no official split; the sum is 1."""
    group_pattern: str | None = None
    """Regular expression on the item's path whose first group names the patient, such as `(patient\\d+)`."""
    group_table: JoinedColumn | None = None
    """Column of a second table that names the patient, study or lesion. An empty cell: the item is its own group."""
    no_group: str = ""
    """Why there is no group: each picture is of another patient, or the publisher does not say. Then the headers of
    DICOM files, which name the patient where nothing else does, are not asked."""
    official: dict[Split, str | tuple[str, ...]] = Field(default_factory=dict[Split, str | tuple[str, ...]])
    """Split ▶ list file of the publisher, or several, with a path, file name, stem or group (patient) per line; below
    the layout's `lists`, or the root. Of a table (CSV, TSV, XLSX, Parquet) the first column, or the one that is named:
    `val.csv:image_id`. Of a text in parts with headings (`train:`) the one that is named: `split.txt:train`."""
    table: JoinedColumn | None = None
    """Column of a table that names the publisher's split; its values are mapped by `names`."""
    pattern: str | None = None
    """Regular expression on the item's path whose one group names the publisher's split, such as `^(train|test)/`."""
    names: dict[str, Split] = Field(default_factory=dict[str, Split])
    """The publisher's name of a split, in a column or a path ▶ our split. Empty: the usual names (train, val, test)."""
    without: Literal["refuse", "fractions"] = "refuse"
    """What becomes of a copy that has none of the lists or tables that the split is in: refused, or split by
    `fractions`, with a word about it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = sum(self.fractions.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the fractions add up to {total:g}; they must add up to 1")
        _one_group("group_pattern", self.group_pattern)
        _one_group("pattern", self.pattern)
        ways = [name for name in ("official", "table", "pattern") if getattr(self, name)]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} each name the publisher's split; keep one of them")
        if self.group_pattern is not None and self.group_table is not None:
            raise ValueError("group_pattern and group_table each name the group; keep one of them")
        return self


class Card(_Part):
    """One source dataset, as its card describes it; the layout of its files is the recipe's."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: _Words
    homepage: _Words
    citation: _Words
    license: _Words
    """SPDX identifier or the name of a custom licence; `not stated` where none was found."""
    license_source: str = ""
    """Address of the page or file that the licence was read in."""
    license_second_hand: bool = False
    """Whether `license_source` is not the publisher's own, but a copy's page, a list or a tool, or was only read in
    what such quote of it. What counts is what the publisher says; ask before you pass anything on."""
    license_sought: tuple[_Words, ...] = ()
    """With `not stated`: addresses that were read for a licence, and name none."""
    redistribution: bool | None = None
    """Whether the licence lets others pass on images made from the data; needed for custom licences to be published.
    For SPDX identifiers the table in `publishing/licences.py` answers."""
    access: Literal["open", "registration", "agreement", "request"] = "open"
    """How one gets the data: download, with an account, after signing an agreement, by asking the owners."""
    download: Download = Download()
    """Size to download, and where that was read or sought."""
    version: int = Field(default=1, ge=1)
    """Raised with every change of the card that changes records; stands in every record."""
    verified: Literal["none", "listing", "copy"] = "none"
    """How far the card was tried: `copy` on a real copy of the data, `listing` on a miniature that a test draws from
    the publisher's file names, `none` not at all. `true` and `false` of older cards are `copy` and `none`."""
    sources: tuple[_Words, ...] = ()
    """Addresses of the public pages and code that layout, labels and counts were read in."""
    modality: Modality | None = None
    """How the images were made: required but for texts (task `text`), which may name none."""
    department: Department
    clinical_task: ClinicalTask
    anatomy: Name
    """What the images show, as it stands in a sentence: `abdomen`, `blood smear`."""
    task: Task
    labels: dict[str, Name] = Field(default_factory=dict)
    """Raw label (an id of a mask, a class folder, a table's value) ▶ full name."""
    synonyms: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    """Raw label ▶ other names, by which a written text may call it, too."""
    background: frozenset[str] = frozenset({"0"})
    """Raw labels of a mask that mean nothing is there."""
    ignore: tuple[str, ...] = ()
    """Raw labels of a mask for where nobody looked, such as nnU-Net's `ignore` or the 255 of VOC: in a picture
    with such pixels nothing is called absent, and no objects are counted. A slice that has nothing else is left out."""
    label_noun: Name = Name(en="structure", zh="结构")
    """What one label is, as it stands in a question: "Which {label_noun} does this image show?"."""
    alone: tuple[str, ...] = ()
    """Raw labels that exclude every other, such as `No Finding`: a picture that has one of them and another label
    contradicts itself and is dropped. Labels whose whole name is `no finding`, `normal` or `healthy` exclude others
    without being listed, and `no X` excludes a label with the name X."""
    within: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Raw label ▶ the raw labels that it lies in or is a kind of: where a tumour of the liver shows, the liver is not
    called absent, whatever the masks of the picture hold."""
    labels_of_every_image: tuple[str, ...] = ()
    """Raw labels that hold for every image, for layouts without labels of their own."""
    label_table: JoinedColumn | None = None
    """Column of a table with the raw label of each patient or case, for volumes and series without labels of their own:
    every image of it has the label. Without `of`, the key is the PatientID of DICOM headers, or the item's group."""
    exhaustive: bool = True
    """Every label of the map was looked for in every image, so what is not marked is absent."""
    windows: tuple[str, ...] = ()
    """One picture per window: CT preset names, `LEVEL/WIDTH` in HU, `header` (the first window of the header),
    `header_all` (each of them), `percentile`, `suv` (PET, 0–10 g/ml). Empty: `soft_tissue` for CT volumes, `suv` for
    PET series whose header allows it, the header's window for single DICOM files, `percentile` for other volumes."""
    values: ValueRule = ValueRule()
    slices: SliceRule = SliceRule()
    boxes: BoxRule = BoxRule()
    deidentification: Deidentification = Deidentification()
    split: SplitRule = SplitRule()
    expected: Expected = Expected()
    """Published count that `gmai data recipes check` and a build compare with."""
    checksums: dict[str, str] = Field(default_factory=dict)
    """Path below the root ▶ published SHA-256, compared by `gmai data recipes check --root`."""

    @model_validator(mode="before")
    @classmethod
    def _raw_labels_are_text(cls, value: Any) -> Any:
        card = cast(dict[str, Any], value) if isinstance(value, dict) else {}
        named = {
            field: {str(raw): name for raw, name in cast(dict[Any, Any], card[field]).items()}
            for field in ("labels", "synonyms", "within")
            if isinstance(card.get(field), dict)
        }
        if "within" in named:
            named["within"] = {
                raw: [str(each) for each in cast(list[Any], around)] if isinstance(around, list) else around
                for raw, around in named["within"].items()
            }
        return {**card, **named} if named else cast(Any, value)

    @field_validator("ignore", mode="before")
    @classmethod
    def _ignored_are_text(cls, value: Any) -> Any:
        return [str(raw) for raw in cast(list[Any], value)] if isinstance(value, list) else value

    @field_validator("verified", mode="before")
    @classmethod
    def _grade_of_older_cards(cls, value: Any) -> Any:
        return {True: "copy", False: "none"}[value] if isinstance(value, bool) else value

    @field_validator("task")
    @classmethod
    def _images_have_a_modality(cls, value: Task, info: ValidationInfo) -> Task:
        if value != Task.TEXT and "modality" in info.data and info.data["modality"] is None:
            raise ValueError(f"a card of images names their modality; add `modality:`, one of {', '.join(Modality)}")
        return value

    @field_validator("windows")
    @classmethod
    def _windows_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = (*PRESETS, HEADER, HEADER_ALL, PERCENTILE, SUV)
        for window in value:
            if window not in known and parse_window(window) is None:
                raise ValueError(f'unknown window "{window}".{did_you_mean(window, known)}')
        return value

    @model_validator(mode="after")
    def _licence_was_read_or_sought(self) -> Self:
        if self.license_sought and is_stated(self.license):
            raise ValueError(
                f"license_sought lists where no licence was found; with {self.license}, name license_source"
            )
        if self.license_source and not is_stated(self.license):
            raise ValueError(f"license_source is where a licence was read; with `{NOT_STATED}`, use license_sought")
        if self.license_second_hand and not self.license_source:
            raise ValueError("license_second_hand says whose license_source is; name the address")
        return self

    @model_validator(mode="after")
    def _names_differ_in_more_than_case(self) -> Self:
        seen: dict[str, str] = {}
        for name in self.labels.values():
            other = seen.setdefault(" ".join(name.en.casefold().split()), name.en)
            if other != name.en:
                raise ValueError(
                    f'labels: "{other}" and "{name.en}" differ in case or blanks only: one would be called absent '
                    "where the other is seen; give both one name"
                )
        return self

    @model_validator(mode="after")
    def _labels_known(self) -> Self:
        if both := [raw for raw in self.ignore if raw in self.labels or raw in self.background]:
            raise ValueError(f'ignore: "{both[0]}" is in labels or background, too; keep one of them')
        within = (*self.within, *(raw for around in self.within.values() for raw in around))
        named = {
            "labels_of_every_image": self.labels_of_every_image,
            "synonyms": self.synonyms,
            "alone": self.alone,
            "within": within,
        }
        for field, raws in named.items():
            for raw in raws:
                if raw not in self.labels:
                    raise ValueError(f'{field}: "{raw}" is not in labels.{did_you_mean(raw, self.labels)}')
        return self

    @property
    def label_names(self) -> tuple[str, ...]:
        """Return the full English names of the label map, in its order, without repeats."""
        return tuple(dict.fromkeys(name.en for name in self.labels.values()))

    def absent(self, known: Sequence[str]) -> tuple[str, ...]:
        """Return the labels that were looked for and are not there.

        Args:
            known: Full names of the labels that are present or left open.
        """
        if not self.exhaustive:
            return ()
        around = self._around
        held = {*known, *(name for label in known for name in around.get(label, ()))}
        return tuple(name for name in self.label_names if name not in held)

    def contradiction(self, present: Sequence[str]) -> str | None:
        """Return two labels that cannot both hold, in words, or None.

        Args:
            present: Full names of the labels that hold.
        """
        for label in present:
            others = present if label in self._alone else (label.removeprefix("no "),)
            other = next((other for other in others if other != label and other in present), None)
            if other is not None:
                return f'"{label}" and "{other}"'
        return None

    def labels_beside(self, raws: Collection[str]) -> tuple[str, ...]:
        """Return the raw labels whose names are not those of others, which were looked at."""
        looked_at = {self.labels[raw].en for raw in raws if raw in self.labels}
        return tuple(
            raw for raw, name in self.labels.items() if name.en not in looked_at and raw not in self.background
        )

    def is_alone(self, raw: str) -> bool:
        """Return whether a raw label excludes all others, as `No Finding` does."""
        return raw in self.labels and self.labels[raw].en in self._alone

    @functools.cached_property
    def _alone(self) -> frozenset[str]:
        listed = {self.labels[raw].en for raw in self.alone}
        return frozenset(listed | {name for name in self.label_names if name.lower() in _ALONE})

    @functools.cached_property
    def _around(self) -> dict[str, frozenset[str]]:
        """Return the labels around each label, and around those."""
        direct = {
            self.labels[raw].en: {self.labels[other].en for other in around} for raw, around in self.within.items()
        }
        found: dict[str, frozenset[str]] = {}
        for label in direct:
            reached, ahead = set[str](), [label]
            while ahead:
                new = direct.get(ahead.pop(), set()) - reached
                reached |= new
                ahead += new
            found[label] = frozenset(reached)
        return found

    def chinese(self, label: str) -> str | None:
        """Return the Chinese name of a full English label, or None where the card has none."""
        return next((name.zh for name in self.labels.values() if name.en == label), None)
