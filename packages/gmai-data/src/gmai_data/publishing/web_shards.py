"""WebDataset shards: few large tar files; a sample is `KEY.png` (or `.jpg` …) and `KEY.json`, next to each other."""

import io
import json
import tarfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gmai_data.publishing.image_files import picture_of
from gmai_data.vocabulary import Split, SubDataset

SHARD_BYTES = 500_000_000
"""A shard is closed once it passes this size."""


class WebShardFolder:
    """Writes `NAME-SPLIT-000000.tar` …"""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def open(self, title: str, split: Split) -> Generator["_Shards"]:
        """Begin a split of a sub-dataset."""
        with ExitStack() as stack:
            yield _Shards(self._folder, f"{title}-{split}", stack)

    def finish(self, lengths: Mapping[SubDataset, int]) -> None:
        """Write nothing: each shard stands for itself."""


class _Shards:
    def __init__(self, folder: Path, stem: str, stack: ExitStack) -> None:
        self._folder, self._stem, self._stack = folder, stem, stack
        self._shards = self._rows = 0
        self._tar: tarfile.TarFile | None = None

    def add(self, row: Mapping[str, Any]) -> str | None:
        # A name must not hold a dot before its suffix, nor anything of the data: it is a running number.
        key = f"{self._stem}-{self._rows:09d}"
        images: list[tuple[str, bytes]] = []
        for number, image in enumerate(row["images"]):
            picture = picture_of(image["bytes"])
            if picture is None:
                return "the image is not PNG, JPEG, TIFF, WebP or BMP"
            suffix = picture.name.rpartition(".")[2]
            images.append((f"{number}.{suffix}" if len(row["images"]) > 1 else suffix, image["bytes"]))
        facts = {name: value for name, value in row.items() if name != "images"}
        for suffix, content in (*images, ("json", json.dumps(facts, ensure_ascii=False).encode())):
            self._write(f"{key}.{suffix}", content)
        self._rows += 1
        if self._tar is not None and self._tar.offset >= SHARD_BYTES:
            self._stack.close()
            self._tar = None
        return None

    def _write(self, name: str, content: bytes) -> None:
        if self._tar is None:
            path = self._folder / f"{self._stem}-{self._shards:06d}.tar"
            opened = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - the stack closes it
            self._tar = self._stack.enter_context(opened)
            self._shards += 1
        member = tarfile.TarInfo(name)  # no time, user or group: the same samples give the same bytes
        member.size, member.mode = len(content), 0o644
        self._tar.addfile(member, io.BytesIO(content))
