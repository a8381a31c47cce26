"""Which images and questions of a benchmark occur in training samples: a report, never an error.

VQA-RAD's official split shares 202 of its 203 test images with its own training split, so a finding is normal, and what
it means is the reader's to say.
"""

import hashlib
import importlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from gmai_cli.console import progress
from gmai_formats.errors import UserError
from gmai_formats.files import replace_atomically, write_json

from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.question import Benchmark, Question
from gmai_bench.images import check
from gmai_bench.perceptual import NearHashes, perceptual_hash

_WORDS = re.compile(r"[^\W_]+")
_ROWS_AT_ONCE = 256


def normalised(text: str) -> str:
    """Return the lower-case words of a question, image placeholders left out."""
    return " ".join(_WORDS.findall(text.replace("<image>", " ").lower()))


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """A benchmark as the check sees it."""

    protocol: str
    questions: Sequence[Question]
    hashes: Mapping[str, int]
    """Image digest ▶ perceptual hash, of the images that have one."""


def fingerprints(benchmark: Benchmark, *, limit: int | None, allow_partial: bool) -> Fingerprints:
    """Read a benchmark and take the hashes of its images."""
    hashes: dict[str, int] = {}

    def keep(encoded: bytes, place: str) -> str:
        digest = check(encoded, place)
        if digest not in hashes and (value := perceptual_hash(encoded)) is not None:
            hashes[digest] = value
        return digest

    read = record.load(benchmark, keep, limit=limit, allow_partial=allow_partial)
    return Fingerprints(read.card.protocol, read.questions, hashes)


def write_fingerprints(prints: Sequence[Fingerprints], path: Path) -> int:
    """Write one JSON line per question: protocol, id, normalised question, digests and hashes of its images.

    Returns:
        How many lines there are. A data build can leave out what is listed there.
    """
    count = 0
    with replace_atomically(path) as file:
        for item in prints:
            for question in item.questions:
                images = [
                    {"sha256": digest, "phash": f"{item.hashes[digest]:016x}" if digest in item.hashes else None}
                    for digest in question.images
                ]
                line = {
                    "protocol": item.protocol,
                    "id": question.id,
                    "question": normalised(question.text),
                    "images": images,
                }
                file.write((json.dumps(line, ensure_ascii=False) + "\n").encode())
                count += 1
    return count


@dataclass(slots=True)
class Finding:
    """What of one benchmark was met in the samples."""

    protocol: str
    questions: int
    images: int
    exact_images: dict[str, str] = field(default_factory=dict[str, str])
    """Image digest ▶ first sample that shows the very same file."""
    near_images: dict[str, str] = field(default_factory=dict[str, str])
    """Image digest ▶ first sample that shows nearly the same picture, the exact ones not among them."""
    texts: dict[str, str] = field(default_factory=dict[str, str])
    """Question id ▶ first sample that asks the same words."""
    both: dict[str, str] = field(default_factory=dict[str, str])
    """Question id ▶ first sample that asks the same words about the same or nearly the same image."""
    questions_on_seen_images: int = 0


def contamination(prints: Sequence[Fingerprints], samples: Path, out: Path | None) -> list[Finding]:
    """Look for the benchmarks' images and questions in a folder of samples.

    Args:
        prints: The benchmarks.
        samples: Folder with Parquet files that have `messages` and `images`, at any depth, or one such file.
        out: JSON file for the findings in full.

    Raises:
        UserError: There is no readable Parquet file of samples.
    """
    files = [samples] if samples.is_file() else sorted(samples.glob("**/*.parquet"))
    if not files:
        raise UserError(
            f"{samples}: holds no Parquet file. --samples is what `gmai data build` wrote to OUT/samples, or any "
            f"folder of Parquet files with the columns `messages` and `images`. Correct the path."
        )
    watches = [_Watch(item) for item in prints]
    hashed: dict[str, int | None] = {}
    with progress("samples", None, unit="rows") as bar:
        for place, texts, encoded_images in _samples(files):
            digests = [hashlib.sha256(encoded).hexdigest() for encoded in encoded_images]
            for digest, encoded in zip(digests, encoded_images, strict=True):
                if digest not in hashed:
                    hashed[digest] = perceptual_hash(encoded)
            for watch in watches:
                watch.meet(place, texts, [(digest, hashed[digest]) for digest in digests])
            bar.advance()
    findings = [watch.finding() for watch in watches]
    if out is not None:
        write_json(out, {"samples": str(samples), "findings": [asdict(finding) for finding in findings]})
    return findings


class _Watch:
    """One benchmark, watched for while the samples go by."""

    def __init__(self, prints: Fingerprints) -> None:
        self._prints = prints
        self._images = {digest for question in prints.questions for digest in question.images}
        self._near = NearHashes(prints.hashes)
        self._by_text: dict[str, list[Question]] = {}
        for question in prints.questions:
            self._by_text.setdefault(normalised(question.text), []).append(question)
        self._finding = Finding(prints.protocol, len(prints.questions), len(self._images))
        self._met: dict[str, set[str]] = {}

    def meet(self, place: str, texts: set[str], images: Sequence[tuple[str, int | None]]) -> None:
        found = self._finding
        shown: set[str] = set()
        for digest, value in images:
            if digest in self._images:
                found.exact_images.setdefault(digest, place)
                shown.add(digest)
            if digest not in self._met:
                self._met[digest] = self._near.find(value) if value is not None else set()
            for near in self._met[digest]:
                if near != digest:
                    found.near_images.setdefault(near, place)
                shown.add(near)
        for text in texts & self._by_text.keys():
            for question in self._by_text[text]:
                found.texts.setdefault(question.id, place)
                if shown & set(question.images):
                    found.both.setdefault(question.id, place)

    def finding(self) -> Finding:
        found = self._finding
        for digest in found.exact_images:
            found.near_images.pop(digest, None)
        seen = found.exact_images.keys() | found.near_images.keys()
        found.questions_on_seen_images = sum(bool(seen & set(q.images)) for q in self._prints.questions)
        return found


def _samples(files: Sequence[Path]) -> Iterator[tuple[str, set[str], list[bytes]]]:
    """Yield place, normalised user messages (whole and line by line) and encoded images of every sample."""
    pa: Any = importlib.import_module("pyarrow")
    pq: Any = importlib.import_module("pyarrow.parquet")
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                names = cast("list[str]", file.schema_arrow.names)
                if not {"messages", "images"} <= set(names):
                    raise UserError(
                        f"{path}: has the columns {', '.join(names)}. Samples have `messages` and `images`. "
                        f"Give the folder of the samples alone."
                    )
                number = 0
                for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=["messages", "images"]):
                    for row in cast("list[dict[str, Any]]", batch.to_pylist()):
                        number += 1
                        yield f"{path.name} row {number}", _texts(row["messages"]), _encoded(row["images"])
        except (pa.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UserError(f"{path}: not readable as Parquet ({reason}). Copy the file again.") from error


def _texts(messages: Any) -> set[str]:
    said = [str(m["content"]) for m in cast("list[dict[str, Any]]", messages or []) if m.get("role") == "user"]
    return {text for whole in said for part in (whole, *whole.split("\n")) if (text := normalised(part))}


def _encoded(images: Any) -> list[bytes]:
    listed = cast("list[dict[str, Any]]", images or [])
    return [bytes(image["bytes"]) for image in listed if image and image.get("bytes")]
