"""Tensors by name, streamed: read one by one from safetensors shards, renamed, and written into new shards."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from gmai_formats.errors import UserError
from gmai_formats.files import umask
from gmai_formats.json_text import read_json_object
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

MAX_SHARD_BYTES = 2**30
"""Bounds the memory of writing: a shard is held until it is full."""
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""Names of the types in safetensors."""


def read_weight_map(index: Path) -> dict[str, str]:
    """Return tensor ▶ file of an index of weights.

    Raises:
        UserError: It is no index, or names a file outside its folder.
    """
    found = read_json_object(index, remedy="Download the checkpoint again.").get("weight_map")
    files: dict[str, Any] = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    odd = next((name for name in files.values() if not isinstance(name, str) or Path(name).name != name), None)
    if not files or odd is not None:
        why = "no weight_map" if not files else f"names {odd!r}, which is no file of its folder"
        raise UserError(f"{index}: {why}. An index says for each tensor in which file of its folder it is. Download "
                        f"the checkpoint again.")  # fmt: skip
    return files


class WeightFiles:
    """The safetensors files of a checkpoint folder, opened lazily.

    Raises:
        UserError: The folder holds no safetensors (pickled weights are refused), a shard of the index is missing,
            truncated, or does not hold the tensors that the index says.
    """

    def __init__(self, folder: Path, *, stem: str = "model") -> None:
        self.folder = folder
        index = folder / f"{stem}.safetensors.index.json"
        if index.is_file():
            file_of = read_weight_map(index)
        elif (folder / f"{stem}.safetensors").is_file():
            with self._open(f"{stem}.safetensors") as file:
                file_of = dict.fromkeys(file.keys(), f"{stem}.safetensors")
        else:
            pickled = sorted(path.name for path in folder.glob("*.bin"))
            others = sorted(path.name for path in folder.glob("*.safetensors"))
            found = f"only pickled weights ({pickled[0]})" if pickled else "no weights"
            if others:
                raise UserError(
                    f"{folder}: {others[0]}, no {stem}.safetensors or {stem}.safetensors.index.json, by which readers "
                    f"find weights. Rename it to {stem}.safetensors, or download the index, where one belongs to it."
                )
            raise UserError(
                f"{folder}: {found}, no {stem}.safetensors or {stem}.safetensors.index.json. Weights are read from "
                f"safetensors only. Convert them first (`save_pretrained(..., safe_serialization=True)`)."
            )
        self.file_of = file_of
        self._headers: dict[str, tuple[str, tuple[int, ...]]] = {}
        for file_name in sorted(set(file_of.values())):
            listed = [key for key, where in file_of.items() if where == file_name]
            with self._open(file_name) as file:
                absent = set(listed) - set(file.keys())
                if absent:
                    raise UserError(
                        f"{folder / file_name}: the index lists {sorted(absent)[0]} here, but the file does not hold "
                        f"it ({len(absent)} such tensors). Download the checkpoint again."
                    )
                for key in listed:
                    view = file.get_slice(key)
                    self._headers[key] = view.get_dtype(), tuple(view.get_shape())

    def _open(self, name: str) -> safe_open:
        path = self.folder / name
        if not path.is_file():
            raise UserError(f"{path}: missing, but the index lists it. Download the checkpoint again.")
        try:
            return safe_open(path, framework="pt")
        except SafetensorError as error:
            with path.open("rb") as file:
                is_pointer = file.read(40).startswith(b"version https://git-lfs")
            why = "a Git LFS pointer, not the file itself" if is_pointer else str(error)
            raise UserError(f"{path}: not a readable safetensors file ({why}). Download it again.") from error

    def files(self) -> Iterator[tuple[str, tuple[str, list[str]]]]:
        """Yield (file, (the format that its metadata give, tensors in it that are not listed there))."""
        for file_name in sorted(set(self.file_of.values())):
            with self._open(file_name) as file:
                unlisted = [key for key in file.keys() if self.file_of.get(key) != file_name]  # noqa: SIM118 - no mapping
                yield file_name, (str((file.metadata() or {}).get("format")), unlisted)

    def names(self) -> list[str]:
        """Return every tensor's name, in the order of the files."""
        return list(self.file_of)

    def _header(self, name: str) -> tuple[str, tuple[int, ...]]:
        if name not in self._headers:
            raise UserError(
                f"{self.folder}: no tensor {name} among {len(self.file_of)} (the first is {next(iter(self.file_of))}). "
                f"Check that the folder holds the kind of model asked for."
            )
        return self._headers[name]

    def dtype(self, name: str) -> torch.dtype:
        """Return a tensor's dtype without reading its data.

        Raises:
            UserError: It is none that a plain model has.
        """
        kind, _ = self._header(name)
        if kind not in DTYPES:
            raise UserError(
                f"{self.folder / self.file_of[name]}: {name} is stored as {kind}. Plain weights are "
                f"{', '.join(DTYPES)}; anything else is quantised. Use the original model."
            )
        return DTYPES[kind]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape without reading its data."""
        return self._header(name)[1]

    def tensor(self, name: str) -> Tensor:
        """Return one tensor."""
        self._header(name)
        with self._open(self.file_of[name]) as file:
            return file.get_tensor(name)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (name, tensor), file by file, one tensor in memory at a time.

        Each tensor opens its file anew: the pages of a mapped file count as memory until the file is closed.
        """
        for file_name in dict.fromkeys(self.file_of.values()):
            with self._open(file_name) as file:
                names = [name for name in file.keys() if self.file_of.get(name) == file_name]  # noqa: SIM118 (no mapping)
            for name in names:
                yield name, self.tensor(name)


