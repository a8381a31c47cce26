"""What an output folder refuses, so that its report means one thing: other settings, other questions, twins."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_cli.folders import require_own
from gmai_formats.errors import UserError
from gmai_formats.run_record import NAME
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.question import Benchmark, Card
from gmai_bench.report.build import folder_of


def claim(out: Path, asked: Mapping[str, Any]) -> None:
    """Write what an output folder is for, before anything else: a kill leaves no folder that nobody began.

    Raises:
        UserError: It holds answers to other settings, or something else.
    """
    path = out / "asked.json"
    try:
        earlier = read_state(path)
    except FileNotFoundError:
        require_own(out, command="gmai bench", begun=("report.json",))
        earlier = asked
    except DamagedError as error:
        say(f"{error}; it is written anew. Each answer says itself what it was given to.")
        earlier = asked
    differing = [
        f"{key} was {earlier.get(key)}, is {asked.get(key)}"
        for key in sorted({*asked, *earlier} - {"model"})
        if earlier.get(key) != asked.get(key)
    ]
    if differing and any(out.rglob("predictions*.jsonl")):
        raise UserError(
            f"{out}: holds answers to other settings ({'; '.join(differing)}). One output folder is one model under "
            f"one setting, so that its report means one thing. Use another --out, or remove {out}."
        )
    write_state(path, asked)


def refuse_twins(benchmarks: Sequence[Benchmark]) -> None:
    """Refuse a protocol that is asked for twice."""
    protocols = [benchmark.card.protocol for benchmark in benchmarks]
    twins = sorted({protocol for protocol in protocols if protocols.count(protocol) > 1})
    if twins:
        raise UserError(
            f"--benchmarks: {', '.join(twins)} is asked for twice. A protocol names one folder of answers. "
            f"Give each benchmark once, and each YAML file its own `protocol`."
        )


def _revision_of_run(out: Path, card: Card) -> str:
    try:
        inputs: Any = read_state(out / NAME)["inputs"]
        return str(inputs[card.protocol]["revision"] or "")
    except (OSError, KeyError, TypeError, DamagedError):
        return ""


def refuse_other_revision(out: Path, card: Card) -> None:
    """Refuse a benchmark whose commit on the Hub is not the one that the answers in the folder were given to."""
    folder = folder_of(out, card)
    try:
        before = record.read(folder).card.revision if (folder / "benchmark.json").exists() else ""
    except DamagedError:
        before = _revision_of_run(out, card)
        known_revision = f" The revision is that of run.json, {before}." if before else ""
        say(f"{folder}: benchmark.json or questions.jsonl is damaged; both are written anew.{known_revision}")
    if before and card.revision and before != card.revision:
        raise UserError(
            f"{folder}: its questions are those of {card.hub} at {before}, and now they would be read at "
            f"{card.revision}. A number must not change its questions silently. "
            f"Pass --revision {card.protocol}={before}, or use another --out."
        )
