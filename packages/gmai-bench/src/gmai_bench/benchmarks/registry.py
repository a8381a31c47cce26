"""Name or YAML path ▶ benchmark. Names load their module on first use."""

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError, did_you_mean

from gmai_bench.benchmarks import huatuo, hub, mmmu
from gmai_bench.benchmarks.declaration import read_declaration
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.question import Benchmark, Question


@dataclass(frozen=True, slots=True)
class Entry:
    """One benchmark that ships with the package as code."""

    opener: str
    """`module:object`; the object takes (protocol, data root) and returns a `Benchmark`."""
    title: str
    protocols: tuple[str, ...]
    """The first is the default."""
    metric: str
    reported_by: str
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """Protocol ▶ questions of its headline, of protocols whose name does not say it."""


_MEDICAL = "GMAI-VL, Lingshu, Hulu-Med, HuatuoGPT-Vision"

REGISTRY: dict[str, Entry] = {
    "vqa-rad": Entry(
        "gmai_bench.benchmarks.vqa_rad:open_vqa_rad",
        "VQA-RAD: questions of clinicians about radiology images",
        ("exact-451", "yes-no-251", "llava-med", "huatuo-251", "medevalkit"),
        "exact match, options, recall",
        f"{_MEDICAL}, LLaVA-Med, MedGemma",
        {"llava-med": 272, "medevalkit": 451},
    ),
    "slake": Entry(
        "gmai_bench.benchmarks.slake:open_slake",
        "SLAKE: English and Chinese questions about radiology images",
        ("exact-1061", "llava-med", "huatuo-416", "medevalkit", "zh-exact-1033", "zh-closed-420"),
        "exact match, options, recall",
        f"{_MEDICAL}, LLaVA-Med, MedGemma",
        {"llava-med": 416, "medevalkit": 2094},
    ),
    "pmc-vqa": Entry(
        "gmai_bench.benchmarks.pmc_vqa:open_pmc_vqa",
        "PMC-VQA: option questions about figures of papers",
        ("clean-2000", "test2-33430"),
        "options",
        _MEDICAL,
    ),
    "omnimedvqa": Entry(
        "gmai_bench.benchmarks.omnimedvqa:open_omnimedvqa",
        "OmniMedVQA: option questions from 73 data sets of 12 modalities",
        ("open-88996", "open-88996-prefix", "full-127995", "full-127995-prefix", "huatuo-11124"),
        "options",
        _MEDICAL,
    ),
    "mmmu-hm": Entry(
        "gmai_bench.benchmarks.mmmu:open_mmmu",
        "MMMU Health & Medicine (MMMU-Med): five subjects, validation and test",
        ("official-150", "mc-145", "test-1752"),
        "options, MMMU's open rule",
        _MEDICAL,
    ),
    "gmai-mmbench": Entry(
        "gmai_bench.benchmarks.gmai_mmbench:open_gmai_mmbench",
        "GMAI-MMBench: 18 clinical tasks, 18 departments, 4 granularities",
        ("val", "test"),
        "options",
        "GMAI-VL",
        {"val": 4550, "test": 21281},
    ),
    "path-vqa": Entry(
        "gmai_bench.benchmarks.path_vqa:open_path_vqa",
        "PathVQA: questions about pathology images",
        ("exact-6719", "medevalkit"),
        "exact match",
        "Lingshu, Hulu-Med, LLaVA-Med",
        {"medevalkit": 6719},
    ),
    "rad-restruct": Entry(
        "gmai_bench.benchmarks.rad_restruct:open_rad_restruct",
        "Rad-ReStruct: structured reports of chest radiographs, question by question",
        ("flat-18186",),
        "options, one or several",
        "MedEvalKit",
    ),
}
"""Benchmarks whose layout needs code of its own; the others are declared in `bundled/*.yaml`."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A line of `gmai bench list`."""

    name: str
    title: str
    protocols: tuple[str, ...]
    """The first is the default; a number in a name is its count of questions."""
    metric: str
    reported_by: str
    command: str
    """What downloads it."""


@functools.cache
def bundled() -> dict[str, dict[str, Path]]:
    """Return the declared benchmarks of the package: name ▶ protocol ▶ YAML file."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(Path(__file__).parent.glob("bundled/*.yaml")):
        family, _, protocol = read_declaration(path).protocol.partition("/")
        found.setdefault(family, {})[protocol] = path
    return found


def protocols_of(family: str) -> tuple[str, ...]:
    """Return the protocols of a named benchmark, none of an unknown one."""
    entry = REGISTRY.get(family)
    return entry.protocols if entry else tuple(bundled().get(family, ()))


def listings() -> list[Listing]:
    """Return every benchmark with a name."""
    coded = [
        Listing(name, e.title, e.protocols, e.metric, e.reported_by, _command(name, e)) for name, e in REGISTRY.items()
    ]
    declared: list[Listing] = []
    for name, protocols in bundled().items():
        read = [read_declaration(path) for path in protocols.values()]
        metrics = (d.scoring or ("options" if d.choices_style == "letters" else "text") for d in read)
        repos = {d.hub.repo_id: d for d in read if d.hub}
        commands = [
            HubSource(
                repo, tuple(dict.fromkeys(f for d in read if d.hub and d.hub.repo_id == repo for f in d.hub.files))
            )
            for repo in repos
        ]
        command = "; ".join(
            [*(source.command(name) for source in commands), *dict.fromkeys(d.get for d in read if d.get)]
        )
        more = f" (and {len(read) - 1} more)" if len(read) > 1 else ""
        title = f"{read[0].title}{more}"
        declared.append(
            Listing(
                name,
                title,
                tuple(protocols),
                ", ".join(dict.fromkeys(metrics)),
                ", ".join(dict.fromkeys(who for d in read for who in d.reported_by)),
                command,
            )
        )
    return coded + declared


def _command(name: str, entry: Entry) -> str:
    module = _module(entry)
    return str(module.GET) if hasattr(module, "GET") else module.HUB.command(name)


def _module(entry: Entry) -> Any:
    return importlib.import_module(entry.opener.partition(":")[0])


PAPER = ("vqa-rad", "slake", "pmc-vqa", "omnimedvqa", "mmmu-hm", "gmai-mmbench")
"""The benchmarks of the paper's Tables 2 to 5, each under its default protocol; `paper` stands for all of them."""


