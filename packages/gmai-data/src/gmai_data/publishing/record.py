"""What a build says of itself: the record of what it was begun with, and the manifest of what came of it."""

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.files import require_folder
from gmai_formats.json_text import parse_json
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_data.markers import COMPLETE, lost

RECORDS = (".build/build.json", ".build/build-copy.json")
"""Versions, settings, recipes and inputs, twice: without them paid answers could belong to any build."""


def is_begun(out: Path) -> bool:
    """Return whether a build was begun in a folder."""
    return any((out / name).is_file() for name in RECORDS)


def build_record(out: Path) -> dict[str, Any]:
    """Return a build's versions, settings and recipes, as they were when it began.

    A record that is damaged, gone or of another build than the first one is replaced by its copy, which is said.

    Raises:
        UserError: The record is gone, or damaged together with its copy.
    """
    first = out / RECORDS[0]
    if not is_begun(out):
        raise UserError(f"{first}: no such file. It holds the sources' licences; copy `.build` along with the build.")
    record: dict[str, Any] | None = None
    problems: dict[Path, str] = {}
    for path in (out / name for name in RECORDS):
        try:
            found = read_state(path)
            record = record or found
            if found != record:
                problems[path] = "of another build"
        except (DamagedError, FileNotFoundError) as error:
            problems[path] = "damaged" if isinstance(error, DamagedError) else "gone"
    if record is not None:
        for path, problem in problems.items():
            say(f"{path} is {problem}; it is replaced by its copy.")
            with contextlib.suppress(OSError):  # a finished build may lie where nothing can be written
                write_state(path, record)
        return record
    raise DamagedError(
        f"{first} is damaged, and so is its copy or that is gone: it cannot be told whether this is the build that was "
        f"begun. Start again: `mv {out} {out}.damaged`, then the same command. Answers of a model that were paid are "
        f"kept with `--cache {out}.damaged/.build/journal`."
    )


def read_manifest(out: Path) -> dict[str, Any]:
    """Return the manifest of a finished build.

    Raises:
        UserError: There is none, or it is damaged.
    """
    path = out / "manifest.json"
    if not path.is_file():
        require_folder(out, "Give the --out of a finished `gmai data build`.")
        if (out / ".build").is_dir():
            raise UserError(
                f"{path}: no such file: the build is not finished. Run its `gmai data build … --out {out}` again."
            )
        raise UserError(f"{out}: no build (it has no manifest.json). Give the --out of a finished `gmai data build`.")
    try:
        refuse_damaged(out, only=["manifest.json"])
        manifest: Any = parse_json(path.read_bytes())
    except ValueError as error:
        raise DamagedError(f"{path} is damaged. {_AGAIN}") from error
    recipes: Any = manifest.get("recipes") if isinstance(manifest, dict) else None
    if not isinstance(recipes, dict) or not all(isinstance(each, dict) for each in recipes.values()):
        raise UserError(f"{path}: not written by `gmai data build`: it has no recipes. Give the --out of a build.")
    return manifest


def refuse_damaged(out: Path, *, only: Collection[str] = ()) -> None:
    """Compare the published files of a build with what was written.

    Args:
        out: The build.
        only: Names of the files that are looked at; all of them where there are none.

    Raises:
        DamagedError: One is gone or damaged.
    """
    with contextlib.suppress(FileNotFoundError):  # some replies of the model are still missing
        found = lost(out, COMPLETE, only=only)
        found.pop("mix.yaml", None)  # its shares are the user's to change
        if found:
            raise DamagedError(f"{out}: damaged: {'; '.join(found.values())}. {_AGAIN}")


_AGAIN = "Give the `gmai data build` command of this build again: it finds what is damaged and builds it anew."
