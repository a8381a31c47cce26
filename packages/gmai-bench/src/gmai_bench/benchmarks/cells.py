"""Cells of published tables ▶ options and right answers: lists, mappings, columns; texts, letters, places."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

from gmai_formats.errors import UserError

from gmai_bench.benchmarks.prompts import LETTERS

AnswerKind = Literal["text", "letter", "index", "number"]


_TOLD: Sequence[AnswerKind] = ("text", "letter")
"""What the references of a file can be told to be."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one row."""

    texts: tuple[str, ...]
    keys: tuple[str, ...]
    """What the publisher calls each of them: its letter, or its key in a mapping."""


def field(row: Mapping[str, Any], name: str) -> Any:
    """Return a column, or a field of it: `data.Options`."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        value = cast("Mapping[str, Any]", value).get(part) if isinstance(value, Mapping) else None
    return value


_FIELD = re.compile(r"\{([^{}]+)\}")


def fields_of(column: str | None) -> list[str]:
    """Return the columns that a name or a template such as `{image}.jpg` needs."""
    return [] if not column else _FIELD.findall(column) or [column]


def filled(row: Mapping[str, Any], column: str) -> Any:
    """Return a column's cell, or a template with the cells of its columns."""
    if not _FIELD.search(column):
        return field(row, column)
    return _FIELD.sub(lambda match: text_of(field(row, match[1])), column)


def text_of(value: Any) -> str:
    """Return a cell as text; an absent one is empty, and several paragraphs follow one another."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, list | tuple):
        return "\n".join(text_of(part) for part in cast("Sequence[Any]", value))
    return str(value)


def options_of(
    row: Mapping[str, Any], columns: str | list[str] | None, place: str, *, lettered: bool = False
) -> Options:
    """Return the options of a row, none for an open question.

    Args:
        row: The row.
        columns: The column of the options, or one of each.
        place: File and row, for messages.
        lettered: Whether the options carry their letters: then they may be the lines of one text.

    Raises:
        UserError: The column holds something else than options.
    """
    if columns is None:
        return Options((), ())
    if isinstance(columns, list):
        return _kept(zip(LETTERS, (field(row, column) for column in columns), strict=False))
    cell = field(row, columns)
    lines = [line for line in cell.splitlines() if line.strip()] if lettered and isinstance(cell, str) else []
    value = lines if len(lines) > 1 and all(map(_LETTERED.match, lines)) else _parsed(cell, columns, place)
    if value is None:
        return Options((), ())
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        if isinstance(mapping.get("text"), list | tuple) and isinstance(mapping.get("label"), list | tuple):
            return _by_key(dict(zip(mapping["label"], mapping["text"], strict=True)))  # as the Hub stores {label, text}
        return _by_key(mapping)
    if not isinstance(value, list | tuple):
        raise UserError(f"{place}: the column {columns} holds {value!r:.80}, which is no list of options.{_OPTIONS}")
    listed = list(cast("Sequence[Any]", value))
    if listed and all(isinstance(option, tuple) for option in listed):  # a map of Parquet
        return _by_key(dict(cast("list[tuple[str, Any]]", listed)))
    while listed and not text_of(listed[-1]).strip():
        listed.pop()
    if listed and all(isinstance(option, Mapping) for option in listed):
        return _by_key({_pair(option, columns, place)[0]: _pair(option, columns, place)[1]
                        for option in cast("Sequence[Mapping[str, Any]]", listed)})  # fmt: skip
    if any(isinstance(option, Mapping | list) for option in listed):
        raise UserError(f"{place}: the column {columns} holds {value!r:.80}; an option is a text.{_OPTIONS}")
    texts = tuple(text_of(option) for option in listed)
    return Options(texts, tuple(LETTERS[: len(texts)]))


def without_letters(options: Options, place: str) -> Options:
    """Return options without the letters that the file puts in front of them.

    Raises:
        UserError: One has none, or that of another.
    """
    texts: list[str] = []
    for key, text in zip(options.keys, options.texts, strict=True):
        match = _LETTERED.match(text)
        if match is None or match[1] != key:
            raise UserError(
                f'{place}: the option "{text:.60}" does not begin with its letter {key}, as `lettered_options: true` '
                f"says. Correct the row, or leave `lettered_options` out."
            )
        texts.append(text[match.end() :].strip())
    return Options(tuple(texts), options.keys)


def first_letter(reference: str, place: str) -> str:
    """Return the letter that a reference begins with, such as A of "A) CT", or is.

    Raises:
        UserError: It begins with none.
    """
    match = _LETTERED.match(reference)
    bare = reference.strip().strip("().").upper()
    if match is None and not (len(bare) == 1 and bare in LETTERS):
        raise UserError(f'{place}: the reference "{reference:.60}" does not begin with a letter. Correct the row.')
    return match[1] if match else bare


_LETTERED = re.compile(r"\s*\(?([A-Z])\s*[).:]\s*")
_OPTIONS = (
    " Options are a list of texts, a mapping letter ▶ text, a list of {key, value}, one of these as JSON, a column "
    "each (`choices: [opa, opb]`), or lines with their letters (`lettered_options: true`). Correct the row or the "
    "declaration."
)


def _parsed(value: Any, column: str, place: str) -> Any:
    """Return a cell of JSON text, or of a Python list as text, as what it says."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            parsed: Any = read(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(parsed, list | tuple | dict):
            return cast("Any", parsed)
    raise UserError(f"{place}: the column {column} holds {value!r:.80}, which is no list of options.{_OPTIONS}")


