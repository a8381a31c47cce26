"""Folders to and from the Hugging Face Hub, alike for every package: one commit, resumable, nothing overwritten."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from gmai_formats.errors import UserError
from gmai_formats.files import require_folder, write_json

from gmai_cli.console import progress, say
from gmai_cli.hub_calls import RepoType, library, not_a_repository, patiently

RECORD = ".gmai-push.json"
"""File in the repository: digests of what gmai put there, so that a later push can tell it from what others did."""
PULLED = ".gmai-pull.json"
"""File in a pulled folder that says where it comes from."""
_OF_THE_HUB = frozenset({".gitattributes", RECORD})
_BATCH_FILES = 16
_DOWNLOADS = 8
_REGULAR_BYTES = 32 * 2**20
"""Files above are never stored as git blobs by the Hub, so that their git id is not needed."""


@dataclass(frozen=True)
class _Digests:
    """What identifies a content on the Hub: SHA-256 for large files, git's blob id for the others."""

    sha256: str
    blob_id: str

    def matches(self, remote: Any) -> bool:
        return remote.lfs.sha256 == self.sha256 if remote.lfs is not None else remote.blob_id == self.blob_id


def require_repo_id(repo_id: str) -> None:
    """Make sure that a name can be one of a repository, before anything slow is done for it.

    Raises:
        UserError: It is none.
    """
    try:
        library().utils.validate_repo_id(repo_id)
        # The client takes a bare name as one of its user's, and not everywhere; before 2.0 it took letters like ö.
        whole = "/" in repo_id and repo_id.isascii()
    except library().errors.HFValidationError:
        whole = False
    if not whole:
        raise UserError(not_a_repository(repo_id))


def push_folder(
    folder: Path,
    repo_id: str,
    *,
    repo_type: RepoType,
    private: bool = True,
    files: Sequence[str] | None = None,
    message: str,
    merged: Mapping[str, str] | None = None,
) -> str:
    """Make a repository of the Hub hold a folder, in one commit, and return the commit's address.

    The repository is created where it is absent. Large files that the Hub already has are not sent again, so that the
    same command goes on after a kill; when nothing differs there is no new commit. Files of an earlier push that the
    folder no longer has are removed in the same commit and counted.

    Args:
        folder: What to push. Hidden files and folders are left out unless `files` names them.
        repo_id: `owner/name`.
        repo_type: What the repository holds.
        private: Whether it must be private; an existing public one is then refused.
        files: Paths below the folder, with `/`; all of them where None.
        message: First line of the commit.
        merged: Path ▶ present text of files that the folder's own take account of: replaced whoever wrote them.

    Raises:
        UserError: Nothing to push, a path out of the folder, files of others in the repository, or the Hub refuses.
    """
    require_repo_id(repo_id)
    api, what = _api(), f"push {repo_id}"
    paths = _paths(folder, files)
    local = _digests(folder, paths, what)
    patiently(lambda: _create(api, repo_id, repo_type, private), what=what, where=_named(repo_type, repo_id))
    additions: dict[str, Any] = {}
    known = {path: _digest(text.encode()) for path, text in (merged or {}).items()}
    return patiently(
        lambda: _push(api, folder, repo_id, repo_type, local, message, additions, known),
        what=what,
        where=_named(repo_type, repo_id),
    )


def add_files(
    repo_id: str, edit: Callable[[Callable[[str], str | None]], Mapping[str, str]], *, repo_type: RepoType, message: str
) -> str:
    """Add or replace a few text files of an existing repository, in one commit, and return the commit's address.

    Args:
        repo_id: `owner/name`.
        edit: Gets a function that returns a file's present text (None where there is none) and returns path ▶ new text.
            It is called again when somebody else commits in between.
        repo_type: What the repository holds.
        message: First line of the commit.

    Raises:
        UserError: The repository does not exist or the Hub refuses.
    """
    require_repo_id(repo_id)
    hub, api = library(), _api()

    def add() -> str:
        head = str(api.repo_info(repo_id, repo_type=repo_type).sha)

        def read(path: str) -> str | None:
            try:
                found = hub.hf_hub_download(repo_id, path, repo_type=repo_type, revision=head)
            except hub.errors.EntryNotFoundError as error:
                if isinstance(error, hub.errors.LocalEntryNotFoundError):
                    raise  # the Hub was not asked, or did not answer
                return None
            return _text(Path(found), f"push {repo_id}: {path}").replace("\r\n", "\n")

        contents = {path: text.encode() for path, text in edit(read).items()}
        record = _Record.parse(read(RECORD), f"push {repo_id}")
        if record.present:
            contents[RECORD] = record.with_added({path: _digest(data) for path, data in contents.items()}).dump()
        operations = [
            hub.CommitOperationAdd(path_in_repo=path, path_or_fileobj=data) for path, data in contents.items()
        ]
        return _commit(api, repo_id, repo_type, operations, message, head)

    return patiently(add, what=f"push {repo_id}", where=_named(repo_type, repo_id))


