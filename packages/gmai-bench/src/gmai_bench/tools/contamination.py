"""Which images and questions of a benchmark occur in training samples: a report, never an error.

VQA-RAD's official split shares 202 of its 203 test images with its own training split, so a finding is normal, and what
it means is the reader's to say.

A picture counts as near only where a second comparison holds it for a copy: pictures of one body part taken one way,
and neighbouring slices, often share a perceptual hash.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from gmai_cli.console import progress
from gmai_formats.errors import UserError
from gmai_formats.files import write_json
from gmai_formats.fingerprints.known import KnownPictures
from gmai_formats.fingerprints.listed import ListedQuestion, write_list
from gmai_formats.fingerprints.perceptual import perceptual_hash, thumbnail
from gmai_formats.fingerprints.texts import normalised
from gmai_formats.json_text import read_json_object
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import read_picture

from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.question import Benchmark, KeepImage, Question
from gmai_bench.images import check
from gmai_bench.parquet import parquet_rows

_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """A benchmark as the check sees it."""

    protocol: str
    questions: Sequence[Question]
    hashes: Mapping[str, int]
    """Image digest ▶ perceptual hash, of the images that have one."""
    pictures: KnownPictures
    """These images, by their digests."""


class ImagePrints:
    """The hashes of a benchmark's images, taken while it is read for another purpose: no picture is read twice."""

    def __init__(self, keep_image: KeepImage = check) -> None:
        """Begin with none.

        Args:
            keep_image: What else is done with each image; returns its digest.
        """
        self._keep_image = keep_image
        self._hashes: dict[str, int] = {}
        self._pictures = KnownPictures()

    def keep(self, encoded: bytes, place: str) -> str:
        """Take the hash of an encoded image, if it has one, and return its digest."""
        digest = self._keep_image(encoded, place)
        if digest not in self._hashes and (picture := _picture(encoded)) is not None:
            self._hashes[digest] = picture[0]
            self._pictures.add(*picture, digest)
        return digest

    def of(self, protocol: str, questions: Sequence[Question]) -> Fingerprints:
        """Return the benchmark, whose images were all kept, as the check sees it."""
        return Fingerprints(protocol, questions, self._hashes, self._pictures)


def fingerprints(benchmark: Benchmark, *, limit: int | None, allow_partial: bool) -> Fingerprints:
    """Read a benchmark and take the hashes of its images."""
    prints = ImagePrints()
    read = record.load(benchmark, prints.keep, limit=limit, allow_partial=allow_partial)
    return prints.of(read.card.protocol, read.questions)


def write_fingerprints(benchmarks: Sequence[Fingerprints], path: Path, *, thumbnails: bool = False) -> int:
    """Write the list that `gmai data build --leakage-list` reads, and return how many questions it has.

    Args:
        benchmarks: What is listed.
        path: The file.
        thumbnails: Whether to list the images as 64 × 64 grey pixels too, which a build compares its pictures with.
    """
    return write_list(
        path,
        (
            ListedQuestion(
                one.protocol,
                question.id,
                normalised(question.text),
                {digest: one.hashes.get(digest) for digest in question.images},
                {digest: one.pictures.thumbnail(digest) for digest in question.images if digest in one.hashes}
                if thumbnails
                else {},
            )
            for one in benchmarks
            for question in one.questions
        ),
    )


def _picture(encoded: bytes) -> tuple[int, npt.NDArray[np.float32]] | None:
    """Return hash and thumbnail of an encoded image, or None for one that cannot be decoded or has no contrast."""
    try:
        pixels = read_picture(encoded).pixels
    except PictureError:
        return None
    small = thumbnail(pixels)
    value = perceptual_hash(small)
    return None if value is None else (value, small)


@dataclass(slots=True)
class Overlap:
    """What of one benchmark was met in the samples."""

    protocol: str
    questions: int
    images: int
    exact_images: dict[str, str] = field(default_factory=dict[str, str])
    """Image digest ▶ first sample that shows the very same file."""
    near_images: dict[str, str] = field(default_factory=dict[str, str])
    """Image digest ▶ first sample that shows a copy of the picture, the exact ones not among them."""
    texts: dict[str, str] = field(default_factory=dict[str, str])
    """Question id ▶ first sample that asks the same words."""
    both: dict[str, str] = field(default_factory=dict[str, str])
    """Question id ▶ first sample that asks the same words about the same or nearly the same image."""
    questions_on_seen_images: int = 0

    def counts(self) -> dict[str, Any]:
        """Return the protocol, and how many there are of each."""
        return {
            "protocol": self.protocol,
            "questions": self.questions,
            "images": self.images,
            "same_image": len(self.exact_images),
            "near_image": len(self.near_images),
            "questions_on_seen_images": self.questions_on_seen_images,
            "same_words": len(self.texts),
            "both": len(self.both),
        }


def sample_files(samples: Path) -> list[Path]:
    """Return the Parquet files of a folder of samples, at any depth, or the one file that was given.

    Raises:
        UserError: There is none.
    """
    files = [samples] if samples.is_file() else sorted(samples.glob("**/*.parquet"))
    if not files:
        raise UserError(
            f"{samples}: holds no Parquet file. Training samples are what `gmai data build` wrote to OUT/samples, or "
            f"any folder of Parquet files with the columns `messages` and `images`. Correct the path."
        )
    return files


