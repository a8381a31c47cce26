"""Why an input was not used, and the ledger in which every input is accounted for."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gmai_data.identifiers import find_identifier


def printable(name: str) -> str:
    r"""Return a name as text: bytes that are no UTF-8, as old archives have them, as escapes such as `\xe9`."""
    if name.isascii():
        return name
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a surrogate pair, which no file system gave
        return name.encode("utf-8", "backslashreplace").decode()


class SourceError(Exception):
    """An input that cannot be used: it goes into the quarantine with its reason, and the build goes on.

    Args:
        rule: Short, stable words that problems of this kind are counted under.
        detail: What was found, and the remedy where there is one.
        file: Path relative to the recipe's root.
    """

    def __init__(self, rule: str, detail: str, file: str) -> None:
        self.rule, self.detail, self.file = rule, printable(detail), printable(file)
        super().__init__(f"{rule}: {self.detail}")


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


_EXCERPT = 600
"""Characters of a refused text that are listed."""
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
    dropped: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """Each item, image and sample that counts as dropped, with the check; boxes are counted only."""
    uncertain: Counter[str] = field(default_factory=Counter[str])
    """Label ▶ pictures of which the source leaves open whether it holds."""
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

    def drop_item(self, key: str, check: str) -> None:
        """Account for one item that is sound, but not meant to be used."""
        self.items.dropped[check] += 1
        self.dropped.append(_line(key, "item", check))

    def drop_image(self, name: str, check: str, detail: str = "") -> None:
        """Account for one picture that a check refused."""
        self.images.dropped[check] += 1
        self.dropped.append(_line(name, "image", check, detail))

    def drop_sample(self, name: str, kind: str, language: str, check: str, detail: str, text: str) -> None:
        """Account for one sample that a check refused; the beginning of its text tells whether the check was right."""
        self.samples.dropped[check] += 1
        # What may point to a person is not copied to where it is looked at.
        excerpt = {} if find_identifier(text[:_EXCERPT]) else {"text": text[:_EXCERPT]}
        self.dropped.append({**_line(name, kind, check, detail), "language": language, **excerpt})

    def mark(self) -> "Mark":
        """Return where the account of pictures and boxes stands, for `roll_back`."""
        images, boxes = (replace(each, dropped=each.dropped.copy()) for each in (self.images, self.boxes))
        return images, boxes, self.uncertain.copy(), len(self.quarantine), len(self.dropped)

    def roll_back(self, mark: "Mark") -> None:
        """Take back the pictures and boxes of an item that turned out unusable; the item itself is accounted for."""
        self.images, self.boxes, self.uncertain, quarantined, dropped = mark
        del self.quarantine[quarantined:], self.dropped[dropped:]

    def _write_aside(self, problem: SourceError) -> None:
        self.quarantine.append({"file": problem.file, "reason": str(problem)})

    def tally(self, of: str, value: str, times: int = 1) -> None:
        """Count samples under a column's value, for the statistics."""
        self.tallies.setdefault(of, Counter())[value] += times

    def check(self) -> None:
        """Check every sum; see `Count.check`."""
        for name in KINDS:
            count: Count = getattr(self, name)
            count.check(name)

    def to_json(self) -> dict[str, Any]:
        """Return the whole account as plain JSON values."""
        counts = {name: getattr(self, name).row() for name in KINDS}
        tallies = {of: dict(sorted(values.items())) for of, values in sorted(self.tallies.items())}
        uncertain = dict(sorted(self.uncertain.items()))
        lists = {"quarantine": self.quarantine, "dropped": self.dropped}
        return {**counts, "tallies": tallies, "uncertain": uncertain, **lists}


Mark = tuple[Count, Count, Counter[str], int, int]


def _line(name: str, kind: str, check: str, detail: str = "") -> dict[str, str]:
    """Return a line of dropped.jsonl; `kind` is `item`, `image`, or that of a sample."""
    return {"id": name, "kind": kind, "check": check, "detail": detail}


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
        total.dropped.extend(account["dropped"])
        total.uncertain.update(account["uncertain"])
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
        left_out: `rows` (row ▶ reason) and `ids` of the pictures; `account`: `images` (reason ▶ count), `samples`,
            and `tallies` of those samples.
    """
    dropped = left_out["account"]
    images, samples = dict(account["images"]), dict(account["samples"])
    images["kept"] -= sum(dropped["images"].values())
    images["dropped"] = {**images["dropped"], **dropped["images"]}
    if dropped["samples"]:
        samples["kept"] -= dropped["samples"]
        samples["dropped"] = {**samples["dropped"], "of a duplicate image": dropped["samples"]}
    if dropped.get("balance"):
        samples["kept"] -= dropped["balance"]
        samples["dropped"] = {**samples["dropped"], "left out for balance": dropped["balance"]}
    reasons = [reason.partition(": ") for reason in left_out["rows"].values()]
    named = zip(left_out["ids"], reasons, strict=True)
    listed = account["dropped"] + [_line(name, "image", check, detail) for name, (check, _, detail) in named]
    tallies = {of: dict(values) for of, values in account["tallies"].items()}
    for of, values in dropped["tallies"].items():
        add_counts(tallies[of], {value: -count for value, count in values.items()})
        tallies[of] = {value: count for value, count in tallies[of].items() if count}
    return {**account, "images": images, "samples": samples, "tallies": tallies, "dropped": listed}