def read_text_file(repo_id: str, path: str, *, repo_type: RepoType) -> str | None:
    """Return the present text of a file of a repository, None where there is no such file or repository.

    Raises:
        UserError: The Hub refuses.
    """
    hub = library()

    def read() -> str | None:
        try:
            found = hub.hf_hub_download(repo_id, path, repo_type=repo_type)
        except (hub.errors.EntryNotFoundError, hub.errors.RepositoryNotFoundError) as error:
            if (
                isinstance(error, hub.errors.LocalEntryNotFoundError)
                or getattr(error.response, "status_code", 404) == 401
            ):
                raise  # the Hub was not asked, did not answer, or does not know who asks
            return None
        return _text(Path(found), f"push {repo_id}: {path}")

    return patiently(read, what=f"push {repo_id}", where=_named(repo_type, repo_id))


def pull(repo_id: str, *, repo_type: RepoType, revision: str | None = None, to: Path) -> Path:
    """Download a repository at one commit into a folder, check every file's digest, and return the folder.

    Run the same command again to resume a killed download. `.gmai-pull.json` in the folder names the commit.

    Args:
        repo_id: `owner/name`.
        repo_type: What the repository holds.
        revision: A branch, tag or commit; the main branch where None.
        to: A folder that is absent, empty, or holds an earlier pull of the same commit.

    Raises:
        UserError: The folder holds something else, a file differs from the Hub's digest, or the Hub refuses.
    """
    require_repo_id(repo_id)
    api, what, where = _api(), f"pull {repo_id}", _named(repo_type, repo_id)
    commit = patiently(
        lambda: str(api.repo_info(repo_id, repo_type=repo_type, revision=revision).sha), what=what, where=where
    )
    remote = patiently(lambda: _tree(api, repo_id, repo_type, commit), what=what, where=where)
    outside = [path for path in remote if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts]
    if outside:
        raise UserError(
            f"{what}: the {repo_type} names {outside[0]!r}, which leads out of {to}. Nothing was downloaded."
        )
    _claim(to, {"repo_id": repo_id, "repo_type": repo_type, "commit": commit}, what)
    _download(remote, repo_id, repo_type, commit, to, what)
    local = _digests(to, sorted(remote), what)
    wrong = [path for path, digests in local.items() if not digests.matches(remote[path])]
    if wrong:
        raise UserError(
            f"{what}: {to / wrong[0]} differs from the Hub's digest{_and_others(wrong)}. Every file must be the one of "
            f"commit {commit[:12]}. Remove {'it' if len(wrong) == 1 else 'them'} and run the same command again."
        )
    say(f"{what}: {len(remote)} files of commit {commit[:12]}, digests checked, in {to}")
    return to


