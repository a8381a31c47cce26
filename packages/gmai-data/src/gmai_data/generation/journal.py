"""What a model replied, by the digest of what it was asked: append-only files of one writer each, which are the cache.

A shard's journal lies in `FOLDER/<recipe>/`; its file names say which range of the recipe's items it covers, so that a
build with other numbers of shards finds what it needs. Nothing is locked, renamed or rewritten: safe on NFS.
"""

import contextlib
import os
import re
import socket
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pydantic_core
from gmai_formats.files import bounded_lines
from gmai_formats.state import framed, unframed

from gmai_data.checks.written import checks_digest

State = Literal["accepted", "dropped", "quarantined"]
_NAME = re.compile(r"(\d+)-of-(\d+)\.([0-9a-f]+)-.*\.jsonl")


class Reply(NamedTuple):
    """What came back for one request.

    Attributes:
        text: Content of the message.
        cut: It ended at the token limit.
        model: The model that the server says it was.
        input_tokens: As the server counts; 0 where it does not.
        output_tokens: Likewise.
        seconds: From sending to the last byte.
    """

    text: str
    cut: bool = False
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0


class Outcome(NamedTuple):
    """What became of one record's request: it ends in exactly one of the three states.

    Attributes:
        state: accepted; dropped (a check refused the last reply); quarantined (no usable reply).
        reply: Digest of the request whose reply was accepted, or refused last.
        print: Hash of the accepted text, for near-duplicates.
        check: Name under which a refusal is counted.
        detail: What was wrong.
        left_out: Sentences that the record does not hold, and that were left out of the accepted text.
    """

    state: State
    reply: str = ""
    print: str = ""
    check: str = ""
    detail: str = ""
    left_out: int = 0


