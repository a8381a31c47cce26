"""Files and folders of answers that other programs wrote ▶ records.

MMMU             JSON id ▶ answer, or a list of records; a folder with one file a subject
LLaVA-Med        JSON Lines: question_id, text (https://github.com/microsoft/LLaVA-Med, llava/eval/model_vqa.py)
VLMEvalKit       xlsx, tsv: index or id, prediction
lmms-eval        *_samples_TASK.jsonl: doc_id, input, target, resps or filtered_resps, metrics that hold the id
                 (https://github.com/EvolvingLMMs-Lab/lmms-eval, lmms_eval/loggers/evaluation_tracker.py)
MedEvalKit       results.json: the data set's fields and `response`, often no id; a folder of subjects for MMMU
                 (https://github.com/alibaba-damo-academy/MedEvalKit, utils/base_dataset.py, utils/MMMU/eval_val.py)
HuatuoGPT-Vision one JSON of all its data sets: the bundle's records and `model_output`
                 (https://github.com/FreedomIntelligence/HuatuoGPT-Vision)
lm-evaluation-harness samples_TASK.jsonl: doc_id, doc (the data set's row), resps; of `multiple_choice` tasks the
                 likeliest continuation (https://github.com/EleutherAI/lm-evaluation-harness, lm_eval/evaluator.py)
inspect_ai       .eval (a zip with samples/ID_epoch_N.json) or .json: id, output.completion
                 (https://inspect.aisi.org.uk/eval-logs.html)
Batch API        custom_id, response.body of a chat completion or response, error; what the model refused, or the
                 server, is recorded so (https://platform.openai.com/docs/guides/batch); the same of Anthropic
                 (custom_id, result) and Gemini (key, response)
LLaMA-Factory    generated_predictions.jsonl: prompt, predict, label (https://github.com/hiyouga/LLaMA-Factory,
                 src/llamafactory/train/sft/trainer.py)
ms-swift         response, labels, messages (https://github.com/modelscope/ms-swift)
evalscope        index, model_output or choices; raw_input or metadata hold the row; reviews: sample_score
                 (https://github.com/modelscope/evalscope)
promptfoo        .json (results.results), .jsonl, .csv (a column for each model and prompt, before Status and Score)
                 (https://github.com/promptfoo/promptfoo, src/server/utils/evalTableUtils.ts)
LangSmith        .csv: inputs and outputs, as JSON or as columns of their own
OpenCompass      {"0": {"origin_prompt": …, "prediction": …, "gold": …}} (https://github.com/open-compass/opencompass)
openai/evals     .jsonl of events: those of the type "sampling" (https://github.com/openai/evals)
HELM             scenario_state.json: request_states (https://github.com/stanford-crfm/helm)
DeepEval, MLflow testCases with actualOutput; columns and data
OmniMedVQA       DATASET.json: pred_dict, a list of the data set's records and `model_pred`; of Med-Flamingo and MedVInT
                 a file for each question, its fields in lists of one, and `pred`
                 (https://github.com/OpenGVLab/Multi-Modality-Arena, MedicalEval/Question-answering_Score)

JSON may have trailing commas, and a list may stand in a .jsonl file. Pickle files are refused: reading one runs it.
"""

import hashlib
import importlib
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from gmai_cli.console import say
from gmai_formats import separated
from gmai_formats.errors import UserError, told
from gmai_formats.files import bounded_lines, sha256_file
from gmai_formats.json_text import parse_json

from gmai_bench.answers.predictions import read_predictions
from gmai_bench.answers.records import Answered, Keys, OwnId, Seen, answered, has_answer, names_question
from gmai_bench.parquet import parquet_rows

_OURS = {"id", "response", "request", "cut", "refused", "shown", "image_ablation", "crc"}
_MOST_BYTES = 2**30
_ROWS_AT_ONCE = 256
_SUFFIXES = (".json", ".jsonl", ".xlsx", ".tsv", ".csv", ".eval", ".parquet")
_Record = tuple[str, Mapping[str, Any]]
_STRING_OR_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])')
"""A table may carry whole images as text."""


