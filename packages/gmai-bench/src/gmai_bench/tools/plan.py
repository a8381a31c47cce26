"""What difference so many questions can show, before they are asked."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from gmai_formats.errors import UserError, did_you_mean

from gmai_bench.benchmarks.declaration import read_declaration
from gmai_bench.benchmarks.registry import REGISTRY, bundled, default_count, protocols_of
from gmai_bench.scoring.statistics import minimum_detectable_difference, wilson

_SHARES = ("option-letter", "option-text", "option-letter-set", "exact", "yes-no", "alternatives", "mmmu", "likelihood")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")


@dataclass(frozen=True, slots=True)
class Plan:
    """What so many questions can show; shares."""

    half_width: float
    """Half the width of one model's 95 % Wilson interval."""
    unpaired: float
    """Smallest true difference found with 80 % power between two models on different questions of that many."""
    paired: float
    """The same on the same questions."""


def planned(n: int, accuracy: float, agreement: float, per_cluster: float, within: float) -> Plan:
    """Return what `n` questions can show.

    Args:
        n: Questions.
        accuracy: Share right.
        agreement: Correlation of two models' right answers to one question: what the same questions save.
        per_cluster: Questions about one image, on average.
        within: Correlation of right answers about one image. Clusters make n questions worth n / (1 + (m - 1) · within)
            (the design effect of Kish 1965).
    """
    _refuse_certainty(accuracy, agreement)
    if per_cluster > n:
        raise UserError(
            f"--per-cluster {per_cluster:g}: {n} questions are not {per_cluster:g} about one image. Give at most {n}."
        )
    effective = n / (1 + (per_cluster - 1) * within)
    low, high = wilson(accuracy * effective, effective)
    variance = accuracy * (1 - accuracy)
    return Plan(
        half_width=(high - low) / 2,
        unpaired=minimum_detectable_difference(math.sqrt(2 * variance / effective)),
        paired=minimum_detectable_difference(math.sqrt(2 * variance * (1 - agreement) / effective)),
    )


def questions_for(difference: float, accuracy: float, agreement: float, per_cluster: float, within: float) -> int:
    """Return how many questions show a true difference between two models on the same questions."""
    _refuse_certainty(accuracy, agreement)
    normal = NormalDist()
    z = normal.inv_cdf(0.975) + normal.inv_cdf(0.8)
    variance = 2 * accuracy * (1 - accuracy) * (1 - agreement)
    return math.ceil(z * z * variance / difference**2 * (1 + (per_cluster - 1) * within))


def _refuse_certainty(accuracy: float, agreement: float) -> None:
    """Refuse models between which no difference is left to plan for."""
    if accuracy in (0, 1) or agreement == 1:
        wrong, remedy = f"--accuracy {accuracy:g}", "Give a share between 0 and 1, such as --accuracy 0.95."
        if agreement == 1:
            wrong, remedy = "--agreement 1", "Give a correlation below 1, such as --agreement 0.9."
        raise UserError(f"{wrong}: then no answer varies, and there is no difference to plan for. {remedy}")


def sizes(names: Iterable[str]) -> list[tuple[str, int]]:
    """Return what is planned for: a number, or the questions of a benchmark.

    Raises:
        UserError: Neither a number nor a benchmark with a known count.
    """
    found: list[tuple[str, int]] = []
    for given in (part.strip() for name in names for part in _parts(name)):
        if given.replace("_", "").isdecimal() and int(given) > 0:
            found.append((given, int(given)))
            continue
        count = default_count(given)
        if count is None:
            raise _uncounted(given)
        found.append((given, count))
    return found


def _parts(given: str) -> list[str]:
    """Return what is separated by commas.

    Raises:
        UserError: It may be one number or several: "1,200".
    """
    if _THOUSANDS.fullmatch(given.strip()):
        raise UserError(
            f'"{given}": may be one number or several. Numbers are written without commas between their digits. '
            f"Give {given.replace(',', '')}, or {' '.join(given.split(','))}."
        )
    return given.split(",")


def not_shares(names: Iterable[str]) -> list[str]:
    """Return the benchmarks that are scored by a measure of texts, with it: no share of right answers to plan for."""
    found: list[str] = []
    for name in dict.fromkeys(part.strip() for given in names for part in given.split(",")):
        family, _, protocol = name.partition("/")
        files = bundled().get(family, {})
        path = files.get(protocol or next(iter(files), ""))
        scoring = read_declaration(path).scoring if path else ""
        if scoring and scoring not in _SHARES:
            found.append(f"{name} ({scoring})")
    return found


def _uncounted(given: str) -> UserError:
    """Return why something has no count of questions."""
    family, _, protocol = given.partition("/")
    protocols = protocols_of(family)
    remedy = "Give a number of questions, or a name of `gmai bench list` such as vqa-rad or slake/huatuo-416."
    if given.endswith((".yaml", ".yml")):
        return UserError(f'"{given}": a file does not say how many questions it has before it is read. {remedy}')
    if not protocols:
        return UserError(
            f'"{given}": neither a number nor a benchmark.{did_you_mean(family, [*REGISTRY, *bundled()])} {remedy}'
        )
    if protocol and protocol not in protocols:
        return UserError(f'"{given}": {family} has no such protocol.{did_you_mean(protocol, protocols)} {remedy}')
    return UserError(f'"{given}": the count of this protocol depends on the copy. {remedy}')