def _pair(option: Mapping[str, Any], column: str, place: str) -> tuple[str, Any]:
    names = {name.lower(): value for name, value in option.items()}
    key = next((names[name] for name in ("key", "label", "letter", "id") if name in names), None)
    text = next((names[name] for name in ("value", "text", "option", "content") if name in names), None)
    if key is None or text is None:
        raise UserError(f"{place}: the column {column} holds the option {dict(option)!r:.80}.{_OPTIONS}")
    return str(key), text


def _by_key(mapping: Mapping[str, Any]) -> Options:
    """Return the options in the order of their letters, or as they stand where the keys are no letters."""
    keys = list(mapping)
    if all(len(key) == 1 and key.isascii() and key.isalpha() for key in keys):
        keys.sort(key=str.upper)
    return _kept((key, mapping[key]) for key in keys)


def _kept(pairs: Iterable[tuple[str, Any]]) -> Options:
    """Return the options that have a text: a table has as many columns as its longest question options.

    One in the middle stays, empty, so that those behind it keep the publisher's letters.
    """
    kept = [(key, text_of(value)) for key, value in pairs if text_of(value).strip()]
    places = [LETTERS.find(key.upper()) if len(key) == 1 else -1 for key, _ in kept]
    if len(kept) > 1 and places[0] >= 0 and places == sorted(set(places)):
        texts = dict(zip(places, (text for _, text in kept), strict=True))
        count = places[-1] + 1
        return Options(tuple(texts.get(place, "") for place in range(count)), tuple(LETTERS[:count]))
    return Options(tuple(text for _, text in kept), tuple(key for key, _ in kept))


def place_of(value: Any, options: Options, kind: AnswerKind) -> int | None:
    """Return which option a reference names, read as a text, a letter, or a place; `None` where it names none."""
    written = text_of(value).strip()
    if kind in ("index", "number"):
        try:
            index = int(float(written)) - (kind == "number")
        except ValueError:
            return None
        return index if 0 <= index < len(options.texts) else None
    if kind == "letter":
        bare = written.strip("().").casefold()
        return next((i for i, key in enumerate(options.keys) if key.casefold() == bare), None)
    return next((i for i, text in enumerate(options.texts) if text.strip() == written != ""), None)


def kind_of(rows: Iterable[tuple[str, Sequence[Any], Options]], where: str) -> AnswerKind:
    """Return whether the references of a file are texts or letters: what every row fits.

    Args:
        rows: Place, references and options of every row with options.
        where: The declaration, for messages.

    Raises:
        UserError: A row fits neither, or both in different ways.
    """
    misses: Counter[AnswerKind] = Counter()
    first_miss: dict[AnswerKind, tuple[str, Any, Options]] = {}
    differing = ""
    for place, references, options in rows:
        for reference in references:
            found: dict[AnswerKind, int | None] = {kind: place_of(reference, options, kind) for kind in _TOLD}
            for kind, index in found.items():
                if index is None:
                    misses[kind] += 1
                    first_miss.setdefault(kind, (place, reference, options))
            if None not in found.values() and options.texts[found["text"] or 0] != options.texts[found["letter"] or 0]:
                differing = differing or f'{place}: the reference "{text_of(reference)}"'
    fits: list[AnswerKind] = [kind for kind in _TOLD if not misses[kind]]
    if len(fits) == 2 and differing:
        raise UserError(
            f"{differing} is the letter of one choice and the text of another, and every row of the file can be read "
            f"both ways. Which one it means is not ours to guess. Add `answer: letter` or `answer: text` to {where}."
        )
    if fits:
        return fits[0]
    refuse(*first_miss[min(_TOLD, key=lambda kind: misses[kind])])


def refuse(place: str, reference: Any, options: Options, kind: AnswerKind | None = None) -> NoReturn:
    """Refuse a reference that names no option."""
    declared = f" as {kind}" if kind else ""
    raise UserError(
        f'{place}: the reference "{text_of(reference)}" is none of its choices {list(options.texts)!r:.120}{declared}. '
        f"The reference is the text or the letter of the right choice, or its place (`answer: index` counts from 0, "
        f"`answer: number` from 1). Correct the row or the declaration."
    )
