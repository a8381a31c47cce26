"""Which samples a stage trains on: datasets with a share each (paper Table 7), taken by hash, without replacement."""

import hashlib
from collections import Counter
from collections.abc import Collection
from importlib import resources
from pathlib import Path

import numpy as np
from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.files import write_text
from gmai_formats.rows.mixtures import Mixture, MixtureEntry
from gmai_formats.safe_yaml import load_yaml


def preset_text(name: str) -> str:
    """Return one of the mixtures that come with the package, as YAML.

    Raises:
        UserError: There is none of this name.
    """
    presets = {
        file.name.removesuffix(".yaml"): file for file in resources.files("gmai_model").joinpath("mixtures").iterdir()
    }
    if name not in presets:
        raise UserError(f"no mixture {name}.{did_you_mean(name, presets)}")
    return presets[name].read_text("utf-8")


def unpinned(name: str) -> list[str]:
    """Return the datasets of a preset that follow a branch of the Hub, because no commit of theirs is known."""
    entries = Mixture.model_validate(load_yaml(preset_text(name))).datasets
    return [entry.name for entry in entries if not entry.is_pinned]


def write_preset(name: str, out: Path) -> None:
    """Write one of the mixtures that come with the package.

    Raises:
        UserError: There is none of this name, or `out` exists.
    """
    text = preset_text(name)
    if out.exists():
        raise UserError(f"{out} exists. Choose another --to, or remove it.")
    write_text(out, text)


def used_entries(mixture: Mixture, *, stage: int) -> list[MixtureEntry]:
    """Return the datasets that a stage uses.

    Raises:
        UserError: A dataset still waits for its path or Hub id, or none has a share in this stage.
    """
    used = [entry for entry in mixture.datasets if entry.share(stage) > 0]
    unfilled = [entry.name for entry in used if entry.path is None and entry.hub is None]
    if unfilled:
        raise UserError(
            f"{len(unfilled)} of the {len(used)} datasets of stage {stage} have neither `path` nor `hub`: "
            f"{', '.join(unfilled)}. Fill one of them in, or set `skip: true`."
        )
    if not used:
        raise UserError(
            f"the mixture has no dataset for stage {stage}: every ratio is 0. Give a dataset a ratio above 0."
        )
    return used


def take_share(ids: Collection[str], ratio: float, *, seed: int) -> np.ndarray:
    """Return the indices of the samples that a ratio selects.

    A sample is taken when the hash of its id and the seed lies below the ratio: the choice does not depend on order,
    on other samples or on the number of workers. A ratio of 2.5 takes every sample twice and half of them once more.
    Samples that share an id draw one after the other, in their order, so that they are not taken all or none.

    Returns:
        int64 indices into `ids`, ascending, repeats last.
    """
    whole, share = int(ratio), ratio - int(ratio)
    everything = np.arange(len(ids), dtype=np.int64)
    if share == 0:
        return np.tile(everything, whole)
    draws = np.fromiter((_uniform(f"{seed}:{sample_id}") for sample_id in ids), dtype=np.float64, count=len(ids))
    order = np.argsort(draws, kind="stable")
    again = np.zeros(len(draws), dtype=bool)
    again[order[1:]] = draws[order[1:]] == draws[order[:-1]]
    if again.any():
        seen: Counter[str] = Counter()
        for number, sample_id in enumerate(ids):
            if again[number]:
                seen[sample_id] += 1
                draws[number] = _uniform(f"{seed}:{sample_id}:{seen[sample_id]}")
    return np.concatenate([np.tile(everything, whole), everything[draws < share]])


def _uniform(key: str) -> float:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") / 2**64
