"""Files of answers that other programs wrote ▶ answers by question id.

MMMU's JSON (id ▶ answer, or a list of records), LLaVA-Med's JSON Lines (question_id, text), VLMEvalKit's xlsx and tsv
(index or id, prediction), and the like; JSON may have trailing commas, and a list may stand in a .jsonl file.
"""

import importlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from gmai_cli.console import say
from gmai_formats import separated
from gmai_formats.errors import UserError, did_you_mean

from gmai_bench.answers.predictions import Kept, Prediction, read_predictions

ID_KEYS = ("id", "question_id", "index", "qid")
RESPONSE_KEYS = ("response", "prediction", "text", "output", "model_pred", "pred_response")
"""In this order; `answer` is not among them, for in most of these files it is the right one."""

_STRING_OR_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])')
"""A table may carry whole images as text."""


def read_answers(path: Path) -> Kept:
    """Read a file of answers, ours or another program's.

    Raises:
        UserError: The file cannot be read, or has no column of ids or answers; the message names what was found.
    """
    if path.suffix.lower() == ".xlsx":
        return _kept(_rows_of_sheet(path), path)
    if path.suffix.lower() in (".tsv", ".csv"):
        return _kept(_rows_of_table(path, "\t" if path.suffix.lower() == ".tsv" else ","), path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError:
        return read_predictions(path)  # explains it
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start}). A file of answers is text in UTF-8, or an "
            f".xlsx. Save it again as UTF-8."
        ) from error
    first = next((line for line in text.split("\n") if line.strip()), "")
    if path.suffix.lower() == ".jsonl" and _is_ours(first):
        return read_predictions(path)
    return _kept(_records(_parse(text, path), path), path)


def _is_ours(line: str) -> bool:
    try:
        value: Any = json.loads(line)
    except ValueError:
        return not line.lstrip().startswith(("[", "{"))
    return isinstance(value, dict) and (
        "response" in value or not set(RESPONSE_KEYS) & set(cast("dict[str, Any]", value))
    )


def _parse(text: str, path: Path) -> Any:
    """Return the JSON of a file: one value, or a list of the values of its lines; trailing commas are counted."""
    removed = 0

    def without_comma(match: re.Match[str]) -> str:
        nonlocal removed
        removed += match[0] == ","
        return "" if match[0] == "," else match[0]

    def tidy(part: str) -> str:
        nonlocal removed
        bare = part.strip()
        removed += bare.endswith(",")
        return _STRING_OR_COMMA.sub(without_comma, bare.removesuffix(","))

    lines = [line for line in text.split("\n") if line.strip()]
    error: ValueError | None = None
    for read in (
        lambda: json.loads(text),
        lambda: [json.loads(line) for line in lines],
        lambda: json.loads(tidy(text)),
        lambda: [json.loads(tidy(line)) for line in lines],
    ):
        removed = 0
        try:
            value: Any = read()
        except ValueError as reason:
            error = reason
            continue
        if removed:
            say(f"{path}: {removed} trailing commas passed over")
        return value
    raise UserError(
        f"{path}: not readable as JSON or JSON Lines ({error}). A file of answers is a mapping id ▶ answer, a list of "
        f"records, or one record a line. Correct it at that place."
    ) from error


def _records(value: Any, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        if mapping and all(isinstance(answer, str | int | float | None) for answer in mapping.values()):
            for identity, answer in mapping.items():
                yield f'{path} "{identity}"', {"id": identity, "response": answer}
            return
        if mapping and all(isinstance(answer, dict) for answer in mapping.values()):
            for identity, fields in mapping.items():
                yield f'{path} "{identity}"', {"id": identity, **cast("dict[str, Any]", fields)}
            return
        lists = [part for part in mapping.values() if isinstance(part, list)]
        if len(lists) != 1:
            raise UserError(
                f"{path}: found a mapping with the keys {sorted(mapping)[:8]}. A file of answers is a mapping id ▶ "
                f"answer, or a list of records. Take the list out of it."
            )
        value = lists[0]
    if not isinstance(value, list):
        raise UserError(f"{path}: found a {type(value).__name__}. A file of answers is a mapping or a list of records.")
    for number, fields in enumerate(cast("list[Any]", value), start=1):
        if not isinstance(fields, dict):
            raise UserError(f"{path} record {number}: found a {type(fields).__name__}. A record is an object.")
        yield f"{path} record {number}", cast("dict[str, Any]", fields)


def _rows_of_sheet(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    openpyxl: Any = importlib.import_module("openpyxl")
    try:
        book: Any = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        header = [str(name) for name in next(rows, ())]
        for number, row in enumerate(rows, start=2):
            if any(cell is not None for cell in row):
                yield f"{path} row {number}", dict(zip(header, row, strict=False))
    except Exception as error:  # openpyxl lets the errors of zipfile and of its XML reader through
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path}: not readable as a spreadsheet ({' '.join(str(error).split())[:120]}). Give an .xlsx file with a "
            f"header row, as VLMEvalKit writes it, or export it as .tsv."
        ) from error


def _rows_of_table(path: Path, delimiter: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = separated.DictReader(file, delimiter=delimiter)
            for number, row in enumerate(reader, start=2):
                if None in row or None in row.values():
                    raise UserError(
                        f"{path} row {number}: has another number of cells than the header "
                        f"({len(reader.fieldnames or [])}). A file that was cut off ends so. Write or copy it again."
                    )
                yield f"{path} row {number}", row
    except (OSError, UnicodeDecodeError, separated.TableError) as error:
        raise UserError(f"{path}: not readable as a table ({error}). Correct the path or the file.") from error


def _kept(records: Iterable[tuple[str, Mapping[str, Any]]], path: Path) -> Kept:
    by_id: dict[str, Prediction] = {}
    for place, fields in records:
        identity = _first(fields, ID_KEYS, place, "the question's id")
        said = _first(fields, RESPONSE_KEYS, place, "what the model said")
        prediction = Prediction(_identity(identity), "" if said is None else str(said), "")
        earlier = by_id.get(prediction.id)
        if earlier is not None and earlier != prediction:
            raise UserError(
                f'{place}: a second, different answer to "{prediction.id}". A question has one answer. '
                f"Remove one of the two."
            )
        by_id[prediction.id] = prediction
    if not by_id:
        raise UserError(f"{path}: holds no answer. Check that it is the file of the model's answers.")
    return Kept(by_id, 0, 0)


def _identity(value: Any) -> str:
    """Return an id as text; a spreadsheet makes 7 of "7" and pandas 7.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _first(fields: Mapping[str, Any], keys: Sequence[str], place: str, what: str) -> Any:
    """Return the value under the first of the keys that is there; capitals and blanks around a key do not matter."""
    known = {str(key).strip().lower(): value for key, value in fields.items()}
    for key in keys:
        if key in known:
            return known[key]
    near = next((hint for key in known if "Did you mean" in (hint := did_you_mean(key, keys))), "")
    raise UserError(
        f"{place}: found the keys {sorted(map(str, fields))[:10]}, none of which is {what}. It is looked for under "
        f"{', '.join(keys)}.{near} Rename the key."
    )
