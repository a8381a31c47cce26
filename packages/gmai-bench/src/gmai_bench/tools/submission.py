"""The file that a benchmark with withheld answers is sent in as: VLMEvalKit's spreadsheet of predictions."""

import importlib
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_formats.files import replace_atomically

from gmai_bench.benchmarks.prompts import LETTERS
from gmai_bench.scoring.results import ScoredBenchmark

_LONGEST_CELL = 32767
"""Characters; a spreadsheet cannot hold more in a cell."""

_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")
"""Such cells get the mark of text (Excel's apostrophe), so that editing them does not make formulas of them."""


def write_submission(benchmark: ScoredBenchmark, path: Path) -> None:
    """Write index, question, options, prediction and groups of every answered question, in the benchmark's order.

    The prediction is the model's whole answer, as the authors' scorer reads it itself; one longer than a cell is
    cut there, and the number of such answers is said. Text that begins like a formula stays text.
    """
    openpyxl: Any = importlib.import_module("openpyxl")
    book: Any = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")

    def cell(text: str) -> Any:
        made: Any = openpyxl.cell.WriteOnlyCell(sheet, "".join(c for c in text if c in "\t\n\r" or ord(c) >= 32))
        made.data_type = "s"  # openpyxl takes what begins with "=" for a formula
        made.quotePrefix = text.startswith(_FORMULA_BEGINS)
        return made

    groups = benchmark.record.card.groups
    letters = LETTERS[: max((len(item.question.choices) for item in benchmark.scored), default=0)]
    sheet.append(["index", "question", *letters, *(name.replace("_", " ") for name in groups), "prediction"])
    cut = 0
    for item in benchmark.scored:
        question, response = item.question, item.prediction.response
        index = int(question.id) if question.id.isdigit() else cell(question.id)
        options = [*map(cell, question.choices), *[None] * (len(letters) - len(question.choices))]
        cut += len(response) > _LONGEST_CELL
        of_groups = [cell(question.groups[name]) for name in groups]
        sheet.append([index, cell(question.text), *options, *of_groups, cell(response[:_LONGEST_CELL])])
    with replace_atomically(path) as file:
        book.save(file)
    if cut:
        say(f"{path}: {cut} answers end at {_LONGEST_CELL} characters, where a cell is full; predictions.jsonl has all")