def read_answers(path: Path, keys: Keys | None = None) -> list[Answered]:
    """Read a file of answers, ours or another program's, or a folder of such files.

    Args:
        path: The file or folder.
        keys: Under which keys ids and answers stand, where they are not found by themselves.

    Raises:
        UserError: A file cannot be read, or has no answers; the message names what was found.
    """
    keys, seen = keys or Keys(), Seen()
    files = _files(path) if path.is_dir() else [path]
    found: list[Answered] = []
    passed_over: list[str] = []
    for file in files:
        within = (file.stem, file.parent.name) if path.is_dir() else (file.stem,)
        if _is_ours(file, keys):
            kept = read_predictions(file).by_id.values()
            place = str(file)
            found += [Answered(place, one, OwnId(one.id), within) for one in kept]
            continue
        records = list(_read(file, keys))
        if path.is_dir() and not any(_answers(fields, keys) for _, fields in records):
            passed_over.append(file.name)
            continue
        found += [answered(fields, place, keys, within, seen) for place, fields in records]
    if not found:
        raise UserError(f"{path}: holds no answer. Check that it is the file of the model's answers.")
    if passed_over:
        say(f"{path}: {len(passed_over)} files without answers passed over ({', '.join(sorted(set(passed_over))[:5])})")
    for read, other in seen.others.items():
        say(f'{path}: the answers are read under "{read}"; "{other}" holds others (--response-key {other} takes them)')
    return found


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, of a folder that of its files and their names."""
    if not path.is_dir():
        return sha256_file(path)
    listed = "".join(f"{file.relative_to(path)} {sha256_file(file)}\n" for file in _files(path))
    return hashlib.sha256(listed.encode()).hexdigest()


def _answers(fields: Mapping[str, Any], keys: Keys) -> bool:
    """Return whether a record of a folder holds an answer: beside answers lie counts and scores, as id ▶ number."""
    is_number = set(fields) == {"id", "response"} and isinstance(fields["response"], int | float)
    return has_answer(fields, keys) and not is_number


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder; what MedEvalKit writes chunk by chunk stands in its results.json again."""
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in _SUFFIXES and file.is_file()]
    whole = {file.parent for file in files if file.name == "results.json"}
    kept = [file for file in files if not (file.parent in whole and re.fullmatch(r"results_\d+\.json", file.name))]
    if not kept:
        raise UserError(f"{folder}: holds no file of answers ({', '.join(_SUFFIXES)}). Correct the path.")
    return kept


def _read(path: Path, keys: Keys) -> Iterator[_Record]:
    suffix = path.suffix.lower()
    if suffix in (".pkl", ".pickle"):
        raise UserError(f"{path}: is a pickle, and reading one runs what is in it. Write it as .xlsx, .tsv or .json.")
    if suffix == ".xlsx":
        yield from _rows_of_sheet(path)
    elif suffix == ".eval":
        yield from _samples_of_log(path)
    elif suffix == ".parquet":
        yield from parquet_rows(path, lambda names: names, at_once=_ROWS_AT_ONCE)
    elif suffix in (".tsv", ".csv"):
        yield from _rows_of_table(path, "\t" if suffix == ".tsv" else ",;\t")
    else:
        try:
            if (size := path.stat().st_size) > _MOST_BYTES:
                raise UserError(
                    f"{path}: has {size:,} bytes, and is read as a whole. Give several files of at most 1 GiB in a "
                    f'folder, or JSON Lines of {{"id": …, "response": …}}.'
                )
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise UserError(
                f"{path}: cannot be read ({error.strerror}). Give the file of the model's answers, or a folder of such."
            ) from error
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}: not UTF-8 text ({error.reason} at byte {error.start}). A file of answers is text in UTF-8, "
                f"or an .xlsx. Save it again as UTF-8."
            ) from error
        value = _parse(text, path)
        if suffix == ".jsonl" and isinstance(value, dict) and has_answer(cast("dict[str, Any]", value), keys):
            value = [value]  # a single line
        yield from _records(value, path, keys)


def _is_ours(path: Path, keys: Keys) -> bool:
    """Return whether a file is JSON Lines with id and response, or broken where only ours explains it."""
    if path.suffix.lower() != ".jsonl" or keys != Keys():
        return False
    try:
        with path.open("rb") as file:
            line = next((line for line in bounded_lines(file) if line is None or line.strip()), b"")
    except OSError:
        return True  # explains it
    if line is None:
        return True
    line = line.decode("utf-8-sig", errors="replace")
    try:
        value: Any = parse_json(line)
    except ValueError:
        return not line.lstrip().startswith(("[", "{"))
    if not isinstance(value, dict):
        return False
    found = set(cast("dict[str, Any]", value))
    if isinstance(value.get("response"), dict | list):
        return False  # as an API gave it
    return found <= _OURS


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
        lambda: parse_json(text),
        lambda: [parse_json(line) for line in lines],
        lambda: parse_json(tidy(text)),
        lambda: [parse_json(tidy(line)) for line in lines],
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