class WeightWriter:
    """Writes tensors into shards of at most `MAX_SHARD_BYTES` and the index; call `close` at the end."""

    def __init__(self, folder: Path, *, max_shard_bytes: int = MAX_SHARD_BYTES) -> None:
        self._folder, self._max_shard_bytes = folder, max_shard_bytes
        self._pending: dict[str, Tensor] = {}
        self._pending_bytes = self._total_bytes = 0
        self._shards: list[list[str]] = []

    def add(self, name: str, tensor: Tensor) -> None:
        """Append one tensor."""
        size_bytes = tensor.numel() * tensor.element_size()
        if self._pending and self._pending_bytes + size_bytes > self._max_shard_bytes:
            self._flush()
        self._pending[name] = tensor.contiguous()
        self._pending_bytes += size_bytes
        self._total_bytes += size_bytes

    def _flush(self) -> None:
        path = self._folder / f"shard-{len(self._shards):05d}"
        save_file(self._pending, path, metadata={"format": "pt"})
        path.chmod(0o666 & ~umask())  # safetensors writes 0600, which hides a checkpoint from the user's group
        self._shards.append(list(self._pending))
        self._pending, self._pending_bytes = {}, 0

    def close(self) -> None:
        """Write what is pending, give the shards their final names and write the index."""
        self._flush()
        count = len(self._shards)
        if count == 1:
            (self._folder / "shard-00000").rename(self._folder / "model.safetensors")
            return
        weight_map: dict[str, str] = {}
        for number, names in enumerate(self._shards):
            name = f"model-{number + 1:05d}-of-{count:05d}.safetensors"
            (self._folder / f"shard-{number:05d}").rename(self._folder / name)
            weight_map.update(dict.fromkeys(names, name))
        index = {"metadata": {"total_size": self._total_bytes}, "weight_map": weight_map}
        (self._folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def count_not_finite(tensor: Tensor) -> int:
    """Return how many values are NaN or infinite, looking at a part at a time."""
    return sum(
        0 if torch.isfinite(part.sum(dtype=torch.float32)) else part.numel() - int(torch.isfinite(part).sum())
        for part in tensor.reshape(-1).split(2**22)
    )  # a sum is finite only of finite values; where large ones overflow, they are counted


def tensor_digest(tensor: Tensor) -> str:
    """Return the SHA-256 of a tensor's dtype, shape and bytes, the same on every machine."""
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
