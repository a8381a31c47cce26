"""`gmai data validate`: READ THIS FIRST. Find the files ▶ read rows ▶ check each ▶ repeated ids ▶ report."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from gmai_cli.console import Progress, progress, say, table
from gmai_cli.exit_codes import EXIT_OK, EXIT_PARTIAL
from gmai_formats.errors import UserError
from gmai_formats.files import replace_atomically

from gmai_data.validation.checks import Pictures, problems_of
from gmai_data.validation.ids import Ids
from gmai_data.validation.mixture import Entry, read_mixture
from gmai_data.validation.readers import Format, format_of, read_rows
from gmai_data.validation.row import row_of
from gmai_data.validation.rules import RULES, Finding, Problem

SHOWN = 20
"""Findings that are printed; the report has them all."""
SUFFIXES = (".parquet", ".tar", ".json", ".jsonl")


@dataclass
class Work:
    """A file to check, and where its images are."""

    path: Path
    form: Format
    images: tuple[Path, ...]
    length: int | None = None


@dataclass
class Account:
    """What was checked and found so far; findings leave as they come."""

    report: IO[bytes] | None
    rows: int = 0
    files: int = 0
    pictures: int = 0
    no_id: int = 0
    by_rule: Counter[str] = field(default_factory=Counter[str])
    first: dict[str, Finding] = field(default_factory=dict[str, Finding])
    unknown: Counter[str] = field(default_factory=Counter[str])
    notes: list[str] = field(default_factory=list[str])
    left_alone: list[str] = field(default_factory=list[str])

    def find(self, finding: Finding) -> None:
        """Count, show and report a finding."""
        rule = finding.problem.rule
        if self.by_rule.total() < SHOWN:
            say(finding.line())
        self.by_rule[rule] += 1
        self.first.setdefault(rule, finding)
        if self.report is not None:
            line = json.dumps(finding.entry(), ensure_ascii=False) + "\n"
            self.report.write(line.encode(errors="backslashreplace"))  # half a surrogate pair becomes an escape of JSON


def validate(path: Path, *, images: Path | None, report: Path | None) -> int:
    """Check every row of a file or folder and return the exit code: 0 all sound, 3 some are not.

    Rows are read in portions; what stays in memory is 28 bytes a row, to find repeated ids.

    Args:
        path: A file, or a folder that is searched for samples; hidden files are left alone.
        images: Folder that image paths are relative to; None for the file's own, `images` in it, or the mixing list's.
        report: Where every finding is written as JSON Lines.

    Raises:
        UserError: There is nothing there, or nothing that is samples.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder.")
    if images is not None and not images.is_dir():
        raise UserError(f"--images {images}: no such folder.")
    with ExitStack() as stack:
        account = Account(stack.enter_context(replace_atomically(report)) if report else None)
        works = list(_works(path, images, account))
        if not works and not account.by_rule:
            raise UserError(
                f"{path}: no samples. They are Parquet, JSON, JSON Lines or WebDataset tar files with `messages` or "
                "`conversations`, or a mixing list of such files."
            )
        bar = stack.enter_context(progress("validate", None, unit="rows"))
        _check_all(path, works, account, bar)
    _print(path, account, report)
    return EXIT_PARTIAL if account.by_rule else EXIT_OK


def _works(path: Path, images: Path | None, account: Account) -> Iterator[Work]:
    if path.is_file():
        candidates = [path]
    else:
        found = (file for file in path.rglob("*") if file.suffix in SUFFIXES and not file.is_dir())
        candidates = sorted(file for file in found if not _is_hidden(file.relative_to(path)))
    forms: dict[Path, Format | Literal["mixture"] | None] = {}
    for file in candidates:
        try:
            forms[file] = format_of(file)
        except OSError as error:
            account.find(Finding(_name(file, path), None, None, Problem("file", error.strerror or str(error))))
    listed: dict[Path, Entry] = {}
    for file in (file for file, form in forms.items() if form == "mixture"):
        for entry in read_mixture(file):
            if isinstance(entry, Entry):
                listed.setdefault(entry.annotations.resolve(), entry)
            elif isinstance(entry, Problem):
                account.find(Finding(_name(file, path), None, None, entry))
            else:
                account.notes.append(entry)
    for entry in listed.values():
        form = format_of(entry.annotations)
        if form is not None and form != "mixture":
            yield Work(entry.annotations, form, (images,) if images else entry.images, entry.length)
        else:
            problem = Problem("mixture", f"{entry.name!r:.80}: {entry.annotations.name} holds no samples")
            account.find(Finding(_name(path, path), None, None, problem))
    for file, form in forms.items():
        if form is None:
            account.left_alone.append(_name(file, path))
        elif form != "mixture" and file.resolve() not in listed:
            yield Work(file, form, (images,) if images else (file.parent.absolute(), file.parent.absolute() / "images"))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _name(file: Path, below: Path) -> str:
    return str(file.relative_to(below)) if below.is_dir() and file.is_relative_to(below) else file.name


def _check_all(path: Path, works: list[Work], account: Account, bar: Progress) -> None:
    # In Parquet and WebDataset a data set is many files; a JSON file of others stands for itself, and GMAI-VL's ids
    # name the image, so that two files may share them.
    shared = Ids()
    for work in works:
        ids = shared if work.form in ("parquet", "webdataset") else Ids()
        name, rows = _name(work.path, path), 0
        pictures = Pictures(work.images)
        for number, value in read_rows(work.path, work.form):
            rows += 1
            bar.advance(note=name)
            if isinstance(value, Problem):
                account.find(Finding(name, number, None, value))
                continue
            row = row_of(value)
            account.unknown.update(row.unknown)
            if row.id is None:
                account.no_id += 1
            else:
                ids.add(row.id, name, number)
            for problem in problems_of(row, pictures):
                account.find(Finding(name, number, row.id, problem))
        if work.length is not None and work.length != rows:
            account.notes.append(f"{name}: the mixing list says {work.length} rows, the file has {rows}")
        account.rows += rows
        account.files += 1
        account.pictures += pictures.decoded
        if ids is not shared:
            _find_repeated(ids, account)
    _find_repeated(shared, account)


def _find_repeated(ids: Ids, account: Account) -> None:
    for (name, number), (first_name, first_number) in ids.repeated():
        problem = Problem("ids", f"its id is also that of {first_name} row {first_number}")
        account.find(Finding(name, number, None, problem))


def _print(path: Path, account: Account, report: Path | None) -> None:
    if account.by_rule:
        rows = [
            (rule, account.by_rule[rule], account.first[rule].where, RULES[rule][0])
            for rule in RULES
            if rule in account.by_rule
        ]
        table(("rule", "findings", "first", "must hold"), rows)
    print(
        f"{path}: {account.rows} rows in {account.files} files, {account.pictures} images decoded; "
        f"{account.by_rule.total()} findings."
    )
    if account.no_id:
        say(f"note: {account.no_id} rows have no id")
    for name, count in sorted(account.unknown.items()):
        say(f"note: unknown column {name!r:.60} in {count} rows; it was not checked")
    for note in account.notes:
        say(f"note: {note}")
    if account.left_alone:
        more = f" and {len(account.left_alone) - 5} more" if len(account.left_alone) > 5 else ""
        say(f"note: {len(account.left_alone)} files hold no samples: {', '.join(account.left_alone[:5])}{more}")
    if account.by_rule.total() > SHOWN and report is None:
        say(f"The first {SHOWN} findings are above; --report FILE writes them all.")
