"""WebDataset shards: few large tar files; a sample is `KEY.png` (or `.jpg` …) and `KEY.json`, next to each other."""

import io
import json
import tarfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml
from gmai_formats.files import write_text

from gmai_data.publishing.image_files import encoded_image
from gmai_data.tables import SAMPLES
from gmai_data.untyped import pa
from gmai_data.vocabulary import Split, SubDataset

_FACTS = [field for field in SAMPLES if field.name != "images"]
"""The columns of a sample that stand in its JSON."""

SHARD_BYTES = 500_000_000
"""A shard is closed once it passes this size."""


class WebShardFolder:
    """Writes `NAME-SPLIT-000000.tar` …, and a README.md that tells `datasets` the types."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sets: dict[str, dict[str, set[str]]] = {}

    @contextmanager
    def open(self, title: str, split: Split) -> Generator["_Shards"]:
        """Begin a split of a sub-dataset."""
        suffixes = self._sets.setdefault(title, {}).setdefault(str(split), set())
        with ExitStack() as stack:
            yield _Shards(self._folder, f"{title}-{split}", stack, suffixes)

    def finish(self, lengths: Mapping[SubDataset, int]) -> None:
        """Write README.md: left alone, `datasets` takes the types of lists from five samples, whose lists are empty."""
        configs: list[dict[str, Any]] = []
        infos: list[dict[str, Any]] = []
        for title, splits in self._sets.items():
            files = [
                {"split": split, "path": f"{title}-{split}-*.tar"} for split, suffixes in splits.items() if suffixes
            ]
            if files:
                pictures = sorted(set().union(*splits.values()) - {"json"})
                columns = [{"name": "__key__", "dtype": "string"}, {"name": "__url__", "dtype": "string"}]
                shown = [{"name": name, "dtype": "image"} for name in pictures]
                facts = {"name": "json", "struct": [_feature(field.name, field.type) for field in _FACTS]}
                configs.append({"config_name": title, "data_files": files})
                infos.append({"config_name": title, "features": [*columns, *shown, facts]})
        head = yaml.safe_dump({"configs": configs, "dataset_info": infos}, sort_keys=False)
        write_text(self._folder / "README.md", f"---\n{head}---\n")


def _feature(name: str, kind: Any) -> dict[str, Any]:
    """Return a column's type as the YAML of a dataset card writes it."""
    if pa.types.is_list(kind):
        item = _feature(name, kind.value_type)
        return {"name": name, "list": item.get("struct") or item.get("dtype") or item}
    if pa.types.is_struct(kind):
        return {"name": name, "struct": [_feature(field.name, field.type) for field in kind]}
    return {"name": name, "dtype": str(kind)}


class _Shards:
    def __init__(self, folder: Path, stem: str, stack: ExitStack, suffixes: set[str]) -> None:
        self._folder, self._stem, self._stack, self._suffixes = folder, stem, stack, suffixes
        self._shards = self._rows = 0
        self._tar: tarfile.TarFile | None = None

    def add(self, row: Mapping[str, Any]) -> str | None:
        # A name must not hold a dot before its suffix, nor anything of the data: it is a running number.
        key = f"{self._stem}-{self._rows:09d}"
        images: list[tuple[str, bytes]] = []
        for number, image in enumerate(row["images"]):
            picture = encoded_image(image["bytes"])
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
        self._suffixes.add(name.partition(".")[2])
        member = tarfile.TarInfo(name)  # no time, user or group: the same samples give the same bytes
        member.size, member.mode = len(content), 0o644
        self._tar.addfile(member, io.BytesIO(content))
