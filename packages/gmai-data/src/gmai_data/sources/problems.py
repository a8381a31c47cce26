"""Why an input was not used, and the ledger in which every input is accounted for."""

import copy
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


class SourceError(Exception):
    """An input that cannot be used: it goes into the quarantine with its reason, and the build goes on.

    Args:
        rule: Short, stable words that problems of this kind are counted under.
        detail: What was found, and the remedy where there is one.
        file: Path relative to the recipe's root.
    """

    def __init__(self, rule: str, detail: str, file: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule, self.detail, self.file = rule, detail, file


class SetAside(Exception):  # noqa: N818 - no error: the input is sound
    """An input that is sound but not meant to be used: it counts as dropped, by its reason.

    Args:
        rule: Short, stable words that such inputs are counted under.
        file: Path relative to the recipe's root.
    """

    def __init__(self, rule: str, file: str) -> None:
        super().__init__(rule)
        self.rule, self.file = rule, file


@dataclass
class Count:
    """What became of the things of one kind; `read` is counted on its own, so that the sum can be checked."""

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    quarantined: int = 0

    def check(self, what: str) -> None:
        """Refuse a sum that does not add up.

        Raises:
            RuntimeError: Something was lost on the way; this is a bug and never the user's mistake.
        """
        accounted = self.kept + self.dropped.total() + self.quarantined
        if accounted != self.read:
            raise RuntimeError(f"{what}: {self.read} read, but {accounted} kept, dropped or quarantined")

    def row(self) -> dict[str, Any]:
        """Return the counts as plain JSON values."""
        dropped = dict(sorted(self.dropped.items()))
        return {"read": self.read, "kept": self.kept, "dropped": dropped, "quarantined": self.quarantined}


KINDS = ("items", "images", "boxes", "samples")
"""What is accounted for."""


@dataclass
class Ledger:
    """The account of one shard or recipe: source items, exported pictures, boxes, samples."""

    items: Count = field(default_factory=Count)
    images: Count = field(default_factory=Count)
    boxes: Count = field(default_factory=Count)
    samples: Count = field(default_factory=Count)
    quarantine: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    tallies: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])

    def keep_box(self) -> None:
        """Account for one box that was read and is used."""
        self.boxes.read += 1
        self.boxes.kept += 1

    def quarantine_box(self, problem: SourceError) -> None:
        """Account for one box that cannot be used."""
        self.boxes.read += 1
        self.boxes.quarantined += 1
        self._write_aside(problem)

    def quarantine_item(self, problem: SourceError) -> None:
        """Account for one item that was read and cannot be used."""
        self.items.quarantined += 1
        self._write_aside(problem)

    def quarantine_sample(self, name: str, reason: str) -> None:
        """Account for one sample for which no usable text came."""
        self.samples.quarantined += 1
        self.quarantine.append({"file": name, "reason": reason})

    def mark(self) -> "Mark":
        """Return where the account of pictures and boxes stands, for `roll_back`."""
        return copy.deepcopy(self.images), copy.deepcopy(self.boxes), len(self.quarantine)

    def roll_back(self, mark: "Mark") -> None:
        """Take back the pictures and boxes of an item that turned out unusable; the item itself is accounted for."""
        self.images, self.boxes = mark[0], mark[1]
        del self.quarantine[mark[2] :]

    def _write_aside(self, problem: SourceError) -> None:
        self.quarantine.append({"file": problem.file, "reason": str(problem)})

    def tally(self, of: str, value: str) -> None:
        """Count one sample under a column's value, for the statistics."""
        self.tallies.setdefault(of, Counter())[value] += 1

    def check(self) -> None:
        """Check every sum; see `Count.check`."""
        for name in KINDS:
            count: Count = getattr(self, name)
            count.check(name)

    def to_json(self) -> dict[str, Any]:
        """Return the whole account as plain JSON values."""
        counts = {name: getattr(self, name).row() for name in KINDS}
        tallies = {of: dict(sorted(values.items())) for of, values in sorted(self.tallies.items())}
        return {**counts, "tallies": tallies, "quarantine": self.quarantine}


Mark = tuple[Count, Count, int]


def add_up(accounts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the sum of several accounts as written by `Ledger.to_json`."""
    total = Ledger()
    for account in accounts:
        for name in KINDS:
            count: Count = getattr(total, name)
            count.read += account[name]["read"]
            count.kept += account[name]["kept"]
            count.quarantined += account[name]["quarantined"]
            count.dropped.update(account[name]["dropped"])
        for of, values in account["tallies"].items():
            total.tallies.setdefault(of, Counter()).update(values)
        total.quarantine.extend(account["quarantine"])
    total.check()
    return total.to_json()


def add_counts(total: dict[str, int], more: Mapping[str, int]) -> None:
    """Add counts to counts of the same names."""
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


def without(account: dict[str, Any], left_out: Mapping[str, Any]) -> dict[str, Any]:
    """Return an account of a shard after some of its pictures were left out, with their samples.

    Args:
        account: As written by `Ledger.to_json`.
        left_out: `images` (reason ▶ count), `samples`, and `tallies` of those samples.
    """
    images, samples = dict(account["images"]), dict(account["samples"])
    images["kept"] -= sum(left_out["images"].values())
    images["dropped"] = {**images["dropped"], **left_out["images"]}
    if left_out["samples"]:
        samples["kept"] -= left_out["samples"]
        samples["dropped"] = {**samples["dropped"], "of a duplicate image": left_out["samples"]}
    tallies = {of: dict(values) for of, values in account["tallies"].items()}
    for of, values in left_out["tallies"].items():
        add_counts(tallies[of], {value: -count for value, count in values.items()})
        tallies[of] = {value: count for value, count in tallies[of].items() if count}
    return {**account, "images": images, "samples": samples, "tallies": tallies}
