"""`gmai data validate`: READ THIS FIRST. Find the files ▶ read rows ▶ check each ▶ repeated ids ▶ report."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from gmai_cli.console import Progress, progress, say, table
from gmai_cli.exit_codes import EXIT_OK, EXIT_PARTIAL
from gmai_formats.errors import UserError
from gmai_formats.files import may_be_read, replace_atomically, require_folder
from gmai_formats.rows.files import SUFFIXES, Format, format_by_name, format_of, read_rows
from gmai_formats.rows.mixtures import Mixture, MixtureEntry, read_mixing_list, read_mixture_file
from gmai_formats.rows.rules import RULES, Problem
from gmai_formats.rows.sample import Sample, id_of, read_row
from gmai_formats.rows.splits import files_of, image_folders, is_pattern
from gmai_formats.rows.tables import unread_columns

from gmai_data.validation.facts import COLUMNS, Pictures, problems_of
from gmai_data.validation.finding import Finding
from gmai_data.validation.ids import Ids

SHOWN = 20
"""Findings that are printed; the report has them all."""
MIXTURES = (".yaml", ".yml")


_WRITTEN = ("manifest.json", "release.json", "export.json")
"""One of them lies in a folder that gmai-data wrote."""
_WRITTEN_BESIDE = (
    "run.json",
    "quarantine.jsonl",
    "dropped.jsonl",
    "judged.jsonl",
    "left_out.jsonl",
    "croissant.json",
    "dataset_info.json",
)
_WRITTEN_FOLDERS = ("annotations", "benchmarks", "facts")


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
    read: Counter[str] = field(default_factory=Counter[str])
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
        raise UserError(f"{path}: no such file or folder. It takes samples or a mixture. Correct the path.")
    if images is not None:
        require_folder(images, "--images takes a folder. Correct the path.")
    with ExitStack() as stack:
        account = Account(stack.enter_context(replace_atomically(report)) if report else None)
        works = list(_works(path, images, account))
        if not works and not account.by_rule:
            raise UserError(
                f"{path}: no samples. They are {', '.join(SUFFIXES)} files with `messages` or `conversations` (or a "
                "question and its answer), or a mixture of such files."
            )
        bar = stack.enter_context(progress("validate", None, unit="rows"))
        _check_all(path, works, account, bar)
    _print(path, account, report)
    return EXIT_PARTIAL if account.by_rule else EXIT_OK


def _works(path: Path, images: Path | None, account: Account) -> Iterator[Work]:
    if path.suffix in MIXTURES:
        yield from _of_mixture(read_mixture_file(path), path, images, account)
        return
    if path.is_file():
        candidates = [path]
    else:
        found = (file for file in path.rglob("*") if file.suffix in SUFFIXES and may_be_read(file))
        candidates = sorted(file for file in found if not _is_hidden(file.relative_to(path)))
    forms: dict[Path, Format | Literal["mixture"] | None] = {}
    for file in candidates:
        try:
            form = format_of(file)
            forms[file] = format_by_name(file) if form is None and file == path else form
        except OSError as error:
            account.find(Finding(_name(file, path), None, None, Problem("file", error.strerror or str(error))))
    listed: dict[Path, MixtureEntry] = {}
    for file in (file for file, form in forms.items() if form == "mixture"):
        for entry in read_mixing_list(file):
            if isinstance(entry, MixtureEntry):
                listed.setdefault(Path(entry.path or "").resolve(), entry)
            elif isinstance(entry, Problem):
                account.find(Finding(_name(file, path), None, None, entry))
            else:
                account.notes.append(entry)
    for annotations, entry in listed.items():
        yield from _of_entry(entry, annotations, path, images, account)
    for file, form in forms.items():
        if form is None:
            if not (path.is_dir() and _is_beside_samples(file.relative_to(path), path)):
                account.left_alone.append(_name(file, path))
        elif form != "mixture" and file.resolve() not in listed:
            yield Work(file, form, image_folders(file, images))


def _is_beside_samples(file: Path, root: Path) -> bool:
    """Return whether a build, release or export writes a file that holds no samples under this name."""
    if not any((root / name).is_file() for name in _WRITTEN):
        return False
    return file.parts[0] in _WRITTEN_FOLDERS if len(file.parts) > 1 else file.name in {*_WRITTEN, *_WRITTEN_BESIDE}


def _of_mixture(mixture: Mixture, path: Path, images: Path | None, account: Account) -> Iterator[Work]:
    for entry in mixture.datasets:
        if entry.hub is not None or entry.path is None or entry.skip:
            reason = "skipped" if entry.skip else "on the Hub" if entry.hub else "without a path"
            account.notes.append(f"{entry.name!r:.80} is {reason} and was not checked")
        else:
            yield from _of_entry(entry, path.parent / entry.path, path, images, account)


def _of_entry(entry: MixtureEntry, place: Path, path: Path, images: Path | None, account: Account) -> Iterator[Work]:
    """Yield the files of a dataset of a mixture; paths that do not exist are problems of the mixture."""
    files = [file for split in ("train", "validation") for file in files_of(place, split)]
    forms: list[tuple[Path, Format | None]] = [(file, format_by_name(file)) for file in files]
    if not files or None in [form for _, form in forms]:
        missing = "fits no file" if is_pattern(place) else "is not there"
        state = "holds no samples" if place.exists() else missing
        problem = Problem("mixture", f"{entry.name!r:.80}: {str(place)[-200:]} {state}")
        account.find(Finding(_name(path, path), None, None, problem))
        return
    folder = images or (None if entry.images is None else path.parent / entry.images)
    for file, form in forms:
        if form is not None:
            yield Work(file, form, image_folders(file, folder), entry.length if len(files) == 1 else None)


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
        for number, value in read_rows(work.path, work.form, COLUMNS):
            rows += 1
            bar.advance(note=name)
            verdict = read_row(value, work.images)
            row: dict[str, Any] = value if isinstance(value, dict) else {}
            own = id_of(row)
            unread = set(unread_columns(row))
            account.unknown.update(map(str, unread.union(verdict.unread) if isinstance(verdict, Sample) else unread))
            account.no_id += bool(row) and own is None
            if own is not None:
                ids.add(own, name, number)
            if isinstance(verdict, Problem):
                account.find(Finding(name, number, own, verdict))
                continue
            account.read.update(verdict.notes)
            for problem in problems_of(verdict, row, pictures):
                account.find(Finding(name, number, own, problem))
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
    for note, count in account.read.items():
        say(f"note: {count} rows: {note}")
    for name, count in sorted(account.unknown.items())[:SHOWN]:
        say(f"note: unknown column {name!r:.60} in {count} rows; it was not checked")
    if (more := len(account.unknown) - SHOWN) > 0:
        say(f"note: {more} more unknown columns; they were not checked")
    for note in account.notes:
        say(f"note: {note}")
    if account.left_alone:
        more = f" and {len(account.left_alone) - 5} more" if len(account.left_alone) > 5 else ""
        say(f"note: {len(account.left_alone)} files hold no samples: {', '.join(account.left_alone[:5])}{more}")
    if account.by_rule.total() > SHOWN and report is None:
        say(f"The first {SHOWN} findings are above; --report FILE writes them all.")
