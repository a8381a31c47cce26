"""Which questions of perception stay, so that no answer follows from the words of its question.

The shards offer more questions than are published. Over the whole build, once duplicates are left out, each set of
questions is thinned until its answers are equally frequent: `yes` and `no` of each label, the answers of a choice as
often right as they are offered for it, the counts of each label, left and right of each label or pair. A set with one
answer (a structure that every image shows) has no question at all: whoever knows the label knows the answer.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_formats.state import write_state
from pydantic_core import from_json

from gmai_data.checks.duplicates import LEFT_OUT, left_out
from gmai_data.sample import NO_MODALITY, SUB_DATASETS
from gmai_data.seeded import hash_fraction
from gmai_data.untyped import pq
from gmai_data.vocabulary import Kind

REASON = "left out for balance"
_ROUNDS = 40
_SLACK = 1.02
"""An option may be right so much more often than its share of the offers."""


@dataclass(frozen=True)
class Asked:
    """A question of a shard.

    Attributes:
        shard: Number of the shard.
        row: Row of its `samples.parquet`.
        name: Of the sample; draws which ones stay.
        set: Within which the answers are balanced, such as (source, presence, liver).
        answer: The right one.
        options: Those offered, or none.
    """

    shard: int
    row: int
    name: str
    set: tuple[str, ...]
    answer: str
    options: tuple[str, ...]


_UNBALANCED = "unbalanced"


def thin(folders: Sequence[Path], seed: int) -> int:
    """Add the questions that do not stay to `left_out.json` of the shards of a build, and return how many there are.

    Args:
        folders: All finished shards, in the build's order; duplicates are left out already.
        seed: Draws other questions.
    """
    asked = [each for shard, folder in enumerate(folders) for each in _questions(shard, folder)]
    dropped: dict[int, list[int]] = defaultdict(list)
    for each in unbalanced(asked, seed):
        dropped[each.shard].append(each.row)
    for shard, rows in dropped.items():
        _write(folders[shard], sorted(rows))
    return sum(map(len, dropped.values()))


def unbalanced(asked: Iterable[Asked], seed: int) -> list[Asked]:
    """Return the questions that do not stay."""
    sets: dict[tuple[str, ...], list[Asked]] = defaultdict(list)
    for each in asked:
        sets[each.set].append(each)
    dropped: list[Asked] = []
    for _, members in sorted(sets.items()):
        members.sort(key=lambda each: hash_fraction(seed, "balance", each.name))
        kept = _even_choices(members) if members[0].options else _even_answers(members)
        dropped += [each for each in members if each not in kept]
    return dropped


def _even_answers(members: Sequence[Asked]) -> set[Asked]:
    """Return as many of each answer as give most questions; an answer rarer than half of that is left out."""
    counts = Counter(each.answer for each in members)
    best: tuple[int, int] = (0, 0)
    for quota in sorted({*counts.values(), *(2 * count for count in counts.values())}):
        reached = [count for count in counts.values() if count >= quota]
        best = max(best, (len(reached) * quota if len(reached) > 1 else 0, quota))
    if not best[0]:
        return set()
    taken: Counter[str] = Counter()
    kept: set[Asked] = set()
    for each in members:
        if counts[each.answer] >= best[1] and taken[each.answer] < best[1]:
            taken[each.answer] += 1
            kept.add(each)
    return kept


def _even_choices(members: Sequence[Asked]) -> set[Asked]:
    """Return questions in which no option is right more often than its share of the offers."""
    kept = list(members)
    for _ in range(_ROUNDS):
        offered: Counter[str] = Counter()
        for each in kept:
            for option in each.options:
                offered[option] += 1
        shares: dict[str, list[float]] = {option: [] for option in offered}
        for each in kept:
            for option in set(each.options):
                shares[option].append(1 / len(each.options))
        share = {option: sum(parts) for option, parts in shares.items()}
        right = Counter(each.answer for each in kept)
        over = {answer: count for answer, count in right.items() if count > share[answer] * _SLACK}
        never = {option for option in offered if not right[option]}
        if not over and not never:
            break
        # Where an option is never right, its questions tell too much; where one is right too often, some of its go.
        room = {answer: max(int(share[answer]), 1 if share[answer] >= 1 else 0) for answer in over}
        rest: list[Asked] = []
        for each in kept:
            if never.intersection(each.options):
                continue
            if each.answer in room:
                if not room[each.answer]:
                    continue
                room[each.answer] -= 1
            rest.append(each)
        if len(rest) == len(kept):
            break
        kept = rest
    return set(kept) if len({each.answer for each in kept}) > 1 else set()


def _questions(shard: int, folder: Path) -> Iterable[Asked]:
    path = folder / "samples.parquet"
    if not path.is_file():
        return
    unused = {int(row) for row in left_out(folder)["rows"]}
    columns = ["id", "kind", "source", "split", "language", "provenance", "annotation", "beside"]
    row = 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for each in file.read_row_group(group, columns=columns).to_pylist():
                if each["kind"] == Kind.VISUAL_PERCEPTION and unused.isdisjoint((each["annotation"], each["beside"])):
                    balance = from_json(each["provenance"]).get("balance")
                    if balance is not None:
                        # The modality is asked over all sources: within one it is always the same.
                        source = "" if balance["of"][0].startswith("modality") else each["source"]
                        name = (source, each["split"], each["language"], *balance["of"])
                        yield Asked(shard, row, each["id"], name, balance["answer"], tuple(balance.get("options", ())))
                row += 1


def _write(folder: Path, rows: Sequence[int]) -> None:
    known: Mapping[str, Any] = left_out(folder)
    if _UNBALANCED in known:  # of a run that was ended here; where there are duplicates, they were written anew
        known = {"rows": {}, "ids": [], "account": {"images": {}, "samples": 0, "tallies": {}}}
    table = pq.read_table(folder / "samples.parquet", columns=["kind", "language", "modality", "department", "split"])
    annotations = pq.read_table(folder / "annotations.parquet", columns=["task", "clinical_task"])
    tallies: dict[str, Counter[str]] = {
        of: Counter(values) for of, values in known["account"].get("tallies", {}).items()
    }
    for row in table.take(list(rows)).to_pylist():
        for column in ("kind", "language", "modality", "department"):
            tallies.setdefault(column, Counter())[row[column] or NO_MODALITY] += 1
        tallies.setdefault("sub_dataset", Counter())[f"{SUB_DATASETS[Kind(row['kind'])]}/{row['split']}"] += 1
        for column in ("task", "clinical_task"):
            tallies.setdefault(column, Counter())[annotations[column][0].as_py()] += 1
    account: Mapping[str, Any] = {
        **known["account"], "balance": len(rows), "tallies": {of: dict(values) for of, values in tallies.items()},
    }  # fmt: skip
    write_state(folder / LEFT_OUT, {**known, _UNBALANCED: list(rows), "account": account})