class Journal:
    """The replies and outcomes of one shard: those of earlier runs, and the file that this run appends to."""

    def __init__(self, folder: Path, recipe: str, number: int, count: int, build: str, *, retry: bool = False) -> None:
        """Read what earlier runs wrote about this shard's items.

        Args:
            folder: Of all journals: the build's own, or a cache that several builds share.
            recipe: The source.
            number: Shard `number` of `count`.
            count: See `number`.
            build: Digest of the build: failures and costs count for it alone.
            retry: Failures of earlier runs that may have passed do not count: they are asked again.
        """
        self.replies: dict[str, Reply] = {}
        self.failures: dict[str, str] = {}
        self.passing: set[str] = set()
        """Failures that may pass: they stand in the quarantine of this run, and the next one asks again."""
        self.spent_usd = 0.0
        self.torn = 0
        """Lines cut short by a kill: each is the last of its file."""
        self.damaged = 0
        """Whole lines whose content is not what was written."""
        self._outcomes: dict[str, Outcome] = {}
        self._checks = checks_digest()
        worker = f"{build}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._path = folder / recipe / f"{number:05d}-of-{count:05d}.{worker}.jsonl"
        self._descriptor: int | None = None
        self.unsynced = False
        for path in _overlapping(folder / recipe, number, count):
            own = path.name.split(".", 1)[1].startswith(f"{build}-")
            of_file: dict[str, Reply] = {}
            for line in _lines(path):
                self._take(line, of_file, own=own)
            self.replies |= of_file
        for key in [key for key in self.failures if key in self.replies or (retry and key in self.passing)]:
            del self.failures[key]
        self.passing &= self.failures.keys()
        self._outcomes = {key: each for key, each in self._outcomes.items() if each.reply in self.replies}

    def _take(self, line: bytes, of_file: dict[str, Reply], *, own: bool) -> None:
        try:
            entry = pydantic_core.from_json(unframed(line) or b"")
            key = entry["key"]
        except (ValueError, KeyError, TypeError):
            # What it said is asked again.
            if line.endswith(b"\n"):
                self.damaged += 1
            else:
                self.torn += 1
            return
        if "reply" in entry:
            tokens = entry.get("tokens", (0, 0))
            of_file[key] = Reply(
                entry["reply"],
                entry.get("cut", False),
                entry.get("model", ""),
                tokens[0],
                tokens[1],
                entry.get("s", 0.0),
            )
            self.spent_usd += entry.get("usd", 0.0) if own else 0.0
        elif "state" in entry:
            if entry["checks"] == self._checks:
                self._outcomes[key] = Outcome(
                    entry["state"],
                    entry.get("by", ""),
                    entry.get("print", ""),
                    entry.get("check", ""),
                    entry.get("detail", ""),
                    entry.get("left_out", 0),
                )
        elif "failed" in entry and own:
            self.failures[key] = entry["failed"]
            if entry.get("passing"):
                self.passing.add(key)
        elif "set_aside" in entry:
            of_file.pop(key, None)
        elif "lost_usd" in entry and own:
            self.spent_usd += entry["lost_usd"]

    def outcome(self, key: str) -> Outcome | None:
        """Return what became of a record's first request, if the checks are still the same."""
        return self._outcomes.get(key)

    def add_reply(self, key: str, reply: Reply, usd: float = 0.0) -> None:
        """Write a reply and its price down."""
        self.replies[key] = reply
        self.spent_usd += usd
        entry: dict[str, Any] = {"key": key, "reply": reply.text, "model": reply.model}
        if reply.cut:
            entry["cut"] = True
        entry |= {"tokens": [reply.input_tokens, reply.output_tokens], "s": round(reply.seconds, 3)}
        if usd:
            entry["usd"] = round(usd, 8)
        self._append(entry)

    def add_failure(self, key: str, reason: str, *, passing: bool = False) -> None:
        """Write down that a request gets no reply; another build asks again.

        Args:
            key: Of the request.
            reason: Why.
            passing: The cause may pass, and the next run of this build asks again too.
        """
        self.failures[key] = reason
        if passing:
            self.passing.add(key)
        self._append({"key": key, "failed": reason, **({"passing": True} if passing else {})})

    def set_aside(self, key: str) -> None:
        """Let a reply of this run count no more, though it was paid: it is asked for anew."""
        if self.replies.pop(key, None) is not None:
            self._append({"key": key, "set_aside": True})

    def add_lost(self, key: str, usd: float) -> None:
        """Write down that an answer was lost on its way; it may have been paid, so its highest price counts."""
        self.spent_usd += usd
        self._append({"key": key, "lost_usd": round(usd, 8)})

    def add_outcome(self, key: str, outcome: Outcome) -> None:
        """Write down what became of a record's first request."""
        self._outcomes[key] = outcome
        entry: dict[str, Any] = {"key": key, "state": outcome.state, "checks": self._checks}
        given = {"by": outcome.reply, "print": outcome.print, "check": outcome.check, "detail": outcome.detail,
                 "left_out": outcome.left_out}  # fmt: skip
        self._append(entry | {name: value for name, value in given.items() if value})

    def _append(self, entry: Mapping[str, Any]) -> None:
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        line = framed(pydantic_core.to_json(entry))
        while line:
            line = line[os.write(self._descriptor, line) :]
        self.unsynced = True

    def sync(self) -> None:
        """Make what was written survive a loss of power."""
        self.unsynced = False
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Sync and close the file of this run."""
        self.sync()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def spent_before_usd(folder: Path, recipe: str, number: int, count: int, build: str) -> float:
    """Return what earlier runs of a build spent on a shard, without opening its journal; see `Journal`."""
    spent_usd = 0.0
    for path in _overlapping(folder / recipe, number, count):
        if path.name.split(".", 1)[1].startswith(f"{build}-"):
            for line in _lines(path):
                if b'usd"' in line:
                    with contextlib.suppress(ValueError):  # the last line of a run that was killed while it wrote
                        entry = pydantic_core.from_json(unframed(line) or b"")
                        spent_usd += entry.get("usd", 0.0) if "reply" in entry else entry.get("lost_usd", 0.0)
    return spent_usd


def _overlapping(folder: Path, number: int, count: int) -> Iterator[Path]:
    """Yield the journals about any of the items of shard `number` of `count`: a shard is a range of their hashes."""
    if not folder.is_dir():
        return
    found: list[str] = []
    with os.scandir(folder) as entries:  # every shard looks through the names of all, and there may be thousands
        for entry in entries:
            named = _NAME.fullmatch(entry.name)
            if named is not None:
                other, of = int(named[1]), int(named[2])
                if other * count < (number + 1) * of and number * of < (other + 1) * count:
                    found.append(entry.name)
    yield from (folder / name for name in sorted(found))


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from (line or b"\n" for line in bounded_lines(file) if line is None or line.strip())