def named(given: Iterable[str]) -> list[str]:
    """Return the benchmarks that options name, separated by commas; `paper` stands for those of the paper's tables.

    Raises:
        UserError: None is named.
    """
    names = [name.strip() for value in given for name in value.split(",") if name.strip()]
    if not names:
        raise UserError("No benchmark is named. `gmai bench list` shows those there are.")
    return [each for name in names for each in (PAPER if name == "paper" else (name,))]


def pin_revisions(given: Iterable[str]) -> None:
    """Pin data sets of the Hub as `--revision NAME=REVISION` asks.

    Raises:
        UserError: Not of that form, an unknown benchmark, or the Hub knows no such revision.
    """
    for pair in given:
        name, equals, revision = pair.partition("=")
        family = name.partition("/")[0]
        if not equals or not revision or not protocols_of(family):
            raise UserError(
                f'--revision "{pair}": give NAME=REVISION, a name of `gmai bench list` and a commit, tag or branch of '
                f"its data set, such as --revision vqa-rad=main.{did_you_mean(family, [*REGISTRY, *bundled()])}"
            )
        repo_id = _repo_id(family, name.partition("/")[2])
        if not repo_id:
            raise UserError(f'--revision "{pair}": {family} is not on the Hub, so it has no revision. Leave it out.')
        hub.pin(repo_id, revision, name)


def _repo_id(family: str, protocol: str) -> str:
    if family not in REGISTRY:
        declared = read_declaration(next(iter(bundled()[family].values()))).hub
        return declared.repo_id if declared else ""
    module = huatuo if protocol.startswith("huatuo-") else _module(REGISTRY[family])
    return module.HUB.repo_id if hasattr(module, "HUB") else ""


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
        return DeclaredBenchmark(Path(name))
    family, _, protocol = name.partition("/")
    protocols = protocols_of(family)
    if not protocols:
        raise _unknown(name, did_you_mean(family, [*REGISTRY, *bundled()]))
    protocol = protocol or protocols[0]
    if protocol not in protocols:
        raise UserError(f'{family} has no protocol "{protocol}".{did_you_mean(protocol, protocols)}')
    if family not in REGISTRY:
        return DeclaredBenchmark(bundled()[family][protocol], data_root)
    opener = getattr(_module(REGISTRY[family]), REGISTRY[family].opener.partition(":")[2])
    return cast("Callable[[str, Path | None], Benchmark]", opener)(protocol, data_root)


def _unknown(name: str, suggestion: str) -> UserError:
    path = Path(name)
    if not path.exists():
        return UserError(
            f'unknown benchmark "{name}".{suggestion} A benchmark is a name of `gmai bench list` or the path of a YAML '
            f"file, such as BUILD/benchmarks/held_out.yaml."
        )
    meant = (path / "benchmarks" / "held_out.yaml", path / "held_out.yaml", path.with_suffix(".yaml"))
    found = next((file for file in meant if file.is_file()), None)
    remedy = f"Give {found}." if found else "Give its name or the path of its YAML file; --data-root is for its files."
    return UserError(f"{name}: a {'folder' if path.is_dir() else 'file'}, where a benchmark is due. {remedy}")


def siblings(protocol: str, data_root: Path | None) -> Iterator[tuple[str, Sequence[Question]]]:
    """Yield the other protocols of the same benchmark with their questions, without looking at images.

    Copies that are not there are passed over, and nothing is downloaded that the protocol itself does not need.
    """
    family, _, own = protocol.partition("/")
    for name in protocols_of(family):
        if name == own or (data_root is None and _has_own_files(family, name)):
            continue
        with contextlib.suppress(UserError):
            benchmark = open_benchmark(f"{family}/{name}", data_root)
            yield f"{family}/{name}", tuple(benchmark.questions(lambda _, __: ""))


def left_out(protocol: str, data_root: Path | None) -> frozenset[str]:
    """Return the ids of rows that a bundled declaration leaves out by `where`; none where there is no copy."""
    family, _, own = protocol.partition("/")
    if own not in bundled().get(family, {}):
        return frozenset()
    with contextlib.suppress(UserError):
        return frozenset(DeclaredBenchmark(bundled()[family][own], data_root).left_out())
    return frozenset()


def is_other_id(family: str, identity: str) -> bool:
    """Return whether an id is one of the data set's questions that no protocol of the benchmark asks."""
    return family == "mmmu-hm" and identity in mmmu.OTHER_IDS


def _has_own_files(family: str, protocol: str) -> bool:
    return protocol.startswith("huatuo-") or family == "gmai-mmbench"


def default_count(name: str) -> int | None:
    """Return how many questions the headline of a benchmark is over; none where that depends on the copy."""
    family, _, protocol = name.partition("/")
    protocols = protocols_of(family)
    protocol = protocol or (protocols[0] if protocols else "")
    if protocol not in protocols:
        return None
    if family in bundled():
        expected = read_declaration(bundled()[family][protocol]).expected
        return expected.total if expected else None
    if protocol in REGISTRY[family].counts:
        return REGISTRY[family].counts[protocol]
    counts = [int(part) for part in protocol.split("-") if part.isdecimal()]
    return counts[-1] if counts else None
