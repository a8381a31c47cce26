"""The reference of the card's fields, written from the models and their docstrings: docs/reference/recipes.md."""

import ast
import inspect
import itertools
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from gmai_data.imaging import rules
from gmai_data.sources import card, layout
from gmai_data.sources.annotations import drawn, spheres, table_marks
from gmai_data.sources.cards import recipe
from gmai_data.sources.files import table_joins
from gmai_data.vocabulary import ClinicalTask, Department, Modality, Task


def reference() -> str:
    """Return the page as Markdown."""
    lines = [
        "# The recipe (a YAML card)",
        "",
        "Written from the models of the cards by `python -m gmai_data.sources.cards.reference`; a test compares.",
        "",
    ]
    for model in (
        recipe.Recipe,
        card.Name,
        rules.SliceRule,
        rules.BoxRule,
        card.SplitRule,
        card.Download,
        card.Expected,
        rules.ValueRule,
        rules.Deidentification,
    ):
        lines += _table(model, f"## {model.__name__}")
    lines += ["# Layouts", "", *(inspect.getdoc(layout) or "").splitlines()[2:], ""]
    for kind, settings in sorted(recipe.LAYOUTS.items()):
        lines += _table(settings, f"## {kind}")
    lines += _table(table_marks.TableMarks, "## TableMarks") + _table(table_joins.TableJoin, "## TableJoin")
    lines += _table(drawn.DrawnRule, "## DrawnRule") + _table(spheres.SphereTable, "## SphereTable")
    lines += ["# Vocabularies", ""]
    for vocabulary in (Modality, Department, ClinicalTask, Task):
        lines += [f"## {vocabulary.__name__}", "", (inspect.getdoc(vocabulary) or "").splitlines()[0], ""]
        lines += [f"- `{value}`" for value in vocabulary] + [""]
    return "\n".join(lines).rstrip() + "\n"


def _table(model: type[BaseModel], heading: str) -> list[str]:
    described = _docstrings(model)
    lines = [
        heading,
        "",
        " ".join((inspect.getdoc(model) or "").split()),
        "",
        "| field | values | default | |",
        "|---|---|---|---|",
    ]
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else f"`{_shown(field.get_default(call_default_factory=True))}`"
        words = " ".join(described.get(name, "").split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {_type(field.annotation)} | {default} | {words} |")
    return [*lines, ""]


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    (body,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(model))).body
    above = model.__bases__[0]
    found = _docstrings(above) if issubclass(above, BaseModel) and above is not BaseModel else {}
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for before, after in itertools.pairwise(statements):
        if not (isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[before.target.id] = str(after.value.value)
    return found


def _shown(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, frozenset):
        return str(sorted(map(str, value)))
    if isinstance(value, dict):
        return str({str(key): entry for key, entry in value.items()}) if value else "none"
    return "none" if value in (None, (), "") else str(value)


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_type(part) for part in arguments if part is not type(None))
    if origin is not None and str(origin) == "typing.Literal":
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"map of {_type(arguments[0])} to {_type(arguments[1])}"
    if origin is not None and arguments:
        return _type(arguments[0])
    return getattr(annotation, "__name__", str(annotation))


if __name__ == "__main__":
    print(reference(), end="")
