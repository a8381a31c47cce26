"""Images of questions: stored once by digest, opened for the model, replaced for an ablation."""

import hashlib
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from gmai_formats.errors import UserError
from gmai_formats.pictures.guarded import read_guarded
from gmai_formats.pictures.picture import PICTURES_VERSION, Picture
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.raster import needs_white_or_turn
from gmai_formats.pictures.read import verify_picture
from PIL import Image

from gmai_bench.benchmarks.question import Question

Ablation = Literal["none", "noise", "blank", "other"]
"""What a model is shown: the image, uniform noise or mid-grey of its size, or an image of another patient."""

_GREY = (127, 127, 127)


class ImageStore:
    """A folder of encoded images named by their SHA-256 digest, so that an image of many questions lies there once."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which is made on the first image."""
        self._folder = folder

    def add(self, encoded: bytes, place: str) -> str:
        """Store one encoded image and return its digest.

        Raises:
            UserError: The bytes are no image that Pillow can open.
        """
        digest = check(encoded, place)
        path = self._folder / digest
        if not self._holds(path, encoded):
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{digest}.{os.getpid()}.tmp")
            temporary.write_bytes(encoded)
            temporary.replace(path)
        return digest

    def _holds(self, path: Path, encoded: bytes) -> bool:
        """Return whether an image is stored whole; one that a power cut or a disk damaged is written again.

        So no image needs an fsync of its own, which on a network file system would cost more than asking the model.
        """
        try:
            return path.stat().st_size == len(encoded) and path.read_bytes() == encoded
        except OSError:
            return False

    def open(self, digest: str) -> Image.Image:
        """Return the stored image in RGB; see `picture`."""
        return self.picture(digest).rgb

    def picture(self, digest: str) -> Picture:
        """Return the stored image as `gmai data`, training and chat show it.

        Raises:
            UserError: It is not there, or its pixels cannot be decoded.
        """
        path = self._folder / digest
        try:
            return read_guarded(path)
        except (OSError, PictureError) as error:
            raise UserError(
                f"{path}: the image cannot be decoded ({error}). Every image that a question shows must be whole. "
                f"Repair it in the benchmark and remove this file, then run the same command again."
            ) from error

    def read(self, digest: str) -> bytes:
        """Return the encoded bytes of a stored image."""
        return (self._folder / digest).read_bytes()

    def show(self, digest: str, ablation: Ablation, seed: int) -> Image.Image:
        """Return what the model is shown in place of an image; noise depends on the image and the seed alone."""
        image = self.open(digest)
        if ablation == "blank":
            return Image.new("RGB", image.size, _GREY)
        if ablation == "noise":
            generator = np.random.default_rng([seed, int(digest[:15], 16)])
            pixels = generator.integers(0, 256, size=(image.height, image.width, 3), dtype=np.uint8)
            return Image.fromarray(pixels)
        return image


class Shown:
    """What the model is shown in place of each stored image, under one ablation."""

    def __init__(
        self, store: ImageStore, ablation: Ablation, seed: int, others: Mapping[str, str] | None = None
    ) -> None:
        """Show the images of `store`; under `other` those that `others` names in their place."""
        self._store, self._seed = store, seed
        self._others = others or {}
        self._ablation: Ablation = "none" if ablation == "other" else ablation

    def __call__(self, digest: str) -> Image.Image:
        """Return the RGB image."""
        return self._store.show(self._others.get(digest, digest), self._ablation, self._seed)

    def guard(self, digest: str) -> str:
        """Return what stands for an image in a request's digest: its own, and how its pixels are read if that changed.

        Up to pictures/1, transparency and EXIF orientation were left out of account; all other answers stay valid.
        """
        digest = self._others.get(digest, digest)
        try:
            is_changed = needs_white_or_turn(self._store.read(digest))
        except OSError:
            return digest  # its loss is told where it is shown
        return f"{digest} pictures/{PICTURES_VERSION}" if is_changed else digest

    def encoded(self, digest: str) -> tuple[str, bytes]:
        """Return media type and bytes of the very pixels that a local model is shown.

        The file itself where any program decodes it to them, else a PNG of them.
        """
        if self._ablation == "none":
            digest = self._others.get(digest, digest)
            picture = self._store.picture(digest)
            if picture.is_as_stored:
                return Image.MIME[picture.format], self._store.read(digest)
        buffer = io.BytesIO()
        self(digest).save(buffer, format="PNG", compress_level=1)
        return "image/png", buffer.getvalue()


def images_of_others(questions: Iterable[Question]) -> dict[str, str]:
    """Return for each image one of another cluster (another patient, where the benchmark says it): always the same one.

    Raises:
        UserError: All images belong to one cluster.
    """
    clusters: dict[str, set[str]] = {}
    for question in questions:
        for digest in question.images:
            clusters.setdefault(digest, set()).add(question.cluster)
    order = sorted(clusters)
    found: dict[str, str] = {}
    for place, digest in enumerate(order):
        turned = (order[(place + len(order) // 2 + step) % len(order)] for step in range(len(order)))
        other = next((one for one in turned if not clusters[one] & clusters[digest]), None)
        if other is None:
            raise UserError(
                f"--image-ablation other: the image {digest[:12]}… has no image of another patient beside it. Take "
                f"more questions (--limit), or another ablation."
            )
        found[digest] = other
    return found


def check(encoded: bytes, place: str) -> str:
    """Return the digest of one encoded image after a look at its header.

    Raises:
        UserError: It is no picture, see `read.read_picture`.
    """
    try:
        verify_picture(encoded)
    except PictureError as error:
        raise UserError(
            f"{place}: {error} ({len(encoded)} bytes). An image must be a whole PNG, JPEG or another picture that "
            f"gmai shows. Repair or replace it."
        ) from error
    return hashlib.sha256(encoded).hexdigest()
