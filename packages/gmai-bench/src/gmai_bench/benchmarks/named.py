"""What the benchmarks with a name share: finding their files, usual prompts, images in folders and zips."""

import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError
from gmai_formats.files import is_file, require_folder
from gmai_formats.json_text import parse_json

from gmai_bench.benchmarks.hub import HubSource, fetch
from gmai_bench.benchmarks.prompts import LETTERS
from gmai_bench.benchmarks.question import Card, KeepImage, Question

SHORT = "{question}\nAnswer the question using a single word or phrase."
LETTERED = "{question}\n{choices}\nAnswer with the option's letter from the given choices directly."
YES_NO = ("yes", "no")
NO_ACCURACY = (
    'Its script leaves wrong replies that hold "yes" or "no" out of its mean: the number "as read by llava-med" is no '
    "accuracy."
)
"""https://github.com/microsoft/LLaVA-Med, llava/eval/run_eval.py: of such replies only the right ones are appended."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a benchmark on this machine."""

    folder: Path
    source: str
    """What the report calls it: a Hub id with its revision, or "local copy"."""
    revision: str = ""
    """Commit of the Hub; empty for a local copy."""


def find_copy(name: str, data_root: Path | None, hub: HubSource) -> Copy:
    """Return the folder of a named benchmark: `data_root/name`, `data_root` itself, or a download from the Hub.

    Raises:
        UserError: The folder is not there, or the Hub cannot be reached.
    """
    if data_root is None:
        folder, revision = fetch(hub, name)
        return Copy(folder, f"{hub.repo_id}@{revision[:12]}", revision)
    folder = data_root / name if (data_root / name).is_dir() else data_root
    require_folder(
        folder,
        f"--data-root is a folder with the files of {name}, or with a folder {name} of them. Correct the path, or get "
        f"them with `{hub.command(name)}`.",
    )
    return Copy(folder, "local copy")


def find_local(name: str, data_root: Path | None, get: str) -> Copy:
    """Return the folder of a named benchmark that is not on the Hub.

    Raises:
        UserError: It is not there; the message says how it is got.
    """
    folder = None if data_root is None else data_root / name if (data_root / name).is_dir() else data_root
    if folder is None or not folder.is_dir():
        given = f"{data_root}: no such folder" if data_root else f"{name}: needs --data-root"
        raise UserError(f"{given}. {name} is not on the Hub: {get}.")
    return Copy(folder, "local copy")


def need_file(copy: Copy, name: str, paths: Sequence[str], hub: HubSource) -> Path:
    """Return the first of several places where a file of the published layout may lie.

    Raises:
        UserError: It is in none of them.
    """
    for path in paths:
        if is_file(copy.folder / path):
            return copy.folder / path
    raise UserError(
        f"{copy.folder}: found no {' or '.join(paths)}. {name} is read in its published layout. "
        f"Get it with `{hub.command(name)}` and pass --data-root DATA."
    )


class Named:
    """A benchmark under one protocol: its card and a function that reads its questions."""

    def __init__(self, card: Card, read: Callable[[KeepImage], Iterator[Question]]) -> None:
        """Take both; ids that occur twice are refused while reading."""
        self._card, self._read = card, read

    @property
    def card(self) -> Card:
        """The fixed facts."""
        return self._card

    def questions(self, keep_image: KeepImage) -> Iterator[Question]:
        """Yield every question of the copy in the order of its files."""
        seen: set[str] = set()
        for question in self._read(keep_image):
            if question.id in seen:
                raise UserError(
                    f'{self._card.name} ({self._card.source}): the id "{question.id}" occurs twice. An answer is kept '
                    f"by its id. Download the copy again; if it is so there too, use a YAML file with ids of your own."
                )
            seen.add(question.id)
            yield question


