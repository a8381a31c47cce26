"""Name or YAML path ▶ benchmark. Names load their module on first use."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gmai_cli.errors import UserError, did_you_mean

from gmai_bench.benchmarks.question import Benchmark


@dataclass(frozen=True, slots=True)
class Entry:
    """One benchmark that ships with the package."""

    opener: str
    """`module:object`; the object takes (protocol, data root) and returns a `Benchmark`."""
    title: str
    protocols: tuple[str, ...]
    """The first is the default."""


REGISTRY: dict[str, Entry] = {
    "vqa-rad": Entry(
        "gmai_bench.benchmarks.vqa_rad:open_vqa_rad",
        "VQA-RAD: questions of clinicians about radiology images",
        ("exact-451", "yes-no-251", "llava-med"),
    ),
}


def open_benchmark(name: str, data_root: Path | None) -> Benchmark:
    """Return a benchmark by its name, `name/protocol`, or the path of a YAML file.

    Args:
        name: `vqa-rad`, `vqa-rad/llava-med`, or a path that ends in .yaml or .yml.
        data_root: Folder with a folder (`vqa-rad`, …) of files per named benchmark, or the benchmark's own folder.

    Raises:
        UserError: Unknown name or protocol, or its files are not there.
    """
    if name.endswith((".yaml", ".yml")):
        from gmai_bench.benchmarks.declared import DeclaredBenchmark

        return DeclaredBenchmark(Path(name))
    family, _, protocol = name.partition("/")
    entry = REGISTRY.get(family)
    if entry is None:
        raise UserError(
            f'unknown benchmark "{name}".{did_you_mean(family, REGISTRY)} A benchmark is a name of `gmai bench list` '
            f"or the path of a YAML file (*.yaml)."
        )
    protocol = protocol or entry.protocols[0]
    if protocol not in entry.protocols:
        raise UserError(f'{family} has no protocol "{protocol}".{did_you_mean(protocol, entry.protocols)}')
    module, _, attribute = entry.opener.partition(":")
    opener = cast("Callable[[str, Path | None], Benchmark]", getattr(importlib.import_module(module), attribute))
    return opener(protocol, data_root)
