"""Answers kept across output folders, by what was asked: a second run of an unchanged model asks nothing.

One folder a model, one append-only file a process, so that many runs share it on NFS or Lustre. The key is the request
digest: prompt, image bytes, model digest, generation settings, ablation and prompt version.
"""

import hashlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple, cast

from gmai_cli.console import say
from gmai_formats.files import bounded_lines
from gmai_formats.state import framed, unframed


class CachedAnswer(NamedTuple):
    """An answer given earlier to the very same request."""

    response: str
    cut: bool


class AnswerCache:
    """The answers of one model."""

    def __init__(self, folder: Path, model_digest: str) -> None:
        """Read what earlier runs kept; half-written lines (of a kill, or of a run at work) are passed over."""
        self._folder = folder / "answers" / hashlib.sha256(model_digest.encode()).hexdigest()[:32]
        self._descriptor: int | None = None
        self._answers: dict[str, CachedAnswer] = {}
        self._is_lost = False
        self._damaged = 0
        try:
            for file in sorted(self._folder.glob("*.jsonl")):
                with file.open("rb") as lines:
                    for line in bounded_lines(lines):
                        if line is None or (
                            line.strip() and line.endswith(b"\n")
                        ):  # the last may be of a kill, or of a run at work
                            self._take(line or b"")
            if self._damaged:
                say(f"{self._folder}: {self._damaged} damaged lines are passed over; their questions are asked again.")
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        """Go on without the folder; a cache may be full, forbidden or gone, and the run has its own answers."""
        self._is_lost = True
        say(f"{self._folder}: {error.strerror or error}. The run goes on and keeps no more answers for other runs.")

    def _take(self, line: bytes) -> None:
        try:
            fields = cast("dict[str, Any]", json.loads(unframed(line) or b""))
            self._answers[str(fields["request"])] = CachedAnswer(str(fields["response"]), fields.get("cut") is True)
        except (ValueError, KeyError, TypeError):
            self._damaged += 1

    def get(self, request: str) -> CachedAnswer | None:
        """Return the answer to a request, if there is one."""
        return self._answers.get(request)

    def add(self, request: str, answer: CachedAnswer) -> None:
        """Keep an answer."""
        self._answers[request] = answer
        if self._is_lost:
            return
        try:
            self._append(request, answer)
        except OSError as error:
            self._lose(error)

    def _append(self, request: str, answer: CachedAnswer) -> None:
        if self._descriptor is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}.jsonl"
            self._descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        line = {"request": request, "response": answer.response, "cut": answer.cut}
        data = framed(json.dumps(line, ensure_ascii=False).encode("utf-8", errors="replace"))
        while data:
            data = data[os.write(self._descriptor, data) :]