class Images:
    """The images of a copy, by relative path: files below its folder, or members of the zip archives in it."""

    def __init__(self, folder: Path, prefixes: Sequence[str] = ("",)) -> None:
        """Look below `folder`, each of the `prefixes` tried in front of a path."""
        self._folder, self._prefixes = folder, prefixes
        self._archives: dict[str, list[tuple[zipfile.ZipFile, str]]] | None = None

    def read(self, path: str, place: str) -> bytes:
        """Return an image's encoded bytes.

        Raises:
            UserError: It is neither in the folder nor in an archive.
        """
        path = path.replace("\\", "/")  # as written on Windows
        for prefix in self._prefixes:
            try:
                return (self._folder / prefix / path).read_bytes()
            except OSError:
                continue
        for archive, member in self._members(path):
            try:
                return archive.read(member)
            except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
                raise UserError(
                    f"{archive.filename}: the image {member} cannot be read ({error}). Download the archive again."
                ) from error
        looked = ", ".join(str(self._folder / prefix / path) for prefix in self._prefixes)
        raise UserError(
            f"{place}: the image {path} is not there (looked for {looked}, and in the *.zip files of {self._folder}). "
            f"Every image that a question names must be there. Complete the copy of the images."
        )

    def _members(self, path: str) -> Iterator[tuple[zipfile.ZipFile, str]]:
        if self._archives is None:
            self._archives = defaultdict(list)
            for file in sorted(self._folder.glob("*.zip")):
                try:
                    archive = zipfile.ZipFile(file)
                except (OSError, zipfile.BadZipFile) as error:
                    raise UserError(f"{file}: not readable as a zip archive ({error}). Download it again.") from error
                for member in archive.namelist():
                    self._archives[member.rpartition("/")[2]].append((archive, member))
        wanted = "/" + path
        for archive, member in self._archives.get(path.rpartition("/")[2], []):
            if ("/" + member).endswith(wanted):
                yield archive, member


def read_json_records(path: Path, fields: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `(place, record)` of a JSON file that is a list of records with certain fields.

    Raises:
        UserError: It is no such list, or a record lacks a field.
    """
    for number, record in enumerate(load_json_list(path), start=1):
        place = f"{path} record {number}"
        missing = [name for name in fields if name not in record]
        if missing:
            raise UserError(
                f"{place}: has no {', '.join(missing)}. Every record of this file has them. Download it again."
            )
        yield place, record


def load_json_list(path: Path) -> list[dict[str, Any]]:
    """Return a JSON list of objects.

    Raises:
        UserError: The file is missing, truncated or something else.
    """
    try:
        loaded: Any = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: not readable as JSON ({error}). It must be a whole JSON list. Download it again."
        ) from error
    if not isinstance(loaded, list) or not all(isinstance(record, dict) for record in cast("list[Any]", loaded)):
        raise UserError(f"{path}: not a list of records. Its layout is one JSON list. Download it again.")
    return cast("list[dict[str, Any]]", loaded)


def option_at(letter: str, choices: Sequence[str], place: str) -> str:
    """Return the text of the right option where the publisher stores its letter, whatever the options are called.

    Raises:
        UserError: It is no letter of an option.
    """
    value = letter.strip().strip("().").upper()
    index = LETTERS.find(value) if len(value) == 1 else -1
    if 0 <= index < len(choices):
        return choices[index]
    raise UserError(
        f'{place}: the answer "{letter:.60}" is no letter of the options {list(choices)!r:.120}. The right answer is '
        f"stored as the letter of an option. Download the file again."
    )


def option_called(text: str, choices: Sequence[str], place: str) -> str:
    """Return the right option where the publisher stores its text.

    Raises:
        UserError: It is none of the options.
    """
    value = text.strip()
    for choice in choices:
        if choice.strip() == value:
            return choice
    raise UserError(
        f'{place}: the answer "{value:.60}" is none of the options {list(choices)!r:.120}. The right answer is '
        f"stored as the text of an option. Download the file again."
    )
