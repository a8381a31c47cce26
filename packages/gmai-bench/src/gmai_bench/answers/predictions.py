"""Answers on disk: one appended and flushed line each, so that a killed run loses at most the line it was writing."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.files import bounded_lines, replace_atomically
from gmai_formats.state import framed, unframed


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answered question."""

    id: str
    response: str
    request: str
    """SHA-256 of what was asked: prompt, images, model, generation settings. Empty for answers from elsewhere."""
    cut: bool = False
    """Whether the token limit ended the answer."""
    refused: str = ""
    """Why the server refused the question; it counts as no answer."""
    shown: tuple[str, ...] = ()
    """The options in the order shown, where that is another than the question's: letters are meant in it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a predictions file holds."""

    by_id: Mapping[str, Prediction]
    torn_lines: int
    """1 when the last line was cut off by a kill and is asked again, else 0."""
    whole_bytes: int
    """Length of the file without the torn line."""
    damaged_lines: int = 0
    """Lines of `gmai bench` whose content is no longer what was written; only `read_own` passes over them."""


def request_digest(prompt: str, images: tuple[str, ...], asked: Mapping[str, Any]) -> str:
    """Return the digest that guards the reuse of an answer.

    Args:
        prompt: The text sent.
        images: Digests of the images shown.
        asked: Everything else that shapes an answer: model digest, generation settings, ablation, prompt version.
    """
    sent = {"prompt": prompt, "images": list(images), **asked}
    return hashlib.sha256(json.dumps(sent, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_predictions(path: Path) -> Kept:
    """Read a predictions file.

    A last line without its line end is what a kill leaves: it is dropped and counted. Any other broken line is refused.

    Raises:
        UserError: A line is no JSON object with `id` and `response`, or two lines answer one id differently.
    """
    try:
        with path.open("rb") as file:
            return _kept(bounded_lines(file), path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}). Predictions are a JSON Lines file with one "
            f'{{"id": …, "response": …}} per answered question.'
        ) from error


def read_own(path: Path) -> Kept:
    """Read the answers that this run's folder keeps, to go on with them; there may be none.

    Damaged lines are taken out of the file, and said: their questions are asked again.

    Raises:
        UserError: Two lines answer one id differently.
    """
    if not path.exists():
        return Kept({}, 0, 0)
    with path.open("rb") as file:
        lines = list(bounded_lines(file))
    torn = bool(lines and lines[-1] is not None and not lines[-1].endswith(b"\n") and _is_torn(lines[-1]))
    if torn:
        lines.pop()
    good = [line for line in lines if line is not None and (not line.strip() or _is_sound(line.removesuffix(b"\n")))]
    if damaged := len(lines) - len(good):
        say(f"{path}: {damaged} damaged lines are taken out; their questions are asked again.")
        with replace_atomically(path) as file:
            file.writelines(good)
    return dataclasses.replace(_kept(good, path), torn_lines=int(torn), damaged_lines=damaged)


def _is_sound(line: bytes) -> bool:
    try:
        _parse(line, "")
    except UserError:
        return False
    return True


def _kept(lines: Iterable[bytes | None], path: Path) -> Kept:
    by_id: dict[str, Prediction] = {}
    whole_bytes = 0
    for number, line in enumerate(lines, start=1):
        if line is None:
            raise UserError(f"{path} line {number}: more than 256 MB, and no answer is as long. Remove the line.")
        if not line.endswith(b"\n") and _is_torn(line):
            return Kept(by_id, 1, whole_bytes)
        whole_bytes += len(line)
        if not line.strip():
            continue
        prediction = _parse(line.rstrip(b"\n"), f"{path} line {number}")
        earlier = by_id.get(prediction.id)
        if earlier is not None and earlier != prediction:
            raise UserError(
                f'{path} line {number}: a second, different answer to "{prediction.id}". A question has one answer. '
                f"Remove one of the two lines."
            )
        by_id[prediction.id] = prediction
    return Kept(by_id, 0, whole_bytes)


def _is_torn(tail: bytes) -> bool:
    """Return whether what stands behind the last line end is the beginning of a line."""
    if not tail.strip():
        return False
    try:
        json.loads(tail)
    except (ValueError, RecursionError):
        return True
    return False


def _parse(line: bytes, place: str) -> Prediction:
    rule = 'A line is a JSON object {"id": …, "response": …}.'
    given = unframed(line)
    if given is None:
        raise UserError(
            f"{place}: damaged: the line differs from its checksum `crc`. Run the `gmai bench` command that wrote it "
            f"again (run.json names it), which asks this question anew; or remove `crc` if you changed the line."
        )
    try:
        value: Any = json.loads(given.decode())
    except UnicodeDecodeError as error:
        raise UserError(f"{place}: not UTF-8 text. {rule} Save the file as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: not readable as JSON ({error}). {rule} Correct or remove the line.") from error
    if not isinstance(value, dict):
        raise UserError(f"{place}: found a {type(value).__name__}. {rule} Correct or remove the line.")
    fields = cast("dict[str, Any]", value)
    identity, response, request = fields.get("id"), fields.get("response"), fields.get("request", "")
    if not isinstance(identity, str | int) or not isinstance(response, str) or not isinstance(request, str):
        raise UserError(
            f'{place}: found the keys {sorted(fields)}. {rule} "id" names the question and "response" is the text that '
            f"the model said. Rename the keys."
        )
    refused = str(fields.get("refused") or "")
    shown = tuple(str(option) for option in cast("list[Any]", fields.get("shown") or []))
    # one text for the many requests of files from elsewhere, which have none
    return Prediction(
        str(identity), response, request or "", cut=fields.get("cut") is True, refused=refused, shown=shown
    )


class PredictionWriter:
    """Appends answers; each is on its way to the disk before the next is asked."""

    def __init__(self, descriptor: int, extra: Mapping[str, Any]) -> None:
        """Write to an open file descriptor; `extra` stands in every line (an ablation, say)."""
        self._descriptor, self._extra = descriptor, dict(extra)

    def write(self, prediction: Prediction) -> None:
        """Append one line in a single write, so that lines never mix."""
        line = {"id": prediction.id, "response": prediction.response, "request": prediction.request, **self._extra}
        if prediction.cut:
            line["cut"] = True
        if prediction.refused:
            line["refused"] = prediction.refused
        if prediction.shown:
            line["shown"] = list(prediction.shown)
        data = framed(json.dumps(line, ensure_ascii=False).encode("utf-8", errors="replace"))
        while data:
            data = data[os.write(self._descriptor, data) :]


@contextmanager
def append_to(path: Path, *, whole_bytes: int, extra: Mapping[str, Any]) -> Generator[PredictionWriter]:
    """Open a predictions file for appending behind its first `whole_bytes` bytes; what follows them is cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        os.ftruncate(descriptor, whole_bytes)
        end = os.lseek(descriptor, 0, os.SEEK_END)
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            os.write(descriptor, b"\n")
        yield PredictionWriter(descriptor, extra)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
