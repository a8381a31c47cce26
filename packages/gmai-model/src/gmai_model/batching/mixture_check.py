"""What of a mixture is there, what is missing, and how to get it: said before a job is queued."""

import importlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.rows.adapters import ADAPTERS, fits
from gmai_formats.rows.files import format_by_name, read_rows
from gmai_formats.rows.images import find_image
from gmai_formats.rows.mixtures import Mixture, MixtureEntry
from gmai_formats.rows.rules import Problem
from gmai_formats.rows.sample import Sample, read_row
from gmai_formats.rows.splits import files_of, image_folders, is_pattern, near_misses

LOOKED_AT = 20
"""First rows of a file that are read."""
READY, MISSING, WRONG, LEFT_OUT, ON_THE_HUB, UNSEEN = (
    "ready",
    "missing",
    "wrong",
    "left out",
    "on the Hub",
    "not looked at",
)
_WAITING = {
    "gated": "accept its terms, or get credentials, on its page",
    "on request": "ask its owners for it",
    "not published": "it is not published: set `skip: true`, or put data of your own in its place",
    "unknown": "find out which file it is",
    "open": "download it",
}


@dataclass(frozen=True)
class Row:
    """What was found of one dataset."""

    name: str
    state: str
    """One of the words above."""
    words: str

    @property
    def stops(self) -> bool:
        """Whether a job would end here."""
        return self.state in (MISSING, WRONG)


Remote = Callable[[str, str | None], "RemoteFiles | str"]


@dataclass(frozen=True)
class RemoteFiles:
    """A repository of the Hub as it is now."""

    commit: str
    files: frozenset[str]
    gated: bool


def check_mixture(
    mixture: Mixture, root: Path, *, cache: Path, stage: int | None = None, remote: Remote | None = None
) -> Iterator[Row]:
    """Yield what is found of each dataset, in order.

    Args:
        mixture: The mixture.
        root: The folder that its paths are relative to.
        cache: Where datasets of the Hub are downloaded to.
        stage: Only the datasets of this stage; None: of any.
        remote: Asks the Hub for a repository, by id and revision; a text says why it did not answer. None: not asked.
    """
    stages = (1, 2, 3) if stage is None else (stage,)
    for entry in mixture.datasets:
        if entry.skip or not any(entry.share(each) > 0 for each in stages):
            yield Row(entry.name, LEFT_OUT, "`skip: true`" if entry.skip else "its ratio is 0")
        elif entry.path is None and entry.hub is None:
            yield Row(entry.name, MISSING, f"neither `path` nor `hub`: {_how(entry)}")
        elif entry.hub is None:
            yield _local(entry, root)
        else:
            pulled = cache / "hub" / entry.hub.replace("/", "--")
            is_here = not entry.is_streamed and (pulled / ".complete").is_file()
            row = _local(entry, pulled) if is_here else _remote(entry, remote)
            yield (
                row
                if entry.is_pinned or row.state not in (READY, UNSEEN)
                else replace(row, words=_unpinned(entry, row))
            )


def _unpinned(entry: MixtureEntry, row: Row) -> str:
    branch = (entry.hub or "").partition("@")[2] or "main"
    return f"{row.words} No commit is named: `{branch}` is what it holds on the day of the download."


def _how(entry: MixtureEntry) -> str:
    return f"{_WAITING[entry.access or 'open']}. {entry.note or ''}".strip()


def _local(entry: MixtureEntry, root: Path) -> Row:
    path = (root / (entry.path or ".")).resolve()
    if not path.exists() and not is_pattern(path):
        return Row(entry.name, MISSING, f"{path} is not there: {_how(entry)}")
    try:
        files = files_of(path, "train")
    except UserError as error:
        return Row(entry.name, WRONG, str(error))
    if not files:
        about = ADAPTERS[entry.adapter].about if entry.adapter else "see docs/reference/mixtures.md"
        seen = near_misses(path.parent if is_pattern(path) else path)
        but = f", but {', '.join(seen)}" if seen else ""
        has = "fits no file of samples" if is_pattern(path) else "has no file of samples itself"
        return Row(entry.name, WRONG, f"{path} {has}{but}: {about}. {entry.note or ''}".strip())
    wrong = _first_rows(entry, files[0], root)
    if wrong is not None:
        return Row(entry.name, WRONG, wrong)
    return Row(entry.name, READY, f"{len(files)} files in {path}" if len(files) > 1 else str(path))


