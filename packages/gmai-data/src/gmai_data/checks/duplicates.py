"""The same picture twice: found over the whole build, by digest and by perceptual hash, before any text is written.

A near-duplicate is a copy that was cropped, compressed, scaled or given another contrast: the hash finds candidates and
`gmai_formats.fingerprints.copies` compares them.

Slices and frames of one item are never compared with one another, and near pictures of one patient are no duplicates.
Of two equal pictures the held-out one stays, then that of validation: a question's image must not be trained on.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic_core
from gmai_cli.console import say
from gmai_formats.fingerprints.copies import CANDIDATE_BITS, find_copy
from gmai_formats.fingerprints.near import NearHashes
from gmai_formats.fingerprints.perceptual import EDGE_PX, HASH
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_data.sample import SUB_DATASETS
from gmai_data.untyped import pa, pc, pq
from gmai_data.vocabulary import Kind, Split

LEFT_OUT = "left_out.json"
"""File of a shard that holds duplicates."""
THUMBNAILS = "thumbnails.bin"
"""File of a shard: the thumbnails of its annotations, in their order."""
SAME, NEAR = "duplicate image", "near-duplicate image"
_RANK = {Split.HELD_OUT: 0, Split.VALIDATION: 1, Split.TRAIN: 2}
_COLUMNS = ["id", "sha256", "modality", "split", "group", "source", "provenance"]
_TALLIED = ("kind", "language", "modality", "department")
_OF_SHARD = ("task", "clinical_task")


@dataclass(frozen=True)
class _Image:
    shard: int
    row: int
    id: str
    digest: str
    hash: int | None
    modality: str
    item: tuple[str, str]
    group: tuple[str, str]
    split: Split
    thumbnail: npt.NDArray[np.uint8]


def named_hash(value: int | None) -> str | None:
    """Return a perceptual hash as provenance has it: the name of the hash, a colon, 16 hex digits."""
    return None if value is None else f"{HASH}:{value:016x}"


def hash_of(named: str | None) -> int | None:
    """Return the value of a hash that `named_hash` wrote."""
    return None if named is None else int(named.partition(":")[2], 16)


def screen(folders: Sequence[Path]) -> int:
    """Write `left_out.json` into each of the shards of a build that holds duplicates, and return how many there are.

    Args:
        folders: All finished shards, in the build's order.
    """
    for folder in folders:
        try:
            left_out(folder)
        except DamagedError as error:  # of a run that was ended while it screened
            say(f"{error}; it is written again")
            (folder / LEFT_OUT).unlink(missing_ok=True)
    images = sorted(
        (each for shard, folder in enumerate(folders) for each in _images(shard, folder)),
        key=lambda each: (_RANK[each.split], each.shard, each.row),
    )
    digests: dict[str, _Image] = {}
    near: dict[str, NearHashes] = {}
    kept: dict[str, _Image] = {}
    left: dict[int, dict[str, str]] = {}
    for each in images:
        reason = ""
        same = digests.get(each.digest)
        if same is not None and same.item != each.item:
            reason = f"{SAME}: of {same.id}"
        else:
            like = _original(each, near.setdefault(each.modality, NearHashes(CANDIDATE_BITS)), kept)
            if like is not None:
                reason = f"{NEAR}: of {like}"
        if reason:
            left.setdefault(each.shard, {})[str(each.row)] = reason
            continue
        digests.setdefault(each.digest, each)
        kept[each.id] = each
        if each.hash is not None:
            near.setdefault(each.modality, NearHashes(CANDIDATE_BITS)).add(each.hash, each.id)
    for shard, rows in left.items():
        write_state(folders[shard] / LEFT_OUT, _account(folders[shard], rows))
    return sum(map(len, left.values()))


def _original(image: _Image, near: NearHashes, kept: Mapping[str, _Image]) -> str | None:
    """Return the id of the kept picture, of another patient, that this one is a copy of, or None."""
    if image.hash is None:
        return None
    others = [other for name in near.near(image.hash) if (other := kept[name]).group != image.group]
    place = find_copy(image.thumbnail, [other.thumbnail for other in others])
    return None if place is None else others[place].id


def left_out(folder: Path) -> dict[str, Any]:
    """Return what was left out of a shard: `rows` (row number ▶ reason), `ids`, and the `account` of it."""
    path = folder / LEFT_OUT
    if not path.is_file():
        return {"rows": {}, "ids": [], "account": {"images": {}, "samples": 0, "tallies": {}}}
    return read_state(path)


def _images(shard: int, folder: Path) -> Iterator[_Image]:
    path = folder / "annotations.parquet"
    if not path.is_file():
        return  # a file without rows was not written
    rows = pq.read_table(path, columns=_COLUMNS).to_pylist()
    thumbnails = np.memmap(folder / THUMBNAILS, np.uint8, "r", shape=(len(rows), EDGE_PX, EDGE_PX))
    for number, row in enumerate(rows):
        known = pydantic_core.from_json(row["provenance"])
        source = row["source"]
        yield _Image(
            shard, number, row["id"], row["sha256"], hash_of(known["phash"]), row["modality"],
            (source, known["item"]), (source, row["group"]), Split(row["split"]),
            thumbnails[number],
        )  # fmt: skip


def _account(folder: Path, rows: dict[str, str]) -> dict[str, Any]:
    """Return what leaves the shard's account with some of its annotations."""
    annotations = pq.read_table(folder / "annotations.parquet", columns=["id", *_OF_SHARD])
    tallies: dict[str, Counter[str]] = {}
    samples = 0
    path = folder / "samples.parquet"
    if path.is_file():
        table = pq.read_table(path)
        unused = pa.array([int(row) for row in rows], pa.int64())
        dropped = pc.or_(pc.is_in(table["annotation"], value_set=unused), pc.is_in(table["beside"], value_set=unused))
        for row in table.filter(dropped).to_pylist():
            samples += 1
            for column in _TALLIED:
                tallies.setdefault(column, Counter())[row[column]] += 1
            sub_dataset = f"{SUB_DATASETS[Kind(row['kind'])]}/{row['split']}"
            tallies.setdefault("sub_dataset", Counter())[sub_dataset] += 1
            for column in _OF_SHARD:
                tallies.setdefault(column, Counter())[annotations[column][0].as_py()] += 1
    return {
        "rows": rows,
        "ids": [annotations["id"][int(row)].as_py() for row in rows],
        "account": {
            "images": dict(Counter(reason.split(":")[0] for reason in rows.values())),
            "samples": samples,
            "tallies": {of: dict(values) for of, values in tallies.items()},
        },
    }
