"""Name or YAML path ▶ benchmark. Names load their module on first use."""

import contextlib
import importlib
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gmai_formats.errors import UserError, did_you_mean

from gmai_bench.benchmarks import hub, mmmu
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
        ("exact-451", "yes-no-251", "llava-med", "huatuo-251", "medevalkit"),
    ),
    "slake": Entry(
        "gmai_bench.benchmarks.slake:open_slake",
        "SLAKE: English and Chinese questions about radiology images",
        ("exact-1061", "llava-med", "huatuo-416", "medevalkit", "zh-exact-1033", "zh-closed-420"),
    ),
    "pmc-vqa": Entry(
        "gmai_bench.benchmarks.pmc_vqa:open_pmc_vqa",
        "PMC-VQA: option questions about figures of papers",
        ("clean-2000", "test2-33430"),
    ),
    "omnimedvqa": Entry(
        "gmai_bench.benchmarks.omnimedvqa:open_omnimedvqa",
        "OmniMedVQA: option questions from 73 data sets of 12 modalities",
        ("open-88996", "open-88996-prefix", "full-127995", "full-127995-prefix", "huatuo-11124"),
    ),
    "mmmu-hm": Entry(
        "gmai_bench.benchmarks.mmmu:open_mmmu",
        "MMMU Health & Medicine: five subjects of the validation split",
        ("official-150", "mc-145"),
    ),
    "gmai-mmbench": Entry(
        "gmai_bench.benchmarks.gmai_mmbench:open_gmai_mmbench",
        "GMAI-MMBench: 18 clinical tasks, 18 departments, 4 granularities",
        ("val", "test"),
    ),
    "path-vqa": Entry(
        "gmai_bench.benchmarks.path_vqa:open_path_vqa",
        "PathVQA: questions about pathology images",
        ("exact-6719", "medevalkit"),
    ),
}

PAPER = ("vqa-rad", "slake", "pmc-vqa", "omnimedvqa", "mmmu-hm", "gmai-mmbench")
"""The benchmarks of the paper's Tables 2 to 5, each under its default protocol; `paper` stands for all of them."""


def expand(names: Iterable[str]) -> list[str]:
    """Return benchmark names with `paper` replaced by the benchmarks of the paper's tables."""
    return [name for given in names for name in (PAPER if given == "paper" else (given,))]


def pin_revisions(given: Iterable[str]) -> None:
    """Pin data sets of the Hub as `--revision NAME=REVISION` asks.

    Raises:
        UserError: Not of that form, an unknown benchmark, or the Hub knows no such revision.
    """
    for pair in given:
        name, equals, revision = pair.partition("=")
        entry = REGISTRY.get(name.partition("/")[0])
        if not equals or not revision or entry is None:
            raise UserError(
                f'--revision "{pair}": give NAME=REVISION, a name of `gmai bench list` and a commit, tag or branch of '
                f"its data set, such as --revision vqa-rad=main.{did_you_mean(name.partition('/')[0], REGISTRY)}"
            )
        of_bundle = name.partition("/")[2].startswith("huatuo-")
        module = "gmai_bench.benchmarks.huatuo" if of_bundle else entry.opener.partition(":")[0]
        hub.pin(importlib.import_module(module).HUB.repo_id, revision, name)


def open_benchmark(name: str, data_root: Path | None) -> Benchmark:
    """Return a benchmark by its name, `name/protocol`, or the path of a YAML file.

    Args:
        name: `vqa-rad`, `vqa-rad/llava-med`, or a path that ends in .yaml or .yml.
        data_root: Folder with a folder (`vqa-rad`, …) of files per named benchmark, or the benchmark's own folder;
            without it the benchmark comes from the Hub.

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


def other_ids(protocol: str, data_root: Path | None, wanted: AbstractSet[str]) -> set[str]:
    """Return which of some ids other protocols of the same benchmark ask, or its data set has besides.

    Copies that are not there are passed over, and nothing is downloaded that the protocol itself does not need.
    """
    family, _, own = protocol.partition("/")
    entry = REGISTRY.get(family)
    found = set(wanted) & set(mmmu.OTHER_IDS) if family == "mmmu-hm" else set[str]()
    for name in entry.protocols if entry else ():
        if name == own or not wanted - found or (data_root is None and _has_own_files(family, name)):
            continue
        with contextlib.suppress(UserError):
            benchmark = open_benchmark(f"{family}/{name}", data_root)
            found |= {question.id for question in benchmark.questions(lambda _, __: "")} & wanted
    return found


def _has_own_files(family: str, protocol: str) -> bool:
    return protocol.startswith("huatuo-") or family == "gmai-mmbench"