def contamination(benchmarks: Sequence[Fingerprints], samples: Path, out: Path | None) -> list[Overlap]:
    """Look for the benchmarks' images and questions in a folder of samples.

    Args:
        benchmarks: What is looked for.
        samples: Folder with Parquet files that have `messages` and `images`, at any depth, or one such file.
        out: JSON file for the findings in full.

    Raises:
        UserError: There is no readable Parquet file of samples.
    """
    files = sample_files(samples)
    watches = [_Watch(one) for one in benchmarks]
    met: set[str] = set()
    with progress("samples", None, unit="rows") as bar:
        for place, texts, encoded_images in _samples(files):
            digests = [hashlib.sha256(encoded).hexdigest() for encoded in encoded_images]
            for digest, encoded in zip(digests, encoded_images, strict=True):
                if digest not in met:
                    met.add(digest)
                    if (picture := _picture(encoded)) is not None:
                        for watch in watches:
                            watch.look(digest, picture)
            for watch in watches:
                watch.meet(place, texts, digests)
            bar.advance()
    findings = [watch.finding() for watch in watches]
    if out is not None:
        found = [asdict(finding) for finding in findings]
        write_json(out, {"samples": str(samples), "near": NEAR, "findings": found})
    return findings


NEAR = "copies"
"""What `near_images` holds. Earlier files, which do not say it, hold every picture that is close by its hash."""
FILE = "contamination.json"
"""In a run's output folder: what of its benchmarks the training samples hold."""


def summarise(out: Path) -> list[dict[str, Any]] | None:
    """Return, per protocol, how much of a run's benchmarks its training samples hold; None where nobody looked.

    Raises:
        UserError: The file is damaged.
    """
    path = out / FILE
    if not path.is_file():
        return None
    remedy = "Remove it, and give --trained-on again."
    kept = read_json_object(path, remedy=remedy)
    if kept.get("near") != NEAR:
        raise UserError(
            f"{path}: counts every picture that is close by its hash as near, as earlier versions did. Only copies "
            f"count now. {remedy}"
        )
    return [Overlap(**finding).counts() for finding in kept["findings"]]


class _Watch:
    """One benchmark, watched for while the samples go by."""

    def __init__(self, benchmark: Fingerprints) -> None:
        self._benchmark = benchmark
        self._images = {digest for question in benchmark.questions for digest in question.images}
        self._by_text: dict[str, list[Question]] = {}
        for question in benchmark.questions:
            self._by_text.setdefault(normalised(question.text), []).append(question)
        self._finding = Overlap(benchmark.protocol, len(benchmark.questions), len(self._images))
        self._copied: dict[str, list[str]] = {}

    def look(self, digest: str, picture: tuple[int, npt.NDArray[np.float32]]) -> None:
        """Look for the images that a picture of the samples is a copy of."""
        if copied := self._benchmark.pictures.copies(*picture):
            self._copied[digest] = copied

    def meet(self, place: str, texts: set[str], digests: Sequence[str]) -> None:
        found = self._finding
        shown: set[str] = set()
        for digest in digests:
            if digest in self._images:
                found.exact_images.setdefault(digest, place)
                shown.add(digest)
            for near in self._copied.get(digest, ()):
                if near != digest:
                    found.near_images.setdefault(near, place)
                shown.add(near)
        for text in texts & self._by_text.keys():
            for question in self._by_text[text]:
                found.texts.setdefault(question.id, place)
                if shown & set(question.images):
                    found.both.setdefault(question.id, place)

    def finding(self) -> Overlap:
        found = self._finding
        for digest in found.exact_images:
            found.near_images.pop(digest, None)
        seen = found.exact_images.keys() | found.near_images.keys()
        found.questions_on_seen_images = sum(bool(seen & set(q.images)) for q in self._benchmark.questions)
        return found


def _samples(files: Sequence[Path]) -> Iterator[tuple[str, set[str], list[bytes]]]:
    """Yield place, normalised user messages (whole and line by line) and encoded images of every sample."""
    for path in files:

        def columns(names: list[str], path: Path = path) -> list[str]:
            if not {"messages", "images"} <= set(names):
                raise UserError(
                    f"{path}: has the columns {', '.join(names)}. Samples have `messages` and `images`. "
                    f"Give the folder of the samples alone."
                )
            return ["messages", "images"]

        for number, (_, row) in enumerate(parquet_rows(path, columns, at_once=_ROWS_AT_ONCE), start=1):
            yield f"{path.name} row {number}", _texts(row["messages"]), _encoded(row["images"])


def _texts(messages: Any) -> set[str]:
    asked = [str(m["content"]) for m in cast("list[dict[str, Any]]", messages or []) if m.get("role") == "user"]
    return {text for whole in asked for part in (whole, *whole.split("\n")) if (text := normalised(part))}


def _encoded(images: Any) -> list[bytes]:
    listed = cast("list[dict[str, Any]]", images or [])
    return [bytes(image["bytes"]) for image in listed if image and image.get("bytes")]