def _download(remote: Mapping[str, Any], repo_id: str, repo_type: RepoType, commit: str, to: Path, what: str) -> None:
    """Fetch what is missing, several files at a time; the client goes on inside a file where it was cut."""
    hub = library()

    def fetch(path: str) -> Any:
        return patiently(
            lambda: hub.hf_hub_download(repo_id, path, repo_type=repo_type, revision=commit, local_dir=to),
            what=f"{what}: {path}",
            where=_named(repo_type, repo_id),
        )

    total = sum(int(entry.size) for entry in remote.values())
    with progress(what, -(-total // 2**20), unit="MB") as bar, ThreadPoolExecutor(_DOWNLOADS) as pool:
        waiting = {pool.submit(fetch, path): int(entry.size) for path, entry in remote.items()}
        done = 0
        try:
            for number, future in enumerate(as_completed(waiting), start=1):
                future.result()
                before, done = done, done + waiting[future]
                bar.advance(done // 2**20 - before // 2**20, note=f"{number} of {len(remote)} files")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _api() -> Any:
    return library().HfApi(library_name="gmai")


def _named(repo_type: RepoType, repo_id: str) -> str:
    return f"{repo_type} {repo_id}"


def _and_others(names: Sequence[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def _paths(folder: Path, files: Sequence[str] | None) -> list[str]:
    """Return the paths to push, each a regular file inside the folder."""
    require_folder(folder, "Name the folder to push.")
    if files is None:
        every = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
        hidden = [path for path in every if any(part.startswith(".") for part in path.parts)]
        paths = [path.as_posix() for path in every if path not in set(hidden)]
        if hidden:
            say(f"{folder}: {len(hidden)} hidden files are left out, {hidden[0]} first")
    else:
        paths = sorted(files)
    root = folder.resolve()
    for name in paths:
        path = folder / name
        if PurePosixPath(name).is_absolute() or not path.resolve().is_relative_to(root):
            raise UserError(
                f"{path} leads out of {folder}. Only files inside the folder are pushed. Copy what the link or path "
                f"points to into the folder, or leave it out."
            )
        if not path.is_file():
            raise UserError(f"{path}: no such file. Every file named must be there before anything is sent.")
    if not paths:
        raise UserError(f"{folder}: no files to push. Name a folder that holds some.")
    return paths


def _digests(folder: Path, paths: Iterable[str], what: str) -> dict[str, _Digests]:
    """Return path ▶ digests, each file read once."""
    sizes = {path: (folder / path).stat().st_size for path in paths}
    found: dict[str, _Digests] = {}
    with progress(f"{what}: digests", -(-sum(sizes.values()) // 2**20), unit="MB") as bar:
        done = 0
        for path, size in sizes.items():
            sha256, sha1 = hashlib.sha256(), hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
            with (folder / path).open("rb") as file:
                while chunk := file.read(4 * 2**20):
                    sha256.update(chunk)
                    if size <= _REGULAR_BYTES:
                        sha1.update(chunk)
                    before, done = done, done + len(chunk)
                    bar.advance(done // 2**20 - before // 2**20)
            found[path] = _Digests(sha256.hexdigest(), sha1.hexdigest() if size <= _REGULAR_BYTES else "")
    return found


def _digest(content: bytes) -> _Digests:
    blob = f"blob {len(content)}\0".encode() + content
    return _Digests(hashlib.sha256(content).hexdigest(), hashlib.sha1(blob, usedforsecurity=False).hexdigest())


def _text(file: Path, named: str) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{named} of the repository is no UTF-8 text (byte {error.start}). What others wrote in it is kept, so it "
            "must be readable. Write it as UTF-8, or remove it there."
        ) from None


@dataclass(frozen=True)
class _Record:
    """What gmai put into a repository: whole pushes (`pushed`), and files added to them (`added`)."""

    present: bool
    pushed: dict[str, _Digests]
    added: dict[str, _Digests]

    @classmethod
    def parse(cls, text: str | None, what: str) -> "_Record":
        if text is None:
            return cls(False, {}, {})
        try:
            value: Any = json.loads(text)
            parts = [{path: _Digests(**entry) for path, entry in value[key].items()} for key in ("pushed", "added")]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(
                f"{what}: {RECORD} of the repository is not as a push writes it ({type(error).__name__}). By it a "
                "push tells its own files from those of others. Restore it from an earlier commit."
            ) from None
        return cls(True, parts[0], parts[1])

    def with_added(self, files: Mapping[str, _Digests]) -> "_Record":
        pushed = {path: files.get(path, digests) for path, digests in self.pushed.items()}
        return _Record(True, pushed, {**self.added, **{k: v for k, v in files.items() if k not in self.pushed}})

    def dump(self) -> bytes:
        parts = {"pushed": self.pushed, "added": self.added}
        value = {key: {path: vars(digests) for path, digests in sorted(files.items())} for key, files in parts.items()}
        return (json.dumps(value, indent=1) + "\n").encode()


def _create(api: Any, repo_id: str, repo_type: RepoType, private: bool) -> None:
    api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True)
    is_private = bool(api.repo_info(repo_id, repo_type=repo_type).private)
    if private and not is_private:
        raise UserError(
            f"push {repo_id}: the {repo_type} exists and everybody can read it, and a private one was asked for. "
            f"Make it private on its settings page, choose another name, or ask for a public one."
        )
    if is_private and not private:
        say(f"push {repo_id}: the {repo_type} is private and stays so; its settings page makes it public")


def _tree(api: Any, repo_id: str, repo_type: RepoType, commit: str) -> dict[str, Any]:
    """Return path ▶ entry of every file of a commit but the Hub's own."""
    entries = cast("Iterable[Any]", api.list_repo_tree(repo_id, repo_type=repo_type, revision=commit, recursive=True))
    return {entry.path: entry for entry in entries if hasattr(entry, "blob_id")}


def _push(
    api: Any,
    folder: Path,
    repo_id: str,
    repo_type: RepoType,
    local: Mapping[str, _Digests],
    message: str,
    additions: dict[str, Any],
    merged: Mapping[str, _Digests],
) -> str:
    """Look at the repository, send what it lacks and commit; `additions` keeps what was sent for the next try."""
    hub = library()
    head = str(api.repo_info(repo_id, repo_type=repo_type).sha)
    remote = _tree(api, repo_id, repo_type, head)
    record = _Record.parse(_read_record(hub, repo_id, repo_type, head) if RECORD in remote else None, f"push {repo_id}")
    ours = {**record.pushed, **record.added}
    foreign = [
        path
        for path, entry in remote.items()
        if path not in _OF_THE_HUB
        and not (path in local and local[path].matches(entry))
        and not (path in ours and ours[path].matches(entry))
        and not (path in merged and merged[path].matches(entry))
    ]
    if foreign:
        raise UserError(
            f"push {repo_id}: the {repo_type} holds {foreign[0]}{_and_others(foreign)}, which gmai did not put there. "
            f"A push never overwrites what others wrote. Choose another name, or move those files away first."
        )
    changed = [path for path in local if path not in remote or not local[path].matches(remote[path])]
    stale = sorted((record.pushed.keys() & remote.keys()) - local.keys())
    if not changed and not stale and record.pushed == local:
        say(f"push {repo_id}: all {len(local)} files are there already")
        return f"{library().constants.ENDPOINT}/{'datasets/' if repo_type == 'dataset' else ''}{repo_id}/commit/{head}"
    for path in changed:
        if path not in additions:
            additions[path] = hub.CommitOperationAdd(path_in_repo=path, path_or_fileobj=str(folder / path))
            additions[path].upload_info.sha256 = bytes.fromhex(local[path].sha256)
    _upload(api, repo_id, repo_type, [additions[path] for path in changed])
    added = {path: digests for path, digests in record.added.items() if path not in local}
    kept = hub.CommitOperationAdd(path_in_repo=RECORD, path_or_fileobj=_Record(True, dict(local), added).dump())
    removed = [hub.CommitOperationDelete(path_in_repo=path, is_folder=False) for path in stale]
    url = _commit(api, repo_id, repo_type, [*(additions[path] for path in changed), kept, *removed], message, head)
    say(f"push {repo_id}: {len(changed)} files written, {len(local) - len(changed)} unchanged, {len(stale)} removed")
    return url


def _upload(api: Any, repo_id: str, repo_type: RepoType, additions: Sequence[Any]) -> None:
    """Send the large files, a few at a time, so that a log shows how far it is and a failure loses little."""
    total = sum(each.upload_info.size for each in additions)
    done = 0
    with progress(f"push {repo_id}", -(-total // 2**20), unit="MB") as bar:
        for start in range(0, len(additions), _BATCH_FILES):
            batch = additions[start : start + _BATCH_FILES]
            api.preupload_lfs_files(repo_id, batch, repo_type=repo_type, free_memory=False)
            before, done = done, done + sum(each.upload_info.size for each in batch)
            bar.advance(done // 2**20 - before // 2**20, note=f"{start + len(batch)} of {len(additions)} files")


def _commit(api: Any, repo_id: str, repo_type: RepoType, operations: Sequence[Any], message: str, parent: str) -> str:
    info = api.create_commit(repo_id, operations, commit_message=message, repo_type=repo_type, parent_commit=parent)
    return str(info.commit_url)


def _read_record(hub: Any, repo_id: str, repo_type: RepoType, head: str) -> str:
    path = hub.hf_hub_download(repo_id, RECORD, repo_type=repo_type, revision=head)
    return _text(Path(path), f"push {repo_id}: {RECORD}")


def _claim(to: Path, source: Mapping[str, str], what: str) -> None:
    """Mark a folder as the place of one pull, unless it holds something else."""
    marker = to / PULLED
    if marker.is_file():
        try:
            known: Any = json.loads(marker.read_text(encoding="utf-8"))
            known = known if isinstance(known, dict) else {}
        except ValueError:
            known = {}
        if known != source:
            raise UserError(
                f"{what}: {to} holds {known.get('repo_id')} at commit {str(known.get('commit'))[:12]}, and asked for "
                f"is {source['repo_id']} at {source['commit'][:12]}. One folder holds one commit. Pull into another."
            )
    elif to.is_dir() and any(to.iterdir()):
        raise UserError(
            f"{what}: {to} is not empty. A pull needs a folder of its own. Name one that is empty or absent."
        )
    else:
        write_json(marker, dict(source))
