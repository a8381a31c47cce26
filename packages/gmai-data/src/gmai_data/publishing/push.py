"""`gmai data push`: a release ▶ a dataset repository of the Hub, and nothing that `gmai data publish` did not write."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from gmai_cli.console import progress, say
from gmai_cli.hub import push_folder, require_repo_id
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file
from gmai_formats.state import DamagedError, read_state

from gmai_data.publishing.publication import RELEASE_FORMAT, refusals
from gmai_data.untyped import pq

_SHOWN = 10


def push_release(folder: Path, repo_id: str, *, private: bool, dry_run: bool = False) -> str | None:
    """Push a release and return the address of the commit; the same command goes on where a killed one stopped.

    Args:
        folder: What `gmai data publish` wrote, unchanged.
        repo_id: `owner/name` of a dataset repository.
        private: Whether only its owner can read it.
        dry_run: Check everything, list the files, send nothing and return None.

    Raises:
        UserError: Not a release, a file was changed, added or lost since, a source may not be passed on, or the Hub
            refuses.
    """
    require_repo_id(repo_id)
    record = _read_record(folder)
    files: Mapping[str, Mapping[str, Any]] = record["files"]
    _refuse_strangers(folder, files)
    _check_digests(folder, files)
    _check_licences(folder, record["sources"], files)
    named = [*files, "release.json"]
    total = sum(record["samples"][name][split] for name in record["samples"] for split in record["samples"][name])
    if dry_run:
        for name in named:
            say(f"{(folder / name).stat().st_size / 1e6:12,.1f} MB  {name}")
        say(f"nothing was sent; {total} samples would go to {repo_id}" + (" (private)." if private else " (public)."))
        return None
    url = push_folder(
        folder, repo_id, repo_type="dataset", private=private, files=named, message=f"Add {total} samples (gmai-data)"
    )
    say(f"{folder}: {len(named)} files are at {url}" + (" (private)." if private else " (public)."))
    return url


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / "release.json"
    if not path.is_file():
        what = "a build, not a release" if (folder / "manifest.json").is_file() else "not a release: no release.json"
        raise UserError(
            f"{folder}: {what}. Only what `gmai data publish OUT RELEASE` wrote is pushed: it leaves out what licences "
            "forbid, and everything that is not part of the result. Publish first, then push RELEASE."
        )
    try:
        record = read_state(path)
    except DamagedError as error:
        raise UserError(f"{error}. A release is pushed as it was published. Publish the build again.") from error
    if record.get("format") != RELEASE_FORMAT:
        raise UserError(
            f"{path}: format {record.get('format')!r}. This gmai-data pushes {RELEASE_FORMAT}. Publish the build again."
        )
    return record


def _refuse_strangers(folder: Path, files: Mapping[str, Any]) -> None:
    for name in files:
        parts = PurePosixPath(name).parts
        if PurePosixPath(name).is_absolute() or any(part.startswith(".") for part in parts):
            raise UserError(f"{folder}: release.json names {name}: hidden, or outside of the release. Publish again.")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    strangers = sorted(present - set(files) - {"release.json"})
    if strangers:
        raise UserError(
            f"{folder}: {len(strangers)} files that `gmai data publish` did not write:{_listed(strangers)}\n"
            "A release is pushed as it was published, without raw data or anything else beside. Remove them."
        )
    lost = sorted(set(files) - present)
    if lost:
        raise UserError(f"{folder}: {len(lost)} files of the release are gone:{_listed(lost)}\nPublish again.")


def _check_digests(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    with progress("check digests", len(files), unit="files") as bar:
        for name, recorded in files.items():
            if sha256_file(folder / name) != recorded["sha256"]:
                raise UserError(
                    f"{folder / name}: changed since it was published (its digest is not that of release.json). A "
                    "release is pushed as it was published. Publish the build again."
                )
            bar.advance(note=name)


def _check_licences(folder: Path, sources: Mapping[str, Mapping[str, Any]], files: Mapping[str, Any]) -> None:
    refused = refusals(sources)
    if refused:
        lines = "".join(f"\n  {name}: {reason}" for name, reason in refused.items())
        raise UserError(f"{folder}: {len(refused)} sources may not be passed on:{lines}\nPublish without them.")
    allowed = {(name, recipe["license"]) for name, recipe in sources.items()}
    for name in files:
        if name.endswith(".parquet"):
            with pq.ParquetFile(folder / name) as file:
                for batch in file.iter_batches(batch_size=65536, columns=["source", "license"]):
                    found = set(zip(batch["source"].to_pylist(), batch["license"].to_pylist(), strict=True))
                    if unknown := sorted(map(str, found - allowed)):
                        raise UserError(
                            f"{folder / name}: rows of {unknown[0]}, a source and licence that release.json does not "
                            "name. Each row must come from a source whose licence was checked. Publish again."
                        )


def _listed(names: list[str]) -> str:
    more = f"\n  … and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "".join(f"\n  {name}" for name in names[:_SHOWN]) + more
