"""Intervals and standard errors of a share of right answers."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
_MOST_STEPS = 100
_CLOSE = 1e-15


def wilson(correct: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Return the Wilson score interval of a share, for independent answers.

    Source: Wilson 1927; the interval that stays inside 0 to 1 and holds its level for small n.
    """
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (0.0 if correct == 0 else centre - half), (1.0 if correct == n else centre + half)


def clustered_standard_error(scores: Sequence[float], clusters: Sequence[str]) -> tuple[float, int]:
    """Return the standard error of the mean score when answers of one cluster depend on each other, and the clusters.

    The residuals are summed within each cluster before they are squared (Liang and Zeger 1986; Miller 2024,
    arXiv 2411.00640, section 2.2), without a small-sample factor.
    """
    if not scores:
        return math.nan, 0
    values = np.asarray(scores, dtype=np.float64)
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(index, weights=values - values.mean())
    return float(np.sqrt(np.square(sums).sum()) / len(values)), len(sums)


def wilson_clustered(
    correct: int, n: int, standard_error: float, clusters: int, level: float = LEVEL
) -> tuple[float, float]:
    """Return the Wilson interval over the effective number of answers, which clustering makes smaller than `n`.

    The effective number is the one whose independent standard error is the clustered one, at most `n`. All right or
    all wrong leaves no spread to see the clustering in: then every cluster counts as one answer.
    """
    if n == 0:
        return 0.0, 1.0
    share = correct / n
    effective = min(n, share * (1 - share) / standard_error**2) if standard_error > 0 else clusters
    return wilson(share * effective, effective, level)


def mean_interval(
    mean: float, standard_error: float, clusters: int, level: float = LEVEL, *, most: float = 1.0
) -> tuple[float, float]:
    """Return mean ± t · standard error with `clusters - 1` degrees of freedom, cut to 0 to the best score."""
    if clusters < 2:
        return 0.0, most
    half = t_quantile(clusters - 1, level) * standard_error
    return max(0.0, mean - half), min(most, mean + half)


def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """Return the t that holds `level` of Student's distribution between -t and t.

    Source: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4, the finite series of whole degrees of freedom, solved by
    Newton's method. The series has positive terms only, so that it keeps all digits but a few.
    """
    odd = freedom % 2
    steps = np.arange(1, (freedom - odd) // 2, dtype=np.float64)
    weights = np.cumprod(2 * steps / (2 * steps + 1) if odd else (2 * steps - 1) / (2 * steps))
    log_peak = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    t = NormalDist().inv_cdf(0.5 + level / 2)
    for _ in range(_MOST_STEPS):
        # not cosine**2 by powers: its own rounding would grow with the power
        series = 1.0 + float((weights * np.exp(-steps * math.log1p(t * t / freedom))).sum())
        angle = math.atan2(t, math.sqrt(freedom))
        if odd:
            product = math.sin(angle) * math.cos(angle) * series if freedom > 1 else 0.0
            inside = 2 / math.pi * (angle + product)
        else:
            inside = math.sin(angle) * series
        density = math.exp(log_peak - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        step = (inside - level) / (2 * density)
        t -= step
        if abs(step) <= _CLOSE * t:
            break
    return t


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided exact p-value that two models are right equally often on the same questions.

    Args:
        only_first: Questions that only the first model answered rightly.
        only_second: Questions that only the second model answered rightly.

    Source: McNemar 1947, with the binomial distribution in place of the normal one.
    """
    discordant = only_first + only_second
    if discordant == 0:
        return 1.0
    ways = total = 1
    for chosen in range(min(only_first, only_second)):
        ways = ways * (discordant - chosen) // (chosen + 1)
        total += ways
    return min(1.0, 2 * total / 2**discordant)  # whole numbers until the last step, which rounds once


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected for how many there are, so that all of them hold together (Holm 1979)."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    found, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        found[place] = least
    return found


def minimum_detectable_difference(standard_error: float, *, level: float = LEVEL, power: float = 0.8) -> float:
    """Return the smallest true difference that a two-sided test at 1 - `level` finds with the given power."""
    normal = NormalDist()
    return (normal.inv_cdf(0.5 + level / 2) + normal.inv_cdf(power)) * standard_error


def macro_bootstrap(
    scores: Sequence[float], strata: Sequence[str], clusters: Sequence[str], *, draws: int = 2000, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Return the plain mean of the strata's means, and its 95 % percentile interval.

    Clusters are drawn with replacement within their stratum, so that every draw has all strata; a cluster that spans
    strata is drawn in each of them apart.
    """
    values, generator = np.asarray(scores, dtype=np.float64), np.random.default_rng(seed)
    names, stratum = np.unique(np.asarray(strata), return_inverse=True)
    total, mean = np.zeros(draws), 0.0
    for index in range(len(names)):
        inside = stratum == index
        _, cluster = np.unique(np.asarray(clusters)[inside], return_inverse=True)
        sums, sizes = np.bincount(cluster, weights=values[inside]), np.bincount(cluster)
        mean += float(sums.sum() / sizes.sum()) / len(names)
        for start in range(0, draws, 200):  # in pieces: a stratum of 50,000 clusters must fit into memory
            drawn = generator.integers(0, len(sums), size=(min(200, draws - start), len(sums)))
            total[start : start + 200] += sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1) / len(names)
    low, high = np.quantile(total, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return mean, (float(low), float(high))
