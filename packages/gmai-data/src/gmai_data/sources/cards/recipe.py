"""A recipe: the card of one source dataset with the layout of its files. Every record takes its facts from here."""

import re
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from gmai_formats.errors import UserError, did_you_mean, explain_validation
from gmai_formats.safe_yaml import compose_yaml, load_yaml, yaml_text
from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from gmai_data.imaging.rules import BoxRule, Deidentification, SliceRule, ValueRule
from gmai_data.sources.card import Card, Download, Expected, SplitRule
from gmai_data.sources.layout import Layout
from gmai_data.sources.layouts.arrays import Arrays
from gmai_data.sources.layouts.coco import Coco
from gmai_data.sources.layouts.csv_labels import CsvLabels
from gmai_data.sources.layouts.datalist import Datalist
from gmai_data.sources.layouts.dicom_files import DicomFiles
from gmai_data.sources.layouts.dicom_series import DicomSeries
from gmai_data.sources.layouts.folder_per_class import FolderPerClass
from gmai_data.sources.layouts.hf_dataset import HubDataset
from gmai_data.sources.layouts.image_mask import ImageMask
from gmai_data.sources.layouts.instance_mask import InstanceMask
from gmai_data.sources.layouts.labelling_tool import LabellingTool
from gmai_data.sources.layouts.named_files import NamedFiles
from gmai_data.sources.layouts.nnunet import NnUnet
from gmai_data.sources.layouts.qa_text import QaText
from gmai_data.sources.layouts.slides import Slides
from gmai_data.sources.layouts.video import Video
from gmai_data.sources.layouts.voc import Voc
from gmai_data.sources.layouts.volume import VolumeMask
from gmai_data.sources.layouts.yolo import Yolo
from gmai_data.vocabulary import Task

AnyLayout = Annotated[
    NnUnet
    | Voc
    | Coco
    | LabellingTool
    | Yolo
    | Slides
    | Video
    | Arrays
    | QaText
    | HubDataset
    | Datalist
    | DicomSeries
    | DicomFiles
    | VolumeMask
    | ImageMask
    | InstanceMask
    | CsvLabels
    | NamedFiles
    | FolderPerClass,
    Field(discriminator="kind"),
]
LAYOUTS: dict[str, type[Layout]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(get_args(AnyLayout)[0])
}
"""Name ▶ layout, the closed table of what `layout.kind` can be. A folder is compared with them in this order: those
that only they can be come first."""


class Recipe(Card):
    """One source dataset: its card, and how its files lie on disk."""

    layout: AnyLayout

    @field_validator("layout")
    @classmethod
    def _texts_are_texts(cls, value: AnyLayout, info: ValidationInfo) -> AnyLayout:
        task = info.data.get("task")
        if task is not None and (task == Task.TEXT) != (value.kind == "qa_text"):
            raise ValueError(f"task {task} and layout {value.kind} do not go together; `text` is the task of `qa_text`")
        return value


def load_recipe(path: Path) -> Recipe:
    """Read and validate a card.

    Raises:
        UserError: The file is missing, is no YAML, or breaks the schema; each finding has file:line.
    """
    try:
        text = yaml_text(path)
        node = compose_yaml(text)
        document = load_yaml(text)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such recipe file. Give the path of a YAML card.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not readable as YAML: {error}. Fix the card.") from error
    if not isinstance(document, dict):
        raise UserError(f"{path}:1: a recipe is a mapping of fields, found {type(document).__name__}. Fix the card.")
    if left := sorted(_todo_lines(node)):
        raise UserError(f"{path}: TODO in line {', '.join(map(str, left))}. A draft is a card once each is filled in.")
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise _explain(error, path, node) from error


def _todo_lines(node: yaml.Node | None) -> set[int]:
    """Return the lines that a draft of `gmai data recipes new` left to a person."""
    if isinstance(node, yaml.ScalarNode):
        return {node.start_mark.line + 1} if node.value == "TODO" else set()
    if isinstance(node, yaml.MappingNode):
        return set[int]().union(*(_todo_lines(part) for pair in node.value for part in pair))
    if isinstance(node, yaml.SequenceNode):
        return set[int]().union(*(_todo_lines(part) for part in node.value))
    return set()


def _explain(error: ValidationError, path: Path, node: yaml.Node | None) -> UserError:
    """Return one line per finding, each with the line of the card it is about."""
    lines: list[str] = []
    for finding in error.errors():
        location = finding["loc"]
        where = f"{path}:{_line(node, location)}"
        if finding["type"] == "enum":
            field, given = ".".join(map(str, location)), str(finding["input"])
            known = re.findall("'([^']+)'", finding["msg"])
            lines.append(f'{where}: {field}: "{given}" is unknown.{did_you_mean(given, known)}')
            continue
        if finding["type"] == "union_tag_invalid":
            context = finding.get("ctx", {})
            given, known = str(context.get("tag")), re.findall("'([^']+)'", str(context.get("expected_tags")))
            field = ".".join((*map(str, location), str(context.get("discriminator")).strip("'")))
            lines.append(f'{where}: {field}: "{given}" is unknown.{did_you_mean(given, known)}')
            continue
        single = ValidationError.from_exception_data(error.title, [_init_error(finding)])
        lines.append(str(explain_validation(single, where=where, known_fields=_known_fields(location))))
    return UserError("\n".join(lines))


def _init_error(finding: Any) -> Any:
    from pydantic_core import PydanticCustomError

    kind = finding["type"]
    message = finding["msg"].replace("{", "{{").replace("}", "}}")
    return {"type": PydanticCustomError(kind, message), "loc": finding["loc"], "input": finding["input"]}


def _known_fields(location: tuple[int | str, ...]) -> list[str]:
    if len(location) > 1 and location[0] == "layout":
        return list(LAYOUTS[str(location[1])].model_fields)
    nested: dict[int | str, type[BaseModel]] = {
        "expected": Expected,
        "download": Download,
        "slices": SliceRule,
        "values": ValueRule,
        "split": SplitRule,
        "boxes": BoxRule,
        "deidentification": Deidentification,
    }
    model = nested.get(location[0], Recipe) if len(location) > 1 else Recipe
    return list(model.model_fields)


def _line(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """Return the 1-based line of the deepest key of `location` that the document has."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if str(key.value) == str(part)), None)
            if found is None:
                continue  # a union's tag is part of the location but no key of the document
            line = _start(found[0])
            node = found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            entry: yaml.Node = node.value[part]
            node, line = entry, _start(entry)
    return line


def _start(node: yaml.Node) -> int:
    mark: Any = node.start_mark
    return int(mark.line) + 1