def _records(value: Any, path: Path, keys: Keys) -> Iterator[_Record]:
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        columns = [part for part in mapping.values() if isinstance(part, list | dict)]
        if has_answer(mapping, keys) and len({len(part) for part in columns}) == 1 and len(columns) == len(mapping):
            # column ▶ its cells, as pandas writes a table
            cells = [list(part.values()) if isinstance(part, dict) else part for part in columns]
            for number, row in enumerate(zip(*cells, strict=True), start=1):
                yield f"{path} record {number}", dict(zip(mapping, row, strict=True))
            return
        if (record := _only_record(mapping, keys)) is not None:
            yield str(path), record
            return
        if mapping and all(isinstance(answer, str | int | float | None) for answer in mapping.values()):
            for identity, answer in mapping.items():
                yield f'{path} "{identity}"', {"id": identity, "response": answer}
            return
        if mapping and all(isinstance(answer, dict) for answer in mapping.values()):
            for identity, fields in mapping.items():
                yield f'{path} "{identity}"', {"id": identity, **cast("dict[str, Any]", fields)}
            return
        if isinstance(mapping.get("columns"), list) and isinstance(mapping.get("data"), list):  # as pandas "splits" it
            yield from (
                (f"{path} record {number}", dict(zip(map(str, mapping["columns"]), row, strict=True)))
                for number, row in enumerate(mapping["data"], start=1)
            )
            return
        lists = list(_lists_of_answers(mapping, keys)) or [part for part in mapping.values() if isinstance(part, list)]
        if isinstance(mapping.get("samples"), list):  # inspect_ai has other lists beside it
            lists = [mapping["samples"]]
        if len(lists) != 1:
            raise UserError(
                f"{path}: found a mapping with the keys {sorted(mapping)[:8]}. A file of answers is a mapping id ▶ "
                f"answer, or a list of records. Take the list out of it."
            )
        value = lists[0]
    if not isinstance(value, list):
        raise UserError(f"{path}: found a {type(value).__name__}. A file of answers is a mapping or a list of records.")
    for number, fields in enumerate(_sampled(cast("list[Any]", value), path), start=1):
        if isinstance(fields, str):
            fields = {"response": fields}  # in the order of the benchmark, if the user says so
        if isinstance(fields, list) and [type(part) for part in cast("list[Any]", fields)] in ([str, str], [int, str]):
            fields = dict(zip(("id", "response"), cast("list[Any]", fields), strict=True))
        if not isinstance(fields, dict):
            raise UserError(f"{path} record {number}: found a {type(fields).__name__}. A record is an object.")
        yield f"{path} record {number}", cast("dict[str, Any]", fields)


def _only_record(mapping: Mapping[str, Any], keys: Keys) -> dict[str, Any] | None:
    """Return the record that a whole file is, `None` where it holds several: it names its question and has one answer.

    Fields that went through a DataLoader of PyTorch are lists of one.
    """
    if not has_answer(mapping, keys) or not names_question(mapping) or any(_lists_of_answers(mapping, keys)):
        return None
    return {
        key: cast("list[Any]", value)[0]
        if isinstance(value, list) and [type(part) for part in cast("list[Any]", value)] in ([str], [int])
        else value
        for key, value in mapping.items()
    }


def _lists_of_answers(mapping: Mapping[str, Any], keys: Keys, depth: int = 2) -> Iterator[list[Any]]:
    """Yield the lists of records with answers in an object, and in the objects within it."""
    for part in mapping.values():
        if isinstance(part, list):
            records = cast("list[Any]", part)
            if records and isinstance(records[0], dict) and has_answer(cast("dict[str, Any]", records[0]), keys):
                yield records
        elif isinstance(part, dict) and depth > 1:
            yield from _lists_of_answers(cast("dict[str, Any]", part), keys, depth - 1)


def _sampled(records: list[Any], path: Path) -> list[Any]:
    """Return the records; of a log of openai/evals the samples, whose events of other kinds are counted."""
    if not records or not isinstance(records[0], dict) or "spec" not in records[0]:
        return records
    events = [one for one in records if isinstance(one, dict) and one.get("type") == "sampling"]
    say(f"{path}: {len(events)} samples; {len(records) - len(events)} other lines of the log passed over")
    return [{"sample_id": one.get("sample_id"), "response": one.get("data", {}).get("sampled")} for one in events]


def _rows_of_sheet(path: Path) -> Iterator[_Record]:
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


def _samples_of_log(path: Path) -> Iterator[_Record]:
    try:
        with zipfile.ZipFile(path) as log:
            names = [name for name in log.namelist() if name.startswith("samples/") and name.endswith(".json")]
            for name in sorted(names):
                value: Any = parse_json(log.read(name).decode())
                if not isinstance(value, dict):
                    raise TypeError(f"{name} is no object")
                yield f"{path} {name}", cast("dict[str, Any]", value)
    except (OSError, ValueError, TypeError, zipfile.BadZipFile, NotImplementedError) as error:
        raise UserError(
            f"{path}: not readable as a log of inspect_ai ({error}). Write it as JSON: "
            f"`inspect log convert {path.name} --to json --output-dir LOGS`."
        ) from error


def _rows_of_table(path: Path, delimiters: str) -> Iterator[_Record]:
    """Yield the rows of a table, with that one of the delimiters that its header holds most of."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = max(delimiters, key=file.readline(separated.LONGEST_CELL).count)
            file.seek(0)
            reader = separated.DictReader(file, delimiter=delimiter)
            for number, row in enumerate(reader, start=2):
                if None in row or None in row.values():
                    raise UserError(
                        f"{path} row {number}: has another number of cells than the header "
                        f"({len(reader.fieldnames or [])}). A file that was cut off ends so. Write or copy it again."
                    )
                yield f"{path} row {number}", row
    except (OSError, UnicodeDecodeError, separated.TableError) as error:
        raise UserError(f"{path}: not readable as a table ({told(error)}). Correct the path or the file.") from error
