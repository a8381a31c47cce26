"""The file that a benchmark with withheld answers is sent in as: VLMEvalKit's spreadsheet of predictions."""

import importlib
from pathlib import Path
from typing import Any

from gmai_cli.files import replace_atomically

from gmai_bench.benchmarks.prompts import LETTERS
from gmai_bench.scores import ScoredBenchmark

_LONGEST_CELL = 32767
"""Characters; a spreadsheet cannot hold more in a cell."""


def write_submission(benchmark: ScoredBenchmark, path: Path) -> None:
    """Write index, question, options, prediction and groups of every answered question, in the benchmark's order.

    The prediction is the model's whole answer, as the authors' scorer reads it itself.
    """
    openpyxl: Any = importlib.import_module("openpyxl")
    book: Any = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    groups = benchmark.record.card.groups
    letters = LETTERS[: max((len(item.question.choices) for item in benchmark.scored), default=0)]
    sheet.append(["index", "question", *letters, *(name.replace("_", " ") for name in groups), "prediction"])
    for item in benchmark.scored:
        question = item.question
        index = int(question.id) if question.id.isdigit() else question.id
        options = [*question.choices, *[None] * (len(letters) - len(question.choices))]
        said = _without_control_characters(item.prediction.response)[:_LONGEST_CELL]
        sheet.append([index, question.text, *options, *(question.groups[name] for name in groups), said])
    with replace_atomically(path) as file:
        book.save(file)


def _without_control_characters(text: str) -> str:
    """Return text that a spreadsheet can hold; a leading "=" would be a formula, so a blank is set before it."""
    cleaned = "".join(c for c in text if c in "\t\n\r" or ord(c) >= 32)
    return f" {cleaned}" if cleaned.startswith("=") else cleaned