def _first_rows(entry: MixtureEntry, file: Path, root: Path) -> str | None:
    """Return what is wrong with the first rows of a file, or None."""
    form = format_by_name(file)
    if form is None:
        return f"{file} holds no rows that can be read"
    folders = image_folders(file, None if entry.images is None else (root / entry.images).resolve())
    problems: list[str] = []
    read = 0
    for number, value in itertools.islice(read_rows(file, form), LOOKED_AT):
        row = read_row(value, folders)
        if isinstance(row, Problem):
            problems.append(f"row {number}: {row.found}")
            continue
        read += 1
        if entry.adapter and not _fits(entry.adapter, value):
            return (
                f"{file}: the rows are not `{entry.adapter}` ({ADAPTERS[entry.adapter].about}); is it the right file?"
            )
        missing = _missing_image(row, folders)
        if missing is not None:
            archives = _archives(entry, root)
            how = f"unpack {archives}" if archives else "set `images` to the folder of the pictures"
            return f"{file}: row {number} names {missing}, which is not there; {how}"
    if not read:
        return (
            f"{file}: none of the first {len(problems)} rows can be read: {problems[0] if problems else 'it is empty'}"
        )
    return None


def _fits(adapter: str, value: Any) -> bool:
    if fits(adapter, value):
        return True
    return adapter == "conversations" and fits("strings", value)


def _missing_image(row: Sample, folders: tuple[Path, ...]) -> str | None:
    named = [image for image in row.images if isinstance(image, str) and not image.startswith("data:")]
    return next((name for name in named if isinstance(find_image(name, folders), Problem)), None)


def _archives(entry: MixtureEntry, root: Path) -> str:
    found = sorted(root.glob(entry.archives)) if entry.archives else []
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(str(path) for path in found[:3]) + more if found else (entry.archives or "")


def _remote(entry: MixtureEntry, remote: Remote | None) -> Row:
    repository, _, revision = (entry.hub or "").partition("@")
    if remote is None:
        return Row(entry.name, UNSEEN, f"{entry.hub} is not downloaded, and the Hub was not asked: {_how(entry)}")
    found = remote(repository, revision or None)
    if isinstance(found, str):
        return Row(
            entry.name, UNSEEN if found.startswith("no answer") else MISSING, f"{repository}: {found}. {_how(entry)}"
        )
    if entry.path is not None and not any(
        file == entry.path or file.startswith(f"{entry.path}/") or fnmatchcase(file, entry.path) for file in found.files
    ):
        likely = sorted(file for file in found.files if file.endswith((".json", ".jsonl", ".parquet", ".csv")))[:5]
        return Row(
            entry.name, WRONG, f"{repository} has no {entry.path}; it has {', '.join(likely) or 'no file of rows'}"
        )
    pin = "" if revision and found.commit.startswith(revision) else f"; pin it: {repository}@{found.commit}"
    if found.gated:
        terms = f"{repository} is gated: accept its terms at huggingface.co/datasets/{repository}"
        return Row(entry.name, ON_THE_HUB, terms + pin)
    how = "streamed" if entry.is_streamed else "downloaded"
    return Row(entry.name, ON_THE_HUB, f"it is {how} when training begins{pin}")


def ask_hub() -> Remote:
    """Return what asks the Hub; after one call without an answer it asks no more.

    Raises:
        UserError: The client is not installed.
    """
    from gmai_cli.hub_calls import discreet, library

    api: Any = library().HfApi()
    errors: Any = importlib.import_module("huggingface_hub.errors")
    silent: list[str] = []

    def ask(repository: str, revision: str | None) -> RemoteFiles | str:
        if silent:
            return silent[0]
        try:
            info = api.dataset_info(repository, revision=revision, timeout=10)
        except errors.GatedRepoError:
            return "gated, and this account has no access"
        except errors.RevisionNotFoundError:
            return f"there is no revision {revision}"
        except errors.RepositoryNotFoundError:
            return "there is no such dataset any more, or it is private"
        except Exception as error:  # the library has no one class for "no network"
            silent.append(
                f"no answer from the Hub ({type(error).__name__}: {discreet(str(error)).splitlines()[0]:.80})"
            )
            return silent[0]
        files = frozenset(str(sibling.rfilename) for sibling in info.siblings or [])
        return RemoteFiles(str(info.sha), files, bool(info.gated))

    return ask
