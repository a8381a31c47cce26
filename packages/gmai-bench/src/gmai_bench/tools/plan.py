"""What difference so many questions can show, before they are asked."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from gmai_formats.errors import UserError

from gmai_bench.benchmarks.registry import bundled, default_count
from gmai_bench.scoring.statistics import minimum_detectable_difference, wilson


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
    normal = NormalDist()
    z = normal.inv_cdf(0.975) + normal.inv_cdf(0.8)
    variance = 2 * accuracy * (1 - accuracy) * (1 - agreement)
    return math.ceil(z * z * variance / difference**2 * (1 + (per_cluster - 1) * within))


def sizes(names: Iterable[str]) -> list[tuple[str, int]]:
    """Return what is planned for: a number, or the questions of a benchmark.

    Raises:
        UserError: Neither a number nor a benchmark with a known count.
    """
    found: list[tuple[str, int]] = []
    for given in (part.strip() for name in names for part in name.split(",")):
        if given.replace("_", "").isdecimal() and int(given) > 0:
            found.append((given, int(given)))
            continue
        count = default_count(given)
        if count is None:
            known = ", ".join(bundled())
            raise UserError(
                f'"{given}": neither a number of questions nor a benchmark whose count is known. Give a number, or a '
                f"name of `gmai bench list` such as vqa-rad, slake/llava-med, {known[:60]}…"
            )
        found.append((given, count))
    return found
