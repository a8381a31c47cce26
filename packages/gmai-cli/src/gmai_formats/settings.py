"""Settings of a command: defaults, a YAML file over them, `--set key=value` over that; one rule for all packages.

A setting inside a block has a dotted key: `--set writing.temperature=0.2`.
"""

import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from gmai_formats.errors import UserError, did_you_mean, explain_validation
from gmai_formats.safe_yaml import load_yaml, yaml_text

Settings = TypeVar("Settings", bound=BaseModel)


def resolve(
    model: type[Settings],
    file: Path | None,
    overrides: Iterable[str],
    *,
    defaults: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings of a command.

    Args:
        model: What settings there are; its own defaults hold where nothing else is given.
        file: YAML mapping (`--config`), or none.
        overrides: `key=value` (`--set`), the value in YAML; they win over the file.
        defaults: Values under those of the file.
        options: Dotted key ▶ value of an option of the command, over all; None where it was not given.

    Raises:
        UserError: An unknown key, a value out of range, or a file or value that is not YAML.
    """
    values: dict[str, Any] = dict(defaults or {})
    where = "settings"
    if file is not None:
        _lay_over(values, _read(file))
        where = str(file)
    for override in overrides:
        _set(values, override, model)
    for key, value in (options or {}).items():
        if value is not None:
            _lay_over(values, _nested(key, value))
    _as_meant(values, model, where)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise explain_validation(error, where=where, known_fields=_names(model)) from error


def reference(
    model: type[BaseModel],
    *,
    prefix: str = "",
    marked: Iterable[str] = (),
    given: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the rows of a Markdown table (setting, default, meaning), written from the model and its docstrings.

    Args:
        model: Settings whose fields have descriptions.
        prefix: Dotted name of the block that they stand in.
        marked: Names that get a ↻.
        given: What the table says of a default that the model does not have.
    """
    rows: list[str] = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if (block := _block(field.annotation)) is not None:
            rows += reference(block, prefix=f"{key}.", marked=marked, given=given)
            continue
        meaning = (field.description or "").replace("|", "\\|").replace("\n", " ")
        default = (given or {}).get(key) or _shown(field.get_default(call_default_factory=True))
        rows.append(f"| `{key}`{' ↻' if key in set(marked) else ''} | {default} | {meaning} |")
    return rows


def _shown(default: Any) -> str:
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, (tuple, list)):
        return ", ".join(f"`{value}`" for value in typing.cast("Sequence[object]", default)) or "none"
    if default is None or default in ("", {}):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _set(values: dict[str, Any], override: str, model: type[BaseModel]) -> None:
    key, separator, text = override.partition("=")
    if not separator:
        raise UserError(f"--set {override}: expected key=value.")
    at, block = values, model
    *blocks, last = key.split(".")
    for name in blocks:
        inner = _block(block.model_fields[name].annotation) if name in block.model_fields else None
        if inner is None and not _is_mapping(block, name):
            raise _unknown(override, name, block)
        at = _inside(at, name)
        if inner is None:
            break  # the keys of a mapping are free; its values are checked with the rest
        block = inner
    else:
        if last not in block.model_fields:
            raise _unknown(override, last, block)
    at[last] = _value(text, override)


def _unknown(override: str, name: str, block: type[BaseModel]) -> UserError:
    return UserError(
        f"--set {override}: unknown key.{did_you_mean(name, block.model_fields)} --print-config shows all keys."
    )


def _value(text: str, override: str) -> Any:
    if not text.strip():  # of a shell's variable that is not set
        raise UserError(f"--set {override}: there is no value after the `=`. Write one, or `null` for none.")
    number = _number(text)  # YAML 1.1 reads 1e-3 as a text, so numbers are tried first
    if number is not None:
        return number
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        line = " ".join(str(error).split())
        raise UserError(f"--set {override}: the value is not YAML ({line:.120}). Put it in quotes.") from error


def _number(text: str) -> int | float | None:
    if not text.isascii():
        return None
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return None


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        found = "a folder" if file.is_dir() else "no such file"
        raise UserError(f"--config {file}: {found}. It takes a YAML file of settings. Correct the path.")
    try:
        content = load_yaml(yaml_text(file))
    except yaml.YAMLError as error:
        raise UserError(f"--config {file}: not readable as YAML: {error}. Correct the file.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(
            f"--config {file}: expected a mapping of settings, found {type(content).__name__}. Write `key: value`."
        )
    return _with_numbers(typing.cast("dict[object, Any]", content))


def _with_numbers(content: Mapping[object, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            found[str(key)] = _with_numbers(typing.cast("dict[object, Any]", value))
        else:
            number = _number(value) if isinstance(value, str) else None
            found[str(key)] = value if number is None else number
    return found


def _nested(key: str, value: Any) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    return {first: _nested(rest, value) if rest else value}


def _lay_over(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict):
            _lay_over(_inside(values, key), typing.cast("dict[str, Any]", value))
        else:
            values[key] = value


def _inside(values: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the block of a key, made where there is none.

    Raises:
        UserError: Something else stands there.
    """
    block = values.get(key)
    if block is None:
        block = values[key] = {}
    if not isinstance(block, dict):
        raise UserError(f"settings: {key}: it is a block of settings, and {block!r:.80} stands there. Correct it.")
    return typing.cast("dict[str, Any]", block)


def _as_meant(values: dict[str, Any], model: type[BaseModel], where: str, prefix: str = "") -> None:
    """Take `none` for the default that the reference calls so, and true or false for no number.

    Raises:
        UserError: A number is true or false, which pydantic would take for 1 or 0.
    """
    for name, field in model.model_fields.items():
        value, block = values.get(name), _block(field.annotation)
        if block is not None and isinstance(value, dict):
            _as_meant(typing.cast("dict[str, Any]", value), block, where, f"{prefix}{name}.")
            continue
        kinds = {field.annotation, *typing.get_args(field.annotation)}
        if isinstance(value, str) and value.casefold() == "none" and type(None) in kinds:
            values[name] = None
        elif isinstance(value, bool) and bool not in kinds and kinds & {int, float}:
            raise UserError(f"{where}: {prefix}{name}: Input should be a number (found {str(value).lower()})")


def _names(model: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, field in model.model_fields.items():
        names.append(name)
        if (block := _block(field.annotation)) is not None:
            names += _names(block)
    return names


def _block(annotation: Any) -> type[BaseModel] | None:
    for each in (annotation, *typing.get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _is_mapping(model: type[BaseModel], name: str) -> bool:
    if name not in model.model_fields:
        return False
    origin = typing.get_origin(model.model_fields[name].annotation)
    return isinstance(origin, type) and issubclass(origin, Mapping)
